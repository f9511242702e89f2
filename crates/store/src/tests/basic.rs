//! What a blob promises, what is flushed when, and that failure stops everything.

use super::support::{Fuse, Fused, read, small};
use crate::{Config, OneLog, OpenError};
use commonware_runtime::{
    Blob as _, BlobVersion, Clock as _, Error, IoBufMut, ReadOptions, Runner as _, Storage as _,
    Supervisor as _, WriteOptions, deterministic,
};
use std::time::Duration;

const NONE: WriteOptions = WriteOptions::SYNC.without(WriteOptions::SYNC);

#[test]
fn blobs_behave_as_the_runtime_demands() {
    deterministic::Runner::default().start(|context| async move {
        let (log, report) = OneLog::open(context, small()).await.unwrap();
        assert!(report.fresh);
        let (blob, len) = log.open("plain", b"a").await.unwrap();
        assert_eq!(len, 0);
        assert!(matches!(log.open("plain", b"a").await, Err(Error::BlobAlreadyOpen(..))));
        blob.write_at(3, b"abc", NONE).await.unwrap();
        blob.sync().await.unwrap();
        assert_eq!(read(&blob, 6).await, b"\0\0\0abc");
        let past = blob.read_at(1, 6, ReadOptions::default()).await;
        assert!(matches!(past, Err(Error::BlobInsufficientLength)));
        let buf = IoBufMut::with_capacity(16);
        let got = blob.read_at_buf(3, 3, buf, ReadOptions::default()).await.unwrap();
        assert_eq!(got.coalesce().as_ref(), b"abc");
        blob.resize(4).await.unwrap();
        blob.resize(6).await.unwrap();
        assert_eq!(read(&blob, 6).await, b"\0\0\0a\0\0");
        // A removed blob stays readable; its name is free for another.
        log.remove("plain", Some(b"a")).await.unwrap();
        let (other, len) = log.open("plain", b"a").await.unwrap();
        assert_eq!((len, read(&blob, 4).await), (0, b"\0\0\0a".to_vec()));
        drop((blob, other));
        assert_eq!(log.scan("plain").await.unwrap(), vec![b"a".to_vec()]);
        log.remove("plain", None).await.unwrap();
        assert!(matches!(log.scan("plain").await, Err(Error::PartitionMissing(_))));
        assert!(matches!(log.remove("plain", None).await, Err(Error::PartitionMissing(_))));
        assert!(matches!(log.open("a/b", b"a").await, Err(Error::PartitionNameInvalid(_))));
    });
}

#[test]
fn versions_are_kept_and_checked() {
    let version = BlobVersion::new;
    let (_, state) = deterministic::Runner::default().start_and_recover(|context| async move {
        let (log, _) = OneLog::open(context, small()).await.unwrap();
        let opened = log.open_versioned("plain", b"a", version(2)..=version(5)).await.unwrap();
        assert_eq!(opened.2, version(5));
        log.flush().await.unwrap();
    });
    deterministic::Runner::from(state).start(|context| async move {
        let (log, report) = OneLog::open(context, small()).await.unwrap();
        assert!(!report.fresh);
        let refused = log.open_versioned("plain", b"a", version(6)..=version(9)).await;
        assert!(matches!(refused, Err(Error::BlobVersionMismatch { .. })));
        let opened = log.open_versioned("plain", b"a", version(0)..=version(9)).await.unwrap();
        assert_eq!(opened.2, version(5));
    });
}

#[test]
fn syncs_of_riding_partitions_wait_for_no_flush() {
    deterministic::Runner::default().start(|context| async move {
        let (log, _) = OneLog::open(context, small()).await.unwrap();
        let before = log.counters();
        let (blob, _) = log.open("ride-cache", b"a").await.unwrap();
        for _ in 0..10 {
            blob.write_at(0, vec![7; 100], WriteOptions::SYNC).await.unwrap();
            blob.sync().await.unwrap();
        }
        assert_eq!(log.counters().flushes, before.flushes);
        assert_eq!(log.counters().rides - before.rides, 20);
        // A partition in no list is flushed, and takes the others along.
        let (strict, _) = log.open("plain", b"a").await.unwrap();
        strict.write_at(0, b"x", WriteOptions::SYNC).await.unwrap();
        assert_eq!(log.counters().flushes, before.flushes + 1);
        strict.sync().await.unwrap();
        assert_eq!(log.counters().flushes, before.flushes + 1, "nothing new to flush");
    });
}

#[test]
fn lingering_records_are_flushed_without_being_asked_for() {
    deterministic::Runner::default().start(|context| async move {
        let clock = context.child("clock");
        let (log, _) = OneLog::open(context, small()).await.unwrap();
        let before = log.counters().flushes;
        let (blob, _) = log.open("ride", b"a").await.unwrap();
        blob.write_at(0, b"x", NONE).await.unwrap();
        clock.sleep(Duration::from_millis(200)).await;
        assert_eq!(log.counters().flushes, before + 1);
        clock.sleep(Duration::from_secs(10)).await;
        assert_eq!(log.counters().flushes, before + 1, "an idle log stays quiet");
    });
}

#[test]
fn syncs_that_wait_share_one_flush() {
    deterministic::Runner::default().start(|context| async move {
        let (log, _) = OneLog::open(context, small()).await.unwrap();
        let mut blobs = Vec::new();
        for name in 0..20u8 {
            blobs.push(log.open("plain", &[name]).await.unwrap().0);
        }
        log.flush().await.unwrap();
        let before = log.counters().flushes;
        let syncs = blobs.iter().map(|blob| async move {
            blob.write_at(0, b"x", NONE).await.unwrap();
            blob.sync().await.unwrap();
        });
        futures::future::join_all(syncs).await;
        let flushes = log.counters().flushes - before;
        assert!(flushes <= 2, "20 syncs took {flushes} flushes");
    });
}

#[test]
fn a_started_sync_goes_on_without_its_handle() {
    deterministic::Runner::default().start(|context| async move {
        let clock = context.child("clock");
        let config = Config { linger: Duration::from_secs(3600), ..small() };
        let (log, _) = OneLog::open(context, config).await.unwrap();
        let (blob, _) = log.open("plain", b"a").await.unwrap();
        let before = log.counters().flushes;
        blob.write_at(0, b"x", NONE).await.unwrap();
        drop(blob.start_sync().await);
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(log.counters().flushes, before + 1);
    });
}

#[test]
fn a_failed_write_poisons_the_log_for_good() {
    deterministic::Runner::default().start(|context| async move {
        let fuse = Fuse::default();
        let config = Config { halt_on_failure: false, ..small() };
        let (log, _) = OneLog::open(Fused::new(context, fuse.clone()), config).await.unwrap();
        let (blob, _) = log.open("plain", b"a").await.unwrap();
        blob.write_at(0, b"x", WriteOptions::SYNC).await.unwrap();
        let failed = log.failed();
        fuse.fail_from_now();
        blob.write_at(0, b"y", NONE).await.unwrap();
        assert!(blob.sync().await.is_err());
        assert!(failed.await.contains("writing the log failed"));
        let changes = fuse.changes();
        assert!(blob.sync().await.is_err());
        assert!(blob.write_at(0, b"z", NONE).await.is_err());
        assert!(blob.read_at(0, 1, ReadOptions::default()).await.is_err());
        assert!(log.open("plain", b"b").await.is_err());
        assert!(log.remove("plain", None).await.is_err());
        assert!(log.flush().await.is_err());
        assert_eq!(fuse.changes(), changes, "a failed flush is never tried again");
    });
}

#[test]
fn a_halting_log_answers_nobody_after_a_failure() {
    deterministic::Runner::default().start(|context| async move {
        let (clock, fuse) = (context.child("clock"), Fuse::default());
        let (log, _) = OneLog::open(Fused::new(context, fuse.clone()), small()).await.unwrap();
        let (blob, _) = log.open("plain", b"a").await.unwrap();
        fuse.fail_from_now();
        let sync = async {
            blob.write_at(0, b"y", NONE).await.unwrap();
            blob.sync().await.unwrap();
        };
        let wait = clock.sleep(Duration::from_secs(60));
        futures::pin_mut!(sync, wait);
        let first = futures::future::select(sync, wait).await;
        assert!(matches!(first, futures::future::Either::Right(_)));
        assert!(log.is_failed());
    });
}

#[test]
fn a_configuration_that_breaks_its_rules_is_refused() {
    deterministic::Runner::default().start(|context| async move {
        let broken = [
            Config { segment_bytes: 4096, ..small() },
            Config { segment_bytes: (64 << 10) + 1, ..small() },
            Config { riding: vec!["vote".into()], ..small() },
            Config { spilled: vec!["voter-1".into()], ..small() },
        ];
        for (index, config) in broken.into_iter().enumerate() {
            let opened = OneLog::open(context.child("refused"), config).await;
            assert!(matches!(opened, Err(OpenError::Config(_))), "case {index}");
        }
        assert!(context.scan("log").await.is_err(), "nothing was touched");
    });
}
