//! Secret keys in memory: made, used, wiped.

use core::fmt;

use commonware_codec::DecodeFixed as _;
use commonware_cryptography::{Signer as _, ed25519};
use k256::ecdsa::signature::hazmat::PrehashSigner as _;
use rand_core::{OsRng, RngCore as _};
use zeroize::Zeroizing;

use crate::digest::{DOMAIN_LIMIT, hash};
use crate::keys::{PublicKey, Signature, Suite};

#[cfg(test)]
mod tests;

/// A secret key. Its memory is wiped when it is dropped, and no text form shows the secret.
pub struct SigningKey {
    /// What is persisted: an RFC 8032 seed, or a big-endian scalar.
    secret: Zeroizing<[u8; 32]>,
    public: PublicKey,
    expanded: Expanded,
}

/// The secret in the form its suite computes with. Each of them wipes itself.
enum Expanded {
    Ed25519(ed25519::PrivateKey),
    P256(p256::ecdsa::SigningKey),
    Secp256k1(k256::ecdsa::SigningKey),
}

impl SigningKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Panics
    /// When the operating system gives none: going on would make a guessable key.
    pub fn generate(suite: Suite) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(seed.as_mut());
        Self::from_seed(suite, *seed)
    }

    /// The key that belongs to these 32 bytes, for tests and development networks; as secret as
    /// the seed. For ECDSA a seed that is no scalar (zero, or not below the group order; about one
    /// in 2^32 on P-256) is hashed until it is.
    pub fn from_seed(suite: Suite, seed: [u8; 32]) -> Self {
        let mut seed = Zeroizing::new(seed);
        loop {
            if let Some(key) = Self::from_secret(suite, &seed) {
                return key;
            }
            seed = Zeroizing::new(hash("hanse/seed", &[seed.as_ref()]).0);
        }
    }

    /// `None` when the bytes are no secret of this suite: only for ECDSA, when they are zero or not
    /// below the group order.
    pub(crate) fn from_secret(suite: Suite, secret: &[u8; 32]) -> Option<Self> {
        let (public, expanded) = match suite {
            Suite::Ed25519 => {
                let key = ed25519::PrivateKey::decode_fixed(*secret)
                    .expect("every 32 bytes are an ed25519 seed");
                let public = key.public_key().as_ref().try_into().expect("a key has 32 bytes");
                (PublicKey::Ed25519(public), Expanded::Ed25519(key))
            }
            Suite::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(secret).ok()?;
                let point = key.verifying_key().to_encoded_point(true);
                let public = point.as_bytes().try_into().expect("compressed to 33 bytes");
                (PublicKey::P256(public), Expanded::P256(key))
            }
            Suite::Secp256k1 => {
                let key = k256::ecdsa::SigningKey::from_slice(secret).ok()?;
                let point = key.verifying_key().to_encoded_point(true);
                let public = point.as_bytes().try_into().expect("compressed to 33 bytes");
                (PublicKey::Secp256k1(public), Expanded::Secp256k1(key))
            }
        };
        Some(Self { secret: Zeroizing::new(*secret), public, expanded })
    }

    pub(crate) fn secret(&self) -> &Zeroizing<[u8; 32]> {
        &self.secret
    }

    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub fn suite(&self) -> Suite {
        self.public.suite()
    }

    /// Signs `u8 length of domain ‖ domain ‖ message`, deterministically: RFC 8032 for ed25519,
    /// RFC 6979 with s in the lower half for ECDSA.
    ///
    /// # Panics
    /// When `domain` is longer than [`DOMAIN_LIMIT`]; domains are constants of the program.
    pub fn sign(&self, domain: &str, message: &[u8]) -> Signature {
        assert!(domain.len() <= DOMAIN_LIMIT, "domain of {} bytes", domain.len());
        match &self.expanded {
            Expanded::Ed25519(key) => {
                // The engine frames with the length as a varint: one byte up to DOMAIN_LIMIT.
                let signature = key.sign(domain.as_bytes(), message);
                Signature::Ed25519(signature.as_ref().try_into().expect("64 bytes"))
            }
            Expanded::P256(key) => {
                let digest = hash(domain, &[message]);
                let signature: p256::ecdsa::Signature =
                    key.sign_prehash(&digest.0).expect("32 bytes are enough for the curve");
                let signature = signature.normalize_s().unwrap_or(signature);
                Signature::P256(signature.to_bytes().into())
            }
            Expanded::Secp256k1(key) => {
                let digest = hash(domain, &[message]);
                let signature: k256::ecdsa::Signature =
                    key.sign_prehash(&digest.0).expect("32 bytes are enough for the curve");
                let signature = signature.normalize_s().unwrap_or(signature);
                Signature::Secp256k1(signature.to_bytes().into())
            }
        }
    }
}

impl Clone for SigningKey {
    fn clone(&self) -> Self {
        Self::from_secret(self.suite(), &self.secret).expect("was valid before")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public)
    }
}
