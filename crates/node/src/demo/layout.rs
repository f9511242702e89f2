//! Small images, made by hand: an OCI image layout with one layer of one file.
//!
//! Also used by the tests of the binary, which include this file.

use std::{fs, io, path::Path};

use hanse_crypto::sha256;
use serde_json::{Value, json};

/// Media types of the OCI image specification.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A made image: everything an operator needs to put it somewhere.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) manifest: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) layer: Vec<u8>,
}

impl Made {
    /// An image whose one file holds `text`.
    pub(super) fn new(text: &str) -> Self {
        Self::of("amd64", text)
    }

    /// The same for another processor.
    pub(super) fn of(architecture: &str, text: &str) -> Self {
        let layer = tar(text);
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": { "Cmd": ["/hello.txt"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config), "layers": [descriptor(LAYER, &layer)],
        });
        Self { manifest: manifest.to_string().into_bytes(), config, layer }
    }

    /// What a tag of it leads to.
    pub(super) fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Writes it as an image layout whose image is called `tag`.
    ///
    /// # Errors
    /// When files cannot be written.
    pub(super) fn write(&self, dir: &Path, tag: &str) -> io::Result<()> {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        for bytes in [&self.manifest, &self.config, &self.layer] {
            fs::write(blobs.join(sha256(bytes).to_string()), bytes)?;
        }
        let mut root = descriptor(MANIFEST, &self.manifest);
        root["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let index = json!({ "schemaVersion": 2, "manifests": [root] });
        fs::write(dir.join("index.json"), index.to_string())?;
        fs::write(dir.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())
    }

    /// Media type of the manifest.
    pub(super) fn media_type() -> &'static str {
        MANIFEST
    }
}

/// The digest of a blob.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// What refers to a blob.
pub(super) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// A tar archive (POSIX.1-1988 ustar) of one file.
fn tar(text: &str) -> Vec<u8> {
    let mut header = [0u8; 512];
    let mut field = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    field(0, b"hello.txt");
    field(100, b"0000644\0");
    field(108, b"0000000\0");
    field(116, b"0000000\0");
    field(124, format!("{:011o}\0", text.len()).as_bytes());
    field(136, b"00000000000\0");
    field(148, b"        ");
    field(156, b"0");
    field(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(text.as_bytes());
    // Files fill whole blocks; two empty ones end the archive.
    archive.resize(archive.len().next_multiple_of(512) + 1_024, 0);
    archive
}
