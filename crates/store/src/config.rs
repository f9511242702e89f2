//! What the node decides about its log: sizes, and which partitions may ride along.

use std::{num::NonZeroU16, time::Duration};

/// Bytes of a log page. Each batch starts on one and owns it, so that no write ever touches a
/// device sector that holds an acknowledged batch.
pub(crate) const PAGE: usize = 4096;

/// Greatest payload of one batch in bytes: larger ones would make the voter wait behind a block.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

/// Greatest data of one write record in bytes; longer writes are cut into several records.
pub(crate) const RECORD_BYTES: usize = 128 << 10;

/// Bytes that may wait in memory for the flusher before writers must wait for it.
pub(crate) const PENDING_BYTES: usize = 4 << 20;

/// Smallest accepted segment in bytes: it must hold the largest record and its batch header.
pub const MIN_SEGMENT_BYTES: usize = 64 << 10;

/// A journal of the simplex voter, whose records are told apart so that only votes are flushed.
#[derive(Clone, Debug)]
pub struct VoteJournal {
    /// Partitions whose name starts with this are voter journals (the engine's
    /// `simplex::Config::partition`, which differs per epoch).
    pub prefix: String,
    /// Logical page size of the page cache given to the engine (`CacheRef`). With another value no
    /// page checks out, and every sync of the journal is flushed: slower, never unsafe.
    pub page_size: NonZeroU16,
}

/// How one member's log is laid out. Partitions in no list are flushed on each sync.
#[derive(Clone, Debug)]
pub struct Config {
    /// Partition of the inner storage that holds the log; spilled blobs live in `<partition>-spill`.
    pub partition: String,
    /// Voter journals: a sync is flushed when it covers one of this member's own votes.
    pub votes: Vec<VoteJournal>,
    /// Prefixes of partitions whose syncs ride along with the next flush: certificates, marshal's
    /// caches and archives, metadata; all that peers can supply again.
    pub riding: Vec<String>,
    /// Prefixes of partitions whose blobs live in files of the inner storage (archives), so that
    /// memory stays bounded. They may be riding or not.
    pub spilled: Vec<String>,
    /// Bytes of one preallocated segment, a multiple of 4096, at least [`MIN_SEGMENT_BYTES`].
    pub segment_bytes: usize,
    /// Bytes of log after which a checkpoint starts (or twice the live memory images, if more).
    /// It bounds the data of spilled blobs that is held in memory.
    pub checkpoint_bytes: u64,
    /// A blob whose image exceeds this many bytes moves to a file wherever it is.
    pub spill_above: u64,
    /// Longest time a record that nobody waits for stays in memory only.
    pub linger: Duration,
    /// After a failed write or flush: `true` leaves every later operation pending for ever, so that
    /// the engine stops silently and the node can exit with its own code; `false` returns an error
    /// (the engine answers that with a panic).
    pub halt_on_failure: bool,
}

impl Config {
    /// Sizes for a member on a real disk: 4 MiB segments, a checkpoint each 16 MiB, images above
    /// 4 MiB in files, 100 ms linger, halting on failure.
    pub fn new(partition: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            votes: Vec::new(),
            riding: Vec::new(),
            spilled: Vec::new(),
            segment_bytes: 4 << 20,
            checkpoint_bytes: 16 << 20,
            spill_above: 4 << 20,
            linger: Duration::from_millis(100),
            halt_on_failure: true,
        }
    }

    /// The voter journal this partition is, if it is one.
    pub(crate) fn vote_journal(&self, partition: &str) -> Option<&VoteJournal> {
        self.votes.iter().find(|journal| partition.starts_with(&journal.prefix))
    }

    /// Whether syncs of this partition wait for no flush.
    pub(crate) fn rides(&self, partition: &str) -> bool {
        self.riding.iter().any(|prefix| partition.starts_with(prefix))
    }

    /// Partition of the inner storage that holds spilled blobs.
    pub(crate) fn spill_partition(&self) -> String {
        format!("{}-spill", self.partition)
    }

    /// Greatest number of payload bytes in a batch: one segment must hold it with its header.
    pub(crate) fn batch_bytes(&self) -> usize {
        BATCH_BYTES.min(self.segment_bytes - PAGE)
    }

    /// Greatest data bytes of one write record, so that a batch always has room for one.
    pub(crate) fn record_bytes(&self) -> usize {
        RECORD_BYTES.min(self.batch_bytes() / 4)
    }
}
