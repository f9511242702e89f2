//! Liveness and agreement with crashed, cut-off, slow, silent and lying members.

use std::time::Duration;

use commonware_p2p::simulated::Link;
use commonware_utils::probability;
use hanse_types::Digest;

use super::cluster::{Cluster, run};
use crate::Recipients;

async fn ten_blocks(mut cluster: Cluster) -> Vec<Digest> {
    cluster.start_all().await;
    cluster.submit(b"one");
    cluster.see(b"one").await;
    cluster.reach(10).await;
    cluster.agree();
    cluster.member(0).app.chain()[..=10].to_vec()
}

#[test]
fn the_same_seed_gives_the_same_chain() {
    let once = run(7, ten_blocks);
    let again = run(7, ten_blocks);
    let other = run(8, ten_blocks);
    assert_eq!(once, again);
    assert_ne!(once, other);
}

#[test]
fn work_is_proposed_before_the_heartbeat() {
    run(1, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(3).await;
        for i in 0..20u8 {
            cluster.submit(&[i]);
            cluster.see(&[i]).await;
        }
        // Twenty commands one after the other: at most a block each and those under way, far from one per heartbeat.
        let blocks = cluster.member(0).app.look(|s| s.chain.len());
        assert!(blocks < 3 + 3 * 20, "{blocks} blocks");
    });
}

#[test]
fn one_crashed_member_of_four_does_not_stop_the_others() {
    run(2, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(5).await;
        cluster.crash(1).await;
        let height = cluster.agree();
        cluster.submit(b"without one");
        cluster.see(b"without one").await;
        cluster.reach(height + 20).await;
        cluster.agree();
        let status = cluster.member(0).handle.status();
        assert!(status.members[1].missed > 0);
        assert_eq!(status.members[0].missed, 0);
    });
}

#[test]
fn a_partition_of_two_and_two_stops_and_heals() {
    run(3, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(5).await;
        cluster.link(|a, b| a / 2 == b / 2).await;
        // What was under way may still land; then nothing may.
        cluster.stalls_for(Duration::from_millis(100)).await;
        assert!(cluster.stalls_for(Duration::from_secs(5)).await);
        cluster.link(|_, _| true).await;
        let height = cluster.agree();
        cluster.reach(height + 10).await;
        cluster.agree();
    });
}

#[test]
fn a_restarted_member_replays_its_whole_chain_before_it_votes() {
    run(4, |mut cluster| async move {
        cluster.start_all().await;
        cluster.submit(b"kept");
        cluster.see(b"kept").await;
        cluster.reach(12).await;
        let before = cluster.member(2).app.chain();
        cluster.crash(2).await;
        cluster.start(2).await;
        let replayed = cluster.member(2).app.chain();
        // The last commits may have run ahead of the archive; everything stored comes back at once.
        assert!(replayed.len() + 4 > before.len(), "{} of {}", replayed.len(), before.len());
        let height = cluster.agree().max(before.len() as u64);
        cluster.reach(height + 10).await;
        cluster.agree();
        assert_eq!(cluster.member(2).app.chain()[..before.len()], before);
    });
}

#[test]
fn all_members_crash_and_go_on_where_they_were() {
    run(5, |mut cluster| async move {
        cluster.start_all().await;
        cluster.submit(b"acknowledged");
        cluster.see(b"acknowledged").await;
        let before = cluster.agree();
        let chain = cluster.member(0).app.chain();
        cluster.crash_all().await;
        cluster.start_all().await;
        cluster.see(b"acknowledged").await;
        cluster.reach(before + 10).await;
        cluster.agree();
        let height = usize::try_from(before).unwrap();
        assert_eq!(cluster.member(0).app.chain()[..=height], chain[..=height]);
    });
}

#[test]
fn a_member_that_was_away_catches_up() {
    run(6, |mut cluster| async move {
        for i in 0..3 {
            cluster.start(i).await;
        }
        cluster.reach(60).await;
        cluster.start(3).await;
        cluster.reach(70).await;
        cluster.agree();
        // And it takes its turn again.
        let built = cluster.member(3).app.look(|s| s.built);
        let height = cluster.member(3).handle.height();
        cluster.reach(height + 12).await;
        assert!(cluster.member(3).app.look(|s| s.built) > built);
    });
}

#[test]
fn a_slow_and_lossy_member_is_carried_along() {
    run(7, |mut cluster| async move {
        cluster.start_all().await;
        let slow = Link {
            latency: Duration::from_millis(150),
            jitter: Duration::from_millis(50),
            success_rate: probability!(0.9),
        };
        cluster.change(|a, b| a == 3 || b == 3, slow).await;
        cluster.reach(40).await;
        cluster.agree();
    });
}

#[test]
fn a_silent_leader_is_skipped() {
    run(8, |mut cluster| async move {
        for i in 0..3 {
            cluster.start(i).await;
        }
        let mut silent = cluster.fake();
        silent.silent = true;
        cluster.start_with(3, silent).await;
        cluster.reach(30).await;
        cluster.agree();
        let status = cluster.member(0).handle.status();
        assert!(status.members[3].missed > 0 && status.members[3].proposed == 0);
        assert!(status.members[3].last_seen_ms.is_some());
    });
}

#[test]
fn what_honest_members_refuse_is_never_committed() {
    run(9, |mut cluster| async move {
        for i in 0..4 {
            let mut app = cluster.fake();
            if i > 0 {
                app.refused = Some(b"poison".to_vec());
            }
            cluster.start_with(i, app).await;
        }
        cluster.member(0).app.submit(b"poison");
        cluster.submit(b"bread");
        cluster.see(b"bread").await;
        cluster.reach(20).await;
        cluster.agree();
        assert!(cluster.live().all(|m| !m.app.look(|s| s.committed.contains(&b"poison"[..]))));
        assert!(cluster.member(0).app.look(|s| s.built) > 0);
        assert!((1..4).all(|i| cluster.member(i).app.look(|s| s.refusals) > 0));
    });
}

#[test]
fn a_verifier_follows_and_never_votes() {
    run(10, |mut cluster| async move {
        for i in 0..3 {
            cluster.start(i).await;
        }
        let mut config = cluster.config(3);
        config.verifier_only = true;
        let fake = cluster.fake();
        cluster.start_config(3, config, fake).await;
        cluster.reach(20).await;
        cluster.agree();
        let status = cluster.member(0).handle.status();
        assert_eq!(status.members[3].last_seen_ms, None);
        assert_eq!(cluster.member(3).app.look(|s| s.built), 0);
    });
}

#[test]
fn gossip_reaches_whom_it_is_for_and_names_its_sender() {
    run(11, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(1).await;
        let keys: Vec<_> = cluster.keys.iter().map(crate::ConsensusKey::public).collect();
        let gossip = cluster.member(0).handle.gossip();
        assert_eq!(gossip.send(Recipients::Some(vec![keys[2]]), "two".into()), Ok(1));
        assert_eq!(gossip.send(Recipients::All, "all".into()), Ok(3));
        let long = vec![0; crate::GOSSIP_BYTES_MAX + 1];
        assert!(gossip.send(Recipients::All, long.into()).is_err());
        let height = cluster.member(0).handle.height();
        cluster.reach(height + 3).await;
        let heard = |i: usize| cluster.member(i).app.look(|s| s.gossip.clone());
        assert_eq!(heard(2), [(keys[0], "two".into()), (keys[0], "all".into())]);
        assert_eq!(heard(1), [(keys[0], "all".into())]);
        assert_eq!(heard(0), []);
        let leaders = cluster.member(0).handle.schedule().leaders();
        // Two views have two leaders, and of two members one is honest.
        assert!(leaders.len() == 2 && leaders[0] != leaders[1]);
        assert!(leaders.iter().all(|key| keys.contains(key)));
    });
}

#[test]
fn the_stored_height_is_what_the_replay_comes_to() {
    run(44, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(12).await;
        cluster.crash_all().await;
        let stored = cluster.stored_height(3).await;
        assert!(stored > 0);
        // Alone it commits nothing beyond its own archive.
        cluster.start(3).await;
        assert_eq!(cluster.member(3).handle.height(), stored);
    });
}

#[test]
fn only_what_others_certified_since_the_start_is_live() {
    run(45, |mut cluster| async move {
        cluster.start_all().await;
        cluster.reach(12).await;
        cluster.crash_all().await;
        let stored = cluster.stored_height(3).await;
        cluster.start(3).await;
        assert!(cluster.stalls_for(Duration::from_secs(5)).await);
        assert_eq!(cluster.member(3).app.look(|s| s.live_from), None, "alone nothing is live");
        for i in 0..3 {
            cluster.start(i).await;
        }
        cluster.reach(stored + 4).await;
        let from = cluster.member(3).app.look(|s| s.live_from).unwrap();
        assert!(from > stored, "{from} is of its own archive, which ends at {stored}");
    });
}
