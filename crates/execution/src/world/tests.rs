//! The table against a plain ordered map, and the replay window against a set.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn at(revision: u64) -> At {
    At { revision, height: 1, index: 0 }
}

proptest! {
    #[test]
    fn next_links_follow_the_model(ops in proptest::collection::vec((any::<bool>(), 0u8..40), 1..200)) {
        let mut world = World::default();
        let mut model: BTreeMap<Vec<u8>, ()> = BTreeMap::new();
        let mut leaves: BTreeMap<Digest, Option<Digest>> = BTreeMap::new();
        let mut dirty = Dirty::default();
        for (i, (insert, k)) in ops.iter().enumerate() {
            let key: Key = vec![*k].into();
            if *insert {
                world.put(&key, Arc::from(&b"v"[..]), at(i as u64), &mut dirty);
                model.insert(vec![*k], ());
            } else {
                world.remove(&key, &mut dirty);
                model.remove(&vec![*k]);
            }
            // The leaves a settlement would write are enough to keep every leaf right.
            for (slot, leaf) in std::mem::take(&mut dirty).writes() {
                leaves.insert(slot, leaf);
            }
        }
        let keys: Vec<_> = model.keys().cloned().collect();
        for (i, key) in keys.iter().enumerate() {
            let record = world.record(key).expect("model key is present");
            prop_assert_eq!(&record.next, &keys.get(i + 1).cloned().unwrap_or_default());
            prop_assert_eq!(leaves[&Record::slot(key)], Some(record.digest()));
        }
        prop_assert_eq!(leaves.values().flatten().count(), keys.len());
    }

    #[test]
    fn window_is_a_set_with_a_horizon(sequences in proptest::collection::vec(1u64..4_000, 1..300)) {
        let mut world = World::default();
        let gateway = Digest([1; 32]);
        let mut model = BTreeSet::new();
        for s in sequences {
            let high = world.sequence_high(&gateway);
            let old = high >= s && high - s >= hanse_types::limits::SESSION_WINDOW;
            prop_assert_eq!(world.has_sequence(&gateway, s), old || model.contains(&s));
            if !old {
                world.see_sequence(gateway, s);
                model.insert(s);
            }
        }
    }
}

#[test]
fn reversed_range_is_empty() {
    let mut world = World::default();
    let mut dirty = Dirty::default();
    world.put(&vec![5].into(), Arc::from(&b"v"[..]), at(2), &mut dirty);
    assert_eq!(world.range(&[5], &[4]).count(), 0);
    assert_eq!(world.range(&[5], &[5]).count(), 0);
    assert_eq!(world.range(&[5], &[]).count(), 1);
}

#[test]
fn replay_keys_are_forgotten_only_after_their_time() {
    let mut world = World::default();
    world.see(50, Digest([1; 32]), 100);
    world.forget_expired(100);
    assert!(world.has_seen(&Digest([1; 32])));
    world.forget_expired(101);
    assert!(!world.has_seen(&Digest([1; 32])));
}
