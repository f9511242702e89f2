//! Who votes in which epoch, as the committed chain says: what certificates of any epoch so far are checked with.

use std::{collections::BTreeMap, sync::Arc};

use commonware_consensus::types::{Epoch, EpochInfo, Epocher as _, FixedEpocher, Height};
use commonware_cryptography::certificate::{Provider, Scoped};
use commonware_utils::{ordered::Set, sync::Mutex, vec::NonEmptyVec};
use hanse_types::Committee;

use crate::{
    Config, ConfigError,
    config::participants,
    engine::{Digest, PublicKey, Scheme},
};

/// One epoch as the engine needs it.
#[derive(Clone)]
pub(crate) struct Seats {
    pub(crate) epoch: u64,
    pub(crate) participants: Set<PublicKey>,
    /// Certificates that are asked for: more than two thirds of the members.
    pub(crate) quorum: usize,
    /// Digest of the last block of the epoch before, or of genesis.
    pub(crate) begins_on: Digest,
}

/// All epochs up to the newest that the committed chain has opened. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Schemes {
    epocher: FixedEpocher,
    namespace: Arc<[u8]>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// What verifies certificates, by the first epoch with those members.
    verifiers: BTreeMap<u64, Arc<Scheme>>,
    newest: Seats,
}

impl Schemes {
    /// The epoch of `committee`, which begins on the block `begins_on`: the founders' and genesis, or a later one. Those before
    /// are not known.
    ///
    /// # Errors
    /// [`ConfigError::Committee`] if the committee's keys are not distinct ed25519 keys.
    pub(crate) fn new(
        config: &Config,
        committee: &Committee,
        begins_on: Digest,
    ) -> Result<Self, ConfigError> {
        let namespace: Arc<[u8]> = config.namespace().into();
        let newest = seats(committee, begins_on)?;
        let verifier = Arc::new(Scheme::verifier(&namespace, newest.participants.clone()));
        let verifiers = BTreeMap::from([(newest.epoch, verifier)]);
        Ok(Self {
            epocher: FixedEpocher::new(config.epoch_blocks()),
            namespace,
            inner: Arc::new(Mutex::new(Inner { verifiers, newest })),
        })
    }

    pub(crate) fn epocher(&self) -> &FixedEpocher {
        &self.epocher
    }

    /// Whether the block at `height` is the last of its epoch.
    pub(crate) fn is_last(&self, height: u64) -> bool {
        let height = Height::new(height);
        self.epocher.containing(height).as_ref().map(EpochInfo::last) == Some(height)
    }

    /// The last height of `epoch`.
    pub(crate) fn last(&self, epoch: u64) -> Height {
        self.epocher.last(Epoch::new(epoch)).expect("heights fit 64 bits")
    }

    /// The newest epoch.
    pub(crate) fn newest(&self) -> Seats {
        self.inner.lock().newest.clone()
    }

    /// Opens the next epoch, whose committee the committed block `begins_on` names.
    ///
    /// # Errors
    /// [`ConfigError::Committee`] if its keys are not distinct ed25519 keys, [`ConfigError::Epoch`] if it is not the next.
    pub(crate) fn open(&self, next: &Committee, begins_on: Digest) -> Result<(), ConfigError> {
        let next = seats(next, begins_on)?;
        let mut inner = self.inner.lock();
        if next.epoch != inner.newest.epoch + 1 {
            return Err(ConfigError::Epoch);
        }
        if next.participants != inner.newest.participants {
            let verifier = Scheme::verifier(&self.namespace, next.participants.clone());
            inner.verifiers.insert(next.epoch, Arc::new(verifier));
        }
        inner.newest = next;
        Ok(())
    }

    /// The newest committee without `me`; none in a committee of one.
    pub(crate) fn others(&self, me: &PublicKey) -> Option<NonEmptyVec<PublicKey>> {
        let inner = self.inner.lock();
        let others = inner.newest.participants.iter().filter(|key| *key != me).cloned();
        NonEmptyVec::try_from(others.collect::<Vec<_>>()).ok()
    }
}

fn seats(committee: &Committee, begins_on: Digest) -> Result<Seats, ConfigError> {
    Ok(Seats {
        epoch: committee.epoch,
        participants: participants(committee)?,
        quorum: committee.quorum(),
        begins_on,
    })
}

impl Provider for Schemes {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        let inner = self.inner.lock();
        if epoch.get() > inner.newest.epoch {
            return None;
        }
        let (_, verifier) = inner.verifiers.range(..=epoch.get()).next_back()?;
        // Whoever signs has a scheme of its own; but the engine asks for one that could, to compare payloads with.
        Some(Scoped::scheme(verifier.clone()))
    }
}
