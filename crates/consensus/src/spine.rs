//! The chain this member has committed and the candidates above it: the one place that calls [`Application::commit`].

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use commonware_codec::Encode as _;
use commonware_consensus::{Block as _, Heightable as _};
use commonware_cryptography::Digestible as _;
use commonware_utils::{
    channel::watch,
    sync::{Mutex, MutexGuard},
};
use hanse_types::Height;

use crate::{
    Application, Certified, EngineBlock,
    certified::Runs,
    engine::{Digest, Finalization},
    schemes::Schemes,
};

/// Committed digests remembered, so that a late question about a height just passed needs no disk.
const RECENT: u64 = 256;
/// Certificates kept for blocks not known here yet. Any that is dropped is found again in the archive.
const CERTIFICATES: usize = 64;

pub(crate) struct Spine {
    pub(crate) app: Arc<dyn Application>,
    tip: Mutex<Tip>,
    height: watch::Sender<Height>,
    /// Since when this member hears from the others.
    live: Live,
    schemes: Schemes,
}

/// Tells what others say now from what this member's own disk holds.
#[derive(Default)]
pub(crate) struct Live {
    /// Newest place in this member's own log and archive at start.
    stored: OnceLock<(u64, u64)>,
    /// The first place above it that a certificate of this process's time was for.
    from: OnceLock<(u64, u64)>,
}

impl Live {
    /// Says where this member's own files end. What is certified above was certified by others, too, since it started.
    pub(crate) fn begin(&self, stored: (u64, u64)) {
        // Begun once, by whoever starts the engine.
        let _first = self.stored.set(stored);
    }

    /// Notes a certificate of `epoch` and `view`, whatever it says.
    pub(crate) fn heard(&self, epoch: u64, view: u64) {
        if self.stored.get().is_some_and(|stored| (epoch, view) > *stored) {
            self.from.get_or_init(|| (epoch, view));
        }
    }

    /// Whether a block of this place is of the time since others were heard.
    fn holds(&self, epoch: u64, view: u64) -> bool {
        self.from.get().is_some_and(|from| (epoch, view) >= *from)
    }
}

/// Guarded as one: the application moves its tip while this is locked, so both always agree to whoever holds it.
pub(crate) struct Tip {
    height: Height,
    digest: Digest,
    recent: BTreeMap<Height, Digest>,
    candidates: BTreeMap<Digest, EngineBlock>,
    /// Committed heights whose block came with a certificate of its own.
    certified: Runs,
    certificates: BTreeMap<(u64, u64, Digest), Vec<u8>>,
}

/// How a block stands to the committed chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Executed here already, or the tip itself.
    Known,
    /// Its parent is: it can be admitted.
    Ready,
    /// At or below the tip, and it is the block committed there.
    Committed,
    /// It can never follow from what is committed.
    Conflicts,
    /// At or below the tip, too old to tell without the archive.
    Old,
    /// Its parent has to be admitted first.
    Orphan,
}

impl Spine {
    /// A chain that begins at `first`, whose outcome the application holds.
    pub(crate) fn new(app: Arc<dyn Application>, first: &EngineBlock, schemes: Schemes) -> Self {
        let (digest, height) = (first.digest(), first.height().get());
        let tip = Tip {
            height,
            digest,
            recent: BTreeMap::from([(height, digest)]),
            candidates: BTreeMap::new(),
            certified: Runs::default(),
            certificates: BTreeMap::new(),
        };
        Self {
            app,
            tip: Mutex::new(tip),
            height: watch::Sender::new(height),
            live: Live::default(),
            schemes,
        }
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    pub(crate) fn height(&self) -> Height {
        *self.height.borrow()
    }

    pub(crate) fn heights(&self) -> watch::Receiver<Height> {
        self.height.subscribe()
    }

    /// The lowest committed height at or above `height` whose block was committed with its own certificate.
    pub(crate) fn next_certified(&self, height: Height) -> Option<Height> {
        self.tip.lock().certified.next(height)
    }

    pub(crate) fn standing(&self, block: &EngineBlock) -> Standing {
        let tip = self.tip.lock();
        let (digest, height) = (block.digest(), block.height().get());
        if self.knows(&digest) {
            return Standing::Known;
        }
        if height <= tip.height {
            return match tip.recent.get(&height) {
                Some(committed) if *committed == digest => Standing::Committed,
                Some(_) => Standing::Conflicts,
                None => Standing::Old,
            };
        }
        if self.knows(&block.parent()) {
            return Standing::Ready;
        }
        if height == tip.height + 1 { Standing::Conflicts } else { Standing::Orphan }
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.app.knows(&hanse_types::Digest(digest.0))
    }

    /// Remembers an executed block, so that a certificate for it or a descendant commits it at once.
    pub(crate) fn candidate(&self, block: EngineBlock) {
        let mut tip = self.tip.lock();
        if block.height().get() > tip.height {
            tip.candidates.insert(block.digest(), block);
        }
    }

    /// Takes a verified certificate. Commits its block and its ancestors when all of them are candidates here;
    /// otherwise the engine's own path brings the blocks.
    pub(crate) fn certificate(&self, finalization: &Finalization) {
        let mut tip = self.tip.lock();
        let proposal = &finalization.proposal;
        let key = (proposal.round.epoch().get(), proposal.round.view().get(), proposal.payload);
        tip.certificates.insert(key, finalization.encode().to_vec());
        if let Some(path) = tip.path(&proposal.payload) {
            for block in path {
                self.commit(&mut tip, &block);
            }
        }
        while tip.certificates.len() > CERTIFICATES {
            tip.certificates.pop_first();
        }
    }

    /// Takes the next finalised block in the engine's order, with its own certificate if it has one. False on a gap.
    pub(crate) fn delivered(
        &self,
        block: &EngineBlock,
        finalization: Option<&Finalization>,
    ) -> bool {
        let mut tip = self.tip.lock();
        let height = block.height().get();
        if height <= tip.height {
            return true;
        }
        if height != tip.height + 1 || block.parent() != tip.digest {
            return false;
        }
        if let Some(finalization) = finalization {
            let round = finalization.proposal.round;
            let key = (round.epoch().get(), round.view().get(), block.digest());
            tip.certificates.insert(key, finalization.encode().to_vec());
        }
        self.commit(&mut tip, block);
        true
    }

    /// As [`Spine::delivered`], for blocks from this member's own archive.
    pub(crate) fn replay(&self, block: &EngineBlock, finalization: Option<&Finalization>) -> bool {
        self.delivered(block, finalization)
    }

    /// True when a certificate for the block at `height` need not be looked up: it is committed, or one is at hand.
    pub(crate) fn settled_without_archive(&self, block: &EngineBlock) -> bool {
        let tip = self.tip.lock();
        let digest = block.digest();
        block.height().get() <= tip.height || tip.certificates.keys().any(|(_, _, d)| *d == digest)
    }

    fn commit(&self, tip: &mut MutexGuard<'_, Tip>, block: &EngineBlock) {
        let (digest, height) = (block.digest(), block.height().get());
        let certificate = tip.certificates.keys().find(|(_, _, d)| *d == digest).copied();
        let finalization = certificate.and_then(|key| tip.certificates.remove(&key));
        if finalization.is_some() {
            tip.certified.add(height);
        }
        let place = block.block().header.place;
        self.app.commit(Certified {
            block: block.block().clone(),
            digest: hanse_types::Digest(digest.0),
            finalization,
            live: self.live.holds(place.epoch, place.view),
        });
        if self.schemes.is_last(height)
            && let Err(error) = self.schemes.open(&self.app.successor(), digest)
        {
            // Every member voted for a header that names this committee, so this one's state is broken.
            tracing::error!(height, %error, "the next committee is none");
        }
        tip.height = height;
        tip.digest = digest;
        tip.recent.insert(height, digest);
        tip.recent.retain(|h, _| *h + RECENT > height);
        tip.candidates.retain(|_, candidate| candidate.height().get() > height);
        self.height.send_replace(height);
    }
}

impl Tip {
    /// Blocks from the tip, exclusive, to `digest`, oldest first; `None` unless all are candidates.
    fn path(&self, digest: &Digest) -> Option<Vec<EngineBlock>> {
        let mut path = Vec::new();
        let mut next = *digest;
        while next != self.digest {
            let block = self.candidates.get(&next)?;
            next = block.parent();
            path.push(block.clone());
        }
        path.reverse();
        Some(path)
    }
}
