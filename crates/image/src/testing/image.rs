//! Small images made by hand.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::digest::{Algorithm, Digest};
use crate::manifest::{DOCKER_CONFIG, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};

/// A document with all that hangs off it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    /// Manifests below it: media type and bytes.
    pub(crate) documents: BTreeMap<String, (String, Vec<u8>)>,
    /// Configurations and layers.
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// Digest of configuration, layers and diff IDs, if it is one image.
    pub(crate) config: Option<Digest>,
    pub(crate) layers: Vec<Digest>,
    pub(crate) diff_ids: Vec<Digest>,
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// A tar with these files.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, name, *data).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

/// A layer: how it is stored, its media type, and its unpacked bytes.
pub(crate) fn layer_of(tar: Vec<u8>, kind: &str) -> (Vec<u8>, String, Vec<u8>) {
    let stored = match kind {
        "gzip" => gzip(&tar),
        "zstd" => zstd(&tar),
        _ => tar.clone(),
    };
    let suffix = if kind == "tar" { String::new() } else { format!("+{kind}") };
    (stored, format!("application/vnd.oci.image.layer.v1.tar{suffix}"), tar)
}

/// An image for linux on `architecture` with the given layers.
pub(crate) fn image(architecture: &str, layers: &[(Vec<u8>, String, Vec<u8>)]) -> Made {
    let diff_ids: Vec<Digest> = layers.iter().map(|(_, _, tar)| sha256(tar)).collect();
    let shown: Vec<String> = diff_ids.iter().map(ToString::to_string).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": shown },
    });
    let config = config.to_string().into_bytes();
    let mut blobs = BTreeMap::from([(sha256(&config).to_string(), config.clone())]);
    let mut listed = Vec::new();
    for (stored, media_type, _) in layers {
        let digest = sha256(stored);
        listed.push(part(media_type, &digest, stored.len()));
        blobs.insert(digest.to_string(), stored.clone());
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": part(OCI_CONFIG, &sha256(&config), config.len()),
        "layers": listed,
    });
    let bytes = manifest.to_string().into_bytes();
    Made {
        media_type: OCI_MANIFEST.to_owned(),
        digest: sha256(&bytes),
        bytes,
        documents: BTreeMap::new(),
        blobs,
        config: Some(sha256(&config)),
        layers: layers.iter().map(|(stored, _, _)| sha256(stored)).collect(),
        diff_ids,
    }
}

/// A descriptor.
pub(crate) fn part(media_type: &str, digest: &Digest, size: usize) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

impl Made {
    /// A small image with two gzip layers.
    pub(crate) fn small(architecture: &str) -> Self {
        let base = layer_of(tar_of(&[("etc/os-release", b"NAME=test\n")]), "gzip");
        let own = layer_of(tar_of(&[("app", architecture.as_bytes())]), "gzip");
        image(architecture, &[base, own])
    }

    /// An attestation of BuildKit's kind about `subject`.
    pub(crate) fn attestation(subject: &Digest) -> (Self, Value) {
        let statement = br#"{"_type":"https://in-toto.io/Statement/v1"}"#.to_vec();
        let mut made = image("unknown", &[]);
        let digest = sha256(&statement);
        let mut manifest: Value = serde_json::from_slice(&made.bytes).unwrap();
        manifest["layers"] =
            json!([part("application/vnd.in-toto+json", &digest, statement.len())]);
        made.bytes = manifest.to_string().into_bytes();
        made.digest = sha256(&made.bytes);
        made.blobs.insert(digest.to_string(), statement);
        let mut entry = part(OCI_MANIFEST, &made.digest, made.bytes.len());
        entry["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": subject.to_string(),
        });
        entry["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        (made, entry)
    }

    /// Two platforms and an attestation.
    pub(crate) fn multi() -> Self {
        let (amd, arm) = (Self::small("amd64"), Self::small("arm64"));
        let (attestation, entry) = Self::attestation(&amd.digest);
        let entries = vec![amd.entry("amd64"), arm.entry("arm64"), entry];
        index_of(entries, &[&amd, &arm, &attestation])
    }

    /// The entry of this document in an index.
    pub(crate) fn entry(&self, architecture: &str) -> Value {
        let mut entry = part(&self.media_type, &self.digest, self.bytes.len());
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        entry
    }

    /// The same with the media types of Docker's schema 2.
    pub(crate) fn docker(&self) -> Self {
        let text = String::from_utf8(self.bytes.clone()).unwrap();
        let text = text
            .replace(OCI_MANIFEST, crate::manifest::DOCKER_MANIFEST)
            .replace(OCI_CONFIG, DOCKER_CONFIG)
            .replace(
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            );
        let bytes = text.into_bytes();
        let media_type = crate::manifest::DOCKER_MANIFEST.to_owned();
        Self { digest: sha256(&bytes), bytes, media_type, ..self.clone() }
    }
}

/// An index with the given entries, and everything below them.
pub(crate) fn index_of(entries: Vec<Value>, children: &[&Made]) -> Made {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    let bytes = index.to_string().into_bytes();
    let mut documents = BTreeMap::new();
    let mut blobs = BTreeMap::new();
    for child in children {
        documents.insert(child.digest.to_string(), (child.media_type.clone(), child.bytes.clone()));
        documents.extend(child.documents.clone());
        blobs.extend(child.blobs.clone());
    }
    Made {
        media_type: OCI_INDEX.to_owned(),
        digest: sha256(&bytes),
        bytes,
        documents,
        blobs,
        config: None,
        layers: Vec::new(),
        diff_ids: Vec::new(),
    }
}

/// The files of an OCI layout with this image under `tag`.
pub(crate) fn layout_files(made: &Made, tag: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let path = |digest: &str| format!("blobs/{}", digest.replace(':', "/"));
    let mut root = part(&made.media_type, &made.digest, made.bytes.len());
    if let Some(tag) = tag {
        root["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [root] });
    let mut files = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
        (path(&made.digest.to_string()), made.bytes.clone()),
    ];
    files.extend(made.documents.iter().map(|(digest, (_, bytes))| (path(digest), bytes.clone())));
    files.extend(made.blobs.iter().map(|(digest, bytes)| (path(digest), bytes.clone())));
    files
}

/// Writes an OCI layout directory.
pub(crate) fn layout_of(made: &Made, tag: Option<&str>, dir: &Path) {
    for (name, bytes) in layout_files(made, tag) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
