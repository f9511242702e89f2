//! What a snapshot consists of.

use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::hash;
use hanse_ledger::Manifest;
use hanse_state::Extent;
use hanse_types::{
    Digest,
    limits::{COMMAND_BYTES_MAX, KEY_BYTES_MAX},
};

use crate::SnapshotError;

/// Bytes that are checked and carried at once: what a member sends without keeping its votes waiting.
pub const CHUNK_BYTES: usize = 512 * 1024;
/// Bytes of a listing: chunk digests of eight gigabytes of data, and the longest proof.
pub const LISTING_BYTES_MAX: usize = 576 * 1024 - 64;
/// Bytes of one piece: the largest value that [`hanse_execution::Rebuild`] takes, with its key and frame. All others are smaller.
pub const PIECE_BYTES_MAX: u32 = 2 * COMMAND_BYTES_MAX + 2 * KEY_BYTES_MAX as u32;
/// Bytes of all blocks that follow a snapshot's: a dozen full ones. Whoever makes it takes another block's state otherwise.
pub const BLOCKS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of what stands beside the records: 40 for each replay key of twelve minutes at nine thousand signed commands a
/// second, which is more than members were seen to do (docs/adr/0011), 168 for each gateway, and the headers. They are held in
/// memory before the last of them shows whether they are the state's.
pub const ASIDE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a piece is. Numbers are in files; never reuse one. They come in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Kind {
    /// 0: a part of the encoded list of blocks that follow the manifest's.
    Blocks,
    /// 1: operations of the map's log ([`hanse_state::StateTree::operations`]).
    Operations,
    /// 2: records with their values ([`hanse_ledger::World::pieces`]).
    Table,
    /// 3: what stands beside the records ([`hanse_ledger::World::aside_pieces`]).
    Aside,
}

/// One piece of the data. They follow each other without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Its length.
    pub bytes: u32,
}

/// What a snapshot is of, what proves it, and how its data is cut.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Listing {
    /// The proof, and what else a member needs to go on.
    pub manifest: Manifest,
    /// What the map consists of.
    pub extent: Extent,
    /// In order.
    pub pieces: Vec<Piece>,
    /// [`chunk_digest`] of each [`CHUNK_BYTES`] of the data, the last one perhaps shorter.
    pub chunks: Vec<Digest>,
}

/// Digest of one chunk.
pub(crate) fn chunk_digest(bytes: &[u8]) -> Digest {
    hash("hanse/snapshot/chunk", &[bytes])
}

impl Listing {
    /// Reads a listing whose numbers fit each other. Nothing of it is proved.
    ///
    /// # Errors
    /// [`SnapshotError::Listing`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > LISTING_BYTES_MAX {
            return Err(SnapshotError::Listing("it is too long"));
        }
        let listing: Self =
            hanse_types::decode(bytes).map_err(|_| SnapshotError::Listing("it cannot be read"))?;
        listing.check()?;
        Ok(listing)
    }

    /// Whether its numbers fit each other and what a member is ready to take in.
    ///
    /// # Errors
    /// [`SnapshotError::Listing`].
    pub fn check(&self) -> Result<(), SnapshotError> {
        let fits = |piece: &Piece| piece.bytes > 0 && piece.bytes <= PIECE_BYTES_MAX;
        if !self.pieces.iter().all(fits) {
            return Err(SnapshotError::Listing("a piece has no length, or too much"));
        }
        if !self.pieces.is_sorted_by_key(|piece| piece.kind) {
            return Err(SnapshotError::Listing("its pieces are out of order"));
        }
        if self.bytes_of(Kind::Blocks) > BLOCKS_BYTES_MAX {
            return Err(SnapshotError::Listing("too many blocks follow its own"));
        }
        if self.bytes_of(Kind::Aside) > ASIDE_BYTES_MAX {
            return Err(SnapshotError::Listing("too much stands beside its records"));
        }
        let chunks = usize::try_from(self.bytes().div_ceil(CHUNK_BYTES as u64));
        if chunks != Ok(self.chunks.len()) {
            return Err(SnapshotError::Listing("it has not one digest per chunk"));
        }
        Ok(())
    }

    fn bytes_of(&self, kind: Kind) -> u64 {
        let pieces = self.pieces.iter().filter(|piece| piece.kind == kind);
        pieces.map(|piece| u64::from(piece.bytes)).sum()
    }

    /// Bytes of the data.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.bytes)).sum()
    }

    /// The height whose state it is.
    pub fn height(&self) -> u64 {
        self.manifest.base.height
    }

    /// Bytes of chunk `index`; `None` behind the last.
    pub fn chunk_bytes(&self, index: u32) -> Option<usize> {
        let begins = u64::from(index) * CHUNK_BYTES as u64;
        let rest = self.bytes().checked_sub(begins).filter(|rest| *rest > 0)?;
        Some(rest.min(CHUNK_BYTES as u64) as usize)
    }

    /// Whether `bytes` are chunk `index`.
    pub fn is_chunk(&self, index: u32, bytes: &[u8]) -> bool {
        self.chunk_bytes(index) == Some(bytes.len())
            && self.chunks.get(index as usize) == Some(&chunk_digest(bytes))
    }
}
