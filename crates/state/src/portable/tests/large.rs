//! Logs of several files, so that pruning really removes some.

use super::*;

const KEYS: u64 = 20_000;

/// Sets a third of all keys.
fn many(height: Height) -> Vec<(Digest, Option<Digest>)> {
    let numbers = (0..KEYS).filter(|n| (n + height).is_multiple_of(3));
    numbers.map(|n| (slot(n), Some(hash("test/record", &[&(n + height).to_le_bytes()])))).collect()
}

#[test]
fn a_map_whose_files_were_pruned_is_carried_and_goes_on() {
    deterministic::Runner::default().start(|context| async move {
        let (mut tree, _) = open(&context, "original").await;
        for height in 0..30 {
            tree.settle(height, many(height)).await.unwrap();
            if height % 10 == 9 {
                tree.persist().await.unwrap();
            }
        }
        let old = tree.extent().await.unwrap();
        assert!(old.start > 262_144, "{old:?}");
        let mut carried = carry(&context, &tree, "carried", PIECE_OPERATIONS_MAX).await;
        for height in 30..75 {
            let root = tree.settle(height, many(height)).await.unwrap();
            assert_eq!(carried.settle(height, many(height)).await.unwrap(), root);
            if height % 5 == 4 {
                carried.persist().await.unwrap();
            }
            if height % 15 == 14 {
                tree.persist().await.unwrap();
            }
        }
        let slots: Vec<Digest> = (0..KEYS).step_by(97).map(slot).collect();
        assert_eq!(carried.prove(&slots).await.unwrap(), tree.prove(&slots).await.unwrap());
        for tree in [&tree, &carried] {
            let gone = tree.operations(old.end, old.start, 1).await.err();
            assert!(matches!(gone, Some(ExportError::Gone(at)) if at == old.start), "{gone:?}");
        }
        let (extent, root) = (tree.extent().await.unwrap(), tree.root());
        assert_eq!(carried.extent().await.unwrap(), extent);
        drop((tree, carried));
        for name in ["original", "carried"] {
            let (tree, settled) = open(&context, name).await;
            assert_eq!((tree.root(), settled), (root, Some(74)));
            let again = carry(&context, &tree, "again", PIECE_OPERATIONS_MAX).await;
            assert_eq!(again.prove(&slots).await.unwrap(), tree.prove(&slots).await.unwrap());
        }
    });
}
