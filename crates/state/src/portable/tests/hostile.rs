//! Extents and pieces that are not what a map gave: each an error, none a panic, none a wrong map.

use commonware_cryptography::Sha256;
use commonware_storage::mmr::mem::Mmr;

use super::*;
use crate::portable::import::ends;

/// A map whose log lost its beginning, what it gives away, and how that is cut.
async fn victim(context: &Context) -> (Original, Extent, Vec<Vec<u8>>) {
    let mut original = Original::new(context, 11, 200).await;
    original.run(70).await;
    let extent = original.tree.extent().await.unwrap();
    assert!(extent.start.count_ones() >= 2 && !extent.end.is_multiple_of(CHUNK_OPERATIONS));
    let pieces = pieces(&original.tree, &extent, 150).await;
    (original, extent, pieces)
}

async fn refused(context: &Context, extent: &Extent, pieces: &[Vec<u8>]) -> ImportError {
    import(context, "victim", extent, pieces).await.err().expect("is refused")
}

#[test]
fn every_altered_byte_of_an_extent_is_an_error() {
    deterministic::Runner::default().start(|context| async move {
        let (_, extent, pieces) = victim(&context).await;
        let bytes = hanse_types::encode(&extent);
        let mut random = Random::new(1);
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 1 << random.below(8);
            if let Ok(altered) = hanse_types::decode::<Extent>(&altered) {
                refused(&context, &altered, &pieces).await;
            }
            assert!(hanse_types::decode::<Extent>(&bytes[..position]).is_err());
        }
        let (_, settled) = open(&context, "victim").await;
        assert_eq!(settled, None);
        import(&context, "victim", &extent, &pieces).await.unwrap();
    });
}

#[test]
fn every_altered_byte_of_a_piece_is_an_error_and_the_right_one_is_still_taken() {
    deterministic::Runner::default().start(|context| async move {
        let (original, extent, pieces) = victim(&context).await;
        let (child, settings) = (context.child("import"), Settings::default());
        let mut import = Import::begin(child, "victim", &settings, extent).await.unwrap();
        let mut random = Random::new(2);
        for piece in &pieces {
            let sampled = (0..600).map(|_| random.below(piece.len() as u64) as usize);
            // The lengths and the proof between them, completely.
            let whole = (0..40).chain(piece.len() - 8..piece.len());
            for position in whole.chain(sampled.collect::<Vec<_>>()) {
                let mut altered = piece.clone();
                altered[position] ^= 1 << random.below(8);
                assert!(import.push(&altered).await.is_err(), "byte {position}");
            }
            for end in [0, 1, 4, 40, piece.len() - 1, piece.len() - Op::SIZE] {
                assert!(import.push(&piece[..end]).await.is_err(), "{end} bytes");
            }
            let next = import.next().unwrap();
            import.push(piece).await.unwrap();
            assert_ne!(import.next(), Some(next));
        }
        original.check(&import.finish().await.unwrap()).await;
    });
}

#[test]
fn pieces_that_are_missing_doubled_or_out_of_order_are_errors() {
    deterministic::Runner::default().start(|context| async move {
        let (_, extent, pieces) = victim(&context).await;
        let last = pieces.len() - 1;
        for at in 0..pieces.len() {
            let mut dropped = pieces.clone();
            dropped.remove(at);
            match refused(&context, &extent, &dropped).await {
                ImportError::Unproved(_) if at < last => {}
                ImportError::Incomplete { .. } if at == last => {}
                error => panic!("piece {at} is missing: {error}"),
            }
            let mut doubled = pieces.clone();
            doubled.insert(at, pieces[at].clone());
            match refused(&context, &extent, &doubled).await {
                ImportError::Unproved(_) if at < last => {}
                ImportError::Surplus { .. } => {}
                error => panic!("piece {at} is doubled: {error}"),
            }
            if at < last {
                let mut swapped = pieces.clone();
                swapped.swap(at, at + 1);
                let error = refused(&context, &extent, &swapped).await;
                assert!(matches!(error, ImportError::Unproved(_)), "{error}");
            }
        }
        let (_, settled) = open(&context, "victim").await;
        assert_eq!(settled, None);
    });
}

#[test]
fn extents_that_no_map_has_are_refused_before_anything_is_removed() {
    deterministic::Runner::default().start(|context| async move {
        let (original, extent, pieces) = victim(&context).await;
        import(&context, "victim", &extent, &pieces).await.unwrap();
        let with = |start, end| Extent { start, end, ..extent.clone() };
        let ranges = [
            (extent.end, extent.start),
            (extent.end, extent.end),
            (extent.start + 1, extent.end),
            (extent.start, u64::MAX),
            (extent.start, (1 << 62) + 1),
            (extent.start, extent.start + LOG_OPERATIONS_MAX + 1),
            (u64::MAX, u64::MAX),
            (1 << 62, (1 << 62) + 1),
            (0, u64::MAX),
        ];
        for (start, end) in ranges {
            let error = refused(&context, &with(start, end), &pieces).await;
            assert!(matches!(error, ImportError::Range { .. }), "{start} to {end}: {error}");
        }
        // At the edge of what is allowed the digests decide.
        for (start, end) in
            [(extent.start, extent.start + LOG_OPERATIONS_MAX), (extent.start, extent.end + 1)]
        {
            let error = refused(&context, &with(start, end), &pieces).await;
            assert!(matches!(error, ImportError::Digests(_)), "{start} to {end}: {error}");
        }
        for count in [0, extent.pinned.len() - 1, extent.pinned.len() + 1, 100_000] {
            let pinned = vec![Digest([1; 32]); count];
            let many = Extent { pinned, ..extent.clone() };
            let error = refused(&context, &many, &pieces).await;
            assert!(matches!(error, ImportError::Pinned { .. }), "{count}: {error}");
            let bytes = hanse_types::encode(&many);
            assert_eq!(hanse_types::decode::<Extent>(&bytes).is_ok(), count <= MAX_PINNED_NODES);
        }
        let (tree, _) = open(&context, "victim").await;
        original.check(&tree).await;
    });
}

#[test]
fn an_extent_of_the_right_root_but_another_start_is_refused() {
    deterministic::Runner::default().start(|context| async move {
        // Nothing was persisted, so the whole log is there and every start can be proved.
        let mut original = Original::new(&context, 11, 200).await;
        for _ in 0..70 {
            original.settle().await;
        }
        let right = original.tree.extent().await.unwrap();
        let map = original.tree.map().unwrap();
        for start in (0..right.end).step_by(256) {
            let pinned = map.pinned_nodes_at(mmr::Location::new(start)).await.unwrap();
            let pinned = pinned.iter().map(digest).collect();
            let extent = Extent { start, pinned, ..right.clone() };
            let pieces = pieces(&original.tree, &extent, 1_000).await;
            match import(&context, "victim", &extent, &pieces).await {
                Ok(tree) => assert_eq!((start, tree.root()), (right.start, right.root)),
                Err(error) => {
                    assert_ne!(start, right.start);
                    assert!(matches!(error, ImportError::Commit(_)), "{start}: {error}");
                }
            }
        }
    });
}

#[test]
fn a_root_over_a_forged_bitmap_is_refused() {
    deterministic::Runner::default().start(|context| async move {
        let (_, mut extent, pieces) = victim(&context).await;
        extent.bits_root = Digest([7; 32]);
        let forged = resealed(extent);
        let error = refused(&context, &forged, &pieces).await;
        assert!(matches!(error, ImportError::Root { expected, .. } if expected == forged.root));
        let (_, settled) = open(&context, "victim").await;
        assert_eq!(settled, None);
    });
}

/// The extent with the root its digests give.
fn resealed(mut extent: Extent) -> Extent {
    let theirs = |digest: &Digest| sha256::Digest(digest.0);
    let witness = Witness {
        grafted_root: theirs(&extent.bits_root),
        pending_chunk_digest: Unused,
        partial_chunk: extent.partial.map(|p| (extent.end % CHUNK_OPERATIONS, theirs(&p))),
    };
    extent.root = digest(&witness.root::<Sha256>(&theirs(&extent.log_root)));
    extent
}

/// An extent and its only piece for a log that no map wrote, with a root of the forger's choice.
fn forged(operations: &[Op], height: Height) -> (Extent, Vec<u8>) {
    let hasher = commonware_storage::qmdb::hasher::<Sha256>();
    let mut tree = Mmr::<sha256::Digest>::new();
    let mut batch = tree.new_batch();
    for operation in operations {
        batch = batch.add(&hasher, &operation.encode());
    }
    let batch = batch.merkleize(&tree, &hasher);
    tree.apply_batch(&batch).unwrap();
    let root = tree.root(&hasher, 0).unwrap();
    let end = operations.len() as u64;
    let all = mmr::Location::new(0)..mmr::Location::new(end);
    let proof = tree.range_proof(&hasher, all, 0).unwrap();
    let extent = Extent {
        start: 0,
        end,
        pinned: Vec::new(),
        height,
        root: Digest([0; 32]),
        log_root: digest(&root),
        bits_root: Digest([3; 32]),
        partial: (!end.is_multiple_of(CHUNK_OPERATIONS)).then_some(Digest([4; 32])),
    };
    (resealed(extent), hanse_types::encode(&Piece::of(&proof, operations)))
}

type Expected = fn(&ImportError) -> bool;

#[test]
fn logs_that_no_map_wrote_are_refused() {
    use commonware_storage::qmdb::any::unordered::Update;

    let key = |n: u64| sha256::Digest(slot(n).0);
    let set = |n: u64| Op::Update(Update(key(n), key(n + 1)));
    let commit =
        |height, floor| Op::CommitFloor(Some(crate::tree::mark(height)), mmr::Location::new(floor));
    let long: Vec<Op> = (0..400).map(set).collect();
    let logs: Vec<(Vec<Op>, Expected)> = vec![
        (vec![set(1)], |error| matches!(error, ImportError::Commit(0))),
        (vec![Op::Delete(key(1))], |error| matches!(error, ImportError::Commit(0))),
        (vec![Op::CommitFloor(None, mmr::Location::new(0))], |error| {
            matches!(error, ImportError::Height(5))
        }),
        (vec![commit(4, 0)], |error| matches!(error, ImportError::Height(5))),
        // A floor at or behind the end, within the first chunk and beyond every log.
        (vec![set(1), commit(5, 2)], |error| matches!(error, ImportError::Commit(0))),
        (vec![set(1), commit(5, 1 << 62)], |error| matches!(error, ImportError::Commit(0))),
        // A floor in a later chunk than the start.
        ([&long[..], &[commit(5, 256)]].concat(), |error| matches!(error, ImportError::Commit(0))),
        // Deletions of what is not there, keys doubled, commits with floors from nowhere: replayed
        // without a panic, and then the root is another.
        (
            vec![
                Op::Delete(key(9)),
                set(1),
                commit(9, 1 << 61),
                set(1),
                set(1),
                Op::Delete(key(1)),
                Op::Delete(key(1)),
                commit(1, 3),
                commit(5, 0),
            ],
            |error| matches!(error, ImportError::Root { .. }),
        ),
        ([&long[..], &[commit(5, 0)]].concat(), |error| matches!(error, ImportError::Root { .. })),
    ];
    deterministic::Runner::default().start(|context| async move {
        for (number, (operations, expected)) in logs.iter().enumerate() {
            let (extent, piece) = forged(operations, 5);
            let error = refused(&context, &extent, &[piece]).await;
            assert!(expected(&error), "log {number}: {error}");
            let (_, settled) = open(&context, "victim").await;
            assert_eq!(settled, None);
        }
    });
    let (extent, _) = forged(&[set(1)], 5);
    assert!(matches!(ends(&extent, None), Err(ImportError::Commit(0))));
}

#[test]
fn a_piece_of_too_many_operations_is_malformed() {
    deterministic::Runner::default().start(|context| async move {
        let operation = Op::Delete(sha256::Digest([1; 32]));
        let most = vec![operation; PIECE_OPERATIONS_MAX as usize + 1];
        let (extent, over) = forged(&most, 5);
        let error = refused(&context, &extent, &[over]).await;
        assert!(matches!(error, ImportError::Malformed(0)), "{error}");
        // One less is a piece, only of no map.
        let (extent, edge) = forged(&most[1..], 5);
        let error = refused(&context, &extent, &[edge]).await;
        assert!(matches!(error, ImportError::Commit(0)), "{error}");
        let error = refused(&context, &extent, &[vec![0; PIECE_BYTES_MAX + 1]]).await;
        assert!(matches!(error, ImportError::Malformed(0)), "{error}");
    });
}
