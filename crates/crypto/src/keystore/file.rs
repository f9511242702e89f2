//! Key files on disk: readable by their owner alone, replaced whole or not at all.

use alloc::string::String;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{KeyFile, ParseError};

/// Largest key file read, in bytes. One has about 600; more is no key file.
const SIZE_MOST: u64 = 4096;

/// What [`KeyFile::write`] does when the path is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Fail and leave what is there.
    Refuse,
    /// Replace it: the caller has asked the user.
    Replace,
}

/// Why a key file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The path does not exist, may not be read, or reading failed.
    #[error("cannot read key file {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The path is a directory, pipe or device.
    #[error("key file {} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    /// Group or others may read, write or execute the file.
    #[error("key file {} has mode {mode:03o} and is open to others; set it to 600", path.display())]
    Exposed { path: PathBuf, mode: u32 },
    /// The file has more than 4096 bytes.
    #[error("key file {} is larger than {SIZE_MOST} bytes", path.display())]
    TooLarge { path: PathBuf },
    /// The content is no key file.
    #[error("cannot use key file {}", path.display())]
    Parse { path: PathBuf, source: ParseError },
}

/// Why a key file was not written; nothing was left behind and nothing replaced.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The path is taken and [`Overwrite::Refuse`] was asked for.
    #[error("key file {} exists already", path.display())]
    Exists { path: PathBuf },
    /// The directory is missing or not writable, or writing failed.
    #[error("cannot write key file {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The file is in place, but its directory could not be flushed: after a power failure it may
    /// be missing.
    #[error("key file {} is written but may not survive a power failure", path.display())]
    NotDurable { path: PathBuf, source: io::Error },
}

impl KeyFile {
    /// Reads a key file that only its owner can read. Symbolic links are followed; the mode is that
    /// of the file they lead to.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let path = path.to_path_buf();
        let text = match read_private(&path) {
            Ok(Content::Text(text)) => text,
            Ok(Content::NotAFile) => return Err(ReadError::NotAFile { path }),
            Ok(Content::Exposed(mode)) => return Err(ReadError::Exposed { path, mode }),
            Ok(Content::TooLarge) => return Err(ReadError::TooLarge { path }),
            Err(source) => return Err(ReadError::Io { path, source }),
        };
        Self::from_json(&text).map_err(|source| ReadError::Parse { path, source })
    }

    /// Writes the file with mode 600: to a temporary file beside it, flushed, then renamed, then
    /// the directory is flushed. With [`Overwrite::Replace`] a symbolic link at `path` is replaced,
    /// not followed.
    pub fn write(&self, path: &Path, overwrite: Overwrite) -> Result<(), WriteError> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        let path = path.to_path_buf();
        if let Err(source) = self.place(directory, &path, overwrite) {
            return Err(match source.kind() {
                io::ErrorKind::AlreadyExists => WriteError::Exists { path },
                _ => WriteError::Io { path, source },
            });
        }
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| WriteError::NotDurable { path, source })
    }

    fn place(&self, directory: &Path, path: &Path, overwrite: Overwrite) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".hanse-key-")
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(directory)?;
        file.write_all(self.to_json().as_bytes())?;
        file.as_file().sync_all()?;
        match overwrite {
            Overwrite::Refuse => file.persist_noclobber(path)?,
            Overwrite::Replace => file.persist(path)?,
        };
        Ok(())
    }
}

/// What stands at a path.
enum Content {
    Text(String),
    NotAFile,
    Exposed(u32),
    TooLarge,
}

fn read_private(path: &Path) -> io::Result<Content> {
    // Asked before opening, since opening a pipe waits for its other end.
    if !fs::metadata(path)?.is_file() {
        return Ok(Content::NotAFile);
    }
    let file = File::open(path)?;
    // Asked of the open file: the path may lead elsewhere by now.
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Ok(Content::Exposed(mode));
    }
    let mut text = String::new();
    file.take(SIZE_MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SIZE_MOST {
        return Ok(Content::TooLarge);
    }
    Ok(Content::Text(text))
}
