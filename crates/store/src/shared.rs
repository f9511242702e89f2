//! State shared by the handles, the flusher and the checkpointer.

use crate::{
    batch::HEADER,
    config::{Config, PENDING_BYTES},
    image::Changes,
    record::Record,
    root::Start,
    segments::Segments,
    table::Table,
    votes::{self, VoteMark},
};
use commonware_runtime::{
    Error, Metrics, Storage,
    telemetry::metrics::{Counter, MetricsExt as _},
};
use commonware_utils::{
    channel::{oneshot, watch},
    sync::{AsyncMutex, Mutex, Notify},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// What the log has done since it was opened, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Durable writes to the log, each with one flush.
    pub flushes: u64,
    /// Bytes of those writes.
    pub flushed_bytes: u64,
    /// Records appended.
    pub records: u64,
    /// Syncs asked for, also as part of a write.
    pub syncs: u64,
    /// Syncs that were answered without waiting for a flush.
    pub rides: u64,
    /// Syncs of voter journals that covered a new vote.
    pub vote_syncs: u64,
    /// Syncs of voter journals whose contents did not read as a journal; they were flushed.
    pub unclassified: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Flushes of spilled files and of the root by checkpoints.
    pub checkpoint_flushes: u64,
    /// Segments that exist.
    pub segments: u64,
    /// Bytes of log that a replay would read.
    pub log_bytes: u64,
    /// Bytes of blob data in memory.
    pub held_bytes: u64,
}

/// The counters an operator watches, as metrics of the runtime.
pub(crate) struct Exported {
    pub(crate) flushes: Counter,
    pub(crate) flushed_bytes: Counter,
    pub(crate) checkpoints: Counter,
    pub(crate) unclassified: Counter,
}

impl Exported {
    pub(crate) fn new<E: Metrics>(context: &E) -> Self {
        Self {
            flushes: context.counter("log_flushes", "Durable writes to the log"),
            flushed_bytes: context.counter("log_flushed_bytes", "Bytes of durable writes"),
            checkpoints: context.counter("log_checkpoints", "Checkpoints completed"),
            unclassified: context.counter(
                "log_unclassified_syncs",
                "Syncs of voter journals that did not read as a journal",
            ),
        }
    }
}

/// Bytes by which the room for a batch is measured out.
const BATCH_STEP: usize = 16 * 1024;

/// Records that will become one batch.
pub(crate) struct Pending {
    /// Room for the header, then the payload.
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: u32,
    /// Number of the last record.
    pub(crate) last: u64,
    /// A checkpoint starts with it, so replay may begin here.
    pub(crate) starts: bool,
}

/// A file handle that is opened once and shared.
pub(crate) type Slot<B> = Arc<AsyncMutex<Option<Arc<B>>>>;

pub(crate) struct State<B> {
    pub(crate) table: Table,
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) pending_bytes: usize,
    /// Bytes of the batch written last.
    pub(crate) last_batch: usize,
    /// Number of the last record appended.
    pub(crate) appended: u64,
    /// Number of the last record flushed.
    pub(crate) durable: u64,
    /// Number of the last record somebody waits for.
    pub(crate) wanted: u64,
    waiters: Vec<(u64, oneshot::Sender<()>)>,
    failed: Option<Arc<str>>,
    pub(crate) segments: Segments<B>,
    /// Where the running checkpoint started, once that batch is written.
    pub(crate) start: Option<Start>,
    /// Bytes of log since the start the root names.
    pub(crate) log_bytes: u64,
    pub(crate) checkpointing: bool,
    pub(crate) counters: Counters,
    pub(crate) exported: Exported,
    /// Files of spilled blobs by id.
    pub(crate) files: BTreeMap<u64, Slot<B>>,
    /// Ids for which a file exists.
    pub(crate) filed: BTreeSet<u64>,
}

/// One log; contexts and blobs share it.
pub(crate) struct Shared<E: Storage> {
    pub(crate) storage: E,
    pub(crate) config: Config,
    state: Mutex<State<E::Blob>>,
    /// Wakes the flusher.
    pub(crate) work: Notify,
    /// Wakes the checkpointer.
    pub(crate) grown: Notify,
    failure: watch::Sender<Option<Arc<str>>>,
}

impl<B> State<B> {
    pub(crate) fn new(table: Table, segments: Segments<B>, exported: Exported) -> Self {
        Self {
            table,
            pending: VecDeque::new(),
            pending_bytes: 0,
            last_batch: 0,
            appended: 0,
            durable: 0,
            wanted: 0,
            waiters: Vec::new(),
            failed: None,
            segments,
            start: None,
            log_bytes: 0,
            checkpointing: false,
            counters: Counters::default(),
            exported,
            files: BTreeMap::new(),
            filed: BTreeSet::new(),
        }
    }

    pub(crate) const fn is_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Carries out a record and appends it. The log and the table change together or not at all.
    pub(crate) fn append(&mut self, config: &Config, record: &Record<'_>) -> Result<u64, Error> {
        let number = self.appended + 1;
        self.table.apply(record, number).map_err(invalid)?;
        self.log(config, record);
        Ok(number)
    }

    /// Appends a record without carrying it out (checkpoints repeat what the table holds).
    pub(crate) fn log(&mut self, config: &Config, record: &Record<'_>) {
        self.appended += 1;
        self.counters.records += 1;
        let full = config.batch_bytes() - config.record_bytes() * 2;
        if self.pending.back().is_none_or(|batch| batch.bytes.len() >= full) {
            self.seal(false);
        }
        let batch = self.pending.back_mut().expect("a batch was begun above");
        let before = batch.bytes.len();
        record.encode(&mut batch.bytes);
        batch.records += 1;
        batch.last = self.appended;
        self.pending_bytes += batch.bytes.len() - before;
    }

    /// Begins a new batch.
    pub(crate) fn seal(&mut self, starts: bool) {
        // As long as the last one: growing step by step would copy it several times.
        let mut bytes = Vec::with_capacity(self.last_batch.next_multiple_of(BATCH_STEP));
        bytes.resize(HEADER, 0);
        self.pending.push_back(Pending { bytes, records: 0, last: self.appended, starts });
    }

    /// Records up to `last` are on disk.
    pub(crate) fn flushed(&mut self, last: u64) {
        self.durable = self.durable.max(last);
        let durable = self.durable;
        for (_, waiter) in self.waiters.extract_if(.., |(number, _)| *number <= durable) {
            let _ = waiter.send(()); // the waiter may have given up
        }
    }
}

/// Errors of the runtime carry an `io::Error`; ours names the reason.
fn invalid(reason: &'static str) -> Error {
    Error::from(std::io::Error::other(reason))
}

impl<E: Storage> Shared<E> {
    pub(crate) fn new(storage: E, config: Config, state: State<E::Blob>) -> Self {
        Self {
            storage,
            config,
            state: Mutex::new(state),
            work: Notify::new(),
            grown: Notify::new(),
            failure: watch::Sender::new(None),
        }
    }

    /// Works on the state. The lock is never held across an await.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State<E::Blob>) -> T) -> T {
        work(&mut self.state.lock())
    }

    /// Poisons the log: nothing succeeds from now on. The first reason stays.
    pub(crate) fn fail(&self, reason: String) {
        let reason: Arc<str> = reason.into();
        let waiters = self.with(|state| {
            if state.failed.is_none() {
                state.failed = Some(reason.clone());
                self.failure.send_replace(Some(reason));
            }
            std::mem::take(&mut state.waiters)
        });
        drop(waiters);
    }

    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.with(|state| state.failed.clone())
    }

    /// Resolves with the reason once the log is poisoned.
    pub(crate) fn failed(&self) -> impl Future<Output = Arc<str>> + Send + 'static + use<E> {
        let mut seen = self.failure.subscribe();
        async move {
            match seen.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
                Ok(Some(reason)) => reason,
                // Without a sender the log is gone, and it can fail no more.
                _ => std::future::pending().await,
            }
        }
    }

    /// The answer of a poisoned log: an error, or none ever (see `Config::halt_on_failure`).
    pub(crate) async fn refuse(&self) -> Error {
        if self.config.halt_on_failure {
            std::future::pending::<()>().await;
        }
        let reason = self.failure().unwrap_or_else(|| "the log is closed".into());
        Error::from(std::io::Error::other(format!("one log is stopped: {reason}")))
    }

    /// Works on the state of a log that is not poisoned.
    pub(crate) async fn on<T>(
        &self,
        work: impl FnOnce(&mut State<E::Blob>) -> T,
    ) -> Result<T, Error> {
        let done = self.with(|state| match state.failed {
            None => Some(work(state)),
            Some(_) => None,
        });
        match done {
            Some(value) => Ok(value),
            None => Err(self.refuse().await),
        }
    }

    /// Appends records under one lock, then lets a writer wait while too much is pending.
    pub(crate) async fn append(&self, records: &[Record<'_>]) -> Result<u64, Error> {
        let appended = self
            .on(|state| {
                let first = state.pending.is_empty();
                let mut number = state.appended;
                for record in records {
                    number = state.append(&self.config, record)?;
                }
                Ok::<_, Error>((number, first, state.pending_bytes > PENDING_BYTES))
            })
            .await??;
        self.paced(appended).await
    }

    /// Changes a blob's bytes. Journals rewrite whole pages for a record of a hundred bytes: only what differs from the
    /// image is recorded. At least one record is, so that a sync after a write always has something to wait for.
    pub(crate) async fn write(&self, id: u64, offset: u64, data: &[u8]) -> Result<u64, Error> {
        let appended = self
            .on(|state| {
                let first = state.pending.is_empty();
                let image = state.table.get(id).map(|entry| &entry.image);
                let changes = image
                    .map_or_else(|| Changes::all(data.len()), |image| image.changes(offset, data));
                if let Some(len) = changes.grown {
                    state.append(&self.config, &Record::Resize { id, len })?;
                }
                for run in changes.runs {
                    let mut at = offset + run.start as u64;
                    for data in data[run].chunks(self.config.record_bytes()) {
                        state.append(&self.config, &Record::Write { id, offset: at, data })?;
                        at += data.len() as u64;
                    }
                }
                let crowded = state.pending_bytes > PENDING_BYTES;
                Ok::<_, Error>((state.appended, first, crowded))
            })
            .await??;
        self.paced(appended).await
    }

    async fn paced(&self, appended: (u64, bool, bool)) -> Result<u64, Error> {
        let (number, first, crowded) = appended;
        if crowded {
            self.flushed(number).await?;
        } else if first {
            self.work.notify_one();
        }
        Ok(number)
    }

    /// Asks for a flush up to a record; `true` if it is on disk already.
    pub(crate) fn want(&self, number: u64) -> bool {
        let (durable, news) = self.with(|state| {
            let news = number > state.wanted;
            state.wanted = state.wanted.max(number);
            (state.durable >= number, news)
        });
        if !durable && news {
            self.work.notify_one();
        }
        durable
    }

    /// Waits until a record is on disk.
    pub(crate) async fn flushed(&self, number: u64) -> Result<(), Error> {
        let waiting = self
            .on(|state| {
                (state.durable < number).then(|| {
                    state.wanted = state.wanted.max(number);
                    let (sender, receiver) = oneshot::channel();
                    state.waiters.push((number, sender));
                    receiver
                })
            })
            .await?;
        let Some(waiting) = waiting else {
            return Ok(());
        };
        self.work.notify_one();
        match waiting.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.refuse().await),
        }
    }

    /// The record that a sync of this blob must find on disk; 0 if it may ride along.
    pub(crate) fn sync_point(&self, id: u64) -> u64 {
        self.with(|state| {
            state.counters.syncs += 1;
            let Some(entry) = state.table.get_mut(id) else {
                return 0;
            };
            let point = match self.config.vote_journal(&entry.partition) {
                Some(journal) => {
                    let page_size = usize::from(journal.page_size.get());
                    let (vote, unclassified) = note_votes(entry, page_size);
                    state.counters.vote_syncs += u64::from(vote);
                    state.counters.unclassified += u64::from(unclassified);
                    state.exported.unclassified.inc_by(u64::from(unclassified));
                    entry.votes.must
                }
                None if self.config.rides(&entry.partition) => 0,
                None => entry.changed,
            };
            state.counters.rides += u64::from(point <= state.durable);
            point
        })
    }
}

/// Reads the votes of a journal blob anew and sets what its syncs must wait for. Says whether
/// there were new votes, and whether it could not be read.
fn note_votes(entry: &mut crate::table::Entry, page_size: usize) -> (bool, bool) {
    if entry.votes.must >= entry.changed {
        return (false, false); // nothing was written since
    }
    let scanned = match &entry.image {
        crate::image::Image::Memory(bytes) => votes::scan(bytes, page_size),
        crate::image::Image::Spilled(_) => None,
    };
    match scanned {
        Some(votes) if votes == entry.votes.votes => (false, false),
        Some(votes) => {
            entry.votes = VoteMark { votes, must: entry.changed };
            (true, false)
        }
        None => {
            entry.votes.must = entry.changed;
            (false, true)
        }
    }
}
