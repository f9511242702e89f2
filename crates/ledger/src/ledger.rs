//! The state of the desk and the locks around it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use hanse_crypto::{SigningKey, merkle::Accumulator};
use hanse_execution::{BlockContext, Executed, Succession, genesis_block, genesis_world};
use hanse_types::{Block, Digest, Genesis, Header, Height, PublicKey, TimeMs};
use parking_lot::{Mutex, RwLock};

use crate::{
    Base, Checked,
    chain::{Candidate, Chain},
    epochs::Epochs,
    outbox::Outbox,
    pool::Pool,
    query::{Committed, Snapshot},
    sessions::Sessions,
    settle::{Settlement, Unsettled},
    signal::Signal,
    submit::Waiters,
};

/// What one member's desk is made with.
pub struct Config {
    /// What all members agreed on.
    pub genesis: Genesis,
    /// This member's gateway key; without one, session commands are refused.
    pub gateway: Option<SigningKey>,
    /// Called with encoded commands that other members should know of. Must not block.
    pub gossip: Box<dyn Fn(Audience, Vec<u8>) + Send + Sync>,
}

/// Which members a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All others.
    All,
    /// Those who propose the current and the next blocks: enough that one of them is honest.
    Leaders,
}

/// The desk of one member.
pub struct Ledger {
    pub(crate) genesis: Genesis,
    pub(crate) chain_id: Digest,
    pub(crate) gossip: Box<dyn Fn(Audience, Vec<u8>) + Send + Sync>,
    pub(crate) gateway: Option<PublicKey>,
    pub(crate) inner: Mutex<Inner>,
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) outbox: Mutex<Outbox>,
    pub(crate) snapshot: RwLock<Arc<Snapshot>>,
    /// Commands came, roots came, blocks came: whoever waits looks again.
    pub(crate) changed: Signal,
}

/// Everything the one writer owns.
pub(crate) struct Inner {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) waiters: Waiters,
    pub(crate) recent: VecDeque<Arc<Committed>>,
    pub(crate) recent_actions: usize,
    /// Where recent commands stand: id → height and index of the first action.
    pub(crate) places: BTreeMap<Digest, (Height, u32)>,
    pub(crate) settlement: Settlement,
    pub(crate) epochs: Epochs,
    /// The height this desk began at: of what came before it holds the outcome only.
    pub(crate) begins: Height,
    /// Rotates the first turn between organisations.
    pub(crate) turn: usize,
    /// False until replay ended and this member takes part.
    pub(crate) ready: bool,
    /// False until a block was certified that others told this process of (DESIGN D6).
    pub(crate) live: bool,
    /// Set when this member's own outcome contradicts a certificate: it must stop.
    pub(crate) diverged: Option<String>,
    pub(crate) stopped: bool,
    /// Newest time anyone told us: only for refusing commands early.
    pub(crate) now_ms: TimeMs,
}

/// The desk in numbers.
#[derive(Clone, Debug)]
pub struct LedgerStatus {
    /// Newest committed height.
    pub height: Height,
    /// Its time.
    pub time_ms: TimeMs,
    /// Newest height whose root a committed header carries.
    pub settled_height: Height,
    /// Commands waiting.
    pub pool_commands: usize,
    /// Their bytes.
    pub pool_bytes: usize,
    /// Candidates above the tip.
    pub candidates: usize,
    /// Session actions waiting for a batch.
    pub session_waiting: usize,
    /// True once history is replayed and the member takes part.
    pub ready: bool,
    /// True once this process holds a certified block that the others told it of: its reads are not from before its start.
    pub live: bool,
    /// Why the member must stop, if its outcome contradicts a certificate.
    pub diverged: Option<String>,
}

impl Ledger {
    /// A desk at height 0.
    pub fn new(config: Config) -> Arc<Self> {
        let (candidate, settlement) = genesis_candidate(&config.genesis);
        let epochs = Epochs::new(config.genesis.committee());
        Self::at(config, candidate, settlement, epochs)
    }

    /// A desk at the height of `base`, with the map as it stood there.
    pub fn begin_at(config: Config, base: &Base) -> Arc<Self> {
        let candidate = base.candidate(&config.genesis);
        let Checked { header, root, .. } = base.checked();
        let (world, history) = (base.world().clone(), base.history().clone());
        let settlement = Settlement::resumed(header.clone(), *root, world, history);
        let epochs = base.epochs(&config.genesis);
        Self::at(config, candidate, settlement, epochs)
    }

    fn at(
        config: Config,
        candidate: Candidate,
        settlement: Settlement,
        epochs: Epochs,
    ) -> Arc<Self> {
        let Config { genesis, gateway, gossip } = config;
        let chain_id = genesis.chain_id();
        let begins = candidate.height();
        let snapshot = Snapshot {
            header: candidate.block.header.clone(),
            digest: candidate.digest,
            world: candidate.executed.world.clone(),
        };
        let public = gateway.as_ref().map(SigningKey::public);
        let inner = Inner {
            chain: Chain::new(candidate),
            pool: Pool::default(),
            waiters: Waiters::default(),
            recent: VecDeque::new(),
            recent_actions: 0,
            places: BTreeMap::new(),
            settlement,
            epochs,
            begins,
            turn: 0,
            ready: false,
            live: false,
            diverged: None,
            stopped: false,
            now_ms: 0,
        };
        Arc::new(Self {
            genesis,
            chain_id,
            gossip,
            gateway: public,
            inner: Mutex::new(inner),
            sessions: Mutex::new(Sessions::new(gateway)),
            outbox: Mutex::default(),
            snapshot: RwLock::new(Arc::new(snapshot)),
            changed: Signal::default(),
        })
    }

    /// What all members agreed on.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The block at height 0.
    pub fn genesis_block(&self) -> Arc<Block> {
        Arc::new(genesis_block(&self.genesis))
    }

    /// The newest committed header.
    pub fn tip(&self) -> Header {
        self.snapshot.read().header.clone()
    }

    /// The desk in numbers.
    pub fn status(&self) -> LedgerStatus {
        let session_waiting = self.sessions.lock().waiting();
        let inner = self.inner.lock();
        let tip = &inner.chain.tip().block.header;
        LedgerStatus {
            height: tip.height,
            time_ms: tip.timestamp_ms,
            settled_height: tip.settled_height,
            pool_commands: inner.pool.len(),
            pool_bytes: inner.pool.bytes(),
            candidates: inner.chain.candidates(),
            session_waiting,
            ready: inner.ready,
            live: inner.live,
            diverged: inner.diverged.clone(),
        }
    }

    /// Says that history is replayed: from now on commands are taken.
    pub fn set_ready(&self) {
        self.inner.lock().ready = true;
        self.changed.announce();
    }

    /// Says that what is committed now was certified by others since this process began: reads are answered from now on.
    pub fn set_live(&self) {
        let first = !std::mem::replace(&mut self.inner.lock().live, true);
        if first {
            self.changed.announce();
        }
    }

    /// Ends all waiting: tickets, watchers and proofs are told that the member stops.
    pub fn stop(&self) {
        let mut inner = self.inner.lock();
        inner.stopped = true;
        inner.waiters.stop();
        drop(inner);
        self.sessions.lock().stop();
        self.changed.announce();
    }

    /// Resolves with the reason when this member's outcome contradicts a certificate; never otherwise.
    pub fn diverged(self: &Arc<Self>) -> futures::future::BoxFuture<'static, String> {
        let ledger = self.clone();
        Box::pin(async move {
            let look = || ledger.inner.lock().diverged.clone();
            ledger.changed.until(look).await
        })
    }

    pub(crate) fn context(&self, header: &Header) -> BlockContext<'_> {
        BlockContext {
            height: header.height,
            time_ms: header.timestamp_ms,
            chain_id: self.chain_id,
            parent: header.parent,
            settles: header.settles,
            params: &self.genesis.params,
        }
    }
}

fn genesis_candidate(genesis: &Genesis) -> (Candidate, Settlement) {
    let block = Arc::new(genesis_block(genesis));
    let digest = block.header.digest();
    let (world, dirty) = genesis_world(genesis);
    let mut history = Accumulator::default();
    history.push(&digest);
    let changes = Unsettled::new(world.clone(), dirty.clone());
    let settlement = Settlement::genesis(block.header.clone(), changes, history.clone());
    let succession = Succession::after(&genesis.params, &block.header, &world);
    let executed = Executed {
        world,
        applied: Arc::default(),
        dirty,
        receipt_root: hanse_crypto::merkle::root(&[]),
        event_root: hanse_crypto::merkle::root(&[]),
    };
    let decoded = Vec::new();
    let (pending, unsettled) = (Some(0), false);
    let candidate =
        Candidate { block, digest, executed, decoded, history, pending, unsettled, succession };
    (candidate, settlement)
}

#[cfg(test)]
mod tests;
