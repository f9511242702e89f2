//! One member below the doors, instantiated once for real and once for simulation.
//!
//! The engine is generic; here it becomes two concrete things ([`real`] on the operating system, [`simulated`] under one
//! seed), so that nothing above pays its compile time again.

mod adapter;
mod assemble;
mod birth;
mod config;
mod fetch;
pub mod real;
mod shelf;
#[cfg(feature = "simulated")]
pub mod simulated;
mod snapshots;
mod tree;

pub use assemble::{MemberError, PROTOCOL};
pub use config::{MemberConfig, SNAPSHOT_BLOCKS};
pub use hanse_consensus::{
    Bound, ConsensusKey, Handle, MemberStatus, Peer, PeerAddress, Status, VotesError,
};
pub use hanse_snapshot::SnapshotError;
pub use hanse_store::{Config as LogConfig, Counters, Report};
pub use shelf::Shelf;
