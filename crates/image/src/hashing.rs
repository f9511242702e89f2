//! Re-hashing every blob of an image: each once, in parallel, largest first, in bounded memory.

mod meter;
mod sink;

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::archive::PassedFile;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::limits::{MAX_FILE_WORKERS, MAX_UNPACKERS, NETWORK_WORKERS, READ_BUFFER_BYTES};
use crate::manifest::{Descriptor, Malformed};
use crate::source::{Blob, Source, blocking};
use crate::unpack::{Budget, Packing};
pub(crate) use meter::Meter;
pub use meter::{Progress, Silent, Snapshot};
pub(crate) use sink::{BlobSink, HashOnly, Keep, KeptBlob};

/// Bytes of a network answer judged at once.
const STREAM_PIECE_BYTES: usize = 16 * 1024;

/// How deep an image is checked. Each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The name leads to the recorded digest.
    L1,
    /// The bytes of every manifest, index and configuration match.
    L2,
    /// Every blob was hashed.
    L3,
    /// Every layer was unpacked, and its diff ID matches the configuration.
    L4,
}

/// A text is not a level.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a level: use L1, L2, L3 or L4")]
pub struct LevelError(String);

impl std::str::FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        match text {
            "L1" | "l1" => Ok(Self::L1),
            "L2" | "l2" => Ok(Self::L2),
            "L3" | "l3" => Ok(Self::L3),
            "L4" | "l4" => Ok(Self::L4),
            _ => Err(LevelError(crate::printable(text))),
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{self:?}")
    }
}

/// One blob to hash, and what to compare beside its digest and size.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) descriptor: Descriptor,
    /// Unpack it and expect this digest.
    pub(crate) unpack: Option<(Packing, Digest)>,
}

/// Collects jobs so that each digest is done once, however many images share it.
#[derive(Default)]
pub(crate) struct Jobs(BTreeMap<Digest, Job>);

impl Jobs {
    /// # Errors
    /// `Malformed` if one digest is given two sizes; `Differs` if one layer is given two diff IDs.
    pub(crate) fn add(&mut self, job: Job) -> Result<(), ImageError> {
        let Some(known) = self.0.get_mut(&job.descriptor.digest) else {
            self.0.insert(job.descriptor.digest.clone(), job);
            return Ok(());
        };
        let (first, second) = (known.descriptor.size, job.descriptor.size);
        if first != second {
            let digest = job.descriptor.digest;
            let what = "the image".to_owned();
            let cause = Malformed::SizesDiffer { digest, first, second };
            return Err(ImageError::Malformed { what, cause });
        }
        match (&known.unpack, &job.unpack) {
            (Some((_, expected)), Some((_, found))) if expected != found => {
                let what = format!("diff ID of layer {}", job.descriptor.digest);
                let (expected, found) = (expected.clone(), found.clone());
                Err(ImageError::Differs { what, expected, found })
            }
            (None, Some(_)) => {
                known.unpack = job.unpack;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sum of all sizes, bytes. Cannot overflow: counts and sizes are bounded.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.values().map(|job| job.descriptor.size).sum()
    }

    /// The jobs, largest first, ties by digest.
    pub(crate) fn largest_first(self) -> VecDeque<Job> {
        let mut jobs: Vec<Job> = self.0.into_values().collect();
        jobs.sort_by_key(|job| Reverse(job.descriptor.size));
        jobs.into()
    }
}

/// Shared by all workers of one run.
pub(crate) struct Work {
    source: Arc<Source>,
    queue: Mutex<VecDeque<Job>>,
    budget: Arc<Budget>,
    unpackers: Arc<Semaphore>,
    meter: Arc<Meter>,
    cancelled: Arc<AtomicBool>,
    /// Gone when no worker is left, not even a blocking one.
    alive: mpsc::Sender<()>,
}

/// Sets the flag when the run ends for whatever reason, so that blocking readers stop too.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Hashes all jobs; `keep` decides what else happens to the bytes. Returns the bytes read.
///
/// # Errors
/// The first failure of any blob; the others are abandoned.
pub(crate) async fn run(
    source: &Arc<Source>,
    jobs: Jobs,
    max_unpacked: u64,
    meter: &Arc<Meter>,
    keep: Arc<dyn Keep>,
) -> Result<u64, ImageError> {
    let total = jobs.bytes();
    let cancelled = Arc::new(AtomicBool::new(false));
    let guard = CancelOnDrop(Arc::clone(&cancelled));
    let (alive, mut ended) = mpsc::channel(1);
    let work = Arc::new(Work {
        source: Arc::clone(source),
        queue: Mutex::new(jobs.largest_first()),
        budget: Budget::new(max_unpacked),
        unpackers: Arc::new(Semaphore::new(MAX_UNPACKERS)),
        meter: Arc::clone(meter),
        cancelled,
        alive,
    });
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = match source.registry() {
        Some(_) => NETWORK_WORKERS,
        None => cores.min(MAX_FILE_WORKERS),
    };
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let (work, keep) = (Arc::clone(&work), Arc::clone(&keep));
        running.spawn(async move {
            loop {
                let Some(job) = work.queue.lock().pop_front() else {
                    return Ok(());
                };
                work.one(job, &*keep).await?;
            }
        });
    }
    drop(work);
    let result = join(&mut running).await;
    // Whoever asked may now remove what the workers wrote to, so none of them may still be at it.
    drop(guard);
    running.shutdown().await;
    let _: Option<()> = ended.recv().await;
    result.map(|()| total)
}

/// Waits for all workers, or the first failure.
async fn join(running: &mut JoinSet<Result<(), ImageError>>) -> Result<(), ImageError> {
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(result) => result?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(shutting_down()),
            },
        }
    }
    Ok(())
}

fn shutting_down() -> ImageError {
    ImageError::Environment("the program is shutting down".to_owned())
}

impl Work {
    async fn one(&self, job: Job, keep: &dyn Keep) -> Result<(), ImageError> {
        let permit = match &job.unpack {
            Some(_) => {
                let permit = Arc::clone(&self.unpackers).acquire_owned().await;
                Some(permit.map_err(|_| shutting_down())?)
            }
            None => None,
        };
        match self.source.blob(&job.descriptor).await? {
            Blob::Passed(file) => self.passed(&job, &file),
            Blob::File { file, path, offset, size } => {
                let place = self.source.shown();
                if size != job.descriptor.size {
                    let (expected, found) = (job.descriptor.size, size);
                    let what = format!("{} in {place}", job.descriptor.digest);
                    return Err(ImageError::Size { what, expected, found });
                }
                let sink = BlobSink::new(&job, place, &self.budget, keep.open(&job.descriptor)?);
                let (meter, cancelled) = (Arc::clone(&self.meter), Arc::clone(&self.cancelled));
                let alive = self.alive.clone();
                blocking(move || {
                    let _held = (permit, alive);
                    hash_file(&file, path, (offset, size), sink, &meter, &cancelled)
                })
                .await
            }
            Blob::Stream(mut stream) => {
                let place = self.source.shown();
                let mut sink =
                    BlobSink::new(&job, place, &self.budget, keep.open(&job.descriptor)?);
                while let Some(bytes) = stream.next().await {
                    for piece in bytes?.chunks(STREAM_PIECE_BYTES) {
                        sink.write(piece)?;
                        self.meter.advance(piece.len() as u64);
                        if job.unpack.is_some() {
                            // A bomb makes a thousand bytes of each: others must not stall meanwhile.
                            tokio::task::yield_now().await;
                        }
                    }
                }
                sink.finish()
            }
        }
    }

    /// Judges a blob that an engine's export already showed.
    fn passed(&self, job: &Job, file: &PassedFile) -> Result<(), ImageError> {
        let what = || format!("{} in {}", job.descriptor.digest, self.source.shown());
        if file.size != job.descriptor.size {
            let (expected, found) = (job.descriptor.size, file.size);
            return Err(ImageError::Size { what: what(), expected, found });
        }
        if file.digest != job.descriptor.digest {
            let (expected, found) = (job.descriptor.digest.clone(), file.digest.clone());
            return Err(ImageError::Differs { what: what(), expected, found });
        }
        if let Some((packing, expected)) = &job.unpack {
            let refuse = |why: String| {
                let digest = job.descriptor.digest.clone();
                ImageError::Malformed {
                    what: what(),
                    cause: Malformed::Compression { digest, why },
                }
            };
            if *packing != Packing::ByContent && *packing != file.packing {
                return Err(refuse("it is not packed as its media type says".to_owned()));
            }
            let found = file.unpacked.clone().map_err(refuse)?;
            if found != *expected {
                let what = format!("diff ID of layer {}", what());
                return Err(ImageError::Differs { what, expected: expected.clone(), found });
            }
        }
        self.meter.advance(file.size);
        Ok(())
    }
}

/// Reads part of a file in large pieces, in place.
fn hash_file(
    file: &File,
    path: PathBuf,
    (offset, size): (u64, u64),
    mut sink: BlobSink,
    meter: &Meter,
    cancelled: &AtomicBool,
) -> Result<(), ImageError> {
    let length = usize::try_from(size).unwrap_or(usize::MAX).clamp(1, READ_BUFFER_BYTES);
    let mut buffer = vec![0; length];
    let mut at = 0;
    while at < size {
        if cancelled.load(Ordering::Relaxed) {
            return Err(shutting_down());
        }
        let want = usize::try_from(size - at).unwrap_or(usize::MAX).min(buffer.len());
        std::os::unix::fs::FileExt::read_exact_at(file, &mut buffer[..want], offset + at)
            .map_err(ImageError::file(&path, "read"))?;
        sink.write(&buffer[..want])?;
        at += want as u64;
        meter.advance(want as u64);
    }
    sink.finish()
}

#[cfg(test)]
mod tests;
