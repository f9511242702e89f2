//! Names of images: transports, and the reference grammar of the distribution spec.
//!
//! Grammar: github.com/distribution/reference (`reference.go`, `normalize.go`), stricter in three places so that one name has one
//! spelling: upper case is refused everywhere in host and repository, a port is a number without leading zeros, and an IPv6 host
//! is written in its canonical form (RFC 5952).

mod registry_name;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use registry_name::RegistryName;

use crate::digest::{Digest, DigestError};
use crate::printable;

/// Where an image is: one of skopeo's transports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRef {
    /// `docker://NAME`, or a bare `NAME`.
    Registry(RegistryName),
    /// `docker-daemon:NAME`, through the engine's API.
    DockerDaemon(EngineName),
    /// `containers-storage:NAME`, through podman's API or skopeo.
    ContainersStorage(EngineName),
    /// `oci:DIR[:tag]`, an OCI image layout directory.
    OciDir {
        /// The directory.
        dir: PathBuf,
        /// Value of the annotation `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// `oci-archive:F[:tag]`, the same in a tar file.
    OciArchive {
        /// The file.
        file: PathBuf,
        /// Value of the annotation `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// `docker-archive:F[:NAME]`, what `docker save` writes.
    DockerArchive {
        /// The file.
        file: PathBuf,
        /// Which of several images.
        name: Option<RegistryName>,
    },
}

/// How a local engine calls an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineName {
    /// By name.
    Name(RegistryName),
    /// By image ID (`sha256:…`).
    Id(Digest),
}

/// A text is not an image reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// Nothing where a name, path or tag should be.
    #[error("the image reference `{0}` is incomplete")]
    Empty(String),
    /// A transport of other tools that is not read here, or an URL.
    #[error(
        "`{0}` is not a transport of this tool: use docker://, docker-daemon:, containers-storage:, oci:, oci-archive: or docker-archive:"
    )]
    Transport(String),
    /// Host part: not a DNS name, IPv4 address or `[IPv6]` with an optional port 1-65535.
    #[error("`{0}` is not a registry host")]
    Host(String),
    /// Repository part against the grammar.
    #[error(
        "`{0}` is not a repository name: lower-case letters, digits, and single separators . _ __ - between them"
    )]
    Repository(String),
    /// A letter A-Z in host or repository.
    #[error("`{0}` has upper-case letters: write registry and repository in lower case")]
    UpperCase(String),
    /// More than 255 bytes of repository.
    #[error("the repository name has {0} bytes, at most 255 are allowed")]
    TooLong(usize),
    /// 64 hex digits look like an image ID and are refused as a name, as the grammar demands.
    #[error("`{0}` looks like an image ID, not like a name")]
    LooksLikeId(String),
    /// Tag against `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
    #[error("`{0}` is not a tag: letters, digits, _ . - up to 128 characters")]
    Tag(String),
    /// Digest after `@`.
    #[error("the digest of the reference is not usable")]
    Digest(#[source] DigestError),
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name.parse()?));
        }
        let Some((transport, rest)) = text.split_once(':') else {
            return Ok(Self::Registry(text.parse()?));
        };
        match transport {
            "docker-daemon" => Ok(Self::DockerDaemon(rest.parse()?)),
            "containers-storage" => Ok(Self::ContainersStorage(rest.parse()?)),
            "oci" => {
                let (dir, tag) = path_and_tag(text, rest)?;
                Ok(Self::OciDir { dir, tag })
            }
            "oci-archive" => {
                let (file, tag) = path_and_tag(text, rest)?;
                Ok(Self::OciArchive { file, tag })
            }
            "docker-archive" => {
                let (file, name) = path_and_rest(text, rest)?;
                let name = name.map(str::parse).transpose()?;
                Ok(Self::DockerArchive { file, name })
            }
            // No tag and no port starts with a slash: this was meant as a transport or an URL.
            _ if rest.starts_with('/') && transport != "localhost" => {
                Err(ReferenceError::Transport(printable(&format!("{transport}:"))))
            }
            _ => Ok(Self::Registry(text.parse()?)),
        }
    }
}

/// Splits at the first colon, as skopeo does: a path with a colon in it cannot be named.
fn path_and_rest<'t>(
    whole: &str,
    text: &'t str,
) -> Result<(PathBuf, Option<&'t str>), ReferenceError> {
    let (path, rest) = match text.split_once(':') {
        Some((path, rest)) => (path, Some(rest)),
        None => (text, None),
    };
    if path.is_empty() || path.contains('\0') || rest == Some("") {
        return Err(ReferenceError::Empty(printable(whole)));
    }
    Ok((PathBuf::from(path), rest))
}

fn path_and_tag(whole: &str, text: &str) -> Result<(PathBuf, Option<String>), ReferenceError> {
    let (path, tag) = path_and_rest(whole, text)?;
    if let Some(tag) = tag
        && !layout_name_ok(tag)
    {
        return Err(ReferenceError::Tag(printable(tag)));
    }
    Ok((path, tag.map(str::to_owned)))
}

/// `org.opencontainers.image.ref.name` after annotations.md: alphanumerics joined by `-._:@/+` (`--` allowed), at most 255 bytes.
fn layout_name_ok(name: &str) -> bool {
    let bytes = name.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    name.len() <= 255
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._:@/+".contains(byte))
}

impl FromStr for EngineName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty("docker-daemon:".to_owned()));
        }
        if text.starts_with("sha256:") || text.starts_with("sha512:") {
            return text.parse().map(Self::Id).map_err(ReferenceError::Digest);
        }
        text.parse().map(Self::Name)
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(out),
            Self::Id(digest) => digest.fmt(out),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_tag = |out: &mut fmt::Formatter<'_>, tag: &Option<String>| match tag {
            Some(tag) => write!(out, ":{tag}"),
            None => Ok(()),
        };
        match self {
            Self::Registry(name) => write!(out, "docker://{name}"),
            Self::DockerDaemon(name) => write!(out, "docker-daemon:{name}"),
            Self::ContainersStorage(name) => write!(out, "containers-storage:{name}"),
            Self::OciDir { dir, tag } => {
                write!(out, "oci:{}", dir.display())?;
                with_tag(out, tag)
            }
            Self::OciArchive { file, tag } => {
                write!(out, "oci-archive:{}", file.display())?;
                with_tag(out, tag)
            }
            Self::DockerArchive { file, name } => {
                write!(out, "docker-archive:{}", file.display())?;
                with_tag(out, &name.as_ref().map(ToString::to_string))
            }
        }
    }
}

impl ImageRef {
    /// The registry name this reference carries, if its place has one: what `--as` supplies otherwise.
    #[must_use]
    pub fn registry_name(&self) -> Option<&RegistryName> {
        match self {
            Self::Registry(name) => Some(name),
            Self::DockerDaemon(EngineName::Name(name))
            | Self::ContainersStorage(EngineName::Name(name)) => Some(name),
            Self::DockerArchive { name, .. } => name.as_ref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
