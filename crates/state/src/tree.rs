//! One member's copy of the authenticated map.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use commonware_cryptography::{Sha256, sha256};
use commonware_parallel::Sequential;
use commonware_runtime::Spawner;
use commonware_storage::qmdb::Error as DbError;
use commonware_storage::qmdb::any::unordered::fixed::Operation;
use commonware_storage::qmdb::current::unordered::fixed::Db;
use commonware_storage::qmdb::floor::Proportional;
use commonware_storage::translator::EightCap;
use commonware_storage::{Context, mmr};
use commonware_utils::NZU64;
use hanse_crypto::Digest;
use hanse_types::Height;
use tracing::warn;

use crate::branch::{CHUNK, digest, from_operation};
use crate::files::{config, is_unfinished, wipe};

#[cfg(test)]
mod tests;

/// Operations looked at in one step when an older height is searched for.
const SEARCH_STEP: NonZeroU64 = NZU64!(1_024);

pub(crate) type Error = DbError<mmr::Family>;
pub(crate) type Map<E> =
    Db<mmr::Family, E, sha256::Digest, sha256::Digest, Sha256, EightCap, CHUNK, Sequential>;

/// How much memory the map may use, and from where it may start. None of it changes a root.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of log and tree pages kept in memory. A miss costs a read that bypasses the kernel's
    /// cache (about 100 µs), so it should hold the live part of the log: some 200 bytes per key
    /// present. 16 MiB carry 10^5 keys.
    pub cache_bytes: usize,
    /// Bytes of appended operations and nodes held back before they are written, each.
    pub write_buffer_bytes: usize,
    /// Newest settled height to start from: the newest this member has a certified block for. What
    /// was settled later is taken back.
    pub at_most: Height,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20, write_buffer_bytes: 1 << 20, at_most: Height::MAX }
    }
}

/// The map after the newest settled height.
///
/// # Flow
/// [`StateTree::open`], then [`StateTree::settle`] with ascending heights; between two of them
/// [`StateTree::prove`] as often as wanted; [`StateTree::persist`] now and then.
///
/// # Guarantees
/// Equal sequences of (height, writes) give equal roots on every member, whatever the settings,
/// restarts and calls of `persist` in between. Settling nothing changes nothing but the height.
///
/// # Assumptions
/// A future of `settle` or `persist` that is dropped before it ends, or returns a storage error,
/// leaves the tree unusable: every later call returns its `Lost`, and it must be opened again.
pub struct StateTree<E: Context + Spawner> {
    /// `None` once lost.
    map: Option<Map<E>>,
    root: Digest,
    /// The newest settled height; `None` before the first.
    settled: Option<Height>,
    /// What [`StateTree::persist`] may drop: the boundary of the call before, so that the state at
    /// that call can still be opened.
    boundary: mmr::Location,
}

/// The map could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither what was on disk nor an empty map in its place could be opened.
    #[error("opening the state map failed")]
    Storage(#[source] Error),
    /// Files that hold nothing usable could not be removed.
    #[error("removing an unusable state map failed")]
    Wipe(#[source] commonware_runtime::Error),
    /// Whether an [`crate::Import`] was left unfinished could not be read.
    #[error("looking for an unfinished import failed")]
    Unfinished(#[source] commonware_runtime::Error),
}

/// A batch could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The storage failed. The tree is lost.
    #[error("settling height {height} failed")]
    Storage {
        /// The height that was to be settled.
        height: Height,
        /// What failed.
        #[source]
        source: Error,
    },
    /// The height is not above the newest settled one.
    #[error("height {height} comes after height {settled} was settled")]
    Order {
        /// The height that was to be settled.
        height: Height,
        /// The newest settled one.
        settled: Height,
    },
    /// An earlier call failed or was dropped.
    #[error("the state map was lost in an earlier failure")]
    Lost,
}

/// A slot could not be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The slot holds nothing under the current root.
    #[error("slot {0} holds nothing")]
    Absent(Digest),
    /// The storage failed.
    #[error("reading the state map failed")]
    Storage(#[source] Error),
    /// An earlier call failed or was dropped.
    #[error("the state map was lost in an earlier failure")]
    Lost,
}

/// The map could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// The storage failed. The tree is lost.
    #[error("making the state map durable failed")]
    Storage(#[source] Error),
    /// An earlier call failed or was dropped.
    #[error("the state map was lost in an earlier failure")]
    Lost,
}

impl<E: Context + Spawner> StateTree<E> {
    /// Opens the map in the partitions whose names start with `partition`, at the newest durable
    /// height that is not above `settings.at_most`. What cannot be read is removed, and the map
    /// starts empty: all of it comes back by settling again from genesis. So does what an
    /// [`crate::Import`] left unfinished, however much of it is there.
    ///
    /// Returns the height up to which the map is settled, or `None` when it is empty.
    ///
    /// # Errors
    /// [`OpenError`] when not even an empty map can be opened.
    pub async fn open(
        context: E,
        partition: &str,
        settings: &Settings,
    ) -> Result<(Self, Option<Height>), OpenError> {
        if is_unfinished(&context, partition).await.map_err(OpenError::Unfinished)? {
            warn!(partition, "an import of the state map was left unfinished and is removed");
            wipe(&context, partition).await.map_err(OpenError::Wipe)?;
        }
        let mut size = None;
        let mut attempt = 0;
        loop {
            let child = context.child("map").with_attribute("attempt", attempt);
            attempt += 1;
            let error = match Map::init(child, config(partition, settings), size).await {
                Ok(map) => match settled_height(&map).await {
                    Ok(settled) if settled <= Some(settings.at_most) => {
                        return Ok((Self::new(map, settled, mmr::Location::new(0)), settled));
                    }
                    Ok(_) => match older(&map, settings.at_most).await {
                        Ok(location) => {
                            size = Some(location);
                            continue;
                        }
                        Err(error) => error,
                    },
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if attempt > ATTEMPTS_MAX {
                return Err(OpenError::Storage(error));
            }
            warn!(%error, partition, "the state map is not usable and starts empty");
            wipe(&context, partition).await.map_err(OpenError::Wipe)?;
            size = None;
        }
    }

    /// `boundary` is the sync boundary of the state that must stay openable: zero where none is known.
    pub(crate) fn new(map: Map<E>, settled: Option<Height>, boundary: mmr::Location) -> Self {
        let root = digest(&map.root());
        Self { map: Some(map), root, settled, boundary }
    }

    /// The storage's own map; `None` once lost.
    pub(crate) fn map(&self) -> Option<&Map<E>> {
        self.map.as_ref()
    }

    /// Puts the writes of the blocks above the last settled height up to `height` into the map:
    /// `Some(record)` sets a slot, `None` empties it. The order of `writes` does not matter; of two
    /// for one slot the later counts.
    ///
    /// # Errors
    /// [`SettleError::Order`] leaves the tree as it was; the others lose it.
    pub async fn settle(
        &mut self,
        height: Height,
        writes: Vec<(Digest, Option<Digest>)>,
    ) -> Result<Digest, SettleError> {
        if let Some(settled) = self.settled.filter(|settled| height <= *settled) {
            return Err(SettleError::Order { height, settled });
        }
        if self.map.is_none() {
            return Err(SettleError::Lost);
        }
        if !writes.is_empty() {
            let map = self.map.take().ok_or(SettleError::Lost)?;
            let map = apply(map, height, writes)
                .await
                .map_err(|source| SettleError::Storage { height, source })?;
            self.root = digest(&map.root());
            self.map = Some(map);
        }
        self.settled = Some(height);
        Ok(self.root)
    }

    /// Root of the map after [`StateTree::settled`].
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The newest settled height; `None` before the first.
    pub fn settled(&self) -> Option<Height> {
        self.settled
    }

    /// The record digest a slot holds.
    ///
    /// # Errors
    /// [`ProveError::Storage`] and [`ProveError::Lost`].
    pub async fn get(&self, slot: &Digest) -> Result<Option<Digest>, ProveError> {
        let map = self.map.as_ref().ok_or(ProveError::Lost)?;
        let found = map.get(&sha256::Digest(slot.0)).await.map_err(ProveError::Storage)?;
        Ok(found.as_ref().map(digest))
    }

    /// Branches of `slots` under the current root, in the same order, each an encoded
    /// [`hanse_proof::StateBranch`]. Earlier roots cannot be proved any more: whoever needs a branch
    /// under the root of a height must ask before the next is settled.
    ///
    /// # Errors
    /// [`ProveError::Absent`] for the first slot that holds nothing.
    pub async fn prove(&self, slots: &[Digest]) -> Result<Vec<Vec<u8>>, ProveError> {
        let map = self.map.as_ref().ok_or(ProveError::Lost)?;
        let mut branches = Vec::with_capacity(slots.len());
        for slot in slots {
            let proof = match map.key_value_proof(sha256::Digest(slot.0)).await {
                Ok(proof) => proof,
                Err(DbError::KeyNotFound) => return Err(ProveError::Absent(*slot)),
                Err(error) => return Err(ProveError::Storage(error)),
            };
            branches.push(from_operation(&proof).encode());
        }
        Ok(branches)
    }

    /// Makes everything settled so far durable and gives back space that nothing needs any more.
    /// The state at this call and at the one before can be opened again; calling it rarely costs
    /// nothing but longer replay.
    ///
    /// # Errors
    /// [`PersistError::Storage`] loses the tree.
    pub async fn persist(&mut self) -> Result<(), PersistError> {
        let map = self.map.take().ok_or(PersistError::Lost)?;
        let boundary = map.sync_boundary();
        let map = map.prune(self.boundary).await.map_err(PersistError::Storage)?;
        let map = map.sync().await.map_err(PersistError::Storage)?;
        self.boundary = boundary;
        self.map = Some(map);
        Ok(())
    }
}

/// Openings tried: as found, at an older height, empty.
const ATTEMPTS_MAX: u32 = 3;

async fn apply<E: Context + Spawner>(
    map: Map<E>,
    height: Height,
    writes: Vec<(Digest, Option<Digest>)>,
) -> Result<Map<E>, Error> {
    let writes: BTreeMap<_, _> = writes.into_iter().collect();
    let mut batch = map.new_batch();
    for (slot, record) in writes {
        batch = batch.write(sha256::Digest(slot.0), record.map(|r| sha256::Digest(r.0)));
    }
    let batch = batch.merkleize(&map, Some(mark(height)), &mut Proportional).await?;
    map.apply_batch(batch).await
}

/// What a commit carries: the height, in the last eight bytes.
pub(crate) fn mark(height: Height) -> sha256::Digest {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&height.to_be_bytes());
    sha256::Digest(bytes)
}

pub(crate) fn marked(mark: &sha256::Digest) -> Height {
    Height::from_be_bytes(mark.0[24..].try_into().expect("eight bytes"))
}

/// The height of the newest commit; the commit of an empty map carries none.
async fn settled_height<E: Context + Spawner>(map: &Map<E>) -> Result<Option<Height>, Error> {
    Ok(map.get_metadata().await?.as_ref().map(marked))
}

/// Log size at the newest commit whose height is at most `at_most`, walking back from the end.
async fn older<E: Context + Spawner>(
    map: &Map<E>,
    at_most: Height,
) -> Result<mmr::Location, Error> {
    let bounds = map.bounds();
    let mut end = bounds.end;
    while end > bounds.start {
        let start = mmr::Location::new((*end).saturating_sub(SEARCH_STEP.get())).max(bounds.start);
        let count = NonZeroU64::new(*end - *start).expect("end is above start");
        let (_, operations) = map.ops_historical_proof(bounds.end, start, count).await?;
        for (offset, operation) in operations.iter().enumerate().rev() {
            let Operation::CommitFloor(mark, _) = operation else {
                continue;
            };
            if mark.as_ref().map(marked) <= Some(at_most) {
                return Ok(start + offset as u64 + 1);
            }
        }
        end = start;
    }
    Err(DbError::DataCorrupted("no commit is old enough"))
}
