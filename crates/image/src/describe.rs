//! What an image consists of, and whether it is the one recorded.

mod walk;

use std::sync::Arc;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::hashing::{HashOnly, Job, Jobs, Keep, Level, Meter, Progress, run};
use crate::limits::DEFAULT_MAX_UNPACKED;
use crate::manifest::{Descriptor, Malformed, Platform};
use crate::source::{Resolved, Source};
use crate::unpack::packing;
use walk::walk;

/// One image that can run: a platform's manifest with its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformImage {
    /// From the index if it says, else from the configuration.
    pub platform: Platform,
    /// The platform's manifest: what a node reports as the image it runs.
    pub manifest: Descriptor,
    /// Its configuration; the digest is the classic image ID and survives recompression.
    pub config: Descriptor,
    /// Digests of the unpacked layers, lowest first.
    pub diff_ids: Vec<Digest>,
    /// The layers as stored, lowest first.
    pub layers: Vec<Descriptor>,
}

/// A manifest that is not an image: an attestation or another artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its manifest, with the annotations that say what it is about.
    pub manifest: Descriptor,
    /// Its configuration, often empty.
    pub config: Descriptor,
    /// Its blobs.
    pub blobs: Vec<Descriptor>,
}

/// All of an image: every platform and attestation, read and checked by digest down to configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What the name leads to: a manifest or an index.
    pub root: Descriptor,
    /// The bytes of the root.
    pub root_bytes: Vec<u8>,
    /// Indexes below the root; nearly always empty.
    pub indexes: Vec<Descriptor>,
    /// In the order of the index.
    pub platforms: Vec<PlatformImage>,
    /// Attestations (BuildKit's annotation `vnd.docker.reference.type`), in the order of the index.
    pub attestations: Vec<Attached>,
    /// Other artifacts, such as a chart; in the order of the index.
    pub artifacts: Vec<Attached>,
    /// Children a local engine does not keep. Empty for every other source.
    pub absent: Vec<Descriptor>,
}

impl Description {
    /// Bytes of all documents and blobs, each counted once.
    ///
    /// # Errors
    /// `Malformed` if one digest is given two sizes.
    pub fn total_bytes(&self) -> Result<u64, ImageError> {
        Ok(jobs(self, Level::L3)?.bytes() + self.documents().map(|part| part.size).sum::<u64>())
    }

    /// Root, indexes and manifests.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.root).chain(&self.indexes).chain(self.children())
    }

    /// Manifests of all kinds, unless the root is the only one.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Descriptor> {
        let platforms = self.platforms.iter().map(|image| &image.manifest);
        let attached = self.attestations.iter().chain(&self.artifacts).map(|part| &part.manifest);
        platforms.chain(attached).filter(|manifest| manifest.digest != self.root.digest)
    }
}

/// What was recorded of an image. The root alone suffices: everything hangs off it. The platforms let an image be recognised in a
/// place that repacks it, such as an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Digest of manifest or index.
    pub root: Digest,
    /// Content of each platform.
    pub platforms: Vec<ExpectedPlatform>,
}

/// What identifies one platform's content however it is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedPlatform {
    /// Digest of the configuration.
    pub config: Digest,
    /// Digests of the unpacked layers.
    pub diff_ids: Vec<Digest>,
}

impl Expected {
    /// Only the root is known.
    #[must_use]
    pub fn root(root: Digest) -> Self {
        Self { root, platforms: Vec::new() }
    }
}

impl From<&Description> for Expected {
    fn from(description: &Description) -> Self {
        let platform = |image: &PlatformImage| ExpectedPlatform {
            config: image.config.digest.clone(),
            diff_ids: image.diff_ids.clone(),
        };
        Self {
            root: description.root.digest.clone(),
            platforms: description.platforms.iter().map(platform).collect(),
        }
    }
}

/// How to check.
#[derive(Clone)]
pub struct CheckOptions {
    /// How deep.
    pub level: Level,
    /// Unpacked bytes allowed for all layers together, at L4.
    pub max_unpacked: u64,
    /// Who is told of progress.
    pub progress: Arc<dyn Progress>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            level: Level::L3,
            max_unpacked: DEFAULT_MAX_UNPACKED,
            progress: Arc::new(crate::hashing::Silent),
        }
    }
}

/// The image is the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How deep it was checked: at least the level asked for. An image recognised by content is always checked to L4.
    pub level: Level,
    /// Digest of what the place holds. Differs from the recorded one exactly if `repacked`.
    pub found: Digest,
    /// The place holds the recorded configuration and layers under another manifest.
    pub repacked: bool,
    /// Bytes hashed: documents and, from L3 on, blobs, each once.
    pub bytes_hashed: u64,
    /// Children of the index that a local engine does not keep and that were therefore not checked.
    pub absent: Vec<Descriptor>,
}

/// Reads every platform and attestation of an image.
///
/// # Errors
/// Any of [`ImageError`]; a missing child is `NotFound` except in a local engine.
pub async fn describe(source: &Source) -> Result<Description, ImageError> {
    let root = source.resolve().await?;
    walk(source, root).await
}

/// Checks that `source` holds the recorded image, to the level asked for.
///
/// # Errors
/// `NotFound`, `Differs`, `Size` and `Other` (content differs), `Malformed` and `TooLarge`, `Unreachable`, `Stalled`, `Answer` and
/// `Redirect` (nothing decided), `Unauthorized`.
pub async fn check(
    source: &Arc<Source>,
    expected: &Expected,
    options: &CheckOptions,
) -> Result<Checked, ImageError> {
    let root = source.resolve().await?;
    let repacked = root.digest != expected.root;
    let recognisable = source.repacks() && !expected.platforms.is_empty();
    if repacked && !recognisable {
        let what = format!("the image at {}", source.shown());
        return Err(ImageError::Differs {
            what,
            expected: expected.root.clone(),
            found: root.digest,
        });
    }
    let meter = Meter::new(Arc::clone(&options.progress));
    if options.level == Level::L1 && !repacked {
        let bytes_hashed = root.bytes.len() as u64;
        let (found, absent) = (root.digest, Vec::new());
        return Ok(Checked { level: Level::L1, found, repacked, bytes_hashed, absent });
    }
    let found = root.digest.clone();
    let description = walk(source, root).await?;
    if repacked {
        recognise(source, &description, expected)?;
    }
    let level = if repacked { Level::L4 } else { options.level };
    let documents = documents_bytes(&description);
    let hashed =
        hash(source, &description, level, options.max_unpacked, &meter, Arc::new(HashOnly));
    let bytes_hashed = hashed.await? + documents;
    Ok(Checked { level, found, repacked, bytes_hashed, absent: description.absent })
}

/// Documents and, below L3, configurations: what walking alone has hashed.
fn documents_bytes(description: &Description) -> u64 {
    description.documents().map(|part| part.size).sum()
}

/// Hashes the blobs of a description as far as the level demands.
pub(crate) async fn hash(
    source: &Arc<Source>,
    description: &Description,
    level: Level,
    max_unpacked: u64,
    meter: &Arc<Meter>,
    keep: Arc<dyn Keep>,
) -> Result<u64, ImageError> {
    if level < Level::L3 {
        return Ok(description.platforms.iter().map(|image| image.config.size).sum());
    }
    let jobs = jobs(description, level)?;
    meter.expect(jobs.bytes());
    let hashed = run(source, jobs, max_unpacked, meter, keep).await?;
    meter.report();
    Ok(hashed)
}

/// Every distinct blob of an image.
fn jobs(description: &Description, level: Level) -> Result<Jobs, ImageError> {
    let mut jobs = Jobs::default();
    for image in &description.platforms {
        jobs.add(Job { descriptor: image.config.clone(), unpack: None })?;
        for (layer, diff_id) in image.layers.iter().zip(&image.diff_ids) {
            let unpack = match level {
                Level::L4 => Some((layer_packing(layer)?, diff_id.clone())),
                _ => None,
            };
            jobs.add(Job { descriptor: layer.clone(), unpack })?;
        }
    }
    for part in description.attestations.iter().chain(&description.artifacts) {
        for blob in std::iter::once(&part.config).chain(&part.blobs) {
            jobs.add(Job { descriptor: blob.clone(), unpack: None })?;
        }
    }
    Ok(jobs)
}

fn layer_packing(layer: &Descriptor) -> Result<crate::unpack::Packing, ImageError> {
    let refuse = |why: String| {
        let digest = layer.digest.clone();
        let cause = Malformed::Compression { digest, why };
        ImageError::Malformed { what: "the image at level L4".to_owned(), cause }
    };
    match packing(&layer.media_type) {
        Ok(crate::unpack::Packing::Opaque) => {
            Err(refuse(format!("its media type {} is not a layer's", layer.media_type)))
        }
        Ok(packing) => Ok(packing),
        Err(why) => Err(refuse(why)),
    }
}

/// The place holds other manifests than recorded: every image in it must have the configuration and layers of a recorded platform.
fn recognise(
    source: &Source,
    description: &Description,
    expected: &Expected,
) -> Result<(), ImageError> {
    let other = |why: String| ImageError::Other { place: source.shown().to_owned(), why };
    if description.platforms.is_empty() {
        return Err(other("it holds no image of any platform".to_owned()));
    }
    if let Some(part) = description.artifacts.first() {
        return Err(other(format!("the manifest {} is not recorded", part.manifest.digest)));
    }
    for image in &description.platforms {
        let known = expected.platforms.iter().any(|platform| {
            platform.config == image.config.digest && platform.diff_ids == image.diff_ids
        });
        if !known {
            let config = &image.config.digest;
            return Err(other(format!(
                "configuration {config} ({}) is not recorded",
                image.platform
            )));
        }
    }
    Ok(())
}

/// Reads an image by a root that is already known.
pub(crate) async fn describe_from(
    source: &Source,
    root: Resolved,
) -> Result<Description, ImageError> {
    walk(source, root).await
}

#[cfg(test)]
mod tests;
