//! Whole states of the ledger: written out by a member, proved by a quorum, carried to another one or to a file, and gone on from
//! (docs/formats/snapshot.md).
//!
//! A snapshot is a [`Listing`] and its data. The listing proves which state it is; the data is believed only as far as it gives
//! the root that the proof names.

mod disk;
mod exchange;
mod file;
mod listing;
mod make;
mod reader;
mod take;
mod writer;

pub use disk::Disk;
pub use exchange::{Answer, Ask};
pub use file::{MAGIC, head, read_chunk, read_head};
pub use listing::{
    ASIDE_BYTES_MAX, BLOCKS_BYTES_MAX, CHUNK_BYTES, Kind, LISTING_BYTES_MAX, Listing,
    PIECE_BYTES_MAX, Piece,
};
pub use make::{Begun, begin};
pub use reader::Reader;
pub use take::{Map, take};
pub use writer::Writer;

#[cfg(test)]
mod tests;

use hanse_ledger::{ManifestError, ProveError};

/// Why a snapshot was not made, carried or taken over.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk failed.
    #[error("the disk failed under a snapshot")]
    Disk(#[from] commonware_runtime::Error),
    /// The file cannot be read.
    #[error("the snapshot's file cannot be read")]
    File(#[source] std::io::Error),
    /// The listing cannot be read, or its numbers contradict each other.
    #[error("the snapshot's listing is malformed: {0}")]
    Listing(&'static str),
    /// A chunk of the data is not the one the listing names, or is missing.
    #[error("chunk {0} of the snapshot is damaged or missing")]
    Chunk(u32),
    /// The manifest does not hold.
    #[error("the snapshot is not proved")]
    Manifest(#[from] ManifestError),
    /// The map in it is not the one the manifest proves, or cannot be stored.
    #[error("the snapshot's map does not hold")]
    Map(#[from] hanse_state::ImportError),
    /// A piece of the state is malformed, or the whole contradicts itself.
    #[error("the snapshot's state does not hold")]
    State(#[from] hanse_execution::PortableError),
    /// The state holds a record that its map does not.
    #[error("the snapshot's state holds a record that is not in its map")]
    Record,
    /// The map could not be written out.
    #[error("the map cannot be written out")]
    Export(#[from] hanse_state::ExportError),
    /// The map did not prove.
    #[error("the map cannot be read")]
    Prove(#[from] hanse_state::ProveError),
    /// There was no certificate in time.
    #[error("the state was not proved in time")]
    Proof(#[from] ProveError),
}
