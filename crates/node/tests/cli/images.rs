//! Images of several platforms, made by hand.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::layout::{Made, descriptor, digest};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// An index of two platforms, with an attestation of BuildKit's kind about the first.
pub(crate) struct Several {
    pub(crate) index: Vec<u8>,
    pub(crate) platforms: [Made; 2],
    pub(crate) attestation: Made,
}

impl Several {
    pub(crate) fn new(text: &str) -> Self {
        let platforms = ["amd64", "arm64"].map(|name| Made::of(name, &format!("{text} {name}\n")));
        let attestation = attestation();
        let mut entries: Vec<Value> = Vec::new();
        for (made, architecture) in platforms.iter().zip(["amd64", "arm64"]) {
            let mut entry = descriptor(Made::media_type(), &made.manifest);
            entry["platform"] = json!({ "os": "linux", "architecture": architecture });
            entries.push(entry);
        }
        let mut entry = descriptor(Made::media_type(), &attestation.manifest);
        entry["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        entry["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": platforms[0].digest(),
        });
        entries.push(entry);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        Self { index: index.to_string().into_bytes(), platforms, attestation }
    }

    /// Digest of the index.
    pub(crate) fn digest(&self) -> String {
        digest(&self.index)
    }

    fn parts(&self) -> impl Iterator<Item = &Made> {
        self.platforms.iter().chain([&self.attestation])
    }

    /// Every manifest, configuration and layer, each once.
    pub(crate) fn blobs(&self) -> Vec<&[u8]> {
        self.parts().flat_map(|made| [&made.manifest[..], &made.config, &made.layer]).collect()
    }

    /// Writes an image layout whose one image is called `app`; the reference to it.
    pub(crate) fn write(&self, dir: &Path) -> String {
        for made in self.parts() {
            made.write(dir, "part").unwrap();
        }
        let name = self.digest().replace("sha256:", "blobs/sha256/");
        fs::write(dir.join(name), &self.index).unwrap();
        let mut root = descriptor(INDEX, &self.index);
        root["annotations"] = json!({ "org.opencontainers.image.ref.name": "app" });
        let index = json!({ "schemaVersion": 2, "manifests": [root] });
        fs::write(dir.join("index.json"), index.to_string()).unwrap();
        format!("oci:{}:app", dir.display())
    }
}

fn attestation() -> Made {
    let statement = br#"{"_type":"https://in-toto.io/Statement/v1","subject":[]}"#.to_vec();
    let config = json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(&statement)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": Made::media_type(),
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor(IN_TOTO, &statement)],
    });
    Made { manifest: manifest.to_string().into_bytes(), config, layer: statement }
}
