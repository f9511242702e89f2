//! Everything execution can see: one ordered table, and beside it what its one record [`hanse_types::Aside`] binds.
//!
//! The maps are persistent (structure shared between versions), so a candidate block's world is a cheap copy of its
//! parent's and competing candidates never disturb each other (docs/adr/0005).

use std::{ops::Bound, sync::Arc};

use hanse_types::{
    Digest, Height, Record, RecordRef, Revision, Seats, StateKey, TimeMs, decode,
    limits::READY_BLOCKS_MAX,
};
use imbl::OrdMap;

mod aside;
use aside::Arrivals;

mod portable;

mod rebuild;
pub use rebuild::{PortableError, Rebuild};

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
    /// [`Record::slot`] of the key.
    pub slot: Digest,
    /// [`Record::next`]: the next greater key present; empty after the last.
    pub next: Key,
}

impl Entry {
    /// The authenticated leaf of this entry, which stands at `key`.
    fn leaf<'a>(&'a self, key: &'a [u8]) -> RecordRef<'a> {
        RecordRef {
            key,
            next: &self.next,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            lease: 0,
            seal: 0,
            height: self.height,
            index: self.index,
            value_hash: self.value_hash,
        }
    }
}

/// Leaves of the authenticated map that changed, in the order of the changes: slot, key, and what stands there then.
#[derive(Clone, Debug, Default)]
pub struct Dirty(Vec<(Digest, Key, Option<Arc<Entry>>)>);

impl Dirty {
    /// True when nothing changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what `other` marks.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    fn mark(&mut self, slot: Digest, key: Key, entry: Option<Arc<Entry>>) {
        self.0.push((slot, key, entry));
    }

    /// What the authenticated map must take in, sorted by slot, each once: the last change counts.
    pub fn writes(self) -> Vec<(Digest, Option<Digest>)> {
        let mut leaves = self.0;
        // Stable, so that the changes of one leaf stay in order.
        leaves.sort_by_key(|(slot, ..)| *slot);
        leaves
            .chunk_by(|a, b| a.0 == b.0)
            .filter_map(|changes| changes.last())
            .map(|(slot, key, entry)| (*slot, entry.as_ref().map(|e| e.leaf(key).digest())))
            .collect()
    }
}

/// One version of the whole state. Cloning is cheap; versions share structure.
#[derive(Clone, Debug, Default)]
pub struct World {
    table: OrdMap<Key, Arc<Entry>>,
    revisions: OrdMap<Arc<str>, Revision>,
    seen: OrdMap<Digest, TimeMs>,
    seen_until: OrdMap<(TimeMs, Digest), ()>,
    windows: OrdMap<Digest, Window>,
    headers: OrdMap<Height, Digest>,
    /// What came into `seen`, by the minute of block time in which it came.
    arrivals: OrdMap<u64, Arrivals>,
    begins_on: Digest,
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

    /// Who holds a seat, who waits for one, who left.
    pub fn seats(&self) -> Seats {
        self.read(&StateKey::Seats).unwrap_or_default()
    }

    /// Header digest of an ancestor of this state's block, of the last [`READY_BLOCKS_MAX`].
    pub fn header_digest(&self, height: Height) -> Option<Digest> {
        self.headers.get(&height).copied()
    }

    /// Digest of the last header before the epoch of this state's block: what that epoch's engine begins on. Of genesis in
    /// the first epoch; zeros in the state of genesis itself.
    pub fn begins_on(&self) -> Digest {
        self.begins_on
    }

    pub(crate) fn begin_on(&mut self, last: Digest) {
        self.begins_on = last;
    }

    pub(crate) fn remember_header(&mut self, height: Height, digest: Digest) {
        self.headers.insert(height, digest);
        if let Some(old) = height.checked_sub(READY_BLOCKS_MAX) {
            self.headers.remove(&old);
        }
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
        self.get(key).map(|entry| entry.leaf(key).to_record())
    }

    /// Stores `value` at `key`, marks the leaves this changes, and returns what stood there and what stands there now.
    pub(crate) fn put(
        &mut self,
        key: &Key,
        value: Arc<[u8]>,
        at: At,
        dirty: &mut Dirty,
    ) -> (Option<Arc<Entry>>, Arc<Entry>) {
        let value_hash = Record::value_hash(&value);
        let entry = |create_revision, version, slot, next| {
            Arc::new(Entry {
                create_revision,
                mod_revision: at.revision,
                version,
                height: at.height,
                index: at.index,
                value,
                value_hash,
                slot,
                next,
            })
        };
        if let Some(place) = self.table.get_mut(key) {
            let (create, version) = (place.create_revision, place.version + 1);
            let new = entry(create, version, place.slot, place.next.clone());
            let before = std::mem::replace(place, new.clone());
            dirty.mark(new.slot, key.clone(), Some(new.clone()));
            return (Some(before), new);
        }
        let next = self.relink(key, key.clone(), dirty);
        let new = entry(at.revision, 1, Record::slot(key), next);
        dirty.mark(new.slot, key.clone(), Some(new.clone()));
        self.table.insert(key.clone(), new.clone());
        (None, new)
    }

    /// Removes `key` and marks the leaves this changes. Returns what stood there.
    pub(crate) fn remove(&mut self, key: &Key, dirty: &mut Dirty) -> Option<Arc<Entry>> {
        let old = self.table.remove(key)?;
        self.relink(key, old.next.clone(), dirty);
        dirty.mark(old.slot, key.clone(), None);
        Some(old)
    }

    /// Makes the entry below `key` name `next`. Returns the key above it so far.
    fn relink(&mut self, key: &Key, next: Key, dirty: &mut Dirty) -> Key {
        let below = self.before(key).map(|(below, _)| below.clone());
        let Some((below, place)) = below.and_then(|below| {
            let place = self.table.get_mut(&below)?;
            Some((below, place))
        }) else {
            return self.after(key).map(|(above, _)| above.clone()).unwrap_or_default();
        };
        let changed = Arc::new(Entry { next, ..Entry::clone(place) });
        let before = std::mem::replace(place, changed.clone());
        dirty.mark(changed.slot, below, Some(changed));
        before.next.clone()
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
