//! One member alone, driven by hand: built blocks are committed at once, the map is a toy hash.

use futures::{FutureExt as _, executor::block_on};
use hanse_crypto::{SigningKey, Suite, hash};
use hanse_types::{
    Action, COMMAND_DOMAIN, ChainParams, Command, GenesisOrganisation, KvAction, Place,
    SignedCommand, SignedPayload, Status, Threshold, encode,
};

mod epochs;
mod pace;

use super::*;
use crate::{Admission, Job, SubmitError, Ticket, TicketError};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Suite::Ed25519, [seed; 32])
}

fn genesis() -> Genesis {
    let organisation = |name: &str, seed: u8| GenesisOrganisation {
        name: name.to_owned(),
        admin: key(seed).public(),
        consensus: [seed; 32],
        gateways: vec![key(seed + 100).public()],
    };
    Genesis {
        version: 1,
        name: "solo".to_owned(),
        created_ms: 1_000_000,
        params: ChainParams {
            protocol_version: 1,
            heartbeat_ms: 2_000,
            leader_timeout_ms: 3_000,
            certification_timeout_ms: 4_000,
            clock_ahead_max_ms: 500,
            epoch_blocks: 1 << 40,
            spaces_per_organisation: 4,
            motion: Threshold::TWO_THIRDS,
            motion_high: Threshold::ALL,
        },
        organisations: vec![organisation("acme", 1), organisation("borealis", 2)],
    }
}

type Sent = Arc<Mutex<Vec<(Audience, Vec<Command>)>>>;

struct Solo {
    ledger: Arc<Ledger>,
    sent: Sent,
    view: u64,
    now_ms: u64,
}

impl Solo {
    fn new() -> Self {
        Self::with(genesis())
    }

    fn with(genesis: Genesis) -> Self {
        let sent = Sent::default();
        let log = sent.clone();
        let gossip: Box<dyn Fn(Audience, Vec<u8>) + Send + Sync> =
            Box::new(move |audience, bytes| {
                log.lock()
                    .push((audience, hanse_types::decode(&bytes).expect("a list of commands")));
            });
        let ledger = Ledger::new(Config { genesis, gateway: Some(key(101)), gossip });
        ledger.set_ready();
        Self { ledger, sent, view: 0, now_ms: 1_000_100 }
    }

    fn place(&mut self) -> Place {
        self.view += 1;
        let epoch = self.ledger.genesis.params.epoch_of(self.ledger.tip().height + 1);
        Place { epoch, view: self.view, leader: [1; 32], parent_view: self.view - 1 }
    }

    fn build(&mut self) -> Arc<Block> {
        self.now_ms += 10;
        let (place, tip) = (self.place(), self.ledger.snapshot().digest);
        self.ledger.build(place, tip, self.now_ms).expect("the tip is known")
    }

    fn settle(&self) {
        while let Some(Some(Job::Settle { height, changes })) =
            self.ledger.next_job().now_or_never()
        {
            self.ledger.tree_settled(height, hash("toy", &[&encode(&changes.writes())]));
        }
    }

    fn step(&mut self) -> Arc<Block> {
        let block = self.build();
        self.ledger.commit(&block, block.header.digest(), None);
        self.settle();
        block
    }

    fn signed(&self, n: u64, action: Action) -> Command {
        self.signed_by(&key(1), n, action)
    }

    fn signed_by(&self, author: &SigningKey, n: u64, action: Action) -> Command {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&n.to_le_bytes());
        let payload = SignedPayload {
            chain_id: self.ledger.chain_id,
            key: author.public(),
            nonce,
            valid_until_ms: self.now_ms + 60_000,
            action,
        };
        let signature = author.sign(COMMAND_DOMAIN, &encode(&payload));
        Command::signed(&SignedCommand { payload, signature })
    }
}

fn put(k: u8) -> Action {
    Action::Kv(KvAction::Put { space: "acme".to_owned(), key: vec![k], value: vec![k; 8] })
}

fn done(ticket: Ticket) -> crate::Outcome {
    ticket.now_or_never().expect("answered at commit").expect("it ran")
}

#[test]
fn a_signed_command_is_answered_when_its_block_commits() {
    let mut solo = Solo::new();
    let command = solo.signed(1, put(1));
    let ticket = solo.ledger.submit(command.clone()).expect("taken");
    let block = solo.step();
    let outcome = done(ticket);
    assert_eq!(
        (outcome.receipt.status, outcome.receipt.height),
        (Status::Done, block.header.height)
    );
    // The same bytes again: the same outcome, and nothing runs twice.
    let again = done(solo.ledger.submit(command).expect("known"));
    assert_eq!(again.receipt, outcome.receipt);
    solo.step();
    assert_eq!(solo.ledger.snapshot().world.revision("acme"), 2);
}

#[test]
fn session_actions_are_batched_under_one_signature() {
    let mut solo = Solo::new();
    let tickets: Vec<_> = (1..=40)
        .map(|k| solo.ledger.submit_session("acme", "me", put(k)).expect("taken"))
        .collect();
    let mut blocks = 0;
    while solo.ledger.status().session_waiting > 0 || solo.ledger.status().pool_commands > 0 {
        assert!(blocks < 10, "{:?}", solo.ledger.status());
        solo.step();
        blocks += 1;
    }
    assert!(blocks <= 3, "{blocks} blocks");
    let mut revisions: Vec<_> = tickets.into_iter().map(|t| done(t).receipt.revision).collect();
    let expected: Vec<u64> = (2..=41).collect();
    assert_eq!(revisions, expected, "order of submission is order of execution");
    revisions.dedup();
    assert_eq!(revisions.len(), 40);
}

#[test]
fn bad_commands_are_refused_before_they_wait() {
    let solo = Solo::new();
    let mut forged = solo.signed(1, put(1));
    let last = forged.bytes.len() - 1;
    forged.bytes[last] ^= 1;
    assert_eq!(solo.ledger.submit(forged).err(), Some(SubmitError::BadSignature));
    let garbage = Command { kind: 1, bytes: vec![0; 10] };
    assert!(matches!(solo.ledger.submit(garbage), Err(SubmitError::Malformed(_))));
    let mut other = Solo::new();
    other.now_ms += 1;
    let mut expired = other.signed(1, put(1));
    expired.kind = 9;
    assert!(matches!(solo.ledger.submit(expired), Err(SubmitError::Malformed(_))));
    let wrong_space = solo.ledger.submit_session("borealis", "me", put(1));
    assert!(matches!(wrong_space, Err(SubmitError::Malformed(_))));
    assert_eq!(solo.ledger.status().pool_commands, 0);
}

#[test]
fn idle_chain_settles_with_one_empty_block_and_then_rests() {
    let mut solo = Solo::new();
    solo.settle();
    // Genesis is carried first.
    let tip = |solo: &Solo| solo.ledger.snapshot().digest;
    assert!(solo.ledger.follow_up(tip(&solo)).now_or_never().is_some());
    solo.step();
    assert!(solo.ledger.work(tip(&solo)).now_or_never().is_none(), "nothing to do");
    assert!(solo.ledger.follow_up(tip(&solo)).now_or_never().is_none(), "nothing to do");
    solo.ledger.submit(solo.signed(1, put(1))).expect("taken");
    assert!(solo.ledger.work(tip(&solo)).now_or_never().is_some());
    let block = solo.step();
    assert!(block.header.settles);
    assert!(solo.ledger.work(tip(&solo)).now_or_never().is_none(), "no command waits");
    assert!(solo.ledger.follow_up(tip(&solo)).now_or_never().is_some(), "receipts and root wait");
    let follow = solo.step();
    assert_eq!(follow.header.settled_height, block.header.height);
    assert!(!follow.header.settles);
    assert!(solo.ledger.follow_up(tip(&solo)).now_or_never().is_none(), "at rest again");
}

#[test]
fn a_second_member_admits_what_the_first_builds_and_names_what_is_wrong() {
    let (mut one, two) = (Solo::new(), Solo::new());
    let check = |block: &Arc<Block>, now| two.ledger.admit(block, block.header.digest(), now);
    one.ledger.submit(one.signed(1, put(1))).expect("taken");
    let block = one.build();
    let now = one.now_ms;
    assert!(matches!(check(&block, now - 600), Admission::Early(_)));
    assert_eq!(check(&block, now), Admission::Valid);
    assert_eq!(check(&block, now), Admission::Valid);
    one.ledger.commit(&block, block.header.digest(), None);
    one.settle();
    // Carries the root of height 0, which the second member has not settled yet.
    let next = one.build();
    assert_eq!(next.header.settled_height, 0);
    assert_eq!(check(&next, one.now_ms), Admission::Unsettled(0));
    two.settle();
    assert_eq!(check(&next, one.now_ms), Admission::Valid);
    let mut lie = (*next).clone();
    lie.header.state_root = Digest([9; 32]);
    assert!(matches!(check(&Arc::new(lie), one.now_ms), Admission::Invalid(_)));
    let mut orphan = (*next).clone();
    orphan.header.parent = Digest([9; 32]);
    assert_eq!(check(&Arc::new(orphan), one.now_ms), Admission::Orphan);
}

#[test]
fn competing_candidates_do_not_disturb_each_other() {
    let mut solo = Solo::new();
    let ticket = solo.ledger.submit(solo.signed(1, put(1))).expect("taken");
    let first = solo.build();
    let second = solo.build();
    assert_ne!(first.header.digest(), second.header.digest());
    solo.ledger.commit(&second, second.header.digest(), None);
    assert!(!solo.ledger.knows(&first.header.digest()), "the loser is forgotten");
    assert_eq!(done(ticket).receipt.height, 1);
}

#[test]
fn replay_gives_the_same_state_and_a_broken_history_stops_the_member() {
    let mut solo = Solo::new();
    let mut blocks = Vec::new();
    for n in 0..6u8 {
        solo.ledger.submit(solo.signed(n.into(), put(n + 1))).expect("taken");
        blocks.push(solo.step());
    }
    let again = Solo::new();
    for block in &blocks {
        again.ledger.commit(block, block.header.digest(), None);
        again.ledger.commit(block, block.header.digest(), None);
    }
    assert_eq!(again.ledger.status().diverged, None);
    assert_eq!(again.ledger.snapshot().digest, solo.ledger.snapshot().digest);

    let broken = Solo::new();
    let mut lie = (*blocks[0]).clone();
    lie.body.segments.clear();
    broken.ledger.commit(&Arc::new(lie), blocks[0].header.digest(), None);
    assert!(broken.ledger.status().diverged.is_some());
    assert!(block_on(broken.ledger.diverged()).contains("body_root"));
}

#[test]
fn stopping_tells_everyone_who_waits() {
    let solo = Solo::new();
    let ticket = solo.ledger.submit(solo.signed(1, put(1))).expect("taken");
    let mut watch = solo.ledger.watch(5);
    solo.ledger.stop();
    assert!(matches!(ticket.now_or_never(), Some(Err(TicketError::Stopped))));
    assert!(matches!(watch.next().now_or_never(), Some(Ok(None))));
    assert_eq!(solo.ledger.submit(solo.signed(2, put(1))).err(), Some(SubmitError::NotReady));
}

#[test]
fn two_commands_under_one_replay_key_never_share_a_block() {
    let (mut one, two) = (Solo::new(), Solo::new());
    one.ledger.submit(one.signed(1, put(1))).expect("taken");
    one.ledger.submit(one.signed(1, put(2))).expect("taken");
    let block = one.build();
    assert_eq!(block.body.commands().count(), 1);
    let verdict = two.ledger.admit(&block, block.header.digest(), one.now_ms);
    assert_eq!(verdict, Admission::Valid, "together they would be refused by everyone");
}
