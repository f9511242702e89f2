//! All Ed25519 signatures of several certificates in one equation, where there is no operating system.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use curve25519_dalek_ng::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek_ng::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek_ng::scalar::Scalar;
use curve25519_dalek_ng::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use sha2::{Digest as _, Sha512};

use crate::digest::{Digest, Hasher, hash};

#[cfg(test)]
mod tests;

/// Bytes of a random factor: a wrong signature passes for one in 2^128 of them.
const FACTOR_BYTES: usize = 16;

/// An Ed25519 signature over exactly the bytes of `message`, without a domain: votes of the engine bring their own.
#[derive(Clone, Copy, Debug)]
pub struct Vote<'a> {
    /// RFC 8032 encoding of a point; any other encoding of it as well (ZIP-215).
    pub public: &'a [u8; 32],
    /// What was signed.
    pub message: &'a [u8],
    /// R ‖ s.
    pub signature: &'a [u8; 64],
}

/// Whether every vote is valid by the rule of ZIP-215: what single checks would say together. True for no votes.
///
/// The equation is `8·(Σ zᵢRᵢ + Σ zᵢkᵢAᵢ − Σ zᵢsᵢ·B) = 0` (Bernstein et al., *High-speed high-security signatures*,
/// section 5, with the cofactor as ZIP-215 demands it). The factors zᵢ come from a hash of all votes, signatures
/// included: equal input gives equal work, and whoever wants wrong signatures to cancel each other has to try 2^128
/// such hashes. A key that votes several times is one term.
///
/// [`crate::batch`] also says *which* signatures are bad, and needs the engine's library for it.
pub fn verify_all(votes: &[Vote<'_>]) -> bool {
    sum(votes).is_some_and(|sum| sum.mul_by_cofactor().is_identity())
}

/// The left side of the equation, not yet multiplied by the cofactor; `None` when something is no point, or an s is not
/// below the group's order.
fn sum(votes: &[Vote<'_>]) -> Option<EdwardsPoint> {
    let seed = bind(votes);
    let mut keys: BTreeMap<&[u8; 32], Scalar> = BTreeMap::new();
    let (mut scalars, mut points) = (Vec::new(), Vec::new());
    let mut base = Scalar::zero();
    for (index, vote) in votes.iter().enumerate() {
        let (r, s) = vote.signature.split_first_chunk::<32>()?;
        let s = Scalar::from_canonical_bytes(*s.first_chunk()?)?;
        let factor = factor(&seed, index);
        base -= factor * s;
        *keys.entry(vote.public).or_insert_with(Scalar::zero) += factor * challenge(r, vote);
        scalars.push(factor);
        points.push(CompressedEdwardsY(*r).decompress()?);
    }
    for (key, scalar) in keys {
        scalars.push(scalar);
        points.push(CompressedEdwardsY(*key).decompress()?);
    }
    scalars.push(base);
    points.push(ED25519_BASEPOINT_POINT);
    Some(EdwardsPoint::vartime_multiscalar_mul(scalars, points))
}

/// A hash of everything the equation depends on, so that no vote can be chosen after the factors are known.
fn bind(votes: &[Vote<'_>]) -> Digest {
    let mut hasher = Hasher::new("hanse/votes");
    for vote in votes {
        hasher.update(vote.public);
        hasher.update(vote.signature);
        hasher.update(&(vote.message.len() as u64).to_le_bytes());
        hasher.update(vote.message);
    }
    hasher.finish()
}

fn factor(seed: &Digest, index: usize) -> Scalar {
    let digest = hash("hanse/votes-factor", &[&seed.0, &(index as u64).to_le_bytes()]);
    let mut bytes = [0; 32];
    bytes[..FACTOR_BYTES].copy_from_slice(&digest.0[..FACTOR_BYTES]);
    Scalar::from_bits(bytes)
}

/// SHA-512(R ‖ A ‖ message) modulo the group's order (RFC 8032 section 5.1.7).
fn challenge(r: &[u8; 32], vote: &Vote<'_>) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(vote.public).chain_update(vote.message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}
