//! The authenticated map: settles writes into a root and proves what it holds.
//!
//! A slot is a hash of a key, its content the digest of a [`hanse_types::Record`]; the order of keys
//! is inside the records, so the map itself needs none (docs/adr/0004-state-layout.md). It is a log
//! of operations with a Merkle mountain range and an activity bitmap over it (`qmdb::current` of the
//! engine's storage), and runs on any of the engine's contexts.

mod branch;
mod files;
mod portable;
mod tree;

/// What a map's files need of their runtime: those who only pass a map on name it here.
pub use commonware_storage::Context;
pub use portable::{
    ExportError, Extent, Import, ImportError, LOG_OPERATIONS_MAX, PIECE_BYTES_MAX,
    PIECE_OPERATIONS_MAX,
};
pub use tree::{OpenError, PersistError, ProveError, Settings, SettleError, StateTree};
