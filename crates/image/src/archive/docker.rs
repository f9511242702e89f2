//! docker-archive: `manifest.json` naming a configuration and layers. It has no manifest digest of its own.
//!
//! We give it the one that Docker 25 and later give the same image on `docker save`: an OCI manifest over the configuration as it is and
//! the layers as they are, in the field order of the spec. The digest is thus a function of the image's content alone.

use std::collections::BTreeMap;

use oci_spec::image::{DescriptorBuilder, ImageManifestBuilder, MediaType};

use super::Store;
use super::layout::NEW_BLOBS;
use crate::digest::{Digest, Hasher};
use crate::error::ImageError;
use crate::json::{Object, Value, parse};
use crate::limits::{MAX_LAYERS, READ_BUFFER_BYTES};
use crate::manifest::{Descriptor, Malformed, OCI_MANIFEST, parse_config};
use crate::printable;
use crate::reference::RegistryName;
use crate::source::{Blob, Resolved};
use crate::unpack::{Packing, sniff};

pub(crate) struct DockerArchive {
    store: Store,
    place: String,
    manifest: Resolved,
    /// Blob digest to file name.
    names: BTreeMap<Digest, String>,
}

struct Listed {
    config: String,
    layers: Vec<String>,
}

impl DockerArchive {
    /// # Errors
    /// `NotFound` without `manifest.json` or without the named image, `Malformed` if the archive holds several and none is named, or if
    /// configuration and layers do not fit each other.
    pub(crate) fn open(
        store: Store,
        place: String,
        name: Option<&RegistryName>,
    ) -> Result<Self, ImageError> {
        let absent =
            |what: &str| ImageError::NotFound { what: printable(what), place: place.clone() };
        let listed = store.document("manifest.json")?.ok_or_else(|| absent("manifest.json"))?;
        let listed = choose(&listed, &place, name)?;
        let bytes = store.document(&listed.config)?.ok_or_else(|| absent(&listed.config))?;
        let what = format!("configuration in {place}");
        let config = parse_config(&bytes).map_err(ImageError::malformed(&what))?;
        if config.diff_ids.len() != listed.layers.len() {
            let (layers, diff_ids) = (listed.layers.len(), config.diff_ids.len());
            return Err(ImageError::malformed(what)(Malformed::DiffIds { layers, diff_ids }));
        }
        let mut names = BTreeMap::new();
        let config_digest = Digest::of(NEW_BLOBS, &bytes);
        names.insert(config_digest.clone(), listed.config.clone());
        let config_media = MediaType::ImageConfig;
        let config_part = part(config_media, &config_digest, bytes.len() as u64)?;
        let mut layers = Vec::with_capacity(listed.layers.len());
        for (name, diff_id) in listed.layers.iter().zip(&config.diff_ids) {
            let blob = store.open(name)?.ok_or_else(|| absent(name))?;
            let (media, digest, size) = identify(blob, diff_id)?;
            names.insert(digest.clone(), name.clone());
            layers.push(part(media, &digest, size)?);
        }
        let manifest = synthesise(config_part, layers)?;
        Ok(Self { store, place, manifest, names })
    }

    pub(crate) fn resolve(&self) -> Resolved {
        self.manifest.clone()
    }

    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Resolved, ImageError> {
        if descriptor.digest == self.manifest.digest {
            return Ok(self.manifest.clone());
        }
        let name = self.name(&descriptor.digest)?;
        let bytes = self.store.document(name)?.ok_or_else(|| self.absent(&descriptor.digest))?;
        let found = Digest::of(descriptor.digest.algorithm(), &bytes);
        Resolved::checked(descriptor, bytes, found, &self.place)
    }

    pub(crate) fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ImageError> {
        let blob = self.store.open(self.name(&descriptor.digest)?)?;
        blob.ok_or_else(|| self.absent(&descriptor.digest))
    }

    fn name(&self, digest: &Digest) -> Result<&str, ImageError> {
        self.names.get(digest).map(String::as_str).ok_or_else(|| self.absent(digest))
    }

    fn absent(&self, digest: &Digest) -> ImageError {
        ImageError::NotFound { what: digest.to_string(), place: self.place.clone() }
    }
}

/// Digest and media type of a layer file. An unpacked one needs no reading: it must have its diff ID, and hashing will tell.
fn identify(blob: Blob, diff_id: &Digest) -> Result<(MediaType, Digest, u64), ImageError> {
    let (packing, digest, size) = match blob {
        Blob::Passed(file) => (file.packing, file.digest, file.size),
        Blob::File { file, path, offset, size } => {
            let mut buffer = vec![0; READ_BUFFER_BYTES];
            let mut hasher = Hasher::new(NEW_BLOBS);
            let mut packing = Packing::Plain;
            let mut at = 0;
            while at < size {
                let want = usize::try_from(size - at).unwrap_or(usize::MAX).min(buffer.len());
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut buffer[..want], offset + at)
                    .map_err(ImageError::file(&path, "read"))?;
                if at == 0 {
                    packing = sniff(&buffer[..want]);
                    if packing == Packing::Plain {
                        return Ok((MediaType::ImageLayer, diff_id.clone(), size));
                    }
                }
                hasher.update(&buffer[..want]);
                at += want as u64;
            }
            (packing, hasher.finish(), size)
        }
        Blob::Stream(_) => {
            return Err(ImageError::Environment(
                "an archive cannot be read from a stream".to_owned(),
            ));
        }
    };
    let media = match packing {
        Packing::Gzip => MediaType::ImageLayerGzip,
        Packing::Zstd => MediaType::ImageLayerZstd,
        _ => MediaType::ImageLayer,
    };
    Ok((media, digest, size))
}

fn part(
    media_type: MediaType,
    digest: &Digest,
    size: u64,
) -> Result<oci_spec::image::Descriptor, ImageError> {
    let unusable = |why: String| ImageError::container("the docker-archive", why);
    let digest: oci_spec::image::Digest = digest
        .to_string()
        .parse()
        .map_err(|error: oci_spec::OciSpecError| unusable(error.to_string()))?;
    DescriptorBuilder::default()
        .media_type(media_type)
        .digest(digest)
        .size(size)
        .build()
        .map_err(|error| unusable(error.to_string()))
}

fn synthesise(
    config: oci_spec::image::Descriptor,
    layers: Vec<oci_spec::image::Descriptor>,
) -> Result<Resolved, ImageError> {
    let unusable = |why: String| ImageError::container("the docker-archive", why);
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(layers)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    let bytes = serde_json::to_vec(&manifest).map_err(|error| unusable(error.to_string()))?;
    let digest = Digest::of(NEW_BLOBS, &bytes);
    Ok(Resolved { digest, media_type: OCI_MANIFEST.to_owned(), bytes })
}

fn choose(bytes: &[u8], place: &str, name: Option<&RegistryName>) -> Result<Listed, ImageError> {
    let what = format!("manifest.json of {place}");
    let broken = |why: &str| ImageError::container(&what, why);
    let Value::Array(images) = parse(bytes).map_err(ImageError::malformed(&what))? else {
        return Err(broken("it is not a list"));
    };
    let mut found = Vec::new();
    for image in &images {
        let Value::Object(image) = image else {
            return Err(broken("an image is not an object"));
        };
        image
            .refuse_variants(&["Config", "RepoTags", "Layers"])
            .map_err(ImageError::malformed(&what))?;
        let tags =
            texts(image, "RepoTags").ok_or_else(|| broken("RepoTags is not a list of names"))?;
        let wanted = match name {
            None => true,
            Some(name) => {
                tags.iter().any(|tag| tag.parse().is_ok_and(|tag: RegistryName| tag == *name))
            }
        };
        if wanted {
            found.push(image);
        }
    }
    let image = match found.as_slice() {
        [image] => image,
        [] => {
            let what = name.map_or_else(|| "an image".to_owned(), ToString::to_string);
            return Err(ImageError::NotFound { what, place: place.to_owned() });
        }
        _ => return Err(broken("it holds several images, so name one")),
    };
    let Some(Value::String(config)) = image.get("Config") else {
        return Err(broken("Config is missing"));
    };
    let layers = texts(image, "Layers").ok_or_else(|| broken("Layers is not a list of names"))?;
    if layers.len() > MAX_LAYERS {
        let (found, limit) = (layers.len(), MAX_LAYERS);
        return Err(ImageError::malformed(what)(Malformed::TooManyLayers { found, limit }));
    }
    Ok(Listed { config: config.clone(), layers })
}

/// A list of strings; absent and null count as empty.
fn texts(object: &Object, field: &str) -> Option<Vec<String>> {
    match object.get(field) {
        None => Some(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
        Some(_) => None,
    }
}
