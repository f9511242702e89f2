//! What came of a command, and what changed.

use alloc::string::String;
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, hash};

use crate::{Height, Revision, encode};

/// How we know who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Evidence {
    /// The word of the organisation's gateway.
    Session,
    /// The author's own signature, checked by every member.
    Signed,
}

/// Who asked (DESIGN D5).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Actor {
    /// The answering organisation; empty when none could be told.
    pub organisation: String,
    /// Session or signed.
    pub evidence: Evidence,
    /// Id of the account's key (signed) or of the gateway's key (session).
    pub key: Digest,
    /// What the gateway claims about its client; empty for signed commands.
    pub identity: String,
}

impl Actor {
    /// What events and receipts commit to.
    pub fn digest(&self) -> Digest {
        hash("hanse/actor", &[&encode(self)])
    }
}

/// Why a command changed nothing. Numbers are public and persisted (`docs/errors/`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Refusal {
    /// The same command, or its replay key, was seen before.
    Replayed = 1,
    /// Block time is past `valid_until_ms`, or that is too far ahead.
    Expired = 2,
    /// The signer is not a registered, active account or gateway.
    UnknownSigner = 3,
    /// The signer may not do this.
    NotAuthorised = 4,
    /// A field is malformed or over a limit.
    Malformed = 5,
    /// The named thing does not exist.
    NotFound = 6,
    /// The name is taken.
    Exists = 7,
    /// Another version or sequence number was expected.
    Conflict = 8,
    /// The content was released before under this tag and `rollback` is not set.
    Rollback = 9,
    /// The content is revoked in this repository.
    Revoked = 10,
    /// A quota of the organisation or space is used up.
    Quota = 11,
    /// The evidence is weaker than the space's policy asks.
    Evidence = 12,
    /// The work price is over the block's limit.
    Work = 13,
    /// The key to be registered is of small order, of another encoding than the one canonical, or no point at all.
    WeakKey = 14,
    /// The committee would get too small, too large, or bear fewer faulty members than it may.
    Committee = 15,
    /// The motion passed, failed or was withdrawn: nothing can be done about it any more.
    Closed = 16,
    /// The organisation has voted for this motion.
    Voted = 17,
    /// The signature does not show that the key's holder agrees.
    Possession = 18,
}

/// Outcome in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Status {
    /// Done; `revision` is new.
    Done,
    /// Valid, but nothing changed (deleting an absent key, a transaction without effect).
    Unchanged,
    /// Refused.
    Refused(Refusal),
}

/// What the ledger vouches for about one action. Leaf of the next header's `receipt_root`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// [`crate::Command::id`] of the command that carried the action.
    pub command: Digest,
    /// Position among the items of a session batch; 0 for a signed command.
    pub item: u32,
    /// The block.
    pub height: Height,
    /// Position among all actions of the block.
    pub index: u32,
    /// The space.
    pub space: String,
    /// The space's revision after the action.
    pub revision: Revision,
    /// Outcome.
    pub status: Status,
    /// RFC 6962 root over the digests of this action's events.
    pub effects: Digest,
    /// [`Actor::digest`].
    pub actor: Digest,
}

impl Receipt {
    /// The leaf.
    pub fn digest(&self) -> Digest {
        hash("hanse/receipt", &[&encode(self)])
    }
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum EventKind {
    /// It has a new value.
    Put,
    /// It is gone.
    Delete,
}

/// One change of one key: leaf of the next header's `event_root`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Event {
    /// The space.
    pub space: String,
    /// The space's revision made by the action.
    pub revision: Revision,
    /// Put or delete.
    pub kind: EventKind,
    /// `hash("hanse/key", state key)`.
    pub key_hash: Digest,
    /// `hash("hanse/value", value)`; zero for a delete.
    pub value_hash: Digest,
    /// [`Actor::digest`].
    pub actor: Digest,
    /// Revision of the change before; 0 when the key was absent. So "the value at revision N" stays provable.
    pub prev_mod_revision: Revision,
    /// Position of the action in its block.
    pub index: u32,
}

impl Event {
    /// The leaf.
    pub fn digest(&self) -> Digest {
        hash("hanse/event", &[&encode(self)])
    }
}
