//! How the state is cut.

use hanse_types::decode;

use super::*;
use crate::{
    testkit::Kit,
    world::{At, Dirty, Key},
};

fn table(bytes: usize) -> World {
    let mut world = World::default();
    let at = At { revision: 1, height: 1, index: 0 };
    for k in 0..=40u8 {
        let key: Key = if k == 0 { Key::default() } else { vec![k].into() };
        world.put(&key, vec![k; bytes].into(), at, &mut Dirty::default());
    }
    world
}

#[test]
fn pieces_fill_their_size_and_no_more() {
    let world = table(100);
    for bytes_max in [0, 150, 300, 1_000, 1 << 20] {
        let pieces: Vec<Vec<u8>> = world.pieces(bytes_max).collect();
        let mut keys = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let entries: Vec<PortableEntry> = decode(piece).expect("a piece is a list of entries");
            assert!(piece.len() <= bytes_max || entries.len() == 1);
            let entry = ENTRY_BYTES + 1 + 100;
            let room = piece.len() + entry + FRAME_BYTES;
            assert!(room > bytes_max || at + 1 == pieces.len(), "{} of {bytes_max}", piece.len());
            keys.extend(entries.into_iter().map(|entry| entry.key));
        }
        let all: Vec<Vec<u8>> = world.table.keys().map(|key| key.to_vec()).collect();
        assert_eq!(keys, all);
    }
    assert_eq!(World::default().pieces(1_000).count(), 0);
}

#[test]
fn an_entry_over_the_size_is_a_piece_of_its_own() {
    let mut world = table(1);
    let at = At { revision: 1, height: 1, index: 0 };
    world.put(&vec![20].into(), vec![7; 5_000].into(), at, &mut Dirty::default());
    let sizes: Vec<usize> = world.pieces(1_000).map(|piece| piece.len()).collect();
    assert_eq!(sizes.iter().filter(|size| **size > 1_000).count(), 1);
    assert!(sizes.len() >= 3);
}

#[test]
fn long_lists_beside_the_table_are_cut() {
    let mut kit = Kit::new();
    for _ in 0..30 {
        kit.run(&[]);
    }
    let mut world = kit.world;
    for n in 0..50u8 {
        world.see(u64::from(n) * 3_000, Digest([n; 32]), 600_000);
        world.see_sequence(Digest([n; 32]), 1 + u64::from(n));
        world.set_revision(&format!("space-{n}"), 2);
    }
    let read = |piece: &Vec<u8>| decode::<AsidePiece>(piece).expect("one of the pieces");
    for bytes_max in [0, 100, 500, 1 << 20] {
        let pieces: Vec<Vec<u8>> = world.aside_pieces(bytes_max).collect();
        let items: usize = pieces
            .iter()
            .map(|piece| {
                let items = match read(piece) {
                    AsidePiece::BeginsOn(_) => 1,
                    AsidePiece::Revisions(list) => list.len(),
                    AsidePiece::Windows(list) => list.len(),
                    AsidePiece::Headers(list) => list.len(),
                    AsidePiece::Arrivals { seen, .. } => seen.len(),
                };
                assert!(piece.len() <= bytes_max || items == 1, "{} bytes", piece.len());
                items
            })
            .sum();
        assert_eq!(items, 1 + 50 + 50 + 30 + 50);
    }
    // One of each kind, and one per minute.
    assert_eq!(world.aside_pieces(1 << 20).count(), 4 + 3);
}

#[test]
fn numbers_of_pieces_are_never_given_to_anything_else() {
    let one = Digest([1; 32]);
    let pieces = [
        AsidePiece::BeginsOn(one),
        AsidePiece::Revisions(vec![("a".to_owned(), 2)]),
        AsidePiece::Windows(vec![(one, 3, [4; WORDS])]),
        AsidePiece::Headers(vec![(5, one)]),
        AsidePiece::Arrivals { minute: 6, seen: vec![(one, 7)] },
    ];
    let bytes = pieces.map(|piece| encode(&piece));
    assert_eq!(bytes.each_ref().map(|b| b[0]), [0, 1, 2, 3, 4]);
    assert_eq!(bytes.each_ref().map(Vec::len), [33, 18, 173, 45, 53]);
    let entry: PortableEntry = PortableEntry {
        key: vec![9],
        create_revision: 1,
        mod_revision: 2,
        version: 3,
        height: 4,
        index: 5,
        value: vec![6, 6],
    };
    let golden = "0100000009010000000000000002000000000000000300000000000000040000000000000005000000020000000606";
    let hex: String = encode(&entry).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, golden);
}
