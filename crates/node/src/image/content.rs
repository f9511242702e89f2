//! What an image consists of, in the ledger's words and back.

use hanse_image::{Description, Digest, Expected, ExpectedPlatform};
use hanse_types::{Descriptor, ImageContent, Platform, PlatformImage, limits};

use crate::exit::{Exit, Failure};

/// The record of a described image.
///
/// # Errors
/// [`Exit::Malformed`] when it has nothing that runs, or more of something than the ledger records.
pub(crate) fn record(description: &Description) -> Result<ImageContent, Failure> {
    let platforms: Vec<PlatformImage> = description
        .platforms
        .iter()
        .map(|image| PlatformImage {
            platform: Platform {
                os: image.platform.os.clone(),
                architecture: image.platform.architecture.clone(),
                variant: image.platform.variant.clone().unwrap_or_default(),
            },
            manifest: descriptor(&image.manifest),
            config: descriptor(&image.config),
            diff_ids: image.diff_ids.iter().map(ToString::to_string).collect(),
            layers: image.layers.iter().map(descriptor).collect(),
        })
        .collect();
    let others = description.attestations.iter().chain(&description.artifacts);
    let attestations: Vec<Descriptor> = others.map(|part| descriptor(&part.manifest)).collect();
    let limits = [
        ("platforms", platforms.len(), limits::PLATFORMS_MAX),
        ("attestations", attestations.len(), limits::ATTESTATIONS_MAX),
        ("layers", platforms.iter().map(|p| p.layers.len()).max().unwrap_or(0), limits::LAYERS_MAX),
    ];
    if let Some((what, n, most)) = limits.into_iter().find(|(_, n, most)| n > most) {
        let what = format!("the image has {n} {what}, the ledger records at most {most}");
        return Err(Failure::new(Exit::Malformed, what));
    }
    if platforms.is_empty() {
        return Err(Failure::new(Exit::Malformed, "there is nothing that runs in it"));
    }
    Ok(ImageContent { root: descriptor(&description.root), platforms, attestations })
}

fn descriptor(from: &hanse_image::Descriptor) -> Descriptor {
    Descriptor {
        digest: from.digest.to_string(),
        size: from.size,
        media_type: from.media_type.clone(),
    }
}

/// What a place has to hold, by the record. `root` is the digest asked about: that of the release, or of one platform of it.
///
/// # Errors
/// [`Exit::Malformed`] when the record holds a text that is no digest, which its check forbids.
pub(crate) fn expected(content: &ImageContent, root: &str) -> Result<Expected, Failure> {
    let whole = content.root.digest == root;
    let wanted = content.platforms.iter().filter(|p| whole || p.manifest.digest == root);
    let platforms = wanted.map(|platform| {
        Ok(ExpectedPlatform {
            config: digest(&platform.config.digest)?,
            diff_ids: platform.diff_ids.iter().map(|d| digest(d)).collect::<Result<_, _>>()?,
        })
    });
    Ok(Expected { root: digest(root)?, platforms: platforms.collect::<Result<_, Failure>>()? })
}

/// A recorded digest.
///
/// # Errors
/// [`Exit::Malformed`] when it is none.
pub(crate) fn digest(text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|error: hanse_image::digest::DigestError| {
        Failure::new(Exit::Malformed, "the record holds a malformed digest").caused_by(error)
    })
}
