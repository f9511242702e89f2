//! Puts the engine's parts together, once for every runtime and network.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{core::Actor, resolver::p2p as backfill, standard::Deferred},
    simplex,
    types::FixedEpocher,
};
use commonware_cryptography::{Digestible as _, Signer as _};
use commonware_storage::archive;
use commonware_utils::{channel::mpsc, ordered::Set, vec::NonEmptyVec};
use futures::future::{BoxFuture, select_all};

use crate::{
    Application, Channels, Config, ConfigError, EngineBlock, Gossip, Handle, Links,
    archive as history,
    bridge::{Bridge, Company},
    committer::{self, Report},
    engine::{Mailbox, PublicKey, Runtime, Scheme, now_ms},
    gossip,
    settings::{backfill_settings, broadcast_settings, marshal_settings, voting_settings},
    spine::Spine,
    watch::{Observer, Watch},
};

/// Why a member's consensus did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("checking the consensus configuration")]
    Config(#[from] ConfigError),
    /// The archive of certificates cannot be opened or read.
    #[error("reading the archive of certificates")]
    Certificates(#[source] archive::Error),
    /// The archive of blocks cannot be opened or read.
    #[error("reading the archive of blocks")]
    Blocks(#[source] archive::Error),
    /// The archive's index names a block that is not there.
    #[error("the archive has lost the block at height {0}")]
    Missing(u64),
    /// A stored block does not follow the one before it.
    #[error("the stored block at height {0} does not follow the one below")]
    Broken(u64),
}

/// A running engine.
pub struct Started {
    /// Asks and sends.
    pub handle: Handle,
    /// Resolves with the name of the part that ended, when any part does: the member must stop then.
    pub ended: BoxFuture<'static, &'static str>,
}

/// The partition that holds this member's votes of `epoch`; the store flushes with writes to it (engine.md 9.2).
pub fn vote_partition(prefix: &str, epoch: u64) -> String {
    format!("{prefix}-votes-{epoch}")
}

/// Opens what is stored, replays it into the application, and starts voting.
///
/// All tasks are children of `context`: aborting the task that owns it stops the member as a crash would.
///
/// # Errors
/// See [`StartError`]. Nothing runs after an error.
pub async fn start<E, N>(
    context: E,
    config: Config,
    network: Channels<N>,
    application: Arc<dyn Application>,
) -> Result<Started, StartError>
where
    E: Runtime,
    N: Links,
{
    let participants = config.check()?;
    let scheme = config.scheme(participants.clone())?;
    let genesis = EngineBlock::new(application.genesis());
    let genesis_digest = genesis.digest();
    let spine = Arc::new(Spine::new(application.clone(), &genesis));

    let cache = history::page_cache(&config);
    let (certificates, blocks) = history::open(&context, &config, &cache).await?;
    history::replay(&context, &certificates, &blocks, &spine).await?;

    let epocher = FixedEpocher::new(config.epoch_blocks());
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        broadcast_settings(&config, network.peers.clone()),
    );
    let broadcast = broadcast.start(network.broadcast);
    let resolver = backfill::init(
        context.child("backfill"),
        backfill_settings(&config, network.peers, network.blocker.clone()),
        network.backfill,
    );
    let (actor, marshal, _) = Actor::init(
        context.child("marshal"),
        certificates,
        blocks,
        marshal_settings(&config, &scheme, &epocher, genesis, &cache),
    )
    .await;

    let (reports, queue) = mpsc::unbounded_channel();
    let committing = context.child("committer").spawn({
        let (spine, marshal) = (spine.clone(), marshal.clone());
        move |_| committer::run(spine, marshal, queue)
    });
    let marshalling = actor.start(committer::Deliveries(reports.clone()), buffer, resolver);

    let (sender, receiver) = network.gossip;
    let gossip = Gossip::new(sender);
    let company = Company {
        gossip: gossip.clone(),
        need: config.committee.quorum().saturating_sub(1),
        seen: AtomicBool::new(false),
    };
    let attach = (&config, &participants, &spine, &marshal, company);
    let (watch, observer) = attached(&context, attach, epocher, reports);
    let automaton = observer.inner.clone();
    let engine = simplex::Engine::new(
        context.child("simplex"),
        voting_settings(
            &config,
            scheme,
            genesis_digest,
            cache,
            network.blocker,
            automaton,
            observer,
        ),
    );
    let voting = engine.start(network.votes, network.certificates, network.resolver);

    let receiving = context.child("gossip").spawn(move |_| gossip::receive(receiver, application));
    let handle = Handle { marshal, spine, watch, gossip };
    let ended = first_to_end([
        ("broadcast", broadcast),
        ("committer", committing),
        ("marshal", marshalling),
        ("simplex", voting),
        ("gossip", receiving),
    ]);
    Ok(Started { handle, ended })
}

type Attached<'a> = (&'a Config, &'a Set<PublicKey>, &'a Arc<Spine>, &'a Mailbox, Company);
type Automaton<E> = Deferred<E, Scheme, Bridge, EngineBlock, FixedEpocher>;

/// What the engine asks (behind the observer) and what watches it being asked.
fn attached<E: Runtime>(
    context: &E,
    (config, participants, spine, marshal, company): Attached<'_>,
    epocher: FixedEpocher,
    reports: mpsc::UnboundedSender<Report>,
) -> (Arc<Watch>, Observer<Automaton<E>>) {
    let me = config.signer.0.public_key();
    let others: Vec<_> = participants.iter().filter(|key| **key != me).cloned().collect();
    let bridge = Bridge {
        spine: spine.clone(),
        marshal: marshal.clone(),
        heartbeat: Duration::from_millis(config.params.heartbeat_ms.into()),
        others: NonEmptyVec::try_from(others).ok(),
        company: Arc::new(company),
    };
    let automaton = Deferred::new(context.child("automaton"), bridge, marshal.clone(), epocher);
    let watch = Arc::new(Watch::new(config.committee.epoch, participants));
    let clock = context.child("observer");
    let observer = Observer {
        now_ms: Arc::new(move || now_ms(&clock)),
        watch: watch.clone(),
        reports,
        inner: automaton,
    };
    (watch, observer)
}

fn first_to_end<const N: usize>(
    tasks: [(&'static str, commonware_runtime::Handle<()>); N],
) -> BoxFuture<'static, &'static str> {
    let tasks = tasks.map(|(name, task)| {
        Box::pin(async move {
            if let Err(error) = task.await {
                tracing::error!(task = name, %error, "a part of the engine failed");
            }
            name
        })
    });
    Box::pin(async move { select_all(tasks).await.0 })
}
