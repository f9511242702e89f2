//! A disk that keeps what was flushed, and of the rest what a power cut happens to leave.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use commonware_runtime::{
    Blob, BlobVersion, BufMut as _, Error, Handle, IoBufMut, IoBufs, IoBufsMut, ReadOptions,
    WriteOptions,
};
use futures::{channel::oneshot, future::BoxFuture};
use parking_lot::Mutex;

use crate::{dice::Dice, file::File};

/// What is left of changes that were written and not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of them: the process was killed, the machine was not.
    Nothing,
    /// None of them.
    Everything,
    /// Of each write some sectors, of each change of length perhaps: power failed while the disk was at work.
    Torn,
}

/// How long a flush takes, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Shortest.
    pub least: u64,
    /// Longest.
    pub most: u64,
}

impl Speed {
    /// A good disk (notes: engine 9.1).
    pub const GOOD: Self = Self { least: 100, most: 1_500 };
    /// A disk that is all but dead.
    pub const BAD: Self = Self { least: 30_000, most: 300_000 };
}

/// What was done to a disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskCounts {
    /// Writes, resizes, creations and removals.
    pub changes: u64,
    /// Flushes, alone or as part of a write.
    pub flushes: u64,
    /// Changes lost or torn by power cuts.
    pub lost: u64,
}

struct Fuse {
    left: u64,
    blown: oneshot::Sender<()>,
}

type Shared = Arc<Mutex<File>>;
type Partitions = BTreeMap<String, BTreeMap<Vec<u8>, Shared>>;

fn copy(partitions: &Partitions) -> Partitions {
    let files = |names: &BTreeMap<Vec<u8>, Shared>| {
        names
            .iter()
            .map(|(n, file)| (n.clone(), Arc::new(Mutex::new(file.lock().copy()))))
            .collect()
    };
    partitions.iter().map(|(partition, names)| (partition.clone(), files(names))).collect()
}

/// A copy of a whole disk, as a snapshot of its machine makes one.
pub struct DiskCopy(Partitions);

struct Inner {
    partitions: Partitions,
    /// Grows with each power cut: handles of an earlier life reach nothing.
    life: u64,
    power: bool,
    fuse: Option<Fuse>,
    speed: Speed,
    dice: Dice,
    counts: DiskCounts,
    /// Flushes by partition.
    flushed: BTreeMap<String, u64>,
}

/// One member's disk. It outlives its member's runs. Cheap to clone.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Inner>>);

/// Waits on the simulated clock.
pub(crate) type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// What becomes of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Pass,
    /// It reaches the disk, and power fails before its caller hears of it.
    Last,
}

impl Disk {
    /// An empty disk.
    pub fn new(dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            partitions: BTreeMap::new(),
            life: 0,
            power: true,
            fuse: None,
            speed: Speed::GOOD,
            dice,
            counts: DiskCounts::default(),
            flushed: BTreeMap::new(),
        })))
    }

    /// Cuts power at the change or flush that comes after `left` others; the receiver hears of it.
    pub fn fuse(&self, left: u64) -> oneshot::Receiver<()> {
        let (blown, receiver) = oneshot::channel();
        self.0.lock().fuse = Some(Fuse { left, blown });
        receiver
    }

    /// Ends this life of the disk, leaves what `loss` says, and turns power on again.
    pub fn cut(&self, loss: Loss) {
        let mut inner = self.0.lock();
        inner.life += 1;
        inner.power = true;
        inner.fuse = None;
        let mut dice = inner.dice.clone();
        let mut lost = 0;
        for partition in inner.partitions.values() {
            for file in partition.values() {
                lost += file.lock().cut(loss, &mut dice);
            }
        }
        inner.dice = dice;
        inner.counts.lost += lost;
    }

    /// All that is on it now.
    pub fn copy(&self) -> DiskCopy {
        DiskCopy(copy(&self.0.lock().partitions))
    }

    /// Puts a copy back in place of all that is on it, or wipes it. Nobody may use it meanwhile.
    pub fn put_back(&self, earlier: Option<&DiskCopy>) {
        let mut inner = self.0.lock();
        inner.life += 1;
        inner.partitions = earlier.map(|DiskCopy(files)| copy(files)).unwrap_or_default();
    }

    /// How fast it flushes from now on.
    pub fn set_speed(&self, speed: Speed) {
        self.0.lock().speed = speed;
    }

    /// What was done to it.
    pub fn counts(&self) -> DiskCounts {
        self.0.lock().counts
    }

    /// Flushes by partition, to see where they come from.
    pub fn flushed(&self) -> BTreeMap<String, u64> {
        self.0.lock().flushed.clone()
    }

    pub(crate) fn life(&self) -> u64 {
        self.0.lock().life
    }

    /// Lets a change through. Never returns when power is off, and turns it off when the fuse blows.
    async fn gate(&self, life: u64) -> Gate {
        let gate = self.0.lock().gate(life);
        match gate {
            Some(gate) => gate,
            None => std::future::pending().await,
        }
    }

    async fn alive(&self, life: u64) {
        let alive = {
            let inner = self.0.lock();
            inner.power && inner.life == life
        };
        if !alive {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) async fn open(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
        (life, sleep): (u64, Sleep),
    ) -> Result<(DiskBlob, u64, BlobVersion), Error> {
        let gate = self.gate(life).await;
        let shared = {
            let mut inner = self.0.lock();
            let names = inner.partitions.entry(partition.to_owned()).or_default();
            let made = || Arc::new(Mutex::new(File::new(*versions.end())));
            names.entry(name.to_vec()).or_insert_with(made).clone()
        };
        let (len, version) = {
            let mut file = shared.lock();
            if !versions.contains(&file.version) {
                let (expected, found) = (versions, file.version);
                return Err(Error::BlobVersionMismatch { expected, found });
            }
            if file.open {
                return Err(Error::BlobAlreadyOpen(partition.to_owned(), format!("{name:02x?}")));
            }
            file.open = true;
            (file.len(), file.version)
        };
        let (disk, partition) = (self.clone(), partition.to_owned());
        let blob = DiskBlob { disk, shared, partition, life, sleep };
        if gate == Gate::Last {
            std::future::pending::<()>().await;
        }
        Ok((blob, len, version))
    }

    pub(crate) async fn remove(
        &self,
        partition: &str,
        name: Option<&[u8]>,
        life: u64,
    ) -> Result<(), Error> {
        let gate = self.gate(life).await;
        {
            let mut inner = self.0.lock();
            let missing = || Error::PartitionMissing(partition.to_owned());
            match name {
                None => drop(inner.partitions.remove(partition).ok_or_else(missing)?),
                Some(name) => {
                    let names = inner.partitions.get_mut(partition).ok_or_else(missing)?;
                    let gone = names.remove(name);
                    gone.ok_or_else(|| {
                        Error::BlobMissing(partition.to_owned(), format!("{name:02x?}"))
                    })?;
                }
            }
        }
        if gate == Gate::Last {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    pub(crate) async fn scan(&self, partition: &str, life: u64) -> Result<Vec<Vec<u8>>, Error> {
        self.alive(life).await;
        let inner = self.0.lock();
        let names = inner.partitions.get(partition);
        let names = names.ok_or_else(|| Error::PartitionMissing(partition.to_owned()))?;
        Ok(names.keys().cloned().collect())
    }
}

impl Inner {
    fn gate(&mut self, life: u64) -> Option<Gate> {
        if !self.power || self.life != life {
            return None;
        }
        self.counts.changes += 1;
        let Some(mut fuse) = self.fuse.take() else {
            return Some(Gate::Pass);
        };
        if fuse.left > 0 {
            fuse.left -= 1;
            self.fuse = Some(fuse);
            return Some(Gate::Pass);
        }
        self.power = false;
        // Whoever set the fuse may have stopped waiting.
        let _gone = fuse.blown.send(());
        self.dice.chance(500).then_some(Gate::Last)
    }

    fn flush_time(&mut self, partition: &str) -> Duration {
        self.counts.flushes += 1;
        match self.flushed.get_mut(partition) {
            Some(count) => *count += 1,
            None => drop(self.flushed.insert(partition.to_owned(), 1)),
        }
        let Speed { least, most } = self.speed;
        Duration::from_micros(self.dice.between(least, most))
    }
}

/// An open file of a [`Disk`].
pub struct DiskBlob {
    disk: Disk,
    shared: Shared,
    partition: String,
    life: u64,
    sleep: Sleep,
}

impl Drop for DiskBlob {
    fn drop(&mut self) {
        if self.disk.life() == self.life {
            self.shared.lock().open = false;
        }
    }
}

impl DiskBlob {
    async fn flush(&self, only: Option<u64>) -> Result<(), Error> {
        let gate = self.disk.gate(self.life).await;
        let upto = self.shared.lock().issued();
        let time = self.disk.0.lock().flush_time(&self.partition);
        if gate == Gate::Pass {
            (self.sleep)(time).await;
            // Power may have failed meanwhile: then nothing was promised.
            self.disk.alive(self.life).await;
        }
        match only {
            Some(number) => self.shared.lock().flush_one(number),
            None => self.shared.lock().flush(upto),
        }
        if gate == Gate::Last {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

impl Blob for DiskBlob {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        _: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        let mut bufs = bufs.into();
        assert!(len <= bufs.capacity(), "a read of {len} bytes exceeds the buffers' capacity");
        self.disk.alive(self.life).await;
        let data = self.shared.lock().read(offset, len).ok_or(Error::BlobInsufficientLength)?;
        if bufs.len() == len {
            bufs.copy_from_slice(&data);
            return Ok(bufs);
        }
        match bufs.try_into_single() {
            Ok(mut buf) => {
                buf.clear();
                buf.put_slice(&data);
                Ok(buf.into())
            }
            Err(_) => Ok(IoBufMut::from(data).into()),
        }
    }

    async fn read_at(&self, offset: u64, len: usize, _: ReadOptions) -> Result<IoBufsMut, Error> {
        self.disk.alive(self.life).await;
        let data = self.shared.lock().read(offset, len).ok_or(Error::BlobInsufficientLength)?;
        Ok(IoBufMut::from(data).into())
    }

    async fn write_at(
        &self,
        offset: u64,
        bufs: impl Into<IoBufs> + Send,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let data = bufs.into().coalesce();
        let gate = self.disk.gate(self.life).await;
        let number = self.shared.lock().write(offset, data.as_ref());
        if gate == Gate::Last {
            std::future::pending::<()>().await;
        }
        if options.contains(WriteOptions::SYNC) {
            self.flush(Some(number)).await?;
        }
        Ok(())
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        let gate = self.disk.gate(self.life).await;
        self.shared.lock().resize(len);
        if gate == Gate::Last {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), Error> {
        self.flush(None).await
    }

    async fn start_sync(&self) -> Handle<()> {
        Handle::ready(self.sync().await)
    }
}
