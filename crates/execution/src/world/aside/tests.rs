//! The record of what stands beside the table: when it is written, and that nothing beside the table escapes it.

use hanse_types::{Action, KvAction, Status};

use super::*;
use crate::testkit::{Kit, acme, genesis, header_digest};

fn put(k: u8) -> Action {
    Action::Kv(KvAction::Put { space: "acme".to_owned(), key: vec![k], value: vec![k] })
}

fn said(world: &World) -> Option<Aside> {
    world.read(&StateKey::Aside)
}

#[test]
fn boundaries_say_what_stands_beside_the_table_and_other_blocks_do_not() {
    let mut kit = Kit::new();
    assert_eq!(said(&kit.world), None, "genesis has none");
    let command = kit.signed(&acme(), put(1));
    kit.run(&[command]);
    assert_eq!(said(&kit.world), None);
    kit.settles = true;
    let command = kit.signed(&acme(), put(2));
    let boundary = kit.run(&[command]);
    assert_eq!(said(&kit.world), Some(kit.world.aside()));
    kit.settles = false;
    let command = kit.signed(&acme(), put(3));
    kit.run(&[command]);
    assert_eq!(said(&kit.world), said(&boundary.world), "as the boundary left it");
    assert_ne!(said(&kit.world), Some(kit.world.aside()));
}

#[test]
fn the_record_is_nobodys_act() {
    let mut kit = Kit::new();
    kit.settles = true;
    let boundary = kit.run(&[]);
    assert!(boundary.applied.is_empty());
    assert_eq!(boundary.receipt_root, hanse_crypto::merkle::root(&[]));
    assert_eq!(boundary.event_root, hanse_crypto::merkle::root(&[]));
    assert_eq!(boundary.world.revision(""), 1);
    let key = StateKey::Aside.encode();
    let record = boundary.world.record(&key).expect("a boundary writes it");
    assert_eq!((record.create_revision, record.mod_revision, record.version), (1, 1, 1));
    assert_eq!((record.height, record.index), (1, u32::MAX));
    let leaf = (hanse_types::Record::slot(&key), Some(record.digest()));
    assert!(boundary.dirty.writes().contains(&leaf), "the map takes it in");
    // Written again at each boundary, also where nothing but the headers changed.
    kit.run(&[]);
    assert_eq!(kit.world.record(&key).expect("still there").version, 2);
}

#[test]
fn nothing_beside_the_table_escapes_the_record() {
    let mut kit = Kit::new();
    let command = kit.signed(&acme(), put(1));
    let batch = kit.session(5, "acme", vec![put(2)]);
    assert_eq!(kit.run(&[command, batch]).applied[1].receipt.status, Status::Done);
    let world = kit.world;
    let differing = |change: fn(&mut World)| {
        let mut other = world.clone();
        change(&mut other);
        let (a, b) = (world.aside(), other.aside());
        let same = [
            a.revisions == b.revisions,
            a.seen == b.seen,
            a.windows == b.windows,
            a.headers == b.headers,
            a.begins_on == b.begins_on,
        ];
        assert_eq!(same.iter().filter(|same| !**same).count(), 1);
        same.iter().position(|same| !same)
    };
    assert_eq!(differing(|w| w.set_revision("acme", 9)), Some(0));
    assert_eq!(differing(|w| w.set_revision("other", 1)), Some(0));
    assert_eq!(differing(|w| w.see(10_000_010, Digest([1; 32]), 10_060_000)), Some(1));
    assert_eq!(differing(|w| w.see(99_000_000, Digest([1; 32]), 99_060_000)), Some(1));
    assert_eq!(differing(|w| w.see_sequence(crate::testkit::gateway().public().id(), 7)), Some(2));
    assert_eq!(differing(|w| w.see_sequence(Digest([1; 32]), 7)), Some(2));
    assert_eq!(differing(|w| w.remember_header(7, Digest([1; 32]))), Some(3));
    assert_eq!(differing(|w| w.begin_on(Digest([1; 32]))), Some(4));
}

/// The digest of `seen` also says in which order, minute and until when, for each of these decides what is forgotten.
#[test]
fn worlds_that_saw_something_else_say_so() {
    let see = |steps: &[(TimeMs, u8, TimeMs)]| {
        let mut world = World::default();
        steps.iter().for_each(|(now, r, until)| world.see(*now, Digest([*r; 32]), *until));
        world.aside().seen
    };
    let worlds = [
        see(&[]),
        see(&[(0, 1, 100)]),
        see(&[(0, 2, 100)]),
        see(&[(0, 1, 101)]),
        see(&[(60_000, 1, 100)]),
        see(&[(0, 1, 100), (0, 2, 100)]),
        see(&[(0, 2, 100), (0, 1, 100)]),
        see(&[(59_999, 1, 100), (60_000, 2, 100)]),
    ];
    let different: std::collections::BTreeSet<Digest> = worlds.into_iter().collect();
    assert_eq!(different.len(), worlds.len());
    assert_eq!(see(&[(0, 1, 100)]), see(&[(59_999, 1, 100)]), "one minute");
}

#[test]
fn a_minute_is_dropped_whole_once_its_last_command_is_over() {
    let mut world = World::default();
    world.see(1_000, Digest([1; 32]), 50_000);
    world.see(2_000, Digest([2; 32]), 70_000);
    world.see(61_000, Digest([3; 32]), 65_000);
    let minutes = |world: &World| world.arrivals.keys().copied().collect::<Vec<_>>();
    world.forget_expired(65_000);
    assert_eq!(minutes(&world), [0, 1], "what is over stays beside what is not");
    assert!(!world.has_seen(&Digest([1; 32])));
    world.forget_expired(65_001);
    assert_eq!(minutes(&world), [0]);
    world.forget_expired(70_000);
    assert!(world.has_seen(&Digest([2; 32])));
    world.forget_expired(70_001);
    assert!(world.arrivals.is_empty() && world.seen.is_empty() && world.seen_until.is_empty());
    assert_eq!(world.aside(), World::default().aside());
}

#[test]
fn an_epoch_begins_on_the_last_header_of_the_one_before() {
    let mut genesis = genesis();
    genesis.params.epoch_blocks = 4;
    let mut kit = Kit::with(genesis);
    assert_eq!(kit.world.begins_on(), Digest([0; 32]));
    for (height, last) in [(1, 0), (2, 0), (3, 0), (4, 3), (5, 3), (6, 3), (7, 3), (8, 7), (9, 7)] {
        kit.run(&[]);
        assert_eq!(kit.height, height);
        assert_eq!(kit.world.begins_on(), header_digest(last), "block {height}");
    }
}

/// Computed by another program from docs/formats/state.md.
#[test]
fn digests_are_those_of_the_description() {
    let mut world = World::default();
    world.set_revision("borealis", 2);
    world.set_revision("acme", 3);
    world.see(59_000, Digest([1; 32]), 100_000);
    world.see(59_999, Digest([2; 32]), 90_000);
    world.see(60_000, Digest([3; 32]), 120_000);
    world.see_sequence(Digest([9; 32]), 70);
    world.see_sequence(Digest([9; 32]), 5);
    world.remember_header(6, Digest([6; 32]));
    world.remember_header(7, Digest([7; 32]));
    world.begin_on(Digest([8; 32]));
    let found = world.aside();
    let golden = [
        (found.revisions, "ce48aa32ef276d2e897a18ecc6857b58d40ccbcdaac12521b4133e031fe6f2a7"),
        (found.seen, "50d37baddec23cebcfb0a41ba549f638ca0a7ab0a214e0f3143673b9e89f2d70"),
        (found.windows, "3ff0b21c0f05dbb39dfa132c17c71c7d6138313405571fbc0ac8844b688e80bc"),
        (found.headers, "9f08c88f3f31fd6dad4176ee583ba18828cbf6acf0f336517a4495a8e0e31422"),
        (found.begins_on, "0808080808080808080808080808080808080808080808080808080808080808"),
    ];
    for (digest, text) in golden {
        assert_eq!(digest.to_string(), text);
    }
}
