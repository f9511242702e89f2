//! From the root down to every configuration, each document by its digest.

use futures::StreamExt as _;

use super::{Attached, Description, PlatformImage};
use crate::error::{ImageError, Kind};
use crate::limits::{
    MAX_CHILDREN, MAX_INDEX_DEPTH, MAX_TOTAL_DOCUMENT_BYTES, MAX_TOTAL_LAYERS, NETWORK_WORKERS,
};
use crate::manifest::{
    Descriptor, Document, Malformed, Manifest, is_document, parse_config, parse_document,
};
use crate::source::{Resolved, Source};

/// What one manifest turned out to be.
enum Found {
    Image(PlatformImage),
    Attached(Attached),
    Absent(Descriptor),
}

/// # Errors
/// As for [`super::describe`].
pub(super) async fn walk(source: &Source, root: Resolved) -> Result<Description, ImageError> {
    let descriptor = root.descriptor();
    let mut description = Description {
        root: descriptor.clone(),
        root_bytes: Vec::new(),
        indexes: Vec::new(),
        platforms: Vec::new(),
        attestations: Vec::new(),
        artifacts: Vec::new(),
        absent: Vec::new(),
    };
    let document = parse(source, &root)?;
    description.root_bytes = root.bytes;
    match document {
        Document::Manifest(manifest) => {
            description.take(read_manifest(source, &descriptor, *manifest).await?);
        }
        Document::Index(index) => {
            let children = flatten(source, &mut description, index.manifests).await?;
            read_children(source, &mut description, children).await?;
        }
    }
    if source.keeps_some_platforms() && description.platforms.is_empty() {
        let what = "an image of any platform".to_owned();
        return Err(ImageError::NotFound { what, place: source.shown().to_owned() });
    }
    Ok(description)
}

fn parse(source: &Source, resolved: &Resolved) -> Result<Document, ImageError> {
    let what = format!("{} in {}", resolved.digest, source.shown());
    let parsed = parse_document(&resolved.bytes, Some(&resolved.media_type));
    parsed.map(|(document, _)| document).map_err(ImageError::malformed(what))
}

/// Resolves indexes within indexes; what remains are manifests, in order.
async fn flatten(
    source: &Source,
    description: &mut Description,
    manifests: Vec<Descriptor>,
) -> Result<Vec<Descriptor>, ImageError> {
    let what = || format!("the index {}", description.root.digest);
    let root = description.root.digest.clone();
    // Each entry carries the chain of indexes above it, so that a cycle is seen for what it is.
    let mut open: Vec<(Descriptor, Vec<crate::Digest>)> =
        manifests.into_iter().rev().map(|child| (child, vec![root.clone()])).collect();
    let mut children = Vec::new();
    let mut indexes = Vec::new();
    while let Some((child, above)) = open.pop() {
        let refuse = |cause| Err(ImageError::Malformed { what: what(), cause });
        if !is_document(&child.media_type) {
            return refuse(Malformed::UnknownMediaType { found: child.media_type });
        }
        if above.contains(&child.digest) {
            return refuse(Malformed::IndexCycle(child.digest));
        }
        if !crate::manifest::is_index(&child.media_type) {
            children.push(child);
        } else if above.len() >= MAX_INDEX_DEPTH {
            return refuse(Malformed::IndexDepth { limit: MAX_INDEX_DEPTH });
        } else {
            let resolved = source.document(&child).await?;
            let Document::Index(index) = parse(source, &resolved)? else {
                return refuse(Malformed::UnknownMediaType { found: child.media_type });
            };
            let mut above = above;
            above.push(child.digest.clone());
            indexes.push(child);
            open.extend(index.manifests.into_iter().rev().map(|inner| (inner, above.clone())));
        }
        let found = children.len() + indexes.len() + open.len();
        if found > MAX_CHILDREN {
            return refuse(Malformed::TooManyChildren { found, limit: MAX_CHILDREN });
        }
    }
    description.indexes = indexes;
    Ok(children)
}

async fn read_children(
    source: &Source,
    description: &mut Description,
    children: Vec<Descriptor>,
) -> Result<(), ImageError> {
    let reading = futures::stream::iter(children)
        .map(|child| async move { read_child(source, child).await })
        .buffered(NETWORK_WORKERS);
    let mut reading = std::pin::pin!(reading);
    let mut layers = 0;
    // Announced sizes are true: a document of another size is refused.
    let mut bytes = description.documents().map(|part| part.size).sum::<u64>();
    while let Some(found) = reading.next().await {
        let found = found?;
        layers += match &found {
            Found::Image(image) => image.layers.len(),
            Found::Attached(part) => part.blobs.len(),
            Found::Absent(_) => 0,
        };
        bytes += match &found {
            Found::Image(image) => image.manifest.size,
            Found::Attached(part) => part.manifest.size,
            Found::Absent(_) => 0,
        };
        if bytes > MAX_TOTAL_DOCUMENT_BYTES {
            let what = format!("the manifests of the index {}", description.root.digest);
            return Err(ImageError::TooLarge { what, limit: MAX_TOTAL_DOCUMENT_BYTES });
        }
        if layers > MAX_TOTAL_LAYERS {
            let cause = Malformed::TooManyLayers { found: layers, limit: MAX_TOTAL_LAYERS };
            let what = format!("the index {}", description.root.digest);
            return Err(ImageError::Malformed { what, cause });
        }
        description.take(found);
    }
    Ok(())
}

async fn read_child(source: &Source, child: Descriptor) -> Result<Found, ImageError> {
    let resolved = match source.document(&child).await {
        Err(error) if error.kind() == Kind::NotFound && source.keeps_some_platforms() => {
            return Ok(Found::Absent(child));
        }
        resolved => resolved?,
    };
    match parse(source, &resolved)? {
        Document::Manifest(manifest) => read_manifest(source, &child, *manifest).await,
        Document::Index(_) => {
            let what = format!("{} in {}", child.digest, source.shown());
            let cause = Malformed::UnknownMediaType { found: child.media_type };
            Err(ImageError::Malformed { what, cause })
        }
    }
}

async fn read_manifest(
    source: &Source,
    descriptor: &Descriptor,
    manifest: Manifest,
) -> Result<Found, ImageError> {
    let (config, layers) = (manifest.config, manifest.layers);
    if !config_is_image(&config) || descriptor.is_attestation() {
        let manifest = descriptor.clone();
        return Ok(Found::Attached(Attached { manifest, config, blobs: layers }));
    }
    let bytes = match source.small_blob(&config).await {
        // An engine that lists a platform may have its manifest but not its content.
        Err(error) if error.kind() == Kind::NotFound && source.keeps_some_platforms() => {
            return Ok(Found::Absent(descriptor.clone()));
        }
        bytes => bytes?,
    };
    let what = format!("configuration {} in {}", config.digest, source.shown());
    let parsed = parse_config(&bytes).map_err(ImageError::malformed(&what))?;
    if parsed.diff_ids.len() != layers.len() {
        let (layers, diff_ids) = (layers.len(), parsed.diff_ids.len());
        return Err(ImageError::malformed(what)(Malformed::DiffIds { layers, diff_ids }));
    }
    Ok(Found::Image(PlatformImage {
        platform: descriptor.platform.clone().unwrap_or(parsed.platform),
        manifest: descriptor.clone(),
        config,
        diff_ids: parsed.diff_ids,
        layers,
    }))
}

fn config_is_image(config: &Descriptor) -> bool {
    matches!(
        config.media_type.as_str(),
        crate::manifest::OCI_CONFIG | crate::manifest::DOCKER_CONFIG
    )
}

impl Description {
    fn take(&mut self, found: Found) {
        match found {
            Found::Image(image) => self.platforms.push(image),
            Found::Attached(part) if part.manifest.is_attestation() => self.attestations.push(part),
            Found::Attached(part) => self.artifacts.push(part),
            Found::Absent(child) => self.absent.push(child),
        }
    }
}
