//! Check a receipt, value, absence, range, event or hand-over from bytes and a trust root alone.
//!
//! [`verify`] is the judgement; [`Proof`] is the file as data, which the ledger builds and
//! [`Proof::encode`]s. docs/formats/proof.md describes the file for other implementations. No clock,
//! no network, no engine: what an auditor, a phone or another language needs is in this crate.
#![no_std]
extern crate alloc;

mod branch;
mod cbor;
mod claim;
mod error;
mod finalization;
pub mod limits;
mod path;
mod proof;
mod trust;
#[cfg(feature = "json")]
mod trust_file;
mod verify;

pub use branch::StateBranch;
pub use claim::{Claim, Entry, Kind, StateProofItem};
pub use error::ProofError;
pub use finalization::{Finalization, decode_finalization, namespace};
pub use path::LeafPath;
pub use proof::{Handover, Proof, VERSION};
pub use trust::{Pinned, TrustRoot};
#[cfg(feature = "json")]
pub use trust_file::{TrustFile, TrustFileError};
pub use verify::{Quorum, Verified, verify};
