//! Walking a tar archive that nobody vouches for.
//!
//! Format: POSIX pax (IEEE 1003.1, "pax Interchange Format") and GNU long names; single headers are decoded by the `tar` crate. Nothing
//! is ever unpacked to the file system: entries are found by name and read in place. What two readers could see differently is
//! refused: sparse files, sizes that disagree, names that climb.

use std::io::{Read, Seek, SeekFrom};

use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_TAR_EXTENSION_BYTES};
use crate::printable;

const BLOCK: u64 = 512;
/// Largest size the octal field of a header can hold; only beyond it may a pax record say something else.
const MAX_OCTAL_SIZE: u64 = 0o77_777_777_777;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    #[error("the archive could not be read")]
    Read(#[source] std::io::Error),
    #[error("{0}")]
    Broken(String),
}

/// A reader that can jump.
pub(crate) trait Skip: Read {
    /// Moves forward by `count` bytes, or fails at the end of the input.
    fn skip(&mut self, count: u64) -> std::io::Result<()>;
}

impl Skip for std::fs::File {
    fn skip(&mut self, count: u64) -> std::io::Result<()> {
        let to = self.stream_position()?.saturating_add(count);
        if to > self.metadata()?.len() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.seek(SeekFrom::Start(to)).map(drop)
    }
}

impl Skip for &[u8] {
    fn skip(&mut self, count: u64) -> std::io::Result<()> {
        let count = usize::try_from(count).ok().filter(|count| *count <= self.len());
        let count = count.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        *self = &self[count..];
        Ok(())
    }
}

/// What an entry is, as far as images need it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    /// A link to another entry, given by its normalised path: old engines write shared layers so.
    Link(String),
    Directory,
}

#[derive(Debug)]
pub(crate) struct Entry {
    /// Normalised: relative, no `.` or `..`, no trailing slash.
    pub(crate) path: String,
    pub(crate) kind: EntryKind,
    pub(crate) size: u64,
    /// Where its data starts, bytes from the start of the archive.
    pub(crate) offset: u64,
}

/// Goes through the entries in order.
pub(crate) struct Walker<R> {
    reader: R,
    position: u64,
    /// Data of the current entry not read yet, bytes.
    left: u64,
    padding: u64,
    entries: usize,
}

#[derive(Default)]
struct Extended {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl<R: Skip> Walker<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, position: 0, left: 0, padding: 0, entries: 0 }
    }

    /// The next file, link or directory; none at the end-of-archive mark.
    ///
    /// # Errors
    /// `Broken` for truncated archives (the mark is required), wrong checksums, devices, sparse files, names that are absolute, climb or
    /// are not UTF-8, extended headers or entry counts beyond their limits.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TarError> {
        self.finish_entry()?;
        let mut extended = Extended::default();
        loop {
            let block = self.read_block()?;
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let header = checked(&block)?;
            let size = header.entry_size().map_err(|_| broken("an entry has no readable size"))?;
            self.entries += 1;
            if self.entries > MAX_ARCHIVE_ENTRIES {
                return Err(broken(format!(
                    "the archive has more than {MAX_ARCHIVE_ENTRIES} entries"
                )));
            }
            match header.entry_type().as_byte() {
                b'x' => self.read_pax(size, &mut extended)?,
                b'g' => self.read_global(size)?,
                b'L' => extended.path = Some(text(trim_nul(&self.read_extension(size)?))?),
                b'K' => extended.link = Some(text(trim_nul(&self.read_extension(size)?))?),
                _ => return self.entry(header, size, extended).map(Some),
            }
        }
    }

    /// Reads data of the current entry; 0 at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TarError> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.reader.read(&mut buffer[..want]).map_err(TarError::Read)?;
        if got == 0 {
            return Err(broken("the archive is truncated"));
        }
        self.left -= got as u64;
        self.position += got as u64;
        Ok(got)
    }

    fn entry(
        &mut self,
        header: &tar::Header,
        size: u64,
        extended: Extended,
    ) -> Result<Entry, TarError> {
        let size = match extended.size {
            Some(pax) if pax != size && pax <= MAX_OCTAL_SIZE => {
                return Err(broken("an entry states two sizes"));
            }
            Some(pax) => pax,
            None => size,
        };
        let path = match extended.path {
            Some(path) => path,
            None => text(&header.path_bytes())?,
        };
        let path = normalise("", &path)?;
        let link = |extended: Option<String>| match extended {
            Some(link) => Ok(link),
            None => text(&header.link_name_bytes().unwrap_or_default()),
        };
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        let (kind, size) = match header.entry_type().as_byte() {
            b'0' | b'\0' | b'7' => (EntryKind::File, size),
            b'5' => (EntryKind::Directory, 0),
            b'1' => (EntryKind::Link(normalise("", &link(extended.link)?)?), 0),
            b'2' => (EntryKind::Link(normalise(&parent, &link(extended.link)?)?), 0),
            other => {
                let other = char::from(other).escape_default();
                return Err(broken(format!("the archive has an entry of type `{other}`")));
            }
        };
        self.begin(size);
        Ok(Entry { path, kind, size, offset: self.position })
    }

    fn begin(&mut self, size: u64) {
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
    }

    fn finish_entry(&mut self) -> Result<(), TarError> {
        let rest = self.left + self.padding;
        if rest > 0 {
            self.reader.skip(rest).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => broken("the archive is truncated"),
                _ => TarError::Read(error),
            })?;
            self.position += rest;
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    fn read_block(&mut self) -> Result<[u8; BLOCK as usize], TarError> {
        let mut block = [0; BLOCK as usize];
        self.reader.read_exact(&mut block).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => broken("the archive is truncated"),
            _ => TarError::Read(error),
        })?;
        self.position += BLOCK;
        Ok(block)
    }

    fn read_extension(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_TAR_EXTENSION_BYTES {
            return Err(broken(format!("an extended header has {size} bytes")));
        }
        self.begin(size);
        let mut data = vec![0; usize::try_from(size).unwrap_or_default()];
        let mut at = 0;
        while at < data.len() {
            at += self.read(&mut data[at..])?;
        }
        self.finish_entry()?;
        Ok(data)
    }

    /// A header for all entries to come may carry a comment, but nothing that readers would have to agree on.
    fn read_global(&mut self, size: u64) -> Result<(), TarError> {
        let mut global = Extended::default();
        self.read_pax(size, &mut global)?;
        if global.path.is_some() || global.link.is_some() || global.size.is_some() {
            return Err(broken("a global header names a path or size"));
        }
        Ok(())
    }

    /// Records `LENGTH KEY=VALUE\n` of a pax header.
    fn read_pax(&mut self, size: u64, extended: &mut Extended) -> Result<(), TarError> {
        let data = self.read_extension(size)?;
        let wrong = || broken("an extended header is not readable");
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
            let length: usize = text(&rest[..space])?.parse().map_err(|_| wrong())?;
            if length <= space + 1 || length > rest.len() || rest[length - 1] != b'\n' {
                return Err(wrong());
            }
            let record = &rest[space + 1..length - 1];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => extended.path = Some(text(value)?),
                b"linkpath" => extended.link = Some(text(value)?),
                b"size" => extended.size = Some(text(value)?.parse().map_err(|_| wrong())?),
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(broken("the archive has a sparse file"));
                }
                _ => {}
            }
            rest = &rest[length..];
        }
        Ok(())
    }
}

fn broken(why: impl Into<String>) -> TarError {
    TarError::Broken(why.into())
}

/// The header, if its checksum is right.
fn checked(block: &[u8; BLOCK as usize]) -> Result<&tar::Header, TarError> {
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum();
    let stated = header.cksum().map_err(|_| broken("this is not a tar archive"))?;
    if stated != sum + 8 * u32::from(b' ') {
        return Err(broken("this is not a tar archive, or it is damaged"));
    }
    Ok(header)
}

fn trim_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

fn text(bytes: &[u8]) -> Result<String, TarError> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
        .map(str::to_owned)
        .ok_or_else(|| broken("the archive has a name that is not plain UTF-8"))
}

/// Joins `name` to `parent` without touching a file system; climbing above the top is refused.
fn normalise(parent: &str, name: &str) -> Result<String, TarError> {
    let refuse = || broken(format!("the archive has the unsafe name `{}`", printable(name)));
    if name.starts_with('/') || name.contains('\\') {
        return Err(refuse());
    }
    let mut parts: Vec<&str> = parent.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(refuse)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests;
