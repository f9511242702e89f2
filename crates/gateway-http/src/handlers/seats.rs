//! Who votes, who will, and the motions about it.

use axum::{Json, extract::State};
use hanse_types::{Digest, Motion, StateKey};

use super::Answer;
use crate::{
    door::Door,
    extract::{Asked, Named},
    problem::{Code, Problem, Problems},
    query::{self, kind},
    wire::{self, MotionShown, Page, PageQuery, SeatsShown},
};

/// Who votes in this epoch, and the seats as they stand for the next ones.
#[utoipa::path(
    get, path = "/v1/seats", tag = "seats",
    responses((status = 200, description = "The seats", body = SeatsShown), Problems)
)]
pub(crate) async fn seats(State(door): State<Door>) -> Json<SeatsShown> {
    let (committee, seats) = (door.desk.committee(), door.desk.seats());
    Json(SeatsShown::new(committee, seats, &door.desk.genesis().params))
}

/// Lists motions in the order of their ids.
#[utoipa::path(
    get, path = "/v1/motions", tag = "seats", params(PageQuery),
    responses((status = 200, description = "A page", body = Page<MotionShown>), Problems)
)]
pub(crate) async fn motions(
    State(door): State<Door>,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<MotionShown>> {
    let (at, cursor) = (door.desk.snapshot(), query.cursor()?);
    let now_ms = at.header.timestamp_ms;
    let shown = |id: &[u8], motion: Motion| {
        let id = Digest(id.try_into().ok()?);
        Some(MotionShown::new(id, motion, now_ms))
    };
    Ok(Json(query::keyed_page(&at.world, kind::MOTION, &cursor, shown)?))
}

/// One motion.
#[utoipa::path(
    get, path = "/v1/motions/{id}", tag = "seats",
    params(("id" = String, Path, description = "Id of the command that proposed it, in hex")),
    responses((status = 200, description = "The motion", body = MotionShown), Problems)
)]
pub(crate) async fn motion(
    State(door): State<Door>,
    Named(id): Named<String>,
) -> Answer<MotionShown> {
    let (id, at) = (wire::digest("id", &id)?, door.desk.snapshot());
    let found = query::record::<Motion>(&at.world, &StateKey::Motion(id))?;
    let motion = found.ok_or_else(|| Problem::new(Code::UnknownMotion, id.to_string()))?;
    Ok(Json(MotionShown::new(id, motion, at.header.timestamp_ms)))
}
