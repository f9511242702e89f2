//! The state in pieces, for somebody who [rebuilds](super::Rebuild) it elsewhere (docs/formats/state.md).

use std::iter::{from_fn, once};

use borsh::{BorshDeserialize, BorshSerialize};
use hanse_types::{Digest, Height, Revision, TimeMs, encode};

use super::{Arrivals, World, replay::WORDS};

/// Bytes before the items of a piece: at most a tag, a minute and a length.
const FRAME_BYTES: usize = 1 + 8 + 4;
/// Bytes of a [`PortableEntry`] without those of its key and value.
const ENTRY_BYTES: usize = 4 + 4 * 8 + 4 + 4;
/// Bytes of two fixed numbers or digests at most, as headers and arrivals are.
const PAIR_BYTES: usize = 32 + 8;

/// One entry of the table. `next`, slot and the value's hash are left out: they follow.
#[derive(Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct PortableEntry<B = Vec<u8>> {
    pub(super) key: B,
    pub(super) create_revision: Revision,
    pub(super) mod_revision: Revision,
    pub(super) version: u64,
    pub(super) height: Height,
    pub(super) index: u32,
    pub(super) value: B,
}

/// A gateway, the greatest sequence seen from it, and the bits of the last ones.
pub(super) type PortableWindow = (Digest, u64, [u64; WORDS]);

/// Something of what stands beside the table. Tags are on the wire: never reuse one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum AsidePiece {
    /// 0, once.
    BeginsOn(Digest),
    /// 1, ascending by space.
    Revisions(Vec<(String, Revision)>),
    /// 2, ascending by gateway.
    Windows(Vec<PortableWindow>),
    /// 3, ascending by height.
    Headers(Vec<(Height, Digest)>),
    /// 4, ascending by minute, in order within one; a long minute is several pieces.
    Arrivals { minute: u64, seen: Vec<(Digest, TimeMs)> },
}

impl World {
    /// The table in key order, in pieces of at most `bytes_max` bytes; an entry larger than that is a piece of its own.
    /// For [`Rebuild::table`](super::Rebuild::table).
    pub fn pieces(&self, bytes_max: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        let entries = self.table.iter().map(|(key, entry)| PortableEntry {
            key: &**key,
            create_revision: entry.create_revision,
            mod_revision: entry.mod_revision,
            version: entry.version,
            height: entry.height,
            index: entry.index,
            value: &*entry.value,
        });
        let size = |e: &PortableEntry<&[u8]>| ENTRY_BYTES + e.key.len() + e.value.len();
        cut(entries, bytes_max, size).map(|piece| encode(&piece))
    }

    /// What stands beside the table, in pieces of at most `bytes_max` bytes where they hold more than one item.
    /// For [`Rebuild::aside`](super::Rebuild::aside).
    pub fn aside_pieces(&self, bytes_max: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        let revisions = self.revisions.iter().map(|(space, at)| (space.to_string(), *at));
        let windows = self.windows.iter().map(|(id, w)| (*id, w.high, w.bits));
        let headers = self.headers.iter().map(|(height, digest)| (*height, *digest));
        let arrivals = self.arrivals.iter().flat_map(move |(minute, arrivals)| {
            let seen = Arrivals::entries(arrivals).copied();
            cut(seen, bytes_max, |_| PAIR_BYTES)
                .map(|seen| AsidePiece::Arrivals { minute: *minute, seen })
        });
        once(AsidePiece::BeginsOn(self.begins_on))
            .chain(cut(revisions, bytes_max, |(s, _)| 12 + s.len()).map(AsidePiece::Revisions))
            .chain(
                cut(windows, bytes_max, |_| size_of::<PortableWindow>()).map(AsidePiece::Windows),
            )
            .chain(cut(headers, bytes_max, |_| PAIR_BYTES).map(AsidePiece::Headers))
            .chain(arrivals)
            .map(|piece| encode(&piece))
    }
}

/// Cuts `items` into runs that fill at most `bytes_max` bytes with their frame, or hold one item.
fn cut<T>(
    items: impl Iterator<Item = T>,
    bytes_max: usize,
    size: impl Fn(&T) -> usize,
) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.peekable();
    from_fn(move || {
        let mut run = Vec::new();
        let mut bytes = FRAME_BYTES;
        while let Some(item) =
            items.next_if(|item| run.is_empty() || bytes + size(item) <= bytes_max)
        {
            bytes += size(&item);
            run.push(item);
        }
        (!run.is_empty()).then_some(run)
    })
}

#[cfg(test)]
mod tests;
