//! Whether this log is the one this member has voted with from the beginning (DESIGN D8; docs/durability.md, section 9).
//!
//! A member with an empty log cannot know whether it ever voted. So the right to vote comes with the log: whoever makes a
//! new member vouches for it once ([`crate::MemberConfig::first_start`]), and the log remembers that from then on.

use commonware_runtime::{Blob as _, ReadOptions, Storage, WriteOptions};
use hanse_consensus::VotesError;
use hanse_store::Report;

use crate::config::PREFIX;

/// Name of the one record.
const NAME: &[u8] = b"birth";
/// The log holds every vote of its member since the beginning.
const WHOLE: u8 = 1;
/// In the epoch that follows as 8 big-endian bytes, votes were found to be lost or rolled back.
const DOUBTED: u8 = 2;
/// Bytes of the record.
const BYTES: usize = 9;

/// Why a member may not start as one that votes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BirthError {
    /// It must not vote in this epoch.
    #[error(transparent)]
    Votes(VotesError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Storage(#[from] commonware_runtime::Error),
    /// The record is none.
    #[error("the record of the log's birth is damaged")]
    Damaged,
}

/// Partition of the record: in no list of [`crate::MemberConfig::log`], so that its syncs are flushed.
fn partition() -> String {
    format!("{PREFIX}-birth")
}

/// Checks that a member with this log may vote in `epoch`, and writes down a birth that `first_start` vouches for.
///
/// # Errors
/// [`BirthError`].
pub(crate) async fn check<L: Storage>(
    log: &L,
    report: &Report,
    first_start: bool,
    epoch: u64,
) -> Result<(), BirthError> {
    let (blob, length) = log.open(&partition(), NAME).await?;
    if length == 0 {
        // Logs with votes are older than this record: their member went on from the beginning with them.
        if !first_start && report.votes.is_empty() {
            return Err(BirthError::Votes(VotesError::Missing));
        }
        return Ok(blob.write_at(0, record(WHOLE, epoch), WriteOptions::SYNC).await?);
    }
    if length != BYTES as u64 {
        return Err(BirthError::Damaged);
    }
    let read = blob.read_at(0, BYTES, ReadOptions::default()).await?.coalesce();
    let (state, since) = read.as_ref().split_first().ok_or(BirthError::Damaged)?;
    let since = u64::from_be_bytes(since.try_into().map_err(|_| BirthError::Damaged)?);
    match *state {
        WHOLE => Ok(()),
        DOUBTED if since < epoch => Ok(()),
        DOUBTED => Err(BirthError::Votes(VotesError::Doubted { epoch: since })),
        _ => Err(BirthError::Damaged),
    }
}

/// Writes down that this log lacks votes of `epoch`, so that its member does not vote in it, whoever answers next time.
///
/// # Errors
/// The log failed.
pub(crate) async fn doubt<L: Storage>(
    log: &L,
    epoch: u64,
) -> Result<(), commonware_runtime::Error> {
    let (blob, _) = log.open(&partition(), NAME).await?;
    blob.write_at(0, record(DOUBTED, epoch), WriteOptions::SYNC).await
}

fn record(state: u8, epoch: u64) -> Vec<u8> {
    [&[state][..], &epoch.to_be_bytes()].concat()
}
