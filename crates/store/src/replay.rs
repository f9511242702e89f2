//! Replay: from the root's start, batch after batch, to the end of what is durable.

use crate::{
    batch::{self, Batch, Link, Look},
    config::PAGE,
    error::OpenError,
    record::Record,
    root::Root,
    table::Table,
};

/// A segment's contents as read at opening.
pub(crate) struct Loaded {
    pub(crate) slot: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Where a batch stands: index in the loaded segments, and byte offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) offset: usize,
}

/// Where replay ended.
#[derive(Debug)]
pub(crate) struct End {
    /// Where the next batch goes.
    pub(crate) next: Place,
    /// The last batch and its length, to be written once more.
    pub(crate) last: Option<(Place, usize)>,
    /// Sequence number of the next batch.
    pub(crate) seq: u64,
    pub(crate) prev: Link,
    /// Indices of the segments that hold the log, oldest first.
    pub(crate) used: Vec<usize>,
    pub(crate) batches: u64,
    pub(crate) records: u64,
    pub(crate) log_bytes: u64,
    /// Bytes of a last batch that was never acknowledged and did not arrive whole.
    pub(crate) torn: u64,
}

/// Replays the log into the table.
pub(crate) fn replay(
    segments: &[Loaded],
    root: &Root,
    table: &mut Table,
) -> Result<End, OpenError> {
    let index = segments
        .iter()
        .position(|segment| segment.slot == root.start.slot)
        .ok_or(OpenError::RootLost("the segment it names is missing"))?;
    let offset = usize::try_from(root.start.offset)
        .ok()
        .filter(|offset| offset.is_multiple_of(PAGE) && *offset <= segments[index].bytes.len())
        .ok_or(OpenError::RootLost("it points outside of its segment"))?;
    let mut end = End {
        next: Place { index, offset },
        last: None,
        seq: root.start.seq,
        prev: root.start.prev,
        used: vec![index],
        batches: 0,
        records: 0,
        log_bytes: 0,
        torn: 0,
    };
    while let Some((place, batch)) = successor(segments, root, &end) {
        apply(&batch, segments[place.index].slot, place.offset, table)?;
        if end.used.last() != Some(&place.index) {
            end.used.push(place.index);
        }
        end.batches += 1;
        end.records += u64::from(batch.records);
        end.log_bytes += batch.padded as u64;
        end.last = Some((place, batch.padded));
        end.next = Place { index: place.index, offset: place.offset + batch.padded };
        end.seq += 1;
        end.prev = batch.link;
    }
    if let Some(found) = later(segments, root, end.seq) {
        return Err(OpenError::Corrupt {
            segment: segments[end.next.index].slot,
            offset: end.next.offset as u64,
            expected: end.seq,
            found,
        });
    }
    // A root of a later generation was written after its start was durable.
    if end.batches == 0 && root.generation > 1 {
        return Err(OpenError::RootLost("the batch it names is missing"));
    }
    end.torn = torn(segments, root, &end);
    Ok(end)
}

/// The batch that follows, here or at the head of another segment.
fn successor<'a>(segments: &'a [Loaded], root: &Root, end: &End) -> Option<(Place, Batch<'a>)> {
    let heads = (0..segments.len()).map(|index| Place { index, offset: 0 });
    std::iter::once(end.next).chain(heads).find_map(|place| {
        let bytes = segments[place.index].bytes.get(place.offset..)?;
        match batch::look(bytes, &root.id, end.seq) {
            Look::Valid(batch) if batch.seq == end.seq && batch.prev == end.prev => {
                Some((place, batch))
            }
            _ => None,
        }
    })
}

/// Sequence number of an intact batch that is not older than the end. A batch is written only
/// after its predecessor is durable, so such a batch proves that the predecessor was damaged.
fn later(segments: &[Loaded], root: &Root, seq: u64) -> Option<u64> {
    segments.iter().find_map(|segment| {
        (0..segment.bytes.len()).step_by(PAGE).find_map(|offset| {
            match batch::look(&segment.bytes[offset..], &root.id, seq) {
                Look::Valid(batch) => Some(batch.seq),
                Look::Torn(_) | Look::Nothing => None,
            }
        })
    })
}

/// Bytes that a torn last batch claims.
fn torn(segments: &[Loaded], root: &Root, end: &End) -> u64 {
    let heads = (0..segments.len()).map(|index| Place { index, offset: 0 });
    let claimed = std::iter::once(end.next).chain(heads).find_map(|place| {
        let bytes = segments[place.index].bytes.get(place.offset..)?;
        match batch::look(bytes, &root.id, end.seq) {
            Look::Torn(bytes) => Some(bytes as u64),
            Look::Valid(_) | Look::Nothing => None,
        }
    });
    claimed.unwrap_or(0)
}

fn apply(
    batch: &Batch<'_>,
    segment: u32,
    offset: usize,
    table: &mut Table,
) -> Result<(), OpenError> {
    let malformed = |reason| OpenError::Malformed { segment, offset: offset as u64, reason };
    let mut input = batch.payload;
    for _ in 0..batch.records {
        let record = Record::decode(&mut input).map_err(malformed)?;
        table.apply(&record, 0).map_err(malformed)?;
    }
    if input.is_empty() { Ok(()) } else { Err(malformed("a batch holds more than its records")) }
}
