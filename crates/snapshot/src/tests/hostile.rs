//! Nothing but what was written out is taken over.

use commonware_runtime::Supervisor as _;
use hanse_crypto::merkle::Accumulator;
use hanse_execution::PortableError;
use hanse_ledger::{Ask as Question, ManifestError, Turn};
use hanse_proof::{Proof, ProofError};
use hanse_state::ImportError;
use hanse_types::{Digest, StateKey, encode};

use super::{chain::*, kit::*, parts::*};
use crate::{Kind, Listing, SnapshotError};

mod bounds;
mod data;

/// A chain with a change of members and some of everything, and a snapshot of it with several blocks after its own.
async fn victim(context: Context) -> (Chain, Parts) {
    let mut chain = Chain::new(context, 31).await;
    chain.void().await;
    chain.rotate(44).await;
    for n in 0..3 {
        chain.batch(n + 1, vec![put("acme", &[n as u8 + 50], vec![7; 20])]);
        chain.send(2, put("borealis", &[n as u8], vec![n as u8; 9]));
        chain.now_ms += 61_000;
        chain.step(Own::Certificate).await;
    }
    chain.traffic(10).await;
    chain.steps_to(2 * EPOCH).await;
    let listing = slow(&mut chain).await;
    let parts = Parts::of(&chain.members[0].disk, listing).await;
    (chain, parts)
}

/// A snapshot whose certificate comes late.
async fn slow(chain: &mut Chain) -> Listing {
    let height = chain.height();
    chain.members[0].ledger.snapshot_from(height + 1);
    let mut n = 0;
    let mut bare = async |chain: &mut Chain, own| {
        n += 1;
        chain.send(1, put("acme", &[n], vec![n; 30]));
        chain.step(own).await;
    };
    while chain.members[0].begun.is_none() {
        bare(chain, Own::None).await;
    }
    bare(chain, Own::None).await;
    bare(chain, Own::Certificate).await;
    bare(chain, Own::Certificate).await;
    let member = &mut chain.members[0];
    let begun = member.begun.take().unwrap();
    begun.finish(&member.ledger, &member.disk).await.unwrap()
}

#[test]
fn what_was_written_out_is_taken_over_however_it_is_cut() {
    run(|context| async move {
        let (chain, mut parts) = victim(context).await;
        assert_eq!(parts.listing, parts.sealed());
        assert_eq!(parts.listing.manifest.turns.len(), 1);
        assert_eq!(parts.blocks().len(), 3);
        let (blocks, rows, beside) = (parts.blocks(), parts.rows(), parts.beside());
        parts.set_blocks(&blocks);
        parts.set_rows(&rows);
        parts.set_beside(&beside);
        assert_ne!(parts.listing, parts.sealed());
        let base = parts.offer(&chain).await.unwrap();
        assert_eq!(base.checked().header, parts.listing.manifest.base);
    });
}

#[test]
fn every_altered_byte_of_a_listing_is_refused() {
    run(|context| async move {
        let (mut chain, parts) = victim(context).await;
        let bytes = encode(&parts.listing);
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << chain.random.below(8);
            let Ok(listing) = Listing::decode(&altered) else { continue };
            assert!(parts.offer_as(&chain, listing).await.is_err(), "byte {at}");
        }
        for end in 0..bytes.len() {
            assert!(Listing::decode(&bytes[..end]).is_err());
        }
        parts.offer(&chain).await.unwrap();
    });
}

type Alter = fn(&mut Parts);

#[test]
fn a_manifest_whose_parts_do_not_fit_is_refused() {
    let part = |name| ManifestError::Part(name);
    let cases: [(&str, Alter, ManifestError); 12] = [
        ("version", |p| p.listing.manifest.version = 2, ManifestError::Version(2)),
        ("height", |p| p.listing.manifest.base.height += 1, ManifestError::Claim),
        ("settles", |p| p.listing.manifest.base.settles = false, ManifestError::Claim),
        ("epoch", |p| p.listing.manifest.base.place.epoch += 1, ManifestError::Claim),
        ("time", |p| p.listing.manifest.base.timestamp_ms += 1, ManifestError::Block(0)),
        ("parent", |p| p.listing.manifest.base.parent = Digest([1; 32]), ManifestError::Block(0)),
        ("no history", |p| p.listing.manifest.history = Accumulator::default(), part("history")),
        ("history", |p| p.listing.manifest.history.push(&Digest([1; 32])), part("history")),
        (
            "another history",
            |p| {
                let size = p.listing.manifest.history.size();
                let mut other = Accumulator::default();
                (0..size).for_each(|n| other.push(&Digest([n as u8; 32])));
                p.listing.manifest.history = other;
            },
            part("history"),
        ),
        ("no turns", |p| p.listing.manifest.turns.clear(), part("handovers")),
        (
            "a turn twice",
            |p| {
                let turn = p.listing.manifest.turns[0].clone();
                p.listing.manifest.turns.push(turn);
            },
            part("handovers"),
        ),
        (
            "a turn to others",
            |p| p.listing.manifest.turns[0].next.members[0].organisation.push('x'),
            part("handovers"),
        ),
    ];
    run(|context| async move {
        let (chain, parts) = victim(context).await;
        for (what, alter, expected) in cases {
            let mut altered = parts.clone();
            alter(&mut altered);
            match altered.refused(&chain, what).await {
                SnapshotError::Manifest(error) => assert_eq!(error, expected, "{what}"),
                error => panic!("{what}: {error}"),
            }
        }
    });
}

/// `change` made to the proof in the manifest.
fn reproved(parts: &Parts, change: impl FnOnce(&mut Proof)) -> Parts {
    let mut altered = parts.clone();
    let mut proof = Proof::decode(&altered.listing.manifest.proof).unwrap();
    change(&mut proof);
    altered.listing.manifest.proof = proof.encode();
    altered
}

#[test]
fn handovers_that_are_left_out_or_made_up_are_refused() {
    run(|context| async move {
        let (chain, parts) = victim(context).await;
        let mut without = reproved(&parts, |proof| proof.handovers.clear());
        without.listing.manifest.turns.clear();
        let error = without.refused(&chain, "without").await;
        let expected = ManifestError::Proof(ProofError::Committee);
        assert!(matches!(error, SnapshotError::Manifest(found) if found == expected));
        // The end of epoch 1, after which the same members vote.
        let (block, bytes) = &chain.blocks[2 * EPOCH as usize - 2];
        let next = chain.members[0].ledger.committee_of(2).unwrap();
        let header = block.header.clone();
        let finalization = bytes.clone().unwrap();
        let (_, read) =
            hanse_proof::decode_finalization(&finalization, next.members.len()).unwrap();
        let handover = hanse_proof::Handover {
            header: header.clone(),
            finalization: read,
            committee: next.clone(),
        };
        let mut more = reproved(&parts, |proof| proof.handovers.push(handover));
        more.listing.manifest.turns.push(Turn { header, finalization, next });
        let error = more.refused(&chain, "more").await;
        let expected = ManifestError::Proof(ProofError::Superfluous);
        assert!(matches!(error, SnapshotError::Manifest(found) if found == expected));
    });
}

#[test]
fn a_certificate_that_is_not_the_proofs_is_refused() {
    run(|context| async move {
        let (chain, parts) = victim(context).await;
        let manifest = &parts.listing.manifest;
        let chain_id = chain.genesis.chain_id();
        let committee = chain.members[0].ledger.committee_of(2).unwrap();
        let last = parts.blocks().last().unwrap().header.digest();
        let good = chain.voters.certificate(&chain_id, &committee, &last);
        assert_eq!(good, manifest.finalization);
        let founders = chain.genesis.committee();
        let mut others = vec![
            Vec::new(),
            chain.voters.certificate(&chain_id, &committee, &manifest.base.digest()),
            chain.voters.certificate(&Digest([1; 32]), &committee, &last),
            chain.voters.certificate(
                &chain_id,
                &hanse_types::Committee { epoch: 2, ..founders },
                &last,
            ),
            [&good[..], &[0]].concat(),
        ];
        // Of a later block, as good as it is.
        others.extend(chain.blocks.last().unwrap().1.clone());
        // Of other votes of the same members: as good, and not the one that the proof holds.
        let mut fewer = good[..good.len() - 64].to_vec();
        (fewer[43], fewer[44]) = (0b0111, 3);
        others.push(fewer);
        for (n, other) in others.into_iter().enumerate() {
            let mut altered = parts.clone();
            altered.listing.manifest.finalization = other;
            let error = altered.refused(&chain, "certificate").await;
            let expected = ManifestError::Part("certificate");
            assert!(matches!(error, SnapshotError::Manifest(found) if found == expected), "{n}");
        }
    });
}

#[test]
fn a_proof_of_something_else_is_refused() {
    run(|context| async move {
        let (mut chain, parts) = victim(context).await;
        let mut other = Chain::named(chain.context.child("other"), 31, "other").await;
        other.traffic(5).await;
        let foreign = other.snapshot(0).await;
        let foreign = Parts::of(&other.members[0].disk, foreign).await;
        let error = foreign.refused(&chain, "of another chain").await;
        let expected = ManifestError::Proof(ProofError::Chain);
        assert!(matches!(error, SnapshotError::Manifest(found) if found == expected));

        chain.rest().await;
        let listing = slow(&mut chain).await;
        let parts = Parts { listing, ..parts };
        let of = async |chain: &mut Chain, key: StateKey<'_>| {
            let question = Question::Lookup { keys: vec![key.encode()] };
            chain.members[0].prove(question).await.0
        };
        let whole = Question::Range { start: vec![], end: vec![] };
        chain.rest().await;
        let proofs = [
            of(&mut chain, StateKey::Seats).await,
            // Of a later state.
            of(&mut chain, StateKey::Aside).await,
            of(&mut chain, StateKey::Space("nobody")).await,
            chain.members[0].prove(whole).await.0,
            chain.members[0].prove(Question::Handover { epoch: 0 }).await.0,
        ];
        for proof in proofs {
            let mut altered = parts.clone();
            altered.listing.manifest.proof = proof;
            let error = altered.refused(&chain, "another proof").await;
            assert!(matches!(error, SnapshotError::Manifest(ManifestError::Claim)), "{error}");
        }
    });
}

#[test]
fn a_proof_of_another_record_of_the_same_state_is_refused() {
    run(|context| async move {
        let mut chain = Chain::new(context, 33).await;
        chain.send(1, put("acme", &[1], vec![1]));
        chain.rest().await;
        let listing = chain.snapshot(0).await;
        let good = Parts::of(&chain.members[0].disk, listing).await;
        for (key, holds) in [(StateKey::Aside, true), (StateKey::Seats, false)] {
            let question = Question::Lookup { keys: vec![key.encode()] };
            let mut parts = good.clone();
            parts.listing.manifest.proof = chain.members[0].prove(question).await.0;
            let expected = Err(ManifestError::Claim);
            let found = parts.listing.manifest.check_proof(&chain.genesis);
            assert_eq!(found, if holds { Ok(()) } else { expected });
            assert_eq!(parts.offer(&chain).await.is_ok(), holds);
        }
    });
}

#[test]
fn parts_of_two_snapshots_make_none() {
    run(|context| async move {
        let (mut chain, one) = victim(context).await;
        let listing = slow(&mut chain).await;
        let two = Parts::of(&chain.members[0].disk, listing).await;
        let kinds = [Kind::Blocks, Kind::Operations, Kind::Table, Kind::Aside];
        for mix in 1u32..(1 << 6) - 1 {
            let other = |bit: u32| mix & (1 << bit) != 0;
            let mut mixed = one.clone();
            if other(0) {
                mixed.listing.manifest = two.listing.manifest.clone();
            }
            if other(1) {
                mixed.listing.extent = two.listing.extent.clone();
            }
            for (kind, bit) in kinds.into_iter().zip(2..) {
                if other(bit) {
                    mixed.set(kind, two.of_kind(kind));
                }
            }
            mixed.refused(&chain, &format!("mix {mix:b}")).await;
        }
        one.offer(&chain).await.unwrap();
        two.offer(&chain).await.unwrap();
    });
}

#[test]
fn an_extent_of_another_map_is_refused() {
    run(|context| async move {
        let (chain, parts) = victim(context).await;
        let cases: [(&str, Alter); 9] = [
            ("start", |p| p.listing.extent.start += 256),
            ("end", |p| p.listing.extent.end += 1),
            ("end", |p| p.listing.extent.end -= 1),
            ("pinned", |p| p.listing.extent.pinned.push(Digest([1; 32]))),
            ("height", |p| p.listing.extent.height += 1),
            ("root", |p| p.listing.extent.root.0[0] ^= 1),
            ("log_root", |p| p.listing.extent.log_root.0[0] ^= 1),
            ("bits_root", |p| p.listing.extent.bits_root.0[0] ^= 1),
            ("partial", |p| p.listing.extent.partial = None),
        ];
        for (what, alter) in cases {
            let mut altered = parts.clone();
            alter(&mut altered);
            match altered.refused(&chain, what).await {
                SnapshotError::Map(_) => assert!(what != "root" && what != "height"),
                SnapshotError::Listing(_) => assert!(what == "root" || what == "height"),
                error => panic!("{what}: {error}"),
            }
        }
    });
}
