//! Who holds a seat, and how that changes: motions of the organisations that hold one (docs/adr/0012).

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, PublicKey, Signature};

use crate::{Committee, CommitteeMember, Height, Refusal, TimeMs, encode};

/// Domain of the signature by which the holder of a consensus key agrees to vote with it ([`possession_message`]).
pub const POSSESSION_DOMAIN: &str = "hanse/seat/v1";
/// Domain of the signature by which an applicant's node shows that it follows the chain ([`ready_message`]).
pub const READY_DOMAIN: &str = "hanse/ready/v1";

/// What a consensus key signs before it may get a seat: this chain, this organisation, this key.
pub fn possession_message(chain_id: &Digest, organisation: &str, consensus: &[u8; 32]) -> Vec<u8> {
    encode(&(chain_id, organisation, consensus))
}

/// What an applicant's node signs once it has the block at `height`.
pub fn ready_message(chain_id: &Digest, height: Height, digest: &Digest) -> Vec<u8> {
    encode(&(chain_id, height, digest))
}

/// Moves and decides changes of the seats. `propose`, `approve` and `hurry` need an administrator of an organisation that holds a seat.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum MembershipAction {
    /// Opens a motion and votes for it. Its id is [`crate::Command::id`] of the command: a signed command has one action.
    Propose {
        /// What is to change.
        change: SeatChange,
        /// Block time after which it can no longer pass; at most [`crate::limits::MOTION_MS_MAX`] ahead.
        expires_ms: TimeMs,
    },
    /// The sender's organisation agrees.
    Approve {
        /// The motion's id.
        motion: Digest,
    },
    /// The organisation that proposed it takes it back.
    Withdraw {
        /// The motion's id.
        motion: Digest,
    },
    /// An applicant's node follows the chain: from now on it holds a seat. Any account may say so.
    Ready {
        /// The applicant's consensus key.
        consensus: [u8; 32],
        /// One of the last [`crate::limits::READY_BLOCKS_MAX`] blocks, and none older than one epoch's length.
        height: Height,
        /// That block's header digest.
        digest: Digest,
        /// By `consensus`, domain [`READY_DOMAIN`], over [`ready_message`].
        proof: Signature,
    },
    /// Ends the present epoch at full speed, whoever sits in the next one: a member that lost its votes waits for it to vote again.
    /// At most once in [`crate::limits::HURRY_MS_MIN`].
    Hurry,
}

/// What a motion asks for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SeatChange {
    /// Makes an organisation an applicant; its `Ready` makes it a member.
    Add {
        /// Without a seat so far.
        organisation: String,
        /// Its first account when the organisation is new; `None` when it exists.
        admin: Option<PublicKey>,
        /// First gateway keys of a new organisation; empty when it exists.
        gateways: Vec<PublicKey>,
        /// Its member's consensus key (ed25519, raw).
        consensus: [u8; 32],
        /// As [`Seat::address`].
        address: String,
        /// By `consensus`, domain [`POSSESSION_DOMAIN`], over [`possession_message`].
        possession: Signature,
    },
    /// Takes an organisation's seat, or its application.
    Remove {
        /// Whose.
        organisation: String,
    },
    /// Gives a seat, or an application, another address.
    Address {
        /// Whose.
        organisation: String,
        /// As [`Seat::address`].
        address: String,
    },
    /// Gives a seat another consensus key.
    Rotate {
        /// Whose.
        organisation: String,
        /// The new key.
        consensus: [u8; 32],
        /// By `consensus`, domain [`POSSESSION_DOMAIN`], over [`possession_message`].
        possession: Signature,
    },
}

impl SeatChange {
    /// Whose seat it is about.
    pub fn organisation(&self) -> &str {
        match self {
            Self::Add { organisation, .. }
            | Self::Remove { organisation }
            | Self::Address { organisation, .. }
            | Self::Rotate { organisation, .. } => organisation,
        }
    }
}

/// A place in the committee of the next epoch and those after it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seat {
    /// Key that signs its votes.
    pub consensus: [u8; 32],
    /// Who holds it.
    pub organisation: String,
    /// `host:port` where its node is reached; empty for "as the operators configured it".
    pub address: String,
    /// First epoch in which `consensus` votes.
    pub since_epoch: u64,
}

/// Admitted by a motion; becomes a member when its node is ready.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Applicant {
    /// Key its node will vote with.
    pub consensus: [u8; 32],
    /// Who.
    pub organisation: String,
    /// As [`Seat::address`].
    pub address: String,
    /// Block in which its motion passed.
    pub height: Height,
}

/// A seat that was taken away. Its node is asked to serve history for a while.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Leaver {
    /// Key its node voted with.
    pub consensus: [u8; 32],
    /// Who.
    pub organisation: String,
    /// As [`Seat::address`].
    pub address: String,
    /// First epoch it does not vote in.
    pub until_epoch: u64,
}

/// Everything about seats, as one record of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seats {
    /// Sorted by consensus key; one per organisation.
    pub members: Vec<Seat>,
    /// Sorted by consensus key; one per organisation, none that holds a seat.
    pub applicants: Vec<Applicant>,
    /// In the order in which they left; dropped [`crate::limits::LEAVING_EPOCHS`] after, at the next change.
    pub leaving: Vec<Leaver>,
    /// The last [`MembershipAction::Hurry`].
    pub hurry: Option<Hurry>,
}

/// An epoch that is ended at full speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hurry {
    /// Which.
    pub epoch: u64,
    /// Block time at which somebody asked.
    pub time_ms: TimeMs,
}

impl Seats {
    /// The members as the committee of `epoch`.
    pub fn committee(&self, epoch: u64) -> Committee {
        let member = |seat: &Seat| CommitteeMember {
            consensus: seat.consensus,
            organisation: seat.organisation.clone(),
        };
        let mut members: Vec<CommitteeMember> = self.members.iter().map(member).collect();
        members.sort();
        Committee { epoch, members }
    }

    /// The seat of an organisation.
    pub fn seat(&self, organisation: &str) -> Option<&Seat> {
        self.members.iter().find(|seat| seat.organisation == organisation)
    }

    /// The application of an organisation.
    pub fn applicant(&self, organisation: &str) -> Option<&Applicant> {
        self.applicants.iter().find(|applicant| applicant.organisation == organisation)
    }
}

/// Who a consensus key was given to. Kept for ever: no key is used twice.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConsensusKeyUse {
    /// Whose.
    pub organisation: String,
    /// Block that registered it.
    pub height: Height,
}

/// Something the organisations with seats decide together.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Motion {
    /// What is to change.
    pub change: SeatChange,
    /// Organisation that proposed it.
    pub proposer: String,
    /// Who agreed, in order; one per organisation.
    pub votes: Vec<Vote>,
    /// Block it was proposed in.
    pub opened: Height,
    /// Block time after which it can no longer pass. It stays [`MotionState::Open`] then: nothing touches it any more.
    pub expires_ms: TimeMs,
    /// What came of it.
    pub state: MotionState,
}

/// One organisation's agreement.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Who agreed.
    pub organisation: String,
    /// Account that signed for it.
    pub account: Digest,
    /// When.
    pub height: Height,
}

/// Where a motion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum MotionState {
    /// Votes count, until it expires.
    Open,
    /// It had the votes in this block, and the change is made.
    Passed(Height),
    /// Taken back.
    Withdrawn,
    /// It had the votes, but the rules no longer allow the change.
    Failed {
        /// What the rules say.
        reason: Refusal,
    },
}

/// Open motions of one organisation, so that they can be counted without a scan. Expired ones are dropped when it proposes.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OpenMotions {
    /// Id and expiry, in the order in which they were proposed.
    pub motions: Vec<(Digest, TimeMs)>,
}
