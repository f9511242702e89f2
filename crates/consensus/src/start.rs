//! Puts the engine's parts together, once for every runtime and network.

use std::{sync::Arc, time::Duration};

use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{self, core::Actor, resolver::p2p as backfill, standard::Deferred},
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipBudget, SkipPolicy},
    },
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible as _, Signer as _, certificate::ConstantProvider,
};
use commonware_parallel::Sequential;
use commonware_storage::archive;
use commonware_utils::{NZU64, NonZeroDuration, channel::mpsc};
use futures::future::{BoxFuture, select_all};

use crate::{
    Application, Channels, Config, ConfigError, EngineBlock, Gossip, Handle, Links,
    archive as history,
    bridge::Bridge,
    committer,
    config::nz,
    engine::{Elector, Runtime, now_ms},
    gossip,
    spine::Spine,
    watch::{Observer, Watch},
};

/// Blocks handed over and not yet acknowledged. Commits are acknowledged at once; this hides one hop between tasks.
const PENDING_ACKS: usize = 16;
/// How long a peer has to answer a request for a block or certificate.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before an unanswered request is repeated.
const FETCH_RETRY: Duration = Duration::from_millis(100);
/// Bytes buffered per view's file of the vote log; a view holds a handful of records of about 200 bytes.
const VOTE_BUFFER: usize = 2 * 1024;

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
    let me = config.signer.0.public_key();
    let epoch = config.committee.epoch;
    let genesis = EngineBlock::new(application.genesis());
    let genesis_digest = genesis.digest();
    let spine = Arc::new(Spine::new(application.clone(), &genesis));

    let cache = history::page_cache(&config);
    let (certificates, blocks) = history::open(&context, &config, &cache).await?;
    history::replay(&context, &certificates, &blocks, &spine).await?;

    let sizes = config.sizes;
    let epocher = FixedEpocher::new(config.epoch_blocks());
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: me.clone(),
            mailbox_size: nz(sizes.mailbox),
            deque_size: sizes.broadcast_blocks,
            priority: true,
            codec_config: (),
            peer_provider: network.peers.clone(),
            strategy: Sequential,
        },
    );
    let broadcast = broadcast.start(network.broadcast);
    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: me,
            peer_provider: network.peers,
            blocker: network.blocker.clone(),
            mailbox_size: nz(sizes.mailbox),
            fetch_timeout: NonZeroDuration::new_panic(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            priority_requests: false,
            priority_responses: false,
        },
        network.backfill,
    );
    let (actor, marshal, _) = Actor::init(
        context.child("marshal"),
        certificates,
        blocks,
        marshal::Config {
            provider: ConstantProvider::new(scheme.clone()),
            epocher: epocher.clone(),
            start: marshal::Start::Genesis(Digested::precomputed(genesis, genesis_digest)),
            partition_prefix: format!("{}-marshal", config.partition_prefix),
            mailbox_size: nz(sizes.mailbox),
            view_retention: ViewDelta::new(sizes.view_retention),
            prunable_items_per_section: NZU64!(64),
            page_cache: cache.clone(),
            replay_buffer: nz(sizes.replay_buffer),
            key_write_buffer: nz(sizes.write_buffer),
            value_write_buffer: nz(sizes.write_buffer),
            block_codec_config: (),
            max_repair: nz(sizes.repair),
            max_pending_acks: nz(PENDING_ACKS),
            strategy: Sequential,
        },
    )
    .await;

    let (reports, queue) = mpsc::unbounded_channel();
    let committing = context.child("committer").spawn({
        let (spine, marshal) = (spine.clone(), marshal.clone());
        move |_| committer::run(spine, marshal, queue)
    });
    let marshalling = actor.start(committer::Deliveries(reports.clone()), buffer, resolver);

    let bridge = Bridge {
        spine: spine.clone(),
        marshal: marshal.clone(),
        heartbeat: Duration::from_millis(config.params.heartbeat_ms.into()),
    };
    let automaton = Deferred::new(context.child("automaton"), bridge, marshal.clone(), epocher);
    let watch = Arc::new(Watch::new(epoch, &participants));
    let observer = Observer {
        now_ms: Arc::new({
            let clock = context.child("observer");
            move || now_ms(&clock)
        }),
        watch: watch.clone(),
        reports,
        inner: automaton.clone(),
    };
    let leader_timeout = Duration::from_millis(config.params.leader_timeout_ms.into());
    let certification_timeout =
        Duration::from_millis(config.params.certification_timeout_ms.into());
    let engine = simplex::Engine::new(
        context.child("simplex"),
        simplex::config::Config {
            scheme,
            elector: Elector::default(),
            blocker: network.blocker,
            automaton: automaton.clone(),
            relay: automaton,
            reporter: observer,
            track_historical_votes: false,
            strategy: Sequential,
            partition: vote_partition(&config.partition_prefix, epoch),
            mailbox_size: nz(sizes.mailbox),
            epoch: Epoch::new(epoch),
            floor: Floor::Genesis(genesis_digest),
            replay_buffer: nz(sizes.replay_buffer),
            write_buffer: nz(VOTE_BUFFER),
            page_cache: cache,
            leader_timeout,
            certification_timeout,
            timeout_retry: leader_timeout,
            view_retention: ViewDelta::new(sizes.view_retention),
            skip: SkipPolicy::Enabled {
                timeout: certification_timeout * 2,
                budget: SkipBudget::Participants,
            },
            fetch_timeout: NonZeroDuration::new_panic(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            // Every slowest voter would be sent each block again by everybody; a member that lacks one asks for it.
            forward: ForwardPolicy::Disabled,
        },
    );
    let voting = engine.start(network.votes, network.certificates, network.resolver);

    let (sender, receiver) = network.gossip;
    let receiving = context
        .child("gossip")
        .spawn(move |_| gossip::receive(receiver, application));
    let handle = Handle {
        marshal,
        spine,
        watch,
        gossip: Gossip::new(sender),
    };
    let tasks = [
        ("broadcast", broadcast),
        ("committer", committing),
        ("marshal", marshalling),
        ("simplex", voting),
        ("gossip", receiving),
    ];
    Ok(Started {
        handle,
        ended: first_to_end(tasks),
    })
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
