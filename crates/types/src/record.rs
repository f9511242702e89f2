//! What the state holds: every key ever written, and the leaf the authenticated map commits to.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, PublicKey, hash};

use crate::{Grant, Height, Revision, encode};

/// What an account may do. Order is rank for display only; rights are listed in `execution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Role {
    /// Everything, and saying who may.
    Admin,
    /// Record releases.
    Release,
    /// Record releases from a build machine.
    Ci,
    /// Yank and revoke.
    Security,
}

/// Standing of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum AccountState {
    /// May sign.
    Active,
    /// Signed in good standing until this height.
    Retired(Height),
    /// Everything at or after this height is bad.
    Compromised(Height),
}

/// A registered key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// The key; its id is the account.
    pub key: PublicKey,
    /// Whose.
    pub organisation: String,
    /// Sorted, none twice.
    pub roles: Vec<Role>,
    /// Since when.
    pub height: Height,
    /// Standing.
    pub state: AccountState,
}

/// A key that signs session batches.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Gateway {
    /// The key.
    pub key: PublicKey,
    /// Whose.
    pub organisation: String,
    /// False after revocation.
    pub active: bool,
}

/// A party.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Organisation {
    /// Unique.
    pub name: String,
    /// Spaces it owns.
    pub spaces: u32,
}

/// A unit of tenancy.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Space {
    /// Unique.
    pub name: String,
    /// Owner; its gateways and accounts may write.
    pub organisation: String,
    /// Others who may.
    pub grants: Vec<Grant>,
}

/// Every kind of key in the state. First byte is the kind; numbers are persisted, never reuse one.
///
/// Strings inside a key are followed by a zero byte, which no name contains, so that prefixes do not run into each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateKey<'a> {
    /// 0: the first record of the map, always there; its `next` starts the order.
    First,
    /// 1: a key of a space.
    Kv {
        /// The space.
        space: &'a str,
        /// The client's key.
        key: &'a [u8],
    },
    /// 2: [`Organisation`].
    Organisation(&'a str),
    /// 3: [`Account`].
    Account(Digest),
    /// 4: [`Gateway`], by key id.
    Gateway(Digest),
    /// 5: [`Space`].
    Space(&'a str),
    /// 6: [`crate::Namespace`].
    Namespace(&'a str),
    /// 7: [`crate::Tag`].
    Tag {
        /// `registry/path`.
        repo: &'a str,
        /// Tag.
        tag: &'a str,
    },
    /// 8: [`crate::Release`].
    Release {
        /// `registry/path`.
        repo: &'a str,
        /// Tag.
        tag: &'a str,
        /// Sequence number, big-endian in the key so that order is age.
        seq: u64,
    },
    /// 9: which releases mention a digest; the value is empty.
    DigestUse {
        /// `registry/path`.
        repo: &'a str,
        /// Digest of a root or platform manifest.
        digest: &'a str,
        /// Tag.
        tag: &'a str,
        /// Sequence number.
        seq: u64,
    },
    /// 10: [`crate::ReleaseState`] of a digest in a repository, once yanked or revoked.
    DigestState {
        /// `registry/path`.
        repo: &'a str,
        /// Digest of a root or platform manifest.
        digest: &'a str,
    },
    /// 11: [`crate::Seats`], once.
    Seats,
    /// 12: [`crate::ConsensusKeyUse`] of a consensus key; never removed.
    ConsensusKey([u8; 32]),
    /// 13: [`crate::Motion`], by id.
    Motion(Digest),
    /// 14: [`crate::OpenMotions`] of an organisation.
    OpenMotions(&'a str),
    /// 15: [`crate::Aside`], once; from the first block that settles on.
    Aside,
}

impl StateKey<'_> {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        match self {
            Self::First => {}
            Self::Kv { space, key } => {
                put(&mut out, 1, &[space]);
                out.extend_from_slice(key);
            }
            Self::Organisation(name) => put(&mut out, 2, &[name]),
            Self::Account(id) => fixed(&mut out, 3, id),
            Self::Gateway(id) => fixed(&mut out, 4, id),
            Self::Space(name) => put(&mut out, 5, &[name]),
            Self::Namespace(prefix) => put(&mut out, 6, &[prefix]),
            Self::Tag { repo, tag } => put(&mut out, 7, &[repo, tag]),
            Self::Release { repo, tag, seq } => {
                put(&mut out, 8, &[repo, tag]);
                out.extend_from_slice(&seq.to_be_bytes());
            }
            Self::DigestUse { repo, digest, tag, seq } => {
                put(&mut out, 9, &[repo, digest, tag]);
                out.extend_from_slice(&seq.to_be_bytes());
            }
            Self::DigestState { repo, digest } => put(&mut out, 10, &[repo, digest]),
            Self::Seats => put(&mut out, 11, &[]),
            Self::ConsensusKey(key) => fixed(&mut out, 12, &Digest(*key)),
            Self::Motion(id) => fixed(&mut out, 13, id),
            Self::OpenMotions(name) => put(&mut out, 14, &[name]),
            Self::Aside => put(&mut out, 15, &[]),
        }
        out
    }

    /// Smallest key of the given kind that has these leading strings: for scans.
    pub fn prefix(kind: u8, strings: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, kind, strings);
        out
    }
}

fn put(out: &mut Vec<u8>, kind: u8, strings: &[&str]) {
    out.push(kind);
    for string in strings {
        out.extend_from_slice(string.as_bytes());
        out.push(0);
    }
}

fn fixed(out: &mut Vec<u8>, kind: u8, id: &Digest) {
    out.push(kind);
    out.extend_from_slice(&id.0);
}

/// The leaf of one key: the authenticated map holds `hash("hanse/key", key) → Record::digest`.
///
/// `next` chains the keys in byte order, so presence proofs of neighbours also prove absence and completeness of a range (DESIGN D15).
///
/// `K` is where the keys stand: a `Vec` of its own, or a slice of the map that holds them ([`RecordRef`]).
/// Encoding and digest are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record<K = Vec<u8>> {
    /// [`StateKey::encode`].
    pub key: K,
    /// The next greater key present; empty after the last.
    pub next: K,
    /// Revision of creation in the key's space.
    pub create_revision: Revision,
    /// Revision of the last change in the key's space.
    pub mod_revision: Revision,
    /// Puts since creation.
    pub version: u64,
    /// Lease the key hangs on; 0 for none (used from the etcd door on).
    pub lease: u64,
    /// Id of the key that sealed the value; 0 for open (DESIGN D16).
    pub seal: u32,
    /// Block of the last change.
    pub height: Height,
    /// Position of the action in that block.
    pub index: u32,
    /// `hash("hanse/value", value)`.
    pub value_hash: Digest,
}

/// A [`Record`] whose keys stand elsewhere.
pub type RecordRef<'a> = Record<&'a [u8]>;

impl<K: BorshSerialize> Record<K> {
    /// What the map holds for the key.
    pub fn digest(&self) -> Digest {
        hash("hanse/record", &[&encode(self)])
    }
}

impl RecordRef<'_> {
    /// The same, owned.
    pub fn to_record(&self) -> Record {
        Record {
            key: self.key.to_vec(),
            next: self.next.to_vec(),
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            lease: self.lease,
            seal: self.seal,
            height: self.height,
            index: self.index,
            value_hash: self.value_hash,
        }
    }
}

impl Record {
    /// Where the map holds it.
    pub fn slot(key: &[u8]) -> Digest {
        hash("hanse/key", &[key])
    }

    /// What `value_hash` must be for `value`.
    pub fn value_hash(value: &[u8]) -> Digest {
        hash("hanse/value", &[value])
    }
}
