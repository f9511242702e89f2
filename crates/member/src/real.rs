//! A member on the operating system: its own threads, its own runtime, sockets and files.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, thread};

mod file;
pub use file::{Restored, restore, verify};

use commonware_runtime::{Runner as _, Supervisor as _, tokio};
use futures::{
    channel::oneshot,
    future::{FutureExt as _, Shared},
};
use hanse_consensus::{Handle, Peer, RealConfig, real_network};
use hanse_ledger::Ledger;
use hanse_store::{Counters, Report};

use crate::{
    MemberConfig, MemberError, Shelf,
    assemble::{Around, Assembled, assemble},
};

/// Threads of the member's runtime. Its tasks hand each other small pieces of work: on one thread that costs no wake-ups
/// (docs/adr/0011 has the measurement). Doors have a runtime of their own.
const WORKERS: usize = 1;

/// Where a real member lives.
pub struct RealSettings {
    /// Directory of the log, the archives and the map.
    pub data: PathBuf,
    /// Address for the other members.
    pub listen: SocketAddr,
    /// All members, this one included.
    pub peers: Vec<Peer>,
}

/// How a member ended.
pub type Ending = Result<(), Arc<MemberError>>;

/// A running member. Dropping it does not stop it; [`Member::stop`] does.
pub struct Member {
    /// Its desk.
    pub ledger: Arc<Ledger>,
    /// Its engine.
    pub handle: Handle,
    /// What opening the log found.
    pub report: Report,
    /// Its snapshots.
    pub shelf: Shelf,
    stop: Option<oneshot::Sender<()>>,
    ended: Shared<futures::future::BoxFuture<'static, Ending>>,
    counters: Arc<dyn Fn() -> Counters + Send + Sync>,
}

impl Member {
    /// What the log has done since the member started.
    pub fn counters(&self) -> Counters {
        (self.counters)()
    }

    /// The same as a function, for metrics.
    pub fn counter(&self) -> Arc<dyn Fn() -> Counters + Send + Sync> {
        self.counters.clone()
    }

    /// Resolves when the member has ended, by itself or after [`Member::stop`].
    pub fn ended(&self) -> Shared<futures::future::BoxFuture<'static, Ending>> {
        self.ended.clone()
    }

    /// Asks the member to write down what it has and to end.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A member that ended already needs no telling.
            let _gone = stop.send(());
        }
    }
}

/// Starts a member on threads of its own and waits until history is replayed.
///
/// # Errors
/// [`MemberError`] if it does not come up; nothing is left running.
pub async fn run(config: MemberConfig, settings: RealSettings) -> Result<Member, Arc<MemberError>> {
    let (up, coming) = oneshot::channel();
    let (stop, stopping) = oneshot::channel();
    let (down, going) = oneshot::channel();
    let spawned = thread::Builder::new().name("hanse-member".to_owned()).spawn(move || {
        let ending = live(config, settings, up, stopping);
        // Nobody may be listening any more.
        let _gone = down.send(ending);
    });
    if let Err(error) = spawned {
        return Err(Arc::new(MemberError::Ended(format!("thread: {error}"))));
    }
    let ended = going
        .map(|r| r.unwrap_or_else(|_| Err(Arc::new(MemberError::Ended("runtime".to_owned())))))
        .boxed()
        .shared();
    match coming.await {
        Ok(started) => {
            let Assembled { ledger, handle, report, counters, shelf, .. } = started;
            Ok(Member { ledger, handle, report, shelf, stop: Some(stop), ended, counters })
        }
        Err(_) => {
            let why = ended.await.err();
            Err(why.unwrap_or_else(|| Arc::new(MemberError::Ended("start".to_owned()))))
        }
    }
}

fn live(
    config: MemberConfig,
    settings: RealSettings,
    up: oneshot::Sender<Assembled>,
    stopping: oneshot::Receiver<()>,
) -> Ending {
    let runtime = tokio::Config::new()
        .with_worker_threads(WORKERS)
        .with_tcp_nodelay(Some(true))
        .with_catch_panics(false)
        .with_storage_directory(settings.data);
    tokio::Runner::new(runtime).start(|context| async move {
        let network = RealConfig {
            key: config.consensus.clone(),
            chain_id: config.genesis.chain_id(),
            listen: settings.listen,
            peers: settings.peers,
        };
        let network = real_network(context.child("network"), network)
            .map_err(|e| Arc::new(MemberError::Network(e)))?;
        let setup: (_, Around) = (MemberConfig::log(), Box::new(|app| app));
        let assembling = assemble(context.child("member"), config, network.channels, setup);
        let mut assembled = Box::pin(assembling).await.map_err(Arc::new)?;
        let ledger = assembled.ledger.clone();
        let ended = std::mem::replace(&mut assembled.ended, futures::future::pending().boxed());
        let closed = std::mem::replace(&mut assembled.closed, futures::future::pending().boxed());
        // The starter may have been dropped: then nobody will ask us to stop, and the runtime ends with us.
        let _gone = up.send(assembled);
        let ending = futures::select! {
            why = ended.fuse() => Err(Arc::new(why)),
            _ = network.ended.fuse() => Err(Arc::new(MemberError::Ended("network".to_owned()))),
            asked = stopping.fuse() => match asked {
                Ok(()) => Ok(()),
                Err(_) => Ok(()),
            },
        };
        ledger.stop();
        if ending.is_ok() {
            closed.await;
        }
        ending
    })
}
