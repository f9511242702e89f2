//! Secret keys as PKCS#8 PEM, the form in which openssl and other tools exchange them.

use alloc::string::{String, ToString};

use p256::elliptic_curve::ALGORITHM_OID as EC;
use p256::pkcs8::der::asn1::OctetStringRef;
use p256::pkcs8::der::pem::PemLabel as _;
use p256::pkcs8::der::{Decode as _, Encode as _};
use p256::pkcs8::{
    self, AlgorithmIdentifierRef, AssociatedOid as _, EncodePrivateKey as _, LineEnding,
    ObjectIdentifier, PrivateKeyInfo, SecretDocument,
};
use zeroize::Zeroizing;

use crate::keys::Suite;
use crate::signing::SigningKey;

#[cfg(test)]
mod tests;

/// id-Ed25519, RFC 8410 section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Why a text is not a secret key that can be imported.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The text is no PEM document, or what it holds is no PKCS#8 structure.
    #[error("the text is not a private key in PKCS#8 PEM")]
    Form(#[source] pkcs8::Error),
    /// The PEM label is not `PRIVATE KEY`; carries the label. `EC PRIVATE KEY` (SEC 1) and
    /// `ENCRYPTED PRIVATE KEY` are converted with `openssl pkcs8 -topk8 -nocrypt`.
    #[error("expected a PEM block \"PRIVATE KEY\", found \"{0}\"")]
    Label(String),
    /// The key is of an algorithm or on a curve that is no suite; carries its object identifier.
    #[error("no suite has the algorithm or curve {0}")]
    Algorithm(String),
    /// The secret does not have the length of its suite, is out of its range, or does not belong
    /// to the public key beside it.
    #[error("the secret in the PEM block is not valid for its suite")]
    Secret,
}

impl SigningKey {
    /// Reads an unencrypted PKCS#8 key: Ed25519 (RFC 8410), or ECDSA on P-256 or secp256k1
    /// (RFC 5915 inside RFC 5958).
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, PemError> {
        let (label, document) =
            SecretDocument::from_pem(pem).map_err(|e| PemError::Form(e.into()))?;
        if label != PrivateKeyInfo::PEM_LABEL {
            return Err(PemError::Label(label.escape_default().to_string()));
        }
        let info = PrivateKeyInfo::try_from(document.as_bytes()).map_err(PemError::Form)?;
        if info.algorithm.oid == ED25519 {
            return import_ed25519(&info);
        }
        if info.algorithm.oid != EC {
            return Err(PemError::Algorithm(info.algorithm.oid.to_string()));
        }
        let curve = info.algorithm.parameters_oid().map_err(|e| PemError::Form(e.into()))?;
        let (suite, secret) = if curve == p256::NistP256::OID {
            let key = p256::SecretKey::try_from(info).map_err(|_| PemError::Secret)?;
            (Suite::P256, Zeroizing::new(key.to_bytes().into()))
        } else if curve == k256::Secp256k1::OID {
            let key = k256::SecretKey::try_from(info).map_err(|_| PemError::Secret)?;
            (Suite::Secp256k1, Zeroizing::new(key.to_bytes().into()))
        } else {
            return Err(PemError::Algorithm(curve.to_string()));
        };
        Self::from_secret(suite, &secret).ok_or(PemError::Secret)
    }

    /// The key as unencrypted PKCS#8; [`SigningKey::from_pkcs8_pem`] reads it back. Anyone who
    /// reads the text has the key.
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        let secret = self.secret();
        match self.suite() {
            Suite::Ed25519 => export_ed25519(secret),
            Suite::P256 => p256::SecretKey::from_slice(secret.as_slice())
                .expect("was a key before")
                .to_pkcs8_pem(LineEnding::LF)
                .map_err(drop),
            Suite::Secp256k1 => k256::SecretKey::from_slice(secret.as_slice())
                .expect("was a key before")
                .to_pkcs8_pem(LineEnding::LF)
                .map_err(drop),
        }
        .expect("a key of fixed length always encodes")
    }
}

fn import_ed25519(info: &PrivateKeyInfo<'_>) -> Result<SigningKey, PemError> {
    if info.algorithm.parameters.is_some() {
        return Err(PemError::Secret);
    }
    let inner = OctetStringRef::from_der(info.private_key).map_err(|_| PemError::Secret)?;
    let secret: [u8; 32] = inner.as_bytes().try_into().map_err(|_| PemError::Secret)?;
    let secret = Zeroizing::new(secret);
    let key = SigningKey::from_secret(Suite::Ed25519, &secret).ok_or(PemError::Secret)?;
    match info.public_key {
        Some(public) if public != key.public().as_bytes() => Err(PemError::Secret),
        _ => Ok(key),
    }
}

fn export_ed25519(secret: &[u8; 32]) -> Result<Zeroizing<String>, ()> {
    let inner = OctetStringRef::new(secret).and_then(|s| s.to_der()).map_err(drop)?;
    let inner = Zeroizing::new(inner);
    let algorithm = AlgorithmIdentifierRef { oid: ED25519, parameters: None };
    SecretDocument::encode_msg(&PrivateKeyInfo::new(algorithm, &inner))
        .and_then(|document| document.to_pem(PrivateKeyInfo::PEM_LABEL, LineEnding::LF))
        .map_err(drop)
}
