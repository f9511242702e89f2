//! Making a snapshot while the member goes on.

use std::sync::Arc;

use commonware_runtime::{Spawner, Storage};
use hanse_ledger::{Ledger, Still};
use hanse_state::{Context, Extent, PIECE_OPERATIONS_MAX, StateTree};
use hanse_types::encode;

use crate::{BLOCKS_BYTES_MAX, CHUNK_BYTES, Disk, Kind, Listing, SnapshotError, Writer};

/// Bytes of a piece of the state: a few thousand records are checked at once.
const PIECE_BYTES: usize = CHUNK_BYTES;
/// Operations of the map's log in one piece: its proof is a small part of it, and the map is free again soon.
const OPERATIONS: u64 = PIECE_OPERATIONS_MAX / 2;

/// A snapshot of which what only the standing map can say is kept in memory; the rest is asked of the desk.
pub struct Begun {
    still: Still,
    branch: Vec<u8>,
    extent: Extent,
    operations: Vec<Vec<u8>>,
}

/// Takes out of `map`, which stands at `still`, what a snapshot needs. The map must not settle meanwhile; all else has time.
///
/// # Errors
/// [`SnapshotError::Prove`] and [`SnapshotError::Export`]; [`SnapshotError::Listing`] if the map stands elsewhere.
pub async fn begin<E: Context + Spawner>(
    map: &StateTree<E>,
    still: Still,
) -> Result<Begun, SnapshotError> {
    let branch = map.prove(&[still.slot]).await?.swap_remove(0);
    let extent = map.extent().await?;
    if extent.height != still.height {
        return Err(SnapshotError::Listing("its map is of another state"));
    }
    let mut operations = Vec::new();
    let mut next = extent.start;
    while next < extent.end {
        let count = OPERATIONS.min(extent.end - next);
        operations.push(map.operations(extent.end, next, count).await?);
        next += count;
    }
    Ok(Begun { still, branch, extent, operations })
}

impl Begun {
    /// Waits for the certificate, and writes everything to `disk`.
    ///
    /// # Errors
    /// [`SnapshotError::Proof`] if there was no certificate in the same epoch; [`SnapshotError::Disk`] and
    /// [`SnapshotError::Listing`]. The disk does not have the snapshot then.
    pub async fn finish<E: Storage>(
        self,
        ledger: &Arc<Ledger>,
        disk: &Disk<E>,
    ) -> Result<Listing, SnapshotError> {
        let Self { still, branch, extent, operations } = self;
        let (manifest, after) = ledger.manifest(&still, branch).await?;
        let after: Vec<_> = after.iter().map(|block| &**block).collect();
        let after = encode(&after);
        if after.len() as u64 > BLOCKS_BYTES_MAX {
            return Err(SnapshotError::Listing("too many blocks follow its own"));
        }
        let written = async {
            let mut writer: Writer<E> = disk.write(still.height).await?;
            for piece in after.chunks(PIECE_BYTES) {
                writer.push(Kind::Blocks, piece).await?;
            }
            for piece in operations {
                writer.push(Kind::Operations, &piece).await?;
            }
            for piece in still.world.pieces(PIECE_BYTES) {
                writer.push(Kind::Table, &piece).await?;
            }
            for piece in still.world.aside_pieces(PIECE_BYTES) {
                writer.push(Kind::Aside, &piece).await?;
            }
            writer.finish(manifest, extent).await
        };
        let written = written.await;
        if written.is_err()
            && let Err(error) = disk.remove(still.height).await
        {
            // The next start finds it unfinished, and tries again.
            tracing::warn!(%error, height = still.height, "an unfinished snapshot cannot be removed");
        }
        written
    }
}
