//! Puts the engine's parts together, once for every runtime and network.

use std::{sync::Arc, time::Duration};

use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{core::Actor, resolver::p2p as backfill, standard::Deferred},
    simplex,
    types::FixedEpocher,
};
use commonware_cryptography::{Digestible as _, Signer as _};
use commonware_storage::{archive, journal};
use commonware_utils::{
    channel::{mpsc, oneshot},
    ordered::Set,
    vec::NonEmptyVec,
};
use futures::future::{BoxFuture, Either, FutureExt as _, pending, ready, select, select_all};

use crate::{
    Application, Channels, Config, ConfigError, EngineBlock, Gossip, Handle, Links, VotesError,
    archive::Stored,
    bridge::Bridge,
    committer::{self, Report},
    engine::{Mailbox, PublicKey, Runtime, Scheme, now_ms},
    gossip,
    past::{
        self, Known, OwnVotes,
        ask::{self, Asker, Search},
    },
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

/// Replays what is stored into the application, and starts voting once enough other members have said that they
/// have seen no vote of this one which its log does not hold (unless `config.verifier_only`).
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
    let participants = config.check()?;
    let scheme = config.scheme(participants.clone())?;
    let genesis = EngineBlock::new(application.genesis());
    let genesis_digest = genesis.digest();
    let spine = Arc::new(Spine::new(application.clone(), &genesis));

    let known = Arc::new(Known::new(config.committee.epoch, participants.len()));
    stored.replay(&context, &spine, &known).await?;
    let Stored { cache, certificates, blocks } = stored;
    let own = past::read(&context, &config, &cache, &known).await?;
    spine.live().begin((config.committee.epoch, own.newest().max(known.newest())));
    let (asker, search, may_vote) =
        looking(&mut context, &config, (&participants, &scheme), &known, own)?;
    let asking = context.child("past").spawn({
        let ends = network.past;
        move |context| ask::run::<_, N>(context, ends, asker, search)
    });

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
    let attach = (&config, &participants, &spine, &marshal);
    let (watch, observer) = attached(&context, attach, epocher, (reports, known));
    let automaton = observer.inner.clone();
    let blocker = network.blocker;
    let settings =
        voting_settings(&config, scheme, genesis_digest, cache, blocker, automaton, observer);
    let (votes, ends) = (network.votes, (network.certificates, network.resolver));
    let voting = context.child("simplex").spawn(move |context| async move {
        may_vote.await?;
        let engine = simplex::Engine::new(context, settings);
        // How it ended says nothing more: it never should.
        let _how = engine.start(votes, ends.0, ends.1).await;
        Ok(())
    });

    let receiving = context.child("gossip").spawn(move |_| gossip::receive(receiver, application));
    let handle = Handle { marshal, spine, watch, gossip };
    let ended = first_to_end([
        ("broadcast", broadcast),
        ("committer", committing),
        ("marshal", marshalling),
        ("gossip", receiving),
        ("past", asking),
    ]);
    Ok(Started { handle, ended: either_to_end(ended, voting) })
}

type MayVote = BoxFuture<'static, Result<(), VotesError>>;

/// What asks the others, what it looks for, and what resolves when this member may vote.
fn looking<E: Runtime>(
    context: &mut E,
    config: &Config,
    (participants, scheme): (&Set<PublicKey>, &Scheme),
    known: &Arc<Known>,
    own: OwnVotes,
) -> Result<(Asker, Option<Search>, MayVote), StartError> {
    let asker = Asker {
        scheme: scheme.clone(),
        participants: participants.clone(),
        rank: participants.position(&config.signer.0.public_key()),
        epoch: config.committee.epoch,
        votes: !config.verifier_only,
        known: known.clone(),
    };
    let rank = match asker.rank {
        Some(rank) if asker.votes => rank,
        _ => return Ok((asker, None, ready(Ok(())).boxed())),
    };
    asker.judge(context, &own, &known.of(rank)).map_err(StartError::Forgotten)?;
    let need = config.committee.quorum() - 1;
    let (found, finding) = oneshot::channel();
    let may_vote = async move {
        match finding.await {
            Ok(verdict) => verdict,
            // Whoever asks has ended, and the member with it.
            Err(_) => pending().await,
        }
    };
    Ok((asker, Some(Search { own, need, found }), may_vote.boxed()))
}

fn either_to_end(
    parts: BoxFuture<'static, &'static str>,
    voting: commonware_runtime::Handle<Result<(), VotesError>>,
) -> BoxFuture<'static, Ended> {
    let voting = async move {
        match voting.await {
            Ok(Err(error)) => Ended::Votes(error),
            Ok(Ok(())) => Ended::Part("simplex"),
            Err(error) => {
                tracing::error!(task = "simplex", %error, "a part of the engine failed");
                Ended::Part("simplex")
            }
        }
    };
    async move {
        match select(parts, Box::pin(voting)).await {
            Either::Left((part, _)) => Ended::Part(part),
            Either::Right((ended, _)) => ended,
        }
    }
    .boxed()
}

type Attached<'a> = (&'a Config, &'a Set<PublicKey>, &'a Arc<Spine>, &'a Mailbox);
type Automaton<E> = Deferred<E, Scheme, Bridge, EngineBlock, FixedEpocher>;

/// What the engine asks (behind the observer) and what watches it being asked.
fn attached<E: Runtime>(
    context: &E,
    (config, participants, spine, marshal): Attached<'_>,
    epocher: FixedEpocher,
    (reports, known): (mpsc::UnboundedSender<Report>, Arc<Known>),
) -> (Arc<Watch>, Observer<Automaton<E>>) {
    let me = config.signer.0.public_key();
    let others: Vec<_> = participants.iter().filter(|key| **key != me).cloned().collect();
    let bridge = Bridge {
        spine: spine.clone(),
        marshal: marshal.clone(),
        heartbeat: Duration::from_millis(config.params.heartbeat_ms.into()),
        others: NonEmptyVec::try_from(others).ok(),
    };
    let automaton = Deferred::new(context.child("automaton"), bridge, marshal.clone(), epocher);
    let watch = Arc::new(Watch::new(config.committee.epoch, participants));
    let clock = context.child("observer");
    let observer = Observer {
        now_ms: Arc::new(move || now_ms(&clock)),
        watch: watch.clone(),
        known,
        spine: spine.clone(),
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
