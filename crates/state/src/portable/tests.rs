//! A map that was carried over is the map it was taken from, and nothing else can be carried over.

use std::collections::BTreeMap;

use commonware_runtime::{Runner as _, Supervisor as _, deterministic};
use hanse_crypto::hash;

use super::*;
use crate::tree::Settings;

mod hostile;
mod interrupted;
mod large;

type Context = deterministic::Context;
type Tree = StateTree<Context>;
type Model = BTreeMap<Digest, Digest>;

/// A cheap generator, the same on every run.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn slot(n: u64) -> Digest {
    hash("test/slot", &[&n.to_le_bytes()])
}

/// Writes of one height: sets, overwrites and deletions over `keys` keys, the same on every call;
/// now and then none at all.
fn writes(seed: u64, height: Height, keys: u64) -> Vec<(Digest, Option<Digest>)> {
    let mut random = Random::new(seed ^ height.wrapping_mul(0x0123_4567));
    let count = if random.below(8) == 0 { 0 } else { 1 + random.below(60) };
    (0..count)
        .map(|_| {
            let record = hash("test/record", &[&random.below(u64::MAX).to_le_bytes()]);
            (slot(random.below(keys)), (random.below(4) != 0).then_some(record))
        })
        .collect()
}

async fn open(context: &Context, partition: &str) -> (Tree, Option<Height>) {
    StateTree::open(context.child("open"), partition, &Settings::default()).await.unwrap()
}

/// All pieces of `extent`, each of at most `count` operations.
async fn pieces(tree: &Tree, extent: &Extent, count: u64) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for start in (extent.start..extent.end).step_by(usize::try_from(count).unwrap()) {
        pieces.push(tree.operations(extent.end, start, count).await.unwrap());
    }
    pieces
}

async fn import(
    context: &Context,
    partition: &str,
    extent: &Extent,
    pieces: &[Vec<u8>],
) -> Result<Tree, ImportError> {
    let (context, settings) = (context.child("import"), Settings::default());
    let mut import = Import::begin(context, partition, &settings, extent.clone()).await?;
    for piece in pieces {
        import.push(piece).await?;
    }
    import.finish().await
}

/// Carries `tree` over into `partition`.
async fn carry(context: &Context, tree: &Tree, partition: &str, count: u64) -> Tree {
    let extent = tree.extent().await.unwrap();
    let wire = hanse_types::encode(&extent);
    assert_eq!(hanse_types::decode::<Extent>(&wire).unwrap(), extent);
    let carried = import(context, partition, &extent, &pieces(tree, &extent, count).await).await;
    let carried = carried.unwrap();
    assert_eq!(carried.root(), tree.root());
    assert_eq!(carried.settled(), Some(extent.height));
    assert_eq!(carried.extent().await.unwrap(), extent);
    carried
}

/// A map with a history of its own, and what it holds.
struct Original {
    seed: u64,
    keys: u64,
    height: Height,
    tree: Tree,
    model: Model,
}

impl Original {
    async fn new(context: &Context, seed: u64, keys: u64) -> Self {
        let (tree, _) = open(context, "original").await;
        Self { seed, keys, height: 0, tree, model: Model::new() }
    }

    async fn settle(&mut self) -> Digest {
        let batch = writes(self.seed, self.height, self.keys);
        for (slot, record) in &batch {
            match record {
                Some(record) => self.model.insert(*slot, *record),
                None => self.model.remove(slot),
            };
        }
        self.height += 1;
        self.tree.settle(self.height - 1, batch).await.unwrap()
    }

    /// Settles `heights` heights and persists after some of them.
    async fn run(&mut self, heights: u64) {
        let mut random = Random::new(self.seed ^ self.height);
        for _ in 0..heights {
            self.settle().await;
            if random.below(10) == 0 {
                self.tree.persist().await.unwrap();
            }
        }
    }

    /// Every slot gives the same answer and the same branch in `other`.
    async fn check(&self, other: &Tree) {
        for n in 0..self.keys {
            let held = other.get(&slot(n)).await.unwrap();
            assert_eq!(held, self.model.get(&slot(n)).copied());
        }
        let slots: Vec<Digest> = self.model.keys().copied().collect();
        assert_eq!(other.prove(&slots).await.unwrap(), self.tree.prove(&slots).await.unwrap());
    }
}

#[test]
fn a_carried_map_goes_on_like_the_original() {
    let mut starts = Vec::new();
    for seed in 0..6 {
        let found = deterministic::Runner::default().start(|context| async move {
            let mut random = Random::new(seed + 1_000);
            let mut original =
                Original::new(&context, seed, [20, 300, 2_000][seed as usize % 3]).await;
            let mut starts = Vec::new();
            for round in 0..4 {
                let heights = [2, 20, 1, 60][round] + random.below(10);
                original.run(heights).await;
                starts.push(original.tree.extent().await.unwrap().start);
                let name = format!("carried-{round}");
                let count = [1, 7, 256, PIECE_OPERATIONS_MAX][random.below(4) as usize];
                let mut carried = carry(&context, &original.tree, &name, count).await;
                original.check(&carried).await;
                for _ in 0..50 {
                    let root = original.settle().await;
                    let height = original.height - 1;
                    let batch = writes(seed, height, original.keys);
                    assert_eq!(carried.settle(height, batch).await.unwrap(), root);
                    if random.below(12) == 0 {
                        carried.persist().await.unwrap();
                    }
                }
                original.check(&carried).await;
                Box::pin(reopened(&context, &mut original, carried, &name)).await;
            }
            starts
        });
        starts.extend(found);
    }
    // Both kinds occurred: a log from its first operation on, and one that lost its beginning.
    assert!(starts.contains(&0) && starts.iter().any(|start| *start > 0), "{starts:?}");
}

/// Both are as before after they were closed, and what was carried can be carried on.
async fn reopened(context: &Context, original: &mut Original, mut carried: Tree, name: &str) {
    let expected = original.tree.root();
    carried.persist().await.unwrap();
    original.tree.persist().await.unwrap();
    drop(carried);
    let (mut carried, settled) = open(context, name).await;
    assert_eq!(carried.root(), expected);
    assert!(settled <= original.tree.settled());
    original.check(&carried).await;
    let mut again = carry(context, &carried, &format!("{name}-again"), 1_000).await;
    for _ in 0..10 {
        let root = original.settle().await;
        let batch = writes(original.seed, original.height - 1, original.keys);
        assert_eq!(carried.settle(original.height - 1, batch.clone()).await.unwrap(), root);
        assert_eq!(again.settle(original.height - 1, batch).await.unwrap(), root);
    }
    original.check(&again).await;
    for _ in 0..3 {
        again.persist().await.unwrap();
        original.tree.persist().await.unwrap();
        let root = original.settle().await;
        let batch = writes(original.seed, original.height - 1, original.keys);
        assert_eq!(again.settle(original.height - 1, batch).await.unwrap(), root);
    }
}

#[test]
fn pieces_of_any_size_give_the_same_map() {
    deterministic::Runner::default().start(|context| async move {
        let mut original = Original::new(&context, 9, 300).await;
        original.run(80).await;
        for count in [1, 2, 255, 256, 257, PIECE_OPERATIONS_MAX, u64::MAX] {
            let extent = original.tree.extent().await.unwrap();
            let mut import = Import::begin(
                context.child("import").with_attribute("count", count),
                "carried",
                &Settings::default(),
                extent.clone(),
            )
            .await
            .unwrap();
            while let Some(start) = import.next() {
                let piece = original.tree.operations(extent.end, start, count).await.unwrap();
                assert!(piece.len() <= PIECE_BYTES_MAX);
                import.push(&piece).await.unwrap();
            }
            original.check(&import.finish().await.unwrap()).await;
        }
    });
}

#[test]
fn an_extent_stays_good_while_the_map_goes_on() {
    deterministic::Runner::default().start(|context| async move {
        let mut original = Original::new(&context, 3, 300).await;
        original.run(60).await;
        let extent = original.tree.extent().await.unwrap();
        let expected = pieces(&original.tree, &extent, 100).await;
        for _ in 0..40 {
            original.settle().await;
        }
        assert_eq!(pieces(&original.tree, &extent, 100).await, expected);
        original.tree.persist().await.unwrap();
        for _ in 0..40 {
            original.settle().await;
        }
        assert_eq!(pieces(&original.tree, &extent, 100).await, expected);
        let carried = import(&context, "carried", &extent, &expected).await.unwrap();
        let before = carried.operations(extent.end, extent.start - 1, 100).await.err();
        assert!(matches!(before, Some(ExportError::Gone(at)) if at == extent.start - 1));
        assert_eq!(pieces(&carried, &extent, 100).await, expected);
    });
}

#[test]
fn what_the_log_does_not_have_is_not_handed_out() {
    deterministic::Runner::default().start(|context| async move {
        let (tree, _) = open(&context, "empty").await;
        assert!(matches!(tree.extent().await, Err(ExportError::Empty)));
        let mut original = Original::new(&context, 5, 300).await;
        original.run(30).await;
        let Extent { end, .. } = original.tree.extent().await.unwrap();
        let wrong = [
            (end, end, 1),
            (end, end + 1, 1),
            (end, u64::MAX, u64::MAX),
            (end, end - 1, 0),
            (end + 1, end - 1, 1),
            (u64::MAX, end - 1, 1),
            (u64::MAX, u64::MAX - 1, u64::MAX),
            // A batch ends with its commit, so the size before the last operation was never a state.
            (end - 1, end - 2, 1),
            (0, 0, 1),
        ];
        for (end, start, count) in wrong {
            let refused = original.tree.operations(end, start, count).await;
            assert!(matches!(refused, Err(ExportError::Range { .. })), "{start} of {end}");
        }
    });
}

#[test]
fn an_older_height_of_a_carried_map_is_opened_or_nothing_is() {
    for at_most in [0, 40, 79, 80, 84, 95, 99, Height::MAX] {
        deterministic::Runner::default().start(|context| async move {
            let mut original = Original::new(&context, 7, 300).await;
            let mut roots = Vec::new();
            for _ in 0..80 {
                roots.push(original.settle().await);
            }
            let mut carried = carry(&context, &original.tree, "carried", 500).await;
            for height in 80..100 {
                roots.push(original.settle().await);
                carried.settle(height, writes(7, height, 300)).await.unwrap();
            }
            carried.persist().await.unwrap();
            drop(carried);
            let settings = Settings { at_most, ..Settings::default() };
            let opened = StateTree::open(context.child("old"), "carried", &settings).await;
            let (mut tree, settled) = opened.unwrap();
            assert!(settled <= Some(at_most));
            assert!(settled.is_some() || at_most < 79, "{at_most} is not found");
            if let Some(settled) = settled {
                assert_eq!(tree.root(), roots[settled as usize]);
            }
            for height in settled.map_or(0, |settled| settled + 1)..100 {
                let root = tree.settle(height, writes(7, height, 300)).await.unwrap();
                assert_eq!(root, roots[height as usize]);
            }
        });
    }
}

#[test]
fn the_encodings_of_a_known_map_are_pinned() {
    // A change here is a change of what members say to each other.
    deterministic::Runner::default().start(|context| async move {
        let mut original = Original::new(&context, 1, 300).await;
        original.run(60).await;
        let extent = original.tree.extent().await.unwrap();
        let mut bytes = vec![hanse_types::encode(&extent)];
        bytes.extend(pieces(&original.tree, &extent, 500).await);
        let parts: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        assert_eq!((extent.start, extent.end, parts.len()), (2_048, 2_461, 2));
        let expected = "d58107df23c335ac01d7e9309aebc86cfeada82f3c4e5ec98882d83498fd4a3d";
        assert_eq!(hash("test/pieces", &parts).to_string(), expected);
    });
}
