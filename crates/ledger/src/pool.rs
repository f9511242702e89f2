//! The waiting room: admitted commands, bounded, fair between organisations, in the order they came.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use hanse_execution::Decoded;
use hanse_types::{Command, Digest};

use crate::limits::{POOL_BYTES_MAX, POOL_COMMANDS_MAX, POOL_SHARE};

/// An admitted command: read, and its signature verified. Only admission makes one.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) command: Arc<Command>,
    pub(crate) decoded: Arc<Decoded>,
    /// The sender's organisation; empty for senders the state does not know.
    pub(crate) organisation: String,
}

/// The pool, or the organisation's share of it, has no room. Try again in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolFull;

/// Commands by organisation; each organisation's in arrival order.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    queues: BTreeMap<String, VecDeque<Digest>>,
    commands: BTreeMap<Digest, Admitted>,
    share_bytes: BTreeMap<String, usize>,
    bytes: usize,
}

impl Pool {
    /// Adds a command. Adding one that is there already changes nothing.
    pub(crate) fn insert(&mut self, admitted: Admitted) -> Result<(), PoolFull> {
        let id = admitted.decoded.id;
        if self.commands.contains_key(&id) {
            return Ok(());
        }
        let size = admitted.decoded.size;
        let share = self.share_bytes.get(&admitted.organisation).copied().unwrap_or(0);
        let queued = self.queues.get(&admitted.organisation).map_or(0, VecDeque::len);
        let fits = self.bytes + size <= POOL_BYTES_MAX
            && self.commands.len() < POOL_COMMANDS_MAX
            && share + size <= POOL_BYTES_MAX / POOL_SHARE
            && queued < POOL_COMMANDS_MAX / POOL_SHARE;
        if !fits {
            return Err(PoolFull);
        }
        self.bytes += size;
        *self.share_bytes.entry(admitted.organisation.clone()).or_default() += size;
        self.queues.entry(admitted.organisation.clone()).or_default().push_back(id);
        self.commands.insert(id, admitted);
        Ok(())
    }

    pub(crate) fn get(&self, id: &Digest) -> Option<&Admitted> {
        self.commands.get(id)
    }

    /// Removes a command; its place in the queue is dropped lazily.
    pub(crate) fn remove(&mut self, id: &Digest) -> Option<Admitted> {
        let admitted = self.commands.remove(id)?;
        self.bytes -= admitted.decoded.size;
        if let Some(share) = self.share_bytes.get_mut(&admitted.organisation) {
            *share -= admitted.decoded.size;
        }
        if let Some(queue) = self.queues.get_mut(&admitted.organisation) {
            while queue.front().is_some_and(|front| !self.commands.contains_key(front)) {
                queue.pop_front();
            }
            if queue.is_empty() {
                self.queues.remove(&admitted.organisation);
                self.share_bytes.remove(&admitted.organisation);
            }
        }
        Some(admitted)
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Commands in fair order: one of each organisation in turn, starting after `first`.
    pub(crate) fn fair(&self, first: usize) -> impl Iterator<Item = &Admitted> {
        let mut queues: Vec<_> = self.queues.values().map(|q| q.iter()).collect();
        if !queues.is_empty() {
            let turn = first % queues.len();
            queues.rotate_left(turn);
        }
        let mut turn = 0;
        std::iter::from_fn(move || {
            while !queues.is_empty() {
                turn %= queues.len();
                match queues[turn].next() {
                    None => {
                        queues.remove(turn);
                    }
                    Some(id) => {
                        if let Some(admitted) = self.commands.get(id) {
                            turn += 1;
                            return Some(admitted);
                        }
                    }
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests;
