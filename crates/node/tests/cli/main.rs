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
mod storage;
mod tokens;
mod user;
mod verbs;
mod votes;
