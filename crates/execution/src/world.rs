//! Everything execution can see: one ordered table, one revision counter per space, and the replay windows.
//!
//! The maps are persistent (structure shared between versions), so a candidate block's world is a cheap copy of its
//! parent's and competing candidates never disturb each other (docs/adr/0005).

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use hanse_types::{Digest, Height, Record, Revision, StateKey, TimeMs, decode};
use imbl::OrdMap;

mod replay;
use replay::Window;

/// Bytes of a [`StateKey`], shared.
pub type Key = Arc<[u8]>;

/// What stands at one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Revision of creation in the key's space.
    pub create_revision: Revision,
    /// Revision of the last change.
    pub mod_revision: Revision,
    /// Puts since creation.
    pub version: u64,
    /// Block of the last change.
    pub height: Height,
    /// Position of the action in that block.
    pub index: u32,
    /// The bytes.
    pub value: Arc<[u8]>,
    /// [`Record::value_hash`] of them.
    pub value_hash: Digest,
}

/// One version of the whole state. Cloning is cheap; versions share structure.
#[derive(Clone, Debug, Default)]
pub struct World {
    table: OrdMap<Key, Arc<Entry>>,
    revisions: OrdMap<Arc<str>, Revision>,
    seen: OrdMap<Digest, TimeMs>,
    seen_until: OrdMap<(TimeMs, Digest), ()>,
    windows: OrdMap<Digest, Window>,
}

impl World {
    /// The entry at `key`.
    pub fn get(&self, key: &[u8]) -> Option<&Arc<Entry>> {
        self.table.get(key)
    }

    /// The value at `key`, decoded. State values are written by this crate, so a value that does not decode is a broken member.
    pub(crate) fn read<T: borsh::BorshDeserialize>(&self, key: &StateKey<'_>) -> Option<T> {
        let entry = self.get(&key.encode())?;
        Some(decode(&entry.value).expect("state values are written by this crate in this encoding"))
    }

    /// Entries of the half-open range `[start, end)`; an empty `end` means "to the last".
    pub fn range<'a>(
        &'a self,
        start: &'a [u8],
        end: &'a [u8],
    ) -> impl DoubleEndedIterator<Item = (&'a Key, &'a Arc<Entry>)> {
        let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        // A reversed range is empty, as in etcd, where the map would panic.
        let lower = if !end.is_empty() && end <= start {
            Bound::Excluded(start)
        } else {
            Bound::Included(start)
        };
        let upper = if !end.is_empty() && end <= start { Bound::Included(start) } else { upper };
        self.table.range::<_, [u8]>((lower, upper))
    }

    /// Entries whose key starts with `prefix`.
    pub fn prefix<'a>(
        &'a self,
        prefix: &'a [u8],
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Entry>)> {
        self.table
            .range::<_, [u8]>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Number of keys, the first record included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True before genesis.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The revision a space stands at; 1 for one that never changed (etcd).
    pub fn revision(&self, space: &str) -> Revision {
        self.revisions.get(space).copied().unwrap_or(1)
    }

    /// The greatest key smaller than `key`.
    pub fn before(&self, key: &[u8]) -> Option<(&Key, &Arc<Entry>)> {
        self.table.range::<_, [u8]>((Bound::Unbounded, Bound::Excluded(key))).next_back()
    }

    /// The smallest key greater than `key`.
    pub fn after(&self, key: &[u8]) -> Option<(&Key, &Arc<Entry>)> {
        self.table.range::<_, [u8]>((Bound::Excluded(key), Bound::Unbounded)).next()
    }

    /// The authenticated leaf of `key` in this version.
    pub fn record(&self, key: &[u8]) -> Option<Record> {
        let entry = self.get(key)?;
        Some(Record {
            key: key.to_vec(),
            next: self.after(key).map(|(k, _)| k.to_vec()).unwrap_or_default(),
            create_revision: entry.create_revision,
            mod_revision: entry.mod_revision,
            version: entry.version,
            lease: 0,
            seal: 0,
            height: entry.height,
            index: entry.index,
            value_hash: entry.value_hash,
        })
    }

    /// What the authenticated map must take in for the keys in `dirty`, sorted by slot.
    pub fn writes(&self, dirty: &BTreeSet<Key>) -> Vec<(Digest, Option<Digest>)> {
        let mut writes: Vec<_> = dirty
            .iter()
            .map(|key| (Record::slot(key), self.record(key).map(|record| record.digest())))
            .collect();
        writes.sort_unstable();
        writes
    }

    /// Stores `value` at `key` and marks the leaves this changes.
    pub(crate) fn put(&mut self, key: Key, value: Arc<[u8]>, at: At, dirty: &mut BTreeSet<Key>) {
        let (create_revision, version) = match self.table.get(&key) {
            Some(old) => (old.create_revision, old.version + 1),
            None => {
                if let Some((before, _)) = self.before(&key) {
                    dirty.insert(before.clone());
                }
                (at.revision, 1)
            }
        };
        let entry = Entry {
            create_revision,
            mod_revision: at.revision,
            version,
            height: at.height,
            index: at.index,
            value_hash: Record::value_hash(&value),
            value,
        };
        dirty.insert(key.clone());
        self.table.insert(key, Arc::new(entry));
    }

    /// Removes `key` and marks the leaves this changes. Returns what stood there.
    pub(crate) fn remove(&mut self, key: &Key, dirty: &mut BTreeSet<Key>) -> Option<Arc<Entry>> {
        let old = self.table.remove(key)?;
        if let Some((before, _)) = self.before(key) {
            dirty.insert(before.clone());
        }
        dirty.insert(key.clone());
        Some(old)
    }

    pub(crate) fn set_revision(&mut self, space: &str, revision: Revision) {
        self.revisions.insert(space.into(), revision);
    }
}

/// Where a change happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) revision: Revision,
    pub(crate) height: Height,
    pub(crate) index: u32,
}

#[cfg(test)]
mod tests;
