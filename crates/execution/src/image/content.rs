//! Which descriptions of an image are sound.

use std::collections::BTreeSet;

use hanse_types::{
    Descriptor, ImageContent,
    limits::{ATTESTATIONS_MAX, LAYERS_MAX, PLATFORMS_MAX},
};

use super::names::is_digest;

/// Bytes of a media type (RFC 6838 section 4.2: two names of at most 127, and the slash).
const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Bytes of os, architecture and variant names.
const PLATFORM_BYTES_MAX: usize = 64;

/// Whether every digest, size and list is within form and limits, and no platform stands twice.
pub(crate) fn is_sound(content: &ImageContent) -> bool {
    let counts = (1..=PLATFORMS_MAX).contains(&content.platforms.len())
        && content.attestations.len() <= ATTESTATIONS_MAX;
    let mut seen = BTreeSet::new();
    let manifests = content.platforms.iter().all(|p| seen.insert(p.manifest.digest.as_str()));
    let platforms = content.platforms.iter().all(|p| {
        let names = [&p.platform.os, &p.platform.architecture, &p.platform.variant];
        names.iter().all(|n| n.len() <= PLATFORM_BYTES_MAX)
            && p.layers.len() <= LAYERS_MAX
            && p.diff_ids.len() <= LAYERS_MAX
            && p.diff_ids.iter().all(|d| is_digest(d))
            && [&p.manifest, &p.config].into_iter().chain(&p.layers).all(is_descriptor)
    });
    let rest = std::iter::once(&content.root).chain(&content.attestations).all(is_descriptor);
    counts && manifests && platforms && rest
}

fn is_descriptor(d: &Descriptor) -> bool {
    is_digest(&d.digest)
        && !d.media_type.is_empty()
        && d.media_type.len() <= MEDIA_TYPE_BYTES_MAX
        && d.size <= i64::MAX as u64
}

/// The digests somebody may ask about: the root and each platform's manifest, none twice.
pub(crate) fn digests(content: &ImageContent) -> impl Iterator<Item = &str> {
    let root = content.root.digest.as_str();
    let platforms = content.platforms.iter().map(|p| p.manifest.digest.as_str());
    std::iter::once(root).chain(platforms.filter(move |d| *d != root))
}
