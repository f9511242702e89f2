//! Commands and their outcomes.

use hanse_ledger::{Outcome, Reply};
use hanse_types::{Command, Refusal, Status, decode, encode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Code, Problem};

/// How long to wait for an outcome.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubmitQuery {
    /// Milliseconds, at most 60000; 10000 when not given.
    pub(crate) timeout_ms: Option<u64>,
}

/// Reads an encoded command.
pub(crate) fn command(bytes: &[u8]) -> Result<Command, Problem> {
    decode(bytes).map_err(|e| Problem::new(Code::MalformedCommand, e.to_string()))
}

/// What came of one action.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outcome)]
pub(crate) struct OutcomeShown {
    /// Id of the command, in hex.
    pub(crate) command: String,
    /// Position among the items of a session batch; 0 for a signed command.
    pub(crate) item: u32,
    /// The block.
    pub(crate) height: u64,
    /// Position among all actions of the block.
    pub(crate) index: u32,
    /// The space; empty for the system space.
    pub(crate) space: String,
    /// The space's revision after the action.
    pub(crate) revision: u64,
    /// `done`, `unchanged` or `refused`.
    pub(crate) status: &'static str,
    /// Why it was refused, in one word; null when it was not.
    pub(crate) refusal: Option<&'static str>,
    /// What there is to say beside the receipt.
    pub(crate) reply: ReplyShown,
    /// Time of the block in milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// The same, RFC 3339.
    pub(crate) time: String,
    /// The receipt in its canonical encoding, in hex: what a proof is about.
    pub(crate) receipt: String,
}

/// What the action's answer carries, depending on the action.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Reply)]
pub(crate) struct ReplyShown {
    /// Keys removed, for deletes and transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    /// Whether a transaction's compares held.
    #[serde(skip_serializing_if = "Option::is_none")]
    succeeded: Option<bool>,
    /// The sequence number a release took or already had.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    /// Id of the motion a proposal opened, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    motion: Option<String>,
}

impl From<&Reply> for ReplyShown {
    fn from(reply: &Reply) -> Self {
        let none = Self::default();
        match reply {
            Reply::None => none,
            Reply::Deleted(n) => Self { deleted: Some(*n), ..none },
            Reply::Txn { succeeded, deleted } => {
                Self { succeeded: Some(*succeeded), deleted: Some(*deleted), ..none }
            }
            Reply::Sequence(seq) => Self { sequence: Some(*seq), ..none },
            Reply::Motion(id) => Self { motion: Some(id.to_string()), ..none },
        }
    }
}

impl From<Outcome> for OutcomeShown {
    fn from(outcome: Outcome) -> Self {
        let receipt = outcome.receipt;
        let (status, refusal) = words(receipt.status);
        Self {
            command: receipt.command.to_string(),
            item: receipt.item,
            height: receipt.height,
            index: receipt.index,
            revision: receipt.revision,
            status,
            refusal,
            reply: ReplyShown::from(&outcome.reply),
            time_ms: outcome.time_ms,
            time: super::time(outcome.time_ms),
            receipt: hex::encode(encode(&receipt)),
            space: receipt.space,
        }
    }
}

/// A status in words: what it is, and why it is a refusal.
pub(super) fn words(status: Status) -> (&'static str, Option<&'static str>) {
    match status {
        Status::Done => ("done", None),
        Status::Unchanged => ("unchanged", None),
        Status::Refused(refusal) => ("refused", Some(word(refusal))),
    }
}

/// A refusal in one word.
pub(super) fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Replayed => "replayed",
        Refusal::Expired => "expired",
        Refusal::UnknownSigner => "unknown_signer",
        Refusal::NotAuthorised => "not_authorised",
        Refusal::Malformed => "malformed",
        Refusal::NotFound => "not_found",
        Refusal::Exists => "exists",
        Refusal::Conflict => "conflict",
        Refusal::Rollback => "rollback",
        Refusal::Revoked => "revoked",
        Refusal::Quota => "quota",
        Refusal::Evidence => "evidence",
        Refusal::Work => "work",
        Refusal::WeakKey => "weak_key",
        Refusal::Committee => "committee",
        Refusal::Closed => "closed",
        Refusal::Voted => "voted",
        Refusal::Possession => "possession",
    }
}
