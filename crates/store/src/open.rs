//! Opening: find or create the log, replay it, make its tail certain, start the tasks.

use crate::{
    batch::{self, Link, LogId},
    checkpoint::{self, RootFile},
    config::{Config, MIN_SEGMENT_BYTES, PAGE},
    context::OneLog,
    error::OpenError,
    flusher::{self, Tail},
    image::Image,
    record::Record,
    replay::{self, End, Loaded},
    root::{Root, Start},
    segments::{self, ROOT_NAME, Segment, Segments, capacity_of},
    shared::{Exported, Shared, State},
    table::Table,
    votes::{self, VoteMark},
};
use commonware_runtime::{
    Blob as _, Clock, Error, Metrics, ReadOptions, Spawner, Storage, WriteOptions,
};
use rand_core::CryptoRng;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Votes found in one voter journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoteSummary {
    /// Own votes in the journal (older views are pruned by the voter).
    pub votes: u64,
    /// Highest view with an own vote.
    pub highest_view: u64,
}

/// What opening found. The node compares it with the chain: a key that certificates name, on a
/// log without votes, has lost them and must not vote (exit 71).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// There was no log; it was created.
    pub fresh: bool,
    /// Batches replayed.
    pub batches: u64,
    /// Records replayed.
    pub records: u64,
    /// Live blobs after replay.
    pub blobs: u64,
    /// Bytes of log replayed.
    pub log_bytes: u64,
    /// Bytes of an unacknowledged last batch that was cut off.
    pub truncated_bytes: u64,
    /// Votes per voter journal (partition); journals without votes are not listed.
    pub votes: BTreeMap<String, VoteSummary>,
}

impl Report {
    /// Own votes over all voter journals.
    pub fn votes_seen(&self) -> u64 {
        self.votes.values().map(|summary| summary.votes).sum()
    }
}

/// The log's files before replay.
struct Files<B> {
    root: B,
    /// Valid root, or none if there is no log yet.
    found: Option<Root>,
    segments: Vec<Segment<B>>,
    loaded: Vec<Loaded>,
}

fn check(config: &Config) -> Result<(), OpenError> {
    if config.segment_bytes < MIN_SEGMENT_BYTES || !config.segment_bytes.is_multiple_of(PAGE) {
        return Err(OpenError::Config("segment_bytes must be a multiple of 4096 and large enough"));
    }
    let clash = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
    let mut others = config.riding.iter().chain(&config.spilled);
    if others.any(|other| config.votes.iter().any(|journal| clash(other, &journal.prefix))) {
        return Err(OpenError::Config("a voter journal is also listed as riding or spilled"));
    }
    if config.votes.iter().any(|journal| journal.prefix.is_empty()) {
        return Err(OpenError::Config("a voter journal needs a prefix"));
    }
    Ok(())
}

async fn names<E: Storage>(storage: &E, partition: &str) -> Result<Vec<Vec<u8>>, OpenError> {
    match storage.scan(partition).await {
        Ok(names) => Ok(names),
        Err(Error::PartitionMissing(_)) => Ok(Vec::new()),
        Err(error) => Err(OpenError::storage("listing a partition")(error)),
    }
}

/// Opens and reads the root and all segments. Memory: the size of the log, until replay is done.
async fn load<E: Storage>(storage: &E, config: &Config) -> Result<Files<E::Blob>, OpenError> {
    let names = names(storage, &config.partition).await?;
    let mut segments = Vec::new();
    let mut loaded = Vec::new();
    for slot in names.iter().filter_map(|name| segments::segment_slot(name)) {
        let name = segments::segment_name(slot);
        let opened = storage.open(&config.partition, &name).await;
        let (blob, len) = opened.map_err(OpenError::storage("opening a segment"))?;
        let capacity = capacity_of(len);
        let read = blob.read_at(0, capacity, ReadOptions::default()).await;
        let bytes = read.map_err(OpenError::storage("reading a segment"))?;
        loaded.push(Loaded { slot, bytes: bytes.coalesce().as_ref().to_vec() });
        segments.push(Segment { slot, blob: Arc::new(blob), capacity });
    }
    let opened = storage.open(&config.partition, ROOT_NAME).await;
    let (root, len) = opened.map_err(OpenError::storage("opening the root"))?;
    let len = capacity_of(len);
    let read = root.read_at(0, len, ReadOptions::default()).await;
    let pages = read.map_err(OpenError::storage("reading the root"))?.coalesce();
    let found = pages.as_ref().chunks(PAGE).filter_map(Root::decode);
    let found = found.max_by_key(|root| root.generation);
    // Without a root no batch was ever written: the first root precedes the first batch.
    let batches = |segment: &Loaded| segment.bytes.chunks(PAGE).any(batch::resembles);
    if found.is_none() && loaded.iter().any(batches) {
        return Err(OpenError::RootLost("no root page checks out, but batches exist"));
    }
    Ok(Files { root, found, segments, loaded })
}

/// Creates an empty log. A crash before the root is written leaves nothing that counts.
async fn create<E: Storage>(
    storage: &E,
    config: &Config,
    id: LogId,
    files: &mut Files<E::Blob>,
) -> Result<Root, OpenError> {
    let doing = "preparing the first segment";
    let first = files.segments.iter().position(|segment| segment.slot == 0);
    if let Some(index) = first {
        files.segments.remove(index);
        files.loaded.remove(index);
    }
    let segment = segments::prepare(storage, config, 0).await.map_err(OpenError::storage(doing))?;
    files.loaded.push(Loaded { slot: 0, bytes: vec![0; segment.capacity] });
    files.segments.push(segment);
    let start = Start { slot: 0, offset: 0, seq: 1, prev: Link::default() };
    Ok(Root { id, generation: 1, start })
}

/// See [`OneLog::open`].
pub(crate) async fn open<E: Spawner + Clock + Metrics + Storage + CryptoRng>(
    mut inner: E,
    config: Config,
) -> Result<(OneLog<E>, Report), OpenError> {
    check(&config)?;
    let mut files = load(&inner, &config).await?;
    let fresh = files.found.is_none();
    let root = match files.found {
        Some(root) => root,
        None => {
            let mut id = LogId::default();
            inner.fill_bytes(&mut id);
            create(&inner, &config, id, &mut files).await?
        }
    };
    let mut table = Table::new(config.spill_above, config.spilled.clone());
    let end = replay::replay(&files.loaded, &root, &mut table)?;
    make_certain(&files, &root, &end).await?;
    let filed = check_spilled(&inner, &config, &table).await?;
    let report = report(fresh, &end, &mut table, &config);
    discard_small(&inner, &config, &mut files, &end).await?;
    let (segments, tail) = divide(&files.segments, &root, &end);
    let mut state = State::new(table, segments, Exported::new(&inner));
    state.log_bytes = end.log_bytes;
    state.filed = filed;
    state.log(&config, &Record::Run);
    let shared = Arc::new(Shared::new(inner.child("one_log"), config, state));
    let root = RootFile { blob: files.root, root };
    start(&inner, &shared, tail, root);
    shared.flushed(1).await.map_err(OpenError::storage("writing the first batch"))?;
    tracing::info!(
        fresh,
        records = report.records,
        log_bytes = report.log_bytes,
        truncated_bytes = report.truncated_bytes,
        votes = report.votes_seen(),
        "log opened"
    );
    Ok((OneLog { inner, shared }, report))
}

fn start<E: Spawner + Clock + Storage>(
    inner: &E,
    shared: &Arc<Shared<E>>,
    tail: Tail<E::Blob>,
    root: RootFile<E::Blob>,
) {
    let log = shared.clone();
    inner.child("flusher").spawn(move |context| flusher::run(context, log, tail));
    let log = shared.clone();
    inner.child("checkpointer").spawn(move |_| checkpoint::run(log, root));
    shared.grown.notify_one(); // a segment is written ahead
}

/// Writes the root and the last batch once more. A write whose flush failed in an earlier run may
/// be readable without being durable; after this, what was replayed is durable.
async fn make_certain<B: commonware_runtime::Blob>(
    files: &Files<B>,
    root: &Root,
    end: &End,
) -> Result<(), OpenError> {
    let doing = "writing the tail once more";
    if let Some((place, len)) = end.last {
        let bytes = files.loaded[place.index].bytes[place.offset..place.offset + len].to_vec();
        let blob = &files.segments[place.index].blob;
        let written = blob.write_at(place.offset as u64, bytes, WriteOptions::SYNC).await;
        written.map_err(OpenError::storage(doing))?;
    }
    let written = files.root.write_at(root.offset(), root.encode(), WriteOptions::SYNC).await;
    written.map_err(OpenError::storage(doing))
}

/// Removes unused segments that are smaller than a segment is now: their preparation was cut short,
/// or the configuration has changed.
async fn discard_small<E: Storage>(
    storage: &E,
    config: &Config,
    files: &mut Files<E::Blob>,
    end: &End,
) -> Result<(), OpenError> {
    for (index, segment) in files.segments.iter_mut().enumerate() {
        if segment.capacity < config.segment_bytes && !end.used.contains(&index) {
            segment.capacity = 0; // never taken again, and forgotten with this run
            let name = segments::segment_name(segment.slot);
            let removed = storage.remove(&config.partition, Some(&name)).await;
            removed.map_err(OpenError::storage("removing a small segment"))?;
        }
    }
    Ok(())
}

/// Checks that every file the table needs is there, and removes those it does not need.
async fn check_spilled<E: Storage>(
    storage: &E,
    config: &Config,
    table: &Table,
) -> Result<BTreeSet<u64>, OpenError> {
    let partition = config.spill_partition();
    let mut filed = BTreeSet::new();
    for name in names(storage, &partition).await? {
        let id = <[u8; 8]>::try_from(name.as_slice()).map(u64::from_be_bytes);
        let needed = |id: &u64| table.get(*id).is_some_and(|entry| entry.image.base_len() > 0);
        match id.ok().filter(needed) {
            Some(id) => {
                filed.insert(id);
            }
            None => storage
                .remove(&partition, Some(&name))
                .await
                .map_err(OpenError::storage("removing a file without a blob"))?,
        }
    }
    for (id, entry) in table.live() {
        if entry.image.base_len() > 0 && !filed.contains(&id) {
            let (partition, name) = (entry.partition.clone(), entry.name.clone());
            return Err(OpenError::SpillLost { partition, name });
        }
    }
    Ok(filed)
}

/// Reads the votes of all voter journals, once, and notes them as durable.
fn report(fresh: bool, end: &End, table: &mut Table, config: &Config) -> Report {
    let mut report = Report {
        fresh,
        batches: end.batches,
        records: end.records,
        log_bytes: end.log_bytes,
        truncated_bytes: end.torn,
        ..Report::default()
    };
    for (_, entry) in table.live_mut() {
        report.blobs += 1;
        let Some(journal) = config.vote_journal(&entry.partition) else {
            continue;
        };
        let Image::Memory(bytes) = &entry.image else {
            continue;
        };
        let Some(votes) = votes::scan(bytes, usize::from(journal.page_size.get())) else {
            continue;
        };
        entry.votes = VoteMark { votes, must: 0 };
        if votes.count > 0 {
            let view = <[u8; 8]>::try_from(entry.name.as_slice()).map_or(0, u64::from_be_bytes);
            let summary = report.votes.entry(entry.partition.clone()).or_default();
            summary.votes += votes.count;
            summary.highest_view = summary.highest_view.max(view);
        }
    }
    report
}

/// Divides the segments into those of the log, in order, and free ones, and finds the tail.
fn divide<B>(all: &[Segment<B>], root: &Root, end: &End) -> (Segments<B>, Tail<B>) {
    let unused = |index: &usize| !end.used.contains(index) && all[*index].capacity > 0;
    let free = (0..all.len()).filter(unused);
    let segments = Segments {
        used: end.used.iter().map(|&index| all[index].clone()).collect(),
        free: free.map(|index| all[index].clone()).collect(),
        next_slot: all.iter().map(|segment| segment.slot + 1).max().unwrap_or(0),
    };
    let tail = Tail {
        id: root.id,
        segment: all[end.next.index].clone(),
        offset: end.next.offset,
        seq: end.seq,
        prev: end.prev,
    };
    (segments, tail)
}
