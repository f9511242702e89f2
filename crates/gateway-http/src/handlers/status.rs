//! The member itself.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    door::Door,
    extract::Named,
    handlers::unknown_route,
    problem::{Code, Problems},
    wire::{StatusShown, VersionShown},
};

/// Where the chain and its committee stand, as this member sees them.
#[utoipa::path(
    get, path = "/v1/status", tag = "member",
    responses((status = 200, description = "The status", body = StatusShown), Problems)
)]
pub(crate) async fn status(State(door): State<Door>) -> Json<StatusShown> {
    let (desk, engine) = (door.desk.status(), (door.config.engine)());
    Json(StatusShown::new(door.desk.genesis(), &desk, engine, &door.config.version))
}

/// What to pin for verifying offline. Compare it with what another organisation gives you: this copy is the member's word.
#[utoipa::path(
    get, path = "/v1/trust-root", tag = "member",
    responses((status = 200, description = "trust-root.json", content_type = "application/json", body = Object), Problems)
)]
pub(crate) async fn trust_root(State(door): State<Door>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], door.trust_root.clone()).into_response()
}

/// What this member runs.
#[utoipa::path(
    get, path = "/version", tag = "member",
    responses((status = 200, description = "Versions", body = VersionShown), Problems)
)]
pub(crate) async fn version(State(door): State<Door>) -> Json<VersionShown> {
    let protocol = door.desk.genesis().params.protocol_version;
    Json(VersionShown { version: door.config.version.clone(), protocol, api: "v1" })
}

/// What a problem's `code` means: what happened, why, what the user does, what the operator does.
#[utoipa::path(
    get, path = "/errors/{code}", tag = "member",
    params(("code" = String, Path, description = "`code` of a problem")),
    responses((status = 200, description = "The page", content_type = "text/markdown", body = String), Problems)
)]
pub(crate) async fn error_page(Named(code): Named<String>, uri: axum::http::Uri) -> Response {
    match Code::ALL.iter().find(|known| known.name() == code) {
        Some(known) => {
            ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], known.page()).into_response()
        }
        None => unknown_route(uri).await.into_response(),
    }
}
