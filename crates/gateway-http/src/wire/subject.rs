//! What a state key is about, read back from its bytes ([`hanse_types::StateKey`] writes them).

use serde::Serialize;
use utoipa::ToSchema;

use super::Base64;

/// The thing behind a state key.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Subject {
    /// A key of a space.
    Kv {
        /// The space.
        space: String,
        /// The client's key.
        key: Base64,
    },
    /// An organisation.
    Organisation {
        /// Its name.
        name: String,
    },
    /// An account.
    Account {
        /// Id in hex.
        account: String,
    },
    /// A gateway's key.
    Gateway {
        /// Id in hex.
        gateway: String,
    },
    /// A space.
    Space {
        /// Its name.
        name: String,
    },
    /// A namespace of images.
    Namespace {
        /// `host/path`.
        prefix: String,
    },
    /// A tag.
    Tag {
        /// `registry/path`.
        repo: String,
        /// Tag.
        tag: String,
    },
    /// A release.
    Release {
        /// `registry/path`.
        repo: String,
        /// Tag.
        tag: String,
        /// Sequence number.
        seq: u64,
    },
    /// A mention of a digest by a release.
    DigestUse {
        /// `registry/path`.
        repo: String,
        /// Digest.
        digest: String,
        /// Tag.
        tag: String,
        /// Sequence number.
        seq: u64,
    },
    /// The standing of a digest.
    DigestState {
        /// `registry/path`.
        repo: String,
        /// Digest.
        digest: String,
    },
    /// A kind of key this door does not know; the event's `key` has its bytes.
    Other,
}

impl Subject {
    /// Reads a state key.
    pub(crate) fn of(key: &[u8]) -> Self {
        Self::read(key).unwrap_or(Self::Other)
    }

    fn read(key: &[u8]) -> Option<Self> {
        let (kind, mut rest) = key.split_first()?;
        let rest = &mut rest;
        Some(match kind {
            1 => Self::Kv { space: text(rest)?, key: Base64(rest.to_vec()) },
            2 => Self::Organisation { name: text(rest)? },
            3 => Self::Account { account: hex::encode(rest) },
            4 => Self::Gateway { gateway: hex::encode(rest) },
            5 => Self::Space { name: text(rest)? },
            6 => Self::Namespace { prefix: text(rest)? },
            7 => Self::Tag { repo: text(rest)?, tag: text(rest)? },
            8 => Self::Release { repo: text(rest)?, tag: text(rest)?, seq: number(rest)? },
            9 => Self::DigestUse {
                repo: text(rest)?,
                digest: text(rest)?,
                tag: text(rest)?,
                seq: number(rest)?,
            },
            10 => Self::DigestState { repo: text(rest)?, digest: text(rest)? },
            _ => return None,
        })
    }
}

/// A string and the zero byte after it.
fn text(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|b| *b == 0)?;
    let (text, after) = (std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]);
    *rest = after;
    Some(text.to_owned())
}

/// The sequence number that ends a key.
fn number(rest: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(rest.try_into().ok()?))
}
