//! Strict reading of manifests, indexes and configurations.
//!
//! Formats: OCI image spec 1.1 (manifest.md, image-index.md, config.md, descriptor.md) and Docker Image Manifest Version 2 Schema 2.
//! A document that two parsers could read differently is refused; unknown fields are allowed, as the spec demands.

mod fields;
mod malformed;

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::json::{Object, parse_object};
use crate::limits::{MAX_CHILDREN, MAX_LAYERS};
use fields::Fields;
pub use malformed::Malformed;

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker manifest, version 2 schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// What a client must say it accepts to be given a document in its original form.
pub const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

const SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// Whether a media type names a manifest or an index, the documents that are parsed here.
#[must_use]
pub fn is_document(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST)
}

/// Whether a media type names an index or a manifest list.
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

/// Operating system and processor an image is built for (image-index.md, `platform`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `GOOS`, such as `linux`.
    pub os: String,
    /// `GOARCH`, such as `amd64`.
    pub architecture: String,
    /// Such as `v7`.
    pub variant: Option<String>,
    /// Windows build.
    pub os_version: Option<String>,
}

impl std::fmt::Display for Platform {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |text: &str| crate::printable(text);
        write!(out, "{}/{}", part(&self.os), part(&self.architecture))?;
        if let Some(variant) = &self.variant {
            write!(out, "/{}", part(variant))?;
        }
        if let Some(version) = &self.os_version {
            write!(out, " ({})", part(version))?;
        }
        Ok(())
    }
}

/// A typed pointer to content (descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What the content claims to be.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length, bytes.
    pub size: u64,
    /// `urls` is present: a foreign layer. It is never fetched from there.
    pub foreign: bool,
    /// Only in an index.
    pub platform: Option<Platform>,
    /// Free text of the publisher: escape before showing.
    pub annotations: BTreeMap<String, String>,
    /// The content itself, already checked against digest and size.
    pub data: Option<Vec<u8>>,
}

impl Descriptor {
    /// A descriptor with nothing but the three required fields.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            foreign: false,
            platform: None,
            annotations: BTreeMap::new(),
            data: None,
        }
    }

    /// Whether BuildKit marked it as an attestation about another child (`vnd.docker.reference.type`).
    #[must_use]
    pub fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").map(String::as_str)
            == Some("attestation-manifest")
    }
}

/// An image or artifact manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers or blobs, lowest first; may be empty.
    pub layers: Vec<Descriptor>,
    /// What it is about, for artifacts.
    pub subject: Option<Descriptor>,
}

impl Manifest {
    /// Whether the configuration is an image's, so that it can be run and has diff IDs.
    #[must_use]
    pub fn is_image(&self) -> bool {
        matches!(self.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG)
    }
}

/// An image index or manifest list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its children, in the order given.
    pub manifests: Vec<Descriptor>,
}

/// Either of the two documents a name can lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image or artifact.
    Manifest(Box<Manifest>),
    /// Several.
    Index(Index),
}

/// The parts of an image configuration that identify its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What it runs on.
    pub platform: Platform,
    /// Digests of the unpacked layers, lowest first.
    pub diff_ids: Vec<Digest>,
}

/// Parses a manifest or index and says which it is.
///
/// `expected` is the media type by which the document was announced: the `Content-Type` of a registry, or the descriptor that named
/// it. It must be one of the four accepted ones and agree with the document's own `mediaType`, if that is present.
///
/// # Errors
/// See each variant of [`Malformed`].
pub fn parse_document(
    bytes: &[u8],
    expected: Option<&str>,
) -> Result<(Document, String), Malformed> {
    if let Some(expected) = expected {
        refuse_media_type(expected)?;
    }
    let object = parse_object(bytes)?;
    let media_type = document_type(&object, expected)?;
    let document = if is_index(&media_type) {
        Document::Index(parse_index(&object)?)
    } else {
        Document::Manifest(Box::new(parse_manifest(&object)?))
    };
    Ok((document, media_type))
}

fn refuse_media_type(media_type: &str) -> Result<(), Malformed> {
    if SCHEMA1.contains(&media_type) {
        return Err(Malformed::Schema1);
    }
    if !is_document(media_type) {
        return Err(Malformed::UnknownMediaType { found: crate::printable(media_type) });
    }
    Ok(())
}

const DOCUMENT_FIELDS: [&str; 12] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "signatures",
    "history",
    "blobs",
];

/// The one media type all statements about the document agree on.
fn document_type(object: &Object, expected: Option<&str>) -> Result<String, Malformed> {
    object.refuse_variants(&DOCUMENT_FIELDS)?;
    let fields = Fields::root(object);
    if object.contains("fsLayers") || object.contains("signatures") {
        return Err(Malformed::Schema1);
    }
    match fields.unsigned("schemaVersion")? {
        2 => {}
        1 => return Err(Malformed::Schema1),
        found => return Err(Malformed::SchemaVersion { found }),
    }
    let has_index_part = object.contains("manifests");
    let has_manifest_part = object.contains("layers") || object.contains("config");
    if has_index_part && has_manifest_part {
        return Err(Malformed::Ambiguous);
    }
    let own = fields.optional_string("mediaType")?;
    if let Some(own) = own {
        refuse_media_type(own)?;
        if let Some(expected) = expected
            && own != expected
        {
            let (announced, own) = (expected.to_owned(), own.to_owned());
            return Err(Malformed::MediaTypeDiffers { announced, own });
        }
    }
    let media_type = match (own, expected) {
        (Some(stated), _) | (None, Some(stated)) => stated,
        (None, None) if has_index_part => OCI_INDEX,
        (None, None) => OCI_MANIFEST,
    };
    // Docker's two types require the field (schema2.md); without it the bytes mean something else to an OCI parser.
    if own.is_none() && matches!(media_type, DOCKER_MANIFEST | DOCKER_LIST) {
        return Err(Malformed::Missing { field: "mediaType".to_owned() });
    }
    if is_index(media_type) == has_manifest_part && (has_manifest_part || has_index_part) {
        let shape = if has_index_part { "an index" } else { "a manifest" };
        return Err(Malformed::Shape { media_type: media_type.to_owned(), shape });
    }
    Ok(media_type.to_owned())
}

fn parse_manifest(object: &Object) -> Result<Manifest, Malformed> {
    let fields = Fields::root(object);
    let config = fields.descriptor("config")?;
    let layers = fields.array("layers")?;
    if layers.len() > MAX_LAYERS {
        return Err(Malformed::TooManyLayers { found: layers.len(), limit: MAX_LAYERS });
    }
    let layers = fields.descriptors("layers", layers)?;
    check_common(&fields)?;
    let subject = fields.optional_descriptor("subject")?;
    Ok(Manifest { config, layers, subject })
}

fn parse_index(object: &Object) -> Result<Index, Malformed> {
    let fields = Fields::root(object);
    let manifests = fields.array("manifests")?;
    if manifests.len() > MAX_CHILDREN {
        return Err(Malformed::TooManyChildren { found: manifests.len(), limit: MAX_CHILDREN });
    }
    let manifests = fields.descriptors("manifests", manifests)?;
    check_common(&fields)?;
    fields.optional_descriptor("subject")?;
    Ok(Index { manifests })
}

fn check_common(fields: &Fields<'_>) -> Result<(), Malformed> {
    fields.optional_string("artifactType")?;
    fields.annotations("annotations")?;
    Ok(())
}

const CONFIG_FIELDS: [&str; 9] = [
    "architecture",
    "os",
    "variant",
    "os.version",
    "os.features",
    "rootfs",
    "history",
    "created",
    "config",
];

/// Parses an image configuration (config.md).
///
/// # Errors
/// See [`Malformed`]; `rootfs.type` other than `layers` is `WrongType`.
pub fn parse_config(bytes: &[u8]) -> Result<Config, Malformed> {
    let object = parse_object(bytes)?;
    object.refuse_variants(&CONFIG_FIELDS)?;
    let fields = Fields::root(&object);
    let platform = Platform {
        os: fields.text("os")?.to_owned(),
        architecture: fields.text("architecture")?.to_owned(),
        variant: fields.optional_string("variant")?.map(str::to_owned),
        os_version: fields.optional_string("os.version")?.map(str::to_owned),
    };
    fields.optional_string("created")?;
    fields.optional_object("config")?;
    fields.strings("os.features")?;
    check_history(&fields)?;
    let rootfs = fields.object("rootfs")?;
    rootfs.refuse_variants(&["type", "diff_ids"])?;
    let rootfs = fields.inside("rootfs", rootfs);
    if rootfs.string("type")? != "layers" {
        let field = "rootfs.type".to_owned();
        return Err(Malformed::WrongType { field, expected: "the string `layers`" });
    }
    let diff_ids = rootfs.array("diff_ids")?;
    if diff_ids.len() > MAX_LAYERS {
        return Err(Malformed::TooManyLayers { found: diff_ids.len(), limit: MAX_LAYERS });
    }
    let diff_ids = rootfs.digests("diff_ids", diff_ids)?;
    Ok(Config { platform, diff_ids })
}

fn check_history(fields: &Fields<'_>) -> Result<(), Malformed> {
    for (index, entry) in fields.optional_array("history")?.iter().enumerate() {
        if !matches!(entry, crate::json::Value::Object(_)) {
            let field = format!("history[{index}]");
            return Err(Malformed::WrongType { field, expected: "an object" });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
