//! A chain driven by hand, with commands by seed.

use std::sync::Arc;

use hanse_crypto::{SigningKey, Suite};
use hanse_ledger::{Admission, Ask as Question, Base};
use hanse_types::{
    Action, Block, COMMAND_DOMAIN, Command, Digest, Genesis, KvAction, MembershipAction,
    POSSESSION_DOMAIN, Place, SESSION_DOMAIN, SeatChange, SessionBatch, SessionItem,
    SessionPayload, SignedCommand, SignedPayload, SpaceAction, encode, possession_message,
};

use super::kit::*;
use crate::{Listing, Map, take};

/// A chain and those who follow it; the first from its beginning.
pub(super) struct Chain {
    pub(super) context: Context,
    pub(super) genesis: Genesis,
    pub(super) members: Vec<Member>,
    /// From height 1, with what they were committed with.
    pub(super) blocks: Vec<(Arc<Block>, Option<Vec<u8>>)>,
    /// Commands that were submitted.
    pub(super) sent: Vec<Command>,
    pub(super) random: Random,
    pub(super) voters: Voters,
    pub(super) now_ms: u64,
    view: u64,
    nonce: u64,
    sequence: u64,
}

pub(super) fn put(space: &str, key: &[u8], value: Vec<u8>) -> Action {
    Action::Kv(KvAction::Put { space: space.to_owned(), key: key.to_vec(), value })
}

pub(super) fn delete(key: &[u8]) -> Action {
    let (space, key) = ("acme".to_owned(), key.to_vec());
    Action::Kv(KvAction::Delete { space, key, range_end: Vec::new() })
}

impl Chain {
    pub(super) async fn new(context: Context, seed: u64) -> Self {
        Self::named(context, seed, "hanse").await
    }

    pub(super) async fn named(context: Context, seed: u64, name: &str) -> Self {
        let genesis = genesis(name);
        let first = Member::new(&context, &format!("{name}-first"), &genesis).await;
        Self {
            context,
            genesis,
            members: vec![first],
            blocks: Vec::new(),
            sent: Vec::new(),
            random: Random::new(seed),
            voters: Voters::new(),
            now_ms: 1_000_100,
            view: 0,
            nonce: 0,
            sequence: 0,
        }
    }

    pub(super) fn height(&self) -> u64 {
        self.members[0].ledger.tip().height
    }

    pub(super) fn submit(&mut self, command: &Command) {
        for member in &self.members {
            drop(member.ledger.submit(command.clone()).expect("taken"));
        }
        self.sent.push(command.clone());
    }

    /// Sends a signed command.
    pub(super) fn send(&mut self, by: u8, action: Action) -> Digest {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let author = key(by);
        let payload = SignedPayload {
            chain_id: self.genesis.chain_id(),
            key: author.public(),
            nonce,
            valid_until_ms: self.now_ms + 300_000,
            action,
        };
        let signature = author.sign(COMMAND_DOMAIN, &encode(&payload));
        let command = Command::signed(&SignedCommand { payload, signature });
        self.submit(&command);
        command.id()
    }

    /// Sends a session batch of acme's gateway.
    pub(super) fn batch(&mut self, gap: u64, actions: Vec<Action>) {
        self.sequence += gap;
        let item = |action| SessionItem { identity: "tester".to_owned(), action };
        let payload = SessionPayload {
            chain_id: self.genesis.chain_id(),
            gateway: key(101).public(),
            sequence: self.sequence,
            space: "acme".to_owned(),
            items: actions.into_iter().map(item).collect(),
        };
        let signature = key(101).sign(SESSION_DOMAIN, &payload.digest().0);
        self.submit(&Command::session(&SessionBatch { payload, signature }));
    }

    /// Sends something.
    pub(super) fn act(&mut self) {
        let at = [self.random.below(24) as u8];
        let length = self.random.below(200) as usize;
        let value = self.random.bytes(length);
        match self.random.below(12) {
            0..4 => drop(self.send(1, put("acme", &at, value))),
            4..6 => drop(self.send(1, delete(&at))),
            6 => drop(self.send(2, put("borealis", &at, value))),
            // Refused, and remembered as every other.
            7 => drop(self.send(2, put("acme", &at, value))),
            8 => self.now_ms += self.random.below(70_000),
            _ => {
                let gap = 1 + self.random.below(5);
                self.batch(gap, vec![put("acme", &at, value), delete(&[at[0] + 1])]);
            }
        }
    }

    pub(super) fn build(&mut self, by: usize) -> Arc<Block> {
        self.now_ms += 10 + self.random.below(2_000);
        self.view += 1;
        let ledger = &self.members[by].ledger;
        let epoch = self.genesis.params.epoch_of(ledger.tip().height + 1);
        let (view, parent_view) = (self.view, self.view - 1);
        let place = Place { epoch, view, leader: [1; 32], parent_view };
        ledger.build(place, ledger.snapshot().digest, self.now_ms).expect("the tip is known")
    }

    /// One of the members builds a block, perhaps another one before that comes to nothing; all others admit it.
    pub(super) async fn step(&mut self, own: Own) -> Arc<Block> {
        let by = self.random.below(self.members.len() as u64) as usize;
        let loses = self.random.below(3) == 0;
        let loser = loses.then(|| self.build(by));
        let block = self.build(by);
        let epoch = block.header.place.epoch;
        let committee = self.members[0].ledger.committee_of(epoch).expect("decided");
        let digest = block.header.digest();
        let bytes = (own == Own::Certificate)
            .then(|| self.voters.certificate(&self.genesis.chain_id(), &committee, &digest));
        for member in &mut self.members {
            for block in loser.iter().chain([&block]) {
                let admitted = member.ledger.admit(block, block.header.digest(), self.now_ms);
                assert_eq!(admitted, Admission::Valid, "height {}", block.header.height);
            }
        }
        for member in &mut self.members {
            member.commit(&block, bytes.clone()).await;
        }
        for member in &self.members[1..] {
            assert_eq!(member.map.root(), self.members[0].map.root());
            let receipts = |member: &Member| -> Vec<Digest> {
                let committed = member.ledger.block(block.header.height).expect("kept");
                committed.applied.iter().map(|applied| applied.receipt.digest()).collect()
            };
            assert_eq!(receipts(member), receipts(&self.members[0]));
        }
        self.blocks.push((block.clone(), bytes));
        block
    }

    /// Some commands and a block, `blocks` times.
    pub(super) async fn traffic(&mut self, blocks: u64) {
        for _ in 0..blocks {
            for _ in 0..self.random.below(5) {
                self.act();
            }
            self.step(Own::Certificate).await;
        }
    }

    pub(super) async fn steps_to(&mut self, height: u64) {
        while self.height() < height {
            self.step(Own::Certificate).await;
        }
    }

    /// Until nothing waits to be settled or carried.
    pub(super) async fn rest(&mut self) {
        for _ in 0..4 {
            self.step(Own::Certificate).await;
        }
    }

    /// Dorado's key is another one from the next epoch on.
    pub(super) async fn rotate(&mut self, seed: u8) {
        let consensus = voter(seed).verification_key().to_bytes();
        let organisation = "dorado".to_owned();
        let message = possession_message(&self.genesis.chain_id(), &organisation, &consensus);
        let signer = SigningKey::from_seed(Suite::Ed25519, [seed; 32]);
        let possession = signer.sign(POSSESSION_DOMAIN, &message);
        let change = SeatChange::Rotate { organisation, consensus, possession };
        let expires_ms = self.now_ms + 600_000;
        let propose = MembershipAction::Propose { change, expires_ms };
        let motion = self.send(1, Action::Membership(propose));
        self.step(Own::Certificate).await;
        for by in [2, 3] {
            self.send(by, Action::Membership(MembershipAction::Approve { motion }));
        }
        self.step(Own::Certificate).await;
        assert!(self.members[0].ledger.seats().members.iter().any(|s| s.consensus == consensus));
    }

    /// Makes a space that stays empty.
    pub(super) async fn void(&mut self) {
        self.send(3, Action::Space(SpaceAction::Create { name: "void".to_owned() }));
        self.step(Own::Certificate).await;
    }

    /// Goes on until a member can write out a state, and has it do so.
    pub(super) async fn snapshot(&mut self, by: usize) -> Listing {
        self.members[by].ledger.snapshot_from(0);
        self.members[by].work().await;
        while self.members[by].begun.is_none() {
            self.act();
            self.step(Own::Certificate).await;
        }
        let member = &mut self.members[by];
        let begun = member.begun.take().expect("just seen");
        Box::pin(begun.finish(&member.ledger, &member.disk)).await.expect("it is written")
    }

    /// A new member takes over the newest state of another one.
    pub(super) async fn join(&mut self, from: usize, name: &str) -> Base {
        let to = disk(&self.context, name);
        let listing = carry(&self.members[from].disk, &to).await;
        let base = take_into(&self.context, name, &to, listing, &self.genesis).await;
        let base = base.expect("it is taken over");
        let mut member = Member::begin_at(&self.context, name, &base, &self.genesis).await;
        let known = member.ledger.tip().height as usize;
        for (block, bytes) in &self.blocks[known..] {
            member.commit(block, bytes.clone()).await;
        }
        self.members.push(member);
        base
    }

    /// A member that ended begins with its own snapshot of `height` again. Returns where its map stood.
    pub(super) async fn restart(&mut self, name: &str, height: u64) -> u64 {
        let disk = disk(&self.context, name);
        disk.sweep().await.unwrap();
        let listing = disk.newest().await.unwrap().expect("it has one");
        assert_eq!(listing.height(), height);
        let taken = Box::pin(take(disk.read(listing), &self.genesis, Map::<Context>::Own)).await;
        let ledger = desk(&taken.expect("it is whole"), &self.genesis);
        let (map, settled) = open(&self.context, name).await;
        let settled = settled.expect("it was persisted");
        ledger.tree_opened(settled, map.root());
        ledger.set_ready();
        let mut member = Member { ledger, map, disk, begun: None };
        for (block, bytes) in &self.blocks[height as usize..] {
            member.commit(block, bytes.clone()).await;
        }
        self.members.push(member);
        settled
    }

    /// All members have the same state, and prove the same of it.
    pub(super) async fn agree(&mut self) {
        self.rest().await;
        let world = self.members[0].world();
        let start = put_key("acme", &[3]);
        let questions = [
            Question::Lookup { keys: vec![hanse_types::StateKey::Seats.encode()] },
            Question::Lookup { keys: vec![put_key("acme", &[200])] },
            Question::Range { start, end: put_key("acme", &[15]) },
        ];
        let mut proofs = Vec::new();
        for member in &mut self.members {
            assert_eq!(pieces(&member.world()), pieces(&world));
            let mut made = Vec::new();
            for question in &questions {
                made.push(member.prove(question.clone()).await.0);
            }
            proofs.push(made);
        }
        assert!(proofs.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
