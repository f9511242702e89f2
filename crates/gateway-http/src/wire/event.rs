//! Events of the stream: one per change, and one per block after its changes.

use std::{fmt, str::FromStr};

use hanse_ledger::{Applied, Change, Committed};
use hanse_types::{Actor, EventKind, Height};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Base64, Subject};

/// Where a stream starts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// First height; without it the stream starts with the next block. A `Last-Event-ID` header counts before it.
    pub(crate) from: Option<u64>,
}

/// `height:index` of an event: its position in its block, changes first, the block itself last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) height: Height,
    pub(crate) index: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.height, self.index)
    }
}

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected height:index";
        let (height, index) = text.split_once(':').ok_or(FORM)?;
        let (height, index) = (height.parse(), index.parse());
        Ok(Self { height: height.map_err(|_| FORM)?, index: index.map_err(|_| FORM)? })
    }
}

/// Who asked for a change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub(crate) struct ActorShown {
    /// Empty when none could be told.
    organisation: String,
    /// `signed` or `session`.
    evidence: &'static str,
    /// Id of the account's key (signed) or of the gateway's (session), in hex.
    key: String,
    /// What the gateway claims about its client; empty for signed commands.
    identity: String,
}

impl From<&Actor> for ActorShown {
    fn from(actor: &Actor) -> Self {
        Self {
            organisation: actor.organisation.clone(),
            evidence: super::party::evidence(actor.evidence),
            key: actor.key.to_string(),
            identity: actor.identity.clone(),
        }
    }
}

/// Data of an event; which one it is says the stream's `event:` line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
#[serde(untagged)]
pub(crate) enum EventShown {
    /// `event: change`
    Change(Box<ChangeEvent>),
    /// `event: block`
    Block(BlockEvent),
    /// `event: lagged`
    Lagged(LaggedEvent),
}

impl EventShown {
    /// The `event:` line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Change(_) => "change",
            Self::Block(_) => "block",
            Self::Lagged(_) => "lagged",
        }
    }
}

/// Data of an `event: change`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeEvent {
    height: u64,
    /// Block time in milliseconds since 1970.
    time_ms: u64,
    /// Position of the action in its block.
    index: u32,
    /// Position of this change in its action.
    event: u32,
    /// Path of the change's proof on this member.
    proof: String,
    /// Id of the command, in hex.
    command: String,
    item: u32,
    /// Empty for the system space.
    space: String,
    /// The space's revision made by the action.
    revision: u64,
    kind: ChangeKind,
    /// What changed.
    subject: Subject,
    /// State key in hex: what a lookup proof is asked for.
    key: String,
    /// The new value of a space's key; null for deletes and for records, which have paths of their own.
    value: Option<Base64>,
    /// Revision of the change before; 0 when the key was absent.
    prev_mod_revision: u64,
    actor: ActorShown,
}

/// What happened to a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    Put,
    Delete,
}

/// Data of an `event: block`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockEvent {
    height: u64,
    /// In hex.
    digest: String,
    /// Milliseconds since 1970.
    time_ms: u64,
    /// The same, RFC 3339.
    time: String,
    /// Actions in it.
    actions: u64,
    /// Changes in it, each sent before as an event of its own.
    changes: u64,
    /// The height whose state root it carries.
    settled_height: u64,
}

/// Data of an `event: lagged`, the last of its stream: the stream asked for, or fell behind to, what is no longer kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaggedEvent {
    /// The oldest height a stream can start from. What lies between must be read in another way.
    pub(crate) oldest: u64,
}

impl ChangeEvent {
    /// The change at position `event` of `applied`.
    pub(crate) fn of(committed: &Committed, applied: &Applied, event: u32) -> Option<EventShown> {
        let change: &Change = applied.changes.get(event as usize)?;
        let (receipt, header) = (&applied.receipt, &committed.block.header);
        let subject = Subject::of(&change.key);
        let value = match (&subject, &change.entry) {
            (Subject::Kv { .. }, Some(entry)) => Some(Base64(entry.value.to_vec())),
            _ => None,
        };
        Some(EventShown::Change(Box::new(Self {
            height: receipt.height,
            time_ms: header.timestamp_ms,
            index: receipt.index,
            event,
            proof: format!("/v1/proofs/event/{}/{}/{event}", receipt.height, receipt.index),
            command: receipt.command.to_string(),
            item: receipt.item,
            space: receipt.space.clone(),
            revision: change.event.revision,
            kind: match change.event.kind {
                EventKind::Put => ChangeKind::Put,
                EventKind::Delete => ChangeKind::Delete,
            },
            subject,
            key: hex::encode(&*change.key),
            value,
            prev_mod_revision: change.event.prev_mod_revision,
            actor: ActorShown::from(&*applied.actor),
        })))
    }
}

impl From<&Committed> for BlockEvent {
    fn from(committed: &Committed) -> Self {
        let header = &committed.block.header;
        let changes = committed.applied.iter().map(|a| a.changes.len() as u64);
        Self {
            height: header.height,
            digest: committed.digest.to_string(),
            time_ms: header.timestamp_ms,
            time: super::time(header.timestamp_ms),
            actions: committed.applied.len() as u64,
            changes: changes.sum(),
            settled_height: header.settled_height,
        }
    }
}
