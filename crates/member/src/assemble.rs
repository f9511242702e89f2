//! Wiring, the same for both runtimes: log, map, ledger, engine.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use commonware_runtime::{Spawner, Supervisor as _};
use commonware_storage::Context;
use futures::future::{BoxFuture, FutureExt as _};
use hanse_consensus::{
    Application, Channels, Courier, Doubt, Ended, Gossip, Handle, Links, Recipients, Schedule,
    StartError, Started, Stored, VotesError, start,
};
use hanse_ledger::{Audience, Base, Config, Ledger, limits::GATHER_US};
use hanse_snapshot::{Disk, SnapshotError};
use hanse_state::{Settings, StateTree};
use hanse_store::{OneLog, Report};

use crate::{
    MemberConfig,
    adapter::Adapter,
    birth::{self, BirthError},
    fetch::{WORTH_BLOCKS, fetch},
    shelf::{Serving, Shelf},
    snapshots::{self, Maker},
    tree,
};

/// The protocol version this build executes. Blocks name theirs in the header.
pub const PROTOCOL: u16 = 1;

/// Why a member does not run (any more).
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The log cannot be opened: damaged, or its disk fails. Exit 70.
    #[error("opening the member's log")]
    Log(#[source] hanse_store::OpenError),
    /// The map cannot be opened. Exit 70.
    #[error("opening the member's state")]
    State(#[source] hanse_state::OpenError),
    /// The disk failed under a snapshot, or the snapshot that the map is to be built from is damaged too. Exit 70.
    #[error("reading the member's snapshots")]
    Snapshot(#[source] SnapshotError),
    /// The engine cannot start. Exit 70.
    #[error("starting consensus")]
    Start(#[source] hanse_consensus::StartError),
    /// Votes of this member are lost or rolled back: it may only follow. Exit 71.
    #[error("this member must not vote in this epoch")]
    Votes(#[source] VotesError),
    /// The chain goes by a protocol this build does not know. Exit 72.
    #[error("the chain goes by protocol version {0}, and this build knows {PROTOCOL}")]
    Protocol(u16),
    /// The network cannot be opened. Exit 78.
    #[error("opening the network")]
    Network(#[source] hanse_consensus::NetworkError),
    /// A write or flush failed while running. Exit 70.
    #[error("storage failed: {0}")]
    Storage(String),
    /// This member's own outcome contradicts a certificate: its disk or its code is broken. Exit 70.
    #[error("this member's outcome contradicts a certificate: {0}")]
    Diverged(String),
    /// A part ended that never should.
    #[error("the part {0} ended")]
    Ended(String),
}

/// A member that runs.
pub(crate) struct Assembled {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) handle: Handle,
    pub(crate) report: Report,
    /// Its snapshots.
    pub(crate) shelf: Shelf,
    /// Resolves when the member must stop, with the reason.
    pub(crate) ended: BoxFuture<'static, MemberError>,
    /// Resolves when the side task has persisted the map after [`Ledger::stop`].
    pub(crate) closed: BoxFuture<'static, ()>,
    /// What the log has done.
    pub(crate) counters: Arc<dyn Fn() -> hanse_store::Counters + Send + Sync>,
}

/// Puts something between the engine and the ledger, or nothing.
pub type Around = Box<dyn FnOnce(Arc<dyn Application>) -> Arc<dyn Application> + Send>;

/// Opens everything in `context`'s storage and starts voting.
///
/// # Errors
/// [`MemberError`]; nothing votes then.
pub(crate) async fn assemble<E, N>(
    context: E,
    config: MemberConfig,
    mut channels: Channels<N>,
    (log_config, around): (hanse_store::Config, Around),
) -> Result<Assembled, MemberError>
where
    E: Context + Spawner + rand_core::CryptoRng,
    N: Links,
{
    let protocol = config.genesis.params.protocol_version;
    if protocol != PROTOCOL {
        return Err(MemberError::Protocol(protocol));
    }
    let (log, report) =
        OneLog::open(context.child("log"), log_config).await.map_err(MemberError::Log)?;
    let failed = log.failed();
    if report.fresh && !config.verifier_only {
        // Whoever must not vote is told so before it takes anything over.
        birth::check(&log, &report, config.first_start, 0).await.map_err(unborn)?;
    }
    let mut courier = channels.courier();
    let disk = snapshots::disk(context.child("snapshots"));
    let engine_config = config.engine(doubting(log.child("doubt")));
    let stored = Stored::open(log.child("stored"), &engine_config).await;
    let mut stored = stored.map_err(MemberError::Start)?;
    let empty = stored.height() == 0;
    let base = first_state(&context, &config, (&disk, &mut courier), empty).await?;
    if let Some(base) = &base {
        let begun = stored.begin_at(&snapshots::engine_base(base)).await;
        stored = begun.map_err(MemberError::Start)?;
    }
    let epoch = config.genesis.params.epoch_of(stored.height() + 1);
    if !config.verifier_only {
        let checked = birth::check(&log, &report, config.first_start, epoch).await;
        checked.map_err(unborn)?;
    }
    let pace = (config.snapshot_blocks, config.place());
    let (ledger, way_out) = desk((config.genesis, config.gateway), base.as_ref());
    let map = open_map((&context, &disk), stored.height(), (&ledger, base.is_some())).await?;
    let (adapter, newer) = Adapter::new(ledger.clone());
    let app = around(Arc::new(adapter));
    let started = start(log.child("engine"), engine_config, stored, channels, app).await;
    let Started { handle, ended } = match started {
        Ok(started) => started,
        Err(StartError::Forgotten(error)) => return Err(doubted(&log, error).await),
        Err(error) => return Err(MemberError::Start(error)),
    };
    let doubting = log.child("ended");
    let ended = async move {
        match ended.await {
            Ended::Part(part) => MemberError::Ended(part.to_owned()),
            Ended::Votes(error) => doubted(&doubting, error).await,
        }
    };
    // Set once, here; before this nothing is submitted, for the ledger is not ready.
    let _first = way_out.set((handle.gossip(), handle.schedule()));

    let maker = (context.child("maker"), disk.clone());
    let maker = Maker::new(maker, ledger.clone(), pace.0, pace.1);
    let (shelf, serving) = Serving::new(disk, ledger.clone(), maker.asked());
    let settling = settling(&context, log.child("flush"), (map, maker), ledger.clone());
    let _until_stopped = context.child("gather").spawn({
        let ledger = ledger.clone();
        move |context| pump(context, ledger)
    });
    if let Some(courier) = courier {
        let _until_stopped = context.child("states").spawn(|_| serving.run(courier));
    }
    ledger.set_ready();
    let counting = log.child("counters");
    Ok(Assembled {
        ended: end(ledger.clone(), (ended.boxed(), newer), failed.boxed(), settling.clone()),
        closed: settling.map(|_| ()).boxed(),
        ledger,
        handle,
        report,
        shelf,
        counters: Arc::new(move || counting.counters()),
    })
}

/// The state that this member begins with, if not that of genesis: its own newest snapshot, or, when its disk holds nothing though
/// its chain may be old, what the others have.
async fn first_state<E: Context + Spawner>(
    context: &E,
    config: &MemberConfig,
    (disk, courier): (&Disk<E>, &mut Option<Courier>),
    empty: bool,
) -> Result<Option<Base>, MemberError> {
    let own = snapshots::own(disk, &config.genesis).await.map_err(MemberError::Snapshot)?;
    let founds = config.first_start && config.seat().is_some();
    match (own, courier) {
        (None, Some(courier)) if empty && !founds => {
            let me = config.consensus.public();
            let members = config.genesis.committee().members.into_iter();
            let others = members.map(|member| member.consensus).filter(|key| *key != me).collect();
            let worth = config.snapshot_blocks.min(WORTH_BLOCKS);
            let fetched = fetch(context, (courier, others), (disk, worth), &config.genesis).await;
            fetched.map_err(MemberError::Snapshot)
        }
        (own, _) => Ok(own),
    }
}

type WayOut = Arc<OnceLock<(Gossip, Schedule)>>;

/// The desk, and where its messages go once the engine runs.
fn desk(
    (genesis, gateway): (hanse_types::Genesis, Option<hanse_crypto::SigningKey>),
    base: Option<&Base>,
) -> (Arc<Ledger>, WayOut) {
    let way_out = WayOut::default();
    let gossip = outgoing(way_out.clone());
    let config = Config { genesis, gateway, gossip };
    let ledger = match base {
        Some(base) => Ledger::begin_at(config, base),
        None => Ledger::new(config),
    };
    (ledger, way_out)
}

/// Opens the authenticated map. It has files of its own: what the log lost with a killed process may have reached them. Its
/// state must be one that the replay comes to, or nothing would settle before that height is reached again. A map that is older
/// than the state the desk `began` with is built again from the snapshot of that state.
async fn open_map<E: Context + Spawner>(
    (context, disk): (&E, &Disk<E>),
    at_most: hanse_types::Height,
    (ledger, began): (&Ledger, bool),
) -> Result<StateTree<E>, MemberError> {
    let settings = || Settings { at_most, ..Settings::default() };
    let partition = snapshots::map_partition();
    let base = ledger.tip().height;
    let open = async |name| {
        let opened = StateTree::open(context.child(name), &partition, &settings()).await;
        opened.map_err(MemberError::State)
    };
    let (mut map, mut settled) = open("state").await?;
    if began && settled < Some(base) {
        drop(map);
        let building = context.child("rebuild");
        snapshots::restore_map(disk, ledger.genesis(), base, building, settings())
            .await
            .map_err(MemberError::Snapshot)?;
        (map, settled) = open("rebuilt").await?;
    }
    if let Some(height) = settled {
        ledger.tree_opened(height, map.root());
    }
    Ok(map)
}

type Settling = futures::future::Shared<BoxFuture<'static, Option<String>>>;

/// Starts the side task that owns the map. Resolves when it ends, with the reason if it failed.
fn settling<E: Context + Spawner, L: hanse_consensus::Runtime>(
    context: &E,
    log: hanse_store::OneLog<L>,
    (map, maker): (StateTree<E>, Maker<E>),
    ledger: Arc<Ledger>,
) -> Settling {
    let flush_log: tree::FlushLog = Box::new(move || {
        let log = log.child("once");
        async move { log.flush().await.is_ok() }.boxed()
    });
    let task = context.child("tree").spawn(move |_| tree::run(map, ledger, flush_log, maker));
    async move {
        match task.await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(error) => Some(error.to_string()),
        }
    }
    .boxed()
    .shared()
}

/// Lets what waits for company wait for a moment, until the desk stops.
async fn pump<E: commonware_runtime::Clock>(clock: E, ledger: Arc<Ledger>) {
    while ledger.gathering().await {
        clock.sleep(Duration::from_micros(GATHER_US)).await;
        ledger.end_gather();
    }
}

fn unborn(error: BirthError) -> MemberError {
    match error {
        BirthError::Votes(error) => MemberError::Votes(error),
        other => MemberError::Storage(other.to_string()),
    }
}

/// Writes down that votes of an epoch may be missing, before this member votes in a later one.
fn doubting<L: commonware_runtime::Storage>(log: L) -> Doubt {
    let log = Arc::new(log);
    Arc::new(move |epoch| {
        let log = log.clone();
        async move {
            let written = birth::doubt(&*log, epoch).await;
            written
                .inspect_err(|error| tracing::error!(%error, "the log cannot be written"))
                .is_ok()
        }
        .boxed()
    })
}

/// Writes down that votes are missing before anybody is told.
async fn doubted<L: commonware_runtime::Storage>(log: &L, error: VotesError) -> MemberError {
    let Some(epoch) = error.epoch() else { return MemberError::Votes(error) };
    match birth::doubt(log, epoch).await {
        Ok(()) => MemberError::Votes(error),
        Err(failed) => MemberError::Storage(failed.to_string()),
    }
}

type Outgoing = Box<dyn Fn(Audience, Vec<u8>) + Send + Sync>;

/// Sends through the engine, once there is one.
///
/// The desk keeps this: a whole [`Handle`] would keep the desk in turn.
fn outgoing(engine: WayOut) -> Outgoing {
    Box::new(move |audience, bytes| {
        if let Some((gossip, schedule)) = engine.get() {
            let to = match audience {
                Audience::All => Recipients::All,
                Audience::Leaders => Recipients::Some(schedule.leaders()),
            };
            // Nobody reachable now: this member keeps the command in its own pool and proposes it itself.
            let _sent = gossip.send(to, bytes.into());
        }
    })
}

fn end(
    ledger: Arc<Ledger>,
    (engine, newer): (BoxFuture<'static, MemberError>, BoxFuture<'static, u16>),
    log: BoxFuture<'static, Arc<str>>,
    tree: futures::future::Shared<BoxFuture<'static, Option<String>>>,
) -> BoxFuture<'static, MemberError> {
    let diverged = ledger.diverged();
    async move {
        futures::select! {
            why = diverged.fuse() => MemberError::Diverged(why),
            why = log.fuse() => MemberError::Storage(why.to_string()),
            why = tree.fuse() => match why {
                Some(why) => MemberError::Storage(why),
                None => MemberError::Ended("state".to_owned()),
            },
            version = newer.fuse() => MemberError::Protocol(version),
            why = engine.fuse() => why,
        }
    }
    .boxed()
}
