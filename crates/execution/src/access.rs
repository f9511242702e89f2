//! Who may do what. Every right in one place.

use hanse_types::{
    Account, AccountState, Actor, Digest, Evidence, Gateway, Namespace, Refusal, Role, Space,
    StateKey,
};

use crate::{Authored, Decoded, World};

/// Who stands behind a command, as the state knows them.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) organisation: String,
    pub(crate) evidence: Evidence,
    pub(crate) key: Digest,
    pub(crate) roles: Vec<Role>,
}

impl Sender {
    /// Finds the registered sender of a command.
    pub(crate) fn find(world: &World, decoded: &Decoded) -> Result<Self, Refusal> {
        match &decoded.authored {
            Authored::Signed(signed) => {
                let key = signed.payload.key.id();
                let account: Account =
                    world.read(&StateKey::Account(key)).ok_or(Refusal::UnknownSigner)?;
                if account.state != AccountState::Active {
                    return Err(Refusal::UnknownSigner);
                }
                let (organisation, roles) = (account.organisation, account.roles);
                Ok(Self { organisation, evidence: Evidence::Signed, key, roles })
            }
            Authored::Session(batch) => {
                let key = batch.payload.gateway.id();
                let gateway: Gateway =
                    world.read(&StateKey::Gateway(key)).ok_or(Refusal::UnknownSigner)?;
                if !gateway.active {
                    return Err(Refusal::UnknownSigner);
                }
                let organisation = gateway.organisation;
                Ok(Self { organisation, evidence: Evidence::Session, key, roles: Vec::new() })
            }
        }
    }

    /// What receipts and events commit to; for an unknown sender the organisation is empty.
    pub(crate) fn actor(found: Result<&Self, Refusal>, decoded: &Decoded, identity: &str) -> Actor {
        let (evidence, key) = match &decoded.authored {
            Authored::Signed(signed) => (Evidence::Signed, signed.payload.key.id()),
            Authored::Session(batch) => (Evidence::Session, batch.payload.gateway.id()),
        };
        let organisation = found.map(|s| s.organisation.clone()).unwrap_or_default();
        Actor { organisation, evidence, key, identity: identity.to_owned() }
    }

    /// Administers its own organisation: only by the author's own signature.
    pub(crate) fn administers(&self) -> Result<(), Refusal> {
        if self.evidence != Evidence::Signed {
            return Err(Refusal::Evidence);
        }
        if self.roles.contains(&Role::Admin) { Ok(()) } else { Err(Refusal::NotAuthorised) }
    }

    /// Writes keys of `space`.
    pub(crate) fn writes(&self, space: &Space) -> Result<(), Refusal> {
        if space.organisation == self.organisation {
            return Ok(());
        }
        let grant = space.grants.iter().find(|g| g.organisation == self.organisation);
        match grant {
            None => Err(Refusal::NotAuthorised),
            Some(grant) if grant.least > self.evidence => Err(Refusal::Evidence),
            Some(_) => Ok(()),
        }
    }

    /// The role this sender acts in when it needs one of `wanted` in `namespace`.
    pub(crate) fn role_in(&self, namespace: &Namespace, wanted: &[Role]) -> Result<Role, Refusal> {
        if self.evidence != Evidence::Signed {
            return Err(Refusal::Evidence);
        }
        let owner = namespace.organisation == self.organisation;
        if owner && self.roles.contains(&Role::Admin) {
            return Ok(Role::Admin);
        }
        namespace
            .members
            .iter()
            .filter(|member| member.account == self.key)
            .map(|member| member.role)
            .find(|role| wanted.contains(role))
            .ok_or(Refusal::NotAuthorised)
    }
}
