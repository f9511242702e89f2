//! A small synthetic chain with real keys and a real state map, and everything a proof of it may say or get wrong.

mod bad;
mod chain;
mod engine;
mod forgeries;
mod good;
mod vectors;
