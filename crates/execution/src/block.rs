//! One block: every action in order, each to a receipt.

use std::sync::Arc;

use hanse_crypto::merkle;
use hanse_types::{
    Action, Actor, ChainParams, Digest, Event, EventKind, Height, Receipt, Refusal, Revision,
    Status, TimeMs,
};

use crate::{
    Authored, Decoded, Dirty, Entry, Key, World, access::Sender, image, kv, membership,
    organisation, space, world::At,
};

/// What an action may know about its block.
#[derive(Clone, Copy, Debug)]
pub struct BlockContext<'a> {
    /// Height; genesis is not executed, so at least 1.
    pub height: Height,
    /// The block's own time.
    pub time_ms: TimeMs,
    /// The chain.
    pub chain_id: Digest,
    /// Digest of the parent's header.
    pub parent: Digest,
    /// The header's `settles`: the state after this block is the next boundary.
    pub settles: bool,
    /// Agreed settings.
    pub params: &'a ChainParams,
}

impl BlockContext<'_> {
    /// Whether the parent is the last block of another epoch, or genesis, on which the first epoch begins as well.
    fn begins_epoch(&self) -> bool {
        let epoch = |height| self.params.epoch_of(height);
        self.height <= 1 || epoch(self.height) != epoch(self.height - 1)
    }
}

/// One change of one key, for those who watch.
#[derive(Clone, Debug)]
pub struct Change {
    /// State key.
    pub key: Key,
    /// What stands there now; `None` when it is gone.
    pub entry: Option<Arc<Entry>>,
    /// What stood there before.
    pub before: Option<Arc<Entry>>,
    /// The provable event.
    pub event: Event,
}

/// What the doors answer with, beside the receipt. Not committed to by any root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// Nothing to say.
    #[default]
    None,
    /// Keys removed.
    Deleted(u64),
    /// Whether the compares held, and keys removed.
    Txn {
        /// The branch taken.
        succeeded: bool,
        /// Keys removed by it.
        deleted: u64,
    },
    /// The sequence number a release took or already has.
    Sequence(u64),
    /// The motion a proposal opened: its id is the command's.
    Motion(Digest),
}

/// One executed action.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What the ledger vouches for.
    pub receipt: Receipt,
    /// Who asked.
    pub actor: Arc<Actor>,
    /// What changed.
    pub changes: Vec<Change>,
    /// What the door may answer.
    pub reply: Reply,
}

/// A block's outcome.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The state after the block.
    pub world: World,
    /// Actions in order; shared, so that those who keep the outcome need not keep the world.
    pub applied: Arc<Vec<Applied>>,
    /// Leaves of the authenticated map this block changed.
    pub dirty: Dirty,
    /// Root over receipts, for the next header.
    pub receipt_root: Digest,
    /// Root over events, for the next header.
    pub event_root: Digest,
}

/// A planned change: rights and conditions are decided before anything is touched, so a refusal leaves no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Put(Key, Arc<[u8]>),
    Delete(Key),
}

/// What an action decided to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) ops: Vec<Op>,
    pub(crate) reply: Reply,
}

/// Executes checked commands on `parent`. Same inputs, same outcome, on every member, for ever.
pub fn execute(parent: &World, context: &BlockContext<'_>, commands: &[Arc<Decoded>]) -> Executed {
    let mut run = Run {
        world: parent.clone(),
        context: *context,
        dirty: Dirty::default(),
        applied: Vec::new(),
    };
    run.world.forget_expired(context.time_ms);
    run.world.remember_header(context.height.saturating_sub(1), context.parent);
    if context.begins_epoch() {
        run.world.begin_on(context.parent);
    }
    for command in commands {
        run.command(command);
    }
    let Run { mut world, mut dirty, applied, .. } = run;
    if context.settles {
        world.bind_aside(context.height, &mut dirty);
    }
    let receipts: Vec<Digest> = applied.iter().map(|a| a.receipt.digest()).collect();
    let events: Vec<Digest> =
        applied.iter().flat_map(|a| a.changes.iter().map(|c| c.event.digest())).collect();
    let (receipt_root, event_root) = (merkle::root(&receipts), merkle::root(&events));
    Executed { world, applied: Arc::new(applied), dirty, receipt_root, event_root }
}

struct Run<'a> {
    world: World,
    context: BlockContext<'a>,
    dirty: Dirty,
    applied: Vec<Applied>,
}

impl Run<'_> {
    fn command(&mut self, command: &Decoded) {
        match &command.authored {
            Authored::Signed(signed) => {
                let until = signed.payload.valid_until_ms;
                self.world.see(self.context.time_ms, Authored::replay_key(signed), until);
            }
            Authored::Session(batch) => {
                self.world.see_sequence(batch.payload.gateway.id(), batch.payload.sequence);
            }
        }
        let sender = Sender::find(&self.world, command);
        let writable = sender
            .as_ref()
            .map_err(|r| *r)
            .and_then(|sender| space::writable(&self.world, &command.space, sender));
        let mut last: Option<(Arc<Actor>, Digest)> = None;
        for (item, (identity, action)) in command.authored.actions().enumerate() {
            let found = sender.as_ref().map_err(|r| *r);
            // Within a batch only the identity differs, and often not even that.
            let actor = match last.take() {
                Some(known) if known.0.identity == identity => known,
                _ => {
                    let actor = Sender::actor(found, command, identity);
                    let digest = actor.digest();
                    (Arc::new(actor), digest)
                }
            };
            last = Some(actor.clone());
            let plan = match (found, &writable) {
                (Ok(sender), Ok(())) => self.plan(command.id, sender, action),
                (Err(refusal), _) => Err(refusal),
                (_, Err(refusal)) => Err(*refusal),
            };
            self.apply(command, item as u32, actor, plan);
        }
    }

    fn plan(&self, command: Digest, sender: &Sender, action: &Action) -> Result<Plan, Refusal> {
        match action {
            Action::Kv(kv) => kv::plan(&self.world, kv),
            Action::Space(space) => space::plan(&self.world, &self.context, sender, space),
            Action::Image(image) => image::plan(&self.world, &self.context, sender, image),
            Action::Organisation(action) => {
                organisation::plan(&self.world, &self.context, sender, action)
            }
            Action::Membership(action) => {
                membership::plan(&self.world, &self.context, sender, command, action)
            }
        }
    }

    fn apply(
        &mut self,
        command: &Decoded,
        item: u32,
        (actor, actor_digest): (Arc<Actor>, Digest),
        plan: Result<Plan, Refusal>,
    ) {
        let index = self.applied.len() as u32;
        let space = command.space.as_str();
        let before = self.world.revision(space);
        let (status, changes, reply) = match plan {
            Err(refusal) => (Status::Refused(refusal), Vec::new(), Reply::None),
            Ok(plan) => {
                let at = At { revision: before + 1, height: self.context.height, index };
                let changes = self.carry_out(space, at, actor_digest, plan.ops);
                // An action that changes nothing keeps the revision: deleting an absent key is no event.
                // Source: etcd server/storage/mvcc/kvstore_txn.go, storeTxnWrite.End.
                let status = if changes.is_empty() { Status::Unchanged } else { Status::Done };
                (status, changes, plan.reply)
            }
        };
        if status == Status::Done {
            self.world.set_revision(space, before + 1);
        }
        let effects: Vec<Digest> = changes.iter().map(|c| c.event.digest()).collect();
        let receipt = Receipt {
            command: command.id,
            item,
            height: self.context.height,
            index,
            space: space.to_owned(),
            revision: self.world.revision(space),
            status,
            effects: merkle::root(&effects),
            actor: actor_digest,
        };
        self.applied.push(Applied { receipt, actor, changes, reply });
    }

    fn carry_out(&mut self, space: &str, at: At, actor: Digest, ops: Vec<Op>) -> Vec<Change> {
        let mut changes = Vec::with_capacity(ops.len());
        for op in ops {
            let (key, entry, before) = match op {
                Op::Put(key, value) => {
                    let (before, entry) = self.world.put(&key, value, at, &mut self.dirty);
                    (key, Some(entry), before)
                }
                Op::Delete(key) => {
                    let Some(before) = self.world.remove(&key, &mut self.dirty) else {
                        continue;
                    };
                    (key, None, Some(before))
                }
            };
            let event = event(space, at, actor, entry.as_deref(), before.as_deref());
            changes.push(Change { key, entry, before, event });
        }
        changes
    }
}

fn event(
    space: &str,
    at: At,
    actor: Digest,
    entry: Option<&Entry>,
    before: Option<&Entry>,
) -> Event {
    let slot = entry.or(before).map(|e| e.slot);
    let prev: Revision = before.map_or(0, |b| b.mod_revision);
    Event {
        space: space.to_owned(),
        revision: at.revision,
        kind: if entry.is_some() { EventKind::Put } else { EventKind::Delete },
        key_hash: slot.expect("a change has a state before or after it"),
        value_hash: entry.map_or(Digest([0; 32]), |e| e.value_hash),
        actor,
        prev_mod_revision: prev,
        index: at.index,
    }
}

#[cfg(test)]
mod tests;
