//! The directory in which an image waits until all of it is verified.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::digest::{Algorithm, Digest};
use crate::error::ImageError;
use crate::hashing::{Keep, KeptBlob};
use crate::manifest::Descriptor;

/// Names of staging directories start so, followed by the process that owns them.
const PREFIX: &str = ".hanse-stage-";

/// Blobs in the shape of an OCI layout, still without a name.
pub(crate) struct Stage {
    directory: TempDir,
}

impl Stage {
    /// Creates a staging directory in `parent`, which must exist, and removes those that crashed processes left there.
    pub(crate) fn create(parent: PathBuf) -> Result<Self, ImageError> {
        sweep(&parent);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let directory = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&parent)
            .map_err(ImageError::file(&parent, "written"))?;
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let path = directory.path().join("blobs").join(algorithm.name());
            fs::create_dir_all(&path).map_err(ImageError::file(&path, "created"))?;
        }
        Ok(Self { directory })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.path().join(digest.layout_path())
    }

    /// Stores bytes whose digest was checked.
    pub(crate) fn write(&self, digest: &Digest, bytes: &[u8]) -> Result<(), ImageError> {
        let path = self.blob(digest);
        write_durably(&path, bytes).map_err(ImageError::file(&path, "written"))
    }
}

/// Writes a file and waits until it is on the disk.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes what processes that no longer run have left. Failure is harmless: it is tried again next time.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let owner =
            owner.and_then(|rest| rest.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let path = entry.path();
            let removed =
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            if let Err(error) = removed {
                tracing::debug!(%error, "a stale staging directory could not be removed");
            }
        }
    }
}

impl Keep for Stage {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn KeptBlob>, ImageError> {
        let target = self.blob(&descriptor.digest);
        let part = target.with_extension("part");
        let file = File::create(&part).map_err(ImageError::file(&part, "written"))?;
        Ok(Box::new(StagedBlob { file, part, target }))
    }
}

struct StagedBlob {
    file: File,
    part: PathBuf,
    target: PathBuf,
}

impl Write for StagedBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl KeptBlob for StagedBlob {
    fn commit(self: Box<Self>) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(self.part, self.target)
    }
}
