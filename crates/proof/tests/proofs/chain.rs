//! The synthetic chain: twelve epochs of eight blocks, whose members change, stay, and come back.

use std::collections::{BTreeMap, BTreeSet};

use commonware_runtime::{Runner as _, deterministic};
use ed25519_consensus::SigningKey;
use hanse_crypto::{Digest, PublicKey, hash, merkle};
use hanse_proof::{
    Claim, Entry, Finalization, Handover, LeafPath, Pinned, Proof, StateBranch, StateProofItem,
    TrustRoot,
};
use hanse_state::{Settings, StateTree};
use hanse_types::{
    Actor, Body, ChainParams, Command, Committee, CommitteeMember, Event, EventKind, Evidence,
    Genesis, GenesisOrganisation, Header, Height, Place, Receipt, Record, Refusal, Segment,
    StateKey, Status, Threshold,
};

/// Heights of one epoch.
pub(crate) const EPOCH: u64 = 8;
/// The last height.
pub(crate) const LAST: Height = 12 * EPOCH - 1;
/// Settled heights whose roots can be proved.
pub(crate) const SETTLED: [Height; 8] = [0, 4, 9, 13, 20, 36, 52, 90];
/// A header carries the state root of this many heights before it.
pub(crate) const LAG: Height = 2;

/// Members by epoch: the first so many organisations. The founders come back in epoch 3 and stay until 6.
const SIZES: [usize; 13] = [4, 5, 7, 4, 4, 4, 4, 5, 5, 5, 7, 7, 4];

const NAMES: [&str; 7] = ["acme", "borealis", "cobalt", "delta", "ember", "fjord", "granite"];

/// One ordered action with everything disclosed about it.
#[derive(Clone)]
pub(crate) struct Action {
    pub(crate) command: Command,
    pub(crate) actor: Actor,
    pub(crate) receipt: Receipt,
}

/// One change with everything disclosed about it.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) event: Event,
    pub(crate) actor: Actor,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// A record, its value and its branch under the root of one settled height.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) record: Record,
    pub(crate) value: Vec<u8>,
    pub(crate) branch: Vec<u8>,
}

pub(crate) type Snapshot = BTreeMap<Vec<u8>, Held>;

pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) committees: Vec<Committee>,
    /// By height.
    pub(crate) headers: Vec<Header>,
    pub(crate) actions: Vec<Vec<Action>>,
    pub(crate) changes: Vec<Vec<Change>>,
    /// By settled height.
    pub(crate) snapshots: BTreeMap<Height, Snapshot>,
}

/// The client's key `name` in space `app`.
pub(crate) fn kv(name: &str) -> Vec<u8> {
    StateKey::Kv { space: "app", key: name.as_bytes() }.encode()
}

/// Secret key of the member of organisation `index`.
pub(crate) fn secret(index: usize) -> SigningKey {
    SigningKey::from(hash("hanse-test/consensus", &[&[index as u8]]).0)
}

fn consensus(index: usize) -> [u8; 32] {
    secret(index).verification_key().to_bytes()
}

pub(crate) fn genesis() -> Genesis {
    let organisations = (0..4).map(|i| GenesisOrganisation {
        name: NAMES[i].into(),
        admin: PublicKey::Ed25519([i as u8 + 1; 32]),
        consensus: consensus(i),
        gateways: vec![PublicKey::Ed25519([i as u8 + 101; 32])],
    });
    Genesis {
        version: 1,
        name: "test-vectors".into(),
        created_ms: 1_700_000_000_000,
        params: ChainParams {
            protocol_version: 1,
            heartbeat_ms: 5_000,
            leader_timeout_ms: 10_000,
            certification_timeout_ms: 20_000,
            clock_ahead_max_ms: 500,
            epoch_blocks: EPOCH,
            spaces_per_organisation: 16,
            motion: Threshold::TWO_THIRDS,
            motion_high: Threshold::ALL,
        },
        organisations: organisations.collect(),
    }
}

fn committee(epoch: u64, size: usize) -> Committee {
    let seats = (0..size)
        .map(|i| CommitteeMember { consensus: consensus(i), organisation: NAMES[i].into() });
    let mut members: Vec<_> = seats.collect();
    members.sort();
    Committee { epoch, members }
}

/// The records in key order, and what changed since the last settling.
struct World {
    records: BTreeMap<Vec<u8>, (Record, Vec<u8>)>,
    touched: BTreeSet<Vec<u8>>,
    revision: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self { records: BTreeMap::new(), touched: BTreeSet::new(), revision: 1 };
        world.put(&StateKey::First.encode(), b"", 0, 0);
        for name in NAMES.iter().take(4) {
            world.put(&StateKey::Organisation(name).encode(), name.as_bytes(), 0, 0);
        }
        // More than a chunk of the activity bitmap, so that branches of every shape occur.
        for i in 0..300 {
            let key = StateKey::Kv { space: "bulk", key: format!("{i:04}").as_bytes() }.encode();
            world.put(&key, &[i as u8; 8], 0, 0);
        }
        world
    }

    /// Gives the revision before.
    fn put(&mut self, key: &[u8], value: &[u8], height: Height, index: u32) -> u64 {
        self.touched.insert(key.to_vec());
        if let Some((record, old)) = self.records.get_mut(key) {
            let before = record.mod_revision;
            record.mod_revision = self.revision;
            record.version += 1;
            (record.height, record.index) = (height, index);
            record.value_hash = Record::value_hash(value);
            *old = value.to_vec();
            return before;
        }
        let mut next = Vec::new();
        if let Some((before, (record, _))) = self.records.range_mut(..key.to_vec()).next_back() {
            next = std::mem::replace(&mut record.next, key.to_vec());
            self.touched.insert(before.clone());
        }
        let record = Record {
            key: key.to_vec(),
            next,
            create_revision: self.revision,
            mod_revision: self.revision,
            version: 1,
            lease: 0,
            seal: 0,
            height,
            index,
            value_hash: Record::value_hash(value),
        };
        self.records.insert(key.to_vec(), (record, value.to_vec()));
        0
    }

    fn delete(&mut self, key: &[u8]) -> Option<u64> {
        let (gone, _) = self.records.remove(key)?;
        self.touched.insert(key.to_vec());
        let (before, (record, _)) = self.records.range_mut(..key.to_vec()).next_back()?;
        record.next = gone.next;
        self.touched.insert(before.clone());
        Some(gone.mod_revision)
    }

    fn writes(&mut self) -> Vec<(Digest, Option<Digest>)> {
        let touched = std::mem::take(&mut self.touched);
        let digest = |key: &Vec<u8>| self.records.get(key).map(|(record, _)| record.digest());
        touched.iter().map(|key| (Record::slot(key), digest(key))).collect()
    }

    async fn snapshot(&self, tree: &StateTree<deterministic::Context>) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for (key, (record, value)) in &self.records {
            let branch = tree.prove(&[Record::slot(key)]).await.unwrap().remove(0);
            let held = Held { record: record.clone(), value: value.clone(), branch };
            snapshot.insert(key.clone(), held);
        }
        snapshot
    }
}

/// What changed, the revision before, and the new value.
type Effect = Option<(EventKind, u64, Option<Vec<u8>>)>;

/// Sets the key, deletes it, or is refused.
fn act(world: &mut World, key: &[u8], height: Height, index: u32) -> (Status, Effect) {
    match index % 5 {
        3 => (Status::Refused(Refusal::Conflict), None),
        2 => match world.delete(key) {
            Some(before) => (Status::Done, Some((EventKind::Delete, before, None))),
            None => (Status::Unchanged, None),
        },
        _ => {
            world.revision += 1;
            let value = format!("value {height}/{index}").into_bytes();
            let before = world.put(key, &value, height, index);
            (Status::Done, Some((EventKind::Put, before, Some(value))))
        }
    }
}

/// The actions of one block: as many as `height % 7`, some refused, some without effect.
fn execute(world: &mut World, height: Height) -> (Vec<Action>, Vec<Change>) {
    let (mut actions, mut changes) = (Vec::new(), Vec::new());
    for index in 0..(height % 7) as u32 {
        let command = Command { kind: 1, bytes: format!("command {height}/{index}").into() };
        let actor = Actor {
            organisation: NAMES[(height + u64::from(index)) as usize % 4].into(),
            evidence: if index % 2 == 0 { Evidence::Signed } else { Evidence::Session },
            key: hash("hanse-test/actor", &[&height.to_le_bytes(), &index.to_le_bytes()]),
            identity: if index % 2 == 0 { String::new() } else { "system:node:w1".into() },
        };
        let key = kv(&format!("key-{}", (height * 5 + u64::from(index) * 3) % 23));
        let (status, change) = act(world, &key, height, index);
        let event = change.map(|(kind, prev_mod_revision, value)| {
            let event = Event {
                space: "app".into(),
                revision: world.revision,
                kind,
                key_hash: Record::slot(&key),
                value_hash: value.as_ref().map_or(Digest::default(), |v| Record::value_hash(v)),
                actor: actor.digest(),
                prev_mod_revision,
                index,
            };
            Change { event, actor: actor.clone(), key: key.clone(), value }
        });
        let leaves: Vec<Digest> = event.iter().map(|change| change.event.digest()).collect();
        let receipt = Receipt {
            command: command.id(),
            item: 0,
            height,
            index,
            space: "app".into(),
            revision: world.revision,
            status,
            effects: merkle::root(&leaves),
            actor: actor.digest(),
        };
        actions.push(Action { command, actor, receipt });
        changes.extend(event);
    }
    (actions, changes)
}

impl Chain {
    pub(crate) fn new() -> Self {
        deterministic::Runner::default().start(|context| async move { Self::build(context).await })
    }

    async fn build(context: deterministic::Context) -> Self {
        let genesis = genesis();
        let mut chain = Self {
            committees: (0..).zip(SIZES).map(|(epoch, size)| committee(epoch, size)).collect(),
            genesis,
            headers: Vec::new(),
            actions: Vec::new(),
            changes: Vec::new(),
            snapshots: BTreeMap::new(),
        };
        assert_eq!(chain.committees[0], chain.genesis.committee());
        let (mut tree, _) = StateTree::open(context, "state", &Settings::default()).await.unwrap();
        let mut world = World::new();
        let mut roots = Vec::new();
        for height in 0..=LAST {
            let (actions, changes) =
                if height == 0 { (vec![], vec![]) } else { execute(&mut world, height) };
            chain.push_header(height, &actions, &roots);
            chain.actions.push(actions);
            chain.changes.push(changes);
            roots.push(tree.settle(height, world.writes()).await.unwrap());
            if SETTLED.contains(&height) {
                chain.snapshots.insert(height, world.snapshot(&tree).await);
            }
        }
        chain
    }

    fn push_header(&mut self, height: Height, actions: &[Action], roots: &[Digest]) {
        let epoch = height / EPOCH;
        let here = &self.committees[epoch as usize];
        let next = &self.committees[epoch as usize + 1];
        let commands: Vec<Command> = actions.iter().map(|a| a.command.clone()).collect();
        let segment = Segment { space: "app".into(), commands };
        let segments = if actions.is_empty() { vec![] } else { vec![segment] };
        let before = height.checked_sub(1).map(|h| h as usize);
        let receipts: Vec<Digest> =
            before.map_or(vec![], |h| self.actions[h].iter().map(|a| a.receipt.digest()).collect());
        let events: Vec<Digest> =
            before.map_or(vec![], |h| self.changes[h].iter().map(|c| c.event.digest()).collect());
        let history: Vec<Digest> = self.headers.iter().map(Header::digest).collect();
        let settled_height = height.saturating_sub(LAG);
        self.headers.push(Header {
            version: 1,
            protocol: 1,
            chain_id: self.genesis.chain_id(),
            height,
            place: Place {
                epoch,
                view: height * 3 + 1,
                leader: here.members[height as usize % here.members.len()].consensus,
                parent_view: (height * 3).saturating_sub(2),
            },
            parent: history.last().copied().unwrap_or_default(),
            timestamp_ms: self.genesis.created_ms + height * 1_000,
            body_root: Body { segments }.root(),
            receipt_root: merkle::root(&receipts),
            event_root: merkle::root(&events),
            settled_height,
            state_root: roots.get(settled_height as usize).copied().unwrap_or_default(),
            state_version: 1,
            settles: true,
            history_root: merkle::root(&history),
            committee: here.digest(),
            next_committee: next.digest(),
        });
    }

    pub(crate) fn trust(&self) -> TrustRoot {
        TrustRoot::from_genesis(&self.genesis)
    }

    /// Trust in the committee of `epoch` and in its first block.
    pub(crate) fn trust_in(&self, epoch: u64) -> TrustRoot {
        let height = epoch * EPOCH;
        let digest = self.headers[height as usize].digest();
        TrustRoot {
            committee: self.committees[epoch as usize].clone(),
            pinned: Some(Pinned { height, digest }),
            ..self.trust()
        }
    }

    /// A certificate over `header` by the members of these ranks.
    pub(crate) fn certify(&self, header: &Header, ranks: &[usize]) -> Finalization {
        let committee = &self.committees[header.place.epoch as usize];
        sign(committee, header, ranks)
    }

    /// Ranks of the smallest quorum of an epoch, without the first member.
    pub(crate) fn quorum(&self, epoch: u64) -> Vec<usize> {
        let committee = &self.committees[epoch as usize];
        (1..=committee.quorum())
            .map(|rank| rank % committee.members.len())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// A proof of `claim` in header `height`, certified `further` headers on, from the founders on.
    pub(crate) fn prove(&self, claim: Claim, height: Height, further: u64) -> Proof {
        self.prove_from(0, claim, height, further)
    }

    /// [`Chain::prove`] from the committee of epoch `anchor` on, with a hand-over wherever members change.
    pub(crate) fn prove_from(
        &self,
        anchor: u64,
        claim: Claim,
        height: Height,
        further: u64,
    ) -> Proof {
        let headers = self.headers[height as usize..=(height + further) as usize].to_vec();
        let certified = headers.last().unwrap();
        let epoch = certified.place.epoch;
        let finalization = self.certify(certified, &self.quorum(epoch));
        let members = |epoch: u64| &self.committees[epoch as usize].members;
        let changes = (anchor..epoch).filter(|epoch| members(*epoch) != members(epoch + 1));
        Proof {
            chain_id: self.genesis.chain_id(),
            anchor_epoch: anchor,
            handovers: changes.map(|epoch| self.handover(epoch)).collect(),
            headers,
            finalization,
            claim,
        }
    }

    pub(crate) fn handover(&self, epoch: u64) -> Handover {
        let header = self.headers[((epoch + 1) * EPOCH - 1) as usize].clone();
        let finalization = self.certify(&header, &self.quorum(epoch));
        Handover { header, finalization, committee: self.committees[epoch as usize + 1].clone() }
    }

    pub(crate) fn receipt(&self, height: Height, index: usize, disclose: bool) -> Claim {
        let actions = &self.actions[height as usize];
        let leaves: Vec<Digest> = actions.iter().map(|a| a.receipt.digest()).collect();
        let action = actions[index].clone();
        Claim::Receipt {
            receipt: action.receipt,
            command: disclose.then_some(action.command),
            actor: disclose.then_some(action.actor),
            path: LeafPath::new(&leaves, index as u64).unwrap(),
        }
    }

    pub(crate) fn event(&self, height: Height, index: usize, disclose: bool) -> Claim {
        let changes = &self.changes[height as usize];
        let leaves: Vec<Digest> = changes.iter().map(|c| c.event.digest()).collect();
        let change = changes[index].clone();
        Claim::Event {
            event: change.event,
            key: disclose.then_some(change.key),
            value: change.value.filter(|_| disclose),
            actor: disclose.then_some(change.actor),
            path: LeafPath::new(&leaves, index as u64).unwrap(),
        }
    }

    pub(crate) fn item(&self, settled: Height, key: &[u8]) -> StateProofItem {
        let snapshot = &self.snapshots[&settled];
        if let Some(held) = snapshot.get(key) {
            let value = Some(held.value.clone());
            return StateProofItem::value(held.record.clone(), value, &held.branch).unwrap();
        }
        let (_, before) = snapshot.range(..key.to_vec()).next_back().unwrap();
        StateProofItem::absence(key, before.record.clone(), &before.branch).unwrap()
    }

    /// All keys from `start` to `end`, after the record before `start` if that is no key itself.
    pub(crate) fn range(&self, settled: Height, start: &[u8], end: &[u8], disclose: bool) -> Claim {
        let snapshot = &self.snapshots[&settled];
        let first = snapshot.range(..=start.to_vec()).next_back().unwrap().0;
        let within = snapshot
            .range(first.clone()..)
            .filter(|(key, _)| end.is_empty() || key.as_slice() < end);
        let entries = within.map(|(key, held)| Entry {
            record: held.record.clone(),
            value: (disclose && key.as_slice() >= start).then(|| held.value.clone()),
            branch: StateBranch::decode(&held.branch).unwrap(),
        });
        Claim::Range { entries: entries.collect() }
    }
}

/// A certificate over `header` by the members of these ranks of `committee`.
pub(crate) fn sign(committee: &Committee, header: &Header, ranks: &[usize]) -> Finalization {
    let mut finalization = Finalization {
        epoch: committee.epoch,
        view: header.place.view,
        parent_view: header.place.parent_view,
        signers: vec![0; committee.members.len().div_ceil(8)],
        signatures: Vec::new(),
    };
    let message = finalization.message(&header.chain_id, &header.digest());
    for rank in ranks {
        finalization.signers[rank / 8] |= 1 << (rank % 8);
        finalization.signatures.push(signature(committee.members[*rank].consensus, &message));
    }
    finalization
}

/// By whichever test member has this key.
pub(crate) fn signature(key: [u8; 32], message: &[u8]) -> [u8; 64] {
    let secret = (0..NAMES.len()).map(secret).find(|s| s.verification_key().to_bytes() == key);
    secret.unwrap().sign(message).to_bytes()
}
