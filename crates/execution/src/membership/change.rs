//! What a motion may change, and what the state is after it.

use hanse_types::{
    Account, AccountState, Applicant, ConsensusKeyUse, Gateway, Leaver, Organisation,
    POSSESSION_DOMAIN, PublicKey, Refusal, Role, SeatChange, Seats, Space, StateKey, check_address,
    check_name,
    limits::{COMMITTEE_MAX, COMMITTEE_MIN, GATEWAYS_ADD_MAX, LEAVING_EPOCHS},
    possession_message,
};

use crate::{
    BlockContext, World,
    block::Op,
    organisation::{sound, votes},
    space::store,
};

/// The rules, over the state before the action.
pub(super) struct Change<'a> {
    pub(super) world: &'a World,
    pub(super) context: &'a BlockContext<'a>,
    pub(super) seats: &'a Seats,
}

impl Change<'_> {
    /// Whether the change may be made now: asked when it is proposed, and again when it has the votes.
    pub(super) fn check(&self, change: &SeatChange) -> Result<(), Refusal> {
        match change {
            SeatChange::Add { organisation, admin, gateways, consensus, address, .. } => {
                check_address(address).map_err(|_| Refusal::Malformed)?;
                self.check_add(organisation, consensus)?;
                self.check_start(organisation, admin.as_ref(), gateways, consensus)
            }
            SeatChange::Remove { organisation } => self.check_remove(organisation),
            SeatChange::Address { organisation, address } => {
                check_address(address).map_err(|_| Refusal::Malformed)?;
                let known = self.seats.seat(organisation).is_some()
                    || self.seats.applicant(organisation).is_some();
                if known { Ok(()) } else { Err(Refusal::NotFound) }
            }
            SeatChange::Rotate { organisation, consensus, .. } => {
                self.seats.seat(organisation).ok_or(Refusal::NotFound)?;
                self.unchanged_this_epoch(organisation)?;
                self.fresh(consensus)
            }
        }
    }

    /// Whether the holder of the new consensus key agrees; asked once, for a signature does not change.
    pub(super) fn check_possession(&self, change: &SeatChange) -> Result<(), Refusal> {
        let (organisation, consensus, possession) = match change {
            SeatChange::Add { organisation, consensus, possession, .. }
            | SeatChange::Rotate { organisation, consensus, possession } => {
                (organisation, consensus, possession)
            }
            SeatChange::Remove { .. } | SeatChange::Address { .. } => return Ok(()),
        };
        let message = possession_message(&self.context.chain_id, organisation, consensus);
        if PublicKey::Ed25519(*consensus).verify(POSSESSION_DOMAIN, &message, possession) {
            Ok(())
        } else {
            Err(Refusal::Possession)
        }
    }

    fn check_add(&self, organisation: &str, consensus: &[u8; 32]) -> Result<(), Refusal> {
        check_name(organisation).map_err(|_| Refusal::Malformed)?;
        if self.seats.seat(organisation).is_some() || self.seats.applicant(organisation).is_some() {
            return Err(Refusal::Exists);
        }
        if self.seats.members.len() + self.seats.applicants.len() >= COMMITTEE_MAX {
            return Err(Refusal::Committee);
        }
        self.unchanged_this_epoch(organisation)?;
        self.fresh(consensus)
    }

    /// What a new organisation begins with is complete and unused; one that exists brings nothing.
    fn check_start(
        &self,
        organisation: &str,
        admin: Option<&PublicKey>,
        gateways: &[PublicKey],
        consensus: &[u8; 32],
    ) -> Result<(), Refusal> {
        let exists = self.has(&StateKey::Organisation(organisation));
        let admin = match (exists, admin) {
            (true, None) if gateways.is_empty() => return Ok(()),
            (false, Some(admin)) => admin,
            _ => return Err(Refusal::Malformed),
        };
        let twice = gateways.iter().enumerate().any(|(i, key)| gateways[..i].contains(key));
        let own = PublicKey::Ed25519(*consensus);
        if twice || gateways.len() > GATEWAYS_ADD_MAX || gateways.contains(&own) || *admin == own {
            return Err(Refusal::Malformed);
        }
        for key in gateways.iter().chain([admin]) {
            sound(key)?;
        }
        let gateway_taken =
            |key: &PublicKey| self.has(&StateKey::Gateway(key.id())) || votes(self.world, key);
        let taken = self.has(&StateKey::Space(organisation))
            || self.has(&StateKey::Account(admin.id()))
            || votes(self.world, admin)
            || gateways.iter().any(gateway_taken);
        if taken { Err(Refusal::Exists) } else { Ok(()) }
    }

    fn check_remove(&self, organisation: &str) -> Result<(), Refusal> {
        if self.seats.seat(organisation).is_none() {
            self.seats.applicant(organisation).ok_or(Refusal::NotFound)?;
            return Ok(());
        }
        self.unchanged_this_epoch(organisation)?;
        let n = self.seats.members.len();
        // A committee that never bore a fault may shrink to one member; one that does must go on doing so.
        let least = if n >= COMMITTEE_MIN { COMMITTEE_MIN } else { 1 };
        if n > least { Ok(()) } else { Err(Refusal::Committee) }
    }

    /// A key that was never given to anybody for anything.
    fn fresh(&self, consensus: &[u8; 32]) -> Result<(), Refusal> {
        let key = PublicKey::Ed25519(*consensus);
        sound(&key)?;
        let id = key.id();
        let taken = votes(self.world, &key)
            || self.has(&StateKey::Account(id))
            || self.has(&StateKey::Gateway(id));
        if taken { Err(Refusal::Exists) } else { Ok(()) }
    }

    fn has(&self, key: &StateKey<'_>) -> bool {
        self.world.get(&key.encode()).is_some()
    }

    /// First epoch whose committee can know of a change in this block: its seats are named by the next header.
    pub(super) fn effective_epoch(&self) -> u64 {
        self.context.params.epoch_of(self.context.height + 1) + 1
    }

    /// An organisation's vote changes hands at most once per epoch, so that every key that gets a seat votes with it.
    pub(super) fn unchanged_this_epoch(&self, organisation: &str) -> Result<(), Refusal> {
        let epoch = self.effective_epoch();
        let came = self.seats.seat(organisation).is_some_and(|seat| seat.since_epoch >= epoch);
        let left = self
            .seats
            .leaving
            .iter()
            .any(|leaver| leaver.organisation == organisation && leaver.until_epoch >= epoch);
        if came || left { Err(Refusal::Conflict) } else { Ok(()) }
    }

    /// The state changes of a change that [`Change::check`] allows.
    pub(super) fn carry_out(&self, change: &SeatChange) -> Vec<Op> {
        let mut seats = self.seats.clone();
        let mut ops = Vec::new();
        let height = self.context.height;
        match change {
            SeatChange::Add { organisation, admin, gateways, consensus, address, .. } => {
                if let Some(admin) = admin {
                    self.start(&mut ops, organisation, admin, gateways);
                }
                ops.push(self.register(organisation, consensus));
                let (organisation, address) = (organisation.clone(), address.clone());
                seats.applicants.push(Applicant {
                    consensus: *consensus,
                    organisation,
                    address,
                    height,
                });
            }
            SeatChange::Remove { organisation } => self.remove(&mut seats, organisation),
            SeatChange::Address { organisation, address } => {
                for seat in seats.members.iter_mut().filter(|s| s.organisation == *organisation) {
                    seat.address.clone_from(address);
                }
                for seat in seats.applicants.iter_mut().filter(|s| s.organisation == *organisation)
                {
                    seat.address.clone_from(address);
                }
            }
            SeatChange::Rotate { organisation, consensus, .. } => {
                ops.push(self.register(organisation, consensus));
                for seat in seats.members.iter_mut().filter(|s| s.organisation == *organisation) {
                    seat.consensus = *consensus;
                    seat.since_epoch = self.effective_epoch();
                }
            }
        }
        ops.push(self.store_seats(seats));
        ops
    }

    fn remove(&self, seats: &mut Seats, organisation: &str) {
        seats.applicants.retain(|applicant| applicant.organisation != organisation);
        if let Some(at) = seats.members.iter().position(|s| s.organisation == organisation) {
            let seat = seats.members.remove(at);
            seats.leaving.push(Leaver {
                consensus: seat.consensus,
                organisation: seat.organisation,
                address: seat.address,
                until_epoch: self.effective_epoch(),
            });
        }
    }

    fn register(&self, organisation: &str, consensus: &[u8; 32]) -> Op {
        let use_ =
            ConsensusKeyUse { organisation: organisation.to_owned(), height: self.context.height };
        store(&StateKey::ConsensusKey(*consensus), &use_)
    }

    /// What genesis gives a founder, for an organisation that comes later.
    fn start(&self, ops: &mut Vec<Op>, name: &str, admin: &PublicKey, gateways: &[PublicKey]) {
        let organisation = Organisation { name: name.to_owned(), spaces: 1 };
        ops.push(store(&StateKey::Organisation(name), &organisation));
        let account = Account {
            key: *admin,
            organisation: name.to_owned(),
            roles: vec![Role::Admin],
            height: self.context.height,
            state: AccountState::Active,
        };
        ops.push(store(&StateKey::Account(admin.id()), &account));
        for key in gateways {
            let gateway = Gateway { key: *key, organisation: name.to_owned(), active: true };
            ops.push(store(&StateKey::Gateway(key.id()), &gateway));
        }
        let owner = name.to_owned();
        let space = Space { name: owner.clone(), organisation: owner, grants: Vec::new() };
        ops.push(store(&StateKey::Space(name), &space));
    }

    /// Puts the seats in order, without those who left long ago.
    pub(super) fn store_seats(&self, mut seats: Seats) -> Op {
        seats.members.sort_by_key(|seat| seat.consensus);
        seats.applicants.sort_by_key(|applicant| applicant.consensus);
        let epoch = self.context.params.epoch_of(self.context.height);
        seats.leaving.retain(|leaver| epoch < leaver.until_epoch.saturating_add(LEAVING_EPOCHS));
        let surplus = seats.leaving.len().saturating_sub(COMMITTEE_MAX);
        seats.leaving.drain(..surplus);
        store(&StateKey::Seats, &seats)
    }
}
