//! Blocks.

use hanse_ledger::{Applied, Committed};
use hanse_types::{Command, CommandKind, Committee, Segment};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ActorShown, command::words};

/// A committed block: what its header binds, its commands, and what came of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Block)]
pub(crate) struct BlockShown {
    height: u64,
    /// What certificates sign, in hex. All digests here are in hex.
    digest: String,
    parent: String,
    chain_id: String,
    /// Protocol version it was built under.
    protocol: u16,
    epoch: u64,
    /// Organisation that proposed it; empty for the genesis block.
    leader: String,
    /// Milliseconds since 1970.
    time_ms: u64,
    /// The same, RFC 3339.
    time: String,
    body_root: String,
    /// Over the receipts of the block before.
    receipt_root: String,
    /// Over the events of the block before.
    event_root: String,
    /// The height whose state root this header carries.
    settled_height: u64,
    state_root: String,
    /// Over the digests of all earlier headers.
    history_root: String,
    /// Digest of this epoch's committee.
    committee: String,
    /// Digest of the next epoch's.
    next_committee: String,
    /// True when this member holds a certificate of this very block; else a later one covers it.
    certified: bool,
    /// In execution order.
    commands: Vec<BlockCommand>,
    /// In execution order, one per signed command and one per item of a session batch.
    actions: Vec<ActionDone>,
}

/// A command in a block.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockCommand {
    /// Id.
    command: String,
    /// `signed`, `session` or `unknown`.
    kind: &'static str,
    /// Empty for the system space.
    space: String,
    /// Bytes it takes of the block's budget.
    bytes: u64,
}

/// What came of one action.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionDone {
    command: String,
    item: u32,
    index: u32,
    space: String,
    revision: u64,
    /// `done`, `unchanged` or `refused`.
    status: &'static str,
    /// Why it was refused; null when it was not.
    refusal: Option<&'static str>,
    /// Keys changed.
    changes: u64,
    actor: ActorShown,
}

impl BlockShown {
    /// `committee` is the one of the block's epoch.
    pub(crate) fn new(committed: &Committed, committee: &Committee) -> Self {
        let header = &committed.block.header;
        let mut seats = committee.members.iter();
        let leader = seats.find(|m| m.consensus == header.place.leader);
        Self {
            height: header.height,
            digest: committed.digest.to_string(),
            parent: header.parent.to_string(),
            chain_id: header.chain_id.to_string(),
            protocol: header.protocol,
            epoch: header.place.epoch,
            leader: leader.map(|m| m.organisation.clone()).unwrap_or_default(),
            time_ms: header.timestamp_ms,
            time: super::time(header.timestamp_ms),
            body_root: header.body_root.to_string(),
            receipt_root: header.receipt_root.to_string(),
            event_root: header.event_root.to_string(),
            settled_height: header.settled_height,
            state_root: header.state_root.to_string(),
            history_root: header.history_root.to_string(),
            committee: header.committee.to_string(),
            next_committee: header.next_committee.to_string(),
            certified: committed.finalization.is_some(),
            commands: committed.block.body.segments.iter().flat_map(commands).collect(),
            actions: committed.applied.iter().map(ActionDone::from).collect(),
        }
    }
}

fn commands(segment: &Segment) -> impl Iterator<Item = BlockCommand> {
    segment.commands.iter().map(|command| BlockCommand {
        command: command.id().to_string(),
        kind: kind(command),
        space: segment.space.clone(),
        bytes: command.size() as u64,
    })
}

fn kind(command: &Command) -> &'static str {
    const SIGNED: u16 = CommandKind::Signed as u16;
    const SESSION: u16 = CommandKind::Session as u16;
    match command.kind {
        SIGNED => "signed",
        SESSION => "session",
        _ => "unknown",
    }
}

impl From<&Applied> for ActionDone {
    fn from(applied: &Applied) -> Self {
        let receipt = &applied.receipt;
        let (status, refusal) = words(receipt.status);
        Self {
            command: receipt.command.to_string(),
            item: receipt.item,
            index: receipt.index,
            space: receipt.space.clone(),
            revision: receipt.revision,
            status,
            refusal,
            changes: applied.changes.len() as u64,
            actor: ActorShown::from(&*applied.actor),
        }
    }
}
