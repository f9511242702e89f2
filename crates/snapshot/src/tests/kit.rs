//! Members driven by hand: each with a real map in the deterministic runtime, certificates by real keys, everything by seed.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use commonware_runtime::{Runner as _, Supervisor as _, deterministic};
use ed25519_consensus::SigningKey as Voter;
use futures::FutureExt as _;
use hanse_crypto::{SigningKey, Suite};
use hanse_ledger::{Ask as Question, Base, Config, Job, Ledger, World};
use hanse_proof::{Finalization, TrustRoot, Verified, verify};
use hanse_state::{Settings, StateTree};
use hanse_types::{Block, ChainParams, Committee, Digest, Genesis, GenesisOrganisation, Threshold};

use crate::{Answer, Ask, Begun, Disk, Listing, Map, SnapshotError, begin, take};

pub(super) type Context = deterministic::Context;

/// Blocks of an epoch.
pub(super) const EPOCH: u64 = 16;

pub(super) fn run<F: Future<Output = ()>>(test: impl FnOnce(Context) -> F) {
    deterministic::Runner::default().start(test);
}

/// A cheap generator, the same on every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Suite::Ed25519, [seed; 32])
}

pub(super) fn voter(seed: u8) -> Voter {
    Voter::from([seed; 32])
}

/// Four organisations with a space each; corvus and dorado write nothing into theirs.
pub(super) fn genesis(name: &str) -> Genesis {
    let organisation = |(name, seed): (&str, u8)| GenesisOrganisation {
        name: name.to_owned(),
        admin: key(seed).public(),
        consensus: voter(seed).verification_key().to_bytes(),
        gateways: vec![key(seed + 100).public()],
    };
    Genesis {
        version: 1,
        name: name.to_owned(),
        created_ms: 1_000_000,
        params: ChainParams {
            protocol_version: 1,
            heartbeat_ms: 2_000,
            leader_timeout_ms: 3_000,
            certification_timeout_ms: 4_000,
            clock_ahead_max_ms: 500,
            epoch_blocks: EPOCH,
            spaces_per_organisation: 4,
            motion: Threshold::TWO_THIRDS,
            motion_high: Threshold::ALL,
        },
        organisations: ["acme", "borealis", "corvus", "dorado"]
            .into_iter()
            .zip(1u8..)
            .map(organisation)
            .collect(),
    }
}

/// Everybody's keys.
pub(super) struct Voters(BTreeMap<[u8; 32], Voter>);

impl Voters {
    pub(super) fn new() -> Self {
        let seeds = (1..=4).chain(40..=60).map(voter);
        Self(seeds.map(|v| (v.verification_key().to_bytes(), v)).collect())
    }

    /// The engine's bytes: as `hanse_proof::decode_finalization` reads them. Signed by all of `committee`.
    pub(super) fn certificate(
        &self,
        chain_id: &Digest,
        committee: &Committee,
        payload: &Digest,
    ) -> Vec<u8> {
        let n = committee.members.len();
        let mut signed = Finalization {
            epoch: committee.epoch,
            view: 9,
            parent_view: 8,
            signers: vec![(1 << n) - 1],
            signatures: Vec::new(),
        };
        let message = signed.message(chain_id, payload);
        for member in &committee.members {
            let own = self.0.get(&member.consensus).expect("a test key");
            signed.signatures.push(own.sign(&message).to_bytes());
        }
        let mut bytes = vec![committee.epoch as u8, 9, 8];
        bytes.extend_from_slice(&payload.0);
        bytes.extend_from_slice(&(n as u64).to_be_bytes());
        bytes.extend_from_slice(&signed.signers);
        bytes.push(n as u8);
        bytes.extend_from_slice(signed.signatures.as_flattened());
        bytes
    }
}

/// Pieces of a state: what it consists of.
pub(super) fn pieces(world: &World) -> Vec<Vec<u8>> {
    world.pieces(700).chain(world.aside_pieces(300)).collect()
}

/// Whether a block is committed with a certificate of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Certificate,
    None,
}

/// A ledger, its map, its disk.
pub(super) struct Member {
    pub(super) ledger: Arc<Ledger>,
    pub(super) map: StateTree<Context>,
    pub(super) disk: Disk<Context>,
    pub(super) begun: Option<Begun>,
}

/// The desk that begins with `base`, without anything else.
pub(super) fn desk(base: &Base, genesis: &Genesis) -> Arc<Ledger> {
    Ledger::begin_at(config(genesis), base)
}

fn config(genesis: &Genesis) -> Config {
    let gossip = Box::new(|_, _| {});
    Config { genesis: genesis.clone(), gateway: Some(key(101)), gossip }
}

pub(super) fn disk(context: &Context, name: &str) -> Disk<Context> {
    Disk::new(context.child("disk"), format!("{name}-snapshot"))
}

/// The map in the partition `name`, and where it stands.
pub(super) async fn open(context: &Context, name: &str) -> (StateTree<Context>, Option<u64>) {
    let settings = Settings::default();
    Box::pin(StateTree::open(context.child("map"), name, &settings)).await.unwrap()
}

impl Member {
    pub(super) async fn new(context: &Context, name: &str, genesis: &Genesis) -> Self {
        let ledger = Ledger::new(config(genesis));
        ledger.set_ready();
        let (map, _) = open(context, name).await;
        let disk = disk(context, name);
        let mut member = Self { ledger, map, disk, begun: None };
        member.work().await;
        member
    }

    /// Goes on from `base`, whose map is in the partition `name`.
    pub(super) async fn begin_at(
        context: &Context,
        name: &str,
        base: &Base,
        genesis: &Genesis,
    ) -> Self {
        let ledger = desk(base, genesis);
        let (map, settled) = open(context, name).await;
        let checked = base.checked();
        assert_eq!((settled, map.root()), (Some(checked.header.height), checked.root));
        ledger.tree_opened(checked.header.height, map.root());
        ledger.set_ready();
        let mut member = Self { ledger, map, disk: disk(context, name), begun: None };
        for block in &checked.after {
            let last = checked.after.last().is_some_and(|last| Arc::ptr_eq(last, block));
            member.commit(block, last.then(|| checked.finalization.clone())).await;
        }
        member
    }

    pub(super) async fn commit(&mut self, block: &Arc<Block>, bytes: Option<Vec<u8>>) {
        self.ledger.commit(block, block.header.digest(), bytes);
        self.work().await;
        assert_eq!(self.ledger.status().diverged, None);
        assert_eq!(self.ledger.tip().height, block.header.height);
    }

    /// Does all jobs there are.
    pub(super) async fn work(&mut self) {
        while let Some(Some(job)) = self.ledger.next_job().now_or_never() {
            match job {
                Job::Settle { height, changes } => {
                    let root = Box::pin(self.map.settle(height, changes.writes())).await.unwrap();
                    self.ledger.tree_settled(height, root);
                }
                Job::Snapshot(still) => {
                    self.begun = Some(Box::pin(begin(&self.map, *still)).await.unwrap());
                }
                Job::Prove { slots, reply } => {
                    reply.send(Box::pin(self.map.prove(&slots)).await.ok());
                }
            }
        }
    }

    /// Makes a proof that needs no block more, and checks it as somebody who trusts the founders.
    pub(super) async fn prove(&mut self, question: Question) -> (Vec<u8>, Verified) {
        let ledger = self.ledger.clone();
        let trust = TrustRoot::from_genesis(ledger.genesis());
        let mut proving = Box::pin(ledger.prove(question));
        for _ in 0..2 {
            if let Some(made) = proving.as_mut().now_or_never() {
                let bytes = made.expect("it is made");
                let verified = verify(&bytes, &trust).expect("it holds");
                return (bytes, verified);
            }
            self.work().await;
        }
        panic!("the proof waits");
    }

    /// The newest state.
    pub(super) fn world(&self) -> World {
        self.ledger.snapshot().world.clone()
    }
}

/// The state's key of a key in a space.
pub(super) fn put_key(space: &str, key: &[u8]) -> Vec<u8> {
    hanse_types::StateKey::Kv { space, key }.encode()
}

/// Carries the newest snapshot of one disk to another, in messages.
pub(super) async fn carry(from: &Disk<Context>, to: &Disk<Context>) -> Listing {
    let ask = async |ask: Ask| {
        let ask = Ask::decode(&ask.encode()).expect("a question");
        Answer::decode(&from.answer(ask, 77).await.encode()).expect("an answer")
    };
    let Answer::Offer { height: 77, listing: Some(bytes) } = ask(Ask::Offer).await else {
        panic!("there is a snapshot");
    };
    let listing = Listing::decode(&bytes).expect("it is whole");
    to.receive(&listing).await.expect("there is room");
    let height = listing.height();
    // In any order.
    for index in (0..listing.chunks.len() as u32).rev() {
        let answer = ask(Ask::Chunk { height, index }).await;
        let Answer::Chunk { height: of, index: which, bytes: Some(bytes) } = answer else {
            panic!("chunk {index} is there");
        };
        assert_eq!((of, which), (height, index));
        to.put(&listing, index, bytes).await.expect("it is the one");
    }
    assert!(to.listing(height).await.is_err(), "not taken over yet");
    listing
}

/// Takes over what is on `disk` and not listed yet; the map goes to the partition `name`.
pub(super) async fn take_into(
    context: &Context,
    name: &str,
    disk: &Disk<Context>,
    listing: Listing,
    genesis: &Genesis,
) -> Result<Base, SnapshotError> {
    let (context, partition) = (context.child("import"), name.to_owned());
    let map = Map::Import { context, partition, settings: Settings::default() };
    Box::pin(take(disk.read(listing), genesis, map)).await
}
