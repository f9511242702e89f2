//! The log as a whole, in the deterministic runtime with its storage faults.

mod basic;
mod crash;
mod damage;
mod engine;
mod model;
mod real;
mod support;
mod wal;
