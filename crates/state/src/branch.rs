//! Turns the storage's proof of an operation into ours.

use commonware_cryptography::sha256;
use commonware_storage::mmr;
use commonware_storage::qmdb::current::proof::constant::OperationProof;
use hanse_crypto::Digest;
use hanse_proof::StateBranch;

/// Bytes of one chunk of the activity bitmap: one digest wide, the shortest proofs.
pub(crate) const CHUNK: usize = 32;

/// The storage lists: other peaks first, then siblings in the order of a descent that goes left
/// first. We list siblings from the leaf upwards, so that whoever verifies needs no plan.
pub(crate) fn from_operation(
    proof: &OperationProof<mmr::Family, sha256::Digest, CHUNK>,
) -> StateBranch {
    let location = *proof.loc;
    let inner = &proof.range_proof.proof;
    let height = own_height(*inner.leaves, location);
    let (peaks, descent) = inner.digests.split_at(inner.digests.len() - height);
    // Left siblings come on the way down, right ones on the way back up.
    let (mut left, mut right) = (0, height);
    let mut siblings = vec![Digest::default(); height];
    for level in (0..height).rev() {
        siblings[level] = if (location >> level) & 1 == 1 {
            left += 1;
            digest(&descent[left - 1])
        } else {
            right -= 1;
            digest(&descent[right])
        };
    }
    StateBranch {
        location,
        leaves: *inner.leaves,
        inactive: inner.inactive_peaks as u64,
        chunk: proof.chunk,
        partial: proof.range_proof.partial_chunk_digest.as_ref().map(digest),
        log_root: digest(&proof.range_proof.ops_root),
        siblings,
        peaks: peaks.iter().map(digest).collect(),
    }
}

/// Height of the mountain that holds leaf `location`: the highest bit in which it differs from the leaf count.
fn own_height(leaves: u64, location: u64) -> usize {
    (leaves ^ location).ilog2() as usize
}

pub(crate) fn digest(digest: &sha256::Digest) -> Digest {
    Digest(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}
