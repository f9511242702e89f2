//! A place with files in it: a directory, a tar read in place, or a tar that streamed past once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::ImageError;
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_KEPT_BYTES, READ_BUFFER_BYTES, ZSTD_WINDOW_LOG_MAX};
use crate::source::Blob;
use crate::tarball::{EntryKind, Skip, TarError, Walker};
use crate::unpack::{Budget, Packing, UnpackError, Unpacker, sniff};

/// Links followed for one name; engines write one.
const MAX_LINKS: usize = 8;

/// Where the files are.
pub(crate) enum Store {
    Directory(PathBuf),
    Tar(TarIndex),
    Passed(Passed),
}

/// A tar file with the place of each entry.
pub(crate) struct TarIndex {
    path: PathBuf,
    entries: BTreeMap<String, Place>,
    /// Set if the file was unpacked from a compressed archive, or spooled from an engine, and goes away with this.
    _temporary: Option<TempPath>,
    /// What a tool wrote, if the archive itself was compressed.
    also_temporary: Option<TempPath>,
}

enum Place {
    Data { offset: u64, size: u64 },
    Link(String),
}

/// What is known of a tar that streamed past: the digest of each file, and the small documents themselves.
#[derive(Default)]
pub(crate) struct Passed {
    files: BTreeMap<String, PassedFile>,
    links: BTreeMap<String, String>,
    kept: BTreeMap<String, Vec<u8>>,
}

/// One file that streamed past.
#[derive(Clone, Debug)]
pub(crate) struct PassedFile {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) packing: Packing,
    /// Digest of the unpacked bytes, or why there is none.
    pub(crate) unpacked: Result<Digest, String>,
}

impl Store {
    /// Opens a tar file. A gzip or zstd compressed one is unpacked beside the other temporary files first, within `max_unpacked` bytes.
    ///
    /// # Errors
    /// `File` if it cannot be read, `Malformed` if it is not a sound archive, `TooLarge` beyond the bound.
    pub(crate) fn open_tar(path: &Path, max_unpacked: u64) -> Result<Self, ImageError> {
        let mut file = open_regular(path)?;
        let mut head = [0; 4];
        let got = file.read(&mut head).map_err(ImageError::file(path, "read"))?;
        let file = open_regular(path)?;
        match sniff(&head[..got]) {
            Packing::Gzip => {
                Self::unpack_tar(path, flate2::read::MultiGzDecoder::new(file), max_unpacked)
            }
            Packing::Zstd => {
                let broken = ImageError::file(path, "unpacked");
                let mut decoder = zstd::stream::read::Decoder::new(file).map_err(broken)?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG_MAX)
                    .map_err(ImageError::file(path, "unpacked"))?;
                Self::unpack_tar(path, decoder, max_unpacked)
            }
            _ => Self::index(path, file, None),
        }
    }

    fn unpack_tar(path: &Path, reader: impl Read, limit: u64) -> Result<Self, ImageError> {
        let mut target = tempfile::NamedTempFile::new()
            .map_err(ImageError::file(std::env::temp_dir(), "written"))?;
        let copied = std::io::copy(&mut reader.take(limit.saturating_add(1)), &mut target)
            .map_err(|cause| {
                ImageError::container(path.display().to_string(), cause.to_string())
            })?;
        if copied > limit {
            return Err(ImageError::TooLarge { what: path.display().to_string(), limit });
        }
        Self::from_temporary(target)
    }

    /// Takes over a temporary file that holds a plain tar.
    pub(crate) fn from_temporary(target: tempfile::NamedTempFile) -> Result<Self, ImageError> {
        let temporary = target.into_temp_path();
        let path = temporary.to_path_buf();
        let file = open_regular(&path)?;
        Self::index(&path, file, Some(temporary))
    }

    /// Opens a tar that a tool wrote under the name of a temporary file, which goes away with the store.
    pub(crate) fn take_over(
        path: &Path,
        target: tempfile::NamedTempFile,
        max_unpacked: u64,
    ) -> Result<Self, ImageError> {
        let mut store = Self::open_tar(path, max_unpacked)?;
        if let Self::Tar(index) = &mut store {
            index.also_temporary = Some(target.into_temp_path());
        }
        Ok(store)
    }

    fn index(path: &Path, file: File, temporary: Option<TempPath>) -> Result<Self, ImageError> {
        let shown = path.display().to_string();
        let entries = index_entries(file).map_err(|error| tar_error(&shown, error))?;
        Ok(Self::Tar(TarIndex {
            path: path.to_path_buf(),
            entries,
            _temporary: temporary,
            also_temporary: None,
        }))
    }

    /// Reads a small file whole; none if there is no such file.
    ///
    /// # Errors
    /// `Malformed` if it is longer than a document may be, `File` if it cannot be read.
    pub(crate) fn document(&self, name: &str) -> Result<Option<Vec<u8>>, ImageError> {
        if let Self::Passed(passed) = self {
            let name = passed.follow(name);
            return match (passed.kept.get(name), passed.files.get(name)) {
                (Some(bytes), _) => Ok(Some(bytes.clone())),
                (None, Some(file)) if file.size > MAX_DOCUMENT_BYTES as u64 => Err(too_large(name)),
                (None, Some(_)) => {
                    Err(ImageError::container(crate::printable(name), "it is not a JSON document"))
                }
                (None, None) => Ok(None),
            };
        }
        let Some(Blob::File { file, path, offset, size }) = self.open(name)? else {
            return Ok(None);
        };
        if size > MAX_DOCUMENT_BYTES as u64 {
            return Err(too_large(name));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, offset)
            .map_err(ImageError::file(path, "read"))?;
        Ok(Some(bytes))
    }

    /// Opens a file for reading in place; none if there is no such file.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Blob>, ImageError> {
        match self {
            Self::Directory(root) => {
                let path = root.join(name);
                if !path.exists() {
                    return Ok(None);
                }
                let file = open_regular(&path)?;
                let size = file.metadata().map_err(ImageError::file(&path, "read"))?.len();
                Ok(Some(Blob::File { file, path, offset: 0, size }))
            }
            Self::Tar(index) => {
                let Some((offset, size)) = index.place(name) else {
                    return Ok(None);
                };
                let file = open_regular(&index.path)?;
                Ok(Some(Blob::File { file, path: index.path.clone(), offset, size }))
            }
            Self::Passed(passed) => {
                Ok(passed.files.get(passed.follow(name)).map(|file| Blob::Passed(file.clone())))
            }
        }
    }
}

fn too_large(name: &str) -> ImageError {
    ImageError::Malformed {
        what: crate::printable(name),
        cause: crate::Malformed::TooLarge { limit: MAX_DOCUMENT_BYTES },
    }
}

/// Opens a file that must be a regular one: a pipe or device in its place would block or never end.
fn open_regular(path: &Path) -> Result<File, ImageError> {
    let kind = std::fs::metadata(path).map_err(ImageError::file(path, "read"))?;
    if !kind.is_file() {
        let cause = std::io::Error::other("it is not a regular file");
        return Err(ImageError::file(path, "read")(cause));
    }
    File::open(path).map_err(ImageError::file(path, "read"))
}

impl TarIndex {
    fn place(&self, name: &str) -> Option<(u64, u64)> {
        let mut name = name;
        for _ in 0..=MAX_LINKS {
            match self.entries.get(name)? {
                Place::Data { offset, size } => return Some((*offset, *size)),
                Place::Link(target) => name = target,
            }
        }
        None
    }
}

impl Passed {
    fn follow<'n>(&'n self, name: &'n str) -> &'n str {
        let mut name = name;
        for _ in 0..MAX_LINKS {
            match self.links.get(name) {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }
}

fn index_entries(file: File) -> Result<BTreeMap<String, Place>, TarError> {
    let mut walker = Walker::new(file);
    let mut entries = BTreeMap::new();
    while let Some(entry) = walker.next()? {
        let place = match entry.kind {
            EntryKind::Directory => continue,
            EntryKind::File => Place::Data { offset: entry.offset, size: entry.size },
            EntryKind::Link(target) => Place::Link(target),
        };
        if entries.insert(entry.path.clone(), place).is_some() {
            return Err(twice(&entry.path));
        }
    }
    Ok(entries)
}

fn twice(name: &str) -> TarError {
    TarError::Broken(format!("the archive has `{}` twice", crate::printable(name)))
}

fn tar_error(what: &str, error: TarError) -> ImageError {
    match error {
        TarError::Read(cause) => ImageError::File { path: PathBuf::from(what), act: "read", cause },
        TarError::Broken(why) => ImageError::container(what, why),
    }
}

/// How to let a tar stream past.
pub(crate) struct Passing {
    /// Also unpack each layer, within this budget.
    pub(crate) unpack: Option<Arc<Budget>>,
}

/// Hashes every file of a tar as it streams past and keeps the small JSON documents.
///
/// # Errors
/// As for [`Store::open_tar`]; `TooLarge` also if the documents exceed [`MAX_KEPT_BYTES`] together.
pub(crate) fn pass<R: Skip>(what: &str, reader: R, how: &Passing) -> Result<Passed, ImageError> {
    let mut walker = Walker::new(reader);
    let mut passed = Passed::default();
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut kept_bytes = 0;
    while let Some(entry) = walker.next().map_err(|error| tar_error(what, error))? {
        let fresh = match entry.kind {
            EntryKind::Directory => continue,
            EntryKind::Link(target) => passed.links.insert(entry.path.clone(), target).is_none(),
            EntryKind::File => {
                let algorithm = match entry.path.starts_with("blobs/sha512/") {
                    true => Algorithm::Sha512,
                    false => Algorithm::Sha256,
                };
                let mut file = FilePassing::new(algorithm, entry.size);
                loop {
                    let got = walker.read(&mut buffer).map_err(|error| tar_error(what, error))?;
                    if got == 0 {
                        break;
                    }
                    file.take(&buffer[..got], how)
                        .map_err(|error| unpack_error(&entry.path, error))?;
                }
                let (file, kept) =
                    file.finish().map_err(|error| unpack_error(&entry.path, error))?;
                if let Some(kept) = kept {
                    kept_bytes += kept.len();
                    if kept_bytes > MAX_KEPT_BYTES {
                        let limit = MAX_KEPT_BYTES as u64;
                        return Err(ImageError::TooLarge {
                            what: format!("documents of {what}"),
                            limit,
                        });
                    }
                    passed.kept.insert(entry.path.clone(), kept);
                }
                passed.files.insert(entry.path.clone(), file).is_none()
            }
        };
        if !fresh
            || (passed.links.contains_key(&entry.path) && passed.files.contains_key(&entry.path))
        {
            return Err(tar_error(what, twice(&entry.path)));
        }
    }
    Ok(passed)
}

fn unpack_error(name: &str, error: UnpackError) -> ImageError {
    let what = crate::printable(name);
    match error {
        UnpackError::OverBudget(limit) => ImageError::TooLarge { what, limit },
        UnpackError::Broken(why) => ImageError::container(what, why),
        UnpackError::Output(cause) => {
            ImageError::File { path: PathBuf::from(what), act: "unpacked", cause }
        }
    }
}

/// The state of one file that streams past.
struct FilePassing {
    hasher: Hasher,
    size: u64,
    packing: Option<Packing>,
    unpacker: Option<Unpacker<std::io::Sink>>,
    /// Why there is no digest of the unpacked bytes. Only a check at level L4 cares.
    not_unpacked: String,
    kept: Option<Vec<u8>>,
}

impl FilePassing {
    fn new(algorithm: Algorithm, size: u64) -> Self {
        let kept = (size <= MAX_DOCUMENT_BYTES as u64).then(Vec::new);
        Self {
            hasher: Hasher::new(algorithm),
            size,
            packing: None,
            unpacker: None,
            not_unpacked: "it was not unpacked".to_owned(),
            kept,
        }
    }

    fn take(&mut self, bytes: &[u8], how: &Passing) -> Result<(), UnpackError> {
        if self.packing.is_none() {
            let packing = sniff(bytes);
            self.packing = Some(packing);
            if let (Some(budget), Packing::Gzip | Packing::Zstd) = (&how.unpack, packing) {
                let budget = Arc::clone(budget);
                self.unpacker =
                    Some(Unpacker::new(packing, Algorithm::Sha256, budget, std::io::sink()));
            }
            // Documents start with a brace or a bracket; a small layer does not.
            if !matches!(bytes.first(), Some(b'{' | b'[')) {
                self.kept = None;
            }
        }
        self.hasher.update(bytes);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        match self.unpacker.as_mut().map(|unpacker| unpacker.write(bytes)) {
            Some(Err(UnpackError::Broken(why))) => {
                self.not_unpacked = why;
                self.unpacker = None;
                Ok(())
            }
            Some(result) => result,
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<(PassedFile, Option<Vec<u8>>), UnpackError> {
        let digest = self.hasher.finish();
        let packing = self.packing.unwrap_or(Packing::Plain);
        let unpacked = match self.unpacker.map(Unpacker::finish) {
            Some(Ok(unpacked)) => Ok(unpacked.digest),
            Some(Err(UnpackError::Broken(why))) => Err(why),
            Some(Err(error)) => return Err(error),
            // What is not packed is its own unpacked form.
            None if packing == Packing::Plain => Ok(digest.clone()),
            None => Err(self.not_unpacked),
        };
        Ok((PassedFile { digest, size: self.size, packing, unpacked }, self.kept))
    }
}
