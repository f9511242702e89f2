//! Turn one ordered block into state changes and receipts, identically on every member.
//!
//! The judgement is a function of its arguments: no clock, disk, network, randomness, hash-map order or member setting
//! enters this room. A refused command is an outcome with a receipt, never an error.

#[cfg(test)]
mod testkit;

mod world;
pub use world::{Dirty, Entry, Key, PortableError, Rebuild, World};

mod decode;
pub use decode::{Authored, DecodeRefusal, Decoded};

mod check;
pub use check::{CheckError, Lineage, check_body, check_links, check_replay, verify_signatures};

mod epoch;
pub use epoch::Succession;

mod block;
pub use block::{Applied, BlockContext, Change, Executed, Reply, execute};

mod access;
mod image;
mod kv;
mod membership;
mod organisation;
mod space;
mod work;
pub use work::work;

mod genesis;
pub use genesis::{genesis_block, genesis_world};
