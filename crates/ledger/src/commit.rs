//! The commit path: a certified block becomes the tip, clients are answered, watchers and the tree are told.

use std::sync::Arc;

use hanse_execution::Authored;
use hanse_types::{Block, Digest, Height, TimeMs, encode};

use crate::{
    Audience, Ledger,
    chain::Candidate,
    ledger::Inner,
    limits::{RECENT_ACTIONS_MAX, RECENT_BLOCKS_MAX},
    query::{Committed, Snapshot},
    submit::Outcome,
};

/// Blocks between two sweeps of commands that can no longer run.
const SWEEP_BLOCKS: u64 = 16;

impl Ledger {
    /// Takes the next certified block. Heights that were committed before are ignored (replay, repeats).
    ///
    /// A certificate this member's own execution contradicts, or a gap, sets [`crate::LedgerStatus::diverged`]: the member
    /// must stop, for either its disk or its code is broken.
    pub fn commit(&self, block: &Arc<Block>, digest: Digest, finalization: Option<Vec<u8>>) {
        let answers = {
            let mut inner = self.inner.lock();
            let height = block.header.height;
            if height <= inner.chain.tip().height() || inner.diverged.is_some() {
                return;
            }
            match self.commit_select(&inner, block, digest) {
                Err(why) => {
                    tracing::error!(height, why, "this member's outcome contradicts a certificate");
                    inner.diverged = Some(why);
                    None
                }
                Ok(candidate) => Some(self.commit_publish(&mut inner, candidate, finalization)),
            }
        };
        if let Some(answers) = answers {
            let answered = answers.iter().filter(|answer| answer.session).count();
            // Before the answers: a client may be back before they are all out.
            self.gather(answered);
            for answer in answers {
                answer.send();
            }
            self.resend();
        }
        self.changed.announce();
    }

    /// Sends session batches that no block has taken for a while to all members.
    fn resend(&self) {
        let tip = self.snapshot.read().header.height;
        let overdue = self.sessions.lock().overdue(tip);
        for id in overdue {
            let command = self.inner.lock().pool.get(&id).map(|admitted| admitted.command.clone());
            if let Some(command) = command {
                (self.gossip)(Audience::All, encode(&vec![(*command).clone()]));
            }
        }
    }

    fn commit_select(
        &self,
        inner: &Inner,
        block: &Arc<Block>,
        digest: Digest,
    ) -> Result<Arc<Candidate>, String> {
        let tip = inner.chain.tip();
        if block.header.parent != tip.digest {
            let (height, at) = (block.header.height, tip.height());
            return Err(format!("block {height} does not continue the tip at height {at}"));
        }
        if let Some(candidate) = inner.chain.get(&digest) {
            return Ok(candidate.clone());
        }
        let candidate = self.execute_certified(inner, block, digest).map_err(|e| e.to_string())?;
        let header = &block.header;
        match inner.settlement.root(header.settled_height) {
            Some(own) if own != header.state_root => Err("state_root differs".to_owned()),
            _ => Ok(candidate),
        }
    }

    fn commit_publish(
        &self,
        inner: &mut Inner,
        candidate: Arc<Candidate>,
        finalization: Option<Vec<u8>>,
    ) -> Vec<Answer> {
        let parent = inner.chain.tip().clone();
        inner.chain.advance(candidate.clone());
        inner.settlement.commit(&candidate, &parent.block.header);
        let committed = Arc::new(Committed {
            block: candidate.block.clone(),
            digest: candidate.digest,
            applied: candidate.executed.applied.clone(),
            finalization,
        });
        if self.genesis.params.is_last_of_epoch(candidate.height()) {
            // The seats that its header names are those of the state it was built on.
            let seats = parent.executed.world.seats();
            inner.epochs.close(&committed, seats.committee(parent.succession.epoch + 1));
        }
        let answers = answers(inner, &candidate, &committed);
        for decoded in &candidate.decoded {
            inner.pool.remove(&decoded.id);
        }
        remember(inner, committed);
        if let Some(oldest) = inner.recent.front() {
            inner.epochs.forget(oldest.block.header.height);
        }
        *self.snapshot.write() = Arc::new(Snapshot {
            header: candidate.block.header.clone(),
            digest: candidate.digest,
            world: candidate.executed.world.clone(),
        });
        let mut sessions = self.sessions.lock();
        for decoded in &candidate.decoded {
            sessions.committed(&decoded.id);
        }
        for id in sessions.under_way() {
            if is_dead(inner, &candidate, &id) {
                inner.pool.remove(&id);
                // Dropping the senders ends the tickets.
                drop(inner.waiters.take(&id));
                sessions.committed(&id);
            }
        }
        drop(sessions);
        if candidate.height().is_multiple_of(SWEEP_BLOCKS) {
            sweep(inner, &candidate);
        }
        answers
    }
}

/// Whether a waiting batch can never run: it was numbered before this member had caught up with what its gateway sent in
/// an earlier life, and that number is used. It must not count as under way, or the gateway would wait for ever.
fn is_dead(inner: &Inner, tip: &Candidate, id: &Digest) -> bool {
    let (world, time_ms) = (&tip.executed.world, tip.block.header.timestamp_ms);
    inner.pool.get(id).is_some_and(|admitted| {
        let one = std::slice::from_ref(&admitted.decoded);
        hanse_execution::check_replay(world, time_ms, one).is_err()
    })
}

/// An outcome and who waits for it; sent after the locks are gone.
pub(crate) struct Answer {
    session: bool,
    sender: futures::channel::oneshot::Sender<Outcome>,
    outcome: Outcome,
}

impl Answer {
    fn send(self) {
        // A client that went away needs no answer.
        let _gone = self.sender.send(self.outcome);
    }
}

fn answers(inner: &mut Inner, candidate: &Candidate, committed: &Committed) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut index = 0u32;
    let time_ms: TimeMs = candidate.block.header.timestamp_ms;
    for decoded in &candidate.decoded {
        let session = matches!(decoded.authored, Authored::Session(_));
        for (item, sender) in inner.waiters.take(&decoded.id) {
            if let Some(applied) = committed.applied.get((index + item) as usize) {
                let (receipt, reply) = (applied.receipt.clone(), applied.reply.clone());
                let outcome = Outcome { receipt, reply, time_ms };
                answers.push(Answer { session, sender, outcome });
            }
        }
        index += decoded.actions() as u32;
    }
    answers
}

/// Drops commands that can no longer run, and tells who waits for them.
fn sweep(inner: &mut Inner, tip: &Candidate) {
    let time_ms = tip.block.header.timestamp_ms;
    let world = &tip.executed.world;
    let dead: Vec<Digest> = inner
        .pool
        .fair(0)
        .filter(|a| {
            let one = std::slice::from_ref(&a.decoded);
            hanse_execution::check_replay(world, time_ms, one).is_err()
        })
        .map(|a| a.decoded.id)
        .collect();
    for id in dead {
        inner.pool.remove(&id);
        // Dropping the senders ends the tickets.
        drop(inner.waiters.take(&id));
    }
}

fn remember(inner: &mut Inner, committed: Arc<Committed>) {
    let height: Height = committed.block.header.height;
    let mut last = None;
    for (index, applied) in committed.applied.iter().enumerate() {
        if last != Some(applied.receipt.command) {
            last = Some(applied.receipt.command);
            inner.places.insert(applied.receipt.command, (height, index as u32));
        }
    }
    inner.recent_actions += committed.applied.len();
    inner.recent.push_back(committed);
    while inner.recent.len() > RECENT_BLOCKS_MAX || inner.recent_actions > RECENT_ACTIONS_MAX {
        let Some(old) = inner.recent.pop_front() else {
            break;
        };
        inner.recent_actions -= old.applied.len();
        for applied in old.applied.iter() {
            inner.places.remove(&applied.receipt.command);
        }
    }
}
