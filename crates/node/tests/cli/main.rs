//! The binary as its users meet it.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod auth;
mod demo;
mod docker;
#[path = "../../src/demo/engine.rs"]
mod engine;
mod http;
mod images;
#[path = "../../src/demo/layout.rs"]
mod layout;
mod ledger;
mod local_network;
mod network;
mod platforms;
mod proofs;
mod registry;
mod seats;
mod snapshots;
mod storage;
mod tokens;
mod user;
mod verbs;
mod votes;

/// Says that a test could not run on this machine, and why: never silently.
#[expect(clippy::print_stderr, reason = "whoever reads the test's output must see it")]
fn not_run(why: &str) {
    eprintln!("{why}");
}
