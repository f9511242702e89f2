//! Spaces: who owns a keyspace and who else may write it.

use hanse_types::{
    Organisation, Refusal, Space, SpaceAction, StateKey, check_name, check_space, encode,
    limits::COMMITTEE_MAX,
};

use crate::{
    BlockContext, Key, World,
    access::Sender,
    block::{Op, Plan, Reply},
};

/// Whether `sender` may write keys of `name`; the system space's actions check their own rights.
pub(crate) fn writable(world: &World, name: &str, sender: &Sender) -> Result<(), Refusal> {
    if name.is_empty() {
        return Ok(());
    }
    let space: Space = world.read(&StateKey::Space(name)).ok_or(Refusal::NotFound)?;
    sender.writes(&space)
}

pub(crate) fn plan(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    action: &SpaceAction,
) -> Result<Plan, Refusal> {
    sender.administers()?;
    match action {
        SpaceAction::Create { name } => create(world, context, sender, name),
        SpaceAction::SetGrants { name, grants } => {
            let mut space: Space = world.read(&StateKey::Space(name)).ok_or(Refusal::NotFound)?;
            if space.organisation != sender.organisation {
                return Err(Refusal::NotAuthorised);
            }
            let sorted = grants.windows(2).all(|g| g[0].organisation < g[1].organisation);
            let named = grants.iter().all(|g| check_name(&g.organisation).is_ok());
            if !sorted || !named || grants.len() > COMMITTEE_MAX {
                return Err(Refusal::Malformed);
            }
            space.grants.clone_from(grants);
            Ok(Plan { ops: vec![store(&StateKey::Space(name), &space)], reply: Reply::None })
        }
    }
}

fn create(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    name: &str,
) -> Result<Plan, Refusal> {
    check_space(name).map_err(|_| Refusal::Malformed)?;
    if world.get(&StateKey::Space(name).encode()).is_some() {
        return Err(Refusal::Exists);
    }
    let owner = StateKey::Organisation(&sender.organisation);
    let mut organisation: Organisation = world.read(&owner).ok_or(Refusal::NotFound)?;
    if organisation.spaces >= context.params.spaces_per_organisation {
        return Err(Refusal::Quota);
    }
    organisation.spaces += 1;
    let space = Space {
        name: name.to_owned(),
        organisation: sender.organisation.clone(),
        grants: Vec::new(),
    };
    let ops = vec![store(&StateKey::Space(name), &space), store(&owner, &organisation)];
    Ok(Plan { ops, reply: Reply::None })
}

/// A put of an encoded value.
pub(crate) fn store<T: borsh::BorshSerialize>(key: &StateKey<'_>, value: &T) -> Op {
    Op::Put(Key::from(key.encode()), encode(value).into())
}
