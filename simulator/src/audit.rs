//! The auditor: follows every member from its first block and believes nobody.

use std::collections::{BTreeMap, BTreeSet};

use hanse_crypto::hash;
use hanse_ledger::{Applied, Committed, World};
use hanse_member::simulated::{Says, SignedVote};
use hanse_proof::decode_finalization;
use hanse_types::{
    Committee, Digest, Event, EventKind, Genesis, Height, Receipt, Revision, Status, encode,
};

/// What is known of one height.
struct Seen {
    digest: Digest,
    /// Over receipts, actors and events.
    outcome: Digest,
    /// Over the whole block.
    block: Digest,
    certified: bool,
}

/// What a key holds: hash of the value and the revision of its last change.
type Held = (Digest, Revision);

/// What a member signed in one view.
#[derive(Default)]
struct Cast {
    notarized: Option<Digest>,
    finalized: Option<Digest>,
    nullified: bool,
}

pub(crate) struct Audit {
    votes: BTreeMap<(usize, u64, u64), Cast>,
    chain_id: Digest,
    committee: Committee,
    heights: BTreeMap<Height, Seen>,
    /// Every action ever executed, and where.
    receipts: BTreeMap<(Digest, u32), Receipt>,
    table: BTreeMap<Vec<u8>, Option<Held>>,
    revisions: BTreeMap<String, Revision>,
    values: BTreeSet<Digest>,
    /// Actions by block time in milliseconds, for rates.
    pub(crate) actions: u64,
    pub(crate) certificates: u64,
    pub(crate) findings: Vec<String>,
}

fn outcome(applied: &[Applied]) -> Digest {
    let mut bytes = Vec::new();
    for one in applied {
        bytes.extend(encode(&one.receipt));
        bytes.extend(encode(&*one.actor));
        for change in &one.changes {
            bytes.extend(encode(&change.event));
        }
    }
    hash("hanse-simulator/outcome", &[&bytes])
}

impl Audit {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        Self {
            votes: BTreeMap::new(),
            chain_id: genesis.chain_id(),
            committee: genesis.committee(),
            heights: BTreeMap::new(),
            receipts: BTreeMap::new(),
            table: BTreeMap::new(),
            revisions: BTreeMap::new(),
            values: BTreeSet::new(),
            actions: 0,
            certificates: 0,
            findings: Vec::new(),
        }
    }

    fn found(&mut self, what: String) {
        if self.findings.len() < 20 {
            self.findings.push(what);
        }
    }

    /// Takes what `member` says it committed.
    pub(crate) fn observe(&mut self, member: usize, committed: &Committed) {
        let header = &committed.block.header;
        let height = header.height;
        let outcome = outcome(&committed.applied);
        if header.digest() != committed.digest {
            self.found(format!(
                "member {member} names block {height} by a digest it does not have"
            ));
        }
        let seen = self.heights.get(&height).map(|seen| (seen.digest, seen.outcome));
        if let Some((digest, before)) = seen {
            if digest != committed.digest {
                self.found(format!(
                    "two blocks are final at height {height}, one at member {member}"
                ));
            }
            if before != outcome {
                self.found(format!("member {member} executed block {height} to another outcome"));
            }
        }
        if seen.is_none() {
            self.extend(committed, outcome);
        }
        self.certificate(member, committed);
    }

    /// The first member that commits a height shows it to everybody.
    fn extend(&mut self, committed: &Committed, outcome: Digest) {
        let header = &committed.block.header;
        let height = header.height;
        let before = self.heights.get(&(height - 1)).map(|seen| seen.digest);
        let follows = if height == 1 { before.is_none() } else { before == Some(header.parent) };
        if !follows {
            self.found(format!("block {height} does not follow block {}", height - 1));
        }
        let block = hash("hanse-simulator/block", &[&encode(&*committed.block)]);
        let seen = Seen { digest: committed.digest, outcome, block, certified: false };
        self.heights.insert(height, seen);
        for applied in committed.applied.iter() {
            self.actions += 1;
            self.action(applied);
        }
    }

    fn action(&mut self, applied: &Applied) {
        let receipt = &applied.receipt;
        let (height, index) = (receipt.height, receipt.index);
        let key = (receipt.command, receipt.item);
        if self.receipts.insert(key, receipt.clone()).is_some() {
            self.found(format!("action {index} of block {height} was executed before"));
        }
        if let Some(last) = self.revisions.insert(receipt.space.clone(), receipt.revision) {
            let step = u64::from(receipt.status == Status::Done);
            if receipt.revision != last + step {
                let (space, revision) = (&receipt.space, receipt.revision);
                let what = format!("revision {revision} of space {space} follows {last}");
                self.found(what);
            }
        }
        if receipt.status != Status::Done && !applied.changes.is_empty() {
            self.found(format!(
                "action {index} of block {height} changed something and is not done"
            ));
        }
        for change in &applied.changes {
            self.change(&change.key, &change.event);
        }
    }

    fn change(&mut self, key: &[u8], event: &Event) {
        let held = (event.kind == EventKind::Put).then_some((event.value_hash, event.revision));
        self.values.insert(event.value_hash);
        let before = self.table.insert(key.to_vec(), held);
        if let Some(before) = before {
            let was = before.map_or(0, |(_, revision)| revision);
            // A key may change twice in one transaction; then the later event names that revision itself.
            if event.prev_mod_revision != was {
                let revision = event.revision;
                self.found(format!(
                    "the event of revision {revision} names {} as the change before {was}",
                    event.prev_mod_revision
                ));
            }
        }
    }

    /// No member signs against its own older votes, whatever became of its disk meanwhile.
    pub(crate) fn vote(&mut self, member: usize, vote: SignedVote) {
        let SignedVote { epoch, view, says } = vote;
        let cast = self.votes.entry((member, epoch, view)).or_default();
        let against = match says {
            Says::Notarize(block) => *cast.notarized.get_or_insert(block) != block,
            Says::Finalize(block) => {
                *cast.finalized.get_or_insert(block) != block || cast.nullified
            }
            Says::Nullify => {
                cast.nullified = true;
                cast.finalized.is_some()
            }
        };
        if against {
            self.found(format!("member {member} signed against its own vote in view {view}"));
        }
    }

    fn certificate(&mut self, member: usize, committed: &Committed) {
        let Some(bytes) = &committed.finalization else { return };
        let height = committed.block.header.height;
        if self.heights.get(&height).is_none_or(|seen| seen.certified) {
            return;
        }
        let size = self.committee.members.len();
        let checked = decode_finalization(bytes, size).and_then(|(payload, finalization)| {
            let epoch = committed.block.header.place.epoch;
            let committee = Committee { epoch, ..self.committee.clone() };
            let ranks = finalization.check(&self.chain_id, &committee, &payload)?;
            Ok((payload, ranks.len()))
        });
        match checked {
            Ok((payload, _)) if payload == committed.digest => {
                self.certificates += 1;
                if let Some(seen) = self.heights.get_mut(&height) {
                    seen.certified = true;
                }
            }
            Ok(_) => self.found(format!(
                "member {member} has another block's certificate at height {height}"
            )),
            Err(error) => {
                self.found(format!("certificate of height {height} at member {member}: {error}"))
            }
        }
    }

    /// Newest height anybody committed.
    pub(crate) fn height(&self) -> Height {
        self.heights.last_key_value().map_or(0, |(height, _)| *height)
    }

    pub(crate) fn receipt(&self, command: &Digest, item: u32) -> Option<&Receipt> {
        self.receipts.get(&(*command, item))
    }

    /// Whether a value with this hash was ever put.
    pub(crate) fn has_value(&self, value_hash: &Digest) -> bool {
        self.values.contains(value_hash)
    }

    /// Whether a member's world holds what the events add up to.
    pub(crate) fn compare(&mut self, member: usize, world: &World) {
        let mut wrong = Vec::new();
        for (key, held) in &self.table {
            let entry = world.get(key).map(|e| (e.value_hash, e.mod_revision));
            if entry != *held {
                wrong.push(format!(
                    "member {member} holds something else than the events say at key {key:02x?}"
                ));
            }
        }
        wrong.into_iter().for_each(|what| self.found(what));
    }

    /// Blocks, in order, and the table.
    pub(crate) fn digest(&self, upto: Height) -> Digest {
        let mut bytes = Vec::new();
        for (height, seen) in self.heights.range(..=upto) {
            bytes.extend(height.to_le_bytes());
            bytes.extend(seen.block.0);
            bytes.extend(seen.outcome.0);
        }
        for (key, held) in &self.table {
            bytes.extend(encode(key));
            bytes.extend(encode(held));
        }
        hash("hanse-simulator/audit", &[&bytes])
    }
}

/// Over everything a member's world holds.
pub(crate) fn world_digest(world: &World) -> Digest {
    let mut bytes = Vec::new();
    for (key, _) in world.range(&[], &[]) {
        let record = world.record(key).expect("the key was just read");
        bytes.extend(record.digest().0);
    }
    hash("hanse-simulator/world", &[&bytes])
}
