//! Decompressing layers as they pass, within bounds.
//!
//! gzip: RFC 1952, concatenated members are one stream, anything else after the last is refused. zstd: RFC 8878, with skippable frames.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zstd::stream::raw::{DParameter, InBuffer, Operation as _, OutBuffer};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::limits::ZSTD_WINDOW_LOG_MAX;

const ZSTD_OUTPUT_BYTES: usize = 128 * 1024;
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

/// How a layer is said to be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// An uncompressed tar.
    Plain,
    Gzip,
    Zstd,
    /// Docker's engine looks at the content whatever its own media type says, so it decides.
    ByContent,
    /// Not a file system layer: nothing to unpack.
    Opaque,
}

/// Reads the packing off a media type (OCI layer.md, Docker schema2.md).
///
/// # Errors
/// A sentence, for layers of a kind that cannot be unpacked here (encrypted, or an unknown suffix).
pub(crate) fn packing(media_type: &str) -> Result<Packing, String> {
    match media_type {
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar" => Ok(Packing::Plain),
        "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" => Ok(Packing::Gzip),
        "application/vnd.oci.image.layer.v1.tar+zstd"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd" => Ok(Packing::Zstd),
        "application/vnd.docker.image.rootfs.diff.tar"
        | "application/vnd.docker.image.rootfs.diff.tar.gzip"
        | "application/vnd.docker.image.rootfs.diff.tar.zstd"
        | "application/vnd.docker.image.rootfs.foreign.diff.tar"
        | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Ok(Packing::ByContent),
        other if other.contains("encrypted") => Err("it is encrypted".to_owned()),
        other if other.contains("image.layer") || other.contains("rootfs") => {
            Err(format!("its media type {other} is not supported"))
        }
        _ => Ok(Packing::Opaque),
    }
}

/// Unpacked bytes that may still be produced, shared by all layers of an image.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU64,
    pub(crate) limit: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(limit), limit })
    }

    fn take(&self, bytes: u64) -> bool {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.is_ok()
    }
}

/// Why a layer could not be unpacked.
#[derive(Debug)]
pub(crate) enum UnpackError {
    /// The budget is used up: a bomb, or an image larger than the caller allows.
    OverBudget(u64),
    /// The compressed stream is broken.
    Broken(String),
    /// The place the bytes go to failed.
    Output(io::Error),
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Unpacked<W> {
    pub(crate) digest: Digest,
    pub(crate) output: W,
}

/// Where unpacked bytes are counted, hashed and handed on.
struct Output<W> {
    hasher: Hasher,
    budget: Arc<Budget>,
    fault: Option<UnpackError>,
    inner: W,
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fault = if !self.budget.take(bytes.len() as u64) {
            UnpackError::OverBudget(self.budget.limit)
        } else if let Err(error) = self.inner.write_all(bytes) {
            UnpackError::Output(error)
        } else {
            self.hasher.update(bytes);
            return Ok(bytes.len());
        };
        // The decoder reports an error of its own kind; the real one waits here.
        self.fault.get_or_insert(fault);
        Err(io::Error::other("output refused"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Decoder<W: Write> {
    /// Not enough bytes yet to tell.
    Start {
        packing: Packing,
        head: Vec<u8>,
        output: Output<W>,
    },
    Plain(Output<W>),
    Gzip(Box<flate2::write::MultiGzDecoder<Output<W>>>),
    Zstd {
        state: Box<zstd::stream::raw::Decoder<'static>>,
        buffer: Vec<u8>,
        output: Output<W>,
        open: bool,
    },
    /// Only while a step replaces it.
    Gone,
}

/// Takes packed bytes in any pieces.
pub(crate) struct Unpacker<W: Write> {
    decoder: Decoder<W>,
}

impl<W: Write> Unpacker<W> {
    pub(crate) fn new(
        packing: Packing,
        algorithm: Algorithm,
        budget: Arc<Budget>,
        inner: W,
    ) -> Self {
        let hasher = Hasher::new(algorithm);
        let output = Output { hasher, budget, fault: None, inner };
        Self { decoder: Decoder::Start { packing, head: Vec::new(), output } }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.decoder {
            Decoder::Start { head, .. } => {
                head.extend_from_slice(bytes);
                if head.len() >= ZSTD_MAGIC.len() { self.start() } else { Ok(()) }
            }
            Decoder::Plain(output) => {
                let result = output.write_all(bytes);
                result.map_err(|error| fault(output, error))
            }
            Decoder::Gzip(decoder) => {
                let result = decoder.write_all(bytes);
                result.map_err(|error| fault(decoder.get_mut(), error))
            }
            Decoder::Zstd { state, buffer, output, open } => {
                zstd_step(state, buffer, output, open, bytes)
            }
            Decoder::Gone => Err(UnpackError::Broken("it failed before".to_owned())),
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// `Broken` if it is truncated.
    pub(crate) fn finish(mut self) -> Result<Unpacked<W>, UnpackError> {
        if matches!(self.decoder, Decoder::Start { .. }) {
            self.start()?;
        }
        let output = match self.decoder {
            Decoder::Plain(output) => output,
            Decoder::Gzip(mut decoder) => {
                let result = decoder.try_finish();
                result.map_err(|error| fault(decoder.get_mut(), error))?;
                decoder.finish().map_err(|error| UnpackError::Broken(error.to_string()))?
            }
            Decoder::Zstd { output, open: false, .. } => output,
            Decoder::Zstd { .. } => return Err(UnpackError::Broken("it is truncated".to_owned())),
            Decoder::Start { .. } | Decoder::Gone => {
                return Err(UnpackError::Broken("it failed before".to_owned()));
            }
        };
        Ok(Unpacked { digest: output.hasher.finish(), output: output.inner })
    }

    /// Decides by the first bytes, and refuses content that contradicts its media type.
    fn start(&mut self) -> Result<(), UnpackError> {
        let Decoder::Start { packing, head, output } =
            std::mem::replace(&mut self.decoder, Decoder::Gone)
        else {
            return Ok(());
        };
        let found = sniff(&head);
        let packing = match (packing, found) {
            (Packing::ByContent, found) => found,
            (stated, found) if stated == found => found,
            (stated, found) => {
                let why = format!("its media type says {stated:?}, its content is {found:?}");
                return Err(UnpackError::Broken(why.to_lowercase()));
            }
        };
        self.decoder = match packing {
            Packing::Gzip => Decoder::Gzip(Box::new(flate2::write::MultiGzDecoder::new(output))),
            Packing::Zstd => {
                let broken = |error: io::Error| UnpackError::Broken(error.to_string());
                let mut state = zstd::stream::raw::Decoder::new().map_err(broken)?;
                state
                    .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
                    .map_err(broken)?;
                let buffer = vec![0; ZSTD_OUTPUT_BYTES];
                Decoder::Zstd { state: Box::new(state), buffer, output, open: true }
            }
            _ => Decoder::Plain(output),
        };
        self.write(&head)
    }
}

/// What the first bytes say.
pub(crate) fn sniff(head: &[u8]) -> Packing {
    // Skippable frames, magic 0x184D2A5x little-endian, may stand before the first zstd frame.
    let skippable = head.len() >= 4 && head[0] & 0xF0 == 0x50 && head[1..4] == [0x2A, 0x4D, 0x18];
    if head.starts_with(GZIP_MAGIC) {
        Packing::Gzip
    } else if head.starts_with(ZSTD_MAGIC) || skippable {
        Packing::Zstd
    } else {
        Packing::Plain
    }
}

fn fault<W>(output: &mut Output<W>, error: io::Error) -> UnpackError {
    output.fault.take().unwrap_or_else(|| UnpackError::Broken(error.to_string()))
}

fn zstd_step<W: Write>(
    state: &mut zstd::stream::raw::Decoder<'static>,
    buffer: &mut [u8],
    output: &mut Output<W>,
    open: &mut bool,
    bytes: &[u8],
) -> Result<(), UnpackError> {
    let mut input = InBuffer::around(bytes);
    loop {
        let consumed = input.pos();
        let mut space = OutBuffer::around(&mut *buffer);
        let hint = state
            .run(&mut input, &mut space)
            .map_err(|error| UnpackError::Broken(error.to_string()))?;
        let produced = space.pos();
        *open = hint != 0;
        output.write_all(&buffer[..produced]).map_err(|error| fault(output, error))?;
        let exhausted = input.pos() == bytes.len();
        // A full buffer may hide more output, but not after the end of a frame, where asking again would open the next one.
        if exhausted && (hint == 0 || produced < buffer.len()) {
            return Ok(());
        }
        if !exhausted && produced == 0 && input.pos() == consumed {
            return Err(UnpackError::Broken("the decoder makes no progress".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests;
