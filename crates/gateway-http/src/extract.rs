//! Reading requests, with limits on size and time, and problems instead of plain-text rejections.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    door::Door,
    limits::{COMMAND_BODY_BYTES_MAX, JSON_BODY_BYTES_MAX, ROOM_STEP_BYTES},
    problem::{Code, Problem},
};

/// The query string as a `T` that refuses unknown names.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::malformed("query", rejection.body_text())),
        }
    }
}

/// The variable parts of the path.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(rejection) => Err(Problem::malformed("path", rejection.body_text())),
        }
    }
}

/// A body of `application/octet-stream`. Holds its share of [`crate::limits::BODIES_BYTES_MAX`] while it lives.
pub(crate) struct Octets {
    pub(crate) bytes: Bytes,
    _room: Room,
}

impl FromRequest<Door> for Octets {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Problem> {
        expect_type(request.headers(), "application/octet-stream")?;
        let (bytes, room) = read(request, door, COMMAND_BODY_BYTES_MAX).await?;
        Ok(Self { bytes, _room: room })
    }
}

/// A body of `application/json`. Holds its share of [`crate::limits::BODIES_BYTES_MAX`] while it lives.
pub(crate) struct JsonOf<T> {
    pub(crate) value: T,
    _room: Room,
}

impl<T: DeserializeOwned> FromRequest<Door> for JsonOf<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Problem> {
        expect_type(request.headers(), "application/json")?;
        let (bytes, room) = read(request, door, JSON_BODY_BYTES_MAX).await?;
        let value = serde_json::from_slice(&bytes).map_err(|e| Problem::malformed("body", e))?;
        Ok(Self { value, _room: room })
    }
}

/// Asking for the exact type also keeps HTML forms out: they cannot send these types (Fetch standard, "CORS-safelisted").
fn expect_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(Code::WrongMediaType, format!("this path takes {expected}")))
}

async fn read(request: Request, door: &Door, bytes_max: usize) -> Result<(Bytes, Room), Problem> {
    if said_length(request.headers()).is_some_and(|n| n > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    let patience = door.config.limits.body_time;
    let gather = collect(request.into_body(), door, bytes_max);
    // One deadline for the whole body: a limit between two pieces would let a client dribble for ever.
    timeout(patience, gather).await.unwrap_or_else(|_| {
        let detail = format!("it was not whole after {} ms", patience.as_millis());
        Err(Problem::new(Code::SlowBody, detail))
    })
}

fn said_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(body: Body, door: &Door, bytes_max: usize) -> Result<(Bytes, Room), Problem> {
    let mut room = Room::default();
    let mut pieces = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Problem::malformed("body", "it broke off"))?;
        if whole.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        room.grow(door, whole.len() + piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok((whole.freeze(), room))
}

/// A body's share of [`crate::limits::BODIES_BYTES_MAX`]. Taken as bytes arrive, so that announcing a body costs others nothing.
#[derive(Default)]
struct Room {
    held: Option<OwnedSemaphorePermit>,
}

impl Room {
    fn grow(&mut self, door: &Door, bytes: usize) -> Result<(), Problem> {
        let steps = bytes.div_ceil(ROOM_STEP_BYTES);
        let missing = steps.saturating_sub(self.held.as_ref().map_or(0, |p| p.num_permits()));
        let more = door.bodies.clone().try_acquire_many_owned(missing as u32).map_err(|_| {
            door.config.metrics.shed.inc();
            Problem::retry(Code::Overloaded, "request bodies take all the room there is", 1_000)
        })?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("at most {bytes_max} bytes are taken here"))
}
