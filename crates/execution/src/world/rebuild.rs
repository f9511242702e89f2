//! A state put together again from the pieces that somebody else wrote, none of whom is trusted.

use std::sync::Arc;

use hanse_types::{
    Aside, Digest, Record, StateKey, TimeMs, decode,
    limits::{COMMAND_BYTES_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX, READY_BLOCKS_MAX},
};
use imbl::OrdMap;

use super::{
    Entry, Key, World,
    portable::{AsidePiece, PortableEntry},
    replay::Window,
};

/// Bytes of a state key: the longest are clients' keys, behind their kind and their space.
const STATE_KEY_BYTES_MAX: usize = 1 + NAME_BYTES_MAX + 1 + KEY_BYTES_MAX;
/// Bytes of a value. A record repeats what one command brought beside fields of its own, which are fewer than that.
const STATE_VALUE_BYTES_MAX: usize = 2 * COMMAND_BYTES_MAX as usize;

/// Why pieces make no state. The [`Rebuild`] is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortableError {
    /// Not the canonical encoding of a piece, or something follows it.
    #[error("the piece is not a canonical encoding")]
    Encoding,
    /// A piece of no items, or a table of no pieces.
    #[error("the piece is empty")]
    Empty,
    /// The table's first key is not the empty one.
    #[error("the table does not begin with the first record")]
    First,
    /// A key, space, gateway or height not after the one before it, a minute before the last one, or a second `begins_on`.
    #[error("the pieces are out of order")]
    Order,
    /// A key or value no state has for its length, a space whose name is too long, or more than [`READY_BLOCKS_MAX`] headers.
    #[error("the piece is over a limit of the state")]
    Limit,
    /// A piece of the table after [`Rebuild::end_table`], or that called again.
    #[error("the table has ended")]
    Ended,
    /// [`Rebuild::finish`] before [`Rebuild::end_table`].
    #[error("the table has not ended")]
    Unfinished,
    /// No [`Aside`] in the table, or one that cannot be read: not the state of a boundary.
    #[error("the table does not say what stands beside it")]
    NoAside,
    /// What stands beside the table is not what the table's [`Aside`] says; names the field.
    #[error("{0} beside the table differ from the table's digest")]
    Aside(&'static str),
}

/// Makes a [`World`] of the pieces that [`World::pieces`] and [`World::aside_pieces`] of a boundary's state wrote.
///
/// **The caller judges the table**: each leaf it is given must be in the authenticated map, under a root that a certificate
/// binds. If all are, the table is that map's, complete: the leaves name each other from the first record to the last, so
/// none can be missing. What stands beside the table is judged by [`Rebuild::finish`], with a record of the table. Until then its
/// size is anybody's word: who fetches it bounds how much he takes.
#[derive(Debug, Default)]
pub struct Rebuild {
    world: World,
    /// The entry whose `next` is not known yet.
    last: Option<(Key, PortableEntry)>,
    ended: bool,
    began: bool,
}

impl Rebuild {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the table's next piece. Returns slot and record digest of the leaves it completes: the last entry's follow with
    /// the next piece.
    ///
    /// # Errors
    /// [`PortableError::Ended`], [`Encoding`](PortableError::Encoding), [`Empty`](PortableError::Empty),
    /// [`First`](PortableError::First), [`Order`](PortableError::Order) and [`Limit`](PortableError::Limit), see there.
    /// Nothing of the piece is taken in then.
    pub fn table(&mut self, piece: &[u8]) -> Result<Vec<(Digest, Digest)>, PortableError> {
        if self.ended {
            return Err(PortableError::Ended);
        }
        let entries: Vec<PortableEntry> = decode(piece).map_err(|_| PortableError::Encoding)?;
        self.check(&entries)?;
        let mut leaves = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = Key::from(entry.key.as_slice());
            if let Some((before, last)) = self.last.replace((key.clone(), entry)) {
                leaves.push(self.complete(before, last, key));
            }
        }
        Ok(leaves)
    }

    /// Says that the table has no more pieces. Returns the leaf of its last entry.
    ///
    /// # Errors
    /// [`PortableError::Ended`] when it was said before, [`PortableError::Empty`] when there was no piece.
    pub fn end_table(&mut self) -> Result<Vec<(Digest, Digest)>, PortableError> {
        if self.ended {
            return Err(PortableError::Ended);
        }
        let (key, last) = self.last.take().ok_or(PortableError::Empty)?;
        self.ended = true;
        Ok(vec![self.complete(key, last, Key::default())])
    }

    /// Takes a piece of what stands beside the table, at any time; in their order among each other.
    ///
    /// # Errors
    /// [`PortableError::Encoding`], [`Empty`](PortableError::Empty), [`Order`](PortableError::Order) and
    /// [`Limit`](PortableError::Limit), see there.
    pub fn aside(&mut self, piece: &[u8]) -> Result<(), PortableError> {
        let world = &mut self.world;
        match decode(piece).map_err(|_| PortableError::Encoding)? {
            AsidePiece::BeginsOn(_) if self.began => Err(PortableError::Order),
            AsidePiece::BeginsOn(digest) => {
                self.began = true;
                world.begin_on(digest);
                Ok(())
            }
            AsidePiece::Revisions(revisions) => {
                if revisions.iter().any(|(space, _)| space.len() > NAME_BYTES_MAX) {
                    return Err(PortableError::Limit);
                }
                append(&mut world.revisions, revisions.into_iter().map(|(s, at)| (s.into(), at)))
            }
            AsidePiece::Windows(windows) => {
                let windows =
                    windows.into_iter().map(|(id, high, bits)| (id, Window { high, bits }));
                append(&mut world.windows, windows)
            }
            AsidePiece::Headers(headers) => {
                if world.headers.len() + headers.len() > READY_BLOCKS_MAX as usize {
                    return Err(PortableError::Limit);
                }
                append(&mut world.headers, headers.into_iter())
            }
            AsidePiece::Arrivals { seen, .. } if seen.is_empty() => Err(PortableError::Empty),
            AsidePiece::Arrivals { minute, seen } => {
                if world.arrivals.get_max().is_some_and(|(last, _)| minute < *last) {
                    return Err(PortableError::Order);
                }
                let arrivals = world.arrivals.entry(minute).or_default();
                seen.into_iter().for_each(|(replay, until)| arrivals.push(replay, until));
                Ok(())
            }
        }
    }

    /// The state, once all pieces are in, as the member has it that executed the boundary's block. `now` is that block's time.
    ///
    /// # Errors
    /// [`PortableError::Unfinished`], [`NoAside`](PortableError::NoAside) and [`Aside`](PortableError::Aside), see there.
    pub fn finish(self, now: TimeMs) -> Result<World, PortableError> {
        let Self { mut world, ended, .. } = self;
        if !ended {
            return Err(PortableError::Unfinished);
        }
        let entry = world.get(&StateKey::Aside.encode()).ok_or(PortableError::NoAside)?;
        let said: Aside = decode(&entry.value).map_err(|_| PortableError::NoAside)?;
        let found = world.aside();
        let parts = [
            ("revisions", said.revisions == found.revisions),
            ("seen", said.seen == found.seen),
            ("windows", said.windows == found.windows),
            ("headers", said.headers == found.headers),
            ("begins_on", said.begins_on == found.begins_on),
        ];
        if let Some((name, _)) = parts.iter().find(|(_, same)| !same) {
            return Err(PortableError::Aside(name));
        }
        world.recall(now);
        Ok(world)
    }

    fn check(&self, entries: &[PortableEntry]) -> Result<(), PortableError> {
        let first = entries.first().ok_or(PortableError::Empty)?;
        let ordered = entries.windows(2).all(|pair| pair[0].key < pair[1].key);
        match &self.last {
            None if !first.key.is_empty() => return Err(PortableError::First),
            Some((last, _)) if first.key.as_slice() <= &**last => return Err(PortableError::Order),
            _ if !ordered => return Err(PortableError::Order),
            _ => {}
        }
        let within = |e: &PortableEntry| {
            e.key.len() <= STATE_KEY_BYTES_MAX && e.value.len() <= STATE_VALUE_BYTES_MAX
        };
        if entries.iter().all(within) { Ok(()) } else { Err(PortableError::Limit) }
    }

    fn complete(&mut self, key: Key, entry: PortableEntry, next: Key) -> (Digest, Digest) {
        let entry = Entry {
            create_revision: entry.create_revision,
            mod_revision: entry.mod_revision,
            version: entry.version,
            height: entry.height,
            index: entry.index,
            value_hash: Record::value_hash(&entry.value),
            value: entry.value.into(),
            slot: Record::slot(&key),
            next,
        };
        let leaf = (entry.slot, entry.leaf(&key).digest());
        self.world.table.insert(key, Arc::new(entry));
        leaf
    }
}

/// Puts `items` behind what `map` holds.
fn append<K: Ord + Clone, V: Clone>(
    map: &mut OrdMap<K, V>,
    items: impl ExactSizeIterator<Item = (K, V)>,
) -> Result<(), PortableError> {
    if items.len() == 0 {
        return Err(PortableError::Empty);
    }
    for (key, value) in items {
        if map.get_max().is_some_and(|(last, _)| *last >= key) {
            return Err(PortableError::Order);
        }
        map.insert(key, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
