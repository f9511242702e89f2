//! Rebuilds a map from what another member handed out.

use std::num::NonZeroU64;

use commonware_codec::Encode as _;
use commonware_cryptography::{Sha256, sha256};
use commonware_parallel::Sequential;
use commonware_runtime::Spawner;
use commonware_storage::journal::contiguous::Many;
use commonware_storage::journal::contiguous::fixed::Journal;
use commonware_storage::merkle::full::{Merkle, SyncConfig};
use commonware_storage::qmdb::current::FixedConfig;
use commonware_storage::qmdb::sync::Database as _;
use commonware_storage::qmdb::{hasher, verify_proof, verify_proof_and_pinned_nodes};
use commonware_storage::translator::EightCap;
use commonware_storage::{Context, mmr};
use commonware_utils::NZU64;
use commonware_utils::range::NonEmptyRange;
use hanse_crypto::Digest;
use hanse_types::Height;
use tracing::warn;

use super::{CHUNK_OPERATIONS, Extent, LOG_OPERATIONS_MAX, Op, PIECE_OPERATIONS_MAX, Piece};
use crate::branch::digest;
use crate::files::{config, finished, start_over, wipe};
use crate::tree::{Error, Map, Settings, StateTree, mark};

/// Operations the storage would take at once from a log that is ahead of its tree; ours never is.
const BATCH: NonZeroU64 = NZU64!(PIECE_OPERATIONS_MAX);

/// Builds the map of an [`Extent`] in a partition of its own.
///
/// # Flow
/// [`Import::begin`]; while [`Import::next`] names one, [`Import::push`] of the piece that
/// [`StateTree::operations`] gives for it; [`Import::finish`].
///
/// # Guarantees
/// Every operation is proved to be part of [`Extent::root`] before it is kept. From `begin` until
/// `finish` has returned the tree, [`StateTree::open`] finds the partition empty, whatever happens
/// in between.
///
/// # Assumptions
/// The caller has [`Extent::root`] from a certified header: whoever may choose it may choose the
/// map. Nothing else uses the partition meanwhile.
pub struct Import<E: Context + Spawner> {
    context: E,
    partition: String,
    config: FixedConfig<EightCap, Sequential>,
    extent: Extent,
    /// Size of the log, counting what is before its start.
    next: u64,
    /// `None` once lost.
    files: Option<Files<E>>,
}

/// The log, and the tree over it. The storage could make the tree from the log at the end, but
/// would hold all of it in memory until then: 64 bytes per operation.
struct Files<E: Context> {
    log: Journal<E, Op>,
    nodes: Merkle<mmr::Family, E, sha256::Digest, Sequential>,
}

impl<E: Context> Files<E> {
    async fn create(
        context: &E,
        config: &FixedConfig<EightCap, Sequential>,
        extent: &Extent,
    ) -> Result<Self, Error> {
        let files = config.journal_config.clone();
        let log = Journal::init_at_size(context.child("log"), files, extent.start).await?;
        let sync = SyncConfig {
            config: config.merkle_config.clone(),
            range: range(extent)?,
            pinned_nodes: Some(extent.pinned.iter().map(theirs).collect()),
        };
        let nodes = Merkle::init_sync(context.child("nodes"), sync).await?;
        Ok(Self { log, nodes })
    }

    async fn append(self, operations: &[Op]) -> Result<Self, Error> {
        let (log, _) = self.log.append_many(Many::Flat(operations)).await?;
        let hasher = hasher::<Sha256>();
        let mut batch = self.nodes.new_batch();
        for operation in operations {
            batch = batch.add(&hasher, &operation.encode());
        }
        let batch = batch.merkleize(self.nodes.mem(), &hasher);
        let nodes = self.nodes.apply_batch(&batch)?.flush().await?;
        Ok(Self { log, nodes })
    }

    /// The durable log; the tree is closed, so that the map can open it.
    async fn close(self) -> Result<Journal<E, Op>, Error> {
        drop(self.nodes.sync().await?);
        Ok(self.log.sync().await?)
    }
}

/// What was handed over is not the map of the extent, or could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// `start` is not below `end` or is not a multiple of 256, `end` is above 2^62, or there are
    /// more than [`LOG_OPERATIONS_MAX`] operations between them.
    #[error("a state map cannot consist of the operations from {start} to {end}")]
    Range {
        /// [`Extent::start`].
        start: u64,
        /// [`Extent::end`].
        end: u64,
    },
    /// [`Extent::pinned`] is not as long as `start` has bits that are set.
    #[error("{actual} pinned nodes where {expected} are needed")]
    Pinned {
        /// How many the start needs.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// [`Extent::root`] is not made of the roots of log and bitmap beside it.
    #[error("the extent's digests do not give its root {0}")]
    Digests(Digest),
    /// The bytes are not a piece: no operation, more than [`PIECE_OPERATIONS_MAX`], or not their encoding.
    #[error("the piece for operation {0} is malformed")]
    Malformed(u64),
    /// The piece goes beyond [`Extent::end`].
    #[error("the piece for operation {next} goes beyond the end {end}")]
    Surplus {
        /// Where the piece starts.
        next: u64,
        /// [`Extent::end`].
        end: u64,
    },
    /// The operations are not those from [`Import::next`] on under the extent's root, or, with the
    /// first piece, [`Extent::pinned`] is not what comes before them.
    #[error("the piece for operation {0} is not proved by the root")]
    Unproved(u64),
    /// The last operation is no commit, or its inactivity floor is not in the chunk at [`Extent::start`].
    #[error("the last operation is no commit of a map that starts at {0}")]
    Commit(u64),
    /// The last commit is not of [`Extent::height`].
    #[error("the last commit is not of height {0}")]
    Height(Height),
    /// [`Import::finish`] came before the last piece.
    #[error("operations from {next} to {end} are missing")]
    Incomplete {
        /// The first that is missing.
        next: u64,
        /// [`Extent::end`].
        end: u64,
    },
    /// The map that was built has another root.
    #[error("the imported state map has the root {actual} instead of {expected}")]
    Root {
        /// [`Extent::root`].
        expected: Digest,
        /// What the operations give.
        actual: Digest,
    },
    /// The storage failed. The import is lost.
    #[error("storing the imported state map failed")]
    Storage(#[source] Error),
    /// The files that were there could not be removed, or the import's mark not set or removed.
    #[error("making room for the imported state map failed")]
    Files(#[source] commonware_runtime::Error),
    /// An earlier call failed in the storage or was dropped.
    #[error("the import was lost in an earlier failure")]
    Lost,
}

impl<E: Context + Spawner> Import<E> {
    /// Removes whatever map was in `partition`, and starts building the one of `extent` there.
    /// `settings.at_most` does not matter.
    ///
    /// # Errors
    /// [`ImportError::Range`], [`ImportError::Pinned`] and [`ImportError::Digests`] leave the
    /// partition as it was; [`ImportError::Files`] and [`ImportError::Storage`] leave it empty.
    pub async fn begin(
        context: E,
        partition: &str,
        settings: &Settings,
        extent: Extent,
    ) -> Result<Self, ImportError> {
        check(&extent)?;
        start_over(&context, partition).await.map_err(ImportError::Files)?;
        let config = config(partition, settings);
        let files = Files::create(&context, &config, &extent).await;
        let files = Some(files.map_err(ImportError::Storage)?);
        let (partition, next) = (partition.to_owned(), extent.start);
        Ok(Self { context, partition, config, extent, next, files })
    }

    /// The operation the next piece starts with; `None` when all are there.
    pub fn next(&self) -> Option<u64> {
        (self.next < self.extent.end).then_some(self.next)
    }

    /// Verifies and keeps a piece that starts with operation [`Import::next`]; how many it holds is
    /// its maker's choice.
    ///
    /// # Errors
    /// [`ImportError::Malformed`], [`ImportError::Surplus`] and [`ImportError::Unproved`] leave the
    /// import as it was: another member may have a better piece. [`ImportError::Commit`] and
    /// [`ImportError::Height`] too, but say that the extent itself is wrong. After
    /// [`ImportError::Storage`] every call returns [`ImportError::Lost`].
    pub async fn push(&mut self, piece: &[u8]) -> Result<(), ImportError> {
        let operations = self.verify(piece)?;
        let next = self.next + operations.len() as u64;
        let files = self.files.take().ok_or(ImportError::Lost)?;
        self.files = Some(files.append(&operations).await.map_err(ImportError::Storage)?);
        self.next = next;
        Ok(())
    }

    fn verify(&self, piece: &[u8]) -> Result<Vec<Op>, ImportError> {
        let (next, end) = (self.next, self.extent.end);
        let (proof, operations) = Piece::decode(piece).ok_or(ImportError::Malformed(next))?;
        let rest = (end - next).checked_sub(operations.len() as u64);
        let rest = rest.ok_or(ImportError::Surplus { next, end })?;
        let (first, root) = (mmr::Location::new(next), theirs(&self.extent.log_root));
        let proved = *proof.leaves == end
            && if next == self.extent.start {
                let pinned: Vec<_> = self.extent.pinned.iter().map(theirs).collect();
                verify_proof_and_pinned_nodes::<Sha256, _, _>(
                    &proof,
                    first,
                    &operations,
                    &pinned,
                    &root,
                )
            } else {
                verify_proof::<Sha256, _, _>(&proof, first, &operations, &root)
            };
        if !proved {
            return Err(ImportError::Unproved(next));
        }
        if rest == 0 {
            ends(&self.extent, operations.last())?;
        }
        Ok(operations)
    }

    /// Builds the map, makes it durable and gives it: settled up to [`Extent::height`], with
    /// [`Extent::root`], and from then on like the one it was taken from. Reads the log once, as
    /// [`StateTree::open`] does.
    ///
    /// # Errors
    /// [`ImportError::Incomplete`], [`ImportError::Root`], [`ImportError::Storage`],
    /// [`ImportError::Files`] and [`ImportError::Lost`]. All leave the partition empty.
    pub async fn finish(self) -> Result<StateTree<E>, ImportError> {
        let context = self.context.child("import");
        let partition = self.partition.clone();
        let built = self.build().await;
        if built.is_err()
            && let Err(error) = wipe(&context, &partition).await
        {
            // The mark is still there, so whoever opens the partition next tries again.
            warn!(%error, partition, "removing a refused import of the state map failed");
        }
        built
    }

    async fn build(self) -> Result<StateTree<E>, ImportError> {
        let Self { context, partition, config, extent, next, files } = self;
        let files = files.ok_or(ImportError::Lost)?;
        if next != extent.end {
            return Err(ImportError::Incomplete { next, end: extent.end });
        }
        let range = range(&extent).map_err(ImportError::Storage)?;
        let start = range.start();
        let log = files.close().await.map_err(ImportError::Storage)?;
        let pinned = Some(extent.pinned.iter().map(theirs).collect());
        let child = context.child("map");
        let map = Map::from_sync_result(child, config, log, pinned, range, BATCH)
            .await
            .map_err(ImportError::Storage)?;
        let actual = digest(&map.root());
        if actual != extent.root {
            return Err(ImportError::Root { expected: extent.root, actual });
        }
        let map = map.sync().await.map_err(ImportError::Storage)?;
        finished(&context, &partition).await.map_err(ImportError::Files)?;
        Ok(StateTree::new(map, Some(extent.height), start))
    }
}

/// What can be said of an extent before any operation is there. The storage would panic at a start
/// that is not where it prunes, and takes any number of operations.
fn check(extent: &Extent) -> Result<(), ImportError> {
    let Extent { start, end, .. } = *extent;
    if start >= end
        || !start.is_multiple_of(CHUNK_OPERATIONS)
        || end - start > LOG_OPERATIONS_MAX
        || !mmr::Location::new(end).is_valid()
    {
        return Err(ImportError::Range { start, end });
    }
    let (expected, actual) = (start.count_ones() as usize, extent.pinned.len());
    if actual != expected {
        return Err(ImportError::Pinned { expected, actual });
    }
    if !extent.agrees() {
        return Err(ImportError::Digests(extent.root));
    }
    Ok(())
}

/// Whether `last` can end a map of this extent. The storage panics at a floor before the bitmap's
/// start, and a later start would leave out keys.
pub(super) fn ends(extent: &Extent, last: Option<&Op>) -> Result<(), ImportError> {
    let Some(Op::CommitFloor(held, floor)) = last else {
        return Err(ImportError::Commit(extent.start));
    };
    if *held != Some(mark(extent.height)) {
        return Err(ImportError::Height(extent.height));
    }
    if **floor >= extent.end || **floor - **floor % CHUNK_OPERATIONS != extent.start {
        return Err(ImportError::Commit(extent.start));
    }
    Ok(())
}

fn range(extent: &Extent) -> Result<NonEmptyRange<mmr::Location>, Error> {
    let range = mmr::Location::new(extent.start)..mmr::Location::new(extent.end);
    NonEmptyRange::new(range).map_err(|_| Error::DataCorrupted("an empty range passed the check"))
}

fn theirs(digest: &Digest) -> sha256::Digest {
    sha256::Digest(digest.0)
}
