//! Key files: one secret key under a password. The format is described in
//! `docs/formats/keyfile.md`.

use alloc::string::{String, ToString};

use argon2::{Algorithm, Argon2, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::{OsRng, RngCore as _};
use zeroize::Zeroizing;

pub use cost::{Cost, CostError};
pub use file::{Overwrite, ReadError, WriteError};

use crate::keys::PublicKey;
use crate::signing::SigningKey;
use crate::text::from_hex;

mod cost;
mod file;
#[cfg(test)]
mod tests;

/// The only version of the format so far.
const VERSION: u64 = 1;
/// Argon2id, version 0x13: RFC 9106.
const KDF: &str = "argon2id";
/// XChaCha20-Poly1305: draft-irtf-cfrg-xchacha-03 on RFC 8439.
const AEAD: &str = "xchacha20poly1305";
/// Bytes of salt: what RFC 9106 section 3.1 recommends for passwords.
const SALT: usize = 16;
/// Bytes of the extended nonce: long enough to be drawn at random.
const NONCE: usize = 24;
/// Bytes of an encrypted secret: 32 and the tag of 16.
const CIPHERTEXT: usize = 48;

/// A sealed secret key. Holding one says that its text was well formed and its cost within bounds;
/// only [`KeyFile::open`] tells whether it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    public: PublicKey,
    cost: Cost,
    salt: [u8; SALT],
    check: [u8; 32],
    nonce: [u8; NONCE],
    ciphertext: [u8; CIPHERTEXT],
}

/// Why a key file did not give its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The password does not derive what the file says it should. A file whose salt, cost or check
    /// was changed looks the same.
    #[error("the password does not fit this key file")]
    WrongPassword,
    /// The password fits, but public key, names, nonce or ciphertext are not as they were sealed.
    #[error("the key file was changed after it was sealed")]
    Changed,
}

/// Why a text is not a [`KeyFile`].
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, a member is missing, unknown, twice there or of another type.
    #[error("the key file is not JSON of the expected form")]
    Json(#[source] serde_json::Error),
    /// `v` is not 1.
    #[error("the key file has version {0}, only 1 is known")]
    Version(u64),
    /// A name, key or byte string is not one of this version; carries the member's name.
    #[error("the key file's member \"{0}\" has no valid value")]
    Value(&'static str),
    /// The cost is out of bounds; nothing was allocated or computed.
    #[error("the key file's password cost is refused")]
    Cost(#[source] CostError),
    /// The values are fine but the text is not the one this format prescribes for them.
    #[error("the key file is not in its one exact spelling; it was edited or damaged")]
    Spelling,
}

/// The members of the file, in the file's order.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    v: u64,
    suite: String,
    public: String,
    kdf: KdfJson,
    aead: AeadJson,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KdfJson {
    name: String,
    m_kib: u32,
    t: u32,
    p: u32,
    salt: String,
    check: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct AeadJson {
    name: String,
    nonce: String,
    ciphertext: String,
}

/// The one member that is read before the form of the others is known.
#[derive(serde::Deserialize)]
struct VersionJson {
    v: u64,
}

/// Encrypts the key under a password, with a new salt and nonce from the operating system.
///
/// An empty password is as good as none: whoever asks for one must refuse it.
///
/// # Panics
/// When the operating system gives no randomness, and for a password of 4 GiB or more.
pub fn seal(key: &SigningKey, password: &[u8], cost: Cost) -> KeyFile {
    let mut file = KeyFile {
        public: key.public(),
        cost,
        salt: [0; SALT],
        check: [0; 32],
        nonce: [0; NONCE],
        ciphertext: [0; CIPHERTEXT],
    };
    OsRng.fill_bytes(&mut file.salt);
    OsRng.fill_bytes(&mut file.nonce);
    let derived = file.derive(password);
    file.check.copy_from_slice(&derived[32..]);
    let header = file.header();
    let payload = Payload { msg: key.secret().as_slice(), aad: header.as_bytes() };
    let ciphertext = cipher(&derived)
        .encrypt(XNonce::from_slice(&file.nonce), payload)
        .expect("32 bytes are within the cipher's limit");
    file.ciphertext = ciphertext.try_into().expect("32 bytes and a tag of 16");
    file
}

impl KeyFile {
    /// Decrypts the key; takes the time and memory that the file's [`Cost`] says.
    ///
    /// # Panics
    /// For a password of 4 GiB or more.
    pub fn open(&self, password: &[u8]) -> Result<SigningKey, OpenError> {
        let derived = self.derive(password);
        if derived[32..] != self.check {
            return Err(OpenError::WrongPassword);
        }
        let header = self.header();
        let payload = Payload { msg: &self.ciphertext, aad: header.as_bytes() };
        let secret = cipher(&derived)
            .decrypt(XNonce::from_slice(&self.nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Changed)?;
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&secret);
        // The tag covers the public key; this finds a file that was sealed wrongly.
        SigningKey::from_secret(self.public.suite(), &bytes)
            .filter(|key| key.public() == self.public)
            .ok_or(OpenError::Changed)
    }

    /// The public key the file claims to hold the secret of; proven only by [`KeyFile::open`].
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// The file's text: compact JSON and a line feed.
    pub fn to_json(&self) -> String {
        let mut text = self.text(&hex::encode(self.ciphertext));
        text.push('\n');
        text
    }

    /// Reads the text of a key file. Each value has one spelling and one text, so any changed byte
    /// either changes a value or is refused here.
    pub fn from_json(text: &str) -> Result<Self, ParseError> {
        let VersionJson { v } = serde_json::from_str(text).map_err(ParseError::Json)?;
        if v != VERSION {
            return Err(ParseError::Version(v));
        }
        let json: Json = serde_json::from_str(text).map_err(ParseError::Json)?;
        let public: PublicKey = json.public.parse().map_err(|_| ParseError::Value("public"))?;
        if json.suite != public.suite().name() {
            return Err(ParseError::Value("suite"));
        }
        if json.kdf.name != KDF {
            return Err(ParseError::Value("kdf.name"));
        }
        if json.aead.name != AEAD {
            return Err(ParseError::Value("aead.name"));
        }
        let KdfJson { m_kib, t, p, .. } = json.kdf;
        let file = Self {
            public,
            cost: Cost::new(m_kib, t, p).map_err(ParseError::Cost)?,
            salt: from_hex(&json.kdf.salt).ok_or(ParseError::Value("kdf.salt"))?,
            check: from_hex(&json.kdf.check).ok_or(ParseError::Value("kdf.check"))?,
            nonce: from_hex(&json.aead.nonce).ok_or(ParseError::Value("aead.nonce"))?,
            ciphertext: from_hex(&json.aead.ciphertext)
                .ok_or(ParseError::Value("aead.ciphertext"))?,
        };
        if file.to_json() != text {
            return Err(ParseError::Spelling);
        }
        Ok(file)
    }

    /// What the tag covers besides the secret: the file's text with an empty ciphertext.
    fn header(&self) -> String {
        self.text("")
    }

    fn text(&self, ciphertext: &str) -> String {
        let json = Json {
            v: VERSION,
            suite: self.public.suite().name().to_string(),
            public: self.public.to_string(),
            kdf: KdfJson {
                name: KDF.to_string(),
                m_kib: self.cost.m_kib(),
                t: self.cost.t(),
                p: self.cost.p(),
                salt: hex::encode(self.salt),
                check: hex::encode(self.check),
            },
            aead: AeadJson {
                name: AEAD.to_string(),
                nonce: hex::encode(self.nonce),
                ciphertext: ciphertext.to_string(),
            },
        };
        serde_json::to_string(&json).expect("strings and numbers always serialise")
    }

    /// 64 bytes from the password: the first half encrypts, the second is the file's check. The
    /// check tells a wrong password from a changed file and ties the file to one key, which the
    /// cipher's tag alone does not. It helps a guesser no more than the tag does.
    fn derive(&self, password: &[u8]) -> Zeroizing<[u8; 64]> {
        let mut derived = Zeroizing::new([0; 64]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.cost.params(derived.len()))
            .hash_password_into(password, &self.salt, derived.as_mut())
            .expect("a password below 4 GiB, with a salt and an output of fixed length");
        derived
    }
}

fn cipher(derived: &[u8; 64]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(&derived[..32]).expect("a key of 32 bytes")
}
