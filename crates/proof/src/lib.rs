//! Check a receipt, value, absence, range, event or hand-over from bytes and a trust root alone.
#![no_std]
extern crate alloc;

mod branch;
mod cbor;
mod error;

pub use branch::StateBranch;
pub use error::ProofError;
