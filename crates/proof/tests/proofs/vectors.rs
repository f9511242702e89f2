//! The golden vectors: regenerated and compared, and each judged.
//!
//! `HANSE_BLESS=1 cargo test -p hanse-proof vectors` writes them anew. A changed file is a changed
//! format: docs/formats/proof.md and `VERSION` come first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hanse_proof::{TrustFile, TrustRoot, verify};
use serde_json::{Value, json};

use crate::chain::{Chain, EPOCH};
use crate::{bad, good};

fn folder() -> PathBuf {
    // Cargo says where the crate is when it runs this; where it was when this was compiled may be another clone.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    Path::new(&here).join("../../fixtures/proof")
}

/// Every file of the fixtures, by its path below the folder.
fn files(chain: &Chain) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut vectors = Vec::new();
    for (name, root) in good::trusts(chain) {
        files.insert(format!("trust/{name}.json"), trust_file(chain, &root).into_bytes());
    }
    for good in good::all(chain) {
        let file = format!("good/{}.hproof", good.name);
        let bytes = good.proof.encode();
        vectors.push(json!({ "file": file, "trust": good.trust, "expect": "verified" }));
        assert!(files.insert(file, bytes).is_none(), "two vectors are called {}", good.name);
    }
    for bad in bad::all(chain) {
        let file = format!("bad/{}.hproof", bad.name);
        vectors.push(json!({ "file": file, "trust": bad.trust, "expect": bad.reason.code() }));
        assert!(files.insert(file, bad.bytes).is_none(), "two vectors are called {}", bad.name);
    }
    let manifest = serde_json::to_string_pretty(&json!({ "v": 1, "vectors": vectors })).unwrap();
    files.insert("vectors.json".into(), format!("{manifest}\n").into_bytes());
    files
}

fn trust_file(chain: &Chain, root: &TrustRoot) -> String {
    let mut genesis = chain.genesis.clone();
    if root.chain_id != genesis.chain_id() {
        genesis.name = "another-network".into();
    }
    assert_eq!(root.chain_id, genesis.chain_id());
    let name = genesis.name.clone();
    TrustFile { name, genesis, root: root.clone(), max_age_ms: None }.to_json()
}

#[test]
fn the_committed_vectors_are_what_this_program_makes() {
    let expected = files(&Chain::new());
    if std::env::var_os("HANSE_BLESS").is_some() {
        let _ = std::fs::remove_dir_all(folder());
        for (name, bytes) in &expected {
            let path = folder().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    for (name, bytes) in &expected {
        let found = std::fs::read(folder().join(name)).unwrap_or_default();
        assert!(found == *bytes, "{name} differs; see the head of this file");
    }
    let mut found = BTreeSet::new();
    for part in ["good", "bad", "trust"] {
        for entry in std::fs::read_dir(folder().join(part)).unwrap() {
            found.insert(format!("{part}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    found.insert("vectors.json".into());
    assert_eq!(found, expected.keys().cloned().collect());
}

#[test]
fn every_committed_vector_gets_its_verdict() {
    if std::env::var_os("HANSE_BLESS").is_some() {
        return; // They are being written by the other test.
    }
    let manifest = std::fs::read(folder().join("vectors.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let (mut good, mut bad, mut wrong) = (0, 0, Vec::new());
    for vector in manifest["vectors"].as_array().unwrap() {
        let text = |field: &str| vector[field].as_str().unwrap();
        let bytes = std::fs::read(folder().join(text("file"))).unwrap();
        let trust = folder().join(format!("trust/{}.json", text("trust")));
        let trust = TrustFile::parse(&std::fs::read_to_string(trust).unwrap()).unwrap().root;
        let verdict = match verify(&bytes, &trust) {
            Ok(_) => "verified",
            Err(error) => error.code(),
        };
        if verdict != text("expect") {
            wrong.push(format!("{}: {verdict} instead of {}", text("file"), text("expect")));
        }
        if text("expect") == "verified" { good += 1 } else { bad += 1 }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(good >= 30 && bad >= 100, "{good} good, {bad} bad");
}

#[test]
fn what_is_verified_is_what_the_chain_did() {
    let chain = Chain::new();
    for good in good::all(&chain) {
        let (_, trust) = good::trusts(&chain).into_iter().find(|t| t.0 == good.trust).unwrap();
        let verified = verify(&good.proof.encode(), &trust).unwrap();
        let header = &chain.headers[verified.header.height as usize];
        assert_eq!(verified.header_digest, header.digest(), "{}", good.name);
        assert_eq!(verified.time_ms, header.timestamp_ms);
        assert_eq!(verified.claim, good.proof.claim);
        let certified = &chain.headers[verified.certified_height as usize];
        assert_eq!(verified.certified_digest, certified.digest());
        assert_eq!(verified.signers.len(), verified.quorum.signed);
        assert_eq!(verified.quorum.epoch, certified.place.epoch, "{}", good.name);
        assert_eq!(certified.place.epoch, certified.height / EPOCH);
        assert!(verified.quorum.signed >= verified.quorum.need);
    }
}
