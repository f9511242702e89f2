//! Roots agree, branches verify, and a restart finds an earlier height.

use commonware_runtime::{Runner as _, Storage as _, Supervisor as _, deterministic};
use hanse_crypto::hash;
use hanse_proof::StateBranch;

use super::*;
use crate::files::partitions;

type Context = deterministic::Context;
type Writes = Vec<(Digest, Option<Digest>)>;

fn slot(n: u64) -> Digest {
    hash("test/slot", &[&n.to_le_bytes()])
}

fn record(n: u64, height: Height) -> Digest {
    hash("test/record", &[&n.to_le_bytes(), &height.to_le_bytes()])
}

/// Writes of one height over `keys` keys: sets, overwrites and deletions, the same on every call.
fn writes(height: Height, count: u64, keys: u64) -> Writes {
    (0..count)
        .map(|i| {
            let n = (height * 7_919 + i * 104_729) % keys;
            let gone = (height + i).is_multiple_of(5) && height > 1;
            (slot(n), (!gone).then(|| record(n, height)))
        })
        .collect()
}

async fn open(context: &Context, settings: &Settings) -> (StateTree<Context>, Option<Height>) {
    StateTree::open(context.child("state"), "state", settings).await.unwrap()
}

async fn roots(tree: &mut StateTree<Context>, heights: std::ops::Range<Height>) -> Vec<Digest> {
    let mut roots = Vec::new();
    for height in heights {
        roots.push(tree.settle(height, writes(height, 40, 500)).await.unwrap());
    }
    roots
}

/// Runs the whole history once, without interruption.
fn reference(end: Height) -> Vec<Digest> {
    deterministic::Runner::default().start(|context| async move {
        let (mut tree, settled) = open(&context, &Settings::default()).await;
        assert_eq!(settled, None);
        roots(&mut tree, 0..end).await
    })
}

/// Every slot of the model is proved by our branch and by the storage's own, under the same root.
async fn check(tree: &StateTree<Context>, model: &BTreeMap<Digest, Digest>) {
    let map = tree.map.as_ref().unwrap();
    for (slot, expected) in model {
        let bytes = tree.prove(std::slice::from_ref(slot)).await.unwrap().remove(0);
        let branch = StateBranch::decode(&bytes).unwrap();
        assert_eq!(branch.root(slot, expected), Some(tree.root()));
        assert_ne!(branch.root(slot, &Digest([9; 32])), Some(tree.root()));
        assert_ne!(branch.root(&Digest([9; 32]), expected), Some(tree.root()));
        let theirs = map.key_value_proof(sha256::Digest(slot.0)).await.unwrap();
        let (key, value) = (sha256::Digest(slot.0), sha256::Digest(expected.0));
        assert!(Map::<Context>::verify_key_value_proof(key, value, &theirs, &map.root()));
    }
}

#[test]
fn branches_prove_what_the_storage_proves_at_every_size() {
    deterministic::Runner::default().start(|context| async move {
        let (mut tree, _) = open(&context, &Settings::default()).await;
        let mut model = BTreeMap::new();
        for height in 0..120 {
            // Small batches first, so that every shape of a short log occurs, then larger ones.
            let batch = writes(height, 1 + height / 4, 60 + height * 4);
            for (slot, record) in &batch {
                match record {
                    Some(record) => model.insert(*slot, *record),
                    None => model.remove(slot),
                };
            }
            tree.settle(height, batch).await.unwrap();
            check(&tree, &model).await;
        }
        let gone = slot(10_000_000);
        assert!(matches!(tree.prove(&[gone]).await, Err(ProveError::Absent(s)) if s == gone));
    });
}

#[test]
fn every_flipped_bit_of_a_branch_changes_the_root() {
    deterministic::Runner::default().start(|context| async move {
        let (mut tree, _) = open(&context, &Settings::default()).await;
        roots(&mut tree, 0..30).await;
        let known = (0..500).map(slot);
        let mut checked = 0;
        for slot in known {
            let Some(held) = tree.get(&slot).await.unwrap() else {
                continue;
            };
            if checked == 3 {
                break;
            }
            checked += 1;
            let bytes = tree.prove(&[slot]).await.unwrap().remove(0);
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let root = StateBranch::decode(&changed).ok().and_then(|b| b.root(&slot, &held));
                assert_ne!(root, Some(tree.root()), "bit {bit}");
            }
        }
        assert_eq!(checked, 3);
    });
}

#[test]
fn an_overwritten_record_is_no_longer_provable() {
    deterministic::Runner::default().start(|context| async move {
        let (mut tree, _) = open(&context, &Settings::default()).await;
        tree.settle(0, vec![(slot(1), Some(record(1, 0))), (slot(2), Some(record(2, 0)))])
            .await
            .unwrap();
        let old = StateBranch::decode(&tree.prove(&[slot(1)]).await.unwrap()[0]).unwrap();
        tree.settle(1, vec![(slot(1), Some(record(1, 1)))]).await.unwrap();
        assert_ne!(old.root(&slot(1), &record(1, 0)), Some(tree.root()));
        let new = StateBranch::decode(&tree.prove(&[slot(1)]).await.unwrap()[0]).unwrap();
        assert_eq!(new.root(&slot(1), &record(1, 1)), Some(tree.root()));
        assert_ne!(new.root(&slot(1), &record(1, 0)), Some(tree.root()));
    });
}

#[test]
fn roots_do_not_depend_on_settings_order_or_persisting() {
    let expected = reference(60);
    let actual = deterministic::Runner::default().start(|context| async move {
        let small = Settings { cache_bytes: 1, write_buffer_bytes: 1, ..Settings::default() };
        let (mut tree, _) = open(&context, &small).await;
        let mut roots = Vec::new();
        for height in 0..60 {
            // Of two writes to one slot the later counts, so only the order between slots may change.
            let last: BTreeMap<_, _> = writes(height, 40, 500).into_iter().collect();
            let backwards = last.into_iter().rev().collect();
            roots.push(tree.settle(height, backwards).await.unwrap());
            if height % 7 == 0 {
                tree.persist().await.unwrap();
            }
        }
        roots
    });
    assert_eq!(actual, expected);
}

#[test]
fn settling_nothing_keeps_the_root() {
    deterministic::Runner::default().start(|context| async move {
        let (mut tree, _) = open(&context, &Settings::default()).await;
        let root = roots(&mut tree, 0..3).await[2];
        assert_eq!(tree.settle(9, Vec::new()).await.unwrap(), root);
        assert_eq!(tree.settled(), Some(9));
        let refused = tree.settle(9, writes(9, 3, 10)).await;
        assert!(matches!(refused, Err(SettleError::Order { height: 9, settled: 9 })));
        assert_eq!(tree.root(), root);
    });
}

#[test]
fn after_a_crash_replay_from_the_reported_height_gives_the_same_roots() {
    let expected = reference(80);
    for (persist, crash) in [(0, 1), (0, 5), (19, 20), (20, 41), (33, 79)] {
        let (_, checkpoint) =
            deterministic::Runner::default().start_and_recover(|context| async move {
                let (mut tree, _) = open(&context, &Settings::default()).await;
                for height in 0..crash {
                    tree.settle(height, writes(height, 40, 500)).await.unwrap();
                    if height == persist {
                        tree.persist().await.unwrap();
                    }
                }
            });
        let expected = expected.clone();
        deterministic::Runner::from(checkpoint).start(|context| async move {
            let (mut tree, settled) = open(&context, &Settings::default()).await;
            let settled = settled.unwrap();
            assert!(settled >= persist && settled < crash, "{settled} after {persist}");
            assert_eq!(tree.root(), expected[settled as usize]);
            let again = roots(&mut tree, settled + 1..80).await;
            assert_eq!(again, expected[settled as usize + 1..]);
        });
    }
}

#[test]
fn what_was_settled_above_the_certified_height_is_taken_back() {
    let expected = reference(60);
    for at_most in [0, 17, 48, 49, 1_000] {
        let (_, checkpoint) =
            deterministic::Runner::default().start_and_recover(|context| async move {
                let (mut tree, _) = open(&context, &Settings::default()).await;
                roots(&mut tree, 0..50).await;
                tree.persist().await.unwrap();
            });
        let expected = expected.clone();
        deterministic::Runner::from(checkpoint).start(|context| async move {
            let settings = Settings { at_most, ..Settings::default() };
            let (mut tree, settled) = open(&context, &settings).await;
            let settled = settled.unwrap();
            assert_eq!(settled, at_most.min(49));
            assert_eq!(tree.root(), expected[settled as usize]);
            let again = roots(&mut tree, settled + 1..60).await;
            assert_eq!(again, expected[settled as usize + 1..]);
        });
    }
}

#[test]
fn unreadable_files_are_removed_and_the_map_starts_empty() {
    let expected = reference(30);
    deterministic::Runner::default().start(|context| async move {
        let (mut tree, _) = open(&context, &Settings::default()).await;
        roots(&mut tree, 0..30).await;
        tree.persist().await.unwrap();
        drop(tree);
        // Metadata that does not belong to the log: the bitmap claims chunks the log never had.
        for part in partitions("state") {
            for suffix in ["", "-blobs", "-metadata"] {
                let partition = format!("{part}{suffix}");
                for name in context.scan(&partition).await.unwrap_or_default() {
                    let (blob, size) = context.open(&partition, &name).await.unwrap();
                    let noise = vec![0xa5; size as usize];
                    commonware_runtime::Blob::write_at(
                        &blob,
                        0,
                        noise,
                        commonware_runtime::WriteOptions::SYNC,
                    )
                    .await
                    .unwrap();
                }
            }
        }
        let (mut tree, settled) = open(&context, &Settings::default()).await;
        assert_eq!(settled, None);
        assert_eq!(roots(&mut tree, 0..30).await, expected);
    });
}

#[test]
fn the_root_of_a_known_history_is_pinned() {
    // A change here is a change of the state layout: docs/adr/0004-state-layout.md.
    let root = *reference(60).last().unwrap();
    assert_eq!(
        root.to_string(),
        "51daa5a74d96fd810dcbe3e8cadd1e52dc3fc76a25fa87a7393d3fe71b6259aa"
    );
}
