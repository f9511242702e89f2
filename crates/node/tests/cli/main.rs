//! The binary as its users meet it.

mod demo;
mod local_network;
mod user;
mod verbs;
