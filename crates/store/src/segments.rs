//! The files of the log: segments of fixed size, written with zeros ahead of their use, recycled.

use crate::{
    config::{Config, PAGE},
    root::Start,
};
use commonware_runtime::{Blob, Error, Storage, WriteOptions};
use std::{collections::VecDeque, sync::Arc};

/// Name of the blob with the two root pages.
pub(crate) const ROOT_NAME: &[u8] = b"root";

/// Bytes of zeros written at once when a segment is prepared.
const ZERO_BYTES: usize = 1 << 20;

/// Name of a segment's blob.
pub(crate) fn segment_name(slot: u32) -> Vec<u8> {
    format!("segment-{slot:08}").into_bytes()
}

/// The slot in a segment's name, if it is one.
pub(crate) fn segment_slot(name: &[u8]) -> Option<u32> {
    std::str::from_utf8(name).ok()?.strip_prefix("segment-")?.parse().ok()
}

/// An open segment.
pub(crate) struct Segment<B> {
    pub(crate) slot: u32,
    pub(crate) blob: Arc<B>,
    /// Bytes that are preallocated, whole pages.
    pub(crate) capacity: usize,
}

impl<B> Clone for Segment<B> {
    fn clone(&self) -> Self {
        Self { slot: self.slot, blob: self.blob.clone(), capacity: self.capacity }
    }
}

/// Which segments hold the log, oldest first, and which are free.
pub(crate) struct Segments<B> {
    pub(crate) used: VecDeque<Segment<B>>,
    pub(crate) free: Vec<Segment<B>>,
    pub(crate) next_slot: u32,
}

impl<B> Segments<B> {
    /// Puts all segments before the one a checkpoint starts in on the free list.
    pub(crate) fn release_before(&mut self, start: &Start) {
        while self.used.front().is_some_and(|segment| segment.slot != start.slot) {
            self.free.extend(self.used.pop_front());
        }
    }

    /// Takes a free segment with room for `needed` bytes.
    pub(crate) fn take_free(&mut self, needed: usize) -> Option<Segment<B>> {
        let index = self.free.iter().position(|segment| segment.capacity >= needed)?;
        Some(self.free.swap_remove(index))
    }
}

/// Creates a segment, or brings one whose preparation was interrupted to its full size.
pub(crate) async fn prepare<E: Storage>(
    storage: &E,
    config: &Config,
    slot: u32,
) -> Result<Segment<E::Blob>, Error> {
    let (blob, _) = storage.open(&config.partition, &segment_name(slot)).await?;
    fill(&blob, config.segment_bytes).await?;
    Ok(Segment { slot, blob: Arc::new(blob), capacity: config.segment_bytes })
}

async fn fill<B: Blob>(blob: &B, bytes: usize) -> Result<(), Error> {
    let mut at = 0;
    while at < bytes {
        let len = ZERO_BYTES.min(bytes - at);
        blob.write_at(at as u64, vec![0; len], WriteOptions::default()).await?;
        at += len;
    }
    blob.sync().await
}

/// Whole pages of a blob of this length.
pub(crate) const fn capacity_of(len: u64) -> usize {
    (len / PAGE as u64) as usize * PAGE
}
