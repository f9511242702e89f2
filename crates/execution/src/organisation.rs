//! Accounts and gateways of an organisation.

use hanse_types::{
    Account, AccountState, Gateway, OrganisationAction, Refusal, Role, Signature, StateKey,
};

use crate::{
    BlockContext, World,
    access::Sender,
    block::{Op, Plan, Reply},
    space::store,
};

/// Domain of the signature by which a key's holder agrees to be registered for an organisation.
const POSSESSION_DOMAIN: &str = "hanse/possession/v1";

pub(crate) fn plan(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    action: &OrganisationAction,
) -> Result<Plan, Refusal> {
    sender.administers()?;
    let op = match action {
        OrganisationAction::AddAccount { key, roles, proof } => {
            add_account(world, context, sender, key, roles, proof)?
        }
        OrganisationAction::RetireAccount { account } => {
            let mut found = own_account(world, sender, account)?;
            if found.state != AccountState::Active {
                return Err(Refusal::Conflict);
            }
            found.state = AccountState::Retired(context.height);
            store(&StateKey::Account(*account), &found)
        }
        OrganisationAction::CompromiseAccount { account, from_height } => {
            compromise(world, context, sender, account, *from_height)?
        }
        OrganisationAction::AddGateway { key } => {
            sound(key)?;
            let id = key.id();
            if votes(world, key) || world.get(&StateKey::Gateway(id).encode()).is_some() {
                return Err(Refusal::Exists);
            }
            let organisation = sender.organisation.clone();
            store(&StateKey::Gateway(id), &Gateway { key: *key, organisation, active: true })
        }
        OrganisationAction::RevokeGateway { key } => {
            let id = key.id();
            let mut gateway: Gateway =
                world.read(&StateKey::Gateway(id)).ok_or(Refusal::NotFound)?;
            if gateway.organisation != sender.organisation {
                return Err(Refusal::NotAuthorised);
            }
            gateway.active = false;
            store(&StateKey::Gateway(id), &gateway)
        }
    };
    Ok(Plan { ops: vec![op], reply: Reply::None })
}

/// A key of small order would be an account for everybody, and another encoding of a key a second one for its holder.
pub(crate) fn sound(key: &hanse_types::PublicKey) -> Result<(), Refusal> {
    if key.is_sound() { Ok(()) } else { Err(Refusal::WeakKey) }
}

/// Whether `key` is or was a consensus key: those sign votes and nothing else.
pub(crate) fn votes(world: &World, key: &hanse_types::PublicKey) -> bool {
    match key {
        hanse_types::PublicKey::Ed25519(raw) => {
            world.get(&StateKey::ConsensusKey(*raw).encode()).is_some()
        }
        _ => false,
    }
}

fn add_account(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    key: &hanse_types::PublicKey,
    roles: &[Role],
    proof: &Signature,
) -> Result<Op, Refusal> {
    let sorted = roles.windows(2).all(|pair| pair[0] < pair[1]);
    if roles.is_empty() || !sorted {
        return Err(Refusal::Malformed);
    }
    sound(key)?;
    // A key is registered only with its holder's consent, so nobody can adopt, or rogue-combine with, another's key.
    if !key.verify(POSSESSION_DOMAIN, sender.organisation.as_bytes(), proof) {
        return Err(Refusal::NotAuthorised);
    }
    let id = key.id();
    if votes(world, key) || world.get(&StateKey::Account(id).encode()).is_some() {
        return Err(Refusal::Exists);
    }
    let account = Account {
        key: *key,
        organisation: sender.organisation.clone(),
        roles: roles.to_vec(),
        height: context.height,
        state: AccountState::Active,
    };
    Ok(store(&StateKey::Account(id), &account))
}

/// A compromise may be dated back, and an earlier date replaces a later one; it never gets milder.
fn compromise(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    account: &hanse_types::Digest,
    from_height: u64,
) -> Result<Op, Refusal> {
    let mut found = own_account(world, sender, account)?;
    let from = from_height.min(context.height);
    if let AccountState::Compromised(known) = found.state
        && known <= from
    {
        return Err(Refusal::Conflict);
    }
    found.state = AccountState::Compromised(from);
    Ok(store(&StateKey::Account(*account), &found))
}

fn own_account(
    world: &World,
    sender: &Sender,
    account: &hanse_types::Digest,
) -> Result<Account, Refusal> {
    let found: Account = world.read(&StateKey::Account(*account)).ok_or(Refusal::NotFound)?;
    if found.organisation != sender.organisation {
        return Err(Refusal::NotAuthorised);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
