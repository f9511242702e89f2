//! Reads the data of a snapshot, piece by piece, each chunk checked.

use commonware_runtime::Storage;

use crate::{Disk, Kind, Listing, SnapshotError};

/// Gives a snapshot's pieces in order.
pub struct Reader<E: Storage> {
    disk: Disk<E>,
    listing: Listing,
    piece: usize,
    chunk: u32,
    /// Read and not given out.
    rest: Vec<u8>,
    taken: usize,
}

impl<E: Storage> Reader<E> {
    pub(crate) fn new(disk: Disk<E>, listing: Listing) -> Self {
        Self { disk, listing, piece: 0, chunk: 0, rest: Vec::new(), taken: 0 }
    }

    /// What is read.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Where it is kept.
    pub(crate) fn disk(&self) -> &Disk<E> {
        &self.disk
    }

    /// The kind of the next piece; `None` behind the last.
    pub fn peek(&self) -> Option<Kind> {
        self.listing.pieces.get(self.piece).map(|piece| piece.kind)
    }

    /// The next piece, if it is of this kind.
    ///
    /// # Errors
    /// [`SnapshotError::Chunk`] and [`SnapshotError::Disk`].
    pub async fn next(&mut self, kind: Kind) -> Result<Option<Vec<u8>>, SnapshotError> {
        let Some(piece) = self.listing.pieces.get(self.piece).filter(|p| p.kind == kind) else {
            return Ok(None);
        };
        let length = piece.bytes as usize;
        while self.rest.len() - self.taken < length {
            let chunk = self.disk.chunk(&self.listing, self.chunk).await?;
            self.chunk += 1;
            self.rest.drain(..self.taken);
            self.taken = 0;
            self.rest.extend_from_slice(&chunk);
        }
        let bytes = self.rest[self.taken..self.taken + length].to_vec();
        self.taken += length;
        self.piece += 1;
        Ok(Some(bytes))
    }
}
