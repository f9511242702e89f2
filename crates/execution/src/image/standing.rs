//! Yank and revoke: the standing of a digest in a repository and of every release that mentions it.

use hanse_types::{
    Refusal, Release, ReleaseState, Role, StateKey, Tag, decode,
    limits::{REASON_BYTES_MAX, REVOKE_RELEASES_MAX},
};

use super::{names, namespace_of};
use crate::{
    World,
    access::Sender,
    block::{Op, Plan, Reply},
    space::store,
};

/// Marks `digest` and all releases of `repo` that mention it. Revocation is never taken back or weakened.
pub(crate) fn mark(
    world: &World,
    sender: &Sender,
    repo: &str,
    digest: &str,
    state: &ReleaseState,
) -> Result<Plan, Refusal> {
    let reason = match state {
        ReleaseState::Active => return Err(Refusal::Malformed),
        ReleaseState::Yanked { reason, .. } | ReleaseState::Revoked { reason, .. } => reason,
    };
    if !names::is_digest(digest) || reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let namespace = namespace_of(world, repo).ok_or(Refusal::NotFound)?;
    sender.role_in(&namespace, &[Role::Admin, Role::Security])?;
    let uses = uses(world, repo, digest);
    if uses.is_empty() {
        return Err(Refusal::NotFound);
    }
    if uses.len() > REVOKE_RELEASES_MAX {
        return Err(Refusal::Quota);
    }
    if is_revoked(world, repo, digest) {
        return Ok(Plan::default());
    }
    let mut ops = vec![store(&StateKey::DigestState { repo, digest }, state)];
    for (tag, seq) in &uses {
        ops.extend(mark_release(world, repo, tag, *seq, state));
    }
    Ok(Plan { ops, reply: Reply::None })
}

fn mark_release(world: &World, repo: &str, tag: &str, seq: u64, state: &ReleaseState) -> Vec<Op> {
    let key = StateKey::Release { repo, tag, seq };
    let Some(mut release) = world.read::<Release>(&key) else {
        return Vec::new();
    };
    if matches!(release.state, ReleaseState::Revoked { .. }) {
        return Vec::new();
    }
    release.state = state.clone();
    let mut ops = vec![store(&key, &release)];
    let tag_key = StateKey::Tag { repo, tag };
    if let Some(mut newest) = world.read::<Tag>(&tag_key)
        && newest.current.seq == seq
    {
        newest.current.state = state.clone();
        ops.push(store(&tag_key, &newest));
    }
    ops
}

/// Tags and sequence numbers of the releases in `repo` that mention `digest`, one more than the limit at most.
fn uses(world: &World, repo: &str, digest: &str) -> Vec<(String, u64)> {
    let prefix = StateKey::prefix(9, &[repo, digest]);
    world
        .prefix(&prefix)
        .take(REVOKE_RELEASES_MAX + 1)
        .filter_map(|(key, _)| {
            let rest = key.get(prefix.len()..)?;
            let end = rest.iter().position(|b| *b == 0)?;
            let tag = std::str::from_utf8(&rest[..end]).ok()?;
            let seq = rest.get(end + 1..)?.try_into().ok()?;
            Some((tag.to_owned(), u64::from_be_bytes(seq)))
        })
        .collect()
}

/// Whether `digest` was the root of an earlier release of `tag`.
pub(crate) fn was_released(world: &World, repo: &str, digest: &str, tag: &str) -> bool {
    let prefix = StateKey::prefix(9, &[repo, digest, tag]);
    let mut seqs = world.prefix(&prefix).filter_map(|(key, _)| {
        let seq = key.get(prefix.len()..)?.try_into().ok()?;
        Some(u64::from_be_bytes(seq))
    });
    seqs.any(|seq| {
        let release: Option<Release> = world.read(&StateKey::Release { repo, tag, seq });
        release.is_some_and(|r| r.content.root.digest == digest)
    })
}

pub(crate) fn is_revoked(world: &World, repo: &str, digest: &str) -> bool {
    let entry = world.get(&StateKey::DigestState { repo, digest }.encode());
    let state: Option<ReleaseState> = entry.map(|e| {
        decode(&e.value).expect("state values are written by this crate in this encoding")
    });
    matches!(state, Some(ReleaseState::Revoked { .. }))
}
