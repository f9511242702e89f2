//! Reading what is committed, now or as it comes.

use std::{collections::VecDeque, sync::Arc};

use hanse_execution::{Applied, World};
use hanse_types::{Block, Digest, Header, Height};

use crate::{Ledger, ledger::Inner};

/// The newest committed state of this member.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The block it is the state after.
    pub header: Header,
    /// That header's digest.
    pub digest: Digest,
    /// The state.
    pub world: World,
}

/// A committed block and what came of it.
#[derive(Debug)]
pub struct Committed {
    /// The block.
    pub block: Arc<Block>,
    /// Its header's digest.
    pub digest: Digest,
    /// Its actions in order.
    pub applied: Arc<Vec<Applied>>,
    /// The engine's encoded finalization, when this very block has one.
    pub finalization: Option<Vec<u8>>,
}

/// The watcher asked for, or fell behind to, heights this member no longer keeps in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("height is no longer kept here; the oldest is {oldest}")]
pub struct Lagged {
    /// The oldest height a watch can start from.
    pub oldest: Height,
}

/// Follows committed blocks from a height on, in order and without gaps.
pub struct Watch {
    ledger: Arc<Ledger>,
    next: Height,
}

impl Watch {
    /// The next block; waits for it to be committed. `None` once the desk stops.
    ///
    /// # Errors
    /// [`Lagged`] if the next height is older than what is kept in memory: the watcher was too slow, and is told so.
    pub async fn next(&mut self) -> Result<Option<Arc<Committed>>, Lagged> {
        let want = self.next;
        let ledger = self.ledger.clone();
        let look = || {
            let inner = ledger.inner.lock();
            let oldest = inner.oldest();
            if want < oldest {
                return Some(Err(Lagged { oldest }));
            }
            match recent(&inner.recent, want) {
                Some(found) => Some(Ok(Some(found.clone()))),
                None if inner.stopped => Some(Ok(None)),
                None => None,
            }
        };
        let found = self.ledger.changed.until(look).await?;
        self.next += u64::from(found.is_some());
        Ok(found)
    }
}

/// This member has heard of no block that was certified since it started: what it holds may be from before others went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this member has seen no block certified since it started")]
pub struct NotLive;

impl Ledger {
    /// As [`Ledger::snapshot`], for answers to clients.
    ///
    /// # Errors
    /// [`NotLive`] from the start of the process until the first block certified since then (DESIGN D6): after the loss of
    /// all members the last acknowledged blocks may have to be certified again, and must not seem to be missing.
    pub fn live_snapshot(&self) -> Result<Arc<Snapshot>, NotLive> {
        if self.inner.lock().live { Ok(self.snapshot()) } else { Err(NotLive) }
    }

    /// The newest committed state. Reads of it are consistent and never wait; they may lag the quorum by what this
    /// member has not heard yet (serializable in etcd's words).
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().clone()
    }

    /// The oldest height that [`Ledger::watch`] can start from now.
    pub fn oldest(&self) -> Height {
        self.inner.lock().oldest()
    }

    /// Follows committed blocks from `from` on; 0 counts as 1.
    pub fn watch(self: &Arc<Self>, from: Height) -> Watch {
        Watch { ledger: self.clone(), next: from.max(1) }
    }

    /// A recent committed block.
    pub fn block(&self, height: Height) -> Option<Arc<Committed>> {
        recent(&self.inner.lock().recent, height).cloned()
    }
}

impl Inner {
    /// The oldest height whose block is kept here, or the first that will be.
    pub(crate) fn oldest(&self) -> Height {
        self.recent.front().map_or(self.begins + 1, |committed| committed.block.header.height)
    }
}

/// The block at `height` among the consecutive heights kept.
pub(crate) fn recent(recent: &VecDeque<Arc<Committed>>, height: Height) -> Option<&Arc<Committed>> {
    let oldest = recent.front()?.block.header.height;
    recent.get(usize::try_from(height.checked_sub(oldest)?).ok()?)
}
