//! Merkle trees in the shape of RFC 6962 section 2.1, over leaves of 32 bytes.

use alloc::vec::Vec;

use borsh::io::{Error, ErrorKind, Read, Result};
use borsh::{BorshDeserialize, BorshSerialize};
use sha2::digest::generic_array::GenericArray;
use sha2::digest::typenum::U64;

use crate::digest::{Digest, sha256};

#[cfg(test)]
mod tests;

/// SHA-256(0x00 ‖ leaf).
fn hash_leaf(leaf: &Digest) -> Digest {
    let mut block = [0; 64];
    block[1..33].copy_from_slice(&leaf.0);
    pad(&mut block, 33, 33);
    compress([block.into()])
}

/// SHA-256(0x01 ‖ left ‖ right).
fn hash_node(left: &Digest, right: &Digest) -> Digest {
    let mut first = [1; 64];
    first[1..33].copy_from_slice(&left.0);
    first[33..].copy_from_slice(&right.0[..31]);
    let mut second = [0; 64];
    second[0] = right.0[31];
    pad(&mut second, 1, 65);
    compress([first.into(), second.into()])
}

/// The initial state of SHA-256: FIPS 180-4 section 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// Ends the message in its last block after `at` bytes: FIPS 180-4 section 5.1.1. `length` is that
/// of the whole message in bytes; times eight it fits two.
fn pad(block: &mut [u8; 64], at: usize, length: u16) {
    block[at] = 0x80;
    block[62..].copy_from_slice(&(length * 8).to_be_bytes());
}

/// SHA-256 over blocks that are padded already. A tree is millions of messages of one length; the
/// general hasher's buffer would cost as much as the hashing itself.
fn compress<const N: usize>(blocks: [GenericArray<u8, U64>; N]) -> Digest {
    let mut state = INITIAL;
    sha2::compress256(&mut state, &blocks);
    let mut digest = Digest::default();
    for (bytes, word) in digest.0.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// The tree's root: RFC 6962 section 2.1, `MTH`. The root of no leaves is SHA-256 of nothing.
pub fn root(leaves: &[Digest]) -> Digest {
    let mut tree = Accumulator::default();
    for leaf in leaves {
        tree.push(leaf);
    }
    tree.root()
}

/// The audit path of the leaf at `index`, from the leaf's sibling upwards: RFC 6962 section 2.1.1,
/// `PATH`. `None` when there is no such leaf. Costs as much as [`root`].
pub fn path(leaves: &[Digest], index: u64) -> Option<Vec<Digest>> {
    let mut index = usize::try_from(index).ok().filter(|i| *i < leaves.len())?;
    let mut level: Vec<Digest> = leaves.iter().map(hash_leaf).collect();
    let mut path = Vec::new();
    while level.len() > 1 {
        if let Some(sibling) = level.get(index ^ 1) {
            path.push(*sibling);
        }
        // A node without a sibling moves up unchanged: that is RFC 6962's shape seen from below.
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash_node(left, right),
                rest => rest[0],
            })
            .collect();
        index /= 2;
    }
    Some(path)
}

/// Whether `path` proves that `leaf` stands at `index` in the tree of `size` leaves with this
/// `root`: RFC 9162 section 2.1.3.2. A path that is too short or too long is refused.
pub fn verify(root: &Digest, leaf: &Digest, index: u64, size: u64, path: &[Digest]) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = hash_leaf(leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = hash_node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = hash_node(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// A tree that only grows, kept as the roots of its full subtrees (a compact range, largest
/// first): at most 64 digests however many leaves. `root` equals [`root`] of all leaves pushed.
///
/// Borsh: `u64` size, then the peaks without a count, which the size determines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accumulator {
    size: u64,
    peaks: Vec<Digest>,
}

impl Accumulator {
    /// # Panics
    /// At 2^64 leaves, which no chain reaches.
    pub fn push(&mut self, leaf: &Digest) {
        let mut hash = hash_leaf(leaf);
        // Each trailing one of the size is a full subtree that this leaf completes a pair of.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak per one bit of the size");
            hash = hash_node(&left, &hash);
        }
        self.peaks.push(hash);
        self.size = self.size.checked_add(1).expect("fewer than 2^64 leaves");
    }

    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return sha256(b"");
        };
        peaks.fold(*last, |right, left| hash_node(left, &right))
    }

    /// Number of leaves pushed.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl BorshSerialize for Accumulator {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> Result<()> {
        self.size.serialize(writer)?;
        self.peaks.iter().try_for_each(|peak| peak.serialize(writer))
    }
}

impl BorshDeserialize for Accumulator {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let size = u64::deserialize_reader(reader)?;
        if size == u64::MAX {
            return Err(Error::new(ErrorKind::InvalidData, "accumulator has no room to grow"));
        }
        let peaks = (0..size.count_ones())
            .map(|_| Digest::deserialize_reader(reader))
            .collect::<Result<_>>()?;
        Ok(Self { size, peaks })
    }
}
