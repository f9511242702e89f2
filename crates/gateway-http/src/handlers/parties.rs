//! Organisations, accounts, gateways and spaces.

use axum::{Json, extract::State};
use hanse_types::{Account, Gateway, Organisation, Space, StateKey};

use super::Answer;
use crate::{
    door::Door,
    extract::{Asked, Named},
    problem::{Code, Problem, Problems},
    query::{self, kind},
    wire::{
        self, AccountShown, GatewayShown, OrganisationShown, OwnedQuery, Page, PageQuery,
        SpaceShown,
    },
};

/// Lists organisations.
#[utoipa::path(
    get, path = "/v1/organisations", tag = "parties", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<OrganisationShown>), Problems)
)]
pub(crate) async fn organisations(
    State(door): State<Door>,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<OrganisationShown>> {
    let (at, cursor) = (door.desk.live_snapshot()?, query.cursor()?);
    let shown = |organisation: Organisation| Some(organisation.into());
    Ok(Json(query::page(&at.world, kind::ORGANISATION, &cursor, shown)?))
}

/// Lists accounts.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "parties", params(OwnedQuery),
    responses((status = 200, description = "A page", body = Page<AccountShown>), Problems)
)]
pub(crate) async fn accounts(
    State(door): State<Door>,
    Asked(query): Asked<OwnedQuery>,
) -> Answer<Page<AccountShown>> {
    let (at, cursor) = (door.desk.live_snapshot()?, query.cursor()?);
    let wanted = |owner: &str| query.organisation.as_deref().is_none_or(|o| o == owner);
    let shown = |account: Account| wanted(&account.organisation).then(|| account.into());
    Ok(Json(query::page(&at.world, kind::ACCOUNT, &cursor, shown)?))
}

/// One account.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "parties",
    params(("id" = String, Path, description = "Id of the account's key, in hex")),
    responses((status = 200, description = "The account", body = AccountShown), Problems)
)]
pub(crate) async fn account(
    State(door): State<Door>,
    Named(id): Named<String>,
) -> Answer<AccountShown> {
    let id = wire::digest("id", &id)?;
    let found =
        query::record::<Account>(&door.desk.live_snapshot()?.world, &StateKey::Account(id))?;
    let account = found.ok_or_else(|| Problem::new(Code::UnknownAccount, id.to_string()))?;
    Ok(Json(account.into()))
}

/// Lists keys that sign session batches.
#[utoipa::path(
    get, path = "/v1/gateways", tag = "parties", params(OwnedQuery),
    responses((status = 200, description = "A page", body = Page<GatewayShown>), Problems)
)]
pub(crate) async fn gateways(
    State(door): State<Door>,
    Asked(query): Asked<OwnedQuery>,
) -> Answer<Page<GatewayShown>> {
    let (at, cursor) = (door.desk.live_snapshot()?, query.cursor()?);
    let wanted = |owner: &str| query.organisation.as_deref().is_none_or(|o| o == owner);
    let shown = |gateway: Gateway| wanted(&gateway.organisation).then(|| gateway.into());
    Ok(Json(query::page(&at.world, kind::GATEWAY, &cursor, shown)?))
}

/// Lists spaces.
#[utoipa::path(
    get, path = "/v1/spaces", tag = "spaces", params(OwnedQuery),
    responses((status = 200, description = "A page", body = Page<SpaceShown>), Problems)
)]
pub(crate) async fn spaces(
    State(door): State<Door>,
    Asked(query): Asked<OwnedQuery>,
) -> Answer<Page<SpaceShown>> {
    let (at, cursor) = (door.desk.live_snapshot()?, query.cursor()?);
    let wanted = |owner: &str| query.organisation.as_deref().is_none_or(|o| o == owner);
    let shown = |space: Space| {
        let revision = at.world.revision(&space.name);
        wanted(&space.organisation).then(|| SpaceShown::new(space, revision))
    };
    Ok(Json(query::page(&at.world, kind::SPACE, &cursor, shown)?))
}
