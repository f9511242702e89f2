//! Images as recorded, in OCI's words.

use hanse_types::{
    Descriptor, ImageContent, Namespace, PlatformImage, Release, ReleaseState, Role, Tag,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which tag.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TagQuery {
    /// `registry/path`.
    pub(crate) repo: String,
    /// Tag.
    pub(crate) tag: String,
}

/// Which part of a tag's history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// `registry/path`.
    pub(crate) repo: String,
    /// Tag.
    pub(crate) tag: String,
    /// Only releases older than this sequence number: `next` of the page before.
    pub(crate) before: Option<u64>,
    /// Releases on the page, 1 to 1000.
    pub(crate) limit: Option<usize>,
}

/// Which digest.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DigestQuery {
    /// `registry/path`.
    pub(crate) repo: String,
    /// `sha256:…` of an index or a manifest.
    pub(crate) digest: String,
}

/// Which name.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NamespaceQuery {
    /// A repository or a namespace, `host/path`.
    pub(crate) name: String,
}

/// A tag and its newest release.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tag)]
pub(crate) struct TagShown {
    repo: String,
    tag: String,
    current: ReleaseShown,
}

/// One entry of a tag's sequence.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Release)]
pub(crate) struct ReleaseShown {
    /// 1, 2, 3…
    seq: u64,
    content: ContentShown,
    /// Account that signed it, in hex.
    account: String,
    /// That account's organisation.
    organisation: String,
    /// The role it acted in: `admin`, `release`, `ci` or `security`.
    role: &'static str,
    /// Block that recorded it.
    height: u64,
    /// That block's time in milliseconds since 1970.
    time_ms: u64,
    /// The same, RFC 3339.
    time: String,
    /// True when it goes back to earlier content.
    rollback: bool,
    /// Free text of the signer.
    reason: String,
    state: StateShown,
}

/// Everything a release means.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Content)]
pub(crate) struct ContentShown {
    /// What the tag points to.
    root: DescriptorShown,
    platforms: Vec<PlatformShown>,
    attestations: Vec<DescriptorShown>,
}

/// One runnable manifest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Platform)]
pub(crate) struct PlatformShown {
    os: String,
    architecture: String,
    /// Empty when there is none.
    variant: String,
    manifest: DescriptorShown,
    config: DescriptorShown,
    /// Digests of the uncompressed layers.
    diff_ids: Vec<String>,
    layers: Vec<DescriptorShown>,
}

/// An OCI descriptor.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Descriptor)]
pub(crate) struct DescriptorShown {
    digest: String,
    size: u64,
    media_type: String,
}

/// Standing of a release or a digest.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReleaseState)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum StateShown {
    /// Good.
    Active,
    /// Do not start new ones.
    Yanked {
        /// Why.
        reason: String,
        /// Since when.
        height: u64,
    },
    /// Stop running it.
    Revoked {
        /// Why.
        reason: String,
        /// Since when.
        height: u64,
    },
}

/// A tag's releases, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    pub(crate) repo: String,
    pub(crate) tag: String,
    pub(crate) items: Vec<ReleaseShown>,
    /// Give this as `before` for the next page; null on the last.
    pub(crate) next: Option<u64>,
}

/// A repository with recorded tags.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Repository {
    /// `registry/path`.
    pub(crate) repo: String,
}

/// Where a digest stands and which releases mention it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Digest)]
pub(crate) struct DigestShown {
    pub(crate) repo: String,
    pub(crate) digest: String,
    #[serde(flatten)]
    pub(crate) state: StateShown,
    pub(crate) uses: Vec<Use>,
    /// True when more releases mention it than are listed.
    pub(crate) more: bool,
}

/// A release that mentions a digest.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DigestUse)]
pub(crate) struct Use {
    pub(crate) tag: String,
    pub(crate) seq: u64,
}

/// Who owns the names under a prefix.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Namespace)]
pub(crate) struct NamespaceShown {
    /// `host/path`.
    prefix: String,
    /// Owner.
    organisation: String,
    /// Further accounts that may act; the owner's admins always may.
    members: Vec<MemberShown>,
    /// Grows with every change; a change names the version it saw.
    version: u64,
}

/// An account's role in a namespace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NamespaceMember)]
pub(crate) struct MemberShown {
    /// In hex.
    account: String,
    role: &'static str,
}

/// A role in one word.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Release => "release",
        Role::Ci => "ci",
        Role::Security => "security",
    }
}

impl From<Tag> for TagShown {
    fn from(tag: Tag) -> Self {
        Self { repo: tag.repo, tag: tag.tag, current: tag.current.into() }
    }
}

impl From<Release> for ReleaseShown {
    fn from(release: Release) -> Self {
        Self {
            seq: release.seq,
            content: release.content.into(),
            account: release.account.to_string(),
            organisation: release.organisation,
            role: role(release.role),
            height: release.height,
            time_ms: release.time_ms,
            time: super::time(release.time_ms),
            rollback: release.rollback,
            reason: release.reason,
            state: release.state.into(),
        }
    }
}

impl From<ImageContent> for ContentShown {
    fn from(content: ImageContent) -> Self {
        Self {
            root: content.root.into(),
            platforms: content.platforms.into_iter().map(PlatformShown::from).collect(),
            attestations: content.attestations.into_iter().map(DescriptorShown::from).collect(),
        }
    }
}

impl From<PlatformImage> for PlatformShown {
    fn from(image: PlatformImage) -> Self {
        Self {
            os: image.platform.os,
            architecture: image.platform.architecture,
            variant: image.platform.variant,
            manifest: image.manifest.into(),
            config: image.config.into(),
            diff_ids: image.diff_ids,
            layers: image.layers.into_iter().map(DescriptorShown::from).collect(),
        }
    }
}

impl From<Descriptor> for DescriptorShown {
    fn from(descriptor: Descriptor) -> Self {
        let Descriptor { digest, size, media_type } = descriptor;
        Self { digest, size, media_type }
    }
}

impl From<ReleaseState> for StateShown {
    fn from(state: ReleaseState) -> Self {
        match state {
            ReleaseState::Active => Self::Active,
            ReleaseState::Yanked { reason, height } => Self::Yanked { reason, height },
            ReleaseState::Revoked { reason, height } => Self::Revoked { reason, height },
        }
    }
}

impl From<Namespace> for NamespaceShown {
    fn from(namespace: Namespace) -> Self {
        let members = namespace.members.iter();
        Self {
            members: members
                .map(|m| MemberShown { account: m.account.to_string(), role: role(m.role) })
                .collect(),
            prefix: namespace.prefix,
            organisation: namespace.organisation,
            version: namespace.version,
        }
    }
}
