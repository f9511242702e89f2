//! Proofs, as files for `hanse proof verify`.

use axum::{extract::State, http::header, response::IntoResponse};
use hanse_ledger::Ask;
use serde::Deserialize;
use utoipa::IntoParams;

use super::commands::ItemQuery;
use crate::{
    door::Door,
    extract::{Asked, Named},
    problem::{Problem, Problems},
    wire,
};

/// Which range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProofRangeQuery {
    /// First state key, in hex.
    start: String,
    /// First state key after the range, in hex; empty for "to the last".
    #[serde(default)]
    end: String,
}

/// Proves the receipt of an action.
#[utoipa::path(
    get, path = "/v1/proofs/receipt/{command}", tag = "proofs",
    params(("command" = String, Path, description = "Id of the command, in hex"), ItemQuery),
    responses((status = 200, description = "A proof file", content_type = "application/cbor", body = Vec<u8>), Problems)
)]
pub(crate) async fn receipt(
    State(door): State<Door>,
    Named(command): Named<String>,
    Asked(query): Asked<ItemQuery>,
) -> Result<impl IntoResponse, Problem> {
    let command = wire::digest("command", &command)?;
    prove(&door, Ask::Receipt { command, item: query.item()? }).await
}

/// Proves what stands, or that nothing stands, at state keys: several `key=` parameters, in hex, under one root.
#[utoipa::path(
    get, path = "/v1/proofs/lookup", tag = "proofs",
    params(("key" = Vec<String>, Query, description = "State keys, in hex", explode = true)),
    responses((status = 200, description = "A proof file", content_type = "application/cbor", body = Vec<u8>), Problems)
)]
pub(crate) async fn lookup(
    State(door): State<Door>,
    Asked(query): Asked<Vec<(String, String)>>,
) -> Result<impl IntoResponse, Problem> {
    let keys = keys(&query)?;
    prove(&door, Ask::Lookup { keys }).await
}

/// Proves everything in a half-open range of state keys, and that there is nothing else.
#[utoipa::path(
    get, path = "/v1/proofs/range", tag = "proofs", params(ProofRangeQuery),
    responses((status = 200, description = "A proof file", content_type = "application/cbor", body = Vec<u8>), Problems)
)]
pub(crate) async fn range(
    State(door): State<Door>,
    Asked(query): Asked<ProofRangeQuery>,
) -> Result<impl IntoResponse, Problem> {
    let (start, end) = (wire::bytes("start", &query.start)?, wire::bytes("end", &query.end)?);
    prove(&door, Ask::Range { start, end }).await
}

/// Proves one change.
#[utoipa::path(
    get, path = "/v1/proofs/event/{height}/{index}/{event}", tag = "proofs",
    params(
        ("height" = u64, Path, description = "The block"),
        ("index" = u32, Path, description = "Position of the action in the block"),
        ("event" = u32, Path, description = "Position of the change in the action"),
    ),
    responses((status = 200, description = "A proof file", content_type = "application/cbor", body = Vec<u8>), Problems)
)]
pub(crate) async fn event(
    State(door): State<Door>,
    Named((height, index, event)): Named<(u64, u32, u32)>,
) -> Result<impl IntoResponse, Problem> {
    prove(&door, Ask::Event { height, index, event }).await
}

/// Proves who votes after an epoch that has ended.
#[utoipa::path(
    get, path = "/v1/proofs/handover/{epoch}", tag = "proofs",
    params(("epoch" = u64, Path, description = "The epoch that ended")),
    responses((status = 200, description = "A proof file", content_type = "application/cbor", body = Vec<u8>), Problems)
)]
pub(crate) async fn handover(
    State(door): State<Door>,
    Named(epoch): Named<u64>,
) -> Result<impl IntoResponse, Problem> {
    prove(&door, Ask::Handover { epoch }).await
}

fn keys(query: &[(String, String)]) -> Result<Vec<Vec<u8>>, Problem> {
    if query.is_empty() {
        return Err(Problem::malformed("query", "give at least one key"));
    }
    let one = |(name, text): &(String, String)| match name.as_str() {
        "key" => wire::bytes("key", text),
        other => Err(Problem::malformed("query", format!("unknown parameter {other:?}"))),
    };
    query.iter().map(one).collect()
}

async fn prove(door: &Door, ask: Ask) -> Result<impl IntoResponse + use<>, Problem> {
    let proof = door.desk.prove(ask).await?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], proof))
}
