//! Reading records out of a snapshot: one at a time, or in pages of bounded work.

use hanse_ledger::{Entry, World};
use hanse_types::{StateKey, decode};

use crate::{
    limits::{RANGE_BYTES_MAX, SCAN_KEYS_MAX},
    problem::{Code, Problem},
    wire::{Cursor, KvShown, Page},
};

/// First bytes of the state keys that lists walk over ([`StateKey`]).
pub(crate) mod kind {
    pub(crate) const ORGANISATION: u8 = 2;
    pub(crate) const ACCOUNT: u8 = 3;
    pub(crate) const GATEWAY: u8 = 4;
    pub(crate) const SPACE: u8 = 5;
    pub(crate) const MOTION: u8 = 13;
}

/// The record at `key`.
pub(crate) fn record<T: borsh::BorshDeserialize>(
    world: &World,
    key: &StateKey<'_>,
) -> Result<Option<T>, Problem> {
    world.get(&key.encode()).map(|entry| value(entry)).transpose()
}

/// The record in `entry`.
pub(crate) fn value<T: borsh::BorshDeserialize>(entry: &Entry) -> Result<T, Problem> {
    // State values were written by execution in this encoding: one that does not decode means broken memory or code.
    decode(&entry.value).map_err(|e| Problem::new(Code::Internal, format!("a record: {e}")))
}

/// One page of the records of a kind, of which `keep` makes what is shown or passes over.
pub(crate) fn page<T: borsh::BorshDeserialize, W>(
    world: &World,
    kind: u8,
    cursor: &Cursor,
    keep: impl Fn(T) -> Option<W>,
) -> Result<Page<W>, Problem> {
    keyed_page(world, kind, cursor, |_, record| keep(record))
}

/// As [`page`], for records whose key says more than they do: `keep` is given the key without its kind, too.
pub(crate) fn keyed_page<T: borsh::BorshDeserialize, W>(
    world: &World,
    kind: u8,
    cursor: &Cursor,
    keep: impl Fn(&[u8], T) -> Option<W>,
) -> Result<Page<W>, Problem> {
    let start = if cursor.after.is_empty() {
        vec![kind]
    } else {
        // The smallest key after `after`.
        [cursor.after.as_slice(), &[0]].concat()
    };
    let start = start.max(vec![kind]);
    let end = [kind + 1];
    let mut items = Vec::new();
    let mut last = None;
    for (seen, (key, entry)) in world.range(&start, &end).enumerate() {
        if items.len() == cursor.limit || seen == SCAN_KEYS_MAX {
            return Ok(Page { items, next: last.map(hex::encode) });
        }
        items.extend(keep(key.get(1..).unwrap_or_default(), value(entry)?));
        last = Some(key.to_vec());
    }
    Ok(Page { items, next: None })
}

/// A bounded part of a range of client keys.
pub(crate) struct Part {
    pub(crate) kvs: Vec<KvShown>,
    pub(crate) more: bool,
    pub(crate) count: u64,
    pub(crate) count_is_exact: bool,
}

/// The half-open range `[start, end)` of state keys, each shown without its first `strip` bytes.
pub(crate) fn part(world: &World, start: &[u8], end: &[u8], strip: usize, limit: usize) -> Part {
    let (mut kvs, mut bytes, mut count) = (Vec::new(), 0, 0);
    for (key, entry) in world.range(start, end).take(SCAN_KEYS_MAX) {
        count += 1;
        if kvs.len() < limit && bytes < RANGE_BYTES_MAX {
            bytes += entry.value.len();
            kvs.push(KvShown::new(key.get(strip..).unwrap_or_default(), entry));
        }
    }
    let more = count > kvs.len();
    Part { kvs, more, count: count as u64, count_is_exact: count < SCAN_KEYS_MAX }
}

/// The one key of `start`, as a range.
pub(crate) fn after_key(start: &[u8]) -> Vec<u8> {
    [start, &[0]].concat()
}

/// The smallest byte string greater than all that begin with `prefix`; empty for "to the last".
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    end
}

#[cfg(test)]
mod tests;
