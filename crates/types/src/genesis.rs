//! What all members agree on before the first block.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, PublicKey, hash};

use crate::{Height, TimeMs, encode, limits::EPOCH_BLOCKS_MIN};

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
    /// Heights of one epoch: the committee can change at its end. At least [`EPOCH_BLOCKS_MIN`].
    pub epoch_blocks: u64,
    /// Spaces one organisation may own.
    pub spaces_per_organisation: u32,
    /// Share of the seated organisations that must agree to a motion.
    pub motion: Threshold,
    /// The same when the committee would bear fewer faulty members than before; at least `motion`.
    pub motion_high: Threshold,
}

/// Why settings can be no network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// `epoch_blocks` is under [`EPOCH_BLOCKS_MIN`].
    #[error("an epoch needs at least {EPOCH_BLOCKS_MIN} blocks")]
    Epoch,
    /// A threshold is 0, over 1, or `motion_high` is under `motion`.
    #[error("thresholds of motions must satisfy 0 < motion <= motion_high <= 1")]
    Threshold,
}

impl ChainParams {
    /// The epoch of the block at `height`; genesis is in epoch 0. An `epoch_blocks` of 0, which [`ChainParams::check`]
    /// refuses, counts as one epoch without end.
    pub fn epoch_of(&self, height: Height) -> u64 {
        height.checked_div(self.epoch_blocks).unwrap_or(0)
    }

    /// Whether the next block begins another epoch.
    pub fn is_last_of_epoch(&self, height: Height) -> bool {
        height.checked_add(1).is_some_and(|next| self.epoch_of(next) != self.epoch_of(height))
    }

    /// The height of the last block of `epoch`; the greatest height when the epoch has no end.
    pub fn last_of_epoch(&self, epoch: u64) -> Height {
        let end = epoch.checked_add(1).and_then(|next| next.checked_mul(self.epoch_blocks));
        end.and_then(|end| end.checked_sub(1)).unwrap_or(Height::MAX)
    }

    /// Checks what no network can do without, whatever its members want.
    ///
    /// # Errors
    /// [`ParamsError`], see its variants.
    pub fn check(&self) -> Result<(), ParamsError> {
        if self.epoch_blocks < EPOCH_BLOCKS_MIN {
            return Err(ParamsError::Epoch);
        }
        let (low, high) = (self.motion, self.motion_high);
        let ordered =
            u32::from(low.num) * u32::from(high.den) <= u32::from(high.num) * u32::from(low.den);
        if low.is_share() && high.is_share() && ordered {
            Ok(())
        } else {
            Err(ParamsError::Threshold)
        }
    }
}

/// A share of the organisations that hold a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Threshold {
    /// Numerator.
    pub num: u16,
    /// Denominator.
    pub den: u16,
}

impl Threshold {
    /// What genesis makers write for `motion`.
    pub const TWO_THIRDS: Self = Self { num: 2, den: 3 };
    /// What genesis makers write for `motion_high`.
    pub const ALL: Self = Self { num: 1, den: 1 };

    /// The least number of `n` organisations that is at least this share; never none.
    pub fn of(self, n: usize) -> usize {
        let den = usize::from(self.den.max(1));
        (n * usize::from(self.num)).div_ceil(den).max(1)
    }

    fn is_share(self) -> bool {
        0 < self.num && self.num <= self.den
    }
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
        n - faults(n)
    }
}

/// Faulty members that a committee of `n` bears: ⌊(n−1)/3⌋.
pub fn faults(n: usize) -> usize {
    n.saturating_sub(1) / 3
}
