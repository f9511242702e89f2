//! Organisations, their accounts, gateways and spaces.

use hanse_types::{Account, AccountState, Evidence, Gateway, Grant, Organisation, Space};
use serde::Serialize;
use utoipa::ToSchema;

/// A party.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organisation)]
pub(crate) struct OrganisationShown {
    name: String,
    /// Spaces it owns.
    spaces: u32,
}

/// A registered key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountShown {
    /// Id of the key, in hex.
    account: String,
    /// `suite:hex`.
    key: String,
    organisation: String,
    /// `admin`, `release`, `ci`, `security`.
    roles: Vec<&'static str>,
    /// Registered at this height.
    height: u64,
    /// `active`, `retired` or `compromised`.
    state: &'static str,
    /// Height of retirement, or the first bad height; null for an active account.
    state_height: Option<u64>,
}

/// A key that signs session batches.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gateway)]
pub(crate) struct GatewayShown {
    /// Id of the key, in hex.
    gateway: String,
    /// `suite:hex`.
    key: String,
    organisation: String,
    /// False after revocation.
    active: bool,
}

/// A unit of tenancy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Space)]
pub(crate) struct SpaceShown {
    name: String,
    /// Owner.
    organisation: String,
    /// Stands at this revision.
    revision: u64,
    /// Others who may write.
    grants: Vec<GrantShown>,
}

/// Another organisation's right to write.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
pub(crate) struct GrantShown {
    organisation: String,
    /// The least evidence asked of them: `session` or `signed`.
    least: &'static str,
}

/// Evidence in one word.
pub(super) fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Session => "session",
        Evidence::Signed => "signed",
    }
}

impl From<Organisation> for OrganisationShown {
    fn from(organisation: Organisation) -> Self {
        Self { name: organisation.name, spaces: organisation.spaces }
    }
}

impl From<Account> for AccountShown {
    fn from(account: Account) -> Self {
        let (state, state_height) = match account.state {
            AccountState::Active => ("active", None),
            AccountState::Retired(height) => ("retired", Some(height)),
            AccountState::Compromised(height) => ("compromised", Some(height)),
        };
        Self {
            account: account.key.id().to_string(),
            key: account.key.to_string(),
            organisation: account.organisation,
            roles: account.roles.into_iter().map(super::image::role).collect(),
            height: account.height,
            state,
            state_height,
        }
    }
}

impl From<Gateway> for GatewayShown {
    fn from(gateway: Gateway) -> Self {
        Self {
            gateway: gateway.key.id().to_string(),
            key: gateway.key.to_string(),
            organisation: gateway.organisation,
            active: gateway.active,
        }
    }
}

impl SpaceShown {
    pub(crate) fn new(space: Space, revision: u64) -> Self {
        Self {
            name: space.name,
            organisation: space.organisation,
            revision,
            grants: space.grants.into_iter().map(GrantShown::from).collect(),
        }
    }
}

impl From<Grant> for GrantShown {
    fn from(grant: Grant) -> Self {
        Self { organisation: grant.organisation, least: evidence(grant.least) }
    }
}
