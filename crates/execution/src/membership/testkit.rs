//! A council for tests: some organisations with seats, whose admins propose and approve, one block per action.

use hanse_crypto::{SigningKey, Suite};
use hanse_types::{
    Action, Digest, Genesis, GenesisOrganisation, MembershipAction, Motion, POSSESSION_DOMAIN,
    PublicKey, READY_DOMAIN, Refusal, SeatChange, Seats, StateKey, Status, possession_message,
    ready_message,
};

use crate::testkit::{Kit, genesis, header_digest};

pub(crate) fn name(i: u8) -> String {
    format!("org{i:02}")
}

fn secret(kind: u8, i: u8) -> SigningKey {
    let mut seed = [kind; 32];
    seed[0] = i;
    SigningKey::from_seed(Suite::Ed25519, seed)
}

pub(crate) fn admin(i: u8) -> SigningKey {
    secret(1, i)
}

/// Consensus keys; founders have the ones of their own numbers.
pub(crate) fn voter(i: u8) -> SigningKey {
    secret(2, i)
}

pub(crate) fn raw(key: &SigningKey) -> [u8; 32] {
    match key.public() {
        PublicKey::Ed25519(raw) => raw,
        other => panic!("{other} is not ed25519"),
    }
}

pub(crate) struct Council {
    pub(crate) kit: Kit,
    /// Id of the newest motion.
    pub(crate) last: Digest,
}

impl Council {
    pub(crate) fn new(n: u8, epoch_blocks: u64) -> Self {
        let mut genesis: Genesis = genesis();
        genesis.params.epoch_blocks = epoch_blocks;
        let founder = |i| GenesisOrganisation {
            name: name(i),
            admin: admin(i).public(),
            consensus: raw(&voter(i)),
            gateways: vec![secret(3, i).public()],
        };
        genesis.organisations = (0..n).map(founder).collect();
        // The kit signs session batches with this one.
        if let Some(first) = genesis.organisations.first_mut() {
            first.gateways = vec![crate::testkit::gateway().public()];
        }
        Self { kit: Kit::with(genesis), last: Digest([0; 32]) }
    }

    pub(crate) fn seats(&self) -> Seats {
        self.kit.world.seats()
    }

    pub(crate) fn members(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.seats().members.into_iter().map(|seat| seat.organisation).collect();
        names.sort();
        names
    }

    pub(crate) fn motion(&self, id: Digest) -> Motion {
        self.kit.world.read(&StateKey::Motion(id)).expect("the motion is kept")
    }

    pub(crate) fn idle_to(&mut self, height: u64) {
        while self.kit.height < height {
            self.kit.run(&[]);
        }
    }

    pub(crate) fn act(&mut self, by: u8, action: MembershipAction) -> Result<(), Refusal> {
        self.act_as(&admin(by), action)
    }

    /// One block with one action; a refusal must leave the seats as they are.
    pub(crate) fn act_as(
        &mut self,
        key: &SigningKey,
        action: MembershipAction,
    ) -> Result<(), Refusal> {
        let before = self.kit.world.len();
        let propose = matches!(action, MembershipAction::Propose { .. });
        let command = self.kit.signed(key, Action::Membership(action));
        let id = command.id();
        let executed = self.kit.run(&[command]);
        match executed.applied[0].receipt.status {
            Status::Done => {
                if propose {
                    self.last = id;
                    assert_eq!(executed.applied[0].reply, crate::Reply::Motion(id));
                }
                Ok(())
            }
            Status::Refused(refusal) => {
                assert_eq!(self.kit.world.len(), before);
                assert!(executed.dirty.is_empty(), "a refusal leaves no trace");
                Err(refusal)
            }
            Status::Unchanged => panic!("no action on seats leaves everything as it was"),
        }
    }

    pub(crate) fn propose(&mut self, by: u8, change: SeatChange) -> Result<(), Refusal> {
        let expires_ms = self.kit.time_ms + 100_000;
        self.act(by, MembershipAction::Propose { change, expires_ms })
    }

    pub(crate) fn approve(&mut self, by: u8, motion: Digest) -> Result<(), Refusal> {
        self.act(by, MembershipAction::Approve { motion })
    }

    /// Proposed by the first seat and approved by as many others as are needed.
    pub(crate) fn pass(&mut self, change: SeatChange) -> Result<(), Refusal> {
        self.propose(0, change)?;
        let id = self.last;
        let mut by = 1;
        while self.motion(id).state == hanse_types::MotionState::Open {
            self.approve(by, id)?;
            by += 1;
        }
        Ok(())
    }

    pub(crate) fn possession(
        &self,
        organisation: &str,
        key: &SigningKey,
    ) -> hanse_types::Signature {
        let message = possession_message(&self.kit.chain_id(), organisation, &raw(key));
        key.sign(POSSESSION_DOMAIN, &message)
    }

    pub(crate) fn rotation(&self, i: u8, to: u8) -> SeatChange {
        let (organisation, key) = (name(i), voter(to));
        let possession = self.possession(&organisation, &key);
        SeatChange::Rotate { organisation, consensus: raw(&key), possession }
    }

    /// Adds organisation `i` with the key `to`; `new` when it is not registered.
    pub(crate) fn addition(&self, i: u8, to: u8) -> SeatChange {
        let (organisation, key) = (name(i), voter(to));
        let new = self.kit.world.get(&StateKey::Organisation(&organisation).encode()).is_none();
        SeatChange::Add {
            admin: new.then(|| admin(i).public()),
            gateways: if new { vec![secret(3, i).public()] } else { Vec::new() },
            consensus: raw(&key),
            address: format!("{organisation}.example:4000"),
            possession: self.possession(&organisation, &key),
            organisation,
        }
    }

    pub(crate) fn readiness(&self, to: u8, height: u64) -> MembershipAction {
        let (key, digest) = (voter(to), header_digest(height));
        let message = ready_message(&self.kit.chain_id(), height, &digest);
        let proof = key.sign(READY_DOMAIN, &message);
        MembershipAction::Ready { consensus: raw(&key), height, digest, proof }
    }

    pub(crate) fn ready(&mut self, to: u8) -> Result<(), Refusal> {
        let action = self.readiness(to, self.kit.height);
        self.act(0, action)
    }
}
