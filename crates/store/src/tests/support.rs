//! A context that loses power at a chosen change of its storage, and small helpers.

use crate::{Config, VoteJournal};
use commonware_runtime::{
    Blob, BlobVersion, Clock, Error, Handle, IoBufs, IoBufsMut, Metrics, Name, ReadOptions,
    Spawner, Storage, Supervisor, WriteOptions, deterministic,
    signal::Signal,
    telemetry::metrics::{Metric, Registered},
};
use commonware_utils::{
    NZU16,
    sync::{Mutex, Notify},
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{TryCryptoRng, TryRng};
use std::{
    num::NonZeroU16,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Page size of voter journals in these tests.
pub(crate) const PAGE_SIZE: NonZeroU16 = NZU16!(1012);

/// A log small enough that a few dozen writes fill segments and start checkpoints.
pub(crate) fn small() -> Config {
    Config {
        votes: vec![VoteJournal { prefix: "voter".into(), page_size: PAGE_SIZE }],
        riding: vec!["ride".into(), "cold".into()],
        spilled: vec!["cold".into()],
        segment_bytes: 64 << 10,
        checkpoint_bytes: 96 << 10,
        spill_above: 32 << 10,
        linger: Duration::from_millis(50),
        halt_on_failure: true,
        ..Config::new("log")
    }
}

/// How far the change during which power fails gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does not reach the device.
    Before,
    /// It was handed over, but not made durable: the simulated device keeps some of it.
    Torn,
    /// It is durable, but its caller never hears of it.
    After,
}

#[derive(Default)]
struct Inner {
    changes: u64,
    at: Option<(u64, Cut)>,
    fail: bool,
    blown: bool,
}

/// Counts changes of the storage, and stops the world at one of them.
#[derive(Clone, Default)]
pub(crate) struct Fuse {
    inner: Arc<Mutex<Inner>>,
    blown: Arc<Notify>,
}

impl Fuse {
    /// Cuts power at the change with this number, from 0.
    pub(crate) fn at(change: u64, cut: Cut) -> Self {
        let fuse = Self::default();
        fuse.inner.lock().at = Some((change, cut));
        fuse
    }

    /// All changes from now on fail with an error.
    pub(crate) fn fail_from_now(&self) {
        self.inner.lock().fail = true;
    }

    /// Changes seen so far.
    pub(crate) fn changes(&self) -> u64 {
        self.inner.lock().changes
    }

    /// Resolves when power has failed.
    pub(crate) async fn blown(&self) {
        if !self.inner.lock().blown {
            self.blown.notified().await;
        }
    }

    /// What happens to the next change: nothing unusual, or a cut.
    async fn next(&self) -> Result<Option<Cut>, Error> {
        let (cut, blown) = {
            let mut inner = self.inner.lock();
            if inner.fail {
                return Err(Error::WriteFailed);
            }
            let blown = inner.blown;
            let cut = inner.at.filter(|(at, _)| *at == inner.changes).map(|(_, cut)| cut);
            inner.changes += 1;
            (cut, blown)
        };
        if blown || cut == Some(Cut::Before) {
            self.stop().await;
        }
        Ok(cut)
    }

    async fn stop(&self) {
        self.inner.lock().blown = true;
        self.blown.notify_waiters();
        self.blown.notify_one();
        std::future::pending::<()>().await;
    }
}

/// A deterministic context behind a fuse.
pub(crate) struct Fused {
    inner: deterministic::Context,
    fuse: Fuse,
}

impl Fused {
    pub(crate) fn new(inner: deterministic::Context, fuse: Fuse) -> Self {
        Self { inner, fuse }
    }
}

/// A blob behind a fuse.
pub(crate) struct FusedBlob {
    inner: <deterministic::Context as Storage>::Blob,
    fuse: Fuse,
}

impl Storage for Fused {
    type Blob = FusedBlob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(FusedBlob, u64, BlobVersion), Error> {
        let cut = self.fuse.next().await?;
        let (inner, len, version) = self.inner.open_versioned(partition, name, versions).await?;
        if cut.is_some() {
            self.fuse.stop().await;
        }
        Ok((FusedBlob { inner, fuse: self.fuse.clone() }, len, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        let cut = self.fuse.next().await?;
        self.inner.remove(partition, name).await?;
        if cut.is_some() {
            self.fuse.stop().await;
        }
        Ok(())
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.scan(partition).await
    }
}

impl Blob for FusedBlob {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.inner.read_at_buf(offset, len, bufs, options).await
    }

    async fn read_at(
        &self,
        offset: u64,
        len: usize,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.inner.read_at(offset, len, options).await
    }

    async fn write_at(
        &self,
        offset: u64,
        bufs: impl Into<IoBufs> + Send,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let cut = self.fuse.next().await?;
        let options = if cut == Some(Cut::Torn) { WriteOptions::default() } else { options };
        self.inner.write_at(offset, bufs, options).await?;
        if cut.is_some() {
            self.fuse.stop().await;
        }
        Ok(())
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        let cut = self.fuse.next().await?;
        self.inner.resize(len).await?;
        if cut.is_some() {
            self.fuse.stop().await;
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), Error> {
        let cut = self.fuse.next().await?;
        if cut != Some(Cut::Torn) {
            self.inner.sync().await?;
        }
        if cut.is_some() {
            self.fuse.stop().await;
        }
        Ok(())
    }

    async fn start_sync(&self) -> Handle<()> {
        Handle::ready(self.sync().await)
    }
}

impl Supervisor for Fused {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { inner: self.inner.child(label), fuse: self.fuse.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        Self { inner: self.inner.with_attribute(key, value), fuse: self.fuse }
    }
}

impl Spawner for Fused {
    fn shared(self, blocking: bool) -> Self {
        Self { inner: self.inner.shared(blocking), fuse: self.fuse }
    }

    fn dedicated(self) -> Self {
        Self { inner: self.inner.dedicated(), fuse: self.fuse }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let fuse = self.fuse;
        self.inner.spawn(move |inner| f(Self { inner, fuse }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

impl Metrics for Fused {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(
        &self,
        name: N,
        help: H,
        metric: M,
    ) -> Registered<M> {
        self.inner.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.inner.encode()
    }
}

impl Clock for Fused {
    fn current(&self) -> SystemTime {
        self.inner.current()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.inner.sleep(duration)
    }

    fn sleep_until(&self, at: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.inner.sleep_until(at)
    }
}

impl GovernorClock for Fused {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.inner.current()
    }
}

impl ReasonablyRealtime for Fused {}

impl TryRng for Fused {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.inner.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.inner.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Self::Error> {
        self.inner.try_fill_bytes(dest)
    }
}

impl TryCryptoRng for Fused {}

/// A device that keeps some bytes of every write that was not flushed when power fails.
pub(crate) fn tearing() -> deterministic::FaultConfig {
    use commonware_utils::probability;
    deterministic::FaultConfig::default().write(deterministic::WriteConfig {
        failure_rate: probability!(0.0),
        retention_rate: probability!(0.9),
        mode: deterministic::PartialWriteMode::Subset,
    })
}

/// All of a blob.
pub(crate) async fn read<B: Blob>(blob: &B, len: u64) -> Vec<u8> {
    let read = blob.read_at(0, len as usize, ReadOptions::default()).await.unwrap();
    read.coalesce().as_ref().to_vec()
}
