//! Carries a map from one member to another.
//!
//! The root covers the log of operations, not only what the keys hold: how far the log was compacted
//! decides where the next operation lands. So the log itself is carried, from the first chunk of the
//! bitmap that holds anything, in pieces that are each proved under the root.

use std::num::NonZeroU64;

use borsh::{BorshDeserialize, BorshSerialize};
use commonware_codec::{Copying, Decode as _, DecodeExt as _, Encode as _, FixedSize};
use commonware_cryptography::{Sha256, sha256};
use commonware_runtime::Spawner;
use commonware_storage::journal::Error as LogError;
use commonware_storage::merkle::{
    Error as MerkleError, MAX_PINNED_NODES, MAX_PROOF_DIGESTS_PER_ELEMENT, Proof, Unused,
};
use commonware_storage::qmdb::Error as DbError;
use commonware_storage::qmdb::any::unordered::fixed::Operation;
use commonware_storage::qmdb::current::proof::OpsRootWitness;
use commonware_storage::{Context, mmr};
use hanse_crypto::Digest;
use hanse_types::Height;

use crate::branch::{CHUNK, digest};
use crate::tree::{Error, StateTree, marked};

mod import;

#[cfg(test)]
mod tests;

pub use import::{Import, ImportError};

/// Most operations of one piece: about half a megabyte, which a member verifies in some 20 ms and
/// which fits beside everything else into a message.
pub const PIECE_OPERATIONS_MAX: u64 = 8_192;
/// Most bytes of one piece: the operations, their proof, and two lengths.
pub const PIECE_BYTES_MAX: usize =
    PIECE_OPERATIONS_MAX as usize * Op::SIZE + PROOF_BYTES_MAX + 2 * size_of::<u32>();
/// Most operations that are carried, 18 GB of log: the disk a member gives to whoever names a root
/// before the first piece is proved to belong to it. Some 10^8 keys.
pub const LOG_OPERATIONS_MAX: u64 = 1 << 28;

/// Digests of a proof: for each of its two ends what a single operation needs at most.
const PROOF_DIGESTS_MAX: usize = 2 * MAX_PROOF_DIGESTS_PER_ELEMENT;
/// The digests, and three integers of at most ten bytes.
const PROOF_BYTES_MAX: usize = PROOF_DIGESTS_MAX * 32 + 3 * 10;
/// Operations of one chunk of the bitmap.
const CHUNK_OPERATIONS: u64 = CHUNK as u64 * 8;

type Op = Operation<mmr::Family, sha256::Digest, sha256::Digest>;
type RangeProof = Proof<mmr::Family, sha256::Digest>;
type Witness = OpsRootWitness<mmr::Family, sha256::Digest>;

/// What one state of a map consists of, so that [`Import`] can rebuild it.
///
/// Nothing in it is to be believed but what [`Import`] finds to agree with `root`, and that only if
/// the caller has `root` from a certified header.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Extent {
    /// The first operation that is carried: the inactivity floor, rounded down to a chunk of the
    /// bitmap. Nothing before it holds a key.
    pub start: u64,
    /// One behind the last operation: the size of the log.
    pub end: u64,
    /// Nodes of the tree that stand for what comes before `start`: the peaks of a log of that size.
    #[borsh(deserialize_with = "pinned")]
    pub pinned: Vec<Digest>,
    /// Height of the last commit. Blocks above it that wrote nothing have the same `root`; only
    /// [`StateTree::settle`] without writes tells the importer of them.
    pub height: Height,
    /// Root of the map after `height`.
    pub root: Digest,
    /// Root of the tree over the log alone, under which pieces are proved.
    pub log_root: Digest,
    /// Root of the tree over log and bitmap.
    pub bits_root: Digest,
    /// Digest of the bitmap's last chunk; `None` if `end` is a whole number of chunks.
    pub partial: Option<Digest>,
}

/// A list of nodes that is at most as long as any state needs.
fn pinned<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Vec<Digest>> {
    let count = u32::deserialize_reader(reader)?;
    if usize::try_from(count).is_ok_and(|count| count <= MAX_PINNED_NODES) {
        (0..count).map(|_| Digest::deserialize_reader(reader)).collect()
    } else {
        Err(borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "too many pinned nodes"))
    }
}

impl Extent {
    /// Whether `root` is made of the other digests.
    fn agrees(&self) -> bool {
        let next = self.end % CHUNK_OPERATIONS;
        let witness = Witness {
            grafted_root: sha256::Digest(self.bits_root.0),
            pending_chunk_digest: Unused,
            partial_chunk: self.partial.map(|partial| (next, sha256::Digest(partial.0))),
        };
        self.partial.is_some() == (next != 0)
            && witness
                .verify::<Sha256>(&sha256::Digest(self.log_root.0), &sha256::Digest(self.root.0))
    }
}

/// Consecutive operations with the proof that the log holds them there.
#[derive(BorshSerialize, BorshDeserialize)]
struct Piece {
    proof: Vec<u8>,
    operations: Vec<u8>,
}

impl Piece {
    fn of(proof: &RangeProof, operations: &[Op]) -> Self {
        let mut bytes = Vec::with_capacity(operations.len() * Op::SIZE);
        for operation in operations {
            bytes.extend_from_slice(&operation.encode());
        }
        Self { proof: proof.encode().to_vec(), operations: bytes }
    }

    /// `None` for anything that [`StateTree::operations`] cannot have made.
    fn decode(bytes: &[u8]) -> Option<(RangeProof, Vec<Op>)> {
        if bytes.len() > PIECE_BYTES_MAX {
            return None;
        }
        let piece: Self = hanse_types::decode(bytes).ok()?;
        let (chunks, rest) = piece.operations.as_chunks::<{ Op::SIZE }>();
        let count = chunks.len() as u64;
        if !rest.is_empty() || count == 0 || count > PIECE_OPERATIONS_MAX {
            return None;
        }
        let proof = RangeProof::decode_cfg(Copying(&piece.proof), &PROOF_DIGESTS_MAX).ok()?;
        let operations = chunks.iter().map(|chunk| Op::decode(Copying(chunk)).ok());
        Some((proof, operations.collect::<Option<_>>()?))
    }
}

/// Something of the map could not be handed out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing was settled with a write yet, so there is nothing to carry.
    #[error("the state map is empty")]
    Empty,
    /// `start` is not below `end`, `count` is zero, or no commit of this log ends at `end`.
    #[error("{count} operations from {start} of a log of {end} are not of this state map")]
    Range {
        /// The first operation asked for.
        start: u64,
        /// The size of the log asked for.
        end: u64,
        /// How many were asked for.
        count: u64,
    },
    /// The operations were there once and are pruned: a newer [`Extent`] is needed.
    #[error("operations from {0} are pruned")]
    Gone(u64),
    /// The storage failed.
    #[error("reading the state map failed")]
    Storage(#[source] Error),
    /// An earlier call failed or was dropped.
    #[error("the state map was lost in an earlier failure")]
    Lost,
}

impl<E: Context + Spawner> StateTree<E> {
    /// What another member needs beside the operations to have the map as it stands now.
    ///
    /// [`StateTree::operations`] of its range can be had at least until the second
    /// [`StateTree::persist`] from now on; files are pruned whole, so mostly much longer.
    ///
    /// # Errors
    /// [`ExportError::Empty`], [`ExportError::Storage`] and [`ExportError::Lost`].
    pub async fn extent(&self) -> Result<Extent, ExportError> {
        let map = self.map().ok_or(ExportError::Lost)?;
        let mark = map.get_metadata().await.map_err(ExportError::Storage)?;
        let height = mark.as_ref().map(marked).ok_or(ExportError::Empty)?;
        let start = map.sync_boundary();
        let pinned = map.pinned_nodes_at(start).await.map_err(ExportError::Storage)?;
        let witness = map.ops_root_witness().await.map_err(ExportError::Storage)?;
        Ok(Extent {
            start: *start,
            end: *map.bounds().end,
            pinned: pinned.iter().map(digest).collect(),
            height,
            root: self.root(),
            log_root: digest(&map.ops_root()),
            bits_root: digest(&witness.grafted_root),
            partial: witness.partial_chunk.as_ref().map(|(_, partial)| digest(partial)),
        })
    }

    /// One piece for [`Import::push`]: the operations from `start`, at most `count` and at most
    /// [`PIECE_OPERATIONS_MAX`], of the log when it had the size `end` ([`Extent::end`]), proved
    /// under its root of then. What was settled since does not matter.
    ///
    /// # Errors
    /// [`ExportError::Range`], [`ExportError::Gone`], [`ExportError::Storage`] and
    /// [`ExportError::Lost`].
    pub async fn operations(
        &self,
        end: u64,
        start: u64,
        count: u64,
    ) -> Result<Vec<u8>, ExportError> {
        let map = self.map().ok_or(ExportError::Lost)?;
        let bounds = map.bounds();
        let range = ExportError::Range { start, end, count };
        let Some(limit) = NonZeroU64::new(count.min(PIECE_OPERATIONS_MAX)) else {
            return Err(range);
        };
        if start >= end || end > *bounds.end {
            return Err(range);
        }
        if start < *bounds.start {
            return Err(ExportError::Gone(start));
        }
        let (end, first) = (mmr::Location::new(end), mmr::Location::new(start));
        match map.ops_historical_proof(end, first, limit).await {
            Ok((proof, operations)) => Ok(hanse_types::encode(&Piece::of(&proof, &operations))),
            Err(DbError::HistoricalFloorPruned(_)) => Err(range),
            // Files are pruned whole, so the log may still hold what the tree above it cannot prove.
            Err(
                DbError::Merkle(MerkleError::ElementPruned(_) | MerkleError::MissingNode(_))
                | DbError::Journal(LogError::ItemPruned(_)),
            ) => Err(ExportError::Gone(start)),
            Err(error) => Err(ExportError::Storage(error)),
        }
    }
}
