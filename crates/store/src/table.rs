//! The blob table: what the records build, live and in replay by the same code.

use crate::{image::Image, record::Record, votes::VoteMark};
use commonware_runtime::BlobVersion;
use std::collections::BTreeMap;

/// Greatest length of a blob in bytes (1 TiB): more is a caller's mistake, not data.
pub(crate) const MAX_BLOB_BYTES: u64 = 1 << 40;

/// One blob. It outlives its name while a handle is open.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) partition: String,
    pub(crate) name: Vec<u8>,
    pub(crate) version: BlobVersion,
    pub(crate) image: Image,
    /// A handle exists.
    pub(crate) open: bool,
    /// It still has its name.
    pub(crate) live: bool,
    /// Number of the last record that changed it, 0 for none in this run.
    pub(crate) changed: u64,
    /// Votes seen in it so far, if it belongs to a voter journal.
    pub(crate) votes: VoteMark,
}

/// All blobs by id, and the names of the live ones.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: BTreeMap<u64, Entry>,
    names: BTreeMap<String, BTreeMap<Vec<u8>, u64>>,
    pub(crate) next_id: u64,
    /// Blobs that lost their name while a file may exist for them.
    pub(crate) dead: Vec<u64>,
    spill_above: u64,
    spilled: Vec<String>,
}

impl Table {
    pub(crate) fn new(spill_above: u64, spilled: Vec<String>) -> Self {
        Self { spill_above, spilled, next_id: 1, ..Self::default() }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// Id of a live blob.
    pub(crate) fn find(&self, partition: &str, name: &[u8]) -> Option<u64> {
        self.names.get(partition)?.get(name).copied()
    }

    /// Names in a partition, in order; `None` if it does not exist.
    pub(crate) fn scan(&self, partition: &str) -> Option<Vec<Vec<u8>>> {
        Some(self.names.get(partition)?.keys().cloned().collect())
    }

    /// Partitions that exist without blobs.
    pub(crate) fn empty_partitions(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|(_, blobs)| blobs.is_empty()).map(|(name, _)| name.as_str())
    }

    /// Live blobs in the order of their ids.
    pub(crate) fn live(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().filter(|(_, entry)| entry.live).map(|(id, entry)| (*id, entry))
    }

    /// As [`Table::live`], to change them.
    pub(crate) fn live_mut(&mut self) -> impl Iterator<Item = (u64, &mut Entry)> {
        self.entries.iter_mut().filter(|(_, entry)| entry.live).map(|(id, entry)| (*id, entry))
    }

    /// Bytes of data in memory images (not in layers over a file).
    pub(crate) fn memory_bytes(&self) -> u64 {
        let images = self.entries.values().map(|entry| &entry.image);
        images.filter(|image| matches!(image, Image::Memory(_))).map(Image::len).sum()
    }

    /// Bytes of data held in memory altogether.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.entries.values().map(|entry| entry.image.held() as u64).sum()
    }

    /// A handle went away; a blob without a name goes with it.
    pub(crate) fn closed(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.open = false;
            if !entry.live {
                self.entries.remove(&id);
            }
        }
    }

    fn create(
        &mut self,
        id: u64,
        version: BlobVersion,
        partition: &str,
        name: &[u8],
        (image, changed): (Image, u64),
    ) -> Result<(), &'static str> {
        let blobs = self.names.entry(partition.to_owned()).or_default();
        if blobs.insert(name.to_vec(), id).is_some() {
            return Err("a blob is created over another");
        }
        self.next_id = self.next_id.max(id + 1);
        let entry = Entry {
            partition: partition.to_owned(),
            name: name.to_vec(),
            version,
            image,
            open: false,
            live: true,
            changed,
            votes: VoteMark::default(),
        };
        match self.entries.insert(id, entry) {
            Some(_) => Err("an id is given twice"),
            None => Ok(()),
        }
    }

    fn unname(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.live = false;
            if matches!(entry.image, Image::Spilled(_)) {
                self.dead.push(id);
            }
            if !entry.open {
                self.entries.remove(&id);
            }
        }
    }

    fn drop_partition(&mut self, partition: &str) -> Result<(), &'static str> {
        let blobs = self.names.remove(partition).ok_or("a dropped partition is missing")?;
        for id in blobs.into_values() {
            self.unname(id);
        }
        Ok(())
    }

    /// Changes a blob's image so that its data ends at `end` or before.
    fn change(
        &mut self,
        id: u64,
        end: u64,
        number: u64,
        change: impl FnOnce(&mut Image, u64),
    ) -> Result<(), &'static str> {
        if end > MAX_BLOB_BYTES {
            return Err("a blob exceeds its greatest length");
        }
        let entry = self.entries.get_mut(&id).ok_or("a change names no blob")?;
        change(&mut entry.image, self.spill_above);
        entry.changed = number;
        Ok(())
    }

    /// Carries out a record. `number` is its place in this run's log (0 in replay). `Err` names why
    /// it fits no log that this code wrote; writes to a blob that lost its name change only its
    /// handles' view.
    pub(crate) fn apply(&mut self, record: &Record<'_>, number: u64) -> Result<(), &'static str> {
        match *record {
            Record::Open { id, version, partition, name } => {
                let spilled = self.spilled.iter().any(|prefix| partition.starts_with(prefix));
                self.create(id, version, partition, name, (Image::empty(spilled), number))
            }
            Record::Write { id, offset, data } => {
                let end = offset.checked_add(data.len() as u64).ok_or("a write overflows")?;
                self.change(id, end, number, |image, bound| {
                    image.write(offset, data, bound);
                })
            }
            Record::Resize { id, len } => self.change(id, len, number, |image, bound| {
                image.resize(len, bound);
            }),
            Record::Remove { id } => {
                let entry = self.entries.get(&id).ok_or("a removal names no blob")?;
                if let Some(blobs) = self.names.get_mut(&entry.partition) {
                    blobs.remove(&entry.name);
                }
                self.unname(id);
                Ok(())
            }
            Record::Partition { partition } => {
                self.names.entry(partition.to_owned()).or_default();
                Ok(())
            }
            Record::Drop { partition } => self.drop_partition(partition),
            Record::Start { next_id } => {
                self.next_id = self.next_id.max(next_id);
                Ok(())
            }
            Record::Image { id, version, len, base, partition, name } => {
                if self.entries.contains_key(&id) {
                    return Ok(()); // replay from an older root has built it already
                }
                let image = Image::restored(len, base, self.spill_above);
                self.create(id, version, partition, name, (image, number))
            }
            Record::Run => Ok(()),
        }
    }
}
