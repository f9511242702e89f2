//! Named attacks: what a hostile operator, or the two systems before ours, got away with.

use hanse_crypto::{Digest, merkle};
use hanse_proof::{Claim, Handover, LeafPath, Proof, ProofError, StateProofItem, verify};
use hanse_types::{Committee, Event, EventKind};

use crate::chain::{Chain, LAG, kv};

fn receipt(chain: &Chain) -> Proof {
    chain.prove(chain.receipt(5, 1, true), 6, 0)
}

fn refused(chain: &Chain, proof: &Proof) -> ProofError {
    verify(&proof.encode(), &chain.trust()).unwrap_err()
}

#[test]
fn every_flipped_byte_of_a_proof_is_refused() {
    let chain = Chain::new();
    let items = vec![chain.item(4, &kv("key-1")), chain.item(4, &kv("key-0a"))];
    let later = chain.trust_in(3);
    let next = |epoch: usize| Claim::Handover { committee: chain.committees[epoch].clone() };
    let proofs = [
        (receipt(&chain), chain.trust()),
        (chain.prove(chain.event(5, 1, true), 6, 1), chain.trust()),
        (chain.prove(Claim::Image { items }, 4 + LAG, 0), chain.trust()),
        (chain.prove(chain.range(4, &kv("key-1"), &kv("key-3"), true), 4 + LAG, 0), chain.trust()),
        (chain.prove(next(2), 15, 0), chain.trust()),
        (chain.prove_from(3, chain.receipt(39, 1, true), 40, 2), later.clone()),
        (chain.prove_from(3, next(12), 95, 0), later),
    ];
    assert_eq!(proofs[6].0.handovers.len(), 2);
    for (proof, trust) in proofs {
        let bytes = proof.encode();
        verify(&bytes, &trust).unwrap();
        for at in 0..bytes.len() {
            // All bits for structure and signatures would take minutes: three patterns per byte.
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let result = verify(&changed, &trust);
                assert!(result.is_err(), "byte {at} of {:?}", proof.claim.kind());
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let chain = Chain::new();
    let bytes = chain.prove(Claim::State(chain.item(4, &kv("key-1"))), 4 + LAG, 1).encode();
    for length in 0..bytes.len() {
        assert!(verify(&bytes[..length], &chain.trust()).unwrap_err().is_malformed());
    }
}

/// CITA-Cloud certified `state_root XOR receipt_root`, so a receipt root could be chosen freely and
/// the state root set to fit.
#[test]
fn roots_cannot_be_traded_against_each_other_by_xor() {
    let chain = Chain::new();
    let mut proof = receipt(&chain);
    let Claim::Receipt { receipt, path, command, actor } = &mut proof.claim else { unreachable!() };
    receipt.revision = 1_000_000;
    (*command, *actor) = (None, None);
    *path = LeafPath { left: 0, siblings: vec![] };
    let forged = merkle::root(&[receipt.digest()]);
    let header = &mut proof.headers[0];
    for i in 0..32 {
        header.state_root.0[i] ^= header.receipt_root.0[i] ^ forged.0[i];
    }
    header.receipt_root = forged;
    assert_eq!(refused(&chain, &proof), ProofError::Signature);
}

/// CITA-Cloud's verifier counted no signers.
#[test]
fn fewer_signers_than_two_thirds_prove_nothing() {
    let chain = Chain::new();
    for epoch in 0..3 {
        let committee = &chain.committees[epoch as usize];
        let settled = [4, 13, 20][epoch as usize];
        let claim = Claim::State(chain.item(settled, &kv("key-1")));
        let mut proof = chain.prove(claim, settled + LAG, 0);
        for signed in 0..=committee.members.len() {
            let ranks: Vec<usize> = (0..signed).collect();
            proof.finalization = chain.certify(&proof.headers[0], &ranks);
            let result = verify(&proof.encode(), &chain.trust());
            if signed * 3 > committee.members.len() * 2 {
                assert_eq!(result.unwrap().quorum.signed, signed);
            } else {
                assert_eq!(
                    result,
                    Err(ProofError::Quorum),
                    "{signed} of {}",
                    committee.members.len()
                );
            }
        }
    }
}

#[test]
fn one_signer_does_not_count_twice() {
    let chain = Chain::new();
    let mut proof = receipt(&chain);
    let signature = proof.finalization.signatures[0];
    proof.finalization.signatures = vec![signature; 3];
    assert_eq!(refused(&chain, &proof), ProofError::Signature);
    proof.finalization.signers = vec![0b0010];
    assert_eq!(refused(&chain, &proof), ProofError::Signers);
    proof.finalization.signatures = vec![signature];
    assert_eq!(refused(&chain, &proof), ProofError::Quorum);
}

#[test]
fn a_trust_root_that_lists_a_key_twice_is_refused() {
    let chain = Chain::new();
    let mut trust = chain.trust();
    trust.committee.members[1] = trust.committee.members[0].clone();
    let result = verify(&receipt(&chain).encode(), &trust);
    assert_eq!(result, Err(ProofError::TrustRoot));
    trust.committee = Committee { epoch: 0, members: vec![] };
    assert_eq!(verify(&receipt(&chain).encode(), &trust), Err(ProofError::TrustRoot));
}

#[test]
fn members_of_another_epoch_cannot_certify() {
    let chain = Chain::new();
    let claim = Claim::State(chain.item(13, &kv("key-1")));
    let mut proof = chain.prove(claim, 13 + LAG, 0);
    // The founders sign again after their epoch, without the member that joined.
    proof.handovers.clear();
    assert_eq!(refused(&chain, &proof), ProofError::Committee);
    let founders = &chain.committees[0];
    proof.headers[0].place.epoch = 0;
    proof.headers[0].committee = founders.digest();
    proof.finalization = crate::chain::sign(founders, &proof.headers[0], &[0, 1, 2, 3]);
    assert_eq!(refused(&chain, &proof), ProofError::EpochHeight);
    proof.headers[0].height = 7;
    proof.finalization = crate::chain::sign(founders, &proof.headers[0], &[0, 1, 2, 3]);
    // With their old keys they can make any history of their own epoch; a pinned later height ends that.
    let result = verify(&proof.encode(), &chain.trust());
    assert!(result.is_ok());
    let mut trust = chain.trust();
    let digest = chain.headers[16].digest();
    trust.pinned = Some(hanse_proof::Pinned { height: 16, digest });
    assert_eq!(verify(&proof.encode(), &trust), Err(ProofError::Stale));
}

/// What docs/formats/proof.md section 5 assumes, and what guards it: whoever holds the keys of a whole quorum of members
/// that were replaced can invent what comes after, with a hand-over to itself or without. A pin does not end that; a
/// trust root of a later committee does.
#[test]
fn a_whole_quorum_of_leaked_keys_is_what_a_trust_root_must_outlive() {
    let chain = Chain::new();
    let founders = &chain.committees[0];
    let claim = Claim::State(chain.item(20, &kv("key-1")));
    let mut proof = chain.prove(claim, 20 + LAG, 0);
    proof.handovers.clear();
    proof.headers[0].timestamp_ms = 1;
    let sitting = Committee { epoch: 2, members: founders.members.clone() };
    proof.headers[0].committee = sitting.digest();
    let sign = |ranks: &[usize]| crate::chain::sign(&sitting, &proof.headers[0], ranks);
    let (two, three) = (sign(&[0, 3]), sign(&[0, 2, 3]));
    // Two of four are f + 1 and enough to stop the chain, but no honest member ever signed with them.
    proof.finalization = two;
    assert_eq!(refused(&chain, &proof), ProofError::Quorum);
    proof.finalization = three;
    assert!(verify(&proof.encode(), &chain.trust()).is_ok());
    let mut trust = chain.trust();
    let digest = chain.headers[16].digest();
    trust.pinned = Some(hanse_proof::Pinned { height: 16, digest });
    assert!(verify(&proof.encode(), &trust).is_ok(), "a pin binds no later height");
    proof.anchor_epoch = 2;
    let later = chain.trust_in(2);
    assert_eq!(verify(&proof.encode(), &later), Err(ProofError::Committee));
    // With a hand-over the same keys could always do so: here to one of their own, who signs alone from then on.
    let alone = |epoch| Committee { epoch, members: founders.members[..1].to_vec() };
    let mut handover = chain.handover(0);
    handover.committee = alone(1);
    handover.header.next_committee = alone(1).digest();
    handover.finalization = crate::chain::sign(founders, &handover.header, &[0, 2, 3]);
    proof.headers[0].committee = alone(2).digest();
    proof.finalization = crate::chain::sign(&alone(2), &proof.headers[0], &[0]);
    (proof.anchor_epoch, proof.handovers) = (0, vec![handover]);
    assert!(verify(&proof.encode(), &chain.trust()).is_ok());
}

/// A hundred changes of members with gaps between them, and one bad signature anywhere.
#[test]
fn every_signature_of_a_long_way_counts() {
    let chain = Chain::new();
    let members = |n: u64| &chain.committees[n as usize % 2].members;
    // Members n sit from epoch 3n to epoch 3n + 2.
    let step = |n: u64| {
        let sitting = Committee { epoch: 3 * n + 2, members: members(n).clone() };
        let next = Committee { epoch: 3 * n + 3, members: members(n + 1).clone() };
        let mut header = chain.headers[7].clone();
        header.place.epoch = sitting.epoch;
        header.height = next.epoch * crate::chain::EPOCH - 1;
        (header.committee, header.next_committee) = (sitting.digest(), next.digest());
        let ranks: Vec<usize> = (0..sitting.quorum()).collect();
        let finalization = crate::chain::sign(&sitting, &header, &ranks);
        Handover { header, finalization, committee: next }
    };
    let mut handovers: Vec<Handover> = (0..101).map(step).collect();
    let Handover { header, finalization, committee } = handovers.pop().unwrap();
    let claim = Claim::Handover { committee };
    let chain_id = chain.genesis.chain_id();
    let headers = vec![header];
    let proof = Proof { chain_id, anchor_epoch: 0, handovers, headers, finalization, claim };
    let signatures = |h: &Handover| h.finalization.signatures.len();
    let count: usize = proof.handovers.iter().map(signatures).sum();
    assert!(count > hanse_proof::limits::VOTES_AT_ONCE, "{count} signatures fit into one equation");
    let verified = verify(&proof.encode(), &chain.trust()).unwrap();
    assert_eq!(verified.quorum.epoch, 302);
    for at in (0..100).step_by(9).chain([99]) {
        let mut changed = proof.clone();
        let signatures = &mut changed.handovers[at].finalization.signatures;
        signatures.last_mut().unwrap()[40] ^= 1;
        assert_eq!(refused(&chain, &changed), ProofError::Signature, "hand-over {at}");
    }
    let mut changed = proof;
    changed.finalization.signatures[0][1] ^= 1;
    assert_eq!(refused(&chain, &changed), ProofError::Signature);
}

#[test]
fn a_receipt_cannot_be_swapped_for_another_of_its_block() {
    let chain = Chain::new();
    let mut proof = receipt(&chain);
    let Claim::Receipt { receipt, command, actor, .. } = &mut proof.claim else { unreachable!() };
    let other = chain.actions[5][2].clone();
    (*receipt, *command, *actor) = (other.receipt, Some(other.command), Some(other.actor));
    assert_eq!(refused(&chain, &proof), ProofError::Receipt);
}

#[test]
fn a_truncated_branch_is_refused_at_every_length() {
    let chain = Chain::new();
    let base = receipt(&chain);
    let Claim::Receipt { path, .. } = &base.claim else { unreachable!() };
    for length in 0..path.siblings.len() {
        let mut proof = base.clone();
        let Claim::Receipt { path, .. } = &mut proof.claim else { unreachable!() };
        path.siblings.truncate(length);
        path.left &= (1 << length) - 1;
        assert_eq!(refused(&chain, &proof), ProofError::Receipt);
    }
    let base = chain.prove(Claim::State(chain.item(4, &kv("key-1"))), 4 + LAG, 0);
    let branch = |proof: &Proof| match &proof.claim {
        Claim::State(StateProofItem::Value(entry)) => entry.branch.clone(),
        Claim::State(StateProofItem::Absence { branch, .. }) => branch.clone(),
        _ => unreachable!(),
    };
    for length in 0..branch(&base).siblings.len() {
        let mut proof = base.clone();
        let (Claim::State(StateProofItem::Value(hanse_proof::Entry { branch, .. }))
        | Claim::State(StateProofItem::Absence { branch, .. })) = &mut proof.claim
        else {
            unreachable!()
        };
        branch.siblings.truncate(length);
        assert_eq!(refused(&chain, &proof), ProofError::State);
    }
}

/// An inner node must not pass for a leaf: an event whose digest is a node's would be provable.
#[test]
fn inner_nodes_do_not_pass_for_leaves() {
    let leaves: Vec<Digest> = (0..4).map(|i| Digest([i; 32])).collect();
    let root = merkle::root(&leaves);
    let path = LeafPath::new(&leaves, 0).unwrap();
    assert_eq!(path.root(&leaves[0]), root);
    // The node over leaves 0 and 1, put where a leaf belongs, under the same upper path.
    let node = LeafPath { left: 0, siblings: path.siblings[..1].to_vec() }.root(&leaves[0]);
    let upper = LeafPath { left: 0, siblings: path.siblings[1..].to_vec() };
    assert_ne!(upper.root(&node), root);
}

#[test]
fn a_leaf_of_one_tree_does_not_pass_in_another() {
    let chain = Chain::new();
    // A block's receipts and events have trees of their own; a receipt's path does not carry an event.
    let Claim::Receipt { path, .. } = chain.receipt(1, 0, false) else { unreachable!() };
    let event = Event {
        space: "app".into(),
        revision: 2,
        kind: EventKind::Put,
        key_hash: Digest([1; 32]),
        value_hash: Digest([1; 32]),
        actor: Digest([1; 32]),
        prev_mod_revision: 0,
        index: 0,
    };
    let claim = Claim::Event { event, key: None, value: None, actor: None, path };
    assert_eq!(refused(&chain, &chain.prove(claim, 2, 0)), ProofError::Event);
}

#[test]
fn paths_of_every_tree_size_agree_with_the_tree() {
    for size in 1..70u64 {
        let leaves: Vec<Digest> = (0..size).map(|i| Digest([i as u8; 32])).collect();
        let root = merkle::root(&leaves);
        for index in 0..size {
            let path = LeafPath::new(&leaves, index).unwrap();
            assert_eq!(path.root(&leaves[index as usize]), root, "{index} of {size}");
            assert!(merkle::verify(&root, &leaves[index as usize], index, size, &path.siblings));
        }
        assert_eq!(LeafPath::new(&leaves, size), None);
    }
}

#[test]
fn a_state_proof_answers_about_its_own_keys_alone() {
    let chain = Chain::new();
    let present = chain.snapshots[&4].keys().find(|k| k.starts_with(&kv(""))).unwrap().clone();
    let value = Claim::State(chain.item(4, &present));
    assert_eq!(value.about(&present).unwrap().unwrap().record.key, present);
    assert_eq!(value.about(&kv("key-0a")), None);
    let absence = chain.item(4, &kv("key-0a"));
    let StateProofItem::Absence { before, branch } = &absence else { unreachable!() };
    let (own, next) = (before.key.clone(), before.next.clone());
    assert_eq!(absence.about(&kv("key-0a")), Some(None));
    assert_eq!(absence.about(&own), None);
    assert_eq!(absence.about(&next), None);
    for key in [&own, &next, &vec![]] {
        let built = StateProofItem::absence(key, before.clone(), &branch.encode());
        assert_eq!(built, Err(ProofError::Absence));
    }
}

#[test]
fn a_range_is_complete_only_where_its_records_enclose_it() {
    let chain = Chain::new();
    let keys: Vec<&Vec<u8>> = chain.snapshots[&4].keys().collect();
    let (from, to) = (keys[40], keys[45]);
    let claim = chain.range(4, from, to, true);
    assert_eq!(claim.range(from, to).unwrap().len(), 5);
    assert_eq!(claim.range(keys[41], keys[43]).unwrap().len(), 2);
    let after = [from.as_slice(), &[0]].concat();
    assert_eq!(claim.range(&after, to).unwrap().len(), 4);
    assert_eq!(claim.range(&after, &after).unwrap().len(), 0);
    assert_eq!(claim.range(keys[39], to), None);
    assert_eq!(claim.range(from, keys[46]), None);
    assert_eq!(claim.range(from, &[]), None);
    assert_eq!(claim.about(&after), Some(None));
    assert!(claim.about(keys[44]).unwrap().is_some());
    assert_eq!(claim.about(to), None);
    let rest = chain.range(4, from, &[], true);
    assert_eq!(rest.range(from, &[]).unwrap().len(), keys.len() - 40);
    assert_eq!(rest.range(to, &[255; 9]).unwrap().len(), keys.len() - 45);
}
