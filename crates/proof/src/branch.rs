//! The branch of one record in the authenticated map: from (slot, record digest) to a state root.
//!
//! The map is a log of operations under a Merkle mountain range, with one activity bit per
//! operation: an operation counts only while its bit is set, so a branch proves the *current* value
//! of a slot. Layout 1 of the map; docs/formats/proof.md, section "State branch". The layout is that
//! of commonware-storage 2026.10.0 `qmdb::current` (MMR, SHA-256, 32-byte chunks), re-implemented
//! from its description; `state` tests the two against each other.

use alloc::vec::Vec;

use hanse_crypto::{Digest, sha256};

use crate::cbor::{Reader, Writer};
use crate::error::ProofError;

/// Operations covered by one chunk of the activity bitmap.
const CHUNK_BITS: u64 = 256;
/// Height of the node that covers one chunk; the chunk is hashed into it.
const CHUNK_HEIGHT: u32 = 8;
/// First byte of an operation that sets a slot.
const UPDATE: u8 = 0xd2;
/// First bytes of a hashed peak list: mountain range (0), folded from the right (1).
const ROOT_DOMAIN: [u8; 2] = [0, 1];
/// Most leaves a log may have: 2^62, so that no position overflows 63 bits.
const LEAVES_MAX: u64 = 1 << 62;
/// Most digests beside the leaf's own path: 62 peaks.
const PEAKS_MAX: usize = 62;
/// Most digests on a path: the height of the largest mountain.
const SIBLINGS_MAX: usize = 62;

/// Proves that one slot of the map holds one record digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateBranch {
    /// Number of the operation that set the slot, from 0.
    pub location: u64,
    /// Operations in the log.
    pub leaves: u64,
    /// How many leading peaks are folded from the left, because nothing below them is active.
    pub inactive: u64,
    /// The chunk of the activity bitmap that holds the operation's bit; bit i is bit i % 8 of byte i / 8.
    pub chunk: [u8; 32],
    /// SHA-256 of the last chunk when it is not full.
    pub partial: Option<Digest>,
    /// Root of the log without activity; hashed in, otherwise unused here.
    pub log_root: Digest,
    /// Siblings from the leaf upwards to its peak.
    pub siblings: Vec<Digest>,
    /// The other peaks, left to right: those before ours (inactive ones folded into one), then
    /// those after (the active ones folded into one).
    pub peaks: Vec<Digest>,
}

/// One mountain: the leaves `start .. start + 2^height`.
#[derive(Clone, Copy)]
struct Peak {
    start: u64,
    height: u32,
}

impl StateBranch {
    /// The state root under which `slot` holds `record`, or `None` when the branch has no valid
    /// shape or its activity bit is not set. Equal to the root in a header only if the map really
    /// holds the record there, up to a SHA-256 collision.
    pub fn root(&self, slot: &Digest, record: &Digest) -> Option<Digest> {
        if self.leaves > LEAVES_MAX || self.location >= self.leaves {
            return None;
        }
        let bit = self.location % CHUNK_BITS;
        if self.chunk[(bit / 8) as usize] & (1 << (bit % 8)) == 0 {
            return None;
        }
        let partial_bits = self.leaves % CHUNK_BITS;
        if self.partial.is_some() != (partial_bits != 0) {
            return None;
        }
        let in_partial = self.location / CHUNK_BITS == self.leaves / CHUNK_BITS;
        if in_partial && self.partial != Some(sha256(&self.chunk)) {
            return None;
        }
        let peaks = mountains(self.leaves);
        let own = peaks.iter().position(|p| self.location < p.start + (1 << p.height))?;
        let peak = self.climb(peaks[own], slot, record)?;
        let folded = self.fold(peaks.len(), own, peak)?;
        let mut bytes = Vec::with_capacity(50);
        bytes.extend_from_slice(&ROOT_DOMAIN);
        bytes.extend_from_slice(&self.leaves.to_be_bytes());
        if self.inactive != 0 {
            bytes.extend_from_slice(&self.inactive.to_be_bytes());
        }
        bytes.extend_from_slice(&folded.0);
        let active_root = sha256(&bytes);
        Some(match &self.partial {
            None => join(&[&self.log_root.0, &active_root.0]),
            Some(partial) => {
                join(&[&self.log_root.0, &active_root.0, &partial_bits.to_be_bytes(), &partial.0])
            }
        })
    }

    /// Digest of the mountain that holds the operation.
    fn climb(&self, peak: Peak, slot: &Digest, record: &Digest) -> Option<Digest> {
        if self.siblings.len() != peak.height as usize {
            return None;
        }
        let position = position(self.location);
        let mut digest = join(&[&position.to_be_bytes(), &[UPDATE], &slot.0, &record.0]);
        for (sibling, height) in self.siblings.iter().zip(1..) {
            let start = (self.location >> height) << height;
            let position = (self::position(start) + (2 << height) - 2).to_be_bytes();
            digest = if (self.location >> (height - 1)) & 1 == 0 {
                join(&[&position, &digest.0, &sibling.0])
            } else {
                join(&[&position, &sibling.0, &digest.0])
            };
            if height == CHUNK_HEIGHT {
                digest = join(&[&self.chunk, &digest.0]);
            }
        }
        Some(digest)
    }

    /// All peaks in one digest, `own` being the index of ours among `count`.
    fn fold(&self, count: usize, own: usize, peak: Digest) -> Option<Digest> {
        let inactive = usize::try_from(self.inactive).ok().filter(|i| *i <= count)?;
        let (before, after) = entries(count, own, inactive);
        if self.peaks.len() != before + after {
            return None;
        }
        let mut list = Vec::with_capacity(before + after + 1);
        list.extend_from_slice(&self.peaks[..before]);
        list.push(peak);
        list.extend_from_slice(&self.peaks[before..]);
        // Peaks that arrive already folded count as one.
        let folded_before = inactive.min(own);
        let left = inactive - folded_before.saturating_sub(1);
        let (left, right) = list.split_at(left.max(1));
        let head = left[1..].iter().fold(left[0], |acc, next| join(&[&acc.0, &next.0]));
        let tail = right.iter().rev().copied().reduce(|acc, next| join(&[&next.0, &acc.0]));
        Some(tail.map_or(head, |tail| join(&[&head.0, &tail.0])))
    }

    /// CBOR, as it stands in a proof file.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads what [`StateBranch::encode`] wrote.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] for anything that `encode` does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let mut reader = Reader::new(bytes);
        let branch = Self::read(&mut reader)?;
        reader.finish()?;
        if branch.encode() == bytes { Ok(branch) } else { Err(ProofError::Malformed) }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.array(8);
        w.uint(self.location);
        w.uint(self.leaves);
        w.uint(self.inactive);
        w.bytes(&self.chunk);
        w.optional(self.partial.as_ref().map(|d| d.0.as_slice()));
        w.bytes(&self.log_root.0);
        w.digests(&self.siblings);
        w.digests(&self.peaks);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ProofError> {
        r.array(8)?;
        Ok(Self {
            location: r.uint()?,
            leaves: r.uint()?,
            inactive: r.uint()?,
            chunk: r.digest()?.0,
            partial: r.optional(Reader::digest)?,
            log_root: r.digest()?,
            siblings: r.digests(SIBLINGS_MAX)?,
            peaks: r.digests(PEAKS_MAX)?,
        })
    }
}

/// How many digests stand before and after ours in [`StateBranch::peaks`].
fn entries(count: usize, own: usize, inactive: usize) -> (usize, usize) {
    let before = own - inactive.min(own).saturating_sub(1);
    let after = count - own - 1;
    let single = inactive.saturating_sub(own + 1).min(after);
    (before, single + usize::from(after > single))
}

/// The mountains of a range of `leaves` leaves, largest first: one per set bit.
fn mountains(leaves: u64) -> Vec<Peak> {
    let mut start = 0;
    let mut peaks = Vec::new();
    for height in (0..u64::BITS).rev() {
        if (leaves >> height) & 1 == 1 {
            peaks.push(Peak { start, height });
            start += 1 << height;
        }
    }
    peaks
}

/// Number of the node that holds leaf `location`, counting nodes in the order they come to be.
fn position(location: u64) -> u64 {
    2 * location - u64::from(location.count_ones())
}

/// SHA-256 of the parts, one after the other.
fn join(parts: &[&[u8]]) -> Digest {
    let mut bytes = [0; 136];
    let mut length = 0;
    for part in parts {
        bytes[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    }
    sha256(&bytes[..length])
}
