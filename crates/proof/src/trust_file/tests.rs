//! A trust root survives its file, and a file that lies about itself is refused.

use alloc::vec;

use hanse_types::{ChainParams, GenesisOrganisation, PublicKey, Threshold};
use serde_json::{Value, json};

use super::*;

fn genesis() -> Genesis {
    let organisations = ["acme", "borealis", "cobalt", "delta"];
    Genesis {
        version: 1,
        name: "test".into(),
        created_ms: 1,
        params: ChainParams {
            protocol_version: 1,
            heartbeat_ms: 1,
            leader_timeout_ms: 2,
            certification_timeout_ms: 3,
            clock_ahead_max_ms: 4,
            epoch_blocks: 256,
            spaces_per_organisation: 5,
            motion: Threshold::TWO_THIRDS,
            motion_high: Threshold::ALL,
        },
        organisations: (1..5)
            .map(|i| GenesisOrganisation {
                name: organisations[usize::from(i) - 1].into(),
                admin: PublicKey::Ed25519([i; 32]),
                consensus: [9 - i; 32],
                gateways: vec![],
            })
            .collect(),
    }
}

/// The file with one field changed.
fn changed(path: &str, value: Value) -> Result<TrustFile, TrustFileError> {
    let mut file: Value =
        serde_json::from_str(&TrustFile::from_genesis(genesis()).to_json()).unwrap();
    match file.pointer_mut(path) {
        Some(field) => *field = value,
        None => {
            let name = path.trim_start_matches('/');
            file.as_object_mut().unwrap().insert(name.into(), value);
        }
    }
    TrustFile::parse(&file.to_string())
}

#[test]
fn a_file_gives_back_what_was_written() {
    let mut file = TrustFile::from_genesis(genesis());
    assert_eq!(TrustFile::parse(&file.to_json()).unwrap(), file);
    file.max_age_ms = Some(3_600_000);
    file.root.pinned = Some(Pinned { height: 7, digest: Digest([3; 32]) });
    assert_eq!(TrustFile::parse(&file.to_json()).unwrap(), file);
}

#[test]
fn a_file_that_does_not_fit_itself_is_refused() {
    let file = |path, value| changed(path, value).unwrap_err();
    assert!(matches!(file("/v", json!(2)), TrustFileError::Version(2)));
    assert!(matches!(file("/v", json!("1")), TrustFileError::Json(_)));
    assert!(matches!(file("/surplus", json!(1)), TrustFileError::Json(_)));
    assert!(matches!(file("/genesis", json!("zz")), TrustFileError::Hex("genesis")));
    assert!(matches!(file("/genesis", json!("00")), TrustFileError::Genesis));
    assert!(matches!(file("/chain_id", json!("00".repeat(32))), TrustFileError::Chain));
    assert!(matches!(file("/chain_id", json!("A0".repeat(32))), TrustFileError::Hex(_)));
    let organisation = file("/committee/members/0/organisation", json!("mallory"));
    assert!(matches!(organisation, TrustFileError::Committee));
    let key = file("/committee/members/0/consensus", json!("07".repeat(32)));
    assert!(matches!(key, TrustFileError::Committee));
    assert!(matches!(file("/committee/members", json!([])), TrustFileError::Committee));
    assert!(matches!(file("/pinned", json!({ "height": 1 })), TrustFileError::Json(_)));
    let pinned = json!({ "height": 1, "digest": "12" });
    assert!(matches!(file("/pinned", pinned), TrustFileError::Hex("pinned digest")));
    // After epoch 0 the committee is whoever the owner of the file says.
    assert!(changed("/committee/epoch", json!(3)).is_ok());
}
