//! Many signatures checked at once, with the same verdicts as one at a time.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use commonware_cryptography::transcript::{Transcript, Version};
use commonware_cryptography::{BatchEntry, BatchVerifier as _, Verifier as _, ed25519};
use commonware_parallel::Sequential;

use crate::digest::{DOMAIN_LIMIT, Digest, Hasher};
use crate::keys::{PublicKey, Signature};

#[cfg(test)]
mod tests;

/// From this many signatures on, one common equation is cheaper than single checks.
const BATCH_LEAST: usize = 8;

/// Into how many parts a failed batch is cut. With two, a block full of bad signatures would be
/// checked log2(n) times over; with eight, one bad signature costs 1/8 of the batch again and
/// n bad ones cost log8(n) times.
const PARTS: usize = 8;

/// One signature to check; the fields are the arguments of [`PublicKey::verify`].
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub public: &'a PublicKey,
    pub domain: &'a str,
    pub message: &'a [u8],
    pub signature: &'a Signature,
}

/// Checks all signatures; the verdict on each is that of [`PublicKey::verify`], always.
///
/// Ed25519 signatures are checked by one equation under ZIP-215 (whose verdicts, unlike those of
/// RFC 8032, do not depend on batching), its random factors drawn from a hash of all items: equal
/// input gives equal work and equal output on every member. A set of bad signatures that cancel
/// each other would have to be found by trying 2^128 such hashes. Other suites are checked singly.
///
/// # Errors
/// The indices of the signatures that do not verify, ascending.
pub fn verify_batch(items: &[Item<'_>]) -> Result<(), Vec<usize>> {
    let mut bad = Vec::new();
    let mut prepared = Vec::with_capacity(items.len());
    let mut keys = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        match (item.public, item.signature) {
            (PublicKey::Ed25519(public), Signature::Ed25519(signature)) => {
                // Many items share a key; finding its point again is a fifth of a check.
                let key = keys.entry(public).or_insert_with(|| decode_key(public));
                match (key, decode_signature(signature)) {
                    (Some(key), Some(signature)) if item.domain.len() <= DOMAIN_LIMIT => {
                        let key = key.clone();
                        prepared.push(Prepared { index, key, signature, item });
                    }
                    _ => bad.push(index),
                }
            }
            (public, signature) => {
                if !public.verify(item.domain, item.message, signature) {
                    bad.push(index);
                }
            }
        }
    }
    let seed = if prepared.len() < BATCH_LEAST { Digest::default() } else { bind(&prepared) };
    find_bad(&prepared, &seed, &mut bad);
    if bad.is_empty() {
        return Ok(());
    }
    bad.sort_unstable();
    Err(bad)
}

/// An ed25519 item whose key is a point.
struct Prepared<'a> {
    index: usize,
    key: ed25519::PublicKey,
    signature: ed25519::Signature,
    item: &'a Item<'a>,
}

impl<'a> Prepared<'a> {
    fn entry(&'a self) -> BatchEntry<'a, ed25519::PublicKey> {
        BatchEntry {
            namespace: self.item.domain.as_bytes(),
            message: self.item.message,
            public_key: &self.key,
            signature: &self.signature,
        }
    }

    fn verify(&self) -> bool {
        self.key.verify(self.item.domain.as_bytes(), self.item.message, &self.signature)
    }
}

fn decode_key(bytes: &[u8; 32]) -> Option<ed25519::PublicKey> {
    ed25519::PublicKey::try_from(bytes).ok()
}

fn decode_signature(bytes: &[u8; 64]) -> Option<ed25519::Signature> {
    ed25519::Signature::try_from(bytes).ok()
}

/// A hash of everything the common equation depends on, so that no item can be chosen after the
/// random factors are known.
fn bind(prepared: &[Prepared<'_>]) -> Digest {
    let mut hasher = Hasher::new("hanse/batch");
    for one in prepared {
        hasher.update(&one.key);
        hasher.update(&one.signature);
        hasher.update(&[one.item.domain.len() as u8]);
        hasher.update(one.item.domain.as_bytes());
        hasher.update(&(one.item.message.len() as u64).to_le_bytes());
        hasher.update(one.item.message);
    }
    hasher.finish()
}

/// Adds the indices of the bad ones among `prepared` to `bad`.
fn find_bad(prepared: &[Prepared<'_>], seed: &Digest, bad: &mut Vec<usize>) {
    if prepared.len() < BATCH_LEAST {
        bad.extend(prepared.iter().filter(|one| !one.verify()).map(|one| one.index));
        return;
    }
    // The seed binds all items; the part in hand is named by its first index and its length.
    let mut rng = Transcript::new(b"hanse/batch", Version::V1)
        .commit(seed.0.as_slice())
        .commit((prepared[0].index as u64).to_le_bytes().as_slice())
        .commit((prepared.len() as u64).to_le_bytes().as_slice())
        .noise(b"factors");
    let project = |_: usize, one| Prepared::entry(one);
    if ed25519::PublicKey::verify_batch(&mut rng, prepared, project, &Sequential) {
        return;
    }
    for part in prepared.chunks(prepared.len().div_ceil(PARTS)) {
        find_bad(part, seed, bad);
    }
}
