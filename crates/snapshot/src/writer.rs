//! Writes the data of a snapshot, chunk by chunk.

use commonware_runtime::{Blob as _, Storage, WriteOptions};
use hanse_ledger::Manifest;
use hanse_state::Extent;
use hanse_types::Digest;

use crate::{
    CHUNK_BYTES, Disk, Kind, LISTING_BYTES_MAX, Listing, Piece, SnapshotError,
    listing::chunk_digest,
};

/// Chunks after which what was written is flushed: votes of the same disk must not wait for all of it at once.
const FLUSH_EVERY: u32 = 16;

/// Takes a snapshot's pieces in order.
pub struct Writer<E: Storage> {
    disk: Disk<E>,
    blob: E::Blob,
    height: u64,
    written: u32,
    rest: Vec<u8>,
    pieces: Vec<Piece>,
    chunks: Vec<Digest>,
}

impl<E: Storage> Writer<E> {
    pub(crate) fn new(disk: Disk<E>, blob: E::Blob, height: u64) -> Self {
        let (pieces, chunks) = (Vec::new(), Vec::new());
        Self { disk, blob, height, written: 0, rest: Vec::new(), pieces, chunks }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`]; [`SnapshotError::Listing`] if the listing would become too long to be carried.
    pub async fn push(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), SnapshotError> {
        let too_long = |_| SnapshotError::Listing("a piece is too long");
        self.pieces.push(Piece { kind, bytes: u32::try_from(bytes.len()).map_err(too_long)? });
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= CHUNK_BYTES {
            let after = self.rest.split_off(CHUNK_BYTES);
            let chunk = std::mem::replace(&mut self.rest, after);
            self.chunk(chunk).await?;
        }
        // What the last chunks and the proof take is left to the end.
        if self.chunks.len() * 32 + self.pieces.len() * 5 > LISTING_BYTES_MAX {
            return Err(SnapshotError::Listing("the state is too large to be listed"));
        }
        Ok(())
    }

    async fn chunk(&mut self, chunk: Vec<u8>) -> Result<(), SnapshotError> {
        self.chunks.push(chunk_digest(&chunk));
        let offset = u64::from(self.written) * CHUNK_BYTES as u64;
        self.written += 1;
        self.blob.write_at(offset, chunk, WriteOptions::default()).await?;
        if self.written.is_multiple_of(FLUSH_EVERY) {
            self.blob.sync().await?;
        }
        Ok(())
    }

    /// Writes what is left and the listing. From now on the disk has this snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`] and [`SnapshotError::Listing`]; the disk does not have it then.
    pub async fn finish(
        mut self,
        manifest: Manifest,
        extent: Extent,
    ) -> Result<Listing, SnapshotError> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.chunk(rest).await?;
        }
        self.blob.sync().await?;
        let Self { disk, blob, height, pieces, chunks, .. } = self;
        // Whoever sees the listing opens it.
        drop(blob);
        let listing = Listing { manifest, extent, pieces, chunks };
        if listing.height() != height {
            return Err(SnapshotError::Listing("it is of another height"));
        }
        disk.list(&listing).await?;
        Ok(listing)
    }
}
