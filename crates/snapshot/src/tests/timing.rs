//! When a state can be written out, and what it waits for.

use futures::FutureExt as _;
use hanse_ledger::ProveError;

use super::{chain::*, kit::*};
use crate::SnapshotError;

/// A block with a command, so that it settles.
async fn boundary(chain: &mut Chain, own: Own) -> u64 {
    let n = chain.height() as u8;
    chain.send(1, put("acme", &[n], vec![n]));
    let block = chain.step(own).await;
    assert!(block.header.settles);
    block.header.height
}

/// Height of what was begun.
async fn begun(chain: &mut Chain) -> Option<u64> {
    let member = &mut chain.members[0];
    member.work().await;
    let begun = member.begun.take()?;
    Some(begun.finish(&member.ledger, &member.disk).await.unwrap().height())
}

#[test]
fn an_idle_member_writes_its_state_out_at_once() {
    run(|context| async move {
        let mut chain = Chain::new(context, 51).await;
        chain.members[0].ledger.snapshot_from(0);
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, None, "genesis is nobody's word");
        let height = boundary(&mut chain, Own::Certificate).await;
        assert_eq!(begun(&mut chain).await, None, "no header carries its root");
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, Some(height));
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, None, "one was asked for");
        chain.members[0].ledger.snapshot_from(height + 1);
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, None, "it is too old");
        chain.members[0].ledger.snapshot_from(0);
        assert_eq!(begun(&mut chain).await, Some(height));
    });
}

#[test]
fn the_last_block_of_an_epoch_is_not_written_out() {
    run(|context| async move {
        let mut chain = Chain::new(context, 52).await;
        chain.steps_to(EPOCH - 2).await;
        assert_eq!(boundary(&mut chain, Own::Certificate).await, EPOCH - 1);
        chain.members[0].ledger.snapshot_from(0);
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, None);
        let height = boundary(&mut chain, Own::Certificate).await;
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, Some(height), "the first that can be");
    });
}

#[test]
fn a_state_whose_root_comes_in_the_next_epoch_is_not_written_out() {
    run(|context| async move {
        let mut chain = Chain::new(context, 53).await;
        chain.steps_to(EPOCH - 3).await;
        chain.send(1, put("acme", &[1], vec![1]));
        chain.members[0].ledger.snapshot_from(0);
        // The map is slow: block 15 is built without the root of 14.
        for height in [EPOCH - 2, EPOCH - 1] {
            let block = chain.build(0);
            assert_eq!(block.header.height, height);
            chain.members[0].ledger.commit(&block, block.header.digest(), None);
        }
        chain.members[0].work().await;
        let carrier = chain.step(Own::Certificate).await;
        assert_eq!((carrier.header.height, carrier.header.settled_height), (EPOCH, EPOCH - 2));
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, None);
        let height = boundary(&mut chain, Own::Certificate).await;
        chain.rest().await;
        assert_eq!(begun(&mut chain).await, Some(height));
    });
}

#[test]
fn a_certificate_is_waited_for_within_the_epoch() {
    run(|context| async move {
        let mut chain = Chain::new(context, 54).await;
        chain.members[0].ledger.snapshot_from(0);
        let height = boundary(&mut chain, Own::Certificate).await;
        chain.step(Own::None).await;
        let (begun, ledger) =
            (chain.members[0].begun.take().unwrap(), chain.members[0].ledger.clone());
        let disk = chain.members[0].disk.clone();
        let mut written = Box::pin(begun.finish(&ledger, &disk));
        for _ in 0..5 {
            assert!(written.as_mut().now_or_never().is_none());
            chain.step(Own::None).await;
        }
        chain.step(Own::Certificate).await;
        let listing = written.await.unwrap();
        assert_eq!(listing.height(), height);
        chain.join(0, "second").await;
        chain.agree().await;
    });
}

#[test]
fn the_certificate_may_be_that_of_the_epochs_last_block() {
    run(|context| async move {
        let mut chain = Chain::new(context, 58).await;
        chain.rotate(44).await;
        chain.steps_to(EPOCH - 3).await;
        chain.members[0].ledger.snapshot_from(EPOCH - 2);
        boundary(&mut chain, Own::Certificate).await;
        chain.step(Own::Certificate).await;
        assert_eq!(begun(&mut chain).await, Some(EPOCH - 2));
        // Both with what follows and without.
        let base = chain.join(0, "second").await;
        assert_eq!(base.checked().verified.certified_height, EPOCH - 1);
        chain.traffic(3).await;
        chain.join(0, "third").await;
        chain.traffic(20).await;
        chain.agree().await;
        chain.snapshot(1).await;
        chain.join(1, "fourth").await;
        chain.agree().await;
    });
}

#[test]
fn without_a_certificate_in_its_epoch_nothing_is_written() {
    run(|context| async move {
        let mut chain = Chain::new(context, 55).await;
        chain.steps_to(EPOCH - 3).await;
        chain.members[0].ledger.snapshot_from(EPOCH - 2);
        boundary(&mut chain, Own::Certificate).await;
        chain.step(Own::None).await;
        let begun = chain.members[0].begun.take().unwrap();
        chain.step(Own::Certificate).await;
        assert_eq!(chain.height(), EPOCH);
        let (ledger, disk) = (chain.members[0].ledger.clone(), chain.members[0].disk.clone());
        let error = begun.finish(&ledger, &disk).await.expect_err("there is none");
        assert!(matches!(error, SnapshotError::Proof(ProveError::Forgotten { .. })), "{error}");
        assert_eq!(disk.heights().await.unwrap(), [0; 0]);
    });
}

#[test]
fn whoever_stops_writes_nothing() {
    run(|context| async move {
        let mut chain = Chain::new(context, 56).await;
        chain.members[0].ledger.snapshot_from(0);
        boundary(&mut chain, Own::None).await;
        chain.step(Own::None).await;
        let begun = chain.members[0].begun.take().unwrap();
        let (ledger, disk) = (chain.members[0].ledger.clone(), chain.members[0].disk.clone());
        ledger.stop();
        let error = begun.finish(&ledger, &disk).await.expect_err("there is none");
        assert!(matches!(error, SnapshotError::Proof(ProveError::Stopped)), "{error}");
        assert_eq!(disk.heights().await.unwrap(), [0; 0]);
    });
}

#[test]
fn the_certificate_of_a_change_of_members_is_waited_for() {
    run(|context| async move {
        let mut chain = Chain::new(context, 57).await;
        chain.rotate(44).await;
        chain.steps_to(EPOCH - 2).await;
        let last = chain.step(Own::None).await;
        chain.members[0].ledger.snapshot_from(EPOCH);
        boundary(&mut chain, Own::Certificate).await;
        chain.step(Own::Certificate).await;
        let (begun, ledger) =
            (chain.members[0].begun.take().unwrap(), chain.members[0].ledger.clone());
        let disk = chain.members[0].disk.clone();
        let mut written = Box::pin(begun.finish(&ledger, &disk));
        assert!(written.as_mut().now_or_never().is_none());
        let founders = chain.genesis.committee();
        let digest = last.header.digest();
        let bytes = chain.voters.certificate(&chain.genesis.chain_id(), &founders, &digest);
        ledger.boundary_certified(0, bytes.clone()).unwrap();
        assert_eq!(written.await.unwrap().manifest.turns[0].finalization, bytes);
        chain.join(0, "second").await;
        chain.agree().await;
    });
}
