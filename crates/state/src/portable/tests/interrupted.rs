//! An import that stops anywhere leaves nothing, or everything.

use commonware_runtime::Storage as _;
use commonware_runtime::deterministic::{FaultConfig, PartialWriteMode, WriteConfig};
use commonware_utils::Probability;

use super::*;

const HEIGHTS: u64 = 5;

/// New keys at every height, enough to fill pages.
fn fresh(height: Height) -> Vec<(Digest, Option<Digest>)> {
    (0..1_500).map(|n| (slot(height * 1_500 + n), Some(slot(n)))).collect()
}

/// A map from its first operation on, whose pieces end at commits: the prefix that each leaves
/// behind would be a whole, older map.
async fn tempting(context: &Context) -> (Tree, Extent, Vec<Vec<u8>>) {
    let (mut tree, _) = open(context, "original").await;
    let mut ends = vec![0];
    for height in 0..HEIGHTS {
        tree.settle(height, fresh(height)).await.unwrap();
        ends.push(tree.extent().await.unwrap().end);
    }
    let extent = tree.extent().await.unwrap();
    assert_eq!(extent.start, 0);
    let mut pieces = Vec::new();
    for pair in ends.windows(2) {
        let count = pair[1] - pair[0];
        pieces.push(tree.operations(extent.end, pair[0], count).await.unwrap());
    }
    (tree, extent, pieces)
}

/// The partition holds nothing, and can be used from genesis on.
async fn is_empty(context: &Context, root: Digest) {
    let (mut tree, settled) = open(context, "carried").await;
    assert_eq!(settled, None);
    assert!(matches!(tree.extent().await, Err(ExportError::Empty)));
    for height in 0..HEIGHTS {
        tree.settle(height, fresh(height)).await.unwrap();
    }
    assert_eq!(tree.root(), root);
}

#[test]
fn the_mark_is_there_from_the_first_change_to_the_last() {
    deterministic::Runner::default().start(|context| async move {
        let (tree, extent, pieces) = tempting(&context).await;
        let carried = import(&context, "carried", &extent, &pieces).await.unwrap();
        drop(carried);
        let (carried, settled) = open(&context, "carried").await;
        assert_eq!((carried.root(), settled), (tree.root(), Some(HEIGHTS - 1)));
        drop(carried);
        // A crash after the mark and before anything was removed: a whole map, not to be believed.
        drop(context.open("carried-import", b"unfinished").await.unwrap());
        is_empty(&context, tree.root()).await;
        let missing = context.scan("carried-import").await;
        assert!(matches!(missing, Err(commonware_runtime::Error::PartitionMissing(_))));
        let (child, settings) = (context.child("import"), Settings::default());
        let import = Import::begin(child, "carried", &settings, extent.clone()).await.unwrap();
        assert_eq!(context.scan("carried-import").await.unwrap().len(), 1);
        drop(import);
    });
}

#[test]
fn an_import_that_was_dropped_leaves_nothing() {
    deterministic::Runner::default().start(|context| async move {
        let (original, extent, pieces) = tempting(&context).await;
        for count in 0..=pieces.len() {
            // Something else was there before, and is no more.
            let (mut tree, _) = open(&context, "carried").await;
            tree.settle(1_000, writes(99, 1, 50)).await.unwrap();
            tree.persist().await.unwrap();
            drop(tree);
            let (child, settings) = (context.child("import"), Settings::default());
            let begun = Import::begin(child, "carried", &settings, extent.clone()).await;
            let mut import = begun.unwrap();
            for piece in &pieces[..count] {
                import.push(piece).await.unwrap();
            }
            drop(import);
            is_empty(&context, original.root()).await;
        }
    });
}

#[test]
fn an_import_that_a_crash_ended_leaves_nothing() {
    for count in 0..=5 {
        let (_, checkpoint) =
            deterministic::Runner::default().start_and_recover(|context| async move {
                let (_, extent, pieces) = tempting(&context).await;
                // Everything that was written reaches the disk although nobody synced it.
                let (none, all) =
                    (Probability::new(0, 1).unwrap(), Probability::new(1, 1).unwrap());
                let kept = WriteConfig {
                    failure_rate: none,
                    retention_rate: all,
                    mode: PartialWriteMode::Prefix,
                };
                *context.storage_fault_config().write() = FaultConfig::default().write(kept);
                // Pages and buffers of one byte: what is written goes to the files at once.
                let settings =
                    Settings { cache_bytes: 1, write_buffer_bytes: 1, ..Settings::default() };
                let child = context.child("import");
                let begun = Import::begin(child, "carried", &settings, extent.clone()).await;
                let mut import = begun.unwrap();
                for piece in pieces.iter().take(count) {
                    import.push(piece).await.unwrap();
                }
            });
        deterministic::Runner::from(checkpoint).start(|context| async move {
            let (_, settled) = open(&context, "carried").await;
            assert_eq!(settled, None);
        });
    }
}

#[test]
fn a_finished_import_survives_a_crash() {
    let (root, checkpoint) =
        deterministic::Runner::default().start_and_recover(|context| async move {
            let mut original = Original::new(&context, 11, 200).await;
            original.run(70).await;
            carry(&context, &original.tree, "carried", 400).await.root()
        });
    deterministic::Runner::from(checkpoint).start(|context| async move {
        let (tree, settled) = open(&context, "carried").await;
        assert_eq!(tree.root(), root);
        assert!(settled.is_some());
    });
}

#[test]
fn failures_of_the_storage_leave_nothing_or_everything() {
    let (mut nothing, mut everything) = (0, 0);
    for seed in 0..120 {
        let runner = deterministic::Runner::new(deterministic::Config::default().with_seed(seed));
        let (expected, checkpoint) = runner.start_and_recover(|context| async move {
            let mut original = Original::new(&context, 11, 200).await;
            original.run(70).await;
            let extent = original.tree.extent().await.unwrap();
            let pieces = pieces(&original.tree, &extent, 100).await;
            let rate = Probability::new(1 + seed % 8, 200).unwrap();
            *context.storage_fault_config().write() =
                FaultConfig::default().open(rate).sync(rate).remove(rate);
            let done = import(&context, "carried", &extent, &pieces).await.is_ok();
            *context.storage_fault_config().write() = FaultConfig::default();
            (extent.root, done)
        });
        let (root, done) = expected;
        let found = deterministic::Runner::from(checkpoint).start(|context| async move {
            let (tree, settled) = open(&context, "carried").await;
            settled.map(|_| tree.root())
        });
        match found {
            Some(found) => assert_eq!(found, root, "seed {seed}"),
            None => assert!(!done, "seed {seed}"),
        }
        *(if found.is_some() { &mut everything } else { &mut nothing }) += 1;
    }
    assert!(nothing > 10 && everything > 10, "{nothing} {everything}");
}
