//! For supervisors, load balancers and Prometheus.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use hanse_ledger::NotLive;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    Check,
    door::Door,
    extract::Asked,
    metrics::MEDIA_TYPE,
    problem::{Problem, Problems},
};

/// How much a probe wants to hear.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProbeQuery {
    /// Given, with or without a value: list every check.
    verbose: Option<String>,
}

/// Whether this process makes progress. Not ready, not connected or a halted chain are no reasons to restart it.
#[utoipa::path(
    get, path = "/livez", tag = "health",
    responses((status = 200, description = "Live", content_type = "text/plain", body = String),
        (status = 503, description = "Stuck: restart it", content_type = "text/plain", body = String))
)]
pub(crate) async fn livez(State(door): State<Door>) -> Response {
    match (door.config.alive)() {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("stuck: {why}\n")).into_response(),
    }
}

/// As `/livez`, under the name older tools ask for.
#[utoipa::path(
    get, path = "/healthz", tag = "health",
    responses((status = 200, description = "Live", content_type = "text/plain", body = String),
        (status = 503, description = "Stuck: restart it", content_type = "text/plain", body = String))
)]
pub(crate) async fn healthz(door: State<Door>) -> Response {
    livez(door).await
}

/// Whether this member takes commands.
#[utoipa::path(
    get, path = "/readyz", tag = "health", params(ProbeQuery),
    responses((status = 200, description = "Ready", content_type = "text/plain", body = String),
        (status = 503, description = "Not ready: send clients elsewhere", content_type = "text/plain", body = String), Problems)
)]
pub(crate) async fn readyz(
    State(door): State<Door>,
    Asked(query): Asked<ProbeQuery>,
) -> Result<Response, Problem> {
    let checks = checks(&door);
    let ready = checks.iter().all(|c| c.result.is_ok());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = if query.verbose.is_some() { verbose(&checks) } else { String::new() };
    let verdict = if ready { "ok" } else { "not ready" };
    Ok((status, format!("{text}{verdict}\n")).into_response())
}

/// Numbers for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text", body = String))
)]
pub(crate) async fn metrics(State(door): State<Door>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], door.config.metrics.render()).into_response()
}

/// The desk's own checks, then the node's.
fn checks(door: &Door) -> Vec<Check> {
    let status = door.desk.status();
    let replayed = if status.ready { Ok(()) } else { Err("history is being replayed".to_owned()) };
    let live = if status.live { Ok(()) } else { Err(NotLive.to_string()) };
    let agrees = status.diverged.map_or(Ok(()), Err);
    let mut checks = vec![
        Check { name: "replayed", result: replayed },
        Check { name: "live", result: live },
        Check { name: "agrees", result: agrees },
    ];
    checks.extend((door.config.checks)());
    checks
}

/// One line per check, in the form of the Kubernetes API server's `/readyz?verbose`.
fn verbose(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let written = match &check.result {
            Ok(()) => writeln!(text, "[+]{} ok", check.name),
            Err(why) => writeln!(text, "[-]{} failed: {why}", check.name),
        };
        written.expect("writing to a string cannot fail");
    }
    text
}
