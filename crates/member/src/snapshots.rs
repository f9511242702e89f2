//! A member's snapshots: what it starts from, what it makes as it goes on, and what it hands out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use commonware_runtime::Spawner;
use commonware_storage::Context;
use hanse_consensus::Base as EngineBase;
use hanse_ledger::{Base, Ledger, Still};
use hanse_snapshot::{Begun, Disk, Map, SnapshotError, take};
use hanse_state::Settings;
use hanse_types::{Genesis, Height};

use crate::config::PREFIX;

/// Snapshots kept: the newest, and the one before it for those who are just taking that over.
const KEPT: usize = 2;
/// Of so many parts of a state that changed since the last snapshot at least one makes another worth its writing.
const WORTH: usize = 2;
/// As many times the usual distance later a snapshot is made whatever changed: a restart executes the blocks after it again.
const LATEST: u64 = 16;

/// Where the map lives.
pub(crate) fn map_partition() -> String {
    format!("{PREFIX}-state")
}

/// The member's snapshots in `context`.
pub(crate) fn disk<E: commonware_runtime::Storage>(context: E) -> Disk<E> {
    Disk::new(context, format!("{PREFIX}-snapshot"))
}

/// The state to start from: the newest snapshot on this disk that can be read.
///
/// # Errors
/// [`SnapshotError::Disk`]: any other damage only makes the start go further back.
pub(crate) async fn own<E: Context + Spawner>(
    disk: &Disk<E>,
    genesis: &Genesis,
) -> Result<Option<Base>, SnapshotError> {
    disk.sweep().await?;
    for height in disk.heights().await? {
        let listing = disk.listing(height).await?;
        match Box::pin(take(disk.read(listing), genesis, Map::<E>::Own)).await {
            Ok(base) => return Ok(Some(base)),
            Err(SnapshotError::Disk(error)) => return Err(error.into()),
            Err(error) => tracing::warn!(height, %error, "a snapshot cannot be started from"),
        }
    }
    Ok(None)
}

/// Builds the map of the snapshot at `height` again: the one on this disk is older, damaged or gone.
///
/// # Errors
/// [`SnapshotError`]: then neither helps.
pub(crate) async fn restore_map<E: Context + Spawner>(
    disk: &Disk<E>,
    genesis: &Genesis,
    height: Height,
    context: E,
    settings: Settings,
) -> Result<(), SnapshotError> {
    tracing::warn!(height, "the map is older than the newest snapshot and is built from it");
    let listing = disk.listing(height).await?;
    let map = Map::Import { context, partition: map_partition(), settings };
    Box::pin(take(disk.read(listing), genesis, map)).await.map(drop)
}

/// The same state in the engine's words.
pub(crate) fn engine_base(base: &Base) -> EngineBase {
    let checked = base.checked();
    EngineBase {
        block: base.block(),
        committee: checked.committee.clone(),
        begins_on: base.begins_on(),
        after: checked.after.clone(),
        finalization: checked.finalization.clone(),
    }
}

/// Makes snapshots as the chain goes on.
pub(crate) struct Maker<E: Context + Spawner> {
    context: E,
    disk: Disk<E>,
    ledger: Arc<Ledger>,
    every: u64,
    /// Somebody wants one now.
    asked: Arc<AtomicBool>,
    /// Leaves of the map that changed since the last one.
    changed: usize,
    last: Height,
}

impl<E: Context + Spawner> Maker<E> {
    /// One each `every` blocks. The `place` of this member among `of` says when it begins: so that members make theirs one
    /// after the other.
    pub(crate) fn new(
        (context, disk): (E, Disk<E>),
        ledger: Arc<Ledger>,
        every: u64,
        (place, of): (u64, u64),
    ) -> Self {
        let last = ledger.tip().height;
        ledger.snapshot_from(last + every + every * place / of.max(1));
        Self { context, disk, ledger, every, asked: Arc::default(), changed: 0, last }
    }

    /// Set to have the next one made whatever changed.
    pub(crate) fn asked(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }

    /// Notes that `leaves` of the map changed.
    pub(crate) fn changed(&mut self, leaves: usize) {
        self.changed = self.changed.saturating_add(leaves);
    }

    /// Whether a snapshot of `still` is worth its writing; if not, it is thought of again later.
    pub(crate) fn is_due(&self, still: &Still) -> bool {
        let asked = self.asked.swap(false, Ordering::Relaxed);
        let worth = asked || self.changed >= still.world.len() / WORTH;
        let due = worth || still.height >= self.last + LATEST * self.every;
        if !due {
            self.ledger.snapshot_from(still.height + self.every);
        }
        due
    }

    /// Says that none was begun, and when to try again.
    pub(crate) fn failed(&self, height: Height, error: &SnapshotError) {
        tracing::warn!(height, error = crate::tree::failure(error), "no snapshot was made");
        self.ledger.snapshot_from(height + 1 + self.every / 8);
    }

    /// Writes the rest beside everything else.
    pub(crate) fn write(&mut self, height: Height, begun: Begun) {
        (self.changed, self.last) = (0, height);
        let (ledger, disk, every) = (self.ledger.clone(), self.disk.clone(), self.every);
        let writing = self.context.child("snapshot").spawn(move |_| async move {
            let written = async {
                let listing = begun.finish(&ledger, &disk).await?;
                disk.keep(KEPT).await?;
                Ok::<_, SnapshotError>(listing)
            };
            match written.await {
                Ok(listing) => {
                    tracing::info!(height, bytes = listing.bytes(), "a snapshot was made");
                    ledger.snapshot_from(height + every);
                }
                Err(error) => {
                    let error = crate::tree::failure(&error);
                    tracing::warn!(height, error, "no snapshot was made");
                    ledger.snapshot_from(height + 1 + every / 8);
                }
            }
        });
        drop(writing);
    }
}
