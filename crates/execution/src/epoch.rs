//! Which committees a header names: the one rule for whoever builds a block and whoever checks it.

use hanse_types::{ChainParams, Committee, Digest, Header};

use crate::World;

/// Epoch and committees of the block that follows a given one.
///
/// Within an epoch the committee stays; the first block of an epoch has the one that the last header before it named. The
/// next committee is named by every header, from the seats in its parent's state, so a change in block h is named from h + 1
/// on, and the last header of an epoch decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The block's epoch.
    pub epoch: u64,
    /// [`Committee::digest`] of that epoch.
    pub committee: Digest,
    /// The same for the epoch after, as it stands.
    pub next_committee: Digest,
    /// Whether the epoch's end is worth hurrying to: keys or organisations of the seats differ from that committee (a new address
    /// alone is none), or somebody asked for it.
    pub hurries: bool,
}

impl Succession {
    /// Of the block after `parent`, where `world` is the state after `parent`.
    pub fn after(params: &ChainParams, parent: &Header, world: &World) -> Self {
        let epoch = params.epoch_of(parent.height + 1);
        let first = epoch != params.epoch_of(parent.height);
        let committee = if first { parent.next_committee } else { parent.committee };
        let seats = world.seats();
        let asked = seats.hurry.is_some_and(|hurry| hurry.epoch == epoch);
        let seats: Committee = seats.committee(epoch);
        let hurries = asked || seats.digest() != committee;
        let next_committee = Committee { epoch: epoch + 1, ..seats }.digest();
        Self { epoch, committee, next_committee, hurries }
    }
}

#[cfg(test)]
mod tests;
