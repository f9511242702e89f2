//! Checking and executing proposals of other members.

use std::sync::Arc;

use futures::future::BoxFuture;
use hanse_execution::{
    CheckError, Decoded, check_body, check_links, check_replay, execute, verify_signatures,
};
use hanse_types::{Block, Digest, Height, TimeMs};

use crate::{Ledger, build::child, chain::Candidate, ledger::Inner, settle::Settlement};

/// What this member thinks of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Executed here; vote for it.
    Valid,
    /// Never vote for it.
    Invalid(CheckError),
    /// Ahead of this member's clock: ask again at this time.
    Early(TimeMs),
    /// Carries a root this member has not computed yet: ask again after [`Ledger::settled`].
    Unsettled(Height),
    /// The parent is not known here.
    Orphan,
}

impl Ledger {
    /// Whether children of `digest` can be built and admitted.
    pub fn knows(&self, digest: &Digest) -> bool {
        self.inner.lock().chain.get(digest).is_some()
    }

    /// Checks `block`, whose header digest is `digest`, and executes it as a candidate.
    pub fn admit(&self, block: &Arc<Block>, digest: Digest, now_ms: TimeMs) -> Admission {
        let parent = {
            let mut inner = self.inner.lock();
            inner.now_ms = inner.now_ms.max(now_ms);
            if inner.chain.get(&digest).is_some() {
                return Admission::Valid;
            }
            let Some(parent) = inner.chain.get(&block.header.parent).cloned() else {
                return Admission::Orphan;
            };
            let ahead = u64::from(self.genesis.params.clock_ahead_max_ms);
            if block.header.timestamp_ms > now_ms.saturating_add(ahead) {
                return Admission::Early(block.header.timestamp_ms - ahead);
            }
            if let Err(error) = check_links(&block.header, &parent.lineage()) {
                return Admission::Invalid(error);
            }
            match check_root(block, &parent, &inner.settlement) {
                Admission::Valid => parent,
                other => return other,
            }
        };
        // The lock is not held while hashing, verifying and executing: clients go on submitting.
        match self.examine(block, digest, &parent) {
            Err(error) => Admission::Invalid(error),
            Ok(candidate) => {
                self.inner.lock().chain.insert(Arc::new(candidate));
                Admission::Valid
            }
        }
    }

    fn examine(
        &self,
        block: &Arc<Block>,
        digest: Digest,
        parent: &Candidate,
    ) -> Result<Candidate, CheckError> {
        let decoded = self.read_body(block)?;
        let time_ms = block.header.timestamp_ms;
        check_replay(&parent.executed.world, time_ms, &decoded)?;
        let context = self.context(&block.header);
        let executed = execute(&parent.executed.world, &context, &decoded);
        Ok(child(&self.genesis.params, parent, block.clone(), digest, executed, decoded))
    }

    /// Reads a body; signatures are verified of those commands that did not pass admission here.
    fn read_body(&self, block: &Arc<Block>) -> Result<Vec<Arc<Decoded>>, CheckError> {
        let mut verified = Vec::new();
        let decoded = check_body(block, |ids| {
            let inner = self.inner.lock();
            let known = ids.iter().map(|id| inner.pool.get(id).map(|a| a.decoded.clone()));
            let known: Vec<Option<Arc<Decoded>>> = known.collect();
            verified = known.iter().map(Option::is_some).collect();
            known
        })?;
        let (positions, fresh): (Vec<usize>, Vec<Arc<Decoded>>) =
            decoded.iter().cloned().enumerate().filter(|(i, _)| !verified[*i]).unzip();
        verify_signatures(&fresh).map_err(|error| match error {
            CheckError::Signatures(bad) => {
                CheckError::Signatures(bad.into_iter().map(|i| positions[i]).collect())
            }
            other => other,
        })?;
        Ok(decoded)
    }

    /// Executes a block the quorum certified and this member has not seen as a proposal (replay, catching up).
    pub(crate) fn execute_certified(
        &self,
        inner: &Inner,
        block: &Arc<Block>,
        digest: Digest,
    ) -> Result<Arc<Candidate>, CheckError> {
        let parent = inner.chain.tip().clone();
        check_links(&block.header, &parent.lineage())?;
        // Signatures were checked by the quorum that certified the block; form is checked again because the bytes were stored.
        let decoded = check_body(block, |_| Vec::new())?;
        let context = self.context(&block.header);
        let executed = execute(&parent.executed.world, &context, &decoded);
        Ok(Arc::new(child(&self.genesis.params, &parent, block.clone(), digest, executed, decoded)))
    }

    /// Resolves when this member has the state root of `height`.
    pub fn settled(self: &Arc<Self>, height: Height) -> BoxFuture<'static, ()> {
        let ledger = self.clone();
        Box::pin(async move {
            let look = || {
                let inner = ledger.inner.lock();
                (inner.stopped || inner.settlement.root(height).is_some()).then_some(())
            };
            ledger.changed.until(look).await;
        })
    }
}

fn check_root(block: &Block, parent: &Candidate, settlement: &Settlement) -> Admission {
    let header = &block.header;
    let before = &parent.block.header;
    let unchanged =
        header.settled_height == before.settled_height && header.state_root == before.state_root;
    if unchanged {
        return Admission::Valid;
    }
    match settlement.root(header.settled_height) {
        None => Admission::Unsettled(header.settled_height),
        Some(own) if own == header.state_root => Admission::Valid,
        Some(_) => Admission::Invalid(CheckError::Root("state_root")),
    }
}
