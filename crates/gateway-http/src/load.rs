//! Bearing load: at most so many requests at once, each answered in bounded time, all of them counted.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    door::Door,
    problem::{Code, Problem},
};

/// Takes a place for the request until its answer is sent, or sheds it.
pub(crate) async fn shed(
    State(door): State<Door>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let place = door.requests.clone().try_acquire_owned().map_err(|_| {
        door.config.metrics.shed.inc();
        let most = door.config.limits.requests;
        Problem::retry(Code::Overloaded, format!("{most} requests are under way"), 1_000)
    })?;
    let counted = Counted::new(&door.config.metrics.in_flight);
    let response = next.run(request).await;
    Ok(response.map(|body| Body::new(Held { body, _place: place, _counted: counted })))
}

/// Gives up on answers that take too long.
pub(crate) async fn deadline(
    State(door): State<Door>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let patience = door.config.limits.answer_time;
    timeout(patience, next.run(request)).await.map_err(|_| {
        let detail = format!("it was not ready after {} ms", patience.as_millis());
        Problem::new(Code::SlowAnswer, detail)
    })
}

/// Counts and times the request by its route, and sets the headers every answer has.
pub(crate) async fn observe(State(door): State<Door>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    door.config.metrics.observe(route, method, response.status().as_u16(), begun.elapsed());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// No sniffing of types, and no embedding of answers by other origins (Fetch standard, section 3.7).
const HEADERS: [(HeaderName, &str); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Methods are free text on the wire; labels are not.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// One more, until dropped.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An answer that keeps its place until its last byte is handed over: slow readers count as load.
struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
    _counted: Counted,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
