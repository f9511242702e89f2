//! Four members with disks and links that can be cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use commonware_p2p::simulated::Link;
use commonware_runtime::{
    Clock as _, Handle as Task, Spawner as _, Supervisor as _, deterministic::Context,
};
use commonware_utils::Probability;
use futures::channel::oneshot;
use hanse_ledger::Ledger;
use hanse_member::{
    ConsensusKey, Counters, Handle, MemberConfig, MemberError,
    simulated::{
        Ear, Setup, SimulatedOracle, Unsent, run, simulated_channels, simulated_key,
        simulated_network,
    },
};
use parking_lot::Mutex;

use crate::{
    MEMBERS,
    dice::Dice,
    disk::{Disk, DiskCopy, Loss},
    flaw::{Flaw, around, log_config},
    genesis,
    machine::Machine,
    run::LIVENESS,
    stage::Stage,
};

/// Qualities of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quality {
    /// Mean, milliseconds.
    pub(crate) latency: u64,
    /// Standard deviation, milliseconds.
    pub(crate) jitter: u64,
    /// Messages that arrive, of 1000.
    pub(crate) arrives: u64,
}

impl Quality {
    /// Sites of one country.
    pub(crate) const GOOD: Self = Self { latency: 15, jitter: 3, arrives: 1_000 };
    /// Nothing gets through.
    pub(crate) const CUT: Self = Self { latency: 0, jitter: 0, arrives: 0 };

    fn link(self) -> Link {
        Link {
            latency: Duration::from_millis(self.latency),
            jitter: Duration::from_millis(self.jitter),
            success_rate: Probability::new(self.arrives, 1_000).expect("of a thousand"),
        }
    }
}

/// What a running member shows of itself.
pub(crate) struct Inside {
    pub(crate) handle: Handle,
    pub(crate) counters: Arc<dyn Fn() -> Counters + Send + Sync>,
}

struct Seat {
    key: ConsensusKey,
    disk: Disk,
    task: Option<Task<()>>,
    inside: Arc<Mutex<Option<Inside>>>,
    starts: u64,
    /// Its disk was put back or wiped: it must refuse to vote.
    amnesiac: bool,
    /// It did refuse. From then on it is started to follow only.
    refused: Arc<AtomicBool>,
}

pub(crate) struct Cluster {
    pub(crate) context: Context,
    pub(crate) stage: Arc<Stage>,
    oracle: SimulatedOracle<Context>,
    seats: Vec<Seat>,
    links: Vec<Vec<Option<Quality>>>,
    flaw: Option<Flaw>,
}

impl Cluster {
    /// Four members, none of them up, all links good.
    pub(crate) async fn new(
        context: Context,
        stage: Arc<Stage>,
        seed: u64,
        flaw: Option<Flaw>,
    ) -> Self {
        let keys: Vec<ConsensusKey> = (0..MEMBERS).map(genesis::consensus).collect();
        let public: Vec<[u8; 32]> = keys.iter().map(ConsensusKey::public).collect();
        let oracle = simulated_network(context.child("network"), &public).await;
        let seats = keys.into_iter().enumerate().map(|(i, key)| Seat {
            key,
            disk: Disk::new(Dice::new(seed, &format!("disk {i}"))),
            task: None,
            inside: Arc::default(),
            starts: 0,
            amnesiac: false,
            refused: Arc::default(),
        });
        let seats = seats.collect();
        let links = vec![vec![None; MEMBERS]; MEMBERS];
        let mut cluster = Self { context, stage, oracle, seats, links, flaw };
        cluster.heal_links().await;
        cluster
    }

    /// Gives every link the quality `pick` says.
    pub(crate) async fn link(&mut self, pick: impl Fn(usize, usize) -> Quality) {
        for from in 0..MEMBERS {
            for to in 0..MEMBERS {
                if from == to {
                    continue;
                }
                let quality = pick(from, to);
                if self.links[from][to] == Some(quality) {
                    continue;
                }
                let [a, b] = [from, to].map(|i| simulated_key(&self.seats[i].key.public()));
                if self.links[from][to].is_some_and(|q| q != Quality::CUT) {
                    let removed = self.oracle.remove_link(a.clone(), b.clone()).await;
                    removed.expect("the link was added before");
                }
                if quality != Quality::CUT {
                    let added = self.oracle.add_link(a, b, quality.link()).await;
                    added.expect("the link was removed before");
                }
                self.links[from][to] = Some(quality);
            }
        }
    }

    pub(crate) async fn heal_links(&mut self) {
        self.link(|_, _| Quality::GOOD).await;
    }

    pub(crate) fn disk(&self, member: usize) -> &Disk {
        &self.seats[member].disk
    }

    pub(crate) fn is_started(&self, member: usize) -> bool {
        self.seats[member].task.is_some()
    }

    /// Flushes of a member's log and blocks it committed, since it started.
    pub(crate) fn counters(&self, member: usize) -> Option<Counters> {
        let inside = self.seats[member].inside.lock();
        inside.as_ref().map(|inside| (inside.counters)())
    }

    pub(crate) fn handle(&self, member: usize) -> Option<Handle> {
        let inside = self.seats[member].inside.lock();
        inside.as_ref().map(|inside| inside.handle.clone())
    }

    /// Boots a member on what its disk holds. Its door opens when it is up.
    pub(crate) async fn start(&mut self, member: usize) {
        assert!(!self.is_started(member));
        let channels = simulated_channels(&self.oracle, &self.seats[member].key.public()).await;
        let channels = channels.expect("the network runs as long as the cluster");
        let flaw = self.flaw;
        let forgetful = flaw == Some(Flaw::Amnesia) && self.seats[member].amnesiac;
        let others = self.seats.iter().map(|seat| seat.key.public());
        let others: Vec<_> =
            others.enumerate().filter(|(i, _)| *i != member).map(|(_, k)| k).collect();
        let ear: Ear = {
            let stage = self.stage.clone();
            Arc::new(move |vote| stage.audit.lock().vote(member, vote))
        };
        let unsent: Unsent = {
            let unsent = self.stage.unsent.clone();
            Arc::new(move |channel, count| {
                *unsent.lock().entry(channel).or_default() += count as u64;
            })
        };
        let tap = (ear, unsent, MEMBERS - 1);
        let channels = channels.tapped(tap, forgetful.then_some(others));
        let seat = &mut self.seats[member];
        seat.starts += 1;
        let me = seat.key.public();
        let mut config = config(&self.stage, member, &seat.key);
        config.first_start = seat.starts == 1 || forgetful;
        config.verifier_only = seat.refused.load(Ordering::Relaxed);
        let (amnesiac, refused) = (seat.amnesiac, seat.refused.clone());
        let setup = Setup {
            log: log_config(flaw),
            around: Box::new(move |app| around(flaw, member, me, app)),
        };
        let (disk, inside, stage) = (seat.disk.clone(), seat.inside.clone(), self.stage.clone());
        let watching = self.context.child("auditor").with_attribute("start", seat.starts);
        let context = self.context.child("member").with_attribute("seat", member);
        let context = context.with_attribute("start", seat.starts);
        seat.task = Some(context.spawn(move |context| async move {
            let machine = Machine::new(context, disk);
            let up = match Box::pin(run(machine, channels, config, setup)).await {
                Ok(up) => up,
                Err(MemberError::Votes(_)) if amnesiac => {
                    return refused.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    return stage
                        .found(format!("member {member} did not start: {}", chain(&error)));
                }
            };
            let (handle, counters) = (up.handle, up.counters);
            *inside.lock() = Some(Inside { handle, counters });
            follow(watching, member, up.ledger.clone(), stage.clone());
            stage.set_door(member, Some(up.ledger));
            let why = up.ended.await;
            if amnesiac && matches!(why, MemberError::Votes(_)) {
                return refused.store(true, Ordering::Relaxed);
            }
            stage.found(format!("member {member} ended: {}", chain(&why)));
        }));
    }

    /// Ends a member in the middle of whatever it does; its disk keeps what `loss` says.
    pub(crate) async fn crash(&mut self, member: usize, loss: Loss) {
        if let Some(task) = self.seats[member].task.take() {
            task.abort();
            // An aborted task ends with an error, which says nothing new.
            drop(task.await);
        }
        *self.seats[member].inside.lock() = None;
        if let Some(ledger) = self.stage.set_door(member, None) {
            // Its clients' connections break.
            ledger.stop();
        }
        self.seats[member].disk.cut(loss);
    }

    /// Makes a member lose its votes: its disk is as `earlier` again, or empty.
    pub(crate) fn forget(&mut self, member: usize, earlier: Option<&DiskCopy>) {
        assert!(!self.is_started(member));
        self.seats[member].amnesiac = true;
        self.seats[member].disk.put_back(earlier);
    }

    /// Says that a member has votes again, and must not refuse any more.
    pub(crate) fn trust(&mut self, member: usize) {
        if self.stage.door(member).is_some_and(|ledger| ledger.oldest() > 1) {
            self.stage.taken.fetch_add(1, Ordering::Relaxed);
        }
        self.seats[member].amnesiac = false;
        self.seats[member].refused.store(false, Ordering::Relaxed);
    }

    /// The newest epoch that any member is in.
    pub(crate) fn epoch(&self) -> u64 {
        let doors = (0..MEMBERS).filter_map(|member| self.stage.door(member));
        doors.map(|ledger| ledger.epoch()).max().unwrap_or(0)
    }

    /// Waits until a member is in `epoch`.
    pub(crate) async fn until_epoch(&self, member: usize, epoch: u64) {
        self.until(member, |ledger| ledger.epoch() >= epoch, "does not come to the next epochs")
            .await;
    }

    /// Waits until a member commits what it votes for with two others.
    pub(crate) async fn advances(&self, member: usize) {
        let height = self.stage.audit.lock().height();
        let what = "is not needed: without another one nothing is certified";
        self.until(member, |ledger| ledger.tip().height > height + 5, what).await;
    }

    async fn until(&self, member: usize, holds: impl Fn(&Ledger) -> bool, or: &str) {
        let end = self.context.current() + LIVENESS;
        while !self.stage.door(member).is_some_and(|ledger| holds(&ledger)) {
            if self.context.current() >= end {
                return self.stage.found(format!("member {member} {or}"));
            }
            self.sleep(100).await;
        }
    }

    /// Whether a member has refused to vote.
    pub(crate) fn has_refused(&self, member: usize) -> bool {
        self.seats[member].refused.load(Ordering::Relaxed)
    }

    /// Lets a member run until its disk fails at the change after `left` others, or for `patience`.
    pub(crate) async fn crash_at(
        &mut self,
        member: usize,
        left: u64,
        patience: Duration,
        loss: Loss,
    ) {
        let blown: oneshot::Receiver<()> = self.seats[member].disk.fuse(left);
        crate::stage::within(&self.context, patience, blown).await;
        self.crash(member, loss).await;
    }

    /// Views, heights and broken connections, for a finding about a cluster that does not move.
    pub(crate) async fn condition(&self) -> String {
        let mut text = String::new();
        for member in 0..MEMBERS {
            let told = match self.handle(member).map(|handle| handle.status()) {
                Some(s) => {
                    format!("view {} finalized {} height {}", s.view, s.finalized_view, s.height)
                }
                None => "down".to_owned(),
            };
            text.push_str(&format!("member {member}: {told}; "));
        }
        // The network ends only with the runtime.
        let blocked = self.oracle.blocked().await.unwrap_or_default();
        let seat =
            |key: &_| (0..MEMBERS).find(|i| simulated_key(&self.seats[*i].key.public()) == *key);
        for (by, whom) in blocked {
            text.push_str(&format!("{:?} blocks {:?}; ", seat(&by), seat(&whom)));
        }
        text
    }

    pub(crate) async fn sleep(&self, milliseconds: u64) {
        self.context.sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// Blocks between two snapshots: members start from one after most crashes.
const SNAPSHOT_BLOCKS: u64 = 24;

fn config(stage: &Stage, member: usize, key: &ConsensusKey) -> MemberConfig {
    MemberConfig {
        genesis: stage.genesis.clone(),
        consensus: key.clone(),
        gateway: Some(genesis::gateway(member)),
        verifier_only: false,
        first_start: false,
        snapshot_blocks: SNAPSHOT_BLOCKS,
    }
}

/// Shows the auditor everything a member commits, from the first block it executes, until it stops.
fn follow(context: Context, member: usize, ledger: Arc<Ledger>, stage: Arc<Stage>) {
    let mut watch = ledger.watch(ledger.oldest());
    context.spawn(move |_| async move {
        loop {
            match watch.next().await {
                Ok(Some(committed)) => stage.audit.lock().observe(member, &committed),
                Ok(None) => return,
                Err(lagged) => return stage.found(format!("the auditor fell behind: {lagged}")),
            }
        }
    });
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
