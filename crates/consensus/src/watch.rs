//! What the engine does, as status pages and session routing need it: views, leaders, who was seen, who missed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use commonware_actor::Feedback;
use commonware_consensus::{
    Epochable as _, Reporter, Viewable as _,
    simplex::elector::{Config as _, Elector as _},
    types::{Epoch, Participant, Round, View},
};
use commonware_utils::{channel::mpsc, sync::Mutex};

use crate::{
    committer::Report,
    config::raw,
    engine::{Activity, BuiltElector, Elector},
    past::Known,
    schemes::Seats,
    spine::Spine,
};

/// The [`Watch`] of the newest epoch.
pub(crate) struct Watches(Mutex<Arc<Watch>>);

impl Watches {
    pub(crate) fn new(seats: &Seats) -> Self {
        Self(Mutex::new(Arc::new(Watch::new(seats))))
    }

    /// Begins a new epoch's. Who was seen when is kept.
    pub(crate) fn enter(&self, seats: &Seats) -> Arc<Watch> {
        let mut now = self.0.lock();
        let next = Watch::new(seats);
        for (seen, key) in next.members.iter().zip(&next.keys) {
            if let Some(rank) = now.keys.iter().position(|known| known == key) {
                seen.take_over(&now.members[rank]);
            }
        }
        *now = Arc::new(next);
        now.clone()
    }

    pub(crate) fn now(&self) -> Arc<Watch> {
        self.0.lock().clone()
    }
}

/// Counters the engine's reports of one epoch keep up to date. Hints, not proofs: votes are counted before their signatures are
/// checked.
pub(crate) struct Watch {
    pub(crate) epoch: u64,
    members: Vec<Seen>,
    keys: Vec<[u8; 32]>,
    elector: BuiltElector,
    view: AtomicU64,
    finalized_view: AtomicU64,
}

#[derive(Default)]
struct Seen {
    last_ms: AtomicU64,
    proposed: AtomicU64,
    missed: AtomicU64,
}

impl Seen {
    fn take_over(&self, former: &Self) {
        for (now, then) in [
            (&self.last_ms, &former.last_ms),
            (&self.proposed, &former.proposed),
            (&self.missed, &former.missed),
        ] {
            now.store(then.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// One member as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its consensus key.
    pub key: [u8; 32],
    /// When a vote of it last arrived (milliseconds, Unix); `None` since the start of this process.
    pub last_seen_ms: Option<u64>,
    /// Views it led that were notarized, since the start of this process.
    pub proposed: u64,
    /// Views it led that were skipped, since the start of this process.
    pub missed: u64,
}

/// A snapshot of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Current epoch.
    pub epoch: u64,
    /// Current view.
    pub view: u64,
    /// View of the newest finalization seen.
    pub finalized_view: u64,
    /// Newest committed height.
    pub height: u64,
    /// In committee order.
    pub members: Vec<MemberStatus>,
}

impl Watch {
    fn new(seats: &Seats) -> Self {
        let participants = &seats.participants;
        Self {
            epoch: seats.epoch,
            members: participants.iter().map(|_| Seen::default()).collect(),
            keys: participants.iter().map(raw).collect(),
            elector: Elector::default().build(participants),
            view: AtomicU64::new(1),
            finalized_view: AtomicU64::new(0),
        }
    }

    pub(crate) fn view(&self) -> u64 {
        self.view.load(Ordering::Relaxed)
    }

    fn leader(&self, view: u64) -> usize {
        self.elector.elect(Round::new(Epoch::new(self.epoch), View::new(view)), ()).into()
    }

    /// The leaders of so many views from now on that one of them is honest.
    pub(crate) fn leaders(&self) -> Vec<[u8; 32]> {
        let view = self.view();
        let count = self.keys.len().saturating_sub(1) / 3 + 1;
        (view..).take(count).map(|v| self.keys[self.leader(v)]).collect()
    }

    pub(crate) fn status(&self, height: u64) -> Status {
        let members = self.members.iter().zip(&self.keys).map(|(seen, key)| {
            let last = seen.last_ms.load(Ordering::Relaxed);
            MemberStatus {
                key: *key,
                last_seen_ms: (last > 0).then_some(last),
                proposed: seen.proposed.load(Ordering::Relaxed),
                missed: seen.missed.load(Ordering::Relaxed),
            }
        });
        Status {
            epoch: self.epoch,
            view: self.view(),
            finalized_view: self.finalized_view.load(Ordering::Relaxed),
            height,
            members: members.collect(),
        }
    }

    fn seen(&self, signer: Participant, now: u64) {
        if let Some(seen) = self.members.get(usize::from(signer)) {
            seen.last_ms.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// A certificate for `view` ends it. Returns whether this is the first one seen.
    fn passed(&self, view: View) -> bool {
        let next = view.get().saturating_add(1);
        self.view.fetch_max(next, Ordering::Relaxed) < next
    }
}

/// The engine's reporter: counts, hands certificates to the committer, and passes everything on to marshal.
#[derive(Clone)]
pub(crate) struct Observer<R> {
    pub(crate) now_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) known: Arc<Known>,
    pub(crate) spine: Arc<Spine>,
    pub(crate) reports: mpsc::UnboundedSender<Report>,
    pub(crate) inner: R,
}

impl<R: Reporter<Activity = Activity>> Reporter for Observer<R> {
    type Activity = Activity;

    fn report(&mut self, activity: Activity) -> Feedback {
        if activity.epoch().get() == self.watch.epoch {
            self.known.activity(&activity);
            self.observe(&activity);
        }
        self.inner.report(activity)
    }
}

impl<R> Observer<R> {
    fn observe(&self, activity: &Activity) {
        let watch = &self.watch;
        if matches!(
            activity,
            Activity::Notarization(_) | Activity::Nullification(_) | Activity::Finalization(_)
        ) {
            self.spine.live().heard(watch.epoch, activity.view().get());
        }
        match activity {
            Activity::Notarize(vote) => watch.seen(vote.attestation.signer, (self.now_ms)()),
            Activity::Nullify(vote) => watch.seen(vote.attestation.signer, (self.now_ms)()),
            Activity::Finalize(vote) => watch.seen(vote.attestation.signer, (self.now_ms)()),
            Activity::Notarization(certificate) => {
                if watch.passed(certificate.view()) {
                    let leader = watch.leader(certificate.view().get());
                    watch.members[leader].proposed.fetch_add(1, Ordering::Relaxed);
                }
            }
            Activity::Nullification(certificate) => {
                if watch.passed(certificate.view()) {
                    let leader = watch.leader(certificate.view().get());
                    watch.members[leader].missed.fetch_add(1, Ordering::Relaxed);
                }
            }
            Activity::Finalization(certificate) => {
                watch.passed(certificate.view());
                watch.finalized_view.fetch_max(certificate.view().get(), Ordering::Relaxed);
                // A closed queue means the member is stopping.
                drop(self.reports.send(Report::Certificate(certificate.clone())));
            }
            Activity::ConflictingNotarize(_)
            | Activity::ConflictingFinalize(_)
            | Activity::NullifyFinalize(_) => {
                tracing::warn!(view = activity.view().get(), "a member signed conflicting votes");
            }
            Activity::Certification(_) => {}
        }
    }
}
