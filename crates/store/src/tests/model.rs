//! Random work against a plain model, with power cuts: what a sync covered is there, and what
//! survives is a prefix of what was done.

use super::support::{Cut, Fuse, Fused, read, small, tearing};
use crate::{Config, OneLog};
use commonware_runtime::{
    Blob as _, Clock as _, Storage as _, Supervisor as _, WriteOptions, deterministic,
};
use commonware_utils::{probability, sync::Mutex};
use futures::future::{Either, select};
use proptest::prelude::*;
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

pub(crate) const PARTITIONS: [&str; 3] = ["plain", "ride", "cold"];

/// Contents of all blobs by partition and name; a partition may be empty.
pub(crate) type Model = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Write { blob: usize, offset: usize, len: usize, fill: u8 },
    Resize { blob: usize, len: usize },
    Remove { blob: usize },
    Drop { partition: usize },
    Sync { blob: usize },
    Read { blob: usize },
    Close { blob: usize },
    Flush,
    Rest,
}

/// What was done, in order, and how far it is known to be durable.
#[derive(Default)]
pub(crate) struct History {
    /// The state after each change; a change is noted before it is tried.
    pub(crate) states: Vec<Model>,
    /// Index of the last state that a completed sync covers.
    pub(crate) acked: usize,
}

impl History {
    pub(crate) fn from(model: Model) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { states: vec![model], acked: 0 }))
    }

    fn change(&mut self, change: impl FnOnce(&mut Model)) -> usize {
        let mut next = self.states.last().cloned().unwrap_or_default();
        change(&mut next);
        self.states.push(next);
        self.states.len() - 1
    }
}

/// Partition and name of one of six blobs.
fn key(blob: usize) -> (&'static str, Vec<u8>) {
    (PARTITIONS[blob % 3], vec![blob as u8])
}

struct Runner<'a> {
    log: &'a OneLog<Fused>,
    history: &'a Mutex<History>,
    handles: BTreeMap<usize, crate::LogBlob<Fused>>,
    /// Index of the state in which a blob changed last.
    changed: BTreeMap<usize, usize>,
}

impl Runner<'_> {
    async fn open(&mut self, blob: usize) {
        if self.handles.contains_key(&blob) {
            return;
        }
        let (partition, name) = key(blob);
        let existed = {
            let mut history = self.history.lock();
            let last = history.states.last().expect("there is a first state");
            let existed = last.get(partition).is_some_and(|blobs| blobs.contains_key(&name));
            if !existed {
                let index = history.change(|model| {
                    model.entry(partition.into()).or_default().insert(name.clone(), Vec::new());
                });
                self.changed.insert(blob, index);
            }
            existed
        };
        let (handle, len) = self.log.open(partition, &name).await.unwrap();
        assert!(existed || len == 0);
        self.handles.insert(blob, handle);
    }

    fn content(&self, blob: usize) -> Vec<u8> {
        let (partition, name) = key(blob);
        self.history.lock().states.last().expect("one is there")[partition][&name].clone()
    }

    fn change(&mut self, blob: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let (partition, name) = key(blob);
        let index = self.history.lock().change(|model| {
            change(model.get_mut(partition).unwrap().get_mut(&name).unwrap());
        });
        self.changed.insert(blob, index);
    }

    fn ack(&self, index: usize) {
        let mut history = self.history.lock();
        history.acked = history.acked.max(index);
    }

    async fn remove(&mut self, blob: usize) {
        self.open(blob).await;
        let (partition, name) = key(blob);
        let index = self.history.lock().change(|model| {
            model.get_mut(partition).unwrap().remove(&name);
        });
        self.log.remove(partition, Some(&name)).await.unwrap();
        self.handles.remove(&blob);
        if partition == "plain" {
            self.ack(index);
        }
    }

    async fn drop_partition(&mut self, partition: &str) {
        let last = self.history.lock().states.last().cloned();
        if !last.is_some_and(|model| model.contains_key(partition)) {
            return;
        }
        let index = self.history.lock().change(|model| {
            model.remove(partition);
        });
        self.log.remove(partition, None).await.unwrap();
        self.handles.retain(|blob, _| key(*blob).0 != partition);
        if partition == "plain" {
            self.ack(index);
        }
    }

    async fn run(&mut self, op: &Op, clock: &deterministic::Context) {
        match *op {
            Op::Write { blob, offset, len, fill } => {
                self.open(blob).await;
                let data = vec![fill; len];
                self.change(blob, |content| {
                    let end = offset + len;
                    content.resize(content.len().max(end), 0);
                    content[offset..end].copy_from_slice(&data);
                });
                let options = WriteOptions::default();
                self.handles[&blob].write_at(offset as u64, data, options).await.unwrap();
            }
            Op::Resize { blob, len } => {
                self.open(blob).await;
                self.change(blob, |content| content.resize(len, 0));
                self.handles[&blob].resize(len as u64).await.unwrap();
            }
            Op::Remove { blob } => self.remove(blob).await,
            Op::Drop { partition } => self.drop_partition(PARTITIONS[partition]).await,
            Op::Sync { blob } => {
                self.open(blob).await;
                let index = self.changed.get(&blob).copied().unwrap_or(0);
                self.handles[&blob].sync().await.unwrap();
                if key(blob).0 == "plain" {
                    self.ack(index);
                }
            }
            Op::Read { blob } => {
                self.open(blob).await;
                let expected = self.content(blob);
                let got = read(&self.handles[&blob], expected.len() as u64).await;
                assert!(got == expected, "blob {blob} reads as something else");
            }
            Op::Close { blob } => {
                self.handles.remove(&blob);
            }
            Op::Flush => {
                let index = self.history.lock().states.len() - 1;
                self.log.flush().await.unwrap();
                self.ack(index);
            }
            Op::Rest => clock.sleep(Duration::from_millis(70)).await,
        }
    }
}

/// Does the work until it is done or power fails.
pub(crate) async fn work(
    context: deterministic::Context,
    config: Config,
    ops: &[Op],
    fuse: Fuse,
    history: &Mutex<History>,
) -> Option<crate::Counters> {
    let clock = context.child("clock");
    let done = async {
        let (log, _) = OneLog::open(Fused::new(context, fuse.clone()), config).await.unwrap();
        let mut runner =
            Runner { log: &log, history, handles: BTreeMap::new(), changed: BTreeMap::new() };
        for op in ops {
            runner.run(op, &clock).await;
        }
        log.counters()
    };
    match select(pin!(done), pin!(fuse.blown())).await {
        Either::Left((counters, _)) => Some(counters),
        Either::Right(_) => None,
    }
}

/// What a log holds.
pub(crate) async fn recovered(context: deterministic::Context, config: Config) -> Model {
    let (log, _) = OneLog::open(context, config).await.unwrap();
    let mut model = Model::new();
    for partition in PARTITIONS {
        let Ok(names) = log.scan(partition).await else {
            continue;
        };
        let blobs = model.entry(partition.into()).or_default();
        for name in names {
            let (blob, len) = log.open(partition, &name).await.unwrap();
            blobs.insert(name, read(&blob, len).await);
        }
    }
    model
}

/// Fails unless the model is a state that was reached, and not before what was acknowledged.
pub(crate) fn check(model: &Model, history: &History, what: &str) {
    let possible = &history.states[history.acked..];
    assert!(
        possible.contains(model),
        "{what}: of {} states, {} acknowledged, none is what came back (an older one is: {})",
        history.states.len(),
        history.acked,
        history.states.contains(model),
    );
}

fn op() -> impl Strategy<Value = Op> {
    let blob = 0usize..6;
    prop_oneof![
        12 => (blob.clone(), 0usize..40_000, 1usize..6_000, 1u8..)
            .prop_map(|(blob, offset, len, fill)| Op::Write { blob, offset, len, fill }),
        3 => (blob.clone(), 0usize..50_000).prop_map(|(blob, len)| Op::Resize { blob, len }),
        1 => blob.clone().prop_map(|blob| Op::Remove { blob }),
        1 => (0usize..3).prop_map(|partition| Op::Drop { partition }),
        4 => blob.clone().prop_map(|blob| Op::Sync { blob }),
        3 => blob.clone().prop_map(|blob| Op::Read { blob }),
        2 => blob.prop_map(|blob| Op::Close { blob }),
        1 => Just(Op::Flush),
        1 => Just(Op::Rest),
    ]
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![Just(Cut::Before), Just(Cut::Torn), Just(Cut::After)]
}

fn faults() -> impl Strategy<Value = deterministic::FaultConfig> {
    (0u8..4).prop_map(|kind| {
        let mut faults = tearing();
        let write = faults.write_rate.as_mut().expect("tearing sets it");
        match kind {
            0 => return deterministic::FaultConfig::default(),
            1 => {}
            2 => {
                write.mode = deterministic::PartialWriteMode::Prefix;
                write.retention_rate = probability!(0.9999);
            }
            _ => write.retention_rate = probability!(1.0),
        }
        faults
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn what_survives_is_a_prefix_that_covers_every_sync(
        rounds in prop::collection::vec(
            (prop::collection::vec(op(), 1..80), 0u64..120, cut()), 1..4),
        seed: u64,
        faults in faults(),
    ) {
        let runner = deterministic::Runner::new(
            deterministic::Config::default().with_seed(seed).with_storage_fault_config(faults));
        let (mut model, mut state) = (Model::new(), None);
        let mut runner = Some(runner);
        for (round, (ops, change, cut)) in rounds.into_iter().enumerate() {
            let history = History::from(model);
            let start = runner.take().unwrap_or_else(|| deterministic::Runner::from(state.take().unwrap()));
            let fuse = Fuse::at(change, cut);
            let (_, cold) = start.start_and_recover(|context| {
                let history = history.clone();
                async move { work(context, small(), &ops, fuse, &history).await }
            });
            let (found, cold) = deterministic::Runner::from(cold)
                .start_and_recover(|context| recovered(context, small()));
            check(&found, &history.lock(), &format!("round {round}"));
            (model, state) = (found, Some(cold));
        }
    }
}
