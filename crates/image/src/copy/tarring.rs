//! Writing a staged image as a tar, always the same bytes for the same image.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::stage::Stage;
use crate::error::ImageError;

/// A tar being written: no times, no owners, so that equal content gives equal archives.
pub(crate) struct Tarring<W: Write> {
    builder: tar::Builder<W>,
}

impl<W: Write> Tarring<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { builder: tar::Builder::new(output) }
    }

    pub(crate) fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
        self.append(name, bytes.len() as u64, bytes).map_err(ImageError::file(name, "archived"))
    }

    pub(crate) fn file(&mut self, name: &str, path: &Path) -> Result<(), ImageError> {
        let file = File::open(path).map_err(ImageError::file(path, "read"))?;
        let size = file.metadata().map_err(ImageError::file(path, "read"))?.len();
        self.append(name, size, file).map_err(ImageError::file(name, "archived"))
    }

    fn append(&mut self, name: &str, size: u64, data: impl io::Read) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(size);
        header.set_mode(0o444);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.builder.append_data(&mut header, name, data)
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        self.builder.into_inner()
    }
}

/// All blobs of a stage by their path in a layout, in order of name.
pub(crate) fn staged_files(stage: &Stage) -> Result<Vec<(String, PathBuf)>, ImageError> {
    let mut files = Vec::new();
    for algorithm in ["sha256", "sha512"] {
        let directory = stage.path().join("blobs").join(algorithm);
        let entries = fs::read_dir(&directory).map_err(ImageError::file(&directory, "read"))?;
        for entry in entries {
            let entry = entry.map_err(ImageError::file(&directory, "read"))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((format!("blobs/{algorithm}/{name}"), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}
