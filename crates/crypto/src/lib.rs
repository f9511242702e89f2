//! Hash, sign, verify, seal: the only room that names an algorithm.
//!
//! Without the feature `std` the crate is `no_std` with `alloc` and holds what a verifier of
//! proofs needs: [`digest`], [`merkle`], [`verify_all`] and the verifying half of [`keys`]. With it come signing
//! keys, batches and key files.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod batch;
pub mod digest;
mod equation;
pub mod keys;
#[cfg(feature = "std")]
pub mod keystore;
pub mod merkle;
#[cfg(feature = "std")]
pub mod pem;
#[cfg(feature = "std")]
mod signing;
mod text;

pub use digest::{DOMAIN_LIMIT, Digest, Hasher, hash, sha256};
pub use equation::{Vote, verify_all};
pub use keys::{PublicKey, Signature, Suite};
#[cfg(feature = "std")]
pub use signing::SigningKey;
