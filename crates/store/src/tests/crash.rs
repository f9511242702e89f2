//! Power cuts at every single change of the storage while checkpoints run.

use super::{
    model::{History, Model, Op, check, recovered, work},
    support::{Cut, Fuse, small, tearing},
};
use crate::{Config, OneLog};
use commonware_runtime::{
    Blob as _, Clock as _, Runner as _, Spawner as _, Storage as _, Supervisor as _, WriteOptions,
    deterministic,
};
use std::time::Duration;

fn runner(seed: u64) -> deterministic::Runner {
    deterministic::Runner::new(
        deterministic::Config::default().with_seed(seed).with_storage_fault_config(tearing()),
    )
}

/// Work that fills segments and takes several checkpoints, with blobs in memory and in files.
fn script() -> Vec<Op> {
    let mut ops = Vec::new();
    for step in 0..60usize {
        let blob = step % 6;
        let fill = step as u8 + 1;
        ops.push(Op::Write { blob, offset: (step * 37) % 9_000, len: 5_000, fill });
        match step % 10 {
            3 => ops.push(Op::Sync { blob }),
            5 => ops.push(Op::Resize { blob, len: 2_000 + step }),
            7 => ops.push(Op::Remove { blob }),
            8 => ops.push(Op::Flush),
            9 => ops.extend([
                Op::Close { blob },
                Op::Rest,
                Op::Read { blob: 2 },
                Op::Read { blob: 5 },
            ]),
            _ => {}
        }
    }
    ops
}

/// Work that removes blobs right after a checkpoint has started: their removal rides behind it.
fn removals() -> Vec<Op> {
    let mut ops = Vec::new();
    for round in 0..4u8 {
        for blob in [1, 2, 4, 5] {
            let write = |offset| Op::Write { blob, offset, len: 6_000, fill: round + 1 };
            ops.extend([0, 6_000, 12_000, 18_000, 24_000, 30_000].map(write));
        }
        ops.push(Op::Flush);
        for blob in [2, 4, 1, 5] {
            ops.extend([Op::Sync { blob: 0 }, Op::Remove { blob }, Op::Close { blob }]);
            ops.push(Op::Write { blob: 0, offset: 0, len: 100, fill: round + 9 });
        }
        ops.push(Op::Sync { blob: 3 });
        ops.push(Op::Rest);
    }
    ops
}

#[test]
fn a_power_cut_at_any_change_of_a_checkpoint_loses_nothing() {
    at_every_change(&script());
}

#[test]
fn a_root_never_overtakes_a_removal_that_its_checkpoint_skipped() {
    at_every_change(&removals());
}

fn at_every_change(script: &[Op]) {
    let whole = Fuse::default();
    let history = History::from(Model::new());
    let counters = runner(1).start(|context| {
        let (history, whole) = (history.clone(), whole.clone());
        async move { work(context, small(), script, whole, &history).await }
    });
    let counters = counters.expect("nothing cut the power");
    assert!(counters.checkpoints >= 2, "{counters:?}");
    assert!(counters.checkpoint_flushes > counters.checkpoints, "files were written too");
    for change in 0..whole.changes() {
        for (seed, cut) in [(1, Cut::Before), (1, Cut::Torn), (2, Cut::After)] {
            let history = History::from(Model::new());
            let fuse = Fuse::at(change, cut);
            let (_, cold) = runner(seed).start_and_recover(|context| {
                let history = history.clone();
                async move { work(context, small(), script, fuse, &history).await }
            });
            let found =
                deterministic::Runner::from(cold).start(|context| recovered(context, small()));
            check(&found, &history.lock(), &format!("{cut:?} at change {change}"));
        }
    }
}

#[test]
fn recycled_segments_are_not_replayed() {
    let (segments, cold) =
        deterministic::Runner::default().start_and_recover(|context| async move {
            let clock = context.child("clock");
            let (log, _) = OneLog::open(context, small()).await.unwrap();
            let (blob, _) = log.open("plain", b"a").await.unwrap();
            for round in 0..400u32 {
                let data = vec![round as u8; 5_000];
                blob.write_at(0, data, WriteOptions::SYNC).await.unwrap();
            }
            clock.sleep(Duration::from_secs(1)).await;
            let counters = log.counters();
            assert!(counters.flushed_bytes > 10 * counters.segments * (64 << 10), "{counters:?}");
            counters.segments
        });
    deterministic::Runner::from(cold).start(|context| async move {
        let (log, report) = OneLog::open(context, small()).await.unwrap();
        assert!(report.records < 60, "old batches were replayed: {report:?}");
        let (blob, len) = log.open("plain", b"a").await.unwrap();
        assert_eq!(super::support::read(&blob, len).await, vec![143; 5_000]);
        assert_eq!(log.counters().segments, segments);
    });
}

#[test]
fn memory_stays_bounded_while_an_archive_grows() {
    deterministic::Runner::default().start(|context| async move {
        let clock = context.child("clock");
        let (log, _) = OneLog::open(context, small()).await.unwrap();
        let mut most = 0;
        for section in 0..10u8 {
            // One partition is spilled by name, the other by the size of its blobs.
            for partition in ["cold", "ride"] {
                let (blob, _) = log.open(partition, &[section]).await.unwrap();
                for part in 0..30u64 {
                    let data = vec![section; 6_000];
                    blob.write_at(part * 6_000, data, WriteOptions::default()).await.unwrap();
                    blob.sync().await.unwrap();
                    clock.sleep(Duration::from_millis(5)).await;
                    most = most.max(log.counters().held_bytes);
                }
            }
        }
        let written = 10 * 2 * 30 * 6_000;
        assert!(most < 400 << 10, "{most} bytes of {written} were held");
        for partition in ["cold", "ride"] {
            let (blob, len) = log.open(partition, &[3]).await.unwrap();
            assert_eq!(super::support::read(&blob, len).await, vec![3; 180_000]);
        }
    });
}

#[test]
fn another_segment_size_is_taken_over() {
    let (_, cold) = deterministic::Runner::default().start_and_recover(|context| async move {
        let (log, _) = OneLog::open(context, small()).await.unwrap();
        let (blob, _) = log.open("plain", b"a").await.unwrap();
        blob.write_at(0, b"x", WriteOptions::SYNC).await.unwrap();
    });
    deterministic::Runner::from(cold).start(|context| async move {
        let config = Config { segment_bytes: 256 << 10, ..small() };
        let (log, _) = OneLog::open(context, config).await.unwrap();
        let (blob, len) = log.open("plain", b"a").await.unwrap();
        assert_eq!(super::support::read(&blob, len).await, b"x");
        for _ in 0..100 {
            blob.write_at(0, vec![1; 20_000], WriteOptions::SYNC).await.unwrap();
        }
        assert!(log.counters().checkpoints > 0);
    });
}

#[test]
fn a_member_that_is_killed_and_started_again_finds_its_log() {
    deterministic::Runner::default().start(|context| async move {
        for round in 0..5u8 {
            let member = context.child("member");
            let (sender, receiver) = futures::channel::oneshot::channel();
            let task = member.spawn(move |context| async move {
                let (log, report) = OneLog::open(context, small()).await.unwrap();
                assert_eq!(report.fresh, round == 0);
                let (blob, len) = log.open("plain", b"a").await.unwrap();
                assert_eq!(super::support::read(&blob, len).await, vec![round; len as usize]);
                let (cold, _) = log.open("cold", b"a").await.unwrap();
                for part in 0..40 {
                    let data = vec![round + 1; 5_000];
                    cold.write_at(part * 5_000, data, WriteOptions::default()).await.unwrap();
                    let data = vec![round + 1; 3_000];
                    blob.write_at(0, data, WriteOptions::SYNC).await.unwrap();
                }
                cold.write_at(0, vec![9; 5_000], WriteOptions::default()).await.unwrap();
                sender.send(()).unwrap();
                std::future::pending::<()>().await;
            });
            receiver.await.unwrap();
            task.abort();
            assert!(task.await.is_err());
            // Tasks below it end in the next turn of the scheduler.
            context.sleep(Duration::from_millis(10)).await;
        }
    });
}
