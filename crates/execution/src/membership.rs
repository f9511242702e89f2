//! Motions about seats: who may move and approve them, and when one has the votes (docs/adr/0012).

use hanse_types::{
    Account, AccountState, Digest, Evidence, Hurry, MembershipAction, Motion, MotionState,
    OpenMotions, PublicKey, READY_DOMAIN, Refusal, Seat, SeatChange, Seats, Signature, StateKey,
    Vote, faults,
    limits::{HURRY_MS_MIN, MOTION_MS_MAX, MOTIONS_OPEN_MAX},
    ready_message,
};

use crate::{
    BlockContext, World,
    access::Sender,
    block::{Op, Plan, Reply},
    space::store,
};

mod change;
use change::Change;

pub(crate) fn plan(
    world: &World,
    context: &BlockContext<'_>,
    sender: &Sender,
    command: Digest,
    action: &MembershipAction,
) -> Result<Plan, Refusal> {
    let room = Room { world, context, seats: world.seats() };
    let ops = match action {
        MembershipAction::Propose { change, expires_ms } => {
            let ops = room.propose(sender, command, change, *expires_ms)?;
            return Ok(Plan { ops, reply: Reply::Motion(command) });
        }
        MembershipAction::Approve { motion } => room.approve(sender, *motion)?,
        MembershipAction::Withdraw { motion } => room.withdraw(sender, *motion)?,
        MembershipAction::Ready { consensus, height, digest, proof } => {
            room.ready(sender, consensus, *height, digest, proof)?
        }
        MembershipAction::Hurry => room.hurry(sender)?,
    };
    Ok(Plan { ops, reply: Reply::None })
}

/// What motions are judged by: the state before the action, its block, and the seats in that state.
struct Room<'a> {
    world: &'a World,
    context: &'a BlockContext<'a>,
    seats: Seats,
}

impl Room<'_> {
    fn propose(
        &self,
        sender: &Sender,
        id: Digest,
        change: &SeatChange,
        expires_ms: u64,
    ) -> Result<Vec<Op>, Refusal> {
        let vote = self.vote_of(sender)?;
        let now = self.context.time_ms;
        if expires_ms <= now || expires_ms > now.saturating_add(MOTION_MS_MAX) {
            return Err(Refusal::Expired);
        }
        let rules = Change { world: self.world, context: self.context, seats: &self.seats };
        rules.check(change)?;
        rules.check_possession(change)?;
        let mut open = self.open_motions(&sender.organisation);
        open.motions.retain(|(_, until)| *until >= now);
        if open.motions.len() >= MOTIONS_OPEN_MAX {
            return Err(Refusal::Quota);
        }
        open.motions.push((id, expires_ms));
        let motion = Motion {
            change: change.clone(),
            proposer: sender.organisation.clone(),
            votes: vec![vote],
            opened: self.context.height,
            expires_ms,
            state: MotionState::Open,
        };
        Ok(self.decide(id, motion, open))
    }

    fn approve(&self, sender: &Sender, id: Digest) -> Result<Vec<Op>, Refusal> {
        let vote = self.vote_of(sender)?;
        let mut motion = self.open_motion(id)?;
        let voted =
            motion.votes.iter().any(|v| v.organisation == vote.organisation && self.counts(v));
        if voted {
            // Seats may have been taken since: then the votes that are there can be enough, and somebody has to say so.
            if self.votes(&motion) < self.needed(&motion.change) {
                return Err(Refusal::Voted);
            }
        } else {
            motion.votes.retain(|v| v.organisation != vote.organisation);
            motion.votes.push(vote);
        }
        let open = self.open_motions(&motion.proposer);
        Ok(self.decide(id, motion, open))
    }

    fn withdraw(&self, sender: &Sender, id: Digest) -> Result<Vec<Op>, Refusal> {
        sender.administers()?;
        let mut motion = self.open_motion(id)?;
        if motion.proposer != sender.organisation {
            return Err(Refusal::NotAuthorised);
        }
        motion.state = MotionState::Withdrawn;
        let open = self.open_motions(&motion.proposer);
        Ok(close(id, &motion, open))
    }

    /// Writes the motion down, and makes its change when the votes are enough and the rules still allow it.
    fn decide(&self, id: Digest, mut motion: Motion, open: OpenMotions) -> Vec<Op> {
        if self.votes(&motion) < self.needed(&motion.change) {
            let list = StateKey::OpenMotions(&motion.proposer);
            return vec![store(&StateKey::Motion(id), &motion), store(&list, &open)];
        }
        let rules = Change { world: self.world, context: self.context, seats: &self.seats };
        let (state, mut ops) = match rules.check(&motion.change) {
            Ok(()) => (MotionState::Passed(self.context.height), rules.carry_out(&motion.change)),
            Err(reason) => (MotionState::Failed { reason }, Vec::new()),
        };
        motion.state = state;
        ops.extend(close(id, &motion, open));
        ops
    }

    /// Organisations that must agree: the higher share when the committee would bear fewer faulty members.
    fn needed(&self, change: &SeatChange) -> usize {
        let n = self.seats.members.len();
        let params = self.context.params;
        let takes_seat = matches!(change, SeatChange::Remove { .. })
            && self.seats.seat(change.organisation()).is_some();
        let high = takes_seat && faults(n.saturating_sub(1)) < faults(n);
        if high { params.motion_high.of(n) } else { params.motion.of(n) }
    }

    fn votes(&self, motion: &Motion) -> usize {
        motion.votes.iter().filter(|vote| self.counts(vote)).count()
    }

    /// A vote counts while its organisation holds a seat, unless its key is declared stolen from a time before it.
    fn counts(&self, vote: &Vote) -> bool {
        let account: Option<Account> = self.world.read(&StateKey::Account(vote.account));
        let stolen = account.is_none_or(
            |a| matches!(a.state, AccountState::Compromised(from) if from <= vote.height),
        );
        !stolen && self.seats.seat(&vote.organisation).is_some()
    }

    fn vote_of(&self, sender: &Sender) -> Result<Vote, Refusal> {
        sender.administers()?;
        if self.seats.seat(&sender.organisation).is_none() {
            return Err(Refusal::NotAuthorised);
        }
        let (organisation, account) = (sender.organisation.clone(), sender.key);
        Ok(Vote { organisation, account, height: self.context.height })
    }

    fn open_motion(&self, id: Digest) -> Result<Motion, Refusal> {
        let motion: Motion = self.world.read(&StateKey::Motion(id)).ok_or(Refusal::NotFound)?;
        if motion.state != MotionState::Open {
            return Err(Refusal::Closed);
        }
        if self.context.time_ms > motion.expires_ms {
            return Err(Refusal::Expired);
        }
        Ok(motion)
    }

    fn open_motions(&self, organisation: &str) -> OpenMotions {
        self.world.read(&StateKey::OpenMotions(organisation)).unwrap_or_default()
    }

    fn hurry(&self, sender: &Sender) -> Result<Vec<Op>, Refusal> {
        self.vote_of(sender)?;
        let time_ms = self.context.time_ms;
        if self.seats.hurry.is_some_and(|last| time_ms < last.time_ms.saturating_add(HURRY_MS_MIN))
        {
            return Err(Refusal::Quota);
        }
        // In the last block of an epoch there is nothing left of it to hurry through: the next one is meant.
        let epoch = self.context.params.epoch_of(self.context.height + 1);
        let seats = Seats { hurry: Some(Hurry { epoch, time_ms }), ..self.seats.clone() };
        Ok(vec![store(&StateKey::Seats, &seats)])
    }

    fn ready(
        &self,
        sender: &Sender,
        consensus: &[u8; 32],
        height: u64,
        digest: &Digest,
        proof: &Signature,
    ) -> Result<Vec<Op>, Refusal> {
        if sender.evidence != Evidence::Signed {
            return Err(Refusal::Evidence);
        }
        let found = self.seats.applicants.iter().position(|a| a.consensus == *consensus);
        let found = found.ok_or(Refusal::NotFound)?;
        let age = self.context.height.checked_sub(height).filter(|age| *age > 0);
        if age.ok_or(Refusal::Conflict)? > self.context.params.epoch_blocks {
            return Err(Refusal::Expired);
        }
        // Who signs a digest that is not this chain's does not follow this chain.
        let own = self.world.header_digest(height).ok_or(Refusal::Expired)?;
        if own != *digest {
            return Err(Refusal::Conflict);
        }
        let message = ready_message(&self.context.chain_id, height, digest);
        if !PublicKey::Ed25519(*consensus).verify(READY_DOMAIN, &message, proof) {
            return Err(Refusal::Possession);
        }
        let rules = Change { world: self.world, context: self.context, seats: &self.seats };
        let mut seats = self.seats.clone();
        let applicant = seats.applicants.remove(found);
        rules.unchanged_this_epoch(&applicant.organisation)?;
        seats.leaving.retain(|leaver| leaver.organisation != applicant.organisation);
        seats.members.push(Seat {
            consensus: applicant.consensus,
            organisation: applicant.organisation,
            address: applicant.address,
            since_epoch: rules.effective_epoch(),
        });
        Ok(vec![rules.store_seats(seats)])
    }
}

/// Writes a motion down that is decided, and takes it off its proposer's list.
fn close(id: Digest, motion: &Motion, mut open: OpenMotions) -> Vec<Op> {
    open.motions.retain(|(other, _)| *other != id);
    let list = StateKey::OpenMotions(&motion.proposer);
    vec![store(&StateKey::Motion(id), motion), store(&list, &open)]
}

#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
