//! Taking a snapshot over.

use std::sync::Arc;

use commonware_runtime::{Spawner, Storage};
use hanse_execution::Rebuild;
use hanse_ledger::{Base, Checked};
use hanse_state::{Context, Import, ImportError, Settings, StateTree};
use hanse_types::{Block, Digest, Genesis, decode};

use crate::{Kind, Reader, SnapshotError};

/// What is to become of a snapshot's map.
pub enum Map<E> {
    /// This member made the snapshot, or has taken it over before: its own map is further, and what is on its disk was
    /// checked when it was written.
    Own,
    /// The map is built in this partition, and every record of the state is looked up in it.
    Import {
        /// For its files.
        context: E,
        /// Their names.
        partition: String,
        /// Its caches.
        settings: Settings,
    },
}

/// Reads a snapshot and checks everything about it against the founders that `genesis` names; what comes back is the state of
/// its block. A snapshot whose map was imported is on the disk's list from then on.
///
/// # Errors
/// [`SnapshotError`], by what is wrong with it.
pub async fn take<S: Storage, E: Context + Spawner>(
    mut reader: Reader<S>,
    genesis: &Genesis,
    map: Map<E>,
) -> Result<Base, SnapshotError> {
    // Also one that was not read from bytes: how much is taken into memory is in these numbers.
    reader.listing().check()?;
    let after = blocks(&mut reader).await?;
    let manifest = reader.listing().manifest.clone();
    let checked = manifest.check(genesis, after)?;
    let extent = &reader.listing().extent;
    if extent.root != checked.root || extent.height != checked.header.height {
        return Err(SnapshotError::Listing("its map is of another state"));
    }
    let imports = matches!(map, Map::Import { .. });
    let map = match map {
        Map::Own => {
            while reader.next(Kind::Operations).await?.is_some() {}
            None
        }
        Map::Import { context, partition, settings } => {
            Some(import(&mut reader, context, &partition, &settings).await?)
        }
    };
    let world = world(&mut reader, &checked, map.as_ref()).await?;
    if imports {
        let (disk, listing) = (reader.disk().clone(), reader.listing().clone());
        disk.list(&listing).await?;
    }
    Ok(Base::new(checked, world))
}

async fn blocks<S: Storage>(reader: &mut Reader<S>) -> Result<Vec<Arc<Block>>, SnapshotError> {
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next(Kind::Blocks).await? {
        bytes.extend_from_slice(&piece);
    }
    let blocks: Vec<Block> =
        decode(&bytes).map_err(|_| SnapshotError::Listing("its blocks cannot be read"))?;
    Ok(blocks.into_iter().map(Arc::new).collect())
}

/// Bytes of cache per operation of the map while every record is looked up in it, in no order of the files: an operation and
/// its share of a page. Each page is then read once, and not once per record.
const LOOKUP_BYTES: u64 = 80;
/// Most memory given to that: it holds the maps of some six million operations, and nobody can claim more.
const LOOKUP_BYTES_MAX: u64 = 512 * 1024 * 1024;

async fn import<S: Storage, E: Context + Spawner>(
    reader: &mut Reader<S>,
    context: E,
    partition: &str,
    settings: &Settings,
) -> Result<StateTree<E>, SnapshotError> {
    let extent = reader.listing().extent.clone();
    let (end, context) = (extent.end, context.child("import"));
    let all = end.saturating_sub(extent.start).saturating_mul(LOOKUP_BYTES);
    let cache = usize::try_from(all.min(LOOKUP_BYTES_MAX)).unwrap_or(usize::MAX);
    let mut settings = settings.clone();
    settings.cache_bytes = settings.cache_bytes.max(cache);
    let mut import = Import::begin(context, partition, &settings, extent).await?;
    while let Some(next) = import.next() {
        let Some(piece) = reader.next(Kind::Operations).await? else {
            return Err(ImportError::Incomplete { next, end }.into());
        };
        import.push(&piece).await?;
    }
    if reader.peek() == Some(Kind::Operations) {
        return Err(SnapshotError::Listing("it has more of the map than there is"));
    }
    Ok(import.finish().await?)
}

/// Builds the state; with a `map`, each record must be in it.
async fn world<S: Storage, E: Context + Spawner>(
    reader: &mut Reader<S>,
    checked: &Checked,
    map: Option<&StateTree<E>>,
) -> Result<hanse_ledger::World, SnapshotError> {
    let compare = async |leaves: Vec<(Digest, Digest)>| {
        let Some(map) = map else { return Ok(()) };
        for (slot, record) in leaves {
            if map.get(&slot).await? != Some(record) {
                return Err(SnapshotError::Record);
            }
        }
        Ok(())
    };
    let mut rebuild = Rebuild::new();
    while let Some(piece) = reader.next(Kind::Table).await? {
        compare(rebuild.table(&piece)?).await?;
    }
    compare(rebuild.end_table()?).await?;
    while let Some(piece) = reader.next(Kind::Aside).await? {
        rebuild.aside(&piece)?;
    }
    if reader.peek().is_some() {
        return Err(SnapshotError::Listing("its pieces are out of order"));
    }
    Ok(rebuild.finish(checked.header.timestamp_ms)?)
}
