//! Seats and motions.

use hanse_types::{
    Applicant, ChainParams, Committee, CommitteeMember, Digest, Leaver, Motion, MotionState, Seat,
    SeatChange, Seats, TimeMs, Vote,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Who votes, and who will.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Seats)]
pub(crate) struct SeatsShown {
    /// Epoch of the newest committed block.
    epoch: u64,
    /// Heights of one epoch.
    epoch_blocks: u64,
    /// Who votes in this epoch, in the order in which certificates number signers.
    committee: Vec<VoterShown>,
    /// Who will vote from the next epoch on, as it stands.
    members: Vec<SeatShown>,
    /// Admitted; their nodes have yet to show that they follow the chain.
    applicants: Vec<SeatShown>,
    /// Their seats were taken; they are asked to serve history for a while.
    leaving: Vec<SeatShown>,
}

/// One member of a committee.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Voter)]
pub(crate) struct VoterShown {
    organisation: String,
    /// In hex.
    consensus: String,
}

/// One seat, application, or seat that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Seat)]
pub(crate) struct SeatShown {
    organisation: String,
    /// In hex.
    consensus: String,
    /// `host:port`; empty when only the operators know it.
    address: String,
    /// First epoch the key votes in; null for an applicant and who left.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_epoch: Option<u64>,
    /// First epoch the key does not vote in; only of who left.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_epoch: Option<u64>,
    /// Block in which the motion passed; only of applicants.
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
}

/// A proposed change of the seats.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Motion)]
pub(crate) struct MotionShown {
    /// Id of the command that proposed it, in hex.
    id: String,
    /// `open`, `expired`, `passed`, `withdrawn` or `failed`.
    state: &'static str,
    /// Block in which it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<u64>,
    /// Why it failed, in the word of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// `add`, `remove`, `address` or `rotate`.
    change: &'static str,
    /// Whose seat it is about.
    organisation: String,
    /// The new consensus key, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    consensus: Option<String>,
    /// The new address.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Key of the first account of a new organisation, `suite:hex`.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    /// Gateway keys of a new organisation, `suite:hex`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gateways: Vec<String>,
    proposer: String,
    /// Block it was proposed in.
    opened: u64,
    /// Block time after which it can no longer pass, in milliseconds since 1970.
    expires_ms: u64,
    /// The same, RFC 3339.
    expires: String,
    votes: Vec<VoteShown>,
}

/// One organisation's agreement.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Vote)]
pub(crate) struct VoteShown {
    organisation: String,
    /// Account that signed, in hex.
    account: String,
    height: u64,
}

impl SeatsShown {
    pub(crate) fn new(committee: Committee, seats: Seats, params: &ChainParams) -> Self {
        Self {
            epoch: committee.epoch,
            epoch_blocks: params.epoch_blocks,
            committee: committee.members.into_iter().map(VoterShown::from).collect(),
            members: seats.members.into_iter().map(SeatShown::from).collect(),
            applicants: seats.applicants.into_iter().map(SeatShown::from).collect(),
            leaving: seats.leaving.into_iter().map(SeatShown::from).collect(),
        }
    }
}

impl From<CommitteeMember> for VoterShown {
    fn from(member: CommitteeMember) -> Self {
        Self { organisation: member.organisation, consensus: hex::encode(member.consensus) }
    }
}

impl SeatShown {
    fn new(organisation: String, consensus: &[u8; 32], address: String) -> Self {
        let consensus = hex::encode(consensus);
        let (since_epoch, until_epoch, height) = (None, None, None);
        Self { organisation, consensus, address, since_epoch, until_epoch, height }
    }
}

impl From<Seat> for SeatShown {
    fn from(seat: Seat) -> Self {
        let since_epoch = Some(seat.since_epoch);
        Self { since_epoch, ..Self::new(seat.organisation, &seat.consensus, seat.address) }
    }
}

impl From<Applicant> for SeatShown {
    fn from(seat: Applicant) -> Self {
        let height = Some(seat.height);
        Self { height, ..Self::new(seat.organisation, &seat.consensus, seat.address) }
    }
}

impl From<Leaver> for SeatShown {
    fn from(seat: Leaver) -> Self {
        let until_epoch = Some(seat.until_epoch);
        Self { until_epoch, ..Self::new(seat.organisation, &seat.consensus, seat.address) }
    }
}

impl From<Vote> for VoteShown {
    fn from(vote: Vote) -> Self {
        let account = vote.account.to_string();
        Self { organisation: vote.organisation, account, height: vote.height }
    }
}

/// Kind, new key, new address, first account and gateways of a change.
type Parts =
    (&'static str, Option<[u8; 32]>, Option<String>, Option<hanse_types::PublicKey>, Vec<String>);

fn parts(change: SeatChange) -> Parts {
    match change {
        SeatChange::Add { admin, gateways, consensus, address, .. } => {
            let gateways = gateways.iter().map(ToString::to_string).collect();
            ("add", Some(consensus), Some(address), admin, gateways)
        }
        SeatChange::Remove { .. } => ("remove", None, None, None, Vec::new()),
        SeatChange::Address { address, .. } => ("address", None, Some(address), None, Vec::new()),
        SeatChange::Rotate { consensus, .. } => ("rotate", Some(consensus), None, None, Vec::new()),
    }
}

impl MotionShown {
    /// `now_ms` is the newest block's time: by it a motion that nobody touches any more is expired.
    pub(crate) fn new(id: Digest, motion: Motion, now_ms: TimeMs) -> Self {
        let (state, passed, reason) = match motion.state {
            MotionState::Open if now_ms > motion.expires_ms => ("expired", None, None),
            MotionState::Open => ("open", None, None),
            MotionState::Passed(height) => ("passed", Some(height), None),
            MotionState::Withdrawn => ("withdrawn", None, None),
            MotionState::Failed { reason } => ("failed", None, Some(super::command::word(reason))),
        };
        let organisation = motion.change.organisation().to_owned();
        let (change, consensus, address, admin, gateways) = parts(motion.change);
        Self {
            id: id.to_string(),
            state,
            passed,
            reason,
            change,
            organisation,
            consensus: consensus.map(hex::encode),
            address,
            admin: admin.map(|key| key.to_string()),
            gateways,
            proposer: motion.proposer,
            opened: motion.opened,
            expires_ms: motion.expires_ms,
            expires: super::time(motion.expires_ms),
            votes: motion.votes.into_iter().map(VoteShown::from).collect(),
        }
    }
}
