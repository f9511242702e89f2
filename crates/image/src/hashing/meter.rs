//! Progress in real bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Progress is reported at most this often, and once at the end; more would only cost.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// How far the work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes hashed or copied so far.
    pub done: u64,
    /// Bytes there are; grows while an index is still being read.
    pub total: u64,
    /// Mean rate since the start, bytes per second.
    pub bytes_per_second: u64,
}

/// Someone who wants to know. Called from many threads.
pub trait Progress: Send + Sync {
    /// Tells how far the work is.
    fn update(&self, snapshot: Snapshot);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&self, _: Snapshot) {}
}

/// Counts bytes and reports them.
pub(crate) struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    start: Instant,
    last: Mutex<Option<Instant>>,
    progress: Arc<dyn Progress>,
}

impl Meter {
    pub(crate) fn new(progress: Arc<dyn Progress>) -> Arc<Self> {
        Arc::new(Self {
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            start: Instant::now(),
            last: Mutex::new(None),
            progress,
        })
    }

    pub(crate) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
        self.report();
    }

    /// Counts bytes of a stream whose length is not known beforehand.
    pub(crate) fn pass(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
        self.advance(bytes);
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        // Whoever does not get the lock need not report: another thread is just doing so.
        let Some(mut last) = self.last.try_lock() else {
            return;
        };
        if last.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            *last = Some(Instant::now());
            drop(last);
            self.report();
        }
    }

    pub(crate) fn report(&self) {
        let done = self.done.load(Ordering::Relaxed);
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.progress.update(Snapshot {
            done,
            total: self.total.load(Ordering::Relaxed),
            bytes_per_second: done.saturating_mul(1000) / millis,
        });
    }
}
