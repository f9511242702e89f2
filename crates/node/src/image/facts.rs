//! From the claims of a proof to facts about an image. Pure: only what the proof holds is believed.

use hanse_proof::{Claim, StateProofItem, Verified};
use hanse_types::{Account, Namespace, Release, ReleaseState, StateKey, Tag, decode};

use crate::verdict::{Checkpoint, Facts};

/// What the facts are to be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// The newest release of a tag.
    Tag(&'a str),
    /// The newest release that mentions a digest.
    Digest(&'a str),
}

/// Why there are no facts yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotYet {
    /// These keys must be proven too.
    Missing(Vec<Vec<u8>>),
    /// A proven value cannot be read: another version of the ledger wrote it.
    Unreadable(&'static str),
}

/// Namespaces that could cover `repo`, the longest first. A bare host can never be claimed.
pub(crate) fn namespaces(repo: &str) -> Vec<&str> {
    let mut prefixes = Vec::new();
    let mut prefix = repo;
    while let Some((shorter, _)) = prefix.rsplit_once('/') {
        prefixes.push(prefix);
        prefix = shorter;
    }
    prefixes
}

/// Where to begin asking about `subject`. For a digest, `uses` are the releases that mention it.
pub(crate) fn first_keys(repo: &str, subject: Subject<'_>, uses: &[(String, u64)]) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    match subject {
        Subject::Tag(tag) => keys.push(StateKey::Tag { repo, tag }.encode()),
        Subject::Digest(digest) => {
            for (tag, seq) in uses {
                keys.push(StateKey::DigestUse { repo, digest, tag, seq: *seq }.encode());
                keys.push(StateKey::Release { repo, tag, seq: *seq }.encode());
            }
        }
    }
    keys.extend(namespaces(repo).into_iter().map(|prefix| StateKey::Namespace(prefix).encode()));
    keys
}

/// Who vouches for `verified`, and as of when.
pub(crate) fn checkpoint(verified: &Verified) -> Checkpoint {
    Checkpoint {
        height: verified.height,
        time_ms: verified.time_ms,
        header: verified.header_digest,
        header_height: verified.header.height,
        signed: verified.quorum.signed,
        of: verified.quorum.of,
        need: verified.quorum.need,
        epoch: verified.quorum.epoch,
    }
}

/// The facts in a proof of lookups.
///
/// # Errors
/// [`NotYet::Missing`] with the keys to ask for beside those in the proof.
pub(crate) fn read(verified: &Verified, repo: &str, subject: Subject<'_>) -> Result<Facts, NotYet> {
    let proven = Proven(&verified.claim);
    let mut missing = Vec::new();
    let mut namespace = None;
    for prefix in namespaces(repo) {
        match proven.get::<Namespace>(&StateKey::Namespace(prefix), "namespace")? {
            Some(Some(found)) => {
                namespace = Some(found);
                break;
            }
            Some(None) => {}
            None => missing.push(StateKey::Namespace(prefix).encode()),
        }
    }
    let release = match subject {
        Subject::Tag(tag) => match proven.get::<Tag>(&StateKey::Tag { repo, tag }, "tag")? {
            Some(found) => found.map(|found| (tag.to_owned(), found.current)),
            None => {
                missing.push(StateKey::Tag { repo, tag }.encode());
                None
            }
        },
        Subject::Digest(digest) => proven.newest_use(repo, digest)?,
    };
    let (mut account, mut digest_state) = (None, None);
    if let Some((_, release)) = &release {
        let digest = match subject {
            Subject::Tag(_) => release.content.root.digest.as_str(),
            Subject::Digest(digest) => digest,
        };
        let state = StateKey::DigestState { repo, digest };
        match proven.get::<ReleaseState>(&state, "standing of a digest")? {
            Some(found) => digest_state = found,
            None => missing.push(state.encode()),
        }
        match proven.get::<Account>(&StateKey::Account(release.account), "account")? {
            Some(found) => account = found,
            None => missing.push(StateKey::Account(release.account).encode()),
        }
    }
    if !missing.is_empty() {
        return Err(NotYet::Missing(missing));
    }
    Ok(Facts { at: checkpoint(verified), namespace, release, digest_state, account })
}

/// What the claim says about keys.
struct Proven<'a>(&'a Claim);

impl Proven<'_> {
    /// `None` when nothing about the key is proven, or its value is not disclosed.
    fn get<T: borsh::BorshDeserialize>(
        &self,
        key: &StateKey<'_>,
        what: &'static str,
    ) -> Result<Option<Option<T>>, NotYet> {
        match self.0.about(&key.encode()) {
            None => Ok(None),
            Some(None) => Ok(Some(None)),
            Some(Some(entry)) => match entry.value.as_deref().map(decode) {
                None => Ok(None),
                Some(Ok(value)) => Ok(Some(Some(value))),
                Some(Err(_)) => Err(NotYet::Unreadable(what)),
            },
        }
    }

    /// Keys that are proven to be present.
    fn present(&self) -> Vec<&[u8]> {
        fn entry(item: &StateProofItem) -> Option<&[u8]> {
            match item {
                StateProofItem::Value(entry) => Some(entry.record.key.as_slice()),
                StateProofItem::Absence { .. } => None,
            }
        }
        match self.0 {
            Claim::Image { items } => items.iter().filter_map(entry).collect(),
            Claim::State(item) => entry(item).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Of the releases that are proven to mention `digest`, the newest.
    fn newest_use(&self, repo: &str, digest: &str) -> Result<Option<(String, Release)>, NotYet> {
        let prefix = StateKey::prefix(9, &[repo, digest]);
        let mut newest: Option<(String, Release)> = None;
        for key in self.present() {
            let rest = key.strip_prefix(prefix.as_slice());
            let Some((tag, seq)) = rest.and_then(tag_and_seq) else {
                continue;
            };
            let release_key = StateKey::Release { repo, tag: &tag, seq };
            let Some(found) = self.get::<Release>(&release_key, "release")? else {
                return Err(NotYet::Missing(vec![release_key.encode()]));
            };
            let Some(release) = found else { continue };
            if newest
                .as_ref()
                .is_none_or(|(_, n)| (n.height, n.seq) < (release.height, release.seq))
            {
                newest = Some((tag, release));
            }
        }
        Ok(newest)
    }
}

/// The end of a `DigestUse` or `Release` key: tag, zero byte, sequence number.
pub(crate) fn tag_and_seq(rest: &[u8]) -> Option<(String, u64)> {
    let end = rest.iter().position(|b| *b == 0)?;
    let tag = std::str::from_utf8(&rest[..end]).ok()?;
    let seq = rest.get(end + 1..)?.try_into().ok()?;
    Some((tag.to_owned(), u64::from_be_bytes(seq)))
}

#[cfg(test)]
mod tests;
