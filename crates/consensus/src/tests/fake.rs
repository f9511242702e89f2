//! The smallest application that can be wrong: a chain of commands, candidates above it, and a record of every call.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use commonware_utils::{channel::watch, sync::Mutex};
use futures::future::{BoxFuture, ready};
use hanse_types::{
    Block, Body, Command, Committee, Digest, Header, Height, Place, Segment, TimeMs,
};

use crate::{Application, Certified, Contact, Pace, Verdict};

/// How far a block's time may be ahead before this application answers [`Verdict::Early`].
const AHEAD_MS: u64 = 200;

pub(super) struct Fake {
    genesis: Arc<Block>,
    state: Mutex<State>,
    pool: watch::Sender<BTreeSet<Vec<u8>>>,
    /// Blocks with this command are refused by this member.
    pub(super) refused: Option<Vec<u8>>,
    /// Never builds: a leader that stays silent.
    pub(super) silent: bool,
    pub(super) epoch_blocks: u64,
    /// Who votes in an epoch.
    pub(super) committee: Box<dyn Fn(u64) -> Committee + Send + Sync>,
}

pub(super) struct State {
    pub(super) tip: (Height, Digest),
    pub(super) chain: Vec<(Digest, Option<Vec<u8>>)>,
    /// Committed blocks, from genesis or from where this one began.
    pub(super) committed_blocks: Vec<Arc<Block>>,
    pub(super) blocks: BTreeMap<Digest, Arc<Block>>,
    pub(super) committed: BTreeSet<Vec<u8>>,
    pub(super) gossip: Vec<([u8; 32], Bytes)>,
    pub(super) early: u64,
    pub(super) refusals: u64,
    pub(super) built: u64,
    /// The first height of this process that was committed as live.
    pub(super) live_from: Option<Height>,
}

impl Fake {
    pub(super) fn new(chain_id: Digest) -> Self {
        let genesis = Arc::new(block(chain_id, 0, None, Digest([0; 32]), 1, Body::default()));
        let digest = genesis.header.digest();
        let state = State {
            tip: (0, digest),
            chain: vec![(digest, None)],
            committed_blocks: vec![genesis.clone()],
            blocks: BTreeMap::from([(digest, genesis.clone())]),
            committed: BTreeSet::new(),
            gossip: Vec::new(),
            early: 0,
            refusals: 0,
            built: 0,
            live_from: None,
        };
        Self {
            genesis,
            state: Mutex::new(state),
            pool: watch::Sender::new(BTreeSet::new()),
            refused: None,
            silent: false,
            epoch_blocks: 1_000_000,
            committee: Box::new(|_| unreachable!("no test lives a million blocks")),
        }
    }

    /// Takes over what `other` had come to at `height`.
    pub(super) fn begin_at(&self, other: &Self, height: Height) {
        let (chain, blocks) = other.look(|s| (s.chain.clone(), s.committed_blocks.clone()));
        let upto = height as usize + 1;
        let mut state = self.state.lock();
        let block = blocks[upto - 1].clone();
        state.tip = (height, block.header.digest());
        let commands = blocks[..upto].iter().flat_map(|b| b.body.commands());
        state.committed = commands.map(|c| c.bytes.clone()).collect();
        state.blocks = BTreeMap::from([(state.tip.1, block)]);
        state.chain = chain[..upto].to_vec();
        state.committed_blocks = blocks[..upto].to_vec();
    }

    pub(super) fn submit(&self, command: &[u8]) {
        self.pool.send_modify(|pool| {
            pool.insert(command.to_vec());
        });
    }

    pub(super) fn look<T>(&self, f: impl FnOnce(&State) -> T) -> T {
        f(&self.state.lock())
    }

    pub(super) fn chain(&self) -> Vec<Digest> {
        self.look(|s| s.chain.iter().map(|(digest, _)| *digest).collect())
    }
}

impl State {
    /// Commands of `digest` and its ancestors that are not committed.
    fn pending(&self, digest: Digest) -> BTreeSet<Vec<u8>> {
        let mut commands = BTreeSet::new();
        let mut next = digest;
        while next != self.tip.1 {
            let block = &self.blocks[&next];
            commands.extend(block.body.commands().map(|c| c.bytes.clone()));
            next = block.header.parent;
        }
        commands
    }

    fn knows(&self, digest: &Digest) -> bool {
        *digest == self.tip.1
            || self.blocks.get(digest).is_some_and(|b| b.header.height > self.tip.0)
    }
}

pub(super) fn block(
    chain_id: Digest,
    height: Height,
    place: Option<Place>,
    parent: Digest,
    timestamp_ms: TimeMs,
    body: Body,
) -> Block {
    let zero = Digest([0; 32]);
    let place = place.unwrap_or(Place { epoch: 0, view: 0, leader: [0; 32], parent_view: 0 });
    let header = Header {
        version: 1,
        protocol: 1,
        chain_id,
        height,
        place,
        parent,
        timestamp_ms,
        body_root: body.root(),
        receipt_root: zero,
        event_root: zero,
        settled_height: 0,
        state_root: zero,
        state_version: 1,
        settles: false,
        history_root: zero,
        committee: zero,
        next_committee: zero,
    };
    Block { header, body }
}

impl Application for Fake {
    fn genesis(&self) -> Arc<Block> {
        self.genesis.clone()
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.state.lock().knows(digest)
    }

    fn work(&self, parent: Digest, pace: Pace) -> BoxFuture<'static, ()> {
        if pace != Pace::Now {
            return Box::pin(std::future::pending());
        }
        let done = {
            let state = self.state.lock();
            let mut done = state.committed.clone();
            if state.knows(&parent) {
                done.extend(state.pending(parent));
            }
            done
        };
        let mut pool = self.pool.subscribe();
        Box::pin(async move {
            let has_work = |pool: &BTreeSet<Vec<u8>>| pool.iter().any(|c| !done.contains(c));
            drop(pool.wait_for(has_work).await);
        })
    }

    fn build(&self, place: Place, parent: Digest, now_ms: TimeMs) -> Option<Arc<Block>> {
        if self.silent {
            return None;
        }
        let mut state = self.state.lock();
        if !state.knows(&parent) {
            return None;
        }
        let before = state.blocks[&parent].header.clone();
        let pending = state.pending(parent);
        let commands: Vec<Command> = self
            .pool
            .borrow()
            .iter()
            .filter(|c| !pending.contains(*c) && !state.committed.contains(*c))
            .map(|c| Command { kind: 1, bytes: c.clone() })
            .collect();
        let segments = if commands.is_empty() {
            vec![]
        } else {
            vec![Segment { space: "a".into(), commands }]
        };
        let time = now_ms.max(before.timestamp_ms + 1);
        let body = Body { segments };
        let block = block(before.chain_id, before.height + 1, Some(place), parent, time, body);
        let block = Arc::new(block);
        state.blocks.insert(block.header.digest(), block.clone());
        state.built += 1;
        Some(block)
    }

    fn admit(&self, block: &Arc<Block>, digest: Digest, now_ms: TimeMs) -> Verdict {
        let mut state = self.state.lock();
        assert_eq!(block.header.digest(), digest);
        if !state.knows(&block.header.parent) {
            return Verdict::Orphan;
        }
        let parent = &state.blocks[&block.header.parent].header;
        if block.header.height != parent.height + 1
            || block.header.timestamp_ms <= parent.timestamp_ms
        {
            state.refusals += 1;
            return Verdict::Invalid("does not follow its parent".into());
        }
        if block.header.timestamp_ms > now_ms + AHEAD_MS {
            state.early += 1;
            return Verdict::Early(block.header.timestamp_ms - AHEAD_MS);
        }
        if let Some(refused) = &self.refused
            && block.body.commands().any(|c| c.bytes == *refused)
        {
            state.refusals += 1;
            return Verdict::Invalid("carries a command this member refuses".into());
        }
        state.blocks.insert(digest, block.clone());
        Verdict::Valid
    }

    fn settled(&self, _: Height) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }

    fn commit(&self, certified: Certified) {
        let mut state = self.state.lock();
        let header = &certified.block.header;
        assert_eq!(header.height, state.tip.0 + 1, "heights come in order without gaps");
        assert_eq!(header.parent, state.tip.1, "blocks follow each other");
        assert_eq!(header.digest(), certified.digest);
        state.tip = (header.height, certified.digest);
        assert!(certified.live || state.live_from.is_none(), "what is live stays live");
        if certified.live {
            state.live_from.get_or_insert(header.height);
        }
        state.committed.extend(certified.block.body.commands().map(|c| c.bytes.clone()));
        state.chain.push((certified.digest, certified.finalization));
        let tip = state.tip;
        state.committed_blocks.push(certified.block.clone());
        state.blocks.insert(tip.1, certified.block);
        state.blocks.retain(|digest, block| block.header.height > tip.0 || *digest == tip.1);
    }

    fn successor(&self) -> Committee {
        (self.committee)(self.look(|s| s.tip.0) / self.epoch_blocks + 1)
    }

    fn contacts(&self) -> Option<Vec<Contact>> {
        None
    }

    fn gossip(&self, from: [u8; 32], bytes: Bytes) {
        self.state.lock().gossip.push((from, bytes));
    }
}
