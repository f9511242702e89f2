//! What all members agree on before the first block.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, PublicKey, hash};

use crate::{TimeMs, encode};

/// Settings that must be equal on every member. In genesis; changed only by a motion. No defaults.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChainParams {
    /// Selects the executors by height (DESIGN D11).
    pub protocol_version: u16,
    /// Milliseconds of silence after which the leader proposes an empty block.
    pub heartbeat_ms: u32,
    /// Milliseconds a leader has to propose before its view is skipped. Greater than the heartbeat.
    pub leader_timeout_ms: u32,
    /// Milliseconds a proposal has to be notarized before its view is skipped.
    pub certification_timeout_ms: u32,
    /// Milliseconds a block's time may be ahead of a member's clock before that member waits with its vote.
    pub clock_ahead_max_ms: u32,
    /// Heights of one epoch: the committee can change at its end.
    pub epoch_blocks: u64,
    /// Spaces one organisation may own.
    pub spaces_per_organisation: u32,
}

/// A founding party and its one member.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GenesisOrganisation {
    /// An RFC 1123 label, unique.
    pub name: String,
    /// Its first account; has every role.
    pub admin: PublicKey,
    /// Its member's consensus key (ed25519, raw).
    pub consensus: [u8; 32],
    /// Keys its gateways sign session batches with; never a consensus key.
    pub gateways: Vec<PublicKey>,
}

/// The first block's content in place of commands.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Genesis {
    /// Version of this layout: 1.
    pub version: u16,
    /// What people call the network.
    pub name: String,
    /// Time of the genesis block.
    pub created_ms: TimeMs,
    /// Agreed settings.
    pub params: ChainParams,
    /// Founders, sorted by name.
    pub organisations: Vec<GenesisOrganisation>,
}

impl Genesis {
    /// Names the chain: every signature and every header binds to it.
    pub fn chain_id(&self) -> Digest {
        hash("hanse/genesis", &[&encode(self)])
    }

    /// The committee of epoch 0: one member per organisation, in consensus-key order.
    pub fn committee(&self) -> Committee {
        let mut members: Vec<CommitteeMember> = self
            .organisations
            .iter()
            .map(|o| CommitteeMember { consensus: o.consensus, organisation: o.name.clone() })
            .collect();
        members.sort();
        Committee { epoch: 0, members }
    }
}

/// One seat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct CommitteeMember {
    /// ed25519 key that signs votes; certificates name signers by its rank.
    pub consensus: [u8; 32],
    /// Who holds the seat.
    pub organisation: String,
}

/// Who votes in one epoch, in the order in which certificates number signers (ascending key).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Committee {
    /// The epoch these members vote in.
    pub epoch: u64,
    /// Sorted by consensus key, no key twice.
    pub members: Vec<CommitteeMember>,
}

impl Committee {
    /// What headers commit to.
    pub fn digest(&self) -> Digest {
        hash("hanse/committee", &[&encode(self)])
    }

    /// Signatures a certificate needs: n − ⌊(n−1)/3⌋ (the engine's N3f1).
    pub fn quorum(&self) -> usize {
        let n = self.members.len();
        n - n.saturating_sub(1) / 3
    }
}
