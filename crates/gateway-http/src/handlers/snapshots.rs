//! Whole states in pieces, for `hanse snapshot save`.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use crate::{
    door::Door,
    extract::Named,
    guard::SessionCaller,
    problem::{Code, Problem, Problems},
};

/// The newest snapshot's listing: what proves it, and how its data is cut (docs/formats/snapshot.md).
#[utoipa::path(
    get, path = "/v1/snapshots/newest", tag = "snapshots",
    responses((status = 200, description = "A listing", content_type = "application/octet-stream", body = Vec<u8>), Problems)
)]
pub(crate) async fn newest(State(door): State<Door>) -> Result<impl IntoResponse, Problem> {
    let listing = (door.config.snapshots.newest)().await;
    bytes(listing, "this member has made none yet")
}

/// A chunk of a snapshot's data.
#[utoipa::path(
    get, path = "/v1/snapshots/{height}/chunks/{index}", tag = "snapshots",
    params(
        ("height" = u64, Path, description = "Whose state it is"),
        ("index" = u32, Path, description = "Which chunk, from 0"),
    ),
    responses((status = 200, description = "At most 512 KiB", content_type = "application/octet-stream", body = Vec<u8>), Problems)
)]
pub(crate) async fn chunk(
    State(door): State<Door>,
    Named((height, index)): Named<(u64, u32)>,
) -> Result<impl IntoResponse, Problem> {
    let chunk = (door.config.snapshots.chunk)(height, index).await;
    bytes(chunk, "it has no such chunk, or was replaced by a newer one")
}

/// Has a snapshot of the newest settled state made. It is there when `newest` names its height.
///
/// Taken from clients on the member's own machine, or with the configured bearer token: it costs the member work.
#[utoipa::path(
    post, path = "/v1/snapshots", tag = "snapshots",
    responses((status = 202, description = "It is being made"), Problems)
)]
pub(crate) async fn make(State(door): State<Door>, _: SessionCaller) -> StatusCode {
    (door.config.snapshots.make)();
    StatusCode::ACCEPTED
}

fn bytes(found: Option<bytes::Bytes>, without: &'static str) -> Result<impl IntoResponse, Problem> {
    let found = found.ok_or_else(|| Problem::new(Code::UnknownSnapshot, without))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], found))
}
