//! REST, events, health and metrics in front of the desk.
//!
//! A door translates and never decides: what a request may do is judged by the ledger and its executors. What this room
//! does decide is who may knock ([`DoorConfig`]) and how much it bears at once ([`Limits`]). Paths, fields and problem
//! codes are public: `/openapi.json` is made from the handlers, and `docs/errors/` has a page for every code.

mod config;
pub use config::{
    Ask, CertificateView, Check, Coming, DoorConfig, EngineView, MemberState, MemberView, Snapshots,
};

pub mod limits;
pub use limits::Limits;

mod metrics;
pub use metrics::Metrics;

mod routes;
pub use routes::router;

mod serve;
pub use serve::serve;

mod door;
mod extract;
mod feed;
mod guard;
mod handlers;
mod load;
mod problem;
mod query;
mod wire;

#[cfg(test)]
mod tests;
