//! Candidates: blocks this member has executed on top of the committed tip, also competing ones.

use std::{collections::BTreeMap, sync::Arc};

use hanse_crypto::merkle::Accumulator;
use hanse_execution::{Decoded, Executed, Lineage, Succession};
use hanse_types::{Block, Digest, Height};

/// A block's outcome as this member executed it, not yet certified.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) block: Arc<Block>,
    pub(crate) digest: Digest,
    pub(crate) executed: Executed,
    pub(crate) decoded: Vec<Arc<Decoded>>,
    /// All header digests up to and including this one.
    pub(crate) history: Accumulator,
    /// The boundary whose root no header up to this one carries.
    pub(crate) pending: Option<Height>,
    /// Leaves changed since the last boundary, this block's included unless it is one.
    pub(crate) unsettled: bool,
    /// Epoch and committees of its children.
    pub(crate) succession: Succession,
}

impl Candidate {
    pub(crate) fn height(&self) -> Height {
        self.block.header.height
    }

    /// Actions it carries.
    pub(crate) fn actions(&self) -> usize {
        self.executed.applied.len()
    }

    /// What a child's header has to continue.
    pub(crate) fn lineage(&self) -> Lineage<'_> {
        Lineage {
            parent: &self.block.header,
            parent_digest: self.digest,
            history_root: self.history.root(),
            receipt_root: self.executed.receipt_root,
            event_root: self.executed.event_root,
            pending: self.pending,
            succession: self.succession,
        }
    }
}

/// The committed tip and everything executed above it.
#[derive(Debug)]
pub(crate) struct Chain {
    tip: Arc<Candidate>,
    above: BTreeMap<Digest, Arc<Candidate>>,
}

impl Chain {
    pub(crate) fn new(genesis: Candidate) -> Self {
        Self { tip: Arc::new(genesis), above: BTreeMap::new() }
    }

    pub(crate) fn tip(&self) -> &Arc<Candidate> {
        &self.tip
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<&Arc<Candidate>> {
        if self.tip.digest == *digest { Some(&self.tip) } else { self.above.get(digest) }
    }

    pub(crate) fn insert(&mut self, candidate: Arc<Candidate>) {
        self.above.insert(candidate.digest, candidate);
    }

    pub(crate) fn candidates(&self) -> usize {
        self.above.len()
    }

    /// Makes a child of the tip the new tip and forgets what does not descend from it.
    pub(crate) fn advance(&mut self, candidate: Arc<Candidate>) {
        self.tip = candidate;
        let mut by_height: Vec<_> = std::mem::take(&mut self.above).into_values().collect();
        by_height.sort_by_key(|c| c.height());
        for c in by_height {
            if c.height() > self.tip.height() && self.get(&c.block.header.parent).is_some() {
                self.above.insert(c.digest, c);
            }
        }
    }
}
