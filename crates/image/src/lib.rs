//! Read, hash, copy and name container images wherever they live.
//!
//! Everything that comes from a registry, an archive or an engine is hostile until its digest matches: names are parsed by
//! [`reference`], documents by [`manifest`], bytes arrive through a [`source::Source`], are measured by [`hashing`], summed up
//! by [`describe`] and stored under a name by [`copy`]. This crate knows nothing of the ledger.

mod archive;
pub mod copy;
pub mod describe;
pub mod digest;
mod engine;
pub mod error;
pub mod fuzz;
pub mod hashing;
mod json;
pub mod limits;
pub mod manifest;
mod printable;
pub mod reference;
pub mod registry;
pub mod source;
mod tarball;
mod unpack;
mod watch;

#[cfg(test)]
mod testing;

pub use copy::{Copied, CopyOptions, Target, copy};
pub use describe::{
    CheckOptions, Checked, Description, Expected, ExpectedPlatform, check, describe,
};
pub use digest::{Algorithm, Digest};
pub use engine::EngineOptions;
pub use error::{ImageError, Kind};
pub use hashing::{Level, Progress, Silent, Snapshot};
pub use manifest::{Descriptor, Malformed, Platform};
pub use printable::printable;
pub use reference::{EngineName, ImageRef, ReferenceError, RegistryName};
pub use registry::push::{PushOptions, Pushed, push};
pub use registry::{Credentials, RegistryClient, RegistryOptions};
pub use source::{Purpose, Source, SourceOptions};
