//! Hand blocks to the engine and bring back certified ones.
//!
//! The only room that names the engine (commonware simplex and marshal, docs/adr/0002).

mod application;
pub use application::{Application, Certified, Verdict};
