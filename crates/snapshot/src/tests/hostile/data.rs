//! The data, altered with the digests of its chunks computed again.

use hanse_types::Header;

use super::*;

#[test]
fn blocks_that_do_not_lead_to_the_certified_one_are_refused() {
    run(|context| async move {
        let (mut chain, parts) = victim(context).await;
        let blocks = parts.blocks();
        let next = chain.blocks[blocks[2].header.height as usize].0.clone();
        let earlier = chain.blocks[EPOCH as usize].0.clone();
        let mut cases = vec![
            vec![],
            blocks[..2].to_vec(),
            blocks[1..].to_vec(),
            vec![blocks[0].clone(), blocks[2].clone()],
            vec![blocks[1].clone(), blocks[0].clone(), blocks[2].clone()],
            [&blocks[..1], &blocks[..]].concat(),
            [&blocks[..], &[(*next).clone()]].concat(),
            [&[(*earlier).clone()], &blocks[..]].concat(),
            vec![(*earlier).clone(); 3],
            vec![blocks[0].clone(); hanse_ledger::limits::SNAPSHOT_BLOCKS_MAX + 1],
        ];
        for at in 0..3 {
            let mut emptied = blocks.clone();
            assert!(!emptied[at].body.segments.is_empty());
            emptied[at].body.segments.clear();
            cases.push(emptied);
            let mut altered = blocks.clone();
            altered[at].body.segments[0].commands[0].bytes[60] ^= 1;
            cases.push(altered);
            // With a header that fits the body, which then is not the parent of the next, nor certified.
            let mut fitting = blocks.clone();
            fitting[at].body.segments.clear();
            fitting[at].header.body_root = fitting[at].body.root();
            cases.push(fitting);
            let alterations: [fn(&mut Header); 6] = [
                |h| h.receipt_root.0[0] ^= 1,
                |h| h.event_root.0[0] ^= 1,
                |h| h.history_root.0[0] ^= 1,
                |h| h.height += 1,
                |h| h.place.epoch += 1,
                |h| h.state_root.0[0] ^= 1,
            ];
            for alter in alterations {
                let mut altered = blocks.clone();
                alter(&mut altered[at].header);
                cases.push(altered);
            }
        }
        for (n, case) in cases.into_iter().enumerate() {
            let mut altered = parts.clone();
            altered.set_blocks(&case);
            let error = altered.refused(&chain, &format!("blocks {n}")).await;
            assert!(
                matches!(error, SnapshotError::Manifest(ManifestError::Block(_))),
                "{n}: {error}"
            );
        }
        for bytes in [vec![], vec![vec![1, 2, 3]], vec![chain.random.bytes(1_000)]] {
            let mut altered = parts.clone();
            altered.set(Kind::Blocks, bytes);
            let error = altered.refused(&chain, "no blocks").await;
            assert!(matches!(error, SnapshotError::Listing(_)), "{error}");
        }
    });
}

#[test]
fn another_log_of_operations_is_refused() {
    run(|context| async move {
        let (chain, mut parts) = victim(context).await;
        // In several pieces.
        let (extent, map) = (&parts.listing.extent, &chain.members[0].map);
        let mut pieces = Vec::new();
        let mut next = extent.start;
        while next < extent.end {
            let count = 40.min(extent.end - next);
            pieces.push(map.operations(extent.end, next, count).await.unwrap());
            next += count;
        }
        assert!(pieces.len() > 2);
        parts.set(Kind::Operations, pieces.clone());
        parts.offer(&chain).await.unwrap();
        for at in 0..pieces.len() {
            let mut cases = vec![pieces.clone(); 4];
            cases[0].remove(at);
            cases[1].insert(at, pieces[at].clone());
            let middle = pieces[at].len() / 2;
            cases[2][at][middle] ^= 1;
            cases[3][at].truncate(middle);
            if at > 0 {
                let mut swapped = pieces.clone();
                swapped.swap(at - 1, at);
                cases.push(swapped);
            }
            for case in cases {
                let mut altered = parts.clone();
                altered.set(Kind::Operations, case);
                match altered.refused(&chain, "operations").await {
                    SnapshotError::Map(_) => {}
                    // All of the map was there before.
                    SnapshotError::Listing(_) => assert_eq!(at, pieces.len() - 1),
                    error => panic!("{error}"),
                }
            }
        }
        let mut altered = parts.clone();
        altered.set(Kind::Operations, Vec::new());
        let error = altered.refused(&chain, "none").await;
        assert!(matches!(error, SnapshotError::Map(ImportError::Incomplete { .. })), "{error}");
    });
}

#[test]
fn records_that_are_not_the_maps_are_refused() {
    run(|context| async move {
        let (mut chain, parts) = victim(context).await;
        let rows = parts.rows();
        let mut cases: Vec<Vec<Row>> = vec![Vec::new()];
        for at in 0..rows.len() {
            let mut with = |change: &mut dyn FnMut(&mut Vec<Row>)| {
                let mut altered = rows.clone();
                change(&mut altered);
                cases.push(altered);
            };
            with(&mut |rows| drop(rows.remove(at)));
            with(&mut |rows| rows.insert(at, rows[at].clone()));
            with(&mut |rows| rows[at].1 += 1);
            with(&mut |rows| rows[at].2 += 1);
            with(&mut |rows| rows[at].3 += 1);
            with(&mut |rows| rows[at].4 += 1);
            with(&mut |rows| rows[at].5 ^= 1);
            with(&mut |rows| rows[at].6.push(0));
            with(&mut |rows| rows[at].0.push(0));
            with(&mut |rows| rows.truncate(at));
            with(&mut |all| {
                let mut row = all[at].clone();
                row.0.push(0);
                all.insert(at + 1, row);
            });
            if at > 0 {
                with(&mut |rows| rows.swap(at - 1, at));
                let (before, here) = (rows[at - 1].6.clone(), rows[at].6.clone());
                if before != here {
                    with(&mut |rows| {
                        (rows[at - 1].6, rows[at].6) = (here.clone(), before.clone());
                    });
                }
            }
        }
        assert!(cases.len() > 200);
        for (n, case) in cases.into_iter().enumerate() {
            let mut altered = parts.clone();
            altered.set_rows(&case);
            let error = altered.refused(&chain, &format!("records {n}")).await;
            assert!(matches!(error, SnapshotError::Record | SnapshotError::State(_)), "{error}");
        }
        for piece in [vec![1, 0, 0, 0], vec![0; 4], chain.random.bytes(500)] {
            let mut altered = parts.clone();
            altered.set(Kind::Table, vec![piece]);
            let error = altered.refused(&chain, "no records").await;
            assert!(matches!(error, SnapshotError::State(_)), "{error}");
        }
    });
}

/// Every small change of what stands beside the records.
fn altered_beside(beside: &[Beside]) -> Vec<Vec<Beside>> {
    let mut cases = Vec::new();
    for (at, piece) in beside.iter().enumerate() {
        let mut others: Vec<Beside> = Vec::new();
        match piece.clone() {
            Beside::BeginsOn(mut digest) => {
                digest.0[0] ^= 1;
                others.push(Beside::BeginsOn(digest));
            }
            Beside::Revisions(all) => {
                let new = ("zz".to_owned(), 9);
                others.extend(lists(&all, new, |item| item.1 += 1).map(Beside::Revisions));
            }
            Beside::Windows(all) => {
                let new = (Digest([255; 32]), 9, [0; 16]);
                others.extend(lists(&all, new, |item| item.1 += 1).map(Beside::Windows));
                others.extend(lists(&all, new, |item| item.2[3] ^= 1).map(Beside::Windows));
            }
            Beside::Headers(all) => {
                let new = (99_999, Digest([1; 32]));
                others.extend(lists(&all, new, |item| item.1.0[0] ^= 1).map(Beside::Headers));
                others.extend(lists(&all, new, |item| item.0 += 1_000).map(Beside::Headers));
            }
            Beside::Arrivals { minute, seen } => {
                let piece = |seen| Beside::Arrivals { minute, seen };
                let new = (Digest([1; 32]), 9);
                others.extend(lists(&seen, new, |item| item.0.0[0] ^= 1).map(piece));
                others.extend(lists(&seen, new, |item| item.1 += 1).map(piece));
                others.push(Beside::Arrivals { minute: minute + 1, seen: seen.clone() });
                others.push(Beside::Arrivals { minute: minute - 1, seen: seen.clone() });
                let mut reversed = seen;
                reversed.reverse();
                if reversed.len() > 1 {
                    others.push(piece(reversed));
                }
            }
        }
        let mut pieces = vec![beside.to_vec(); 2];
        pieces[0].remove(at);
        pieces[1].insert(at, piece.clone());
        pieces.extend(others.into_iter().map(|other| {
            let mut altered = beside.to_vec();
            altered[at] = other;
            altered
        }));
        cases.extend(pieces);
    }
    cases
}

/// `all` with one item dropped, doubled or changed, and with one more.
fn lists<T: Clone>(all: &[T], new: T, change: fn(&mut T)) -> impl Iterator<Item = Vec<T>> + use<T> {
    let mut lists = vec![[all, &[new]].concat()];
    for at in 0..all.len() {
        let mut three = vec![all.to_vec(); 3];
        three[0].remove(at);
        three[1].insert(at, all[at].clone());
        change(&mut three[2][at]);
        lists.extend(three);
    }
    lists.into_iter()
}

#[test]
fn what_stands_beside_the_records_is_what_they_say_or_refused() {
    run(|context| async move {
        let (chain, parts) = victim(context).await;
        let beside = parts.beside();
        let minutes = beside.iter().filter(|b| matches!(b, Beside::Arrivals { .. })).count();
        assert!(minutes > 2, "{minutes}");
        for kind in 0..4u8 {
            assert!(beside.iter().any(|piece| encode(piece)[0] == kind), "{kind}");
        }
        let mut cases = altered_beside(&beside);
        cases.push(Vec::new());
        assert!(cases.len() > 200, "{}", cases.len());
        for (n, case) in cases.into_iter().enumerate() {
            let mut altered = parts.clone();
            altered.set_beside(&case);
            let error = altered.refused(&chain, &format!("beside {n}")).await;
            assert!(matches!(error, SnapshotError::State(_)), "{n}: {error}");
        }
        let mut altered = parts.clone();
        altered.set(Kind::Aside, vec![vec![9, 9]]);
        let error = altered.refused(&chain, "noise").await;
        assert!(matches!(error, SnapshotError::State(PortableError::Encoding)), "{error}");
    });
}

#[test]
fn every_altered_byte_of_the_data_is_refused() {
    run(|context| async move {
        let (mut chain, parts) = victim(context).await;
        for (at, (kind, bytes)) in parts.pieces.iter().enumerate() {
            let sampled: Vec<usize> =
                (0..60).map(|_| chain.random.below(bytes.len() as u64) as usize).collect();
            for byte in (0..bytes.len().min(20)).chain(sampled) {
                let mut altered = parts.clone();
                altered.pieces[at].1[byte] ^= 1 << chain.random.below(8);
                altered.refused(&chain, &format!("byte {byte} of {kind:?}")).await;
            }
        }
        parts.offer(&chain).await.unwrap();
    });
}

#[test]
fn data_under_another_kind_is_refused() {
    run(|context| async move {
        let (chain, parts) = victim(context).await;
        let kinds = [Kind::Blocks, Kind::Operations, Kind::Table, Kind::Aside];
        for at in 0..parts.pieces.len() {
            for kind in kinds.into_iter().filter(|kind| *kind != parts.pieces[at].0) {
                let mut altered = parts.clone();
                altered.pieces[at].0 = kind;
                altered.refused(&chain, &format!("piece {at} as {kind:?}")).await;
                altered.pieces.sort_by_key(|(kind, _)| *kind);
                altered.refused(&chain, &format!("piece {at} as {kind:?}, sorted")).await;
            }
        }
    });
}
