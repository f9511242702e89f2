//! Why a document is refused.

use crate::digest::{Digest, DigestError};

/// A document or archive that is not what its format says. Each is a reason to refuse, never to repair.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Longer than the limit, bytes.
    #[error("the document is longer than {limit} bytes")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// Not plain UTF-8 without a byte order mark.
    #[error("the document is not plain UTF-8: it has {found}")]
    Encoding {
        /// What was found.
        found: &'static str,
    },
    /// Not JSON (RFC 8259).
    #[error("the document is not JSON")]
    Json(#[source] serde_json::Error),
    /// Nested deeper than the limit.
    #[error("the document is nested deeper than {limit} levels")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// More values than the limit.
    #[error("the document has more than {limit} values")]
    TooManyValues {
        /// Values allowed.
        limit: usize,
    },
    /// A key twice in one object: parsers disagree on which one counts.
    #[error("the key `{key}` occurs twice in one object")]
    DuplicateKey {
        /// The key, escaped.
        key: String,
    },
    /// A key that differs from a known one only in case: some parsers take it for that one.
    #[error("the key `{key}` can be mistaken for `{known}`")]
    KeyVariant {
        /// The key, escaped.
        key: String,
        /// The field it resembles.
        known: &'static str,
    },
    /// A required field is absent or null.
    #[error("`{field}` is missing")]
    Missing {
        /// Path of the field.
        field: String,
    },
    /// A field holds another type.
    #[error("`{field}` is not {expected}")]
    WrongType {
        /// Path of the field.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A number is negative, not whole or beyond its limit.
    #[error("`{field}` is {found}, not a whole number from 0 to {limit}")]
    Number {
        /// Path of the field.
        field: String,
        /// What was found.
        found: String,
        /// Largest value allowed.
        limit: u64,
    },
    /// A digest of another form.
    #[error("`{field}` is not a usable digest")]
    Digest {
        /// Path of the field.
        field: String,
        /// Why.
        #[source]
        cause: DigestError,
    },
    /// Docker schema 1: signed text of another age, whose digest does not cover its bytes.
    #[error(
        "the document is a Docker schema 1 manifest, which is not accepted: push the image again"
    )]
    Schema1,
    /// `schemaVersion` is not 2.
    #[error("`schemaVersion` is {found}, not 2")]
    SchemaVersion {
        /// What was found.
        found: u64,
    },
    /// Parts of a manifest and of an index in one document (CVE-2021-41190).
    #[error(
        "the document has `manifests` beside `layers` or `config`: it would mean different images to different tools"
    )]
    Ambiguous,
    /// `mediaType` inside differs from how the document was announced.
    #[error("the document calls itself {own} but was announced as {announced}")]
    MediaTypeDiffers {
        /// Content-Type or descriptor.
        announced: String,
        /// The field.
        own: String,
    },
    /// A media type that is neither a manifest's nor an index's.
    #[error("`{found}` is not the media type of a manifest or index")]
    UnknownMediaType {
        /// The media type, escaped.
        found: String,
    },
    /// The fields present belong to the other kind of document.
    #[error("the document has the fields of {shape} but the media type {media_type}")]
    Shape {
        /// Its media type.
        media_type: String,
        /// What it looks like.
        shape: &'static str,
    },
    /// Embedded `data` does not have the digest or size beside it.
    #[error("the data embedded in `{field}` does not match its digest and size")]
    DataDiffers {
        /// Path of the descriptor.
        field: String,
    },
    /// More layers than the limit.
    #[error("there are {found} layers, at most {limit} are accepted")]
    TooManyLayers {
        /// Layers found.
        found: usize,
        /// Layers allowed.
        limit: usize,
    },
    /// More children than the limit.
    #[error("there are {found} manifests, at most {limit} are accepted")]
    TooManyChildren {
        /// Children found.
        found: usize,
        /// Children allowed.
        limit: usize,
    },
    /// The configuration lists another number of diff IDs than the manifest lists layers.
    #[error("the configuration has {diff_ids} diff IDs for {layers} layers")]
    DiffIds {
        /// Layers of the manifest.
        layers: usize,
        /// Diff IDs of the configuration.
        diff_ids: usize,
    },
    /// Indexes within indexes beyond the limit.
    #[error("indexes are nested deeper than {limit} levels")]
    IndexDepth {
        /// Levels allowed.
        limit: usize,
    },
    /// An index that contains itself.
    #[error("the index {0} contains itself")]
    IndexCycle(Digest),
    /// One digest with two sizes.
    #[error("{digest} is said to have {first} and {second} bytes")]
    SizesDiffer {
        /// The digest.
        digest: Digest,
        /// One size.
        first: u64,
        /// The other.
        second: u64,
    },
    /// The compression of a layer: broken stream, trailing garbage, other than its media type says, or not supported.
    #[error("the layer {digest} cannot be unpacked: {why}")]
    Compression {
        /// The layer.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// An archive or layout directory that breaks its format.
    #[error("the archive or layout is broken: {0}")]
    Container(String),
}
