//! Wiring, the same for both runtimes: log, map, ledger, engine.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use commonware_runtime::{Spawner, Supervisor as _};
use commonware_storage::Context;
use futures::future::{BoxFuture, FutureExt as _};
use hanse_consensus::{Application, Channels, Handle, Links, Recipients, Started, start};
use hanse_ledger::{Audience, Config, Ledger, limits::GATHER_US};
use hanse_state::{Settings, StateTree};
use hanse_store::{OneLog, Report};

use crate::{MemberConfig, adapter::Adapter, config::PREFIX, tree};

/// Why a member does not run (any more).
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The log cannot be opened: damaged, or its disk fails. Exit 70.
    #[error("opening the member's log")]
    Log(#[source] hanse_store::OpenError),
    /// The map cannot be opened. Exit 70.
    #[error("opening the member's state")]
    State(#[source] hanse_state::OpenError),
    /// The engine cannot start. Exit 70.
    #[error("starting consensus")]
    Start(#[source] hanse_consensus::StartError),
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
    channels: Channels<N>,
    (log_config, around): (hanse_store::Config, Around),
) -> Result<Assembled, MemberError>
where
    E: Context + Spawner + rand_core::CryptoRng,
    N: Links,
{
    let engine_config = config.engine();
    let engine: Arc<OnceLock<Handle>> = Arc::default();
    let committee = config.genesis.committee();
    let leaders = committee.members.len() - committee.quorum() + 1;
    let ledger = Ledger::new(Config {
        genesis: config.genesis.clone(),
        gateway: config.gateway,
        gossip: outgoing(engine.clone(), leaders),
    });

    let settings = Settings::default();
    let partition = format!("{PREFIX}-state");
    let (map, settled) = StateTree::open(context.child("state"), &partition, &settings)
        .await
        .map_err(MemberError::State)?;
    if let Some(height) = settled {
        ledger.tree_opened(height, map.root());
    }

    let (log, report) =
        OneLog::open(context.child("log"), log_config).await.map_err(MemberError::Log)?;
    let failed = log.failed();
    let app = around(Arc::new(Adapter(ledger.clone())));
    let Started { handle, ended } = start(log.child("engine"), engine_config, channels, app)
        .await
        .map_err(MemberError::Start)?;
    // Set once, here; before this nothing is submitted, for the ledger is not ready.
    let _first = engine.set(handle.clone());

    let flushing = log.child("flush");
    let flush_log: tree::FlushLog = Box::new(move || {
        let log = flushing.child("once");
        async move { log.flush().await.is_ok() }.boxed()
    });
    let task = context.child("tree").spawn({
        let ledger = ledger.clone();
        move |_| tree::run(map, ledger, flush_log)
    });
    let _until_stopped = context.child("gather").spawn({
        let ledger = ledger.clone();
        move |context| async move {
            while ledger.gathering().await {
                context.sleep(Duration::from_micros(GATHER_US)).await;
                ledger.end_gather();
            }
        }
    });
    let settling = async move {
        match task.await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(error) => Some(error.to_string()),
        }
    }
    .boxed()
    .shared();
    ledger.set_ready();
    let counting = log.child("counters");
    Ok(Assembled {
        ended: end(ledger.clone(), ended, failed.boxed(), settling.clone()),
        closed: settling.map(|_| ()).boxed(),
        ledger,
        handle,
        report,
        counters: Arc::new(move || counting.counters()),
    })
}

type Outgoing = Box<dyn Fn(Audience, Vec<u8>) + Send + Sync>;

/// Sends through the engine, once there is one. `leaders` is how many are enough that one of them is honest.
fn outgoing(engine: Arc<OnceLock<Handle>>, leaders: usize) -> Outgoing {
    Box::new(move |audience, bytes| {
        if let Some(engine) = engine.get() {
            let to = match audience {
                Audience::All => Recipients::All,
                Audience::Leaders => Recipients::Some(engine.leaders(leaders)),
            };
            // Nobody reachable now: this member keeps the command in its own pool and proposes it itself.
            let _sent = engine.gossip().send(to, bytes.into());
        }
    })
}

fn end(
    ledger: Arc<Ledger>,
    engine: BoxFuture<'static, &'static str>,
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
            part = engine.fuse() => MemberError::Ended(part.to_owned()),
        }
    }
    .boxed()
}
