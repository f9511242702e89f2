//! Where the bytes of one blob are judged.

use std::io::{self, Write};
use std::sync::Arc;

use super::Job;
use crate::digest::{Digest, Hasher};
use crate::error::ImageError;
use crate::manifest::{Descriptor, Malformed};
use crate::unpack::{Budget, Packing, UnpackError, Unpacker};

/// Decides what happens to bytes beside hashing.
pub(crate) trait Keep: Send + Sync {
    /// Where to write the blob.
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn KeptBlob>, ImageError>;
}

/// One blob being kept. It counts only once `commit` was called.
pub(crate) trait KeptBlob: Write + Send {
    /// The bytes were judged right and are complete.
    fn commit(self: Box<Self>) -> io::Result<()>;
}

/// Keeps nothing.
pub(crate) struct HashOnly;

impl Keep for HashOnly {
    fn open(&self, _: &Descriptor) -> Result<Box<dyn KeptBlob>, ImageError> {
        Ok(Box::new(io::sink()))
    }
}

impl KeptBlob for io::Sink {
    fn commit(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the bytes of one blob and says whether they are the right ones.
pub(crate) struct BlobSink {
    what: String,
    expected: Digest,
    size: u64,
    seen: u64,
    hasher: Hasher,
    unpacker: Option<(Unpacker<io::Sink>, Digest)>,
    /// The layer is not packed: its own digest is its diff ID, if the algorithms agree.
    plain_diff_id: Option<Digest>,
    kept: Box<dyn KeptBlob>,
}

impl BlobSink {
    pub(crate) fn new(
        job: &Job,
        place: &str,
        budget: &Arc<Budget>,
        kept: Box<dyn KeptBlob>,
    ) -> Self {
        let expected = job.descriptor.digest.clone();
        let mut unpacker = None;
        let mut plain_diff_id = None;
        match &job.unpack {
            Some((Packing::Plain, diff_id)) if *diff_id == expected => {
                plain_diff_id = Some(diff_id.clone());
            }
            Some((packing, diff_id)) => {
                let budget = Arc::clone(budget);
                let inner = Unpacker::new(*packing, diff_id.algorithm(), budget, io::sink());
                unpacker = Some((inner, diff_id.clone()));
            }
            None => {}
        }
        Self {
            what: format!("{} in {place}", job.descriptor.digest),
            hasher: Hasher::new(expected.algorithm()),
            expected,
            size: job.descriptor.size,
            seen: 0,
            unpacker,
            plain_diff_id,
            kept,
        }
    }

    /// # Errors
    /// `Size` as soon as there are more bytes than announced; `Malformed` or `TooLarge` from unpacking; `File` if they cannot be kept.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.seen += bytes.len() as u64;
        if self.seen > self.size {
            let (what, expected, found) = (self.what.clone(), self.size, self.seen);
            return Err(ImageError::Size { what, expected, found });
        }
        self.hasher.update(bytes);
        self.kept.write_all(bytes).map_err(ImageError::file(&self.what, "stored"))?;
        if let Some((unpacker, _)) = &mut self.unpacker
            && let Err(error) = unpacker.write(bytes)
        {
            return Err(self.unpack_error(error));
        }
        Ok(())
    }

    /// # Errors
    /// `Size` for a truncated blob, `Differs` for another digest or diff ID, `Malformed` for a truncated compressed stream.
    pub(crate) fn finish(mut self) -> Result<(), ImageError> {
        if self.seen != self.size {
            let (what, expected, found) = (self.what, self.size, self.seen);
            return Err(ImageError::Size { what, expected, found });
        }
        let found =
            std::mem::replace(&mut self.hasher, Hasher::new(self.expected.algorithm())).finish();
        if found != self.expected {
            let (what, expected) = (self.what, self.expected);
            return Err(ImageError::Differs { what, expected, found });
        }
        if let Some((unpacker, expected)) = self.unpacker.take() {
            let found = unpacker.finish().map_err(|error| self.unpack_error(error))?.digest;
            if found != expected {
                let what = format!("diff ID of layer {}", self.what);
                return Err(ImageError::Differs { what, expected, found });
            }
        }
        debug_assert!(self.plain_diff_id.is_none_or(|diff_id| diff_id == found));
        self.kept.commit().map_err(ImageError::file(self.what, "stored"))
    }

    fn unpack_error(&self, error: UnpackError) -> ImageError {
        let what = self.what.clone();
        match error {
            UnpackError::OverBudget(limit) => {
                ImageError::TooLarge { what: format!("the unpacked content of {what}"), limit }
            }
            UnpackError::Broken(why) => {
                let cause = Malformed::Compression { digest: self.expected.clone(), why };
                ImageError::Malformed { what, cause }
            }
            UnpackError::Output(cause) => {
                ImageError::File { path: what.into(), act: "unpacked", cause }
            }
        }
    }
}
