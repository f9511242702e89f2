//! Tells own votes from certificates in the journal of the simplex voter.
//!
//! The journal (commonware-storage 2026.10.0, `journal::segmented::variable`) keeps one blob per
//! view, named by the view as 8 big-endian bytes. A blob is a row of pages of `page_size` bytes,
//! each followed by a checksum record `len1 2 | crc1 4 | len2 2 | crc2 4` (big-endian, CRC32C over
//! the first `len` bytes, the longer valid one counts); all but the last page are full. The bytes of
//! the pages are items `varint size | artifact`, and the first byte of an artifact
//! (`simplex::types::Artifact`) is its kind. Whatever does not fit this exactly is not classified,
//! and the sync that covers it is flushed.

use commonware_cryptography::Crc32;

/// Bytes of the checksum record behind a page.
const CHECKSUM_BYTES: usize = 12;

/// Above this many bytes a blob is not classified: reading it at each sync would cost more than
/// a flush. A view of 100 members needs about 40 KiB.
const MAX_SCAN_BYTES: usize = 256 << 10;

/// Kinds of artifact (`impl Write for Artifact` in simplex/types.rs).
const NOTARIZE: u8 = 0;
const NOTARIZATION: u8 = 1;
const CERTIFICATION: u8 = 2;
const NULLIFY: u8 = 3;
const NULLIFICATION: u8 = 4;
const FINALIZE: u8 = 5;
const FINALIZATION: u8 = 6;

/// The votes in one blob of a voter journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    pub(crate) count: u64,
    /// CRC32C over the votes' bytes in order: any change of them shows.
    pub(crate) sum: u32,
}

/// What is known of a blob's votes, and the record its syncs must wait for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VoteMark {
    pub(crate) votes: Votes,
    /// Number of the record that a sync of this blob must find flushed.
    pub(crate) must: u64,
}

/// The contents of the pages, or `None` if a page does not check out.
fn contents(image: &[u8], page_size: usize) -> Option<Vec<u8>> {
    let physical = page_size + CHECKSUM_BYTES;
    if !image.len().is_multiple_of(physical) || image.len() > MAX_SCAN_BYTES {
        return None;
    }
    let mut out = Vec::with_capacity(image.len());
    let mut pages = image.chunks_exact(physical).peekable();
    while let Some(page) = pages.next() {
        let len = page_len(page, page_size)?;
        if pages.peek().is_some() && len != page_size {
            return None;
        }
        out.extend_from_slice(&page[..len]);
    }
    Some(out)
}

/// Length of a page's contents by the longer of its checksums; `None` unless that one is valid.
fn page_len(page: &[u8], page_size: usize) -> Option<usize> {
    let record = &page[page_size..];
    let slot = |at: usize| {
        let len = usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
        let sum = [record[at + 2], record[at + 3], record[at + 4], record[at + 5]];
        (len, u32::from_be_bytes(sum))
    };
    let (len, sum) = slot(0).max(slot(6));
    (len > 0 && len <= page_size && Crc32::checksum(&page[..len]) == sum).then_some(len)
}

/// Takes a varint `u32` off the front.
fn varint(input: &mut &[u8]) -> Option<u32> {
    let mut value = 0u64;
    for index in 0..5 {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}

/// The votes in a blob of a voter journal, or `None` if it does not read as one to its last byte.
pub(crate) fn scan(image: &[u8], page_size: usize) -> Option<Votes> {
    let contents = contents(image, page_size)?;
    let mut input = contents.as_slice();
    let mut found = Votes::default();
    let mut votes = Vec::new();
    while !input.is_empty() {
        let size = varint(&mut input)? as usize;
        let (artifact, rest) = input.split_at_checked(size)?;
        match *artifact.first()? {
            NOTARIZE | NULLIFY | FINALIZE => {
                found.count += 1;
                votes.extend_from_slice(artifact);
            }
            NOTARIZATION | CERTIFICATION | NULLIFICATION | FINALIZATION => {}
            _ => return None,
        }
        input = rest;
    }
    found.sum = Crc32::checksum(&votes);
    Some(found)
}

#[cfg(test)]
mod tests;
