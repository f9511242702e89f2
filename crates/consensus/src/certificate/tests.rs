//! docs/formats/certificate.md against the real engine, in both directions.

use commonware_codec::{Copying, Decode as _, Encode as _};
use commonware_parallel::Sequential;
use commonware_runtime::{Runner as _, deterministic};
use hanse_proof::{ProofError, decode_finalization};
use hanse_types::{Block, Committee, Digest};

use super::Forged;
use crate::{
    ConsensusKey,
    config::participants,
    engine::{Finalization, Scheme},
    tests::{CHAIN, certified, keys},
};

/// What both verifiers say: ours from the page, and the engine's own.
fn verdicts(bytes: &[u8], committee: &Committee) -> (Result<usize, ProofError>, bool) {
    let ours = decode_finalization(bytes, committee.members.len())
        .and_then(|(payload, finalization)| finalization.check(&CHAIN, committee, &payload))
        .map(|ranks| ranks.len());
    let members = participants(committee).unwrap();
    let scheme = Scheme::verifier(&crate::namespace(&CHAIN), members);
    let theirs = deterministic::Runner::default().start(|mut context| async move {
        Finalization::decode_cfg(Copying(bytes), &committee.members.len())
            .is_ok_and(|certificate| certificate.verify(&mut context, &scheme, &Sequential))
    });
    (ours, theirs)
}

fn forged(block: &Block, ranks: &[usize]) -> (Forged, Vec<ConsensusKey>) {
    let (header, keys) = (&block.header, keys(4));
    let mut forged = Forged {
        epoch: header.place.epoch,
        view: header.place.view,
        parent_view: header.place.parent_view,
        payload: header.digest(),
        members: 4,
        bitmap: ranks.iter().map(|rank| 1 << rank).sum(),
        signatures: Vec::new(),
    };
    forged.signatures = ranks.iter().map(|rank| forged.sign(&CHAIN, &keys[*rank])).collect();
    (forged, keys)
}

#[test]
fn a_certificate_of_the_engine_is_what_the_page_says() {
    let (bytes, block, committee) = certified();
    let (payload, read) = decode_finalization(&bytes, 4).unwrap();
    assert_eq!(payload, block.header.digest());
    let place = &block.header.place;
    assert_eq!(
        (read.epoch, read.view, read.parent_view),
        (place.epoch, place.view, place.parent_view)
    );
    let ranks = read.check(&CHAIN, &committee, &payload).unwrap();
    assert!(ranks.len() >= committee.quorum());
    // Written down again from the page alone, signatures included: ed25519 is deterministic.
    let (mine, _) = forged(&block, &ranks);
    assert_eq!(mine.encode(), bytes);
    assert_eq!(verdicts(&bytes, &committee), (Ok(ranks.len()), true));
    if ranks.len() == 3 {
        assert_eq!(bytes.len(), 237 + mine.proposal().len() - 35);
    }
}

#[test]
fn three_of_four_are_a_quorum_and_fewer_are_none() {
    let (_, block, committee) = certified();
    for (ranks, counts) in [
        (&[0, 1, 2][..], true),
        (&[0, 2, 3], true),
        (&[0, 1, 2, 3], true),
        (&[1, 3], false),
        (&[2], false),
        (&[], false),
    ] {
        let bytes = forged(&block, ranks).0.encode();
        let expected = if counts { Ok(ranks.len()) } else { Err(ProofError::Quorum) };
        let (ours, theirs) = verdicts(&bytes, &committee);
        // The engine does not even read a certificate without signatures; we may say either.
        if ranks.is_empty() {
            assert!(ours.is_err());
        } else {
            assert_eq!(ours, expected, "{ranks:?}");
        }
        assert_eq!(theirs, counts, "{ranks:?}");
    }
}

#[test]
fn a_signature_counts_once_and_only_for_its_own_rank() {
    let (_, block, committee) = certified();
    let refused = |certificate: &Forged| {
        let (ours, theirs) = verdicts(&certificate.encode(), &committee);
        assert!(!theirs);
        ours.unwrap_err()
    };
    let (good, _) = forged(&block, &[0, 1, 2]);
    let mut twice = good.clone();
    twice.signatures[2] = twice.signatures[0];
    assert_eq!(refused(&twice), ProofError::Signature);
    let mut swapped = good.clone();
    swapped.signatures.swap(0, 1);
    assert_eq!(refused(&swapped), ProofError::Signature);
    let mut more = forged(&block, &[0, 1]).0;
    more.signatures.push(more.signatures[0]);
    assert_eq!(refused(&more), ProofError::Signers);
    let mut beyond = good.clone();
    beyond.bitmap = 0b1_0011;
    refused(&beyond);
    let mut five = good;
    five.members = 5;
    refused(&five);
}

#[test]
fn another_epoch_view_block_or_chain_is_refused() {
    let (_, block, committee) = certified();
    let (good, keys) = forged(&block, &[0, 1, 2]);
    let changes: [fn(&mut Forged); 4] = [
        |f| f.epoch += 1,
        |f| f.view += 1,
        |f| f.parent_view += 1,
        |f| f.payload = Digest([7; 32]),
    ];
    for change in changes {
        let mut altered = good.clone();
        change(&mut altered);
        assert_ne!(altered.encode(), good.encode());
        let (ours, theirs) = verdicts(&altered.encode(), &committee);
        assert!(ours.is_err() && !theirs);
    }
    let mut epoch = good.clone();
    epoch.epoch += 1;
    epoch.signatures = keys[..3].iter().map(|key| epoch.sign(&CHAIN, key)).collect();
    // Signed by a quorum, but not as this epoch's committee.
    assert_eq!(verdicts(&epoch.encode(), &committee).0, Err(ProofError::Epoch));
    let mut chain = good;
    chain.signatures = keys[..3].iter().map(|key| chain.sign(&Digest([8; 32]), key)).collect();
    assert_eq!(verdicts(&chain.encode(), &committee), (Err(ProofError::Signature), false));
}

#[test]
fn every_byte_of_a_certificate_counts() {
    let (bytes, block, committee) = certified();
    let payload = block.header.digest();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let accepted = decode_finalization(&flipped, 4)
            .and_then(|(found, finalization)| {
                finalization.check(&CHAIN, &committee, &found)?;
                Ok(found)
            })
            .is_ok_and(|found| found == payload);
        assert!(!accepted, "byte {at}");
    }
    let engine = Finalization::decode_cfg(Copying(&bytes[..]), &4).unwrap();
    assert_eq!(engine.encode().to_vec(), bytes);
}
