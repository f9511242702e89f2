//! The binary as its users meet it.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod demo;
mod local_network;
mod user;
mod verbs;
mod votes;
