//! Public keys and signatures of three suites, and the one rule per suite that accepts them.
//!
//! Suites are data: the number of a suite stands in every key and signature and never changes its
//! meaning. What is signed is always `u8 length of domain ‖ domain ‖ message`.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use borsh::io::{Error, ErrorKind, Read, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;

use crate::digest::{DOMAIN_LIMIT, Digest, hash};
use crate::text::from_hex;

#[cfg(feature = "std")]
pub use crate::signing::SigningKey;

#[cfg(test)]
mod tests;

/// A signature algorithm together with its hash and its rule of acceptance.
///
/// The numbers are persisted in keys and signatures; a number is never given to another suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Suite {
    /// Ed25519 by the rule of ZIP-215, the same for one signature and for a batch.
    Ed25519 = 1,
    /// ECDSA over NIST P-256 with SHA-256; s in the lower half.
    P256 = 2,
    /// ECDSA over secp256k1 with SHA-256; s in the lower half.
    Secp256k1 = 3,
}

impl Suite {
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::P256, Self::Secp256k1];

    /// The suite's name in texts and files: `ed25519`, `p256` or `secp256k1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::Secp256k1 => "secp256k1",
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| *suite as u8 == number)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Suite {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|suite| suite.name() == text).ok_or(ParseKeyError::Suite)
    }
}

/// A key that signatures are checked with. Holding one says nothing about its bytes: a key that is
/// no point of its curve parses, and verifies nothing.
///
/// Borsh: the suite's number, then the bytes. Text: `<suite>:<lower-case hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicKey {
    /// RFC 8032 encoding of a point.
    Ed25519([u8; 32]),
    /// SEC 1 compressed point.
    P256([u8; 33]),
    /// SEC 1 compressed point.
    Secp256k1([u8; 33]),
}

/// A signature; see [`PublicKey::verify`] for what is accepted.
///
/// Borsh: the suite's number, then the bytes. Text: `<suite>:<lower-case hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signature {
    /// R ‖ s as in RFC 8032.
    Ed25519([u8; 64]),
    /// r ‖ s, each 32 bytes, big-endian.
    P256([u8; 64]),
    /// r ‖ s, each 32 bytes, big-endian.
    Secp256k1([u8; 64]),
}

/// The bytes that are signed: `u8 length of domain ‖ domain ‖ message`.
pub(crate) fn signed_bytes(domain: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + domain.len() + message.len());
    bytes.push(domain.len() as u8);
    bytes.extend_from_slice(domain.as_bytes());
    bytes.extend_from_slice(message);
    bytes
}

impl PublicKey {
    /// Whether this key signed `message` for `domain`.
    ///
    /// Ed25519 follows ZIP-215: any encoding of a point for the key and for R, s below the group
    /// order, and the equation multiplied by the cofactor. ECDSA is over SHA-256; r and s are not
    /// zero and below the order, s is at most half of it, the key is a canonical compressed point.
    /// False as well for a signature of another suite and a domain above [`DOMAIN_LIMIT`].
    pub fn verify(&self, domain: &str, message: &[u8], signature: &Signature) -> bool {
        if domain.len() > DOMAIN_LIMIT {
            return false;
        }
        match (self, signature) {
            (Self::Ed25519(key), Signature::Ed25519(signature)) => {
                ed25519_consensus::VerificationKey::try_from(*key).is_ok_and(|key| {
                    key.verify(&(*signature).into(), &signed_bytes(domain, message)).is_ok()
                })
            }
            (Self::P256(key), Signature::P256(signature)) => {
                verify_p256(key, &hash(domain, &[message]), signature)
            }
            (Self::Secp256k1(key), Signature::Secp256k1(signature)) => {
                verify_secp256k1(key, &hash(domain, &[message]), signature)
            }
            _ => false,
        }
    }

    /// Whether the key can stand for one holder: its bytes are the one encoding of a point of its curve, and that
    /// point is not of small order. [`PublicKey::verify`] does not ask this: under ZIP-215 a key of small order is a
    /// key that anybody can sign with, and another encoding is another account of the same holder. So no such key is
    /// to be registered for anything.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Ed25519(key) => {
                is_canonical_and_of_large_order(key)
                    && ed25519_consensus::VerificationKey::try_from(*key).is_ok()
            }
            Self::P256(key) => {
                is_compressed(key) && p256::ecdsa::VerifyingKey::from_sec1_bytes(key).is_ok()
            }
            Self::Secp256k1(key) => {
                is_compressed(key) && k256::ecdsa::VerifyingKey::from_sec1_bytes(key).is_ok()
            }
        }
    }

    /// The account that this key alone controls: `hash("hanse/account", borsh of the key)`.
    pub fn id(&self) -> Digest {
        hash("hanse/account", &[&[self.suite() as u8], self.as_bytes()])
    }

    pub fn suite(&self) -> Suite {
        match self {
            Self::Ed25519(_) => Suite::Ed25519,
            Self::P256(_) => Suite::P256,
            Self::Secp256k1(_) => Suite::Secp256k1,
        }
    }

    /// The key in its suite's own encoding, without the suite's number.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(bytes) => bytes,
            Self::P256(bytes) | Self::Secp256k1(bytes) => bytes,
        }
    }
}

impl Signature {
    pub fn suite(&self) -> Suite {
        match self {
            Self::Ed25519(_) => Suite::Ed25519,
            Self::P256(_) => Suite::P256,
            Self::Secp256k1(_) => Suite::Secp256k1,
        }
    }

    /// The signature in its suite's own encoding, without the suite's number.
    pub fn as_bytes(&self) -> &[u8; 64] {
        match self {
            Self::Ed25519(bytes) | Self::P256(bytes) | Self::Secp256k1(bytes) => bytes,
        }
    }
}

fn verify_p256(key: &[u8; 33], digest: &Digest, signature: &[u8; 64]) -> bool {
    use p256::ecdsa::{Signature, VerifyingKey};
    if !is_compressed(key) {
        return false;
    }
    let (Ok(key), Ok(signature)) =
        (VerifyingKey::from_sec1_bytes(key), Signature::from_slice(signature))
    else {
        return false;
    };
    signature.normalize_s().is_none() && key.verify_prehash(&digest.0, &signature).is_ok()
}

fn verify_secp256k1(key: &[u8; 33], digest: &Digest, signature: &[u8; 64]) -> bool {
    use k256::ecdsa::{Signature, VerifyingKey};
    if !is_compressed(key) {
        return false;
    }
    let (Ok(key), Ok(signature)) =
        (VerifyingKey::from_sec1_bytes(key), Signature::from_slice(signature))
    else {
        return false;
    };
    signature.normalize_s().is_none() && key.verify_prehash(&digest.0, &signature).is_ok()
}

/// The y coordinates of the eight points of small order, little-endian: 0, 1, p - 1, and those of order 8.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    padded(0x01, 0, 0),
    padded(0xec, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// p = 2^255 - 19, little-endian.
const FIELD_P: [u8; 32] = padded(0xed, 0xff, 0x7f);

const fn padded(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Of the points with x = 0, whose sign bit must be clear, both are of small order: the sign needs no look of its own.
fn is_canonical_and_of_large_order(key: &[u8; 32]) -> bool {
    let mut y = *key;
    y[31] &= 0x7f;
    y.iter().rev().lt(FIELD_P.iter().rev()) && !SMALL_ORDER_Y.contains(&y)
}

/// SEC 1 section 2.3.3 has other 33-byte forms in some libraries (compact); only these two are ours.
fn is_compressed(key: &[u8; 33]) -> bool {
    matches!(key[0], 2 | 3)
}

/// Why a text is not a key, a signature or a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeyError {
    /// The text has no `:`.
    #[error("expected <suite>:<hex>")]
    Form,
    /// The part before `:` names no suite.
    #[error("unknown suite; known are ed25519, p256 and secp256k1")]
    Suite,
    /// The part after `:` is not lower-case hexadecimal of the suite's length.
    #[error("expected lower-case hexadecimal of the suite's length")]
    Hex,
}

/// Text and borsh forms, alike for keys and signatures: the suite, then the bytes.
macro_rules! suite_tagged {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:", self.suite())?;
                self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:", self.suite())?;
                self.as_bytes()[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("..")
            }
        }

        impl FromStr for $name {
            type Err = ParseKeyError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let (suite, hex) = text.split_once(':').ok_or(ParseKeyError::Form)?;
                match suite.parse()? {
                    Suite::Ed25519 => from_hex(hex).map(Self::Ed25519),
                    Suite::P256 => from_hex(hex).map(Self::P256),
                    Suite::Secp256k1 => from_hex(hex).map(Self::Secp256k1),
                }
                .ok_or(ParseKeyError::Hex)
            }
        }

        impl BorshSerialize for $name {
            fn serialize<W: Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
                (self.suite() as u8).serialize(writer)?;
                writer.write_all(self.as_bytes())
            }
        }

        impl BorshDeserialize for $name {
            fn deserialize_reader<R: Read>(reader: &mut R) -> borsh::io::Result<Self> {
                let number = u8::deserialize_reader(reader)?;
                let suite = Suite::from_number(number)
                    .ok_or_else(|| Error::new(ErrorKind::InvalidData, "unknown suite number"))?;
                Ok(match suite {
                    Suite::Ed25519 => Self::Ed25519(BorshDeserialize::deserialize_reader(reader)?),
                    Suite::P256 => Self::P256(BorshDeserialize::deserialize_reader(reader)?),
                    Suite::Secp256k1 => {
                        Self::Secp256k1(BorshDeserialize::deserialize_reader(reader)?)
                    }
                })
            }
        }
    };
}

suite_tagged!(PublicKey);
suite_tagged!(Signature);
