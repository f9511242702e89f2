//! Snapshots in files, without a running member.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
    thread,
};

use commonware_runtime::{Runner as _, Supervisor as _, tokio};
use hanse_ledger::Checked;
use hanse_snapshot::{Disk, Map, SnapshotError, read_chunk, read_head, take};
use hanse_state::Settings;
use hanse_types::Genesis;

use crate::snapshots::{disk, map_partition};

/// What a file turned out to hold.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Whose state it is, and who vouches for it.
    pub checked: Checked,
    /// Records of the state.
    pub records: u64,
    /// Bytes of the data.
    pub bytes: u64,
}

/// Told how many bytes of how many are done.
type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// Checks the snapshot in `file` against `genesis`: its proof, every chunk, every record. Needs as much room in the empty
/// directory `scratch` as the file takes, and as much again for the map.
///
/// # Errors
/// [`SnapshotError`], by what is wrong with the file, or with the disk.
pub fn verify(
    genesis: Genesis,
    file: &Path,
    scratch: &Path,
    progress: Progress,
) -> Result<Restored, SnapshotError> {
    restore(genesis, file, scratch, progress)
}

/// Makes the snapshot in `file` what the member with the directory `data` starts from. Checks all of it first.
///
/// # Errors
/// As [`verify`]; the directory is no worse than before.
pub fn restore(
    genesis: Genesis,
    file: &Path,
    data: &Path,
    progress: Progress,
) -> Result<Restored, SnapshotError> {
    let mut reader = BufReader::new(File::open(file).map_err(SnapshotError::File)?);
    let runtime = tokio::Config::new().with_storage_directory(data).with_catch_panics(false);
    // The caller may have a runtime of its own on this thread.
    let working = thread::scope(|scope| {
        let working = scope.spawn(|| {
            tokio::Runner::new(runtime).start(|context| async move {
                let disk = disk(context.child("snapshots"));
                Box::pin(carry(&disk, &mut reader, progress, genesis, context)).await
            })
        });
        working.join()
    });
    working.unwrap_or(Err(SnapshotError::Listing("checking it ended early")))
}

async fn carry(
    disk: &Disk<tokio::Context>,
    file: &mut BufReader<File>,
    mut progress: Progress,
    genesis: Genesis,
    context: tokio::Context,
) -> Result<Restored, SnapshotError> {
    let listing = read_head(file)?;
    listing.manifest.check_proof(&genesis)?;
    let bytes = listing.bytes();
    disk.receive(&listing).await?;
    let mut done = 0;
    for index in 0..listing.chunks.len() as u32 {
        let chunk = read_chunk(file, &listing, index)?;
        done += chunk.len() as u64;
        disk.put(&listing, index, chunk.into()).await?;
        progress(done, bytes);
    }
    let rest = file.fill_buf().map_err(SnapshotError::File)?;
    if !rest.is_empty() {
        return Err(SnapshotError::Listing("there is more in the file than it says"));
    }
    let map = Map::Import {
        context: context.child("map"),
        partition: map_partition(),
        settings: Settings::default(),
    };
    let base = Box::pin(take(disk.read(listing), &genesis, map)).await?;
    Ok(Restored { checked: base.checked().clone(), records: base.records(), bytes })
}
