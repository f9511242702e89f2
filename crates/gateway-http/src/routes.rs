//! Which path leads to which handler, behind which guards; and the OpenAPI document made from the same handlers.

use std::sync::{Arc, LazyLock};

use axum::{
    Json, Router,
    middleware::from_fn_with_state as layer,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use hanse_ledger::Ledger;
use utoipa::OpenApi;

use crate::{
    DoorConfig,
    door::Door,
    guard::guard,
    handlers::{
        blocks, commands, events, health, images, kv, method_not_allowed, parties, proofs, seats,
        snapshots, status, unknown_route,
    },
    load::{deadline, observe, shed},
    problem::ProblemBody,
};

/// A door in front of `desk`. Serve it with [`crate::serve`]; without that, clients have no address and count as strangers.
pub fn router(desk: Arc<Ledger>, config: DoorConfig) -> Router {
    config.metrics.desk(&desk);
    let door = Door::new(desk, config);
    let all = |routes: Vec<(&str, MethodRouter<Door>)>| {
        routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route))
    };
    let reads = all(reads()).layer(layer(door.clone(), deadline));
    let api = reads.merge(all(waits())).layer(layer(door.clone(), shed));
    api.merge(all(probes()))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(layer(door.clone(), guard))
        .layer(layer(door.clone(), observe))
        .with_state(door)
}

/// Answered at once, or within [`crate::Limits::answer_time`].
fn reads() -> Vec<(&'static str, MethodRouter<Door>)> {
    vec![
        ("/v1/commands/{id}", get(commands::recorded)),
        ("/v1/spaces", get(parties::spaces)),
        ("/v1/status", get(status::status)),
        ("/v1/trust-root", get(status::trust_root)),
        ("/v1/proofs/receipt/{command}", get(proofs::receipt)),
        ("/v1/proofs/lookup", get(proofs::lookup)),
        ("/v1/proofs/range", get(proofs::range)),
        ("/v1/proofs/event/{height}/{index}/{event}", get(proofs::event)),
        ("/v1/proofs/handover/{epoch}", get(proofs::handover)),
        ("/v1/images/tag", get(images::tag)),
        ("/v1/images/history", get(images::history)),
        ("/v1/images/repositories", get(images::repositories)),
        ("/v1/images/digest", get(images::digest)),
        ("/v1/images/namespace", get(images::namespace)),
        ("/v1/accounts", get(parties::accounts)),
        ("/v1/accounts/{id}", get(parties::account)),
        ("/v1/organisations", get(parties::organisations)),
        ("/v1/gateways", get(parties::gateways)),
        ("/v1/seats", get(seats::seats)),
        ("/v1/motions", get(seats::motions)),
        ("/v1/motions/{id}", get(seats::motion)),
        ("/v1/blocks/{height}", get(blocks::block)),
        ("/v1/snapshots", post(snapshots::make)),
        ("/v1/snapshots/newest", get(snapshots::newest)),
        ("/v1/snapshots/{height}/chunks/{index}", get(snapshots::chunk)),
    ]
}

/// Wait as long as their client says, or for ever.
fn waits() -> Vec<(&'static str, MethodRouter<Door>)> {
    vec![
        ("/v1/commands", post(commands::submit)),
        ("/v1/spaces/{space}/kv", get(kv::read).post(kv::write)),
        ("/v1/events", get(events::events)),
    ]
}

/// Never shed: a member under load is not dead, and its operator must be able to see it.
fn probes() -> Vec<(&'static str, MethodRouter<Door>)> {
    vec![
        ("/livez", get(health::livez)),
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
        ("/metrics", get(health::metrics)),
        ("/version", get(status::version)),
        ("/openapi.json", get(openapi)),
        ("/errors/{code}", get(status::error_page)),
    ]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hanse",
        version = "1",
        description = "One member's door to the ledger. Digests, ids and state keys are in hex, clients' keys and values in base64.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(ProblemBody)),
    paths(
        commands::submit,
        commands::recorded,
        kv::read,
        kv::write,
        parties::spaces,
        parties::organisations,
        parties::accounts,
        parties::account,
        parties::gateways,
        seats::seats,
        seats::motions,
        seats::motion,
        images::tag,
        images::history,
        images::repositories,
        images::digest,
        images::namespace,
        proofs::receipt,
        proofs::lookup,
        proofs::range,
        proofs::event,
        proofs::handover,
        blocks::block,
        snapshots::make,
        snapshots::newest,
        snapshots::chunk,
        events::events,
        status::status,
        status::trust_root,
        status::version,
        status::error_page,
        health::livez,
        health::healthz,
        health::readyz,
        health::metrics,
        openapi,
    )
)]
struct Described;

/// The document, built once.
static DOCUMENT: LazyLock<serde_json::Value> = LazyLock::new(|| {
    serde_json::to_value(Described::openapi()).expect("the document has string keys only")
});

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "member",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object))
)]
async fn openapi() -> Response {
    Json(&*DOCUMENT).into_response()
}

#[cfg(test)]
mod tests;
