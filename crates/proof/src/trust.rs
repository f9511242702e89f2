//! What a sceptic brings: the chain, a committee she accepts, and perhaps a block she knows.

use hanse_crypto::Digest;
use hanse_types::limits::COMMITTEE_MAX;
use hanse_types::{Committee, Genesis, Height};

use crate::error::ProofError;

/// Where all trust in a proof comes from. Everything else is checked against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    /// The chain.
    pub chain_id: Digest,
    /// The committee accepted without proof, in its epoch and in any later one that its members sit in;
    /// a proof names its epoch as its anchor.
    pub committee: Committee,
    /// Heights per epoch: a header's epoch is its height divided by this, and only the last header of an
    /// epoch may hand over to other members.
    pub epoch_blocks: u64,
    /// A block known to be on the chain: nothing older is accepted, and at its height nothing else. It does not
    /// make `committee` younger: give both from one epoch, or whoever holds the keys of a quorum of a committee
    /// that was replaced since can invent what came later (docs/formats/proof.md section 5).
    pub pinned: Option<Pinned>,
}

/// A known block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Its height.
    pub height: Height,
    /// Its header's digest.
    pub digest: Digest,
}

impl TrustRoot {
    /// Trust in the founders, and through hand-overs in whom they handed over to.
    pub fn from_genesis(genesis: &Genesis) -> Self {
        Self {
            chain_id: genesis.chain_id(),
            committee: genesis.committee(),
            epoch_blocks: genesis.params.epoch_blocks,
            pinned: None,
        }
    }

    /// # Errors
    /// [`ProofError::TrustRoot`] when the committee is empty, over [`COMMITTEE_MAX`], not in strict
    /// key order (so that no key counts twice), or epochs have no heights.
    pub(crate) fn check(&self) -> Result<(), ProofError> {
        if self.epoch_blocks == 0 || !is_committee(&self.committee) {
            return Err(ProofError::TrustRoot);
        }
        Ok(())
    }
}

/// Whether the members are in strict key order, and neither none nor too many.
pub(crate) fn is_committee(committee: &Committee) -> bool {
    let members = &committee.members;
    !members.is_empty()
        && members.len() <= COMMITTEE_MAX
        && members.windows(2).all(|pair| pair[0].consensus < pair[1].consensus)
}
