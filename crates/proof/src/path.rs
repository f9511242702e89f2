//! The path of a receipt or event to a root in a header: an RFC 6962 tree.

use alloc::vec::Vec;

use hanse_crypto::{Digest, merkle, sha256};

use crate::cbor::{Reader, Writer};
use crate::error::ProofError;
use crate::limits::SIBLINGS_MAX;

/// Siblings of a leaf up to the root. Which side each is on stands in the path itself, instead of
/// the leaf's index and the tree's size: those are not bound by the root, and nothing in a proof may
/// be changeable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafPath {
    /// Bit i is set when sibling i is to the left.
    pub left: u64,
    /// From the leaf upwards.
    pub siblings: Vec<Digest>,
}

impl LeafPath {
    /// The path of the leaf at `index`; `None` when there is no such leaf. Costs as much as the root.
    pub fn new(leaves: &[Digest], index: u64) -> Option<Self> {
        let siblings = merkle::path(leaves, index)?;
        let (mut node, mut last) = (index, leaves.len() as u64 - 1);
        let mut left = 0;
        for i in 0..siblings.len() {
            // A last node without a sibling moves up as it is.
            while node == last && node & 1 == 0 {
                node >>= 1;
                last >>= 1;
            }
            left |= (node & 1) << i;
            node >>= 1;
            last >>= 1;
        }
        Some(Self { left, siblings })
    }

    /// The root over `leaf` and the siblings; leaves and nodes are hashed apart (RFC 6962 section 2.1).
    pub fn root(&self, leaf: &Digest) -> Digest {
        let mut bytes = [0; 33];
        bytes[1..].copy_from_slice(&leaf.0);
        let mut digest = sha256(&bytes);
        for (i, sibling) in self.siblings.iter().enumerate() {
            let (left, right) =
                if (self.left >> i) & 1 == 1 { (sibling, &digest) } else { (&digest, sibling) };
            let mut bytes = [1; 65];
            bytes[1..33].copy_from_slice(&left.0);
            bytes[33..].copy_from_slice(&right.0);
            digest = sha256(&bytes);
        }
        digest
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.array(2);
        w.uint(self.left);
        w.digests(&self.siblings);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ProofError> {
        r.array(2)?;
        let left = r.uint()?;
        let siblings = r.digests(SIBLINGS_MAX)?;
        // A bit beyond the siblings would say nothing, and two paths would be one.
        if left >> siblings.len() != 0 {
            return Err(ProofError::Malformed);
        }
        Ok(Self { left, siblings })
    }
}
