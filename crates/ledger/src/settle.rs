//! State roots: which boundary is under way, what the tree must take in, and which questions it can answer now.
//!
//! At most one boundary is under way in a chain. So the tree stands at the boundary whose root the newest carrying header
//! binds, until the block that is the next boundary commits: in between proofs can be made.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures::{channel::oneshot, future::BoxFuture};
use hanse_crypto::merkle::Accumulator;
use hanse_execution::{Dirty, World};
use hanse_types::{ChainParams, Digest, Header, Height, Record, StateKey};

use crate::{
    Ledger,
    chain::Candidate,
    limits::PROOFS_WAITING_MAX,
    prove::{ProveError, Wanted},
};

/// Roots of past boundaries that late proposals may still carry.
const ROOTS_KEPT: usize = 64;

/// A state and which of its leaves the authenticated map does not hold yet. What they are is computed by whoever owns the
/// map, so that nobody waits for the hashing.
#[derive(Clone, Debug)]
pub struct Unsettled {
    world: World,
    dirty: Dirty,
}

impl Unsettled {
    pub(crate) fn new(world: World, dirty: Dirty) -> Self {
        Self { world, dirty }
    }

    /// Slot and record digest of each leaf, or nothing for a removed key; sorted by slot.
    pub fn writes(self) -> Vec<(Digest, Option<Digest>)> {
        self.dirty.writes()
    }
}

/// Work for the owner of the authenticated map.
#[derive(Debug)]
pub enum Job {
    /// Take in what changed; answer with [`Ledger::tree_settled`].
    Settle {
        /// The boundary.
        height: Height,
        /// The state there.
        changes: Unsettled,
    },
    /// Write out the state, if that can be done without keeping settlement waiting for long; ask for the rest with
    /// [`Ledger::manifest`].
    Snapshot(Box<Still>),
    /// Prove what the map holds at `slots`, all present, at the boundary it stands at.
    Prove {
        /// Slots in the order in which proofs are wanted.
        slots: Vec<Digest>,
        /// Where the answer goes.
        reply: ProofReply,
    },
}

/// The state at the boundary the map stands at, which a certified header binds.
#[derive(Clone, Debug)]
pub struct Still {
    /// The boundary.
    pub height: Height,
    /// The state.
    pub world: World,
    /// Where the map holds the record that binds the rest of the state.
    pub slot: Digest,
    /// The boundary's header.
    pub(crate) base: Header,
    /// The first header that carries the map's root.
    pub(crate) carrier: Height,
    pub(crate) history: Accumulator,
}

/// Takes the tree's answer to [`Job::Prove`].
#[derive(Debug)]
pub struct ProofReply {
    carrier: Height,
    world: World,
    sender: oneshot::Sender<Result<TreeAnswer, ProveError>>,
}

impl ProofReply {
    /// Hands over one proof per slot; `None` when the tree failed.
    pub fn send(self, proofs: Option<Vec<Vec<u8>>>) {
        let answer = proofs.ok_or(ProveError::Stopped).map(|proofs| TreeAnswer {
            carrier: self.carrier,
            world: self.world,
            proofs,
        });
        // A client that went away needs no answer.
        let _gone = self.sender.send(answer);
    }
}

/// Proofs under the root of one boundary.
#[derive(Debug)]
pub struct TreeAnswer {
    pub(crate) carrier: Height,
    pub(crate) world: World,
    pub(crate) proofs: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Asked {
    at_least: Height,
    wanted: Wanted,
    sender: oneshot::Sender<Result<TreeAnswer, ProveError>>,
}

#[derive(Debug)]
struct Boundary {
    header: Header,
    changes: Unsettled,
    history: Accumulator,
}

/// A boundary that the map stands at, or comes to.
#[derive(Clone, Debug)]
struct Standing {
    header: Header,
    world: World,
    history: Accumulator,
}

/// The committed chain's side of settlement.
#[derive(Debug, Default)]
pub(crate) struct Settlement {
    dirty: Dirty,
    jobs: VecDeque<Boundary>,
    /// Handed out, not answered yet.
    settling: Option<Standing>,
    /// Where the tree stands, with the state there.
    standing: Option<Standing>,
    roots: BTreeMap<Height, Digest>,
    /// Boundary and height of the newest committed header that carries its root.
    carried: Option<(Height, Height)>,
    asked: VecDeque<Asked>,
    /// Boundaries up to here are already in a tree that was reopened.
    reopened: Option<(Height, Digest)>,
    /// The state at the first boundary from here on is to be written out.
    snapshot_from: Option<Height>,
}

impl Settlement {
    pub(crate) fn genesis(header: Header, changes: Unsettled, history: Accumulator) -> Self {
        let jobs = VecDeque::from([Boundary { header, changes, history }]);
        Self { jobs, ..Self::default() }
    }

    /// With a map that stands at the block of `header` and has this root.
    pub(crate) fn resumed(
        header: Header,
        root: Digest,
        world: World,
        history: Accumulator,
    ) -> Self {
        let mut settlement = Self::default();
        settlement.stand(Standing { header, world, history }, root);
        settlement
    }

    pub(crate) fn root(&self, height: Height) -> Option<Digest> {
        self.roots.get(&height).copied()
    }

    /// Takes a newly committed block in.
    pub(crate) fn commit(&mut self, candidate: &Candidate, parent: &Header) {
        let header = &candidate.block.header;
        if header.settled_height != parent.settled_height || header.state_root != parent.state_root
        {
            self.carried = Some((header.settled_height, header.height));
        }
        self.dirty.extend(&candidate.executed.dirty);
        if header.settles {
            let dirty = std::mem::take(&mut self.dirty);
            let world = candidate.executed.world.clone();
            let (changes, history) = (Unsettled { world, dirty }, candidate.history.clone());
            self.boundary(Boundary { header: header.clone(), changes, history });
        }
    }

    fn boundary(&mut self, boundary: Boundary) {
        match self.reopened {
            Some((at, _)) if boundary.header.height < at => {}
            Some((at, root)) if boundary.header.height == at => {
                self.reopened = None;
                let Boundary { header, changes, history } = boundary;
                self.stand(Standing { header, world: changes.world, history }, root);
            }
            _ => self.jobs.push_back(boundary),
        }
    }

    fn stand(&mut self, standing: Standing, root: Digest) {
        self.roots.insert(standing.header.height, root);
        self.standing = Some(standing);
        while self.roots.len() > ROOTS_KEPT {
            self.roots.pop_first();
        }
    }

    /// What a proof of the newest committed state has to wait for.
    pub(crate) fn at_least(&self, tip: &Candidate) -> Height {
        match (tip.unsettled, tip.pending) {
            (true, _) => tip.height(),
            (false, Some(boundary)) => boundary,
            (false, None) => tip.block.header.settled_height,
        }
    }

    fn next(&mut self, params: &ChainParams) -> Option<Job> {
        if let Some(job) = self.next_snapshot(params).or_else(|| self.next_proof()) {
            return Some(job);
        }
        if self.settling.is_some() {
            return None;
        }
        let Boundary { header, changes, history } = self.jobs.pop_front()?;
        let height = header.height;
        self.settling = Some(Standing { header, world: changes.world.clone(), history });
        Some(Job::Settle { height, changes })
    }

    /// What the tree stands at, if a committed header carries its root, and that header's height.
    fn still(&self) -> Option<(&Standing, Height)> {
        let standing = self.standing.as_ref().filter(|_| self.settling.is_none())?;
        let (carried, carrier) = self.carried?;
        (carried == standing.header.height).then_some((standing, carrier))
    }

    fn next_snapshot(&mut self, params: &ChainParams) -> Option<Job> {
        let from = self.snapshot_from?;
        let (standing, carrier) = self.still()?;
        let height = standing.header.height;
        // Whoever goes on from it begins inside an epoch, with a certificate of that epoch's committee. Genesis is nobody's word
        // and nothing binds what stands beside its records.
        let inside = params.epoch_of(carrier) == params.epoch_of(height);
        if height < from.max(1) || !inside || params.is_last_of_epoch(height) {
            return None;
        }
        let Standing { header: base, world, history } = standing.clone();
        let slot = Record::slot(&StateKey::Aside.encode());
        self.snapshot_from = None;
        Some(Job::Snapshot(Box::new(Still { height, world, slot, base, carrier, history })))
    }

    fn next_proof(&mut self) -> Option<Job> {
        let (standing, carrier) = self.still()?;
        let ready = self.asked.iter().position(|a| a.at_least <= standing.header.height)?;
        let world = standing.world.clone();
        let asked = self.asked.remove(ready)?;
        let slots = asked.wanted.slots(&world);
        let reply = ProofReply { carrier, world, sender: asked.sender };
        Some(Job::Prove { slots, reply })
    }
}

impl Ledger {
    /// Says that the authenticated map was reopened at `height`, not before where the desk begins, with `root`, before history is
    /// replayed.
    pub fn tree_opened(&self, height: Height, root: Digest) {
        let mut inner = self.inner.lock();
        let tip = inner.chain.tip().clone();
        let settlement = &mut inner.settlement;
        settlement.jobs.clear();
        if height == tip.height() {
            let (world, history) = (tip.executed.world.clone(), tip.history.clone());
            let header = tip.block.header.clone();
            settlement.stand(Standing { header, world, history }, root);
        } else {
            settlement.standing = None;
            settlement.reopened = Some((height, root));
        }
    }

    /// The next piece of work for the owner of the map; `None` once the desk stops.
    pub fn next_job(self: &Arc<Self>) -> BoxFuture<'static, Option<Job>> {
        let ledger = self.clone();
        Box::pin(async move {
            let look = || {
                let mut inner = ledger.inner.lock();
                if inner.stopped {
                    return Some(None);
                }
                inner.settlement.next(&ledger.genesis.params).map(Some)
            };
            ledger.changed.until(look).await
        })
    }

    /// Asks for one [`Job::Snapshot`], at the first boundary from `height` on at which that can be done.
    pub fn snapshot_from(&self, height: Height) {
        self.inner.lock().settlement.snapshot_from = Some(height);
        self.changed.announce();
    }

    /// Takes the root the map computed for `height`.
    pub fn tree_settled(&self, height: Height, root: Digest) {
        let mut inner = self.inner.lock();
        if let Some(standing) = inner.settlement.settling.take()
            && standing.header.height == height
        {
            inner.settlement.stand(standing, root);
        }
        // A certified header may have carried this root before we had it (catching up): it must be the same.
        let carried = inner.settlement.carried.map(|(boundary, _)| boundary);
        let certified = inner.chain.tip().block.header.state_root;
        if carried == Some(height) && certified != root {
            let why = format!("own state root of height {height} differs from the certified one");
            inner.diverged = Some(why);
        }
        drop(inner);
        self.changed.announce();
    }

    /// Asks the map; also tells the height of the header that carries the root the answer is under.
    pub(crate) async fn ask_tree(
        &self,
        wanted: Wanted,
    ) -> Result<(TreeAnswer, Height), ProveError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut inner = self.inner.lock();
            if inner.stopped {
                return Err(ProveError::Stopped);
            }
            if inner.settlement.asked.len() >= PROOFS_WAITING_MAX {
                return Err(ProveError::Busy);
            }
            let tip = inner.chain.tip().clone();
            let at_least = inner.settlement.at_least(&tip);
            inner.settlement.asked.push_back(Asked { at_least, wanted, sender });
        }
        self.changed.announce();
        let answer = receiver.await.map_err(|_| ProveError::Stopped)??;
        let carrier = answer.carrier;
        Ok((answer, carrier))
    }
}
