//! A member that forgot votes finds out from the others before it casts one (DESIGN D8).

use std::time::Duration;

use commonware_runtime::Clock as _;

use super::cluster::run;
use crate::{Ended, VotesError};

#[test]
fn a_member_with_an_empty_vote_log_is_told_of_its_votes_and_ends() {
    run(41, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(10).await;
        cluster.crash(3).await;
        cluster.start_wiped(3, false).await;
        let ended = &mut cluster.members[3].as_mut().unwrap().ended;
        let Ok(Ended::Votes(VotesError::Lost { epoch: 0, view })) = ended.await else {
            panic!("it goes on");
        };
        assert!(view > 0);
        cluster.crash(3).await;
        // As one that follows it catches up, and the others see no vote of it.
        cluster.start_wiped(3, true).await;
        let height = cluster.member(0).handle.height();
        cluster.reach(height + 10).await;
        cluster.agree();
        assert_eq!(cluster.member(3).app.look(|s| s.built), 0);
    });
}

#[test]
fn stored_certificates_alone_show_that_votes_are_lost() {
    run(42, |mut cluster| async move {
        cluster.start_all().await;
        // Until a certificate in its own archive carries its signature.
        cluster.reach(12).await;
        cluster.crash_all().await;
        // Epoch 0's vote log is another one under another name of the same partition: the archive stays.
        let config = cluster.config(3);
        let votes = crate::vote_partition(&config.partition_prefix, 0);
        cluster.remove(&votes).await;
        let error = Box::pin(cluster.try_start(3, config)).await.unwrap_err();
        assert!(
            matches!(error, crate::StartError::Forgotten(VotesError::Lost { .. })),
            "{error:?}"
        );
    });
}

#[test]
fn nobody_votes_before_enough_others_have_answered() {
    run(43, |mut cluster| async move {
        // Two are no quorum: none of them signs anything, not even to skip a view.
        cluster.start(0).await;
        cluster.start(1).await;
        cluster.context.sleep(Duration::from_secs(20)).await;
        for member in cluster.live() {
            let status = member.handle.status();
            assert!(status.members.iter().all(|m| m.last_seen_ms.is_none()), "{status:?}");
        }
        // The third makes one, and they begin.
        cluster.start(2).await;
        cluster.reach(5).await;
    });
}

#[test]
fn a_member_that_forgot_nothing_votes_again_after_each_restart() {
    run(44, |mut cluster| async move {
        cluster.start_all().await;
        for round in 1..=6 {
            cluster.reach(round * 8).await;
            cluster.restart_and_need().await;
        }
        cluster.agree();
    });
}

#[test]
fn a_member_that_only_follows_is_soon_passed_over_as_leader() {
    run(45, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(10).await;
        cluster.crash(3).await;
        cluster.start_wiped(3, true).await;
        // Longer than a leader may be silent before the others go on without it.
        cluster.context.sleep(Duration::from_secs(4)).await;
        let (height, began) = (cluster.member(0).handle.height(), cluster.context.current());
        cluster.reach_by(&[0, 1, 2], height + 40).await;
        let took = cluster.context.current().duration_since(began).unwrap();
        // A heartbeat is 100 ms; to wait 400 ms for each fourth leader would take 9 s.
        assert!(took < Duration::from_secs(6), "{took:?}");
    });
}
