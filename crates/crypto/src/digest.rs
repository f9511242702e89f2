//! SHA-256 digests, and hashing that is separated by domain.

use core::fmt;
use core::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::Digest as _;

use crate::text::from_hex;

#[cfg(test)]
mod tests;

/// Longest domain name, in bytes. Domains are constants of the program; below 128 the length byte
/// is also the engine's variable-length prefix, so single and batch verification see equal bytes.
pub const DOMAIN_LIMIT: usize = 127;

/// A SHA-256 value. Its text is 64 lower-case hexadecimal characters.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Digest(pub [u8; 32]);

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first four bytes: enough to tell digests apart in a log line or a failed assertion.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}..")
    }
}

/// Why a text is not a [`Digest`]: it is not exactly 64 lower-case hexadecimal characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hexadecimal characters")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_hex(text).map(Self).ok_or(ParseDigestError)
    }
}

/// Plain SHA-256 (FIPS 180-4), for formats that are not ours: blobs, manifests, Merkle nodes.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// SHA-256(u8 length of domain ‖ domain ‖ parts). The parts are joined without separators, so they
/// must be self-delimiting (fixed length, or borsh), or two lists of parts hash alike.
///
/// # Panics
/// When `domain` is longer than [`DOMAIN_LIMIT`].
pub fn hash(domain: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new(domain);
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// [`hash`] for input that comes piece by piece; where the pieces are cut does not matter.
#[derive(Clone)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// # Panics
    /// When `domain` is longer than [`DOMAIN_LIMIT`].
    pub fn new(domain: &str) -> Self {
        assert!(domain.len() <= DOMAIN_LIMIT, "domain of {} bytes", domain.len());
        let mut state = sha2::Sha256::new();
        state.update([domain.len() as u8]);
        state.update(domain.as_bytes());
        Self(state)
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(..)")
    }
}
