//! One engine after the other: each epoch votes with its own committee, in a log of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use commonware_consensus::{marshal::standard::Deferred, simplex, types::FixedEpocher};
use commonware_p2p::utils::mux;
use commonware_runtime::{Handle as Task, buffer::paged::CacheRef};
use commonware_utils::{
    channel::{mpsc, oneshot},
    ordered::Set,
    sync::Mutex,
    vec::NonEmptyVec,
};
use futures::future::{BoxFuture, Either, FutureExt as _, join, pending, ready, select};

use crate::{
    Config, EngineBlock, VotesError,
    bridge::Bridge,
    committer::Report,
    early::{Lines, Shared},
    engine::{Mailbox, PublicKey, Runtime, Scheme, now_ms},
    network::Links,
    past::{Known, OwnVotes, ask::Search},
    schemes::{Schemes, Seats},
    settings::voting_settings,
    spine::Spine,
    start::{Ended, following_partition, vote_partition},
    voice::Voice,
    watch::{Observer, Watches},
};

pub(crate) type Automaton<E> = Deferred<E, Scheme, Bridge, EngineBlock, FixedEpocher>;

/// How long a member waits for the end of its epoch once others were heard in a later one, before it asks them for it. Whoever
/// is not behind gets there by itself meanwhile.
const BEHIND: Duration = Duration::from_millis(50);
/// Epochs whose votes are kept after they are over here: the archive, which is written later than votes are, must have come
/// past them before they go. The shortest epochs take about 16 ms.
const VOTES_KEPT: u64 = 16;

/// What opens and closes the epochs.
pub(crate) struct Epochs<E: Runtime, N: Links> {
    pub(crate) config: Config,
    pub(crate) schemes: Schemes,
    pub(crate) spine: Arc<Spine>,
    pub(crate) marshal: Mailbox,
    pub(crate) watches: Arc<Watches>,
    pub(crate) known: Arc<Known>,
    pub(crate) automaton: Automaton<E>,
    pub(crate) blocker: N::Blocker,
    pub(crate) cache: CacheRef,
    pub(crate) reports: mpsc::UnboundedSender<Report>,
    pub(crate) right: Right,
}

/// Why the epochs ended, which they never do in good order.
type Over = Result<std::convert::Infallible, Ended>;

impl<E: Runtime, N: Links> Epochs<E, N> {
    /// Runs the engine of one epoch until its last block is committed, then the next one's.
    pub(crate) async fn run(mut self, context: E, mut shared: Shared<N>) -> Ended {
        let Err(ended) = self.follow(&context, &mut shared).await;
        ended
    }

    async fn follow(&mut self, context: &E, shared: &mut Shared<N>) -> Over {
        let closed = |_: mux::Error| Ended::Part("network");
        let mut seats = self.schemes.newest();
        let mut lines = shared.open(seats.epoch).await.map_err(closed)?;
        loop {
            let epoch = seats.epoch;
            let mut next = shared.open(epoch + 1).await.map_err(closed)?;
            let voting = self.vote(context, &seats, lines);
            self.until_over(context, epoch, voting, (shared, &mut next)).await?;
            self.forget(context, epoch).await;
            seats = self.schemes.newest();
            // Whoever catches up may have passed several.
            lines = if seats.epoch == epoch + 1 {
                next
            } else {
                drop(next);
                shared.open(seats.epoch).await.map_err(closed)?
            };
        }
    }

    /// Starts the engine of the epoch of `seats`, as soon as it is known whether this member votes in it.
    fn vote(
        &mut self,
        context: &E,
        seats: &Seats,
        lines: Lines<N>,
    ) -> Task<Result<(), VotesError>> {
        self.known.enter(seats);
        let clock = context.child("observer");
        let observer = Observer {
            now_ms: Arc::new(move || now_ms(&clock)),
            watch: self.watches.enter(seats),
            known: self.known.clone(),
            spine: self.spine.clone(),
            reports: self.reports.clone(),
            inner: self.automaton.clone(),
        };
        let (may_vote, beside) = self.right.of(seats);
        let (config, seats) = (self.config.clone(), seats.clone());
        let (cache, blocker) = (self.cache.clone(), self.blocker.clone());
        let automaton = self.automaton.clone();
        let context = context.child("simplex").with_attribute("epoch", seats.epoch);
        context.spawn(move |context| async move {
            let votes = may_vote.await?;
            let (epoch, members) = (seats.epoch, seats.participants.len());
            tracing::info!(epoch, members, votes, "an epoch begins");
            let settings =
                voting_settings(&config, (&seats, votes), cache, blocker, automaton, observer);
            let engine = simplex::Engine::new(context, settings);
            let (sender, receiver) = lines.certificates;
            let certificates = (Voice::new(sender, !votes), receiver);
            let engine = engine.start(lines.votes, certificates, lines.resolver);
            // How it ended says nothing more: it never should.
            let (_how, ()) = join(engine, beside).await;
            Ok(())
        })
    }

    /// Returns once the last block of `epoch` is committed, and its engine gone.
    async fn until_over(
        &self,
        context: &E,
        epoch: u64,
        mut voting: Task<Result<(), VotesError>>,
        (shared, next): (&mut Shared<N>, &mut Lines<N>),
    ) -> Result<(), Ended> {
        let last = self.schemes.last(epoch);
        let mut heights = self.spine.heights();
        let mut behind: Option<(PublicKey, BoxFuture<'static, ()>)> = None;
        loop {
            let heard = async {
                match &mut behind {
                    Some((_, patience)) => {
                        patience.await;
                        Ok(None)
                    }
                    None => shared.ahead(epoch, next).await.map(Some),
                }
            };
            let reached = Box::pin(heights.wait_for(|height| *height >= last.get()));
            let others = select(Box::pin(heard), &mut voting);
            let heard = match select(reached, others).await {
                Either::Left((Ok(_), _)) => break,
                Either::Left((Err(_), _)) => return Err(Ended::Part("spine")),
                Either::Right((Either::Right((ended, _)), _)) => return Err(how(ended)),
                Either::Right((Either::Left((heard, _)), _)) => heard,
            };
            match (heard, behind.take()) {
                (Ok(Some(from)), _) => behind = Some((from, context.sleep(BEHIND).boxed())),
                (Ok(None), Some((from, _))) => {
                    self.marshal.hint_finalized(last, NonEmptyVec::new(from));
                }
                (Ok(None), None) => {}
                (Err(_), _) => return Err(Ended::Part("network")),
            }
        }
        voting.abort();
        drop(voting.await);
        Ok(())
    }

    /// Removes the votes of an epoch that is long over when `epoch` is.
    async fn forget(&self, context: &E, epoch: u64) {
        let Some(old) = epoch.checked_sub(VOTES_KEPT) else { return };
        let prefix = &self.config.partition_prefix;
        for partition in [vote_partition(prefix, old), following_partition(prefix, old)] {
            // Only one of them was ever written, or none.
            let _missing = context.remove(&partition, None).await;
        }
    }
}

fn how(ended: Result<Result<(), VotesError>, commonware_runtime::Error>) -> Ended {
    match ended {
        Ok(Err(error)) => Ended::Votes(error),
        Ok(Ok(())) => Ended::Part("simplex"),
        Err(error) => {
            tracing::error!(task = "simplex", %error, "a part of the engine failed");
            Ended::Part("simplex")
        }
    }
}

/// Writes down durably that votes of this epoch and earlier ones may be missing here.
pub type Doubt = Arc<dyn Fn(u64) -> BoxFuture<'static, bool> + Send + Sync>;

/// In which epochs this member may vote.
pub(crate) struct Right {
    pub(crate) me: PublicKey,
    pub(crate) searches: mpsc::UnboundedSender<Search>,
    /// What its own logs hold; none if they cannot be relied on.
    pub(crate) own: Option<Arc<OwnVotes>>,
    /// Whether it votes now, for those who ask it.
    pub(crate) votes: Arc<AtomicBool>,
    pub(crate) doubt: Doubt,
    pub(crate) answers: Arc<Mutex<Answers>>,
}

/// What others have said since this process began.
#[derive(Default)]
pub(crate) struct Answers {
    /// The committee of which a quorum, with this member, knows of no vote that is missing here.
    cleared: Option<Set<PublicKey>>,
    /// The newest epoch that this member, whose logs cannot be relied on, may have voted in.
    doubted: Option<u64>,
}

impl Right {
    /// Resolves when it is known whether this member votes in the epoch of `seats`; an error says that it must not. And what
    /// is to be found out while that epoch is under way.
    fn of(
        &self,
        seats: &Seats,
    ) -> (BoxFuture<'static, Result<bool, VotesError>>, BoxFuture<'static, ()>) {
        let nothing = ready(()).boxed();
        if seats.participants.position(&self.me).is_none() {
            return (ready(Ok(false)).boxed(), nothing);
        }
        let Some(own) = &self.own else {
            let doubted = self.answers.lock().doubted;
            let votes = doubted.is_some_and(|doubted| seats.epoch > doubted);
            self.votes.store(votes, Ordering::Relaxed);
            let beside = if doubted.is_some() { nothing } else { self.doubted(seats) };
            return (ready(Ok(votes)).boxed(), beside);
        };
        (self.cleared(seats, own.clone()), nothing)
    }

    /// Others have to confirm once, for each committee this member comes to vote in, that they know of no vote it lacks.
    fn cleared(
        &self,
        seats: &Seats,
        own: Arc<OwnVotes>,
    ) -> BoxFuture<'static, Result<bool, VotesError>> {
        let participants = seats.participants.clone();
        if self.answers.lock().cleared.as_ref() == Some(&participants) {
            return ready(Ok(true)).boxed();
        }
        let (found, answers) = (self.search(seats, Some(own)), self.answers.clone());
        async move {
            match found.await {
                Ok(Ok(_)) => {
                    answers.lock().cleared = Some(participants);
                    Ok(true)
                }
                Ok(Err(error)) => Err(error),
                // Whoever asks has ended, and the member with it, or a later epoch is asked about.
                Err(_) => pending().await,
            }
        }
        .boxed()
    }

    /// All its votes were cast in epochs that others had opened when they were asked: in a later one there is none.
    fn doubted(&self, seats: &Seats) -> BoxFuture<'static, ()> {
        let (epoch, found) = (seats.epoch, self.search(seats, None));
        let (answers, doubt) = (self.answers.clone(), self.doubt.clone());
        async move {
            if let Ok(Ok(newest)) = found.await {
                let doubted = newest.max(epoch);
                if doubt(doubted).await {
                    tracing::info!(doubted, "this member votes again once this epoch is over");
                    answers.lock().doubted = Some(doubted);
                }
            }
        }
        .boxed()
    }

    fn search(
        &self,
        seats: &Seats,
        own: Option<Arc<OwnVotes>>,
    ) -> oneshot::Receiver<Result<u64, VotesError>> {
        let (found, finding) = oneshot::channel();
        let (epoch, participants, need) =
            (seats.epoch, seats.participants.clone(), seats.quorum - 1);
        // A closed queue means that the member is ending.
        let _gone = self.searches.send(Search { epoch, participants, own, need, found });
        finding
    }
}
