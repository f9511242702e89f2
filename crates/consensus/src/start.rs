//! Puts the engine's parts together, once for every runtime and network.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use commonware_broadcast::buffered;
use commonware_consensus::marshal::{core::Actor, resolver::p2p as backfill};
use commonware_cryptography::{Digestible as _, Signer as _};
use commonware_storage::{archive, journal};
use commonware_utils::channel::mpsc;
use futures::future::{BoxFuture, Either, FutureExt as _, select, select_all};

use crate::{
    Application, Channels, Config, ConfigError, EngineBlock, Gossip, Handle, Links, VotesError,
    archive::Stored,
    bridge::Bridge,
    committer,
    early::Shared,
    engine::{Mailbox, Runtime},
    epochs::{Automaton, Epochs, Right},
    gossip,
    past::{
        self, Known, OwnVotes,
        ask::{self, Asker, Search},
    },
    schemes::Schemes,
    settings::{backfill_settings, broadcast_settings, marshal_settings},
    spine::Spine,
    watch::Watches,
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
    /// What the member is to begin with contradicts itself.
    #[error("the state this member begins with cannot be gone on from: {0}")]
    Base(&'static str),
    /// A stored block does not follow the one before it.
    #[error("the stored block at height {0} does not follow the one below")]
    Broken(u64),
    /// The vote log cannot be opened or read.
    #[error("reading the vote log")]
    Votes(#[source] journal::Error),
    /// This member's own archive shows votes that its log does not hold.
    #[error("this member must not vote")]
    Forgotten(#[source] VotesError),
}

/// A running engine.
pub struct Started {
    /// Asks and sends.
    pub handle: Handle,
    /// Resolves when the member must stop, with what happened.
    pub ended: BoxFuture<'static, Ended>,
}

/// Why a running engine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// This part of it did, which none ever should.
    Part(&'static str),
    /// The other members have seen votes of this one that its log does not hold. It has cast none since it started.
    Votes(VotesError),
}

/// The partition that holds this member's votes of `epoch`; the store flushes with writes to it (engine.md 9.2).
pub fn vote_partition(prefix: &str, epoch: u64) -> String {
    format!("{prefix}-votes-{epoch}")
}

/// The partition in which a member that only follows `epoch` keeps the certificates it sees. Apart from its votes, which the
/// engine takes for a member's own and refuses to read for one that does not vote.
pub fn following_partition(prefix: &str, epoch: u64) -> String {
    format!("{prefix}-following-{epoch}")
}

/// Replays what is stored into the application, and starts voting, epoch after epoch: once enough other members have said
/// that they have seen no vote of this one which its log does not hold, or, for a `config.verifier_only`, from the epoch on
/// that follows theirs.
///
/// All tasks are children of `context`: aborting the task that owns it stops the member as a crash would.
///
/// # Errors
/// See [`StartError`]. Nothing runs after an error.
pub async fn start<E, N>(
    mut context: E,
    config: Config,
    stored: Stored<E>,
    network: Channels<N>,
    application: Arc<dyn Application>,
) -> Result<Started, StartError>
where
    E: Runtime,
    N: Links,
{
    let genesis = EngineBlock::new(application.genesis());
    let Begun { schemes, spine, known, own } =
        begin(&context, &config, &stored, (&genesis, &application)).await?;
    let seats = schemes.newest();
    let Stored { cache, certificates, blocks, base } = stored;

    let (right, asker, searches) = rights(&mut context, &config, &known, (own, seats.epoch))?;
    let asking = context.child("past").spawn({
        let ends = network.past;
        move |context| ask::run::<_, N>(context, ends, asker, searches)
    });
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
    let settings = marshal_settings(&config, &schemes, (genesis, base), &cache);
    let (actor, marshal, _) =
        Actor::init(context.child("marshal"), certificates, blocks, settings).await;

    let (reports, queue) = mpsc::unbounded_channel();
    let committing = context.child("committer").spawn({
        let (spine, marshal, track) = (spine.clone(), marshal.clone(), network.track);
        move |_| committer::run(spine, marshal, queue, track)
    });
    let marshalling = actor.start(committer::Deliveries(reports.clone()), buffer, resolver);

    let (sender, receiver) = network.gossip;
    let watch = Arc::new(Watches::new(&seats));
    let handle = Handle {
        marshal: marshal.clone(),
        spine: spine.clone(),
        watch: watch.clone(),
        gossip: Gossip::new(sender),
    };
    let automaton = automaton(&context, &config, (&spine, &marshal, &schemes));
    let epochs = Epochs::<E, N> {
        config,
        schemes,
        spine,
        marshal,
        watches: watch,
        known,
        automaton,
        blocker: network.blocker,
        cache,
        reports,
        right,
    };
    let shared = Shared::start(
        &context.child("epoch"),
        network.votes,
        network.certificates,
        network.resolver,
    );
    let voting = context.child("epochs").spawn(move |context| epochs.run(context, shared));
    let receiving = context.child("gossip").spawn(move |_| gossip::receive(receiver, application));
    let ended = first_to_end([
        ("broadcast", broadcast),
        ("committer", committing),
        ("marshal", marshalling),
        ("gossip", receiving),
        ("past", asking),
    ]);
    Ok(Started { handle, ended: either_to_end(ended, voting) })
}

/// What a member's own files come to.
struct Begun {
    schemes: Schemes,
    spine: Arc<Spine>,
    known: Arc<Known>,
    own: OwnVotes,
}

/// Replays the archive, and reads the votes of the epoch it ends in.
async fn begin<E: Runtime>(
    context: &E,
    config: &Config,
    stored: &Stored<E>,
    (genesis, application): (&EngineBlock, &Arc<dyn Application>),
) -> Result<Begun, StartError> {
    let base = stored.base.as_ref();
    let (committee, begins_on) = base
        .map_or((&config.committee, genesis.digest()), |base| (&base.committee, base.begins_on));
    let schemes = Schemes::new(config, committee, begins_on)?;
    let first = base.map_or(genesis, |base| &base.block);
    let spine = Arc::new(Spine::new(application.clone(), first, schemes.clone()));
    stored.replay(context, &spine).await?;
    let seats = schemes.newest();
    let known = Arc::new(Known::new(&seats));
    stored.signers(&schemes, &known).await?;
    let own = past::read(context, config, &stored.cache, (&seats, &known)).await?;
    spine.live().begin((seats.epoch, 0).max(own.newest()).max(known.newest()));
    Ok(Begun { schemes, spine, known, own })
}

type Asking = (Right, Asker, mpsc::UnboundedReceiver<Search>);

/// What this member may vote in, and who asks the others about it.
fn rights<E: Runtime>(
    context: &mut E,
    config: &Config,
    known: &Arc<Known>,
    (own, epoch): (OwnVotes, u64),
) -> Result<Asking, StartError> {
    let me = config.signer.0.public_key();
    let votes = Arc::new(AtomicBool::new(!config.verifier_only));
    let asker = Asker {
        namespace: config.namespace(),
        me: me.clone(),
        votes: votes.clone(),
        known: known.clone(),
    };
    if !config.verifier_only {
        asker.judge(context, (&own, epoch), &known.of(&me)).map_err(StartError::Forgotten)?;
    }
    let (searches, queue) = mpsc::unbounded_channel();
    let right = Right {
        me,
        searches,
        own: (!config.verifier_only).then(|| Arc::new(own)),
        votes,
        doubt: config.doubt.clone(),
        answers: Arc::default(),
    };
    Ok((right, asker, queue))
}

fn either_to_end(
    parts: BoxFuture<'static, &'static str>,
    voting: commonware_runtime::Handle<Ended>,
) -> BoxFuture<'static, Ended> {
    let voting = async move {
        voting.await.unwrap_or_else(|error| {
            tracing::error!(task = "epochs", %error, "a part of the engine failed");
            Ended::Part("epochs")
        })
    };
    async move {
        match select(parts, Box::pin(voting)).await {
            Either::Left((part, _)) => Ended::Part(part),
            Either::Right((ended, _)) => ended,
        }
    }
    .boxed()
}

/// What the engine asks, behind what watches it being asked.
fn automaton<E: Runtime>(
    context: &E,
    config: &Config,
    (spine, marshal, schemes): (&Arc<Spine>, &Mailbox, &Schemes),
) -> Automaton<E> {
    let bridge = Bridge {
        spine: spine.clone(),
        marshal: marshal.clone(),
        heartbeat: Duration::from_millis(config.params.heartbeat_ms.into()),
        schemes: schemes.clone(),
        me: config.signer.0.public_key(),
    };
    let epocher = schemes.epocher().clone();
    Automaton::new(context.child("automaton"), bridge, marshal.clone(), epocher)
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
