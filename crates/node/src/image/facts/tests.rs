//! Only what is proven counts; what is not yet proven is asked for by key.

use hanse_proof::{Kind, Quorum, StateBranch};
use hanse_types::{Digest, Header, Place, Record, encode};

use super::*;

const REPO: &str = "localhost:5000/acme/app";

fn verified(items: Vec<StateProofItem>) -> Verified {
    let zero = Digest([0; 32]);
    Verified {
        kind: Kind::Image,
        claim: Claim::Image { items },
        chain_id: zero,
        height: 12,
        header: Header {
            version: 1,
            protocol: 1,
            chain_id: zero,
            height: 13,
            place: Place { epoch: 0, view: 1, leader: [0; 32], parent_view: 0 },
            parent: zero,
            timestamp_ms: 1,
            body_root: zero,
            receipt_root: zero,
            event_root: zero,
            settled_height: 12,
            state_root: zero,
            state_version: 1,
            settles: true,
            history_root: zero,
            committee: zero,
            next_committee: zero,
        },
        header_digest: zero,
        certified_height: 13,
        certified_digest: zero,
        time_ms: 1,
        signers: Vec::new(),
        quorum: Quorum { signed: 3, of: 4, need: 3, epoch: 0 },
    }
}

fn record(key: &[u8], value: &[u8]) -> Record {
    Record {
        key: key.to_vec(),
        next: Vec::new(),
        create_revision: 1,
        mod_revision: 1,
        version: 1,
        lease: 0,
        seal: 0,
        height: 1,
        index: 0,
        value_hash: Record::value_hash(value),
    }
}

/// The gap around one key and no other.
fn absent(key: &StateKey<'_>) -> StateProofItem {
    let (mut below, mut above) = (key.encode(), key.encode());
    below.pop();
    above.push(0);
    let before = Record { next: above, ..record(&below, &[]) };
    StateProofItem::Absence { before, branch: branch() }
}

fn present<T: borsh::BorshSerialize>(key: &StateKey<'_>, value: &T) -> StateProofItem {
    let value = encode(value);
    let record = record(&key.encode(), &value);
    StateProofItem::Value(hanse_proof::Entry { record, value: Some(value), branch: branch() })
}

fn branch() -> StateBranch {
    StateBranch {
        location: 0,
        leaves: 1,
        inactive: 0,
        chunk: [0; 32],
        partial: None,
        log_root: Digest([0; 32]),
        siblings: Vec::new(),
        peaks: Vec::new(),
    }
}

#[test]
fn namespaces_are_whole_parts_and_never_a_bare_host() {
    assert_eq!(namespaces(REPO), ["localhost:5000/acme/app", "localhost:5000/acme"]);
    assert!(namespaces("localhost:5000").is_empty());
}

#[test]
fn an_unproven_key_is_asked_for_and_a_proven_absence_is_a_fact() {
    let tag = StateKey::Tag { repo: REPO, tag: "v1" };
    let (long, short) = (StateKey::Namespace(REPO), StateKey::Namespace("localhost:5000/acme"));
    let subject = Subject::Tag("v1");
    let nothing = read(&verified(Vec::new()), REPO, subject);
    let all = vec![long.encode(), short.encode(), tag.encode()];
    assert_eq!(nothing, Err(NotYet::Missing(all)));
    let proof = verified(vec![absent(&tag), absent(&long), absent(&short)]);
    let facts = read(&proof, REPO, subject).unwrap();
    assert_eq!((facts.namespace, facts.release), (None, None));
}

#[test]
fn a_value_of_another_shape_is_not_taken_for_absence() {
    let tag = StateKey::Tag { repo: REPO, tag: "v1" };
    let proof = verified(vec![
        present(&tag, &7u8),
        absent(&StateKey::Namespace(REPO)),
        absent(&StateKey::Namespace("localhost:5000/acme")),
    ]);
    assert_eq!(read(&proof, REPO, Subject::Tag("v1")), Err(NotYet::Unreadable("tag")));
}

#[test]
fn ends_of_keys_are_read_back() {
    let key = StateKey::DigestUse { repo: REPO, digest: "sha256:aa", tag: "v1", seq: 258 }.encode();
    let prefix = StateKey::prefix(9, &[REPO, "sha256:aa"]);
    assert_eq!(tag_and_seq(&key[prefix.len()..]), Some(("v1".to_owned(), 258)));
    assert_eq!(tag_and_seq(b"v1"), None);
    assert_eq!(tag_and_seq(b"v1\0\0"), None);
}
