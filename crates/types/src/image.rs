//! Images as the ledger records them, in OCI's words.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::Digest;

use crate::{Height, Role, TimeMs};

/// An OCI content descriptor (image-spec `descriptor.md`), without annotations.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Descriptor {
    /// `sha256:…` or `sha512:…`, lower-case hex.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// OCI or Docker media type.
    pub media_type: String,
}

/// An OCI platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Platform {
    /// `linux`, …
    pub os: String,
    /// `amd64`, …
    pub architecture: String,
    /// `v8`, … or empty.
    pub variant: String,
}

/// Everything one release means: the root, each platform, each attestation.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ImageContent {
    /// What the tag points to: an index or a manifest.
    pub root: Descriptor,
    /// One entry per runnable manifest; exactly one, equal to `root`, for a single image.
    pub platforms: Vec<PlatformImage>,
    /// Other manifests of the index (BuildKit attestations).
    pub attestations: Vec<Descriptor>,
}

/// One runnable manifest with its digest chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PlatformImage {
    /// From the index or the config.
    pub platform: Platform,
    /// The manifest.
    pub manifest: Descriptor,
    /// Its config: constant under recompression.
    pub config: Descriptor,
    /// Digests of the uncompressed layers.
    pub diff_ids: Vec<String>,
    /// Its layers as stored.
    pub layers: Vec<Descriptor>,
}

/// Standing of a release.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ReleaseState {
    /// Good.
    Active,
    /// Do not start new ones.
    Yanked {
        /// Why.
        reason: String,
        /// Since when.
        height: Height,
    },
    /// Stop running it.
    Revoked {
        /// Why.
        reason: String,
        /// Since when.
        height: Height,
    },
}

/// One entry of a tag's monotone sequence.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Release {
    /// 1, 2, 3…
    pub seq: u64,
    /// What was released.
    pub content: ImageContent,
    /// Account that signed it.
    pub account: Digest,
    /// That account's organisation.
    pub organisation: String,
    /// The role it acted in.
    pub role: Role,
    /// Block that recorded it.
    pub height: Height,
    /// That block's time.
    pub time_ms: TimeMs,
    /// True when it goes back to earlier content.
    pub rollback: bool,
    /// Free text.
    pub reason: String,
    /// Standing.
    pub state: ReleaseState,
}

/// A tag: where its sequence stands. Carries its newest release whole, so that one proof answers "what is it now".
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tag {
    /// `registry/path`.
    pub repo: String,
    /// Tag.
    pub tag: String,
    /// The newest release.
    pub current: Release,
}

/// An account's role in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct NamespaceMember {
    /// The account.
    pub account: Digest,
    /// What it may do here.
    pub role: Role,
}

/// Who owns the names under a prefix.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Namespace {
    /// `host/path`.
    pub prefix: String,
    /// Owner.
    pub organisation: String,
    /// Further accounts that may act; the owner's admins always may.
    pub members: Vec<NamespaceMember>,
    /// Grows with every change.
    pub version: u64,
}
