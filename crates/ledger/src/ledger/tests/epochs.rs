//! A committee that changes: header rules, hurry, hand-overs in proofs, and replay.

use ed25519_consensus::SigningKey as Voter;
use hanse_proof::{Claim, Finalization, Proof, TrustRoot, verify};
use hanse_types::{
    Committee, MembershipAction, POSSESSION_DOMAIN, SeatChange, Signature, possession_message,
};

use super::*;
use crate::{Ask, BoundaryError, ProveError};

const EPOCH: u64 = 4;

fn voter(seed: u8) -> Voter {
    Voter::from([seed; 32])
}

fn four() -> Genesis {
    let mut genesis = genesis();
    genesis.params.epoch_blocks = EPOCH;
    genesis.organisations = ["acme", "borealis", "corvus", "dorado"]
        .into_iter()
        .zip(1u8..)
        .map(|(name, seed)| GenesisOrganisation {
            name: name.to_owned(),
            admin: key(seed).public(),
            consensus: voter(seed).verification_key().to_bytes(),
            gateways: vec![key(seed + 100).public()],
        })
        .collect();
    genesis
}

struct Four {
    solo: Solo,
    nonce: u64,
    /// Committed blocks with what certifies them.
    blocks: Vec<(Arc<Block>, Option<Vec<u8>>)>,
}

/// Whether a block is committed with a certificate of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Certificate,
    None,
}

impl Four {
    fn new() -> Self {
        let mut solo = Solo::with(four());
        solo.ledger.settle_all();
        solo.now_ms += 1;
        Self { solo, nonce: 0, blocks: Vec::new() }
    }

    fn ledger(&self) -> &Arc<Ledger> {
        &self.solo.ledger
    }

    fn send(&mut self, by: u8, action: Action) -> Digest {
        self.nonce += 1;
        let command = self.solo.signed_by(&key(by), self.nonce, action);
        let id = command.id();
        drop(self.ledger().submit(command).expect("taken"));
        id
    }

    fn member(&mut self, by: u8, action: MembershipAction) -> Digest {
        self.send(by, Action::Membership(action))
    }

    fn step(&mut self, own: Own) -> Arc<Block> {
        let block = self.solo.build();
        let epoch = block.header.place.epoch;
        let committee = self.ledger().committee_of(epoch).expect("decided");
        let bytes = (own == Own::Certificate)
            .then(|| certificate(&self.ledger().chain_id, &committee, &block.header.digest()));
        self.ledger().commit(&block, block.header.digest(), bytes.clone());
        self.solo.settle();
        assert_eq!(self.ledger().status().diverged, None);
        self.blocks.push((block.clone(), bytes));
        block
    }

    fn steps_to(&mut self, height: u64) {
        while self.ledger().tip().height < height {
            self.step(Own::Certificate);
        }
    }

    /// Dorado's key is another one from the block after `height + 1` on.
    fn rotate(&mut self, seed: u8) {
        let consensus = voter(seed).verification_key().to_bytes();
        let organisation = "dorado".to_owned();
        let message = possession_message(&self.ledger().chain_id, &organisation, &consensus);
        let signer = SigningKey::from_seed(Suite::Ed25519, [seed; 32]);
        let possession: Signature = signer.sign(POSSESSION_DOMAIN, &message);
        self.decide(SeatChange::Rotate { organisation, consensus, possession });
    }

    fn decide(&mut self, change: SeatChange) {
        let expires_ms = self.solo.now_ms + 60_000;
        let motion = self.member(1, MembershipAction::Propose { change, expires_ms });
        self.step(Own::Certificate);
        for by in [2, 3] {
            self.member(by, MembershipAction::Approve { motion });
        }
        self.step(Own::Certificate);
    }

    fn prove(&self, ask: Ask) -> Option<Result<Vec<u8>, ProveError>> {
        self.ledger().prove(ask).now_or_never()
    }

    fn hurries(&self) -> bool {
        let tip = self.ledger().snapshot().digest;
        let ready = |waits: futures::future::BoxFuture<'static, ()>| waits.now_or_never().is_some();
        let all = [
            ready(self.ledger().enough(tip)),
            ready(self.ledger().work(tip)),
            ready(self.ledger().follow_up(tip)),
        ];
        all == [true; 3]
    }
}

impl Ledger {
    fn settle_all(self: &Arc<Self>) {
        while let Some(Some(Job::Settle { height, changes })) = self.next_job().now_or_never() {
            self.tree_settled(height, hash("toy", &[&encode(&changes.writes())]));
        }
    }
}

/// The engine's bytes: as `hanse_proof::decode_finalization` reads them. Signed by all of `committee`.
fn certificate(chain_id: &Digest, committee: &Committee, payload: &Digest) -> Vec<u8> {
    let n = committee.members.len();
    let mut signed = Finalization {
        epoch: committee.epoch,
        view: 9,
        parent_view: 8,
        signers: vec![(1 << n) - 1],
        signatures: Vec::new(),
    };
    let message = signed.message(chain_id, payload);
    let voters: Vec<Voter> = (0..=255).map(voter).collect();
    for member in &committee.members {
        let own = voters.iter().find(|v| v.verification_key().to_bytes() == member.consensus);
        signed.signatures.push(own.expect("a test key").sign(&message).to_bytes());
    }
    let mut bytes = vec![committee.epoch as u8, 9, 8];
    bytes.extend_from_slice(&payload.0);
    bytes.extend_from_slice(&(n as u64).to_be_bytes());
    bytes.extend_from_slice(&signed.signers);
    bytes.push(n as u8);
    bytes.extend_from_slice(signed.signatures.as_flattened());
    bytes
}

#[test]
fn committees_follow_the_seats_at_the_end_of_the_epoch() {
    let mut four = Four::new();
    let founders = four.ledger().genesis().committee();
    assert_eq!((four.ledger().epoch(), four.ledger().committee()), (0, founders.clone()));
    assert_eq!(four.ledger().committee_of(1), None, "not decided");
    // Passed in block 2: block 3, the last of epoch 0, names it.
    four.rotate(44);
    let seats = four.ledger().seats();
    assert_eq!(four.ledger().next_committee(), seats.committee(1));
    assert_ne!(seats.committee(0), founders);
    let last = four.step(Own::Certificate);
    assert_eq!(last.header.next_committee, seats.committee(1).digest());
    assert_eq!(four.ledger().committee_of(1), Some(seats.committee(1)));
    assert_eq!((four.ledger().epoch(), four.ledger().committee()), (0, founders.clone()));
    let first = four.step(Own::Certificate);
    assert_eq!((four.ledger().epoch(), first.header.place.epoch), (1, 1));
    assert_eq!(four.ledger().committee(), seats.committee(1));
    assert_eq!(four.ledger().committee_of(0), Some(founders));
    four.steps_to(40);
    assert_eq!(four.ledger().committee(), seats.committee(10));
    assert_eq!(four.ledger().committee_of(7), Some(seats.committee(7)));
}

#[test]
fn another_member_admits_every_block_and_no_block_of_a_wrong_epoch_is_built() {
    let (mut four, other) = (Four::new(), Solo::with(four()));
    other.settle();
    four.rotate(44);
    four.steps_to(13);
    for (block, _) in &four.blocks {
        let digest = block.header.digest();
        let mut wrong = (**block).clone();
        wrong.header.place.epoch += 1;
        let wrong = Arc::new(wrong);
        let now = four.solo.now_ms;
        let refused = other.ledger.admit(&wrong, wrong.header.digest(), now);
        let link = hanse_execution::CheckError::Link("epoch");
        assert_eq!(refused, Admission::Invalid(link));
        assert_eq!(other.ledger.admit(block, digest, now), Admission::Valid);
        other.ledger.commit(block, digest, None);
        other.settle();
    }
    assert_eq!(other.ledger.snapshot().digest, four.ledger().snapshot().digest);
    let tip = four.ledger().snapshot().digest;
    let place = Place { epoch: 2, view: 99, leader: [1; 32], parent_view: 98 };
    assert!(four.ledger().build(place, tip, four.solo.now_ms).is_none(), "14 is in epoch 3");
}

#[test]
fn an_idle_chain_goes_to_the_end_of_the_epoch_when_other_seats_wait_there() {
    let mut four = Four::new();
    let address =
        SeatChange::Address { organisation: "acme".to_owned(), address: "a:1".to_owned() };
    four.decide(address);
    four.steps_to(4);
    assert!(!four.hurries(), "an address changes no committee");
    four.rotate(44);
    assert_eq!(four.ledger().tip().height, 6);
    assert!(four.hurries());
    four.step(Own::Certificate);
    assert!(!four.hurries(), "the next block is of the new committee");
    // A change in an epoch's last block is for the epoch after the next one.
    four.steps_to(9);
    four.rotate(45);
    assert_eq!(four.ledger().tip().height, 11);
    for _ in 0..4 {
        assert!(four.hurries(), "block {}", four.ledger().tip().height);
        four.step(Own::Certificate);
    }
    assert!(!four.hurries());
}

#[test]
fn an_epoch_ends_at_full_speed_when_somebody_asks() {
    let mut four = Four::new();
    four.steps_to(4);
    assert!(!four.hurries());
    four.member(2, MembershipAction::Hurry);
    four.step(Own::Certificate);
    assert_eq!(four.ledger().tip().height, 5);
    for _ in 5..7 {
        assert!(four.hurries());
        four.step(Own::Certificate);
    }
    assert_eq!(four.ledger().tip().height, 7);
    assert!(!four.hurries(), "the next block is of the next epoch");
}

#[test]
fn proofs_carry_exactly_the_handovers_to_other_members() {
    let mut four = Four::new();
    let trust = TrustRoot::from_genesis(four.ledger().genesis());
    four.rotate(44);
    four.steps_to(3);
    let put = four.send(1, super::put(7));
    four.step(Own::Certificate);
    four.step(Own::Certificate);
    let bytes = four.prove(Ask::Receipt { command: put, item: 0 }).expect("all is there");
    let bytes = bytes.expect("it is made");
    let verified = verify(&bytes, &trust).expect("the new members are led to");
    assert_eq!((verified.quorum.epoch, verified.height), (1, 4));
    let handover = four.prove(Ask::Handover { epoch: 0 }).expect("there").expect("made");
    let verified = verify(&handover, &trust).expect("the founders signed it");
    let committee = four.ledger().committee_of(1).expect("decided");
    assert_eq!(verified.claim, Claim::Handover { committee });
    // Much later the one change is still the only hand-over, though epochs went by.
    four.steps_to(16);
    let late = four.send(1, super::put(8));
    four.steps_to(18);
    let bytes = four.prove(Ask::Receipt { command: late, item: 0 }).expect("there").expect("made");
    let proof = Proof::decode(&bytes).expect("a proof");
    let epochs: Vec<u64> = proof.handovers.iter().map(|h| h.header.place.epoch).collect();
    assert_eq!((epochs, proof.headers[0].place.epoch), (vec![0], 4));
    four.rotate(45);
    four.steps_to(28);
    let next = four.prove(Ask::Handover { epoch: 6 }).expect("there").expect("made");
    let proof = Proof::decode(&next).expect("a proof");
    let epochs: Vec<u64> = proof.handovers.iter().map(|h| h.header.place.epoch).collect();
    assert_eq!(epochs, [0, 5], "block 20 passed it, so block 23 hands over");
    for epoch in [7, 8] {
        assert_eq!(four.prove(Ask::Handover { epoch }), Some(Err(ProveError::NotFound)));
    }
}

#[test]
fn a_boundary_without_its_certificate_is_waited_for_and_checked() {
    let mut four = Four::new();
    four.rotate(44);
    let last_command = four.send(1, super::put(6));
    let last = four.step(Own::None);
    let put = four.send(1, super::put(7));
    four.step(Own::Certificate);
    four.step(Own::Certificate);
    let ask = |command| Ask::Receipt { command, item: 0 };
    // A receipt of block 3 is in header 4, of the next epoch; both cross the boundary.
    for command in [put, last_command] {
        assert_eq!(four.prove(ask(command)), None, "waits");
    }
    assert_eq!(four.prove(Ask::Handover { epoch: 0 }), None, "waits");
    let chain_id = four.ledger().chain_id;
    let (old, new) = (
        four.ledger().committee_of(0).expect("decided"),
        four.ledger().committee_of(1).expect("decided"),
    );
    let digest = last.header.digest();
    let take = |epoch, bytes| four.ledger().boundary_certified(epoch, bytes);
    let other = certificate(&chain_id, &old, &Digest([1; 32]));
    assert_eq!(take(0, other), Err(BoundaryError::Block));
    let next = Committee { epoch: 0, ..new };
    let forged = take(0, certificate(&chain_id, &next, &digest));
    assert!(matches!(forged, Err(BoundaryError::Certificate(_))), "{forged:?}");
    let good = certificate(&chain_id, &old, &digest);
    assert_eq!(take(1, good.clone()), Err(BoundaryError::Unknown(1)));
    assert_eq!(take(9, good.clone()), Err(BoundaryError::Unknown(9)));
    assert_eq!(four.prove(ask(put)), None, "still");
    assert_eq!(take(0, good), Ok(()));
    let trust = TrustRoot::from_genesis(four.ledger().genesis());
    for command in [put, last_command] {
        let bytes = four.prove(ask(command)).expect("there").expect("made");
        verify(&bytes, &trust).expect("it holds");
    }
    four.ledger().stop();
    assert_eq!(four.prove(Ask::Handover { epoch: 0 }), Some(Err(ProveError::Stopped)));
}

#[test]
fn headers_of_one_proof_end_with_their_epoch() {
    let mut four = Four::new();
    let command = four.send(1, super::put(1));
    four.step(Own::None);
    four.step(Own::None);
    // Headers 2 and 3 are of epoch 0; the certificate of block 4 is another committee's.
    let last = four.step(Own::None);
    four.step(Own::Certificate);
    assert_eq!(four.prove(Ask::Receipt { command, item: 0 }), None, "waits");
    let committee = four.ledger().committee_of(0).expect("decided");
    let bytes = certificate(&four.ledger().chain_id, &committee, &last.header.digest());
    assert_eq!(four.ledger().boundary_certified(0, bytes), Ok(()));
    let bytes = four.prove(Ask::Receipt { command, item: 0 }).expect("there").expect("made");
    let trust = TrustRoot::from_genesis(four.ledger().genesis());
    let verified = verify(&bytes, &trust).expect("it holds");
    assert_eq!((verified.height, verified.certified_height), (1, 3));
}

#[test]
fn replay_ends_with_the_same_committees_and_handovers() {
    let mut four = Four::new();
    four.rotate(44);
    four.steps_to(9);
    four.rotate(45);
    four.steps_to(21);
    let again = Solo::with(super::epochs::four());
    again.settle();
    for (block, bytes) in &four.blocks {
        again.ledger.commit(block, block.header.digest(), bytes.clone());
        again.settle();
    }
    let (one, two) = (four.ledger(), &again.ledger);
    assert_eq!(two.status().diverged, None);
    assert_eq!(one.snapshot().digest, two.snapshot().digest);
    assert_eq!((one.seats(), one.epoch()), (two.seats(), two.epoch()));
    for epoch in 0..7 {
        assert_eq!(one.committee_of(epoch), two.committee_of(epoch));
        let ask = Ask::Handover { epoch };
        assert_eq!(four.prove(ask.clone()), two.prove(ask).now_or_never(), "epoch {epoch}");
    }
}
