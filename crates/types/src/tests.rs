//! Golden digests: a changed number here is a changed format and needs an ADR.

use alloc::{string::ToString, vec, vec::Vec};
use hanse_crypto::Digest;

use super::*;

fn header() -> Header {
    Header {
        version: 1,
        protocol: 1,
        chain_id: Digest([1; 32]),
        height: 7,
        place: Place { epoch: 0, view: 9, leader: [2; 32], parent_view: 8 },
        parent: Digest([3; 32]),
        timestamp_ms: 1_700_000_000_000,
        body_root: Body::default().root(),
        receipt_root: Digest([4; 32]),
        event_root: Digest([5; 32]),
        settled_height: 5,
        state_root: Digest([6; 32]),
        state_version: 1,
        settles: true,
        history_root: Digest([7; 32]),
        committee: Digest([8; 32]),
        next_committee: Digest([8; 32]),
    }
}

#[test]
fn decoding_refuses_trailing_bytes_and_truncation() {
    let bytes = encode(&header());
    assert_eq!(decode::<Header>(&bytes), Ok(header()));
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(decode::<Header>(&longer), Err(DecodeError));
    assert_eq!(decode::<Header>(&bytes[..bytes.len() - 1]), Err(DecodeError));
}

#[test]
fn every_header_byte_is_bound_by_the_digest() {
    let bytes = encode(&header());
    for i in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[i] ^= 1;
        if let Ok(other) = decode::<Header>(&changed) {
            assert_ne!(other.digest(), header().digest(), "byte {i}");
        }
    }
}

#[test]
fn state_keys_of_one_prefix_never_run_into_another() {
    let a = StateKey::Tag { repo: "h/a", tag: "b" }.encode();
    let b = StateKey::Tag { repo: "h/ab", tag: "" }.encode();
    assert_ne!(a, b);
    let prefix = StateKey::prefix(7, &["h/a"]);
    assert!(a.starts_with(&prefix) && !b.starts_with(&prefix));
}

#[test]
fn quorum_is_the_engines() {
    for (n, need) in [(1, 1), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7), (13, 9)] {
        let members: Vec<CommitteeMember> = (0..n)
            .map(|i| CommitteeMember { consensus: [i; 32], organisation: i.to_string() })
            .collect();
        assert_eq!(Committee { epoch: 0, members }.quorum(), need);
    }
}

#[test]
fn names_are_rfc_1123_labels() {
    assert_eq!(check_name("acme-2"), Ok(()));
    assert_eq!(check_name(""), Err(NameError::Empty));
    assert_eq!(check_name(&"a".repeat(64)), Err(NameError::Long));
    for bad in ["-a", "a-", "A", "a_b", "ä", "a b"] {
        assert_eq!(check_name(bad), Err(NameError::Letters), "{bad}");
    }
}

#[test]
fn body_root_binds_space_and_order() {
    let command = |b: u8| Command { kind: 1, bytes: vec![b] };
    let body = |space: &str, commands| Body {
        segments: vec![Segment { space: space.to_string(), commands }],
    };
    let one = body("a", vec![command(1), command(2)]).root();
    assert_ne!(one, body("b", vec![command(1), command(2)]).root());
    assert_ne!(one, body("a", vec![command(2), command(1)]).root());
    assert_ne!(one, Body::default().root());
}

/// Computed by hand from the description: SHA-256 with domains, RFC 6962 trees.
#[test]
fn body_root_is_a_tree_of_trees_over_the_ids() {
    let command = |b: u8| Command { kind: 1, bytes: vec![b] };
    let segment = |space: &str, commands| Segment { space: space.to_string(), commands };
    let body = Body {
        segments: vec![
            segment("", vec![command(1)]),
            segment("app", vec![command(2), command(3), command(4)]),
        ],
    };
    let golden = "72d8e81f1442b1c3ba2c8c2f112284e11db1b00f3eca1c5d2843d517f62d02e2";
    assert_eq!(body.root().to_string(), golden);
    let ids: Vec<Digest> = body.commands().map(Command::id).collect();
    assert_eq!(body.root_of(&ids).to_string(), golden);
    let swapped = [ids[1], ids[0], ids[2], ids[3]];
    assert_ne!(body.root_of(&swapped).to_string(), golden);
}

#[test]
fn a_record_has_one_encoding_wherever_its_keys_stand() {
    let here = RecordRef {
        key: &[1, 2, 3],
        next: &[1, 2, 4, 0],
        create_revision: 1,
        mod_revision: 2,
        version: 3,
        lease: 4,
        seal: 5,
        height: 6,
        index: 7,
        value_hash: Record::value_hash(b"value"),
    };
    let owned = here.to_record();
    assert_eq!(encode(&here), encode(&owned));
    assert_eq!(here.digest(), owned.digest());
    assert_eq!(decode::<Record>(&encode(&here)), Ok(owned));
    let other = RecordRef { next: &[], ..here };
    assert_ne!(other.digest(), here.digest());
}
