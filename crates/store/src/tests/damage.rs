//! Damage that is found, and damage that is only a torn tail.

use super::support::{self, read};
use crate::{Config, OneLog, OpenError, root::Root};
use commonware_runtime::{
    Blob as _, ReadOptions, Runner as _, Storage as _, Supervisor as _, WriteOptions, deterministic,
};

/// One segment holds it all, and no checkpoint moves it.
fn small() -> Config {
    Config { segment_bytes: 256 << 10, checkpoint_bytes: 1 << 20, ..support::small() }
}

/// A log with 30 synced writes; the last one's byte is 30.
fn written() -> deterministic::Checkpoint {
    let (_, cold) = deterministic::Runner::default().start_and_recover(|context| async move {
        let (log, _) = OneLog::open(context, small()).await.unwrap();
        let (blob, _) = log.open("plain", b"a").await.unwrap();
        for value in 1..=30u8 {
            blob.write_at(u64::from(value), vec![value], WriteOptions::SYNC).await.unwrap();
        }
    });
    cold
}

async fn flip(context: &deterministic::Context, name: &[u8], at: u64) {
    let (blob, _) = context.open("log", name).await.unwrap();
    let byte = blob.read_at(at, 1, ReadOptions::default()).await.unwrap().coalesce();
    blob.write_at(at, vec![byte.as_ref()[0] ^ 0x10], WriteOptions::SYNC).await.unwrap();
}

#[test]
fn a_flipped_bit_before_the_tail_is_an_error_that_names_the_place() {
    // Batch 1 is the run's mark; the writes follow, each in its own page.
    for (page, byte) in [(0, 72), (1, 3), (5, 30), (17, 60), (20, 75)] {
        deterministic::Runner::from(written()).start(|context| async move {
            flip(&context, b"segment-00000000", page * 4096 + byte).await;
            match OneLog::open(context, small()).await {
                Err(OpenError::Corrupt { segment, offset, expected, .. }) => {
                    assert_eq!((segment, offset, expected), (0, page * 4096, page + 1));
                }
                other => panic!("page {page}: {:?}", other.map(|(_, report)| report)),
            }
        });
    }
}

#[test]
fn a_torn_last_batch_is_cut_off_and_the_log_goes_on() {
    let (_, cold) =
        deterministic::Runner::from(written()).start_and_recover(|context| async move {
            flip(&context, b"segment-00000000", 30 * 4096 + 80).await;
            let (log, report) = OneLog::open(context, small()).await.unwrap();
            assert_eq!((report.batches, report.truncated_bytes), (30, 4096));
            let (blob, len) = log.open("plain", b"a").await.unwrap();
            assert_eq!((len, read(&blob, len).await[29]), (30, 29));
            blob.write_at(0, b"z", WriteOptions::SYNC).await.unwrap();
        });
    deterministic::Runner::from(cold).start(|context| async move {
        let (log, report) = OneLog::open(context, small()).await.unwrap();
        assert_eq!(report.truncated_bytes, 0);
        let (blob, len) = log.open("plain", b"a").await.unwrap();
        assert_eq!((len, read(&blob, len).await[0]), (30, b'z'));
    });
}

#[test]
fn a_log_without_its_root_is_lost_not_fresh() {
    deterministic::Runner::from(written()).start(|context| async move {
        context.remove("log", Some(b"root")).await.unwrap();
        assert!(matches!(OneLog::open(context, small()).await, Err(OpenError::RootLost(_))));
    });
}

#[test]
fn a_removed_log_is_reported_as_fresh() {
    deterministic::Runner::from(written()).start(|context| async move {
        context.remove("log", None).await.unwrap();
        let (_, report) = OneLog::open(context, small()).await.unwrap();
        assert!(report.fresh && report.votes_seen() == 0);
    });
}

#[test]
fn a_missing_file_of_a_spilled_blob_is_an_error() {
    let (_, cold) = deterministic::Runner::default().start_and_recover(|context| async move {
        let (log, _) = OneLog::open(context, support::small()).await.unwrap();
        let (blob, _) = log.open("cold", b"a").await.unwrap();
        for part in 0..60 {
            blob.write_at(part * 5_000, vec![1; 5_000], WriteOptions::default()).await.unwrap();
            log.flush().await.unwrap();
        }
        assert!(log.counters().checkpoints > 0);
    });
    deterministic::Runner::from(cold).start(|context| async move {
        context.remove("log-spill", None).await.unwrap();
        let opened = OneLog::open(context, support::small()).await;
        assert!(
            matches!(opened, Err(OpenError::SpillLost { partition, .. }) if partition == "cold")
        );
    });
}

#[test]
fn data_that_looks_like_a_batch_is_only_data() {
    // A client that knows the format fills a page of a block with a forged batch.
    let (_, cold) = deterministic::Runner::default().start_and_recover(|context| async move {
        let (log, _) = OneLog::open(context.child("first"), small()).await.unwrap();
        let (blob, _) = log.open("plain", b"a").await.unwrap();
        let mut forged = vec![0; crate::batch::HEADER];
        crate::record::Record::Drop { partition: "plain" }.encode(&mut forged);
        // Dense, so that the log takes it in whole.
        let dense = [7; 3_900];
        crate::record::Record::Write { id: 1, offset: 0, data: &dense }.encode(&mut forged);
        crate::batch::seal(&mut forged, &[7; 16], 1 << 40, 1, &[0; 16]);
        let mut data = Vec::new();
        for (shift, byte) in forged.iter().take(4096).enumerate() {
            if shift % 512 == 0 {
                data.extend_from_slice(&[0; 61]);
            }
            data.push(*byte);
        }
        data.extend_from_slice(&forged);
        blob.write_at(0, data, WriteOptions::SYNC).await.unwrap();
        // The last batch is torn, so that opening looks for later ones.
        blob.write_at(0, b"x", WriteOptions::SYNC).await.unwrap();
    });
    deterministic::Runner::from(cold).start(|context| async move {
        flip(&context, b"segment-00000000", 4 * 4096 + 80).await;
        let (_, report) = OneLog::open(context, small()).await.unwrap();
        assert!(report.truncated_bytes > 0);
    });
}

#[test]
fn a_damaged_root_never_brings_back_an_older_state() {
    let mut outcomes = [0, 0];
    for writes in (40..400).step_by(12) {
        let (_, cold) = deterministic::Runner::default().start_and_recover(|context| async move {
            let (log, _) = OneLog::open(context, support::small()).await.unwrap();
            let (blob, _) = log.open("plain", b"a").await.unwrap();
            for value in 0..writes {
                let data = vec![value as u8; 3_000];
                blob.write_at(0, data, WriteOptions::SYNC).await.unwrap();
            }
        });
        let outcome = deterministic::Runner::from(cold).start(|context| async move {
            let (root, _) = context.open("log", b"root").await.unwrap();
            let pages = read(&root, 8192).await;
            let generation = |page: &[u8]| Root::decode(page).map(|root| root.generation);
            let newest = usize::from(generation(&pages[4096..]) > generation(&pages[..4096]));
            drop(root);
            flip(&context, b"root", newest as u64 * 4096 + 20).await;
            match OneLog::open(context, support::small()).await {
                Err(OpenError::RootLost(_) | OpenError::Corrupt { .. }) => 0,
                Err(other) => panic!("after {writes} writes: {other}"),
                Ok((log, _)) => {
                    let (blob, len) = log.open("plain", b"a").await.unwrap();
                    assert_eq!(read(&blob, len).await, vec![(writes - 1) as u8; 3_000]);
                    1
                }
            }
        });
        outcomes[outcome] += 1;
    }
    // Refusing is allowed as well; with these sizes the older root's segments are still there, and replay finds the newest state.
    assert_eq!(outcomes, [0, 30]);
}
