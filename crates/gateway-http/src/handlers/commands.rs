//! Submitting commands and asking what became of them.

use axum::{Json, extract::State};
use hanse_types::limits::SESSION_ITEMS_MAX;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use crate::{
    door::Door,
    extract::{Asked, Named, Octets},
    problem::{Code, Problem, Problems},
    wire::{self, OutcomeShown, SubmitQuery},
};

/// Which item of a command.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ItemQuery {
    /// Position in a session batch, 0 to 2047; 0 when not given.
    item: Option<u32>,
}

impl ItemQuery {
    /// The position, which no batch could exceed.
    pub(crate) fn item(&self) -> Result<u32, Problem> {
        match self.item.unwrap_or(0) {
            item @ 0..SESSION_ITEMS_MAX => Ok(item),
            _ => Err(Problem::malformed("item", format!("at most {}", SESSION_ITEMS_MAX - 1))),
        }
    }
}

/// Submits a command its author signed, and waits for the outcome.
///
/// A refused command is an outcome too. Submitting the same bytes again is safe and gives the same outcome.
#[utoipa::path(
    post, path = "/v1/commands", tag = "commands", params(SubmitQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "One command in its canonical encoding (Borsh)"),
    responses((status = 200, description = "The outcome, certified by a quorum", body = OutcomeShown), Problems)
)]
pub(crate) async fn submit(
    State(door): State<Door>,
    Asked(query): Asked<SubmitQuery>,
    body: Octets,
) -> Answer<OutcomeShown> {
    let patience = wire::patience_ms(query.timeout_ms)?;
    let command = wire::command(&body.bytes)?;
    let outcome = door.outcome(door.desk.submit(command), patience).await?;
    Ok(Json(outcome.into()))
}

/// What became of a recent command.
#[utoipa::path(
    get, path = "/v1/commands/{id}", tag = "commands",
    params(("id" = String, Path, description = "Id of the command, in hex"), ItemQuery),
    responses((status = 200, description = "The outcome", body = OutcomeShown), Problems)
)]
pub(crate) async fn recorded(
    State(door): State<Door>,
    Named(id): Named<String>,
    Asked(query): Asked<ItemQuery>,
) -> Answer<OutcomeShown> {
    let id = wire::digest("id", &id)?;
    let outcome = door.desk.outcome(&id, query.item()?);
    let outcome = outcome.ok_or_else(|| Problem::new(Code::UnknownCommand, id.to_string()))?;
    Ok(Json(outcome.into()))
}
