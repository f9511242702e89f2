//! The one task that writes the log: everything pending becomes batches, each durably written
//! before the next, and all syncs that wait are answered by the same flush.

use crate::{
    batch::{self, Link, LogId},
    config::{PAGE, PENDING_BYTES},
    root::Start,
    segments::{self, Segment},
    shared::{Pending, Shared},
};
use commonware_runtime::{Blob as _, Clock, Error, Storage, WriteOptions};
use futures::future::{Either, select};
use std::{pin::pin, sync::Arc, time::SystemTime};

/// End of the log, where the next batch goes.
pub(crate) struct Tail<B> {
    pub(crate) id: LogId,
    pub(crate) segment: Segment<B>,
    /// Offset in the segment, in bytes.
    pub(crate) offset: usize,
    /// Sequence number of the next batch.
    pub(crate) seq: u64,
    /// Link of the last batch.
    pub(crate) prev: Link,
}

/// What the pending records call for.
enum Next {
    Stop,
    Flush,
    Linger,
    Idle,
}

/// Poisons the log when the task ends for any reason, so that no sync waits for ever on a flusher
/// that is gone.
struct Gone<E: Storage>(Arc<Shared<E>>);

impl<E: Storage> Drop for Gone<E> {
    fn drop(&mut self) {
        self.0.fail("the flusher ended".to_owned());
    }
}

/// Writes batches until the log fails or the task is aborted.
pub(crate) async fn run<E: Storage + Clock>(
    clock: E,
    shared: Arc<Shared<E>>,
    mut tail: Tail<E::Blob>,
) {
    let _gone = Gone(shared.clone());
    let mut since: Option<SystemTime> = None;
    loop {
        let next = shared.with(|state| {
            let waiting = state.wanted > state.durable && state.appended > state.durable;
            if shared.config.linger.is_zero() && !state.pending.is_empty() {
                return Next::Flush;
            }
            match state.pending.is_empty() {
                _ if state.is_failed() => Next::Stop,
                true => Next::Idle,
                false if waiting || state.pending_bytes > PENDING_BYTES / 2 => Next::Flush,
                false => Next::Linger,
            }
        });
        match next {
            Next::Stop => return,
            Next::Idle => shared.work.notified().await,
            Next::Linger => {
                let deadline = *since.get_or_insert_with(|| clock.current() + shared.config.linger);
                let sleep = pin!(clock.sleep_until(deadline));
                let work = pin!(shared.work.notified());
                if let Either::Right(_) = select(work, sleep).await {
                    shared.with(|state| state.wanted = state.wanted.max(state.appended));
                }
            }
            Next::Flush => {
                since = None;
                if let Err(error) = flush(&shared, &mut tail).await {
                    shared.fail(format!("writing the log failed: {error}"));
                    return;
                }
            }
        }
    }
}

/// Writes everything that is pending now, batch after batch.
async fn flush<E: Storage>(shared: &Shared<E>, tail: &mut Tail<E::Blob>) -> Result<(), Error> {
    let mut left = shared.with(|state| state.pending.len());
    while left > 0 {
        left -= 1;
        let Some(batch) = shared.with(|state| {
            let batch = state.pending.pop_front();
            if let Some(batch) = &batch {
                state.pending_bytes -= batch.bytes.len() - batch::HEADER;
                state.last_batch = batch.bytes.len();
            }
            batch
        }) else {
            break;
        };
        write(shared, tail, batch).await?;
    }
    Ok(())
}

async fn write<E: Storage>(
    shared: &Shared<E>,
    tail: &mut Tail<E::Blob>,
    mut pending: Pending,
) -> Result<(), Error> {
    if pending.records == 0 {
        return Ok(());
    }
    let needed = batch::padded(pending.bytes.len());
    if tail.offset + needed > tail.segment.capacity {
        tail.segment = next_segment(shared, needed).await?;
        tail.offset = 0;
    }
    let start = Start {
        slot: tail.segment.slot,
        offset: tail.offset as u64,
        seq: tail.seq,
        prev: tail.prev,
    };
    let link = batch::seal(&mut pending.bytes, &tail.id, tail.seq, pending.records, &tail.prev);
    debug_assert!(pending.bytes.len() == needed && tail.offset.is_multiple_of(PAGE));
    tail.segment.blob.write_at(tail.offset as u64, pending.bytes, WriteOptions::SYNC).await?;
    tail.offset += needed;
    tail.seq += 1;
    tail.prev = link;
    let grown = shared.with(|state| {
        if pending.starts {
            state.start = Some(start);
        }
        state.counters.flushes += 1;
        state.counters.flushed_bytes += needed as u64;
        state.log_bytes += needed as u64;
        state.exported.flushes.inc();
        state.exported.flushed_bytes.inc_by(needed as u64);
        state.flushed(pending.last);
        !state.checkpointing && state.wants_checkpoint(&shared.config)
    });
    if grown {
        shared.grown.notify_one();
    }
    Ok(())
}

/// The segment the log goes on in: a free one, or a new one if none was written ahead.
async fn next_segment<E: Storage>(
    shared: &Shared<E>,
    needed: usize,
) -> Result<Segment<E::Blob>, Error> {
    let free = shared.with(|state| state.segments.take_free(needed));
    let segment = match free {
        Some(segment) => segment,
        None => {
            let slot = shared.with(|state| {
                state.segments.next_slot += 1;
                state.segments.next_slot - 1
            });
            segments::prepare(&shared.storage, &shared.config, slot).await?
        }
    };
    shared.with(|state| state.segments.used.push_back(segment.clone()));
    shared.grown.notify_one(); // another one is written ahead
    Ok(segment)
}
