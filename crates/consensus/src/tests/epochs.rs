//! One committee after the other.

use std::time::Duration;

use commonware_runtime::Clock as _;

use super::cluster::{Cluster, run_epochs};
use crate::{Ended, VotesError};

fn all(_: u64, _: usize) -> bool {
    true
}

/// Four of five keys, then all, then the last four.
fn four_five_four(epoch: u64, i: usize) -> bool {
    match epoch {
        0 | 1 => i < 4,
        2 | 3 => true,
        _ => i > 0,
    }
}

/// Every block that ends an epoch, on every member, came with a certificate of its own.
fn boundaries_are_certified(cluster: &Cluster) {
    for member in cluster.live() {
        member.app.look(|state| {
            for last in (7..state.chain.len()).step_by(8) {
                assert!(state.chain[last].1.is_some(), "{last}");
            }
        });
    }
}

#[test]
fn epochs_follow_each_other() {
    run_epochs(61, 4, all, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(60).await;
        cluster.agree();
        boundaries_are_certified(&cluster);
        for member in cluster.live() {
            assert!(member.handle.status().epoch >= 7);
        }
    });
}

#[test]
fn the_committee_changes_with_the_epoch() {
    run_epochs(63, 5, four_five_four, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(20).await;
        assert_eq!(cluster.member(4).handle.status().members.len(), 5);
        // Without the newest member there is no quorum of the last committee with one more away.
        cluster.reach(40).await;
        cluster.crash(1).await;
        let height = cluster.member(4).handle.height();
        cluster.reach(height + 20).await;
        cluster.crash(4).await;
        assert!(cluster.stalls_for(Duration::from_secs(20)).await);
        cluster.start(4).await;
        cluster.reach(height + 30).await;
        cluster.agree();
        boundaries_are_certified(&cluster);
    });
}

#[test]
fn a_member_that_was_away_walks_through_the_epochs_it_missed() {
    run_epochs(64, 4, all, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(10).await;
        cluster.crash(3).await;
        cluster.reach(70).await;
        cluster.start(3).await;
        // With another one gone, nothing is certified without its vote.
        cluster.crash(0).await;
        let height = cluster.member(1).handle.height();
        cluster.reach(height + 20).await;
        cluster.agree();
    });
}

#[test]
fn members_crash_anywhere_in_an_epoch_and_go_on() {
    run_epochs(65, 4, all, |mut cluster| async move {
        cluster.start_all().await;
        for round in 1..=12 {
            cluster.reach(round * 7).await;
            cluster.restart_and_need().await;
        }
        cluster.crash_all().await;
        cluster.start_all().await;
        cluster.reach(110).await;
        cluster.agree();
    });
}

#[test]
fn a_slow_member_is_carried_through_the_epochs() {
    run_epochs(66, 4, all, |mut cluster| async move {
        cluster.start_all().await;
        cluster.link(|a, b| a != 3 && b != 3).await;
        cluster.reach_by(&[0, 1, 2], 41).await;
        cluster.link(|_, _| true).await;
        let height = cluster.member(0).handle.height();
        cluster.reach(height + 10).await;
        cluster.agree();
    });
}

#[test]
fn a_wiped_member_ends_and_votes_again_from_the_next_epoch() {
    run_epochs(67, 4, all, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(20).await;
        cluster.crash(3).await;
        cluster.start_wiped(3, false).await;
        let ended = &mut cluster.members[3].as_mut().unwrap().ended;
        let Ok(Ended::Votes(VotesError::Lost { epoch, .. })) = ended.await else {
            panic!("it goes on");
        };
        assert!(epoch >= 2, "it began in the first epoch and was told of its newest votes");
        cluster.crash(3).await;
        cluster.start_wiped(3, true).await;
        let height = cluster.member(0).handle.height();
        // Into the next epoch, whose votes cannot have been lost.
        cluster.reach(height + 9).await;
        cluster.crash(0).await;
        let height = cluster.member(1).handle.height();
        cluster.reach(height + 20).await;
        cluster.agree();
    });
}

#[test]
fn lost_votes_of_an_epoch_are_not_cast_again_in_it() {
    run_epochs(68, 4, all, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(17).await;
        cluster.crash(3).await;
        cluster.crash(2).await;
        cluster.start_wiped(3, true).await;
        // Two vote and one follows: no quorum, so the epoch cannot end, and it stays so.
        cluster.context.sleep(Duration::from_secs(5)).await;
        assert!(cluster.stalls_for(Duration::from_secs(30)).await);
        cluster.start(2).await;
        let height = cluster.member(0).handle.height();
        cluster.reach(height + 20).await;
        cluster.agree();
    });
}
