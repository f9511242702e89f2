//! The files of one map: their names and sizes, and the mark that says not to believe them.

use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};

use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::{CacheRef, page_size};
use commonware_runtime::{BLOB_PAGE_SIZE, Error};
use commonware_storage::Context;
use commonware_storage::journal::contiguous::fixed::Config as LogConfig;
use commonware_storage::merkle::full::Config as MerkleConfig;
use commonware_storage::qmdb::current::FixedConfig;
use commonware_storage::translator::EightCap;
use commonware_utils::{NZU64, NZUsize};

use crate::tree::Settings;

/// Operations per file of the log (65 bytes each): files of 17 MB, so that pruning gives space back in useful steps.
const LOG_ITEMS_PER_FILE: NonZeroU64 = NZU64!(262_144);
/// Nodes per file of the tree (32 bytes each), two per operation: the same reach as a log file.
const NODES_PER_FILE: NonZeroU64 = NZU64!(524_288);
/// Bytes read at once when the log is replayed at start.
const REPLAY_BYTES: NonZeroUsize = NZUsize!(1 << 20);
/// Keys remembered while the index is rebuilt at start, to tell colliding ones apart without reading again.
const REPLAY_KEYS: NonZeroUsize = NZUsize!(1 << 16);
/// Page of the read cache; with its checksum one page of the file system.
const PAGE: NonZeroU16 = page_size(BLOB_PAGE_SIZE);
/// The only blob of the partition that marks an unfinished import.
const UNFINISHED: &[u8] = b"unfinished";

/// Names and sizes of the files.
pub(crate) fn config(partition: &str, settings: &Settings) -> FixedConfig<EightCap, Sequential> {
    let at_least = |bytes: usize| NonZeroUsize::new(bytes).unwrap_or(NonZeroUsize::MIN);
    let page_cache = CacheRef::new(PAGE, at_least(settings.cache_bytes / usize::from(PAGE.get())));
    let write_buffer = at_least(settings.write_buffer_bytes);
    let [log, nodes, nodes_metadata, bits] = partitions(partition);
    FixedConfig {
        merkle_config: MerkleConfig {
            journal_partition: nodes,
            metadata_partition: nodes_metadata,
            items_per_blob: NODES_PER_FILE,
            write_buffer,
            replay_buffer: REPLAY_BYTES,
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: log,
            items_per_blob: LOG_ITEMS_PER_FILE,
            page_cache,
            write_buffer,
            replay_buffer: REPLAY_BYTES,
        },
        grafted_metadata_partition: bits,
        translator: EightCap,
        init_cache: Some(REPLAY_KEYS),
        init_buffer: REPLAY_BYTES,
        init_concurrency: (),
    }
}

pub(crate) fn partitions(partition: &str) -> [String; 4] {
    ["log", "nodes", "nodes-meta", "bits"].map(|part| format!("{partition}-{part}"))
}

/// The partition whose blob says that the others hold an import that is not finished.
///
/// A half imported log can end at a commit and look like a whole, older map; nothing in the files
/// themselves tells the two apart. So the mark is set before the first of them is touched, and goes
/// after the last is durable.
fn unfinished(partition: &str) -> String {
    format!("{partition}-import")
}

/// Says durably that the files are not to be believed, then removes them.
pub(crate) async fn start_over<E: Context>(context: &E, partition: &str) -> Result<(), Error> {
    // The engine's storage creates a blob durably before it hands it out.
    let (blob, _) = context.open(&unfinished(partition), UNFINISHED).await?;
    drop(blob);
    clear(context, partition).await
}

/// Whether [`start_over`] was called and neither [`finished`] nor [`wipe`] since.
pub(crate) async fn is_unfinished<E: Context>(context: &E, partition: &str) -> Result<bool, Error> {
    match context.scan(&unfinished(partition)).await {
        Ok(blobs) => Ok(!blobs.is_empty()),
        Err(Error::PartitionMissing(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes back what [`start_over`] said. The files must be durable.
pub(crate) async fn finished<E: Context>(context: &E, partition: &str) -> Result<(), Error> {
    remove(context, &unfinished(partition)).await
}

/// Removes every file of the map, the mark of an unfinished import last.
pub(crate) async fn wipe<E: Context>(context: &E, partition: &str) -> Result<(), Error> {
    clear(context, partition).await?;
    finished(context, partition).await
}

/// Journals keep their blobs and metadata in partitions of their own beside the named one.
async fn clear<E: Context>(context: &E, partition: &str) -> Result<(), Error> {
    for part in partitions(partition) {
        for suffix in ["", "-blobs", "-metadata"] {
            remove(context, &format!("{part}{suffix}")).await?;
        }
    }
    Ok(())
}

async fn remove<E: Context>(context: &E, partition: &str) -> Result<(), Error> {
    match context.remove(partition, None).await {
        Ok(()) | Err(Error::PartitionMissing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
