//! The canonical name of an image in a registry.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::ReferenceError;
use crate::digest::Digest;
use crate::printable;

/// Longest repository path, bytes (distribution/reference `RepositoryNameTotalLengthMax`).
const MAX_REPOSITORY_BYTES: usize = 255;
/// Longest host with port, bytes: a DNS name has at most 253 (RFC 1035 section 2.3.4), a port 6.
const MAX_HOST_BYTES: usize = 259;
/// Longest tag, bytes (grammar: one character and up to 127 more).
const MAX_TAG_BYTES: usize = 128;
/// The default registry of Docker's tools.
const DOCKER_HUB: &str = "docker.io";
/// Its old name, which means the same.
const DOCKER_HUB_LEGACY: &str = "index.docker.io";

/// `registry/repo[:tag][@digest]` with every default written out. Two names mean the same image place exactly if they are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryName {
    registry: String,
    repo: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl RegistryName {
    /// Host with optional port, lower case, `docker.io` for Docker Hub.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Repository path without the host, `library/` written out for Docker Hub.
    #[must_use]
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// The tag; `latest` if the text had neither tag nor digest, none if it had only a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest after `@`. It decides what is fetched, also beside a tag.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repo`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.repo)
    }

    /// The same place asked for by digest; the tag stays for show.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The same name without its digest, with the tag `latest` if it had none.
    #[must_use]
    pub fn tagged(&self) -> Self {
        let tag = self.tag.clone().or_else(|| Some("latest".to_owned()));
        Self { tag, digest: None, ..self.clone() }
    }

    /// What stands in a manifest URL: the digest if there is one, else the tag.
    #[must_use]
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.registry, self.repo)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for RegistryName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty(String::new()));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(ReferenceError::Digest)?)),
            None => (text, None),
        };
        let (host, rest) = split_host(name);
        // In what is left after the host the first colon can only start a tag.
        let (repo, tag) = match rest.split_once(':') {
            Some((repo, tag)) => (repo, Some(parse_tag(tag)?)),
            None => (rest, None),
        };
        let registry = parse_host(host)?;
        let repo = parse_repository(&registry, repo, host.is_empty())?;
        let tag = match (tag, &digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag,
        };
        Ok(Self { registry, repo, tag, digest })
    }
}

/// The part before the first slash is a host only if it cannot be a path component (distribution/reference `splitDockerDomain`).
fn split_host(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':', '['])
                || first == "localhost"
                || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => ("", name),
    }
}

fn parse_host(host: &str) -> Result<String, ReferenceError> {
    if host.is_empty() || host == DOCKER_HUB_LEGACY {
        return Ok(DOCKER_HUB.to_owned());
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase(printable(host)));
    }
    let wrong = || ReferenceError::Host(printable(host));
    if host.len() > MAX_HOST_BYTES {
        return Err(wrong());
    }
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or_else(wrong)?;
            let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or_else(wrong)?),
            };
            (format!("[{address}]"), port)
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name.to_owned(), Some(port)),
            None => (host.to_owned(), None),
        },
    };
    if !name.starts_with('[') && !dns_name_ok(&name) {
        return Err(wrong());
    }
    match port {
        None => Ok(name),
        Some(port) if port_ok(port) => Ok(format!("{name}:{port}")),
        Some(_) => Err(wrong()),
    }
}

fn port_ok(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit())
        && !port.starts_with('0')
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn dns_name_ok(name: &str) -> bool {
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // A name whose last label is a number is read as an IPv4 address by URL parsers, in surprising spellings (0x7f.1, 010.1.1.1).
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    name.len() <= 253
        && name.split('.').all(label_ok)
        && (!numeric || name.parse::<Ipv4Addr>().is_ok_and(|address| address.to_string() == name))
}

fn parse_repository(registry: &str, repo: &str, implicit: bool) -> Result<String, ReferenceError> {
    if repo.is_empty() {
        return Err(ReferenceError::Empty(registry.to_owned()));
    }
    if repo.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase(printable(repo)));
    }
    if implicit && repo.len() == 64 && repo.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ReferenceError::LooksLikeId(printable(repo)));
    }
    if !repo.split('/').all(component_ok) {
        return Err(ReferenceError::Repository(printable(repo)));
    }
    let full = if registry == DOCKER_HUB && !repo.contains('/') {
        format!("library/{repo}")
    } else {
        repo.to_owned()
    };
    if full.len() > MAX_REPOSITORY_BYTES {
        return Err(ReferenceError::TooLong(full.len()));
    }
    Ok(full)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn component_ok(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let mut at = 0;
    loop {
        let word = bytes[at..].iter().take_while(|byte| alphanumeric(**byte)).count();
        if word == 0 {
            return false;
        }
        at += word;
        if at == bytes.len() {
            return true;
        }
        let separator = bytes[at..].iter().take_while(|byte| !alphanumeric(**byte)).count();
        let ok = match &bytes[at..at + separator] {
            b"." | b"_" | b"__" => true,
            run => run.iter().all(|byte| *byte == b'-'),
        };
        if !ok {
            return false;
        }
        at += separator;
    }
}

fn parse_tag(tag: &str) -> Result<String, ReferenceError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = tag.as_bytes();
    let ok = bytes.len() <= MAX_TAG_BYTES
        && bytes.first().copied().is_some_and(word)
        && bytes.iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-'));
    if ok { Ok(tag.to_owned()) } else { Err(ReferenceError::Tag(printable(tag))) }
}
