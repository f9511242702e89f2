//! Where a member keeps snapshots: the data of each in a partition of its own, and one partition of listings. A snapshot is
//! there once its listing is.

use std::sync::Arc;

use bytes::Bytes;
use commonware_runtime::{Blob as _, Error, ReadOptions, Storage, WriteOptions};
use futures::lock::{Mutex, MutexGuard};
use hanse_crypto::hash;
use hanse_types::{Digest, encode};

use crate::{CHUNK_BYTES, Listing, Reader, SnapshotError, Writer};

/// Name of the blob in a snapshot's partition.
const DATA: &[u8] = b"data";

/// A member's snapshots. Cheap to clone.
pub struct Disk<E: Storage> {
    context: Arc<E>,
    prefix: String,
    /// The engine's storage opens a blob once at a time and fails otherwise, and a member writes, hands out and clears away
    /// snapshots in different tasks.
    turn: Arc<Mutex<()>>,
}

impl<E: Storage> Clone for Disk<E> {
    fn clone(&self) -> Self {
        let (context, prefix) = (self.context.clone(), self.prefix.clone());
        Self { context, prefix, turn: self.turn.clone() }
    }
}

impl<E: Storage> Disk<E> {
    /// Those in the partitions whose names start with `prefix`.
    pub fn new(context: E, prefix: impl Into<String>) -> Self {
        Self { context: Arc::new(context), prefix: prefix.into(), turn: Arc::default() }
    }

    /// To be held while a blob is open that another task may open too.
    async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    fn listings(&self) -> String {
        format!("{}-listings", self.prefix)
    }

    fn data(&self, height: u64) -> String {
        format!("{}-{height}", self.prefix)
    }

    /// Heights of the snapshots that are there or were begun, newest first.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`].
    pub async fn heights(&self) -> Result<Vec<u64>, SnapshotError> {
        let names = match self.context.scan(&self.listings()).await {
            Ok(names) => names,
            Err(Error::PartitionMissing(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let height = |name: Vec<u8>| Some(u64::from_be_bytes(name.try_into().ok()?));
        let mut heights: Vec<u64> = names.into_iter().filter_map(height).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        Ok(heights)
    }

    /// The listing of the snapshot of `height`.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`]; [`SnapshotError::Listing`] if there is none, it was not written whole, or is damaged.
    pub async fn listing(&self, height: u64) -> Result<Listing, SnapshotError> {
        let _turn = self.turn().await;
        let there = self.existing(&self.listings(), &height.to_be_bytes()).await?;
        let (blob, length) = there.ok_or(SnapshotError::Listing("there is none"))?;
        let damaged = || SnapshotError::Listing("it is damaged, or was not written whole");
        let length = usize::try_from(length).map_err(|_| damaged())?;
        if !(32..=crate::LISTING_BYTES_MAX + 32).contains(&length) {
            return Err(damaged());
        }
        let read = blob.read_at(0, length, ReadOptions::default()).await?.coalesce();
        let (digest, bytes) = read.as_ref().split_at(32);
        if sealed(bytes).0 != digest {
            return Err(damaged());
        }
        let listing = Listing::decode(bytes)?;
        if listing.height() == height { Ok(listing) } else { Err(damaged()) }
    }

    pub(crate) async fn list(&self, listing: &Listing) -> Result<(), SnapshotError> {
        let bytes = encode(listing);
        // Whoever reads it later asks for a form that holds.
        Listing::decode(&bytes)?;
        let name = listing.height().to_be_bytes();
        let _turn = self.turn().await;
        let (blob, _) = self.context.open(&self.listings(), &name).await?;
        let content = [&sealed(&bytes).0[..], &bytes].concat();
        blob.resize(content.len() as u64).await?;
        blob.write_at(0, content, WriteOptions::SYNC).await?;
        Ok(blob.sync().await?)
    }

    /// Begins to write the snapshot of `height`; one that is there is gone then.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`].
    pub async fn write(&self, height: u64) -> Result<Writer<E>, SnapshotError> {
        let blob = self.begin(height).await?;
        Ok(Writer::new(self.clone(), blob, height))
    }

    /// Begins to take in the data of `listing`, chunk by chunk in any order, with [`Disk::put`]. It is there once it was
    /// [taken over](crate::take).
    ///
    /// # Errors
    /// [`SnapshotError::Disk`].
    pub async fn receive(&self, listing: &Listing) -> Result<(), SnapshotError> {
        let blob = self.begin(listing.height()).await?;
        blob.resize(listing.bytes()).await?;
        Ok(blob.sync().await?)
    }

    /// An empty blob for the data, and an empty listing: by that the data is found if nothing comes of it.
    async fn begin(&self, height: u64) -> Result<E::Blob, SnapshotError> {
        let _turn = self.turn().await;
        self.clear(height).await?;
        let (listing, _) = self.context.open(&self.listings(), &height.to_be_bytes()).await?;
        listing.sync().await?;
        Ok(self.context.open(&self.data(height), DATA).await?.0)
    }

    /// Keeps a chunk of `listing`'s data.
    ///
    /// # Errors
    /// [`SnapshotError::Chunk`] if it is another one, [`SnapshotError::Disk`].
    pub async fn put(
        &self,
        listing: &Listing,
        index: u32,
        bytes: Bytes,
    ) -> Result<(), SnapshotError> {
        if !listing.is_chunk(index, &bytes) {
            return Err(SnapshotError::Chunk(index));
        }
        let _turn = self.turn().await;
        let (blob, _) = self.context.open(&self.data(listing.height()), DATA).await?;
        let offset = u64::from(index) * CHUNK_BYTES as u64;
        blob.write_at(offset, bytes.to_vec(), WriteOptions::default()).await?;
        Ok(blob.sync().await?)
    }

    /// One chunk of `listing`'s data.
    ///
    /// # Errors
    /// [`SnapshotError::Chunk`] if there is none, or what is there is damaged; [`SnapshotError::Disk`].
    pub async fn chunk(&self, listing: &Listing, index: u32) -> Result<Bytes, SnapshotError> {
        let length = listing.chunk_bytes(index).ok_or(SnapshotError::Chunk(index))?;
        let _turn = self.turn().await;
        let there = self.existing(&self.data(listing.height()), DATA).await?;
        let (blob, present) = there.ok_or(SnapshotError::Chunk(index))?;
        let offset = u64::from(index) * CHUNK_BYTES as u64;
        if present < offset + length as u64 {
            return Err(SnapshotError::Chunk(index));
        }
        let read = blob.read_at(offset, length, ReadOptions::default()).await?.coalesce();
        if !listing.is_chunk(index, read.as_ref()) {
            return Err(SnapshotError::Chunk(index));
        }
        Ok(Bytes::copy_from_slice(read.as_ref()))
    }

    /// Reads the pieces of `listing` in order.
    pub fn read(&self, listing: Listing) -> Reader<E> {
        Reader::new(self.clone(), listing)
    }

    /// Removes the snapshot of `height`, if there is one.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`].
    pub async fn remove(&self, height: u64) -> Result<(), SnapshotError> {
        let _turn = self.turn().await;
        self.clear(height).await
    }

    /// Only a listing leads to data. So it is made worthless first, and goes last: nothing is left that nobody finds.
    async fn clear(&self, height: u64) -> Result<(), SnapshotError> {
        let name = height.to_be_bytes();
        if let Some((listing, _)) = self.existing(&self.listings(), &name).await? {
            listing.resize(0).await?;
            listing.sync().await?;
        }
        for (partition, name) in [(self.data(height), None), (self.listings(), Some(&name[..]))] {
            match self.context.remove(&partition, name).await {
                Ok(()) | Err(Error::PartitionMissing(_) | Error::BlobMissing(..)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Opens a blob if it is there: asking for one must not make it.
    async fn existing(
        &self,
        partition: &str,
        name: &[u8],
    ) -> Result<Option<(E::Blob, u64)>, SnapshotError> {
        match self.context.scan(partition).await {
            Ok(names) if names.iter().any(|there| there == name) => {
                Ok(Some(self.context.open(partition, name).await?))
            }
            Ok(_) | Err(Error::PartitionMissing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes all snapshots but the newest `keep`, and what was begun before them and not finished.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`].
    pub async fn keep(&self, keep: usize) -> Result<(), SnapshotError> {
        let mut kept = 0;
        for height in self.heights().await? {
            let whole = self.is_whole(height).await?;
            if whole && kept < keep {
                kept += 1;
            } else if whole || kept > 0 {
                self.remove(height).await?;
            }
        }
        Ok(())
    }

    /// Removes what was begun and not finished. Before anything else is done with the disk.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`].
    pub async fn sweep(&self) -> Result<(), SnapshotError> {
        for height in self.heights().await? {
            if !self.is_whole(height).await? {
                tracing::warn!(
                    height,
                    "a snapshot was not finished, or is damaged, and is removed"
                );
                self.remove(height).await?;
            }
        }
        Ok(())
    }

    async fn is_whole(&self, height: u64) -> Result<bool, SnapshotError> {
        match self.listing(height).await {
            Ok(_) => Ok(true),
            Err(SnapshotError::Disk(error)) => Err(error.into()),
            Err(_) => Ok(false),
        }
    }
}

/// What a listing on disk begins with.
fn sealed(listing: &[u8]) -> Digest {
    hash("hanse/snapshot/listing", &[listing])
}
