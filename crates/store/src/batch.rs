//! A batch: what one flush makes durable, as a page-aligned, checksummed, chained unit.
//!
//! ```text
//! magic 8 | log id 16 | sequence 8 | payload bytes 4 | records 4 | previous link 16 | link 16 | payload | zeros to the page
//! ```
//! All integers are little-endian. `link` is the first half of BLAKE3 over everything before it and
//! the payload. The log id is random and secret, so data inside a payload cannot pose as a batch.

use crate::config::PAGE;
use commonware_cryptography::{Hasher as _, blake3::Blake3};

/// Bytes in front of a payload.
pub(crate) const HEADER: usize = 72;

const MAGIC: &[u8; 8] = b"hanselg1";
const LINK_AT: usize = 56;

/// Random name of one log, drawn when it is created.
pub(crate) type LogId = [u8; 16];

/// Checksum of a batch, repeated in its successor.
pub(crate) type Link = [u8; 16];

/// First half of BLAKE3 over the parts.
pub(crate) fn link_of(parts: &[&[u8]]) -> Link {
    let digest = Blake3::hash(parts);
    let mut link = Link::default();
    link.copy_from_slice(&digest.0[..16]);
    link
}

/// Rounds a length up to whole pages.
pub(crate) const fn padded(len: usize) -> usize {
    len.div_ceil(PAGE) * PAGE
}

/// Fills in the header of `bytes` (which starts with [`HEADER`] reserved bytes), pads it to whole
/// pages and returns its link.
pub(crate) fn seal(bytes: &mut Vec<u8>, id: &LogId, seq: u64, records: u32, prev: &Link) -> Link {
    let payload = u32::try_from(bytes.len() - HEADER).expect("a batch is bounded by BATCH_BYTES");
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..24].copy_from_slice(id);
    bytes[24..32].copy_from_slice(&seq.to_le_bytes());
    bytes[32..36].copy_from_slice(&payload.to_le_bytes());
    bytes[36..40].copy_from_slice(&records.to_le_bytes());
    bytes[40..LINK_AT].copy_from_slice(prev);
    let link = link_of(&[&bytes[..LINK_AT], &bytes[HEADER..]]);
    bytes[LINK_AT..HEADER].copy_from_slice(&link);
    bytes.resize(padded(bytes.len()), 0);
    link
}

/// A batch that checks out.
pub(crate) struct Batch<'a> {
    pub(crate) seq: u64,
    pub(crate) records: u32,
    pub(crate) prev: Link,
    pub(crate) link: Link,
    pub(crate) payload: &'a [u8],
    /// Whole pages it occupies, in bytes.
    pub(crate) padded: usize,
}

/// What lies at a page of a segment.
pub(crate) enum Look<'a> {
    Valid(Batch<'a>),
    /// A header of this log whose batch does not check out; the bytes it claims.
    Torn(usize),
    Nothing,
}

/// Whether any log's batch may start here (used only when the log id is unknown).
pub(crate) fn resembles(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Reads the batch that starts at `bytes` (a segment from one page on). Batches with a sequence
/// number below `least` are left overs of a recycled segment and count as nothing.
pub(crate) fn look<'a>(bytes: &'a [u8], id: &LogId, least: u64) -> Look<'a> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) || bytes[8..24] != id[..] {
        return Look::Nothing;
    }
    let seq = u64::from_le_bytes(array(bytes, 24));
    if seq < least {
        return Look::Nothing;
    }
    let payload = u32::from_le_bytes(array(bytes, 32)) as usize;
    let Some(end) = HEADER.checked_add(payload).filter(|end| *end <= bytes.len()) else {
        return Look::Torn(bytes.len());
    };
    let link = link_of(&[&bytes[..LINK_AT], &bytes[HEADER..end]]);
    if link != array(bytes, LINK_AT) {
        return Look::Torn(padded(end));
    }
    Look::Valid(Batch {
        seq,
        records: u32::from_le_bytes(array(bytes, 36)),
        prev: array(bytes, 40),
        link,
        payload: &bytes[HEADER..end],
        padded: padded(end),
    })
}
