//! The context a simulated member runs on: the deterministic runtime, with a disk of its own.

use std::{
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};

use commonware_runtime::{
    BlobVersion, Clock, Error, Handle, Metrics, Name, Spawner, Storage, Supervisor, deterministic,
    signal::Signal,
    telemetry::metrics::{Metric, Registered},
};
use futures::FutureExt as _;
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{TryCryptoRng, TryRng};

use crate::disk::{Disk, DiskBlob, Sleep};

/// One member's machine between two crashes.
pub struct Machine {
    inner: deterministic::Context,
    disk: Disk,
    life: u64,
    sleep: Sleep,
}

impl Machine {
    /// Boots on `disk`.
    pub fn new(inner: deterministic::Context, disk: Disk) -> Self {
        let clock = inner.child("disk");
        let sleep: Sleep = Arc::new(move |time| clock.sleep(time).boxed());
        let life = disk.life();
        Self { inner, disk, life, sleep }
    }

    fn with(&self, inner: deterministic::Context) -> Self {
        let (disk, sleep) = (self.disk.clone(), self.sleep.clone());
        Self { inner, disk, life: self.life, sleep }
    }
}

impl Storage for Machine {
    type Blob = DiskBlob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(DiskBlob, u64, BlobVersion), Error> {
        let handle = (self.life, self.sleep.clone());
        self.disk.open(partition, name, versions, handle).await
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.disk.remove(partition, name, self.life).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.disk.scan(partition, self.life).await
    }
}

impl Supervisor for Machine {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        self.with(self.inner.child(label))
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        let Self { inner, disk, life, sleep } = self;
        let inner = inner.with_attribute(key, value);
        Self { inner, disk, life, sleep }
    }
}

impl Spawner for Machine {
    fn shared(self, blocking: bool) -> Self {
        let Self { inner, disk, life, sleep } = self;
        let inner = inner.shared(blocking);
        Self { inner, disk, life, sleep }
    }

    fn dedicated(self) -> Self {
        let Self { inner, disk, life, sleep } = self;
        let inner = inner.dedicated();
        Self { inner, disk, life, sleep }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Self { inner, disk, life, sleep } = self;
        inner.spawn(move |inner| f(Self { inner, disk, life, sleep }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

impl Metrics for Machine {
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

impl Clock for Machine {
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

impl GovernorClock for Machine {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.inner.current()
    }
}

impl ReasonablyRealtime for Machine {}

impl TryRng for Machine {
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

impl TryCryptoRng for Machine {}
