//! The log on a real disk: the tokio storage, and a second run on what the first one left.

use super::support::{read, small};
use crate::{Config, OneLog};
use commonware_runtime::{
    Blob as _, Runner as _, Storage as _, Supervisor as _, WriteOptions, tokio,
};

#[test]
fn a_log_on_files_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let runner = || {
        let config = tokio::Config::default().with_storage_directory(directory.path());
        tokio::Runner::new(config.with_worker_threads(2))
    };
    let config = || Config { checkpoint_bytes: 128 << 10, ..small() };
    runner().start(|context| async move {
        let (log, report) = OneLog::open(context.child("log"), config()).await.unwrap();
        assert!(report.fresh);
        for blob in 0..4u8 {
            let partition = if blob % 2 == 0 { "plain" } else { "cold" };
            let (handle, _) = log.open(partition, &[blob]).await.unwrap();
            for part in 0..20u64 {
                let data = vec![blob + 1; 4_000];
                handle.write_at(part * 4_000, data, WriteOptions::SYNC).await.unwrap();
            }
        }
        log.flush().await.unwrap();
        assert!(log.counters().checkpoints > 0);
    });
    runner().start(|context| async move {
        let (log, report) = OneLog::open(context.child("log"), config()).await.unwrap();
        assert!(!report.fresh && report.truncated_bytes == 0, "{report:?}");
        for blob in 0..4u8 {
            let partition = if blob % 2 == 0 { "plain" } else { "cold" };
            let (handle, len) = log.open(partition, &[blob]).await.unwrap();
            assert!(read(&handle, len).await == vec![blob + 1; 80_000], "blob {blob}");
        }
    });
}
