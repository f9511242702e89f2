//! Building a block when this member leads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::BoxFuture;
use hanse_execution::{Authored, Decoded, Succession, check_replay, execute};
use hanse_types::{
    Block, Body, ChainParams, Command, Digest, Header, Place, Segment, TimeMs,
    limits::{BODY_ACTIONS_MAX, BODY_BYTES_MAX, BODY_WORK_MAX},
};

use crate::{
    Ledger, chain::Candidate, ledger::Inner, limits::SMALL_BLOCK_ACTIONS, settle::Settlement,
};

impl Ledger {
    /// Resolves when as much waits as can be expected: any command after a small block; after a larger one, once that is
    /// committed, as many actions as it carried. For clients who were answered come back, and what shares a block shares
    /// its cost.
    pub fn enough(self: &Arc<Self>, parent: Digest) -> BoxFuture<'static, ()> {
        self.until_worth(parent, enough_waits)
    }

    /// Resolves when commands wait that a block on `parent` can carry.
    pub fn work(self: &Arc<Self>, parent: Digest) -> BoxFuture<'static, ()> {
        self.until_worth(parent, commands_wait)
    }

    /// Resolves when a block on `parent` is worth proposing without commands: the parent's receipts wait to be bound by a
    /// header, or a state root waits to be carried.
    pub fn follow_up(self: &Arc<Self>, parent: Digest) -> BoxFuture<'static, ()> {
        self.until_worth(parent, proofs_wait)
    }

    fn until_worth(
        self: &Arc<Self>,
        parent: Digest,
        worth: fn(&Inner, &Candidate) -> bool,
    ) -> BoxFuture<'static, ()> {
        let ledger = self.clone();
        Box::pin(async move {
            let look = || {
                let inner = ledger.inner.lock();
                let parent = inner.chain.get(&parent);
                // An idle chain goes to the end of the epoch at full speed when other seats wait there, or somebody asks for it.
                let hurry = |p: &Candidate| p.succession.hurries || worth(&inner, p);
                (inner.stopped || parent.is_some_and(|p| hurry(p))).then_some(())
            };
            ledger.changed.until(look).await;
        })
    }

    /// Builds and executes a block on `parent`; `None` when the parent is not (or no longer) known, or when `place` is of
    /// another epoch than the height after it.
    pub fn build(&self, place: Place, parent: Digest, now_ms: TimeMs) -> Option<Arc<Block>> {
        let mut inner = self.inner.lock();
        inner.now_ms = inner.now_ms.max(now_ms);
        let parent = inner.chain.get(&parent)?.clone();
        if place.epoch != parent.succession.epoch {
            return None;
        }
        let time_ms = now_ms.max(parent.block.header.timestamp_ms + 1);
        let turn = inner.turn;
        inner.turn = inner.turn.wrapping_add(1);
        let (body, decoded) = select(&inner, &parent, time_ms, turn);
        let header = next_header(&parent, &inner.settlement, place, time_ms, &body);
        let block = Arc::new(Block { header, body });
        let digest = block.header.digest();
        let context = self.context(&block.header);
        let executed = execute(&parent.executed.world, &context, &decoded);
        let candidate =
            child(&self.genesis.params, &parent, block.clone(), digest, executed, decoded);
        inner.chain.insert(Arc::new(candidate));
        Some(block)
    }
}

fn enough_waits(inner: &Inner, parent: &Candidate) -> bool {
    let carried = parent.actions();
    if carried < SMALL_BLOCK_ACTIONS {
        return commands_wait(inner, parent);
    }
    parent.digest == inner.chain.tip().digest && fresh_actions(inner, parent, carried) >= carried
}

/// Actions that wait for a block on `parent`, counted up to `most`.
fn fresh_actions(inner: &Inner, parent: &Candidate, most: usize) -> usize {
    let time_ms = parent.block.header.timestamp_ms + 1;
    let mut count = 0;
    for admitted in inner.pool.fair(0) {
        let one = std::slice::from_ref(&admitted.decoded);
        if check_replay(&parent.executed.world, time_ms, one).is_ok() {
            count += admitted.decoded.actions();
            if count >= most {
                break;
            }
        }
    }
    count
}

fn commands_wait(inner: &Inner, parent: &Candidate) -> bool {
    fresh_actions(inner, parent, 1) > 0
}

fn proofs_wait(inner: &Inner, parent: &Candidate) -> bool {
    match parent.pending {
        // The follow-up that carries the receipts waits for the root as well: one empty block instead of two.
        Some(boundary) => inner.settlement.root(boundary).is_some(),
        None => parent.unsettled || !parent.decoded.is_empty(),
    }
}

/// Takes what fits and can still run on `parent`, in fair order, and sorts it into segments.
fn select(
    inner: &Inner,
    parent: &Candidate,
    time_ms: TimeMs,
    turn: usize,
) -> (Body, Vec<Arc<Decoded>>) {
    let mut segments: BTreeMap<String, (Vec<Command>, Vec<Arc<Decoded>>)> = BTreeMap::new();
    let (mut bytes, mut actions, mut work) = (0, 0, 0);
    let mut taken = BTreeSet::new();
    for admitted in inner.pool.fair(turn) {
        let decoded = &admitted.decoded;
        let fits = bytes + decoded.size <= BODY_BYTES_MAX as usize
            && actions + decoded.actions() <= BODY_ACTIONS_MAX as usize
            && work + decoded.work <= BODY_WORK_MAX;
        if !fits {
            break;
        }
        let world = &parent.executed.world;
        if check_replay(world, time_ms, std::slice::from_ref(decoded)).is_err() {
            continue;
        }
        // Two commands under one replay key are each good and together refuse the block: the later one has to wait, and
        // is dead once the first is committed.
        if !taken.insert(replay_key(decoded)) {
            continue;
        }
        bytes += decoded.size;
        actions += decoded.actions();
        work += decoded.work;
        let (commands, read) = segments.entry(decoded.space.clone()).or_default();
        commands.push((*admitted.command).clone());
        read.push(decoded.clone());
    }
    let mut all = Vec::new();
    let segments = segments
        .into_iter()
        .map(|(space, (commands, read))| {
            all.extend(read);
            Segment { space, commands }
        })
        .collect();
    (Body { segments }, all)
}

/// What two commands of one block must not share; as [`check_replay`] sees it.
fn replay_key(decoded: &Decoded) -> (Digest, u64) {
    match &decoded.authored {
        Authored::Signed(signed) => (Authored::replay_key(signed), 0),
        Authored::Session(batch) => (batch.payload.gateway.id(), batch.payload.sequence),
    }
}

fn next_header(
    parent: &Candidate,
    settlement: &Settlement,
    place: Place,
    time_ms: TimeMs,
    body: &Body,
) -> Header {
    let lineage = parent.lineage();
    let before = lineage.parent;
    let carried = parent.pending.and_then(|height| Some((height, settlement.root(height)?)));
    let (settled_height, state_root) =
        carried.unwrap_or((before.settled_height, before.state_root));
    let free = parent.pending.is_none() || carried.is_some();
    Header {
        version: before.version,
        protocol: before.protocol,
        chain_id: before.chain_id,
        height: before.height + 1,
        place,
        parent: lineage.parent_digest,
        timestamp_ms: time_ms,
        body_root: body.root(),
        receipt_root: lineage.receipt_root,
        event_root: lineage.event_root,
        settled_height,
        state_root,
        state_version: before.state_version,
        settles: free && (parent.unsettled || !body.segments.is_empty()),
        history_root: lineage.history_root,
        committee: lineage.succession.committee,
        next_committee: lineage.succession.next_committee,
    }
}

/// The candidate that `block` is on `parent`.
pub(crate) fn child(
    params: &ChainParams,
    parent: &Candidate,
    block: Arc<Block>,
    digest: Digest,
    executed: hanse_execution::Executed,
    decoded: Vec<Arc<Decoded>>,
) -> Candidate {
    let header = &block.header;
    let carried = parent.pending.filter(|_| {
        let before = &parent.block.header;
        header.settled_height != before.settled_height || header.state_root != before.state_root
    });
    let still = if carried.is_some() { None } else { parent.pending };
    let pending = if header.settles { Some(header.height) } else { still };
    let unsettled = !header.settles && (parent.unsettled || !executed.dirty.is_empty());
    let mut history = parent.history.clone();
    history.push(&digest);
    let succession = Succession::after(params, header, &executed.world);
    Candidate { block, digest, executed, decoded, history, pending, unsettled, succession }
}
