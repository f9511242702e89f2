//! One seed from the first block to the verdict.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use commonware_runtime::{
    Clock as _, Handle as Task, Runner as _, Spawner as _, Supervisor as _, deterministic,
};
use hanse_crypto::hash;
use hanse_types::Digest;
use serde::Serialize;

use crate::{
    MEMBERS, START_MS,
    client::{Client, prepare},
    cluster::Cluster,
    dice::Dice,
    disk::Loss,
    flaw::Flaw,
    genesis,
    scenario::{Scenario, play},
    stage::{Stage, within},
    verdict, work,
};

/// Clients of a run. Each asks three times a second.
const CLIENTS: u32 = 17;
/// Milliseconds between two questions of one client.
const PERIOD_MS: u64 = 340;
/// Time in which the members come up, or answer everything once all is mended.
pub(crate) const LIVENESS: Duration = Duration::from_secs(40);
/// Idle time before the clients in a calm run.
const IDLE: Duration = Duration::from_secs(20);

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Fixes everything.
    pub seed: u64,
    /// What goes wrong.
    pub scenario: Scenario,
    /// Simulated seconds in which it does.
    pub seconds: u64,
    /// A bug planted on purpose.
    pub flaw: Option<Flaw>,
}

/// What came of it: the line of CONTRACT 6, and what people want to know besides.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The scenario.
    pub scenario: String,
    /// Over every block, the auditor's state and every client's answers.
    pub digest: String,
    /// Newest height.
    pub height: u64,
    /// Simulated seconds.
    pub sim_s: f64,
    /// Seconds it took.
    pub wall_s: f64,
    /// Things that went wrong on purpose.
    pub faults: u64,
    /// Nothing is wrong.
    pub ok: bool,
    /// What is wrong.
    #[serde(skip)]
    pub findings: Vec<String>,
    /// Counts.
    #[serde(skip)]
    pub counts: Counts,
}

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Actions executed.
    pub actions: u64,
    /// Actions acknowledged to clients.
    pub acknowledged: u64,
    /// Actions said to have expired.
    pub expired: u64,
    /// Session actions without an answer, because their member stopped.
    pub unknown: u64,
    /// Proofs that verified.
    pub proofs: u64,
    /// Certificates that verified.
    pub certificates: u64,
    /// Writes lost or torn by power cuts.
    pub lost_writes: u64,
    /// Median milliseconds from question to answer.
    pub median_ms: u64,
    /// States that members with empty disks took over from others.
    pub taken: u64,
    /// Messages between members held back because they came faster than their channel allows.
    pub unsent: u64,
    /// Flushes of the log, and of the whole disk, per empty block and member. Only in calm runs.
    pub empty: (f64, f64),
    /// The same while clients ask.
    pub loaded: (f64, f64),
}

/// Runs one seed.
pub fn run(plan: Plan) -> Report {
    let began = Instant::now();
    let config = deterministic::Config::default()
        .with_seed(plan.seed)
        .with_start_time(UNIX_EPOCH + Duration::from_millis(START_MS))
        .with_timeout(Some(Duration::from_secs(plan.seconds + 3_600)));
    let mut report = deterministic::Runner::new(config).start(|context| async move {
        let stage = Stage::new(genesis::genesis());
        let start = context.current();
        let cluster = context.child("cluster");
        let mut cluster = Cluster::new(cluster, stage.clone(), plan.seed, plan.flaw).await;
        let mut counts = Counts::default();
        let faults = perform(plan, &mut cluster, &mut counts).await;
        let height = stage.audit.lock().height();
        let findings = stage.findings();
        counts.proofs = stage.proofs();
        counts.taken = stage.taken.load(std::sync::atomic::Ordering::Relaxed);
        let unsent = stage.unsent.lock().clone();
        tracing::info!(?unsent, "messages held back, by channel");
        counts.unsent = unsent.values().sum();
        Report {
            seed: plan.seed,
            scenario: plan.scenario.name().to_owned(),
            digest: digest(&stage, height).to_string(),
            height,
            sim_s: seconds(start, context.current()),
            wall_s: 0.0,
            faults,
            ok: findings.is_empty(),
            findings,
            counts,
        }
    });
    report.wall_s = began.elapsed().as_secs_f64();
    report
}

fn seconds(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).unwrap_or_default().as_secs_f64()
}

fn digest(stage: &Stage, height: u64) -> Digest {
    let mut bytes = stage.audit.lock().digest(height).0.to_vec();
    for (client, answers) in stage.answers.lock().iter() {
        bytes.extend(client.to_le_bytes());
        answers.iter().for_each(|answer| bytes.extend(answer.bytes()));
    }
    hash("hanse-simulator/run", &[&bytes])
}

async fn perform(plan: Plan, cluster: &mut Cluster, counts: &mut Counts) -> u64 {
    let (context, stage) = (cluster.context.child("run"), cluster.stage.clone());
    for member in 0..MEMBERS {
        cluster.start(member).await;
    }
    if !verdict::all_up(&context, &stage).await {
        stage.found("the members did not come up");
        return 0;
    }
    for (nonce, (member, action)) in work::stage().into_iter().enumerate() {
        let asking = Box::pin(prepare(&context, &stage, member, action, u128::MAX - nonce as u128));
        if within(&context, LIVENESS, asking).await.is_none() {
            stage.found("the stage could not be set in time");
            return 0;
        }
    }
    if plan.scenario == Scenario::Calm {
        let meter = Meter::new(cluster);
        context.sleep(IDLE).await;
        counts.empty = meter.read(cluster);
    }
    let meter = Meter::new(cluster);
    let clients = clients(plan.seed, &context, &stage);
    let end = context.current() + Duration::from_secs(plan.seconds);
    let mut dice = Dice::new(plan.seed, "director");
    let faults = play(plan.scenario, cluster, &mut dice, end).await;
    if plan.scenario == Scenario::Calm {
        counts.loaded = meter.read(cluster);
    }
    if !finish(&context, &stage, clients).await {
        let (condition, asking) = (cluster.condition().await, stage.asking.lock().clone());
        stage.found(format!(
            "not every question was answered in time after all was mended: {asking:?}; {condition}"
        ));
    }
    verdict::give(&context, cluster, counts).await;
    faults
}

fn clients(seed: u64, context: &deterministic::Context, stage: &Arc<Stage>) -> Vec<Task<()>> {
    let start = |number: u32| {
        let context = context.child("client").with_attribute("number", number);
        let stage = stage.clone();
        context.spawn(move |context| Client::new(number, seed, stage, context).live(PERIOD_MS))
    };
    (0..CLIENTS).map(start).collect()
}

/// Everything asked must be answered soon after all is mended.
async fn finish(
    context: &deterministic::Context,
    stage: &Arc<Stage>,
    clients: Vec<Task<()>>,
) -> bool {
    stage.close();
    let all = Box::pin(futures::future::join_all(clients));
    within(context, LIVENESS, all).await.is_some()
}

/// Flushes and heights at some time.
struct Meter {
    members: Vec<(u64, u64, u64)>,
    /// Flushes of the first member's disk, by partition.
    first: BTreeMap<String, u64>,
}

impl Meter {
    fn new(cluster: &Cluster) -> Self {
        let member = |i| {
            let flushes = cluster.counters(i).map_or(0, |c| c.flushes);
            let height = cluster.handle(i).map_or(0, |h| h.height());
            (flushes, cluster.disk(i).counts().flushes, height)
        };
        let members = (0..MEMBERS).map(member).collect();
        Self { members, first: cluster.disk(0).flushed() }
    }

    /// Flushes of the log and of the whole disk per block and member since.
    #[expect(clippy::cast_precision_loss, reason = "counts of one run are small")]
    fn read(&self, cluster: &Cluster) -> (f64, f64) {
        let (mut log, mut disk, mut blocks) = (0, 0, 0);
        let now = Self::new(cluster);
        for (partition, after) in &now.first {
            let flushes = after - self.first.get(partition).unwrap_or(&0);
            let heights = now.members[0].2.saturating_sub(self.members[0].2);
            tracing::info!(partition, flushes, heights, "flushes of the first member");
        }
        for (before, after) in self.members.iter().zip(&now.members) {
            log += after.0.saturating_sub(before.0);
            disk += after.1.saturating_sub(before.1);
            blocks += after.2.saturating_sub(before.2);
        }
        let blocks = blocks.max(1) as f64;
        (log as f64 / blocks, disk as f64 / blocks)
    }
}

/// Everybody loses power, and what was not flushed.
pub(crate) async fn blackout(cluster: &mut Cluster) {
    for member in 0..MEMBERS {
        cluster.crash(member, Loss::Everything).await;
    }
    for member in 0..MEMBERS {
        cluster.start(member).await;
    }
}
