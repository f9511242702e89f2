//! Content digests of the OCI image spec (descriptor.md, "Digests"): sha256 and sha512, lower-case hex, nothing else.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

use crate::printable;

/// A registered digest algorithm that this product accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 32 bytes: what every registry uses.
    Sha256,
    /// SHA-512, 64 bytes: allowed by the spec, rare.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// The digest of a blob, manifest or index. Ordered by algorithm, then bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// A text is not a digest of the accepted form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DigestError {
    /// No colon between algorithm and hex.
    #[error("`{0}` is not a digest: expected sha256: or sha512: and lower-case hex")]
    Form(String),
    /// The algorithm is not sha256 or sha512; md5 and sha1 are broken and never accepted.
    #[error("digest algorithm `{0}` is not accepted: only sha256 and sha512 are")]
    Algorithm(String),
    /// The hex part has another length than the algorithm's.
    #[error("a {algorithm} digest has {expected} hex digits, this one {found}")]
    Length {
        /// Name of the algorithm.
        algorithm: &'static str,
        /// Digits it needs.
        expected: usize,
        /// Digits (bytes) found.
        found: usize,
    },
    /// The hex part holds another character than `0-9a-f`; upper case is refused, so that each digest has one spelling.
    #[error("the digest holds characters other than 0-9a-f")]
    Hex,
}

impl Digest {
    /// Digest of `bytes`.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Which algorithm made it.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The lower-case hex digits, safe as a file name.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Path of the blob inside an OCI layout (image-layout.md, "Blobs").
    #[must_use]
    pub fn layout_path(&self) -> String {
        format!("blobs/{}/{}", self.algorithm.name(), self.hex)
    }

    /// The first twelve hex digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or_else(|| DigestError::Form(printable(text)))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(DigestError::Algorithm(printable(name))),
        };
        if hex.len() != algorithm.hex_len() {
            let (algorithm, expected) = (algorithm.name(), algorithm.hex_len());
            return Err(DigestError::Length { algorithm, expected, found: hex.len() });
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Hex);
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }
}

/// A running digest.
#[derive(Clone)]
pub struct Hasher(Inner);

#[derive(Clone)]
enum Inner {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// An empty digest.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Inner::Sha256(Sha256::new()),
            Algorithm::Sha512 => Inner::Sha512(Sha512::new()),
        })
    }

    /// Takes further bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(state) => state.update(bytes),
            Inner::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of all bytes taken.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            Inner::Sha256(state) => {
                Digest { algorithm: Algorithm::Sha256, hex: hex::encode(state.finalize()) }
            }
            Inner::Sha512(state) => {
                Digest { algorithm: Algorithm::Sha512, hex: hex::encode(state.finalize()) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
