//! Checkpoints: the live blobs are written to the log again, so that older segments become free.
//!
//! The checkpointer is an ordinary client of the log. What it appends changes nothing: an image
//! record of a blob that replay knows is skipped, and a write record repeats the bytes that are
//! there. So replay from the old root is right at every point of a checkpoint, and replay from the
//! new one is right because the root is written last, after everything before it is durable.

use crate::{
    config::Config,
    image::{Image, Piece},
    record::Record,
    root::{Root, Start},
    segments,
    shared::{Shared, Slot, State},
};
use commonware_runtime::{Blob, Error, Storage, WriteOptions};
use std::sync::Arc;

/// Bytes of neighbouring changes that are copied to a spilled file in one write.
const COPY_BYTES: usize = 256 << 10;

/// Segments that are kept prepared, so that the voter never waits for one to be written.
const AHEAD: usize = 1;

impl<B> State<B> {
    pub(crate) fn wants_checkpoint(&self, config: &Config) -> bool {
        self.log_bytes > config.checkpoint_bytes
            && self.log_bytes > self.table.memory_bytes().saturating_mul(2)
    }
}

/// The root as it stands on disk.
pub(crate) struct RootFile<B> {
    pub(crate) blob: B,
    pub(crate) root: Root,
}

/// Checkpoints whenever the log has grown, until it fails or the task is aborted.
pub(crate) async fn run<E: Storage>(shared: Arc<Shared<E>>, mut root: RootFile<E::Blob>) {
    loop {
        shared.grown.notified().await;
        let done = async {
            write_ahead(&shared).await?;
            while shared.with(|state| state.wants_checkpoint(&shared.config)) {
                checkpoint(&shared, &mut root).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = done.await {
            shared.fail(format!("a checkpoint failed: {error}"));
            return;
        }
    }
}

/// Prepares segments until enough are free.
async fn write_ahead<E: Storage>(shared: &Shared<E>) -> Result<(), Error> {
    loop {
        let slot = shared.with(|state| {
            (state.segments.free.len() < AHEAD).then(|| {
                state.segments.next_slot += 1;
                state.segments.next_slot - 1
            })
        });
        let Some(slot) = slot else { return Ok(()) };
        let segment = segments::prepare(&shared.storage, &shared.config, slot).await?;
        shared.with(|state| state.segments.free.push(segment));
    }
}

/// What the start of a checkpoint decides.
struct Plan {
    /// Blobs in memory, whose bytes go to the log.
    images: Vec<u64>,
    /// Spilled blobs whose frozen layer goes to their file, and the length it had then.
    copies: Vec<(u64, u64)>,
    /// Blobs without a name whose files can go once the root is written.
    dead: Vec<u64>,
}

async fn checkpoint<E: Storage>(
    shared: &Shared<E>,
    root: &mut RootFile<E::Blob>,
) -> Result<(), Error> {
    let plan = shared.on(|state| begin(state, &shared.config)).await?;
    for id in plan.images {
        write_image(shared, id).await?;
    }
    // Nothing reaches a file before its records are durable.
    let copied = shared.with(|state| state.appended);
    shared.flushed(copied).await?;
    for (id, len) in plan.copies {
        copy(shared, id, len).await?;
    }
    // What was skipped because its blob was removed meanwhile must stay removed: the removal is
    // in the log, and the root may not overtake it.
    let skipped = shared.with(|state| state.appended);
    shared.flushed(skipped).await?;
    let start = shared.with(|state| state.start.take());
    let Some(start) = start else {
        return Err(std::io::Error::other("the start of a checkpoint was not written").into());
    };
    write_root(root, start).await?;
    finish(shared, &start, plan.dead).await
}

/// Marks the start in the log and sets aside what the checkpoint covers, under one lock.
fn begin<B>(state: &mut State<B>, config: &Config) -> Plan {
    state.checkpointing = true;
    state.start = None;
    state.log_bytes = 0;
    state.seal(true);
    let next_id = state.table.next_id;
    state.log(config, &Record::Start { next_id });
    let (mut images, mut copies) = (Vec::new(), Vec::new());
    let mut records = Vec::new();
    for (id, entry) in state.table.live_mut() {
        let base = matches!(entry.image, Image::Spilled(_));
        if entry.image.freeze() {
            copies.push((id, entry.image.len()));
        }
        if !base {
            images.push(id);
        }
        let (len, version) = (entry.image.len(), entry.version);
        records.push((id, version, len, base, entry.partition.clone(), entry.name.clone()));
    }
    for (id, version, len, base, partition, name) in &records {
        let (id, version, len, base) = (*id, *version, *len, *base);
        state.log(config, &Record::Image { id, version, len, base, partition, name });
    }
    let empty: Vec<String> = state.table.empty_partitions().map(str::to_owned).collect();
    for partition in &empty {
        state.log(config, &Record::Partition { partition });
    }
    let dead = std::mem::take(&mut state.table.dead);
    Plan { images, copies, dead }
}

/// Repeats a blob's bytes in the log, piece by piece, each as it is at that moment.
async fn write_image<E: Storage>(shared: &Shared<E>, id: u64) -> Result<(), Error> {
    let step = shared.config.record_bytes();
    let mut offset = 0;
    loop {
        let (number, more) = shared
            .on(|state| {
                let Some(entry) = state.table.get(id).filter(|entry| entry.live) else {
                    return (state.appended, false); // its removal is in the log
                };
                let len = entry.image.len();
                if offset >= len {
                    return (state.appended, false);
                }
                let take = (len - offset).min(step as u64) as usize;
                let mut at = offset;
                for piece in entry.image.pieces(offset, take) {
                    match piece {
                        // Zeros are what an image record begins with.
                        Piece::Zeros(len) => at += len as u64,
                        // The blob has no file yet: an image without base has none below it.
                        Piece::Base { len, .. } => at += len as u64,
                        Piece::Data(data) => {
                            let record = Record::Write { id, offset: at, data: &data };
                            state.log(&shared.config, &record);
                            at += data.len() as u64;
                        }
                    }
                }
                offset += take as u64;
                (state.appended, true)
            })
            .await?;
        if !more {
            return Ok(());
        }
        if shared.with(|state| state.pending_bytes) > shared.config.batch_bytes() {
            shared.flushed(number).await?;
        }
    }
}

/// The file of a spilled blob, opened once.
pub(crate) async fn file<E: Storage>(shared: &Shared<E>, id: u64) -> Result<Arc<E::Blob>, Error> {
    let slot: Slot<E::Blob> = shared.with(|state| state.files.entry(id).or_default().clone());
    let mut open = slot.lock().await;
    if let Some(blob) = open.as_ref() {
        return Ok(blob.clone());
    }
    let name = id.to_be_bytes();
    let (blob, len) = shared.storage.open(&shared.config.spill_partition(), &name).await?;
    let needed = shared.with(|state| {
        state.filed.insert(id);
        state.table.get(id).map_or(0, |entry| entry.image.base_len())
    });
    if len < needed {
        let reason = format!("the file of spilled blob {id} is shorter than the log says");
        shared.fail(reason.clone());
        return Err(std::io::Error::other(reason).into());
    }
    let blob = Arc::new(blob);
    *open = Some(blob.clone());
    Ok(blob)
}

/// Brings a blob's file to the state at the start of the checkpoint and makes it durable.
async fn copy<E: Storage>(shared: &Shared<E>, id: u64, len: u64) -> Result<(), Error> {
    let frozen = shared.with(|state| {
        let frozen = state.table.get(id).filter(|entry| entry.live)?.image.frozen()?;
        Some((frozen.base_len, frozen.extents().clone()))
    });
    let Some((base_len, extents)) = frozen else {
        return Ok(());
    }; // removed meanwhile
    let blob = file(shared, id).await?;
    // Cuts first: what lies above was cut off or never belonged to the blob.
    blob.resize(base_len).await?;
    let mut run: Vec<u8> = Vec::new();
    let mut at = 0;
    for (offset, data) in extents {
        if at + run.len() as u64 != offset || run.len() >= COPY_BYTES {
            put(&blob, at, std::mem::take(&mut run)).await?;
            at = offset;
        }
        run.extend_from_slice(&data);
    }
    put(&blob, at, run).await?;
    blob.resize(len).await?;
    blob.sync().await?;
    shared.with(|state| state.counters.checkpoint_flushes += 1);
    Ok(())
}

async fn put<B: Blob>(blob: &B, offset: u64, data: Vec<u8>) -> Result<(), Error> {
    if data.is_empty() {
        return Ok(());
    }
    blob.write_at(offset, data, WriteOptions::default()).await
}

async fn write_root<B: Blob>(file: &mut RootFile<B>, start: Start) -> Result<(), Error> {
    let root = Root { generation: file.root.generation + 1, start, ..file.root };
    file.blob.write_at(root.offset(), root.encode(), WriteOptions::SYNC).await?;
    file.root = root;
    Ok(())
}

/// The root is durable: files show through, old segments are free, dead files go.
async fn finish<E: Storage>(
    shared: &Shared<E>,
    start: &Start,
    dead: Vec<u64>,
) -> Result<(), Error> {
    let dead = shared.with(|state| {
        for (_, entry) in state.table.live_mut() {
            entry.image.thaw();
        }
        state.segments.release_before(start);
        state.checkpointing = false;
        state.counters.checkpoints += 1;
        state.exported.checkpoints.inc();
        state.counters.checkpoint_flushes += 1;
        let State { files, table, filed, .. } = state;
        files.retain(|id, _| table.get(*id).is_some_and(|entry| entry.open));
        dead.into_iter().filter(|id| filed.remove(id)).collect::<Vec<_>>()
    });
    for id in dead {
        let name = id.to_be_bytes();
        shared.storage.remove(&shared.config.spill_partition(), Some(&name)).await?;
    }
    Ok(())
}
