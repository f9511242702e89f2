//! Commands: what a user submits, and what makes it theirs.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, PublicKey, Signature, hash};

use crate::{Action, TimeMs, encode};

/// Domain of a signed command's signature; the message is the Borsh encoding of its payload.
pub const COMMAND_DOMAIN: &str = "hanse/command/v1";
/// Domain of a session batch's signature; the message is the 32-byte payload digest.
pub const SESSION_DOMAIN: &str = "hanse/session/v1";

/// How the bytes of a command are to be read (DESIGN D14). Persisted; never reuse a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum CommandKind {
    /// [`SignedCommand`]: one action under its author's own signature.
    Signed = 1,
    /// [`SessionBatch`]: actions a gateway answers for.
    Session = 2,
}

/// What a block carries: a kind and the bytes its author signed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Command {
    /// A [`CommandKind`] number; unknown ones are refused, so new kinds need a protocol version.
    pub kind: u16,
    /// Exactly one encoded value of that kind.
    pub bytes: Vec<u8>,
}

impl Command {
    /// Wraps an author-signed action.
    pub fn signed(command: &SignedCommand) -> Self {
        Self { kind: CommandKind::Signed as u16, bytes: encode(command) }
    }

    /// Wraps a gateway's batch.
    pub fn session(batch: &SessionBatch) -> Self {
        Self { kind: CommandKind::Session as u16, bytes: encode(batch) }
    }

    /// Names the command in receipts, and is the leaf of the block's command tree.
    pub fn id(&self) -> Digest {
        hash("hanse/command", &[&self.kind.to_le_bytes(), &self.bytes])
    }

    /// Bytes this command takes of a block's budget.
    pub fn size(&self) -> usize {
        self.bytes.len() + 6
    }
}

/// What the author of a signed command signs.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedPayload {
    /// The chain it is meant for.
    pub chain_id: Digest,
    /// The author's key; the account is its id.
    pub key: PublicKey,
    /// Any 16 bytes the author has not used within the validity window: with the key, the replay key.
    pub nonce: [u8; 16],
    /// Block time after which it is refused; at most [`crate::limits::COMMAND_VALID_MS_MAX`] ahead.
    pub valid_until_ms: TimeMs,
    /// What is asked.
    pub action: Action,
}

/// A payload and its author's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedCommand {
    /// What was signed.
    pub payload: SignedPayload,
    /// By `payload.key`, domain [`COMMAND_DOMAIN`], over the encoded payload.
    pub signature: Signature,
}

/// One client's action as its gateway passes it on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionItem {
    /// Who the gateway says it was. Evidence is the gateway's word alone.
    pub identity: String,
    /// What is asked; its space is the batch's.
    pub action: Action,
}

/// What a gateway signs once for many actions.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionPayload {
    /// The chain it is meant for.
    pub chain_id: Digest,
    /// The gateway's registered key.
    pub gateway: PublicKey,
    /// Unique per gateway inside a window of [`crate::limits::SESSION_WINDOW`]: the replay key.
    pub sequence: u64,
    /// The one space all items are in.
    pub space: String,
    /// In the order in which they are to run.
    pub items: Vec<SessionItem>,
}

impl SessionPayload {
    /// What the gateway signs.
    pub fn digest(&self) -> Digest {
        hash("hanse/session-payload", &[&encode(self)])
    }
}

/// A payload and its gateway's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionBatch {
    /// What was signed.
    pub payload: SessionPayload,
    /// By `payload.gateway`, domain [`SESSION_DOMAIN`], over [`SessionPayload::digest`].
    pub signature: Signature,
}
