//! Images: namespaces with owners, one monotone sequence per tag, yank and revoke with reasons.

use hanse_types::{
    ImageAction, Namespace, NamespaceMember, Refusal, Release, ReleaseState, Role, StateKey, Tag,
    limits::{NAMESPACE_MEMBERS_MAX, REASON_BYTES_MAX},
};

use crate::{
    BlockContext, Key, World,
    access::Sender,
    block::{Op, Plan, Reply},
    space::store,
};

mod content;
mod names;
mod standing;

pub(crate) fn plan(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    action: &ImageAction,
) -> Result<Plan, Refusal> {
    match action {
        ImageAction::Claim { prefix } => claim(world, sender, prefix),
        ImageAction::SetMembers { prefix, members, version } => {
            set_members(world, sender, prefix, members, *version)
        }
        ImageAction::Record { .. } => record(world, context, sender, action),
        ImageAction::Yank { repo, digest, reason } => {
            let mark = ReleaseState::Yanked { reason: reason.clone(), height: context.height };
            standing::mark(world, sender, repo, digest, &mark)
        }
        ImageAction::Revoke { repo, digest, reason } => {
            let mark = ReleaseState::Revoked { reason: reason.clone(), height: context.height };
            standing::mark(world, sender, repo, digest, &mark)
        }
    }
}

fn claim(world: &World, sender: &Sender, prefix: &str) -> Result<Plan, Refusal> {
    sender.administers()?;
    if !names::is_repo(prefix) {
        return Err(Refusal::Malformed);
    }
    // A name is free only when no one owns it, a part above it, or anything below it.
    let below = StateKey::prefix(6, &[]);
    let inside = format!("{prefix}/");
    let taken_below = world.prefix(&below).any(|(key, _)| {
        key.get(below.len()..).is_some_and(|name| name.starts_with(inside.as_bytes()))
    });
    match namespace_of(world, prefix) {
        Some(owner) if owner.organisation != sender.organisation => return Err(Refusal::Exists),
        Some(owner) if owner.prefix == prefix => return Err(Refusal::Exists),
        _ if taken_below => return Err(Refusal::Exists),
        _ => {}
    }
    let namespace = Namespace {
        prefix: prefix.to_owned(),
        organisation: sender.organisation.clone(),
        members: Vec::new(),
        version: 1,
    };
    Ok(Plan { ops: vec![store(&StateKey::Namespace(prefix), &namespace)], reply: Reply::None })
}

fn set_members(
    world: &World,
    sender: &Sender,
    prefix: &str,
    members: &[NamespaceMember],
    version: u64,
) -> Result<Plan, Refusal> {
    sender.administers()?;
    let key = StateKey::Namespace(prefix);
    let mut namespace: Namespace = world.read(&key).ok_or(Refusal::NotFound)?;
    if namespace.organisation != sender.organisation {
        return Err(Refusal::NotAuthorised);
    }
    if namespace.version != version {
        return Err(Refusal::Conflict);
    }
    let sorted = members.windows(2).all(|pair| pair[0] < pair[1]);
    if !sorted || members.len() > NAMESPACE_MEMBERS_MAX {
        return Err(Refusal::Malformed);
    }
    namespace.members = members.to_vec();
    namespace.version += 1;
    Ok(Plan { ops: vec![store(&key, &namespace)], reply: Reply::None })
}

fn record(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    action: &ImageAction,
) -> Result<Plan, Refusal> {
    let ImageAction::Record { repo, tag, content, seq, rollback, reason } = action else {
        return Err(Refusal::Malformed);
    };
    let shaped = names::is_repo(repo) && names::is_tag(tag) && content::is_sound(content);
    if !shaped || reason.len() > REASON_BYTES_MAX || (*rollback && reason.trim().is_empty()) {
        return Err(Refusal::Malformed);
    }
    let namespace = namespace_of(world, repo).ok_or(Refusal::NotFound)?;
    let role = sender.role_in(&namespace, &[Role::Admin, Role::Release, Role::Ci])?;
    if content::digests(content).any(|digest| standing::is_revoked(world, repo, digest)) {
        return Err(Refusal::Revoked);
    }
    let newest: Option<Tag> = world.read(&StateKey::Tag { repo, tag });
    if let Some(newest) = &newest {
        let current = &newest.current;
        if current.content == *content && current.state == ReleaseState::Active {
            // Saying the same again changes nothing: a repeated push is not a new release.
            return Ok(Plan { ops: Vec::new(), reply: Reply::Sequence(current.seq) });
        }
    }
    let next = newest.as_ref().map_or(1, |t| t.current.seq + 1);
    if *seq != next {
        return Err(Refusal::Conflict);
    }
    let seen = standing::was_released(world, repo, &content.root.digest, tag);
    match (seen, *rollback) {
        (true, false) => return Err(Refusal::Rollback),
        (false, true) => return Err(Refusal::Malformed),
        _ => {}
    }
    let release = Release {
        seq: next,
        content: content.clone(),
        account: sender.key,
        organisation: sender.organisation.clone(),
        role,
        height: context.height,
        time_ms: context.time_ms,
        rollback: *rollback,
        reason: reason.clone(),
        state: ReleaseState::Active,
    };
    Ok(Plan { ops: release_ops(repo, tag, release), reply: Reply::Sequence(next) })
}

fn release_ops(repo: &str, tag: &str, release: Release) -> Vec<Op> {
    let seq = release.seq;
    let mut ops = vec![store(&StateKey::Release { repo, tag, seq }, &release)];
    for digest in content::digests(&release.content) {
        let key = StateKey::DigestUse { repo, digest, tag, seq };
        ops.push(Op::Put(Key::from(key.encode()), Vec::new().into()));
    }
    let newest = Tag { repo: repo.to_owned(), tag: tag.to_owned(), current: release };
    ops.push(store(&StateKey::Tag { repo, tag }, &newest));
    ops
}

/// The namespace that covers `repo`: the longest claimed prefix of whole path parts.
pub(crate) fn namespace_of(world: &World, repo: &str) -> Option<Namespace> {
    let mut prefix = repo;
    loop {
        if let Some(found) = world.read(&StateKey::Namespace(prefix)) {
            return Some(found);
        }
        prefix = prefix.rsplit_once('/')?.0;
    }
}

#[cfg(test)]
mod tests;
