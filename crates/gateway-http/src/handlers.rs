//! One function per path: wire to words, a question to the desk, words to wire. Nothing here decides.

pub(crate) mod blocks;
pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod images;
pub(crate) mod kv;
pub(crate) mod parties;
pub(crate) mod proofs;
pub(crate) mod seats;
pub(crate) mod snapshots;
pub(crate) mod status;

use axum::Json;

use crate::problem::{Code, Problem};

/// What a handler answers with.
type Answer<T> = Result<Json<T>, Problem>;

/// Nothing is at this path.
pub(crate) async fn unknown_route(uri: axum::http::Uri) -> Problem {
    Problem::new(Code::UnknownRoute, format!("nothing is at {:?}", uri.path()))
}

/// The path takes other methods.
pub(crate) async fn method_not_allowed(method: axum::http::Method) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("this path does not take {method}"))
}
