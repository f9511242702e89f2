//! Where the user's things are: keys, memory of what was seen, the local network.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::exit::{Attempt as _, Exit, Failure};

/// The user's directory: `HANSE_HOME`, else `$XDG_DATA_HOME/hanse`.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `given` wins over the XDG default.
    ///
    /// # Errors
    /// When neither `HANSE_HOME`, `XDG_DATA_HOME` nor `HOME` says where.
    pub(crate) fn find(given: Option<PathBuf>) -> Result<Self, Failure> {
        match given {
            Some(path) => Ok(Self(path)),
            None => xdg("XDG_DATA_HOME", ".local/share").map(|base| Self(base.join("hanse"))),
        }
    }

    /// Key files, `NAME.json` each.
    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The pinned trust root, unless named otherwise.
    pub(crate) fn trust_root(&self) -> PathBuf {
        self.0.join("trust-root.json")
    }

    /// What was seen of each chain, so that nobody can show an older state.
    pub(crate) fn seen(&self) -> PathBuf {
        self.0.join("seen.json")
    }

    /// Proofs that did not hold, kept as evidence.
    pub(crate) fn evidence(&self) -> PathBuf {
        self.0.join("evidence")
    }
}

/// Default directory of the local network: `$XDG_STATE_HOME/hanse/local` (CONTRACT 1).
///
/// # Errors
/// When neither `XDG_STATE_HOME` nor `HOME` says where.
pub(crate) fn local_network() -> Result<PathBuf, Failure> {
    Ok(xdg("XDG_STATE_HOME", ".local/state")?.join("hanse/local"))
}

/// XDG base directory specification: an unset or relative variable means the default below `HOME`.
fn xdg(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let default = || {
        let home = PathBuf::from(std::env::var_os("HOME")?);
        home.is_absolute().then(|| home.join(below_home))
    };
    set.or_else(default).ok_or_else(|| {
        Failure::new(Exit::Environment, format!("neither {variable} nor HOME is set"))
            .fix("set HOME, or name the directory with --home or --dir")
    })
}

/// Creates a directory that only its owner enters, with its parents.
///
/// # Errors
/// When it cannot be created.
pub(crate) fn private_dir(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .attempt(Exit::Environment, || format!("could not create directory {}", path.display()))
}

/// Writes a file that only its owner reads, whole or not at all, flushed.
///
/// # Errors
/// When the directory is missing or not writable, or writing fails.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_with(path, bytes, 0o600)
}

/// Writes a file that everybody may read, whole or not at all, flushed.
///
/// # Errors
/// As [`write_private`].
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_with(path, bytes, 0o644)
}

fn write_with(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".hanse-")
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        fs::File::open(parent)?.sync_all()
    };
    place().attempt(Exit::Environment, || format!("could not write {}", path.display()))
}

/// Reads a small text file.
///
/// # Errors
/// When it is missing, not readable, over `limit` bytes, or not UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text));
    read.attempt(Exit::Environment, || format!("could not read {}", path.display()))?;
    if text.len() as u64 > limit {
        let what = format!("{} is larger than {limit} bytes", path.display());
        return Err(Failure::new(Exit::Malformed, what));
    }
    Ok(text)
}
