//! One ordered, checksummed log under the engine, so that a vote costs one flush.
//!
//! [`OneLog`] wraps a context of the engine's runtime and takes over its `Storage`: blobs live in
//! memory (archives in files), every change is a record of one log, and only the syncs that cover
//! this member's own votes wait for the disk. `docs/durability.md` holds the argument why that
//! suffices, and names the test behind each of its claims.

mod batch;
mod blob;
mod checkpoint;
mod config;
mod context;
mod error;
mod flusher;
mod image;
mod open;
mod record;
mod replay;
mod root;
mod segments;
mod shared;
mod table;
mod votes;

pub use blob::LogBlob;
pub use config::{Config, MIN_SEGMENT_BYTES, VoteJournal};
pub use context::OneLog;
pub use error::OpenError;
pub use open::{Report, VoteSummary};
pub use shared::Counters;

#[cfg(test)]
mod tests;
