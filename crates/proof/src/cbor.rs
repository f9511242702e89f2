//! The part of CBOR a proof uses (RFC 8949): unsigned integers, byte and text strings, arrays,
//! maps with text keys in bytewise order of their encodings, and null. Whoever reads must write
//! again and compare: that leaves one encoding per value (section 4.2.1).

use alloc::vec::Vec;

use hanse_crypto::Digest;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use crate::error::ProofError;

const INFALLIBLE: &str = "writing to a vector cannot fail";

/// Writes the shortest form of everything.
pub(crate) struct Writer(Encoder<Vec<u8>>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Encoder::new(Vec::new()))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }

    pub(crate) fn uint(&mut self, value: u64) {
        self.0.u64(value).expect(INFALLIBLE);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.0.bytes(value).expect(INFALLIBLE);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.0.str(value).expect(INFALLIBLE);
    }

    pub(crate) fn array(&mut self, length: usize) {
        self.0.array(length as u64).expect(INFALLIBLE);
    }

    pub(crate) fn map(&mut self, length: usize) {
        self.0.map(length as u64).expect(INFALLIBLE);
    }

    pub(crate) fn null(&mut self) {
        self.0.null().expect(INFALLIBLE);
    }

    /// A byte string, or null.
    pub(crate) fn optional(&mut self, value: Option<&[u8]>) {
        match value {
            Some(bytes) => self.bytes(bytes),
            None => self.null(),
        }
    }

    /// Digests joined in one byte string.
    pub(crate) fn digests(&mut self, digests: &[Digest]) {
        let bytes: Vec<u8> = digests.iter().flat_map(|d| d.0).collect();
        self.bytes(&bytes);
    }
}

/// Reads with limits; what it takes as a length is bounded by the input before anything is allocated.
pub(crate) struct Reader<'a>(Decoder<'a>);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(Decoder::new(bytes))
    }

    /// Nothing may follow.
    pub(crate) fn finish(self) -> Result<(), ProofError> {
        if self.0.position() == self.0.input().len() { Ok(()) } else { Err(ProofError::Malformed) }
    }

    pub(crate) fn uint(&mut self) -> Result<u64, ProofError> {
        self.0.u64().map_err(malformed)
    }

    pub(crate) fn bytes(&mut self, max: usize) -> Result<&'a [u8], ProofError> {
        let bytes = self.0.bytes().map_err(malformed)?;
        if bytes.len() > max { Err(ProofError::TooLarge) } else { Ok(bytes) }
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, ProofError> {
        self.0.str().map_err(malformed)
    }

    /// The next map key must be this one.
    pub(crate) fn key(&mut self, key: &str) -> Result<(), ProofError> {
        if self.text()? == key { Ok(()) } else { Err(ProofError::Malformed) }
    }

    pub(crate) fn array(&mut self, length: u64) -> Result<(), ProofError> {
        let found = self.0.array().map_err(malformed)?;
        if found == Some(length) { Ok(()) } else { Err(ProofError::Malformed) }
    }

    pub(crate) fn map(&mut self, length: u64) -> Result<(), ProofError> {
        let found = self.0.map().map_err(malformed)?;
        if found == Some(length) { Ok(()) } else { Err(ProofError::Malformed) }
    }

    /// Number of pairs of a map.
    pub(crate) fn fields(&mut self) -> Result<u64, ProofError> {
        self.0.map().map_err(malformed)?.ok_or(ProofError::Malformed)
    }

    /// Length of an array of at most `max` items.
    pub(crate) fn items(&mut self, max: usize) -> Result<usize, ProofError> {
        let length = self.0.array().map_err(malformed)?.ok_or(ProofError::Malformed)?;
        usize::try_from(length).ok().filter(|l| *l <= max).ok_or(ProofError::TooLarge)
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, ProofError> {
        let bytes = self.0.bytes().map_err(malformed)?;
        bytes.try_into().map(Digest).map_err(|_| ProofError::Malformed)
    }

    /// Null, or what `read` takes.
    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ProofError>,
    ) -> Result<Option<T>, ProofError> {
        if self.0.datatype().map_err(malformed)? == Type::Null {
            self.0.null().map_err(malformed)?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// At most `max` digests joined in one byte string.
    pub(crate) fn digests(&mut self, max: usize) -> Result<Vec<Digest>, ProofError> {
        let (digests, rest) = self.bytes(max * 32)?.as_chunks();
        if !rest.is_empty() {
            return Err(ProofError::Malformed);
        }
        Ok(digests.iter().map(|d| Digest(*d)).collect())
    }
}

/// Where in the input the reader stopped is of no use to anyone who did not write it.
fn malformed(_: minicbor::decode::Error) -> ProofError {
    ProofError::Malformed
}
