//! The context the engine runs on: the inner one, with its storage replaced by the log.

use crate::{
    blob::LogBlob,
    checkpoint::file,
    config::Config,
    error::OpenError,
    open::{self, Report},
    record::Record,
    shared::{Counters, Shared},
};
use commonware_parallel::Rayon;
use commonware_runtime::{
    BlobVersion, Clock, Error, Handle, ListenerOf, Metrics, Name, Network, Resolver, SinkOf,
    Spawner, Storage, Strategizer, StreamOf, Supervisor, signal::Signal, telemetry::metrics,
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Greatest length of a partition's or a blob's name in bytes; a batch must hold both.
const MAX_NAME_BYTES: usize = 1024;

/// A context whose blobs live on one ordered log. Children share the log.
pub struct OneLog<E: Storage> {
    pub(crate) inner: E,
    pub(crate) shared: Arc<Shared<E>>,
}

impl<E: Spawner + Clock + Metrics + Storage + CryptoRng> OneLog<E> {
    /// Opens the log in the inner context's storage, replays it and starts its two tasks, which
    /// live as long as the task that `inner` belongs to.
    ///
    /// # Errors
    /// [`OpenError::Config`] before anything is touched; otherwise the log is damaged or its
    /// storage fails, nothing was voted, and nothing may be until an operator has looked at it.
    pub async fn open(inner: E, config: Config) -> Result<(Self, Report), OpenError> {
        open::open(inner, config).await
    }
}

impl<E: Storage> OneLog<E> {
    /// Makes everything written so far durable; for an orderly end, and for callers outside the
    /// engine that need more than a riding partition gives.
    ///
    /// # Errors
    /// Any write or flush of the log failed, now or before.
    pub async fn flush(&self) -> Result<(), Error> {
        let last = self.shared.with(|state| state.appended);
        self.shared.flushed(last).await
    }

    /// Resolves with the reason when the log fails: the node must then exit with code 70. It also
    /// resolves when the log's task is ended by its supervisor.
    pub fn failed(&self) -> impl Future<Output = Arc<str>> + Send + 'static + use<E> {
        self.shared.failed()
    }

    /// Whether the log has failed.
    pub fn is_failed(&self) -> bool {
        self.shared.failure().is_some()
    }

    /// What the log has done so far.
    pub fn counters(&self) -> Counters {
        self.shared.with(|state| {
            let segments = state.segments.used.len() + state.segments.free.len();
            Counters {
                segments: segments as u64,
                log_bytes: state.log_bytes,
                held_bytes: state.table.held_bytes(),
                ..state.counters
            }
        })
    }
}

/// Blob names in errors are shown in hexadecimal, as the runtime does.
fn hex(name: &[u8]) -> String {
    name.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}"); // writing to a string cannot fail
        out
    })
}

fn check_partition(partition: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if partition.is_empty() || partition.len() > MAX_NAME_BYTES || !partition.chars().all(allowed) {
        return Err(Error::PartitionNameInvalid(partition.to_owned()));
    }
    Ok(())
}

impl<E: Storage> Storage for OneLog<E> {
    type Blob = LogBlob<E>;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(Self::Blob, u64, BlobVersion), Error> {
        check_partition(partition)?;
        if name.len() > MAX_NAME_BYTES {
            let reason = std::io::Error::other("a blob's name is too long");
            return Err(Error::BlobOpenFailed(partition.to_owned(), hex(name), reason.into()));
        }
        let shared = &self.shared;
        let (blob, len, version, base) = shared
            .on(|state| {
                let id = match state.table.find(partition, name) {
                    Some(id) => id,
                    None => {
                        let (id, version) = (state.table.next_id, *versions.end());
                        let record = Record::Open { id, version, partition, name };
                        state.append(&shared.config, &record)?;
                        id
                    }
                };
                let entry = state.table.get_mut(id).expect("it was found or made above");
                if !versions.contains(&entry.version) {
                    let (expected, found) = (versions.clone(), entry.version);
                    return Err(Error::BlobVersionMismatch { expected, found });
                }
                if entry.open {
                    return Err(Error::BlobAlreadyOpen(partition.to_owned(), hex(name)));
                }
                entry.open = true;
                let blob = LogBlob::new(shared.clone(), id);
                Ok((blob, entry.image.len(), entry.version, (id, entry.image.base_len())))
            })
            .await??;
        shared.work.notify_one();
        if base.1 > 0 {
            file(shared, base.0).await?;
        }
        Ok((blob, len, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        check_partition(partition)?;
        let config = &self.shared.config;
        let number = self
            .shared
            .on(|state| {
                if state.table.scan(partition).is_none() {
                    return Err(Error::PartitionMissing(partition.to_owned()));
                }
                let record = match name {
                    None => Record::Drop { partition },
                    Some(name) => match state.table.find(partition, name) {
                        Some(id) => Record::Remove { id },
                        None => return Err(Error::BlobMissing(partition.to_owned(), hex(name))),
                    },
                };
                state.append(config, &record)
            })
            .await??;
        self.shared.work.notify_one();
        if config.rides(partition) || config.vote_journal(partition).is_some() {
            return Ok(());
        }
        self.shared.flushed(number).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        check_partition(partition)?;
        let names = self.shared.on(|state| state.table.scan(partition)).await?;
        names.ok_or_else(|| Error::PartitionMissing(partition.to_owned()))
    }
}

impl<E: Storage + Supervisor> Supervisor for OneLog<E> {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { inner: self.inner.child(label), shared: self.shared.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        Self { inner: self.inner.with_attribute(key, value), shared: self.shared }
    }
}

impl<E: Storage + Spawner> Spawner for OneLog<E> {
    fn shared(self, blocking: bool) -> Self {
        Self { inner: self.inner.shared(blocking), shared: self.shared }
    }

    fn dedicated(self) -> Self {
        Self { inner: self.inner.dedicated(), shared: self.shared }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let shared = self.shared;
        self.inner.spawn(move |inner| f(Self { inner, shared }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

impl<E: Storage + Strategizer> Strategizer for OneLog<E> {
    fn strategy(&self, parallelism: NonZeroUsize) -> Rayon {
        self.inner.strategy(parallelism)
    }
}

impl<E: Storage + Metrics> Metrics for OneLog<E> {
    fn register<N: Into<String>, H: Into<String>, M: metrics::Metric>(
        &self,
        name: N,
        help: H,
        metric: M,
    ) -> metrics::Registered<M> {
        self.inner.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.inner.encode()
    }
}

impl<E: Storage + Clock> Clock for OneLog<E> {
    fn current(&self) -> SystemTime {
        self.inner.current()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep(duration)
    }

    fn sleep_until(
        &self,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep_until(deadline)
    }
}

impl<E: Storage + Clock> GovernorClock for OneLog<E> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.inner.current()
    }
}

impl<E: Storage + Clock> ReasonablyRealtime for OneLog<E> {}

impl<E: Storage + Network> Network for OneLog<E> {
    type Listener = ListenerOf<E>;

    async fn bind(&self, socket: SocketAddr) -> Result<Self::Listener, Error> {
        self.inner.bind(socket).await
    }

    async fn dial(&self, socket: SocketAddr) -> Result<(SinkOf<Self>, StreamOf<Self>), Error> {
        self.inner.dial(socket).await
    }
}

impl<E: Storage + Resolver> Resolver for OneLog<E> {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        self.inner.resolve(host).await
    }
}

impl<E: Storage + TryRng> TryRng for OneLog<E> {
    type Error = E::Error;

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

impl<E: Storage + TryCryptoRng> TryCryptoRng for OneLog<E> {}
