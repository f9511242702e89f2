//! Which committee votes in which epoch, and the blocks in which one hands over to the next.

use std::collections::BTreeMap;

use hanse_proof::{ProofError, decode_finalization};
use hanse_types::{Committee, Digest, Header, Height, Seats, StateKey};

use crate::{Ledger, query::Committed};

/// Why a certificate of an epoch's last block is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryError {
    /// The epoch has not ended here, or its last block is no longer kept.
    #[error("this member keeps no last block of epoch {0}")]
    Unknown(u64),
    /// It certifies another block than that epoch's last one on this chain.
    #[error("the certificate is for another block")]
    Block,
    /// The committee of that epoch did not sign it, or it cannot be read.
    #[error("the certificate of an epoch's last block does not hold")]
    Certificate(#[source] ProofError),
}

/// The last block of an epoch.
#[derive(Clone, Debug)]
pub(crate) struct Boundary {
    pub(crate) header: Header,
    digest: Digest,
    /// The engine's bytes for this very block, once this member has them.
    pub(crate) finalization: Option<Vec<u8>>,
    /// The committee of the epoch after.
    pub(crate) next: Committee,
    /// Whether that one has other members.
    changes: bool,
}

/// A change of members: the last block of an epoch, with its certificate, and who votes from then on.
#[derive(Clone, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Turn {
    /// The block's header.
    pub header: Header,
    /// The engine's bytes that certify it.
    pub finalization: Vec<u8>,
    /// The committee of the next epoch.
    pub next: Committee,
}

/// What the committed chain says about epochs.
#[derive(Debug)]
pub(crate) struct Epochs {
    /// By the first epoch in which they vote.
    committees: BTreeMap<u64, Committee>,
    /// By the epoch that ends: for ever where members change, else as long as the block is kept.
    boundaries: BTreeMap<u64, Boundary>,
    /// The newest epoch whose committee is decided.
    newest: u64,
}

impl Epochs {
    pub(crate) fn new(founders: Committee) -> Self {
        let committees = BTreeMap::from([(founders.epoch, founders)]);
        Self { committees, boundaries: BTreeMap::new(), newest: 0 }
    }

    /// As it stands in `epoch`, when members have changed in `turns`, oldest first.
    pub(crate) fn resumed(founders: Committee, turns: &[Turn], epoch: u64) -> Self {
        let mut epochs = Self { newest: epoch, ..Self::new(founders) };
        for Turn { header, finalization, next } in turns {
            epochs.committees.insert(next.epoch, next.clone());
            let boundary = Boundary {
                header: header.clone(),
                digest: header.digest(),
                finalization: Some(finalization.clone()),
                next: next.clone(),
                changes: true,
            };
            epochs.boundaries.insert(header.place.epoch, boundary);
        }
        epochs
    }

    /// The changes of members before `epoch`, oldest first; none while a certificate of one is missing.
    pub(crate) fn turns(&self, epoch: u64) -> Option<Vec<Turn>> {
        let turn = |boundary: &Boundary| {
            let finalization = boundary.finalization.clone()?;
            Some(Turn {
                header: boundary.header.clone(),
                finalization,
                next: boundary.next.clone(),
            })
        };
        let before = self.boundaries.range(..epoch).map(|(_, boundary)| boundary);
        before.filter(|boundary| boundary.changes).map(turn).collect()
    }

    /// Takes in the last block of an epoch, whose header names `next`.
    pub(crate) fn close(&mut self, last: &Committed, next: Committee) {
        let header = last.block.header.clone();
        let epoch = header.place.epoch;
        let changes = self.committee(epoch).is_none_or(|c| c.members != next.members);
        if changes {
            self.committees.insert(next.epoch, next.clone());
        }
        self.newest = next.epoch;
        let (digest, finalization) = (last.digest, last.finalization.clone());
        self.boundaries.insert(epoch, Boundary { header, digest, finalization, next, changes });
    }

    /// Drops what only proofs about blocks before `oldest` would need.
    pub(crate) fn forget(&mut self, oldest: Height) {
        self.boundaries.retain(|_, boundary| boundary.changes || boundary.header.height >= oldest);
    }

    /// Who votes in `epoch`, if that is decided.
    pub(crate) fn committee(&self, epoch: u64) -> Option<Committee> {
        let (_, members) = self.committees.range(..=epoch).next_back()?;
        (epoch <= self.newest).then(|| Committee { epoch, ..members.clone() })
    }

    pub(crate) fn boundary(&self, epoch: u64) -> Option<&Boundary> {
        self.boundaries.get(&epoch)
    }

    /// Epochs before `epoch` after which other members voted.
    pub(crate) fn changed_before(&self, epoch: u64) -> Vec<u64> {
        let before = self.boundaries.range(..epoch);
        before.filter(|(_, boundary)| boundary.changes).map(|(epoch, _)| *epoch).collect()
    }
}

impl Ledger {
    /// The epoch of the newest committed block.
    pub fn epoch(&self) -> u64 {
        self.genesis.params.epoch_of(self.snapshot.read().header.height)
    }

    /// Who voted for the newest committed block.
    pub fn committee(&self) -> Committee {
        let inner = self.inner.lock();
        let epoch = inner.chain.tip().block.header.place.epoch;
        inner.epochs.committee(epoch).expect("the committee of a committed block is decided")
    }

    /// Who votes in `epoch`: for the epochs up to that of the next block; `None` for later ones, which are not decided.
    pub fn committee_of(&self, epoch: u64) -> Option<Committee> {
        self.inner.lock().epochs.committee(epoch)
    }

    /// Who votes in the epoch after [`Ledger::epoch`]: decided when the newest committed block is the last of its epoch,
    /// before that as the seats stand now.
    pub fn next_committee(&self) -> Committee {
        let inner = self.inner.lock();
        let tip = inner.chain.tip();
        let next = tip.block.header.place.epoch + 1;
        inner.epochs.committee(next).unwrap_or_else(|| tip.executed.world.seats().committee(next))
    }

    /// Who holds a seat, waits for one, or left, in the newest committed state.
    pub fn seats(&self) -> Seats {
        self.snapshot.read().world.seats()
    }

    /// The seats and the block that changed them last, if that is a later one than `known`.
    pub fn seats_since(&self, known: Option<Height>) -> Option<(Height, Seats)> {
        let snapshot = self.snapshot.read().clone();
        let changed = snapshot.world.get(&StateKey::Seats.encode())?.height;
        (Some(changed) > known).then(|| (changed, snapshot.world.seats()))
    }

    /// Takes the engine's certificate of the last block of `epoch` when [`Ledger::commit`] came without one (the block was
    /// finalised by the next epoch's first certificate, or fetched without its own). Proofs that cross that block wait for it.
    ///
    /// # Errors
    /// [`BoundaryError`]; nothing is changed then.
    pub fn boundary_certified(&self, epoch: u64, bytes: Vec<u8>) -> Result<(), BoundaryError> {
        let mut inner = self.inner.lock();
        let committee = inner.epochs.committee(epoch).ok_or(BoundaryError::Unknown(epoch))?;
        let boundary =
            inner.epochs.boundaries.get_mut(&epoch).ok_or(BoundaryError::Unknown(epoch))?;
        let (payload, finalization) = decode_finalization(&bytes, committee.members.len())
            .map_err(BoundaryError::Certificate)?;
        if payload != boundary.digest {
            return Err(BoundaryError::Block);
        }
        finalization
            .check(&self.chain_id, &committee, &payload)
            .map_err(BoundaryError::Certificate)?;
        boundary.finalization.get_or_insert(bytes);
        drop(inner);
        self.changed.announce();
        Ok(())
    }
}
