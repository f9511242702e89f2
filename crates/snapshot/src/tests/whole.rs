//! Whoever takes a state over goes on exactly as those it comes from.

use std::sync::Arc;

use commonware_runtime::Supervisor as _;
use hanse_execution::CheckError;
use hanse_ledger::{Admission, Ask as Question, SubmitError};
use hanse_proof::Claim;
use hanse_types::{Block, Body, Command, Header, Segment, limits::VALUE_BYTES_MAX};

use super::{chain::*, kit::*};
use crate::CHUNK_BYTES;

#[test]
fn whoever_takes_a_state_over_goes_on_as_all_others() {
    for seed in 1..=6 {
        run(|context| async move {
            let mut chain = Chain::new(context, seed).await;
            if seed % 2 == 0 {
                chain.void().await;
            }
            let before = chain.random.below(40);
            chain.traffic(before).await;
            let listing = chain.snapshot(0).await;
            let later = chain.random.below(25);
            chain.traffic(later).await;
            let base = chain.join(0, "second").await;
            assert_eq!(base.checked().header.height, listing.height());
            assert_eq!(chain.members[1].disk.listing(listing.height()).await.unwrap(), listing);
            chain.agree().await;
            chain.traffic(40).await;
            chain.agree().await;
        });
    }
}

#[test]
fn a_state_that_was_taken_over_is_handed_on() {
    run(|context| async move {
        let mut chain = Chain::new(context, 7).await;
        chain.traffic(9).await;
        chain.snapshot(0).await;
        chain.join(0, "second").await;
        // The very bytes that it was given.
        chain.join(1, "third").await;
        // And its own.
        chain.traffic(20).await;
        let listing = chain.snapshot(1).await;
        assert!(listing.height() > 20);
        let base = chain.join(1, "fourth").await;
        assert_eq!(base.checked().header.height, listing.height());
        chain.traffic(20).await;
        chain.agree().await;
    });
}

#[test]
fn an_idle_member_writes_out_the_very_state_it_began_with() {
    run(|context| async move {
        let mut chain = Chain::new(context, 8).await;
        chain.traffic(5).await;
        chain.rest().await;
        let first = chain.snapshot(0).await;
        chain.join(0, "second").await;
        let again = chain.snapshot(1).await;
        assert_eq!((again.height(), &again.manifest), (first.height(), &first.manifest));
        chain.join(1, "third").await;
        chain.agree().await;
    });
}

#[test]
fn proofs_of_a_state_taken_over_lead_across_the_changes_before_it() {
    run(|context| async move {
        let mut chain = Chain::new(context, 9).await;
        chain.traffic(3).await;
        chain.rotate(44).await;
        chain.steps_to(EPOCH).await;
        chain.traffic(3).await;
        chain.rotate(45).await;
        chain.steps_to(3 * EPOCH).await;
        chain.send(1, put("acme", &[9], vec![9]));
        chain.rest().await;
        let listing = chain.snapshot(0).await;
        assert_eq!(listing.manifest.turns.len(), 2);
        let base = chain.join(0, "second").await;
        assert_eq!(base.checked().committee, chain.members[0].ledger.committee_of(3).unwrap());
        chain.agree().await;
        for epoch in 0..4 {
            let one = chain.members[0].ledger.committee_of(epoch);
            assert_eq!(one, chain.members[1].ledger.committee_of(epoch));
        }
        for epoch in [0, 1] {
            let (one, verified) = chain.members[0].prove(Question::Handover { epoch }).await;
            assert!(matches!(verified.claim, Claim::Handover { .. }));
            let (two, _) = chain.members[1].prove(Question::Handover { epoch }).await;
            assert_eq!(one, two);
        }
        // And one that comes after.
        chain.rotate(46).await;
        chain.steps_to(5 * EPOCH).await;
        chain.traffic(3).await;
        let sent = chain.send(1, put("acme", &[1], vec![1]));
        chain.agree().await;
        let question = Question::Receipt { command: sent, item: 0 };
        let (one, verified) = chain.members[0].prove(question.clone()).await;
        let (two, _) = chain.members[1].prove(question).await;
        assert_eq!((one, verified.quorum.epoch), (two, 5));
        chain.snapshot(1).await;
        chain.join(1, "third").await;
        chain.agree().await;
    });
}

#[test]
fn values_of_the_greatest_size_are_carried() {
    run(|context| async move {
        let mut chain = Chain::new(context, 10).await;
        for k in 0..3 {
            let value = chain.random.bytes(VALUE_BYTES_MAX - usize::from(k));
            chain.send(1, put("acme", &[k], value));
            chain.step(Own::Certificate).await;
        }
        let listing = chain.snapshot(0).await;
        assert!(listing.bytes() > 3 * VALUE_BYTES_MAX as u64);
        assert!(listing.pieces.iter().any(|piece| piece.bytes as usize > CHUNK_BYTES));
        chain.join(0, "second").await;
        chain.agree().await;
    });
}

#[test]
fn a_restart_goes_on_from_the_newest_snapshot_and_a_map_that_is_further() {
    run(|context| async move {
        for persisted in [false, true] {
            let name = if persisted { "further" } else { "standing" };
            let mut chain = Chain::named(context.child("chain"), 13, name).await;
            chain.traffic(12).await;
            chain.snapshot(0).await;
            chain.join(0, name).await;
            chain.traffic(9).await;
            chain.rest().await;
            let listing = chain.snapshot(1).await;
            chain.members[1].map.persist().await.unwrap();
            if persisted {
                chain.traffic(9).await;
                chain.members[1].map.persist().await.unwrap();
            }
            drop(chain.members.pop());
            chain.traffic(5).await;
            let settled = chain.restart(name, listing.height()).await;
            assert_eq!(settled > listing.height(), persisted);
            chain.traffic(20).await;
            chain.agree().await;
        }
    });
}

/// `block` with nothing in it but `command`.
fn with(block: &Block, command: &Command) -> Arc<Block> {
    let segment = Segment { space: "acme".to_owned(), commands: vec![command.clone()] };
    let body = Body { segments: vec![segment] };
    let header = Header { body_root: body.root(), ..block.header.clone() };
    Arc::new(Block { header, body })
}

#[test]
fn nothing_that_ran_before_runs_again() {
    run(|context| async move {
        let mut chain = Chain::new(context, 11).await;
        for n in 0..10u8 {
            chain.send(1, put("acme", &[n], vec![n]));
            chain.batch(1 + u64::from(n % 3), vec![put("acme", &[n + 100], vec![n])]);
            chain.step(Own::Certificate).await;
        }
        let sent = chain.sent.clone();
        chain.snapshot(0).await;
        chain.join(0, "second").await;
        let empty = chain.build(0);
        for command in sent {
            let ledger = &chain.members[1].ledger;
            assert_eq!(ledger.submit(command.clone()).err(), Some(SubmitError::Executed));
            let again = with(&empty, &command);
            let admitted = ledger.admit(&again, again.header.digest(), chain.now_ms);
            assert_eq!(admitted, Admission::Invalid(CheckError::Replay(0)));
        }
        chain.agree().await;
    });
}
