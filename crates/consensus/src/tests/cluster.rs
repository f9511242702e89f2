//! A committee in one deterministic runtime, with members that can be crashed, restarted and cut off.

use std::{sync::Arc, time::Duration};

use commonware_p2p::simulated::Link;
use commonware_runtime::{
    Clock as _, Handle as Task, Runner as _, Spawner as _, Storage as _, Supervisor as _,
    deterministic,
};
use commonware_utils::{channel::oneshot, probability};
use hanse_types::{ChainParams, Committee, CommitteeMember, Digest, Threshold};

use super::fake::Fake;
use crate::{
    Base, Config, ConsensusKey, Ended, Handle, SimulatedOracle, Sizes, StartError, Stored,
    simulated_channels, simulated_key, simulated_network, start,
};

type Context = deterministic::Context;

pub(crate) const CHAIN: Digest = Digest([9; 32]);
/// Simulated time after which a scenario has failed.
const LIMIT: Duration = Duration::from_secs(600);

pub(super) struct Cluster {
    pub(super) context: Context,
    pub(super) oracle: SimulatedOracle<Context>,
    pub(super) keys: Vec<ConsensusKey>,
    pub(super) committee: Committee,
    pub(super) members: Vec<Option<Member>>,
    pub(super) epoch_blocks: u64,
    /// Which of the keys vote in an epoch.
    pub(super) seated: fn(u64, usize) -> bool,
    starts: u64,
}

pub(super) struct Member {
    pub(super) app: Arc<Fake>,
    pub(super) handle: Handle,
    /// Why its engine ended, if it does.
    pub(super) ended: oneshot::Receiver<Ended>,
    task: Task<()>,
}

pub(super) fn params() -> ChainParams {
    ChainParams {
        protocol_version: 1,
        heartbeat_ms: 100,
        leader_timeout_ms: 400,
        certification_timeout_ms: 800,
        clock_ahead_max_ms: 200,
        epoch_blocks: 1_000_000,
        spaces_per_organisation: 4,
        motion: Threshold::TWO_THIRDS,
        motion_high: Threshold::ALL,
    }
}

/// Keys sorted as a committee lists them.
pub(crate) fn keys(n: u8) -> Vec<ConsensusKey> {
    let mut keys: Vec<_> = (0..n).map(|i| ConsensusKey::from_seed_bytes([i + 1; 32])).collect();
    keys.sort_by_key(ConsensusKey::public);
    keys
}

pub(super) fn committee(keys: &[ConsensusKey]) -> Committee {
    seats(keys, 0, |_, _| true)
}

/// The committee of `epoch`.
fn seats(keys: &[ConsensusKey], epoch: u64, seated: fn(u64, usize) -> bool) -> Committee {
    let members = keys
        .iter()
        .enumerate()
        .filter(|(i, _)| seated(epoch, *i))
        .map(|(i, key)| CommitteeMember { consensus: key.public(), organisation: format!("o{i}") })
        .collect();
    Committee { epoch, members }
}

/// Runs `scenario` with four members, none of them started, all links up.
pub(super) fn run<T, F>(seed: u64, scenario: impl FnOnce(Cluster) -> F) -> T
where
    F: Future<Output = T>,
{
    let config = deterministic::Config::default().with_seed(seed).with_timeout(Some(LIMIT));
    deterministic::Runner::new(config).start(|context| async move {
        let cluster = Cluster::new(context, 4, 1_000_000, |_, _| true).await;
        scenario(cluster).await
    })
}

/// As [`run`], with epochs of eight blocks and `seated` of the `n` keys in each.
pub(super) fn run_epochs<T, F>(
    seed: u64,
    n: u8,
    seated: fn(u64, usize) -> bool,
    scenario: impl FnOnce(Cluster) -> F,
) -> T
where
    F: Future<Output = T>,
{
    let config = deterministic::Config::default().with_seed(seed).with_timeout(Some(LIMIT));
    deterministic::Runner::new(config).start(|context| async move {
        let cluster = Cluster::new(context, n, 8, seated).await;
        scenario(cluster).await
    })
}

impl Cluster {
    async fn new(
        context: Context,
        n: u8,
        epoch_blocks: u64,
        seated: fn(u64, usize) -> bool,
    ) -> Self {
        let keys = keys(n);
        let public: Vec<_> = keys.iter().map(ConsensusKey::public).collect();
        let oracle = simulated_network(context.child("network"), &public).await;
        let cluster = Self {
            context,
            oracle,
            members: (0..n).map(|_| None).collect(),
            committee: seats(&keys, 0, seated),
            keys,
            epoch_blocks,
            seated,
            starts: 0,
        };
        cluster.link(|_, _| true).await;
        cluster
    }

    /// An application that says who is seated.
    pub(super) fn fake(&self) -> Fake {
        let (keys, seated) = (self.keys.clone(), self.seated);
        let mut fake = Fake::new(CHAIN);
        fake.epoch_blocks = self.epoch_blocks;
        fake.committee = Box::new(move |epoch| seats(&keys, epoch, seated));
        fake
    }

    /// Connects the pairs for which `up` holds and cuts the others.
    pub(super) async fn link(&self, up: impl Fn(usize, usize) -> bool) {
        let link = Link {
            latency: Duration::from_millis(5),
            jitter: Duration::from_millis(1),
            success_rate: probability!(1.0),
        };
        self.link_with(up, link).await;
    }

    /// Gives the links for which `pick` holds these qualities and leaves the others.
    pub(super) async fn change(&self, pick: impl Fn(usize, usize) -> bool, link: Link) {
        for (i, a) in self.keys.iter().enumerate() {
            for (j, b) in self.keys.iter().enumerate() {
                if i != j && pick(i, j) {
                    let (a, b) = (simulated_key(&a.public()), simulated_key(&b.public()));
                    self.oracle.remove_link(a.clone(), b.clone()).await.unwrap();
                    self.oracle.add_link(a, b, link.clone()).await.unwrap();
                }
            }
        }
    }

    async fn link_with(&self, up: impl Fn(usize, usize) -> bool, link: Link) {
        for (i, a) in self.keys.iter().enumerate() {
            for (j, b) in self.keys.iter().enumerate() {
                if i == j {
                    continue;
                }
                let (a, b) = (simulated_key(&a.public()), simulated_key(&b.public()));
                // Removing a link that is not there is an error and means nothing here.
                drop(self.oracle.remove_link(a.clone(), b.clone()).await);
                if up(i, j) {
                    self.oracle.add_link(a, b, link.clone()).await.unwrap();
                }
            }
        }
    }

    pub(super) fn config(&self, i: usize) -> Config {
        Config {
            chain_id: CHAIN,
            committee: self.committee.clone(),
            signer: self.keys[i].clone(),
            params: ChainParams { epoch_blocks: self.epoch_blocks, ..params() },
            partition_prefix: format!("member-{i}"),
            verifier_only: false,
            doubt: Arc::new(|_| Box::pin(std::future::ready(true))),
            sizes: Sizes::default(),
        }
    }

    pub(super) async fn start_all(&mut self) {
        for i in 0..self.keys.len() {
            self.start(i).await;
        }
    }

    pub(super) async fn start(&mut self, i: usize) {
        self.start_with(i, self.fake()).await;
    }

    /// Starts member `i` with what its disk holds. All its tasks are children of one task, which a crash ends.
    pub(super) async fn start_with(&mut self, i: usize, app: Fake) {
        let config = self.config(i);
        self.start_config(i, config, app).await;
    }

    pub(super) async fn start_config(&mut self, i: usize, config: Config, app: Fake) {
        self.start_at(i, config, app, None).await;
    }

    /// Starts member `i` with an application that begins at `base`.
    pub(super) async fn start_at(
        &mut self,
        i: usize,
        config: Config,
        app: Fake,
        base: Option<Base>,
    ) {
        assert!(self.members[i].is_none());
        let app = Arc::new(app);
        let channels = simulated_channels(&self.oracle, &self.keys[i].public()).await.unwrap();
        let (ready, started) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        self.starts += 1;
        let context = self.context.child("member").with_attribute("start", self.starts);
        let application = app.clone();
        let task = context.spawn(move |context| async move {
            let mut stored = Stored::open(context.child("stored"), &config).await.unwrap();
            if let Some(base) = &base {
                stored = stored.begin_at(base).await.unwrap();
            }
            let context = context.child("consensus");
            let started = start(context, config, stored, channels, application);
            let started = Box::pin(started).await.unwrap();
            drop(ready.send(started.handle));
            // Most tests do not wait for it.
            drop(end.send(started.ended.await));
        });
        let handle = started.await.unwrap();
        self.members[i] = Some(Member { app, handle, ended, task });
    }

    /// What a member can begin with at `height`, as member `from` has it: with all that follows up to a certificate.
    pub(super) fn base(&self, from: usize, height: u64) -> Base {
        let (chain, blocks) =
            self.member(from).app.look(|s| (s.chain.clone(), s.committed_blocks.clone()));
        let (at, epoch) = (height as usize, height / self.epoch_blocks);
        let certified = (at + 1..).find(|h| chain[*h].1.is_some()).unwrap();
        let boundary = (epoch * self.epoch_blocks).saturating_sub(1) as usize;
        Base {
            block: blocks[at].clone(),
            committee: seats(&self.keys, epoch, self.seated),
            begins_on: chain[boundary].0,
            after: blocks[at + 1..=certified].to_vec(),
            finalization: chain[certified].1.clone().unwrap(),
        }
    }

    /// Starts member `i` with an empty disk in place of its own.
    pub(super) async fn start_wiped(&mut self, i: usize, verifier_only: bool) {
        let mut wiped = self.config(i);
        wiped.partition_prefix = "wiped".to_owned();
        wiped.verifier_only = verifier_only;
        let fake = self.fake();
        self.start_config(i, wiped, fake).await;
    }

    /// The height that the archive of the dead member `i` ends at.
    pub(super) async fn stored_height(&self, i: usize) -> u64 {
        // What the dead still held open is closed when their tasks are next looked at.
        self.context.sleep(Duration::from_millis(1)).await;
        let look = self.context.child("look");
        Stored::open(look, &self.config(i)).await.unwrap().height()
    }

    /// Restarts member 3, and shows that it votes: with member 0 gone, nothing is certified without it.
    pub(super) async fn restart_and_need(&mut self) {
        self.crash(3).await;
        self.start(3).await;
        self.crash(0).await;
        let height = self.member(1).handle.height();
        self.reach(height + 3).await;
        self.start(0).await;
    }

    /// What starting member `i` alone comes to.
    pub(super) async fn try_start(&mut self, i: usize, config: Config) -> Result<(), StartError> {
        let channels = simulated_channels(&self.oracle, &self.keys[i].public()).await.unwrap();
        self.starts += 1;
        let context = self.context.child("member").with_attribute("start", self.starts);
        let app = Arc::new(self.fake());
        let stored = Stored::open(context.child("stored"), &config).await?;
        Box::pin(start(context, config, stored, channels, app)).await.map(drop)
    }

    /// Removes a partition of the disk that all members share here.
    pub(super) async fn remove(&self, partition: &str) {
        self.context.remove(partition, None).await.unwrap();
    }

    /// Ends member `i` at once, keeping its disk.
    pub(super) async fn crash(&mut self, i: usize) {
        let member = self.members[i].take().unwrap();
        member.task.abort();
        drop(member.task.await);
    }

    /// Ends all members that live, one after the other, keeping their disks.
    pub(super) async fn crash_all(&mut self) {
        for i in 0..self.members.len() {
            if self.members[i].is_some() {
                self.crash(i).await;
            }
        }
    }

    pub(super) fn member(&self, i: usize) -> &Member {
        self.members[i].as_ref().unwrap()
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().flatten()
    }

    pub(super) fn submit(&self, command: &[u8]) {
        self.live().for_each(|m| m.app.submit(command));
    }

    /// Waits until every live member has committed `height`.
    pub(super) async fn reach(&self, height: u64) {
        for member in self.live() {
            member.reach(height).await;
        }
    }

    /// Waits until these members have committed `height`.
    pub(super) async fn reach_by(&self, members: &[usize], height: u64) {
        for i in members {
            self.member(*i).reach(height).await;
        }
    }

    /// Waits until every live member has committed `command`.
    pub(super) async fn see(&self, command: &[u8]) {
        for member in self.live() {
            let mut heights = member.handle.heights();
            while !member.app.look(|s| s.committed.contains(command)) {
                heights.changed().await.unwrap();
            }
        }
    }

    /// All chains agree as far as they go; returns the shortest's height.
    pub(super) fn agree(&self) -> u64 {
        let chains: Vec<_> = self.live().map(|m| m.app.chain()).collect();
        let shortest = chains.iter().map(Vec::len).min().unwrap();
        for chain in &chains {
            assert_eq!(chain[..shortest], chains[0][..shortest]);
        }
        shortest as u64 - 1
    }

    /// Whether no live member commits anything within `time`.
    pub(super) async fn stalls_for(&self, time: Duration) -> bool {
        let before: Vec<_> = self.live().map(|m| m.handle.height()).collect();
        self.context.sleep(time).await;
        let after: Vec<_> = self.live().map(|m| m.handle.height()).collect();
        before == after
    }
}

impl Member {
    pub(super) async fn reach(&self, height: u64) {
        self.handle.heights().wait_for(|h| *h >= height).await.unwrap();
    }
}
