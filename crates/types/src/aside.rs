//! What the state holds beside its table of records, in digests.

use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::Digest;

/// Digests of what the state holds beside the map's table. Each block that settles writes it at [`crate::StateKey::Aside`],
/// so that the state root binds everything execution can see (docs/adr/0014). What each is made of: docs/formats/state.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Aside {
    /// Of the revision each space stands at.
    pub revisions: Digest,
    /// Of the replay keys of signed commands, in the order in which they came.
    pub seen: Digest,
    /// Of the sequences seen from each gateway.
    pub windows: Digest,
    /// Of the header digests of the last [`crate::limits::READY_BLOCKS_MAX`] ancestors.
    pub headers: Digest,
    /// The last header before the epoch of the block that wrote this: its own digest, not one of a list.
    pub begins_on: Digest,
}
