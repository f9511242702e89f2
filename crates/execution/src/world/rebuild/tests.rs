//! A rebuilt state is the one that was written out, and nothing else can be made of its pieces unseen.

use std::collections::BTreeMap;

use hanse_types::{Action, Command, KvAction, StateKey, encode};
use proptest::prelude::*;

use super::*;
use crate::{
    CheckError, check_replay, genesis_world,
    testkit::{Kit, acme, borealis, decode as read, gateway, genesis},
};

/// The authenticated map, as its owner has it.
type Map = BTreeMap<Digest, Digest>;

/// A kit, and the map that its blocks' leaves make.
struct Chain {
    kit: Kit,
    map: Map,
    sequence: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Batch(u8, u64),
    Pause(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u8..20, any::<u8>()).prop_map(|(k, v)| Step::Put(k, v)),
        (1u8..20).prop_map(Step::Delete),
        (1u8..20, 1u64..40).prop_map(|(k, gap)| Step::Batch(k, gap)),
        (1u64..70_000).prop_map(Step::Pause),
    ]
}

fn put(k: u8, v: u8) -> Action {
    Action::Kv(KvAction::Put { space: "acme".to_owned(), key: vec![k], value: vec![v; 3] })
}

fn delete(k: u8) -> Action {
    let space = "acme".to_owned();
    Action::Kv(KvAction::Delete { space, key: vec![k], range_end: Vec::new() })
}

fn take(map: &mut Map, writes: Vec<(Digest, Option<Digest>)>) {
    for (slot, leaf) in writes {
        match leaf {
            Some(leaf) => map.insert(slot, leaf),
            None => map.remove(&slot),
        };
    }
}

impl Chain {
    fn new() -> Self {
        let mut genesis = genesis();
        genesis.params.epoch_blocks = 4;
        let mut map = Map::new();
        take(&mut map, genesis_world(&genesis).1.writes());
        Self { kit: Kit::with(genesis), map, sequence: 0 }
    }

    fn commands(&mut self, steps: &[Step]) -> Vec<Command> {
        let mut commands = Vec::new();
        for step in steps {
            match step {
                Step::Put(k, v) => commands.push(self.kit.signed(&acme(), put(*k, *v))),
                Step::Delete(k) => commands.push(self.kit.signed(&acme(), delete(*k))),
                Step::Batch(k, gap) => {
                    self.sequence += gap;
                    let actions = vec![put(*k, 0), delete(k + 1)];
                    commands.push(self.kit.session(self.sequence, "acme", actions));
                }
                Step::Pause(ms) => self.kit.time_ms += ms,
            }
        }
        // As a block has them: none outlived a pause.
        let time_ms = self.kit.time_ms + 10;
        let runs = |c: &Command| {
            check_replay(&self.kit.world, time_ms, &read(std::slice::from_ref(c))).is_ok()
        };
        commands.retain(runs);
        commands
    }

    fn block(&mut self, steps: &[Step]) {
        let commands = self.commands(steps);
        let executed = self.kit.run(&commands);
        take(&mut self.map, executed.dirty.writes());
    }

    fn boundary(&mut self, steps: &[Step]) {
        self.kit.settles = true;
        self.block(steps);
        self.kit.settles = false;
    }

    /// Some of everything, at a boundary.
    fn full() -> Self {
        let mut chain = Self::new();
        chain.block(&[Step::Put(1, 1), Step::Put(2, 2), Step::Batch(3, 1)]);
        chain.block(&[Step::Pause(61_000)]);
        let refused = chain.kit.signed(&borealis(), put(1, 1));
        chain.kit.run(&[refused]);
        chain.boundary(&[Step::Delete(2), Step::Put(4, 4), Step::Batch(5, 2)]);
        chain
    }

    fn pieces(&self, bytes_max: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let world = &self.kit.world;
        (world.pieces(bytes_max).collect(), world.aside_pieces(bytes_max).collect())
    }

    fn rebuild(&self, table: &[Vec<u8>], aside: &[Vec<u8>]) -> Result<World, Wrong> {
        let mut rebuild = Rebuild::new();
        let mut leaves = Map::new();
        for piece in table {
            leaves.extend(rebuild.table(piece)?);
        }
        leaves.extend(rebuild.end_table()?);
        for piece in aside {
            rebuild.aside(piece)?;
        }
        let known = |(slot, leaf): (&Digest, &Digest)| self.map.get(slot) == Some(leaf);
        if !leaves.iter().all(known) {
            return Err(Wrong::Leaf);
        }
        assert_eq!(leaves, self.map, "leaves that are all in the map are all of the map");
        Ok(rebuild.finish(self.kit.time_ms)?)
    }
}

/// Who finds that something is wrong with pieces: the rebuilding, or whoever has the map.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Pieces(PortableError),
    Leaf,
}

impl From<PortableError> for Wrong {
    fn from(error: PortableError) -> Self {
        Self::Pieces(error)
    }
}

fn assert_same(a: &World, b: &World) {
    assert_eq!(a.table, b.table);
    assert_eq!(a.revisions, b.revisions);
    assert_eq!(a.seen, b.seen);
    assert_eq!(a.seen_until, b.seen_until);
    assert_eq!(a.windows, b.windows);
    assert_eq!(a.headers, b.headers);
    assert_eq!(a.arrivals, b.arrivals);
    assert_eq!(a.begins_on, b.begins_on);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_rebuilt_state_is_the_same_and_goes_on_the_same(
        before in proptest::collection::vec((proptest::collection::vec(step(), 0..6), any::<bool>()), 0..12),
        after in proptest::collection::vec((proptest::collection::vec(step(), 0..6), any::<bool>()), 1..8),
        bytes_max in 0usize..3_000,
    ) {
        let mut chain = Chain::new();
        for (steps, settles) in &before {
            chain.kit.settles = *settles;
            chain.block(steps);
        }
        chain.boundary(&[]);
        let (table, aside) = chain.pieces(bytes_max);
        let mut other = chain.rebuild(&table, &aside).expect("nothing was changed");
        assert_same(&other, &chain.kit.world);
        for (steps, settles) in &after {
            chain.kit.settles = *settles;
            let commands = chain.commands(steps);
            let one = chain.kit.run(&commands);
            let two = chain.kit.run_on(&other, &commands);
            prop_assert_eq!(one.receipt_root, two.receipt_root);
            prop_assert_eq!(one.event_root, two.event_root);
            prop_assert_eq!(one.dirty.writes(), two.dirty.writes());
            prop_assert_eq!(one.world.aside(), two.world.aside());
            assert_same(&one.world, &two.world);
            other = two.world;
        }
    }

    #[test]
    fn no_bytes_make_it_panic(piece in proptest::collection::vec(any::<u8>(), 0..80), tag in 0u8..6) {
        let mut rebuild = Rebuild::new();
        let framed = [&[tag, 1, 0, 0, 0][..], &piece].concat();
        for bytes in [&piece, &framed, &framed[1..].to_vec()] {
            let _refused = (rebuild.table(bytes), rebuild.aside(bytes));
        }
        let _refused = rebuild.end_table();
        prop_assert!(rebuild.finish(0).is_err());
    }
}

#[test]
fn no_byte_of_the_table_can_be_changed_unseen() {
    let chain = Chain::full();
    let (table, aside) = chain.pieces(400);
    assert!(table.len() > 3, "the table is cut");
    assert!(chain.rebuild(&table, &aside).is_ok());
    for piece in 0..table.len() {
        for byte in 0..table[piece].len() {
            let mut changed = table.clone();
            changed[piece][byte] ^= 1 << (byte % 8);
            assert!(chain.rebuild(&changed, &aside).is_err(), "byte {byte} of piece {piece}");
        }
    }
}

#[test]
fn no_byte_beside_the_table_can_be_changed() {
    let chain = Chain::full();
    let (table, aside) = chain.pieces(100);
    assert!(aside.len() > 6, "the lists are cut");
    for piece in 0..aside.len() {
        for byte in 0..aside[piece].len() {
            let mut changed = aside.clone();
            changed[piece][byte] ^= 1 << (byte % 8);
            let found = chain.rebuild(&table, &changed).err();
            assert!(matches!(found, Some(Wrong::Pieces(_))), "byte {byte} of piece {piece}");
        }
    }
}

#[test]
fn no_entry_or_piece_can_be_left_out_doubled_or_moved() {
    let chain = Chain::full();
    let (whole, _) = chain.pieces(1 << 20);
    let (table, aside) = chain.pieces(100);
    let entries: Vec<PortableEntry> = decode(&whole[0]).expect("one piece");
    for gone in 0..entries.len() {
        let mut left: Vec<PortableEntry> = decode(&whole[0]).expect("one piece");
        left.remove(gone);
        let found = chain.rebuild(&[encode(&left)], &aside).err();
        let first = Wrong::Pieces(PortableError::First);
        assert_eq!(found, Some(if gone == 0 { first } else { Wrong::Leaf }), "entry {gone}");
    }
    type Pieces = Vec<Vec<u8>>;
    let changes: [fn(&mut Pieces, usize); 3] = [
        |p, at| drop(p.remove(at)),
        |p, at| p.insert(at, p[at].clone()),
        |p, at| p.swap(at, at + 1),
    ];
    for (number, change) in changes.iter().enumerate() {
        for at in 0..table.len() - 1 {
            let mut changed = table.clone();
            change(&mut changed, at);
            assert!(chain.rebuild(&changed, &aside).is_err(), "change {number} of piece {at}");
        }
        for at in 0..aside.len() - 1 {
            let mut changed = aside.clone();
            change(&mut changed, at);
            // Lists may come in any order, but each in its own.
            let lists = number == 2 && aside[at][0] != aside[at + 1][0];
            let found = chain.rebuild(&table, &changed);
            assert_eq!(found.is_ok(), lists, "change {number} of piece {at} beside");
        }
    }
    let mut short = table.clone();
    short.pop();
    assert_eq!(chain.rebuild(&short, &aside).err(), Some(Wrong::Leaf));
}

#[test]
fn only_a_boundary_can_be_rebuilt() {
    let mut chain = Chain::new();
    let found = |chain: &Chain| {
        let (table, aside) = chain.pieces(1 << 20);
        chain.rebuild(&table, &aside).err()
    };
    assert_eq!(found(&chain), Some(Wrong::Pieces(PortableError::NoAside)));
    chain.boundary(&[Step::Put(1, 1)]);
    assert_eq!(found(&chain), None);
    chain.block(&[Step::Put(1, 2)]);
    assert_eq!(found(&chain), Some(Wrong::Pieces(PortableError::Aside("revisions"))));
}

#[test]
fn what_differs_beside_the_table_is_named() {
    let chain = Chain::full();
    let (table, aside) = chain.pieces(1 << 20);
    let names = ["begins_on", "revisions", "windows", "headers", "seen"];
    for (at, name) in names.into_iter().enumerate() {
        let mut short = aside.clone();
        short.remove(at);
        let want = Wrong::Pieces(PortableError::Aside(name));
        assert_eq!(chain.rebuild(&table, &short).err(), Some(want));
    }
}

#[test]
fn what_ran_before_is_refused_after_a_rebuild() {
    let mut chain = Chain::new();
    let early = chain.kit.signed(&acme(), put(1, 1));
    let late = chain.commands(&[Step::Pause(55_000), Step::Put(2, 2), Step::Batch(3, 9)]);
    let all = [&[early.clone()][..], &late].concat();
    chain.kit.settles = true;
    take(&mut chain.map, chain.kit.run(&all).dirty.writes());
    take(&mut chain.map, chain.kit.run(&[]).dirty.writes());
    let (table, aside) = chain.pieces(1 << 20);
    let world = chain.rebuild(&table, &aside).expect("nothing was changed");
    for command in &all {
        let decoded = read(std::slice::from_ref(command));
        let found = check_replay(&world, chain.kit.time_ms + 1, &decoded);
        assert_eq!(found, Err(CheckError::Replay(0)));
    }
    assert_eq!(world.sequence_high(&gateway().public().id()), 9);
    let mut after = world;
    after.forget_expired(10_060_001);
    let replay = |command| match &read(&[command])[0].authored {
        crate::Authored::Signed(signed) => crate::Authored::replay_key(signed),
        crate::Authored::Session(_) => Digest([0; 32]),
    };
    assert!(!after.has_seen(&replay(early)), "forgotten when its time is over");
    assert!(after.has_seen(&replay(late[0].clone())), "and not before");
}

fn entry(key: usize, value: usize) -> PortableEntry {
    PortableEntry {
        key: vec![1; key],
        create_revision: 1,
        mod_revision: 1,
        version: 1,
        height: 0,
        index: 0,
        value: vec![0; value],
    }
}

#[test]
fn limits_of_the_state_hold_at_the_edge() {
    let (key, value) = (STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX);
    let space = "s".repeat(NAME_BYTES_MAX);
    assert_eq!(StateKey::Kv { space: &space, key: &[1; KEY_BYTES_MAX] }.encode().len(), key);
    let table = |one| Rebuild::new().table(&encode(&vec![entry(0, 0), one])).err();
    assert_eq!(table(entry(key, value)), None);
    assert_eq!(table(entry(key + 1, 0)), Some(PortableError::Limit));
    assert_eq!(table(entry(1, value + 1)), Some(PortableError::Limit));
    let headers = |n: u64| {
        let piece = AsidePiece::Headers((0..n).map(|at| (at, Digest([0; 32]))).collect());
        Rebuild::new().aside(&encode(&piece))
    };
    assert_eq!(headers(READY_BLOCKS_MAX), Ok(()));
    assert_eq!(headers(READY_BLOCKS_MAX + 1), Err(PortableError::Limit));
    let revision = |bytes| {
        let piece = AsidePiece::Revisions(vec![("s".repeat(bytes), 2)]);
        Rebuild::new().aside(&encode(&piece))
    };
    assert_eq!(revision(NAME_BYTES_MAX), Ok(()));
    assert_eq!(revision(NAME_BYTES_MAX + 1), Err(PortableError::Limit));
}

#[test]
fn each_misuse_is_named() {
    let piece = |keys: &[usize]| encode(&keys.iter().map(|k| entry(*k, 1)).collect::<Vec<_>>());
    let mut rebuild = Rebuild::new();
    assert_eq!(rebuild.end_table(), Err(PortableError::Empty));
    assert_eq!(rebuild.table(&piece(&[])), Err(PortableError::Empty));
    assert_eq!(rebuild.table(&piece(&[1])), Err(PortableError::First));
    assert_eq!(rebuild.table(&[1]), Err(PortableError::Encoding));
    assert_eq!(rebuild.table(&[piece(&[0]), vec![0]].concat()), Err(PortableError::Encoding));
    assert_eq!(rebuild.table(&piece(&[0])).map(|leaves| leaves.len()), Ok(0));
    // Nothing of a refused piece is taken in, so that no entry escapes those who check the leaves.
    assert_eq!(rebuild.table(&piece(&[1, 3, 2])), Err(PortableError::Order));
    assert_eq!(rebuild.table(&piece(&[0])), Err(PortableError::Order));
    assert_eq!(rebuild.table(&piece(&[1, 2])).map(|leaves| leaves.len()), Ok(2));
    let begins_on = encode(&AsidePiece::BeginsOn(Digest([1; 32])));
    assert_eq!(rebuild.aside(&begins_on), Ok(()));
    assert_eq!(rebuild.aside(&begins_on), Err(PortableError::Order));
    for empty in [
        AsidePiece::Revisions(vec![]),
        AsidePiece::Windows(vec![]),
        AsidePiece::Headers(vec![]),
        AsidePiece::Arrivals { minute: 1, seen: vec![] },
    ] {
        assert_eq!(rebuild.aside(&encode(&empty)), Err(PortableError::Empty));
    }
    for (minute, found) in [(2, Ok(())), (2, Ok(())), (1, Err(PortableError::Order))] {
        let piece = AsidePiece::Arrivals { minute, seen: vec![(Digest([1; 32]), 7)] };
        assert_eq!(rebuild.aside(&encode(&piece)), found, "minute {minute}");
    }
    assert_eq!(rebuild.end_table().map(|leaves| leaves.len()), Ok(1));
    assert_eq!(rebuild.end_table(), Err(PortableError::Ended));
    assert_eq!(rebuild.table(&piece(&[4])), Err(PortableError::Ended));
    assert_eq!(rebuild.finish(0).err(), Some(PortableError::NoAside));
    assert_eq!(Rebuild::new().finish(0).err(), Some(PortableError::Unfinished));
}
