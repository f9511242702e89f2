//! Why a log could not be opened.

use commonware_runtime::Error as RuntimeError;

/// Failure to open the log. All of them end the node with exit code 70: nothing may vote on a log
/// that is not known to be whole.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `Config` breaks one of its own rules (segment size, two overlapping lists, a zero).
    #[error("configuration of the log is not usable: {0}")]
    Config(&'static str),
    /// The inner storage refused an operation.
    #[error("reading the log's storage failed while {doing}")]
    Storage {
        /// What was attempted.
        doing: &'static str,
        /// The storage's answer.
        #[source]
        source: RuntimeError,
    },
    /// The two root pages are unreadable although batches exist, or the batch they point to is gone.
    #[error("root of the log is lost: {0}")]
    RootLost(&'static str),
    /// A batch that was acknowledged does not check out any more, while a later one does.
    #[error(
        "log is corrupt in segment {segment} at byte {offset}: batch {expected} is damaged, \
         but batch {found} after it is intact"
    )]
    Corrupt {
        /// Slot of the damaged segment.
        segment: u32,
        /// Offset of the damaged batch in it, in bytes.
        offset: u64,
        /// Sequence number of the damaged batch.
        expected: u64,
        /// Sequence number of the later batch that proves the damage.
        found: u64,
    },
    /// A batch with a valid checksum holds a record that this version cannot read or apply.
    #[error("log holds a malformed record in segment {segment}, batch at byte {offset}: {reason}")]
    Malformed {
        /// Slot of the segment.
        segment: u32,
        /// Offset of the batch in it, in bytes.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A blob's cold data must be in a file, which is missing or shorter than the log says.
    #[error("spilled file of blob {name:?} in partition {partition} is missing or too short")]
    SpillLost {
        /// Partition of the blob.
        partition: String,
        /// Its name.
        name: Vec<u8>,
    },
}

impl OpenError {
    /// Names what was attempted when the inner storage failed.
    pub(crate) fn storage(doing: &'static str) -> impl FnOnce(RuntimeError) -> Self {
        move |source| Self::Storage { doing, source }
    }
}
