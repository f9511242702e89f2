//! The event stream.

use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse,
        sse::{KeepAlive, Sse},
    },
};

use crate::{
    door::{Closing, Door},
    extract::Asked,
    feed::{self, Feed},
    load::Counted,
    problem::{Problem, Problems},
    wire::{EventShown, EventsQuery},
};

/// Follows committed blocks: one `change` per changed key, then one `block`, in order and without gaps.
///
/// Server-sent events (WHATWG HTML section 9.2). Ids are `height:index`; a client that reconnects with `Last-Event-ID`
/// misses nothing. A client that falls behind what is kept gets `lagged` with the oldest height, and the stream ends.
#[utoipa::path(
    get, path = "/v1/events", tag = "blocks", params(EventsQuery),
    responses(
        (status = 200, description = "`change`, `block` and `lagged` events", content_type = "text/event-stream", body = EventShown),
        Problems
    )
)]
pub(crate) async fn events(
    State(door): State<Door>,
    closing: Option<Extension<Closing>>,
    headers: HeaderMap,
    Asked(query): Asked<EventsQuery>,
) -> Result<impl IntoResponse, Problem> {
    let place = door.watcher()?;
    let start = feed::start(&headers, query.from, door.desk.snapshot().header.height)?;
    let counted = Counted::new(&door.config.metrics.watchers);
    let feed = Feed::new(&door, start, closing.map(|Extension(c)| c), (place, counted));
    let beat = KeepAlive::new().interval(door.config.limits.heartbeat).text("heartbeat");
    Ok(Sse::new(feed.events()).keep_alive(beat))
}
