//! Grammar of repository names and tags (OCI distribution-spec 1.1, "Pulling manifests"; distribution/reference).

use hanse_types::limits::{REPO_BYTES_MAX, TAG_BYTES_MAX};

/// `host[:port]/part[/part…]`, lower case. The host keeps dots and a port; parts follow the specification's grammar.
pub(crate) fn is_repo(repo: &str) -> bool {
    let Some((host, path)) = repo.split_once('/') else {
        return false;
    };
    repo.len() <= REPO_BYTES_MAX && is_host(host) && path.split('/').all(is_part)
}

fn is_host(host: &str) -> bool {
    let letters = |b: u8| {
        b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || matches!(b, b'.' | b'-' | b':' | b'[' | b']')
    };
    !host.is_empty() && host.len() <= 255 && host.bytes().all(letters)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_part(part: &str) -> bool {
    let mut runs = part.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()));
    let edges = part.chars().next().is_some_and(alnum) && part.chars().last().is_some_and(alnum);
    // Between two runs of letters stands a separator; empty runs inside belong to `__` and `--`.
    edges && runs.next().is_some() && separators(part).iter().all(|s| is_separator(s))
}

fn alnum(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn separators(part: &str) -> Vec<&str> {
    part.split(alnum).filter(|s| !s.is_empty()).collect()
}

fn is_separator(s: &str) -> bool {
    s == "." || s == "_" || s == "__" || s.bytes().all(|b| b == b'-')
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
pub(crate) fn is_tag(tag: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let inner = |b: u8| first(b) || b == b'.' || b == b'-';
    tag.len() <= TAG_BYTES_MAX && tag.bytes().next().is_some_and(first) && tag.bytes().all(inner)
}

/// `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits (image-spec descriptor.md, "Digests").
pub(crate) fn is_digest(digest: &str) -> bool {
    let hex = |s: &str, n: usize| {
        s.len() == n && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match digest.split_once(':') {
        Some(("sha256", rest)) => hex(rest, 64),
        Some(("sha512", rest)) => hex(rest, 128),
        _ => false,
    }
}
