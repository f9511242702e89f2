//! What a command asks for.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, PublicKey};

use crate::{Evidence, ImageContent, Namespace, Revision, Role};

/// One change somebody asks for. Tags are persisted; never reuse one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Action {
    /// Changes keys of one space.
    Kv(KvAction),
    /// Creates and configures spaces.
    Space(SpaceAction),
    /// Records images and says who may.
    Image(ImageAction),
    /// Accounts and gateways of an organisation.
    Organisation(OrganisationAction),
    /// Who holds a seat.
    Membership(crate::MembershipAction),
}

impl Action {
    /// The space whose segment carries this action; empty for the system space.
    pub fn space(&self) -> &str {
        match self {
            Self::Kv(kv) => kv.space(),
            Self::Space(_) | Self::Image(_) | Self::Organisation(_) | Self::Membership(_) => "",
        }
    }
}

/// Changes to keys, in etcd's words.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum KvAction {
    /// Sets one key.
    Put {
        /// The space.
        space: String,
        /// 1 to [`crate::limits::KEY_BYTES_MAX`] bytes.
        key: Vec<u8>,
        /// Up to [`crate::limits::VALUE_BYTES_MAX`] bytes.
        value: Vec<u8>,
    },
    /// Removes one key, or the half-open range `[key, range_end)`; a `range_end` of one zero byte means "to the end" (etcd).
    Delete {
        /// The space.
        space: String,
        /// First key.
        key: Vec<u8>,
        /// Empty for a single key.
        range_end: Vec<u8>,
    },
    /// Compare-and-swap: all `compares` hold → `success`, else `failure`. One revision in all.
    Txn {
        /// The space.
        space: String,
        /// All must hold.
        compares: Vec<Compare>,
        /// Done when they do.
        success: Vec<KvOp>,
        /// Done when one does not.
        failure: Vec<KvOp>,
    },
}

impl KvAction {
    /// The one space this action touches.
    pub fn space(&self) -> &str {
        match self {
            Self::Put { space, .. } | Self::Delete { space, .. } | Self::Txn { space, .. } => space,
        }
    }
}

/// A change inside a transaction.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum KvOp {
    /// As [`KvAction::Put`].
    Put {
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
    },
    /// As [`KvAction::Delete`].
    Delete {
        /// First key.
        key: Vec<u8>,
        /// Empty for a single key.
        range_end: Vec<u8>,
    },
}

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Compare {
    /// The key; an absent key has version, create and mod revision 0 (etcd).
    pub key: Vec<u8>,
    /// How the stored side relates to `target`'s.
    pub op: CompareOp,
    /// What is compared with what.
    pub target: CompareTarget,
}

/// Relation `stored op given`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum CompareOp {
    /// Equal.
    Equal,
    /// Stored is greater.
    Greater,
    /// Stored is less.
    Less,
    /// Not equal.
    NotEqual,
}

/// The given side of a compare.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum CompareTarget {
    /// Number of puts since the key was created.
    Version(u64),
    /// Revision of creation.
    Create(Revision),
    /// Revision of the last change.
    Mod(Revision),
    /// The bytes themselves; an absent key never compares equal to a value (etcd).
    Value(Vec<u8>),
}

/// Spaces.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SpaceAction {
    /// Creates a space owned by the sender's organisation.
    Create {
        /// Unused name.
        name: String,
    },
    /// Replaces the list of other organisations that may write.
    SetGrants {
        /// The space.
        name: String,
        /// Sorted by organisation.
        grants: Vec<Grant>,
    },
}

/// Another organisation's right to write a space.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Grant {
    /// Who.
    pub organisation: String,
    /// The least evidence asked of them. `Session` means: all of that organisation is trusted.
    pub least: Evidence,
}

/// Images.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ImageAction {
    /// Takes a free namespace for the sender's organisation.
    Claim {
        /// `host/path`, without a trailing slash.
        prefix: String,
    },
    /// Replaces who may do what in a namespace.
    SetMembers {
        /// The namespace.
        prefix: String,
        /// New list, sorted by account; the owner's admins always may.
        members: Vec<crate::NamespaceMember>,
        /// [`Namespace::version`] the sender saw; another one is refused.
        version: u64,
    },
    /// Appends a release to a tag's sequence.
    Record {
        /// `registry/path`.
        repo: String,
        /// Tag.
        tag: String,
        /// What the tag means from now on.
        content: ImageContent,
        /// Sequence number this release takes: one more than the newest, 1 for a new tag.
        seq: u64,
        /// Set when the content was released under this tag before: going back must be said.
        rollback: bool,
        /// Free text; required with `rollback`.
        reason: String,
    },
    /// "Do not start new ones": marks releases of `digest` in `repo`.
    Yank {
        /// `registry/path`.
        repo: String,
        /// Digest of an index or manifest.
        digest: String,
        /// Free text, required.
        reason: String,
    },
    /// "Stop running it": marks releases of `digest` in `repo`; cannot be taken back.
    Revoke {
        /// `registry/path`.
        repo: String,
        /// Digest of an index or manifest.
        digest: String,
        /// Free text, required.
        reason: String,
    },
}

impl ImageAction {
    /// The repository or namespace prefix the action is about.
    pub fn subject(&self) -> &str {
        match self {
            Self::Claim { prefix } | Self::SetMembers { prefix, .. } => prefix,
            Self::Record { repo, .. } | Self::Yank { repo, .. } | Self::Revoke { repo, .. } => repo,
        }
    }
}

/// An organisation's own people and machines.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum OrganisationAction {
    /// Registers an account of the sender's organisation.
    AddAccount {
        /// Its key; `proof` shows that its holder agrees.
        key: PublicKey,
        /// What it may do, sorted, none twice.
        roles: Vec<Role>,
        /// Signature by `key` over the organisation's name, domain `hanse/possession/v1`.
        proof: hanse_crypto::Signature,
    },
    /// Ends an account in good standing: what it signed stays good.
    RetireAccount {
        /// The account.
        account: Digest,
    },
    /// Declares a key stolen: everything it signed at or after `from_height` is bad.
    CompromiseAccount {
        /// The account.
        account: Digest,
        /// First bad height; may be in the past.
        from_height: u64,
    },
    /// Registers a gateway key of the sender's organisation.
    AddGateway {
        /// Its key; never a consensus key.
        key: PublicKey,
    },
    /// Ends a gateway key.
    RevokeGateway {
        /// Its key.
        key: PublicKey,
    },
}

// `Namespace` is named in documentation links above.
const _: fn(&Namespace) -> u64 = |n| n.version;
