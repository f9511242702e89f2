//! How much a member takes in before it knows what it is.

use super::*;
use crate::{
    ASIDE_BYTES_MAX, BLOCKS_BYTES_MAX, CHUNK_BYTES, LISTING_BYTES_MAX, PIECE_BYTES_MAX, Piece,
};

/// `listing` with these pieces and as many digests as they need.
fn listing(from: &Listing, pieces: Vec<Piece>) -> Listing {
    let mut listing = Listing { pieces, ..from.clone() };
    let chunks = listing.bytes().div_ceil(CHUNK_BYTES as u64);
    listing.chunks = vec![Digest([3; 32]); chunks as usize];
    listing
}

/// Pieces of a kind that have so many bytes together.
fn many(kind: Kind, bytes: u64) -> Vec<Piece> {
    let (whole, rest) = (bytes / u64::from(PIECE_BYTES_MAX), bytes % u64::from(PIECE_BYTES_MAX));
    let mut pieces = vec![Piece { kind, bytes: PIECE_BYTES_MAX }; whole as usize];
    pieces.extend((rest > 0).then_some(Piece { kind, bytes: rest as u32 }));
    pieces
}

#[test]
fn sizes_are_believed_up_to_their_limits() {
    run(|context| async move {
        let (_, parts) = victim(context).await;
        let read = |pieces| Listing::decode(&encode(&listing(&parts.listing, pieces)));
        let one = |bytes| vec![Piece { kind: Kind::Table, bytes }];
        assert!(read(one(PIECE_BYTES_MAX)).is_ok());
        for bytes in [0, PIECE_BYTES_MAX + 1] {
            assert!(read(one(bytes)).is_err(), "{bytes}");
        }
        for (kind, most) in [(Kind::Blocks, BLOCKS_BYTES_MAX), (Kind::Aside, ASIDE_BYTES_MAX)] {
            assert!(read(many(kind, most)).is_ok());
            let refused = read(many(kind, most + 1));
            assert!(matches!(refused, Err(SnapshotError::Listing(_))), "{kind:?}");
        }
        // Records and the map are checked as they come, so they may fill what a listing can list.
        assert!(read(many(Kind::Table, 6 << 30)).is_ok());
        assert!(read(many(Kind::Table, 10 << 30)).is_err());
    });
}

#[test]
fn a_listing_that_contradicts_itself_is_refused_before_anything_is_read() {
    run(|context| async move {
        let (chain, parts) = victim(context).await;
        let good = &parts.listing;
        let mut cases = vec![
            listing(good, many(Kind::Aside, ASIDE_BYTES_MAX + 1)),
            listing(good, many(Kind::Blocks, BLOCKS_BYTES_MAX + 1)),
            Listing {
                pieces: vec![Piece { kind: Kind::Table, bytes: u32::MAX }; 50],
                ..good.clone()
            },
            Listing { chunks: Vec::new(), ..good.clone() },
            Listing { chunks: vec![Digest([0; 32]); 2 * good.chunks.len()], ..good.clone() },
            Listing { pieces: Vec::new(), ..good.clone() },
        ];
        let mut reversed = good.clone();
        reversed.pieces.reverse();
        cases.push(reversed);
        let disk = disk(&chain.context, "enemy");
        for (n, case) in cases.into_iter().enumerate() {
            let bytes = encode(&case);
            assert!(matches!(Listing::decode(&bytes), Err(SnapshotError::Listing(_))), "{n}");
            // And if somebody did not ask: nothing was received, and nothing is missed.
            let taken = take_into(&chain.context, "enemy", &disk, case, &chain.genesis).await;
            assert!(matches!(taken, Err(SnapshotError::Listing(_))), "{n}");
        }
        let mut long = good.clone();
        long.manifest.proof = vec![0; LISTING_BYTES_MAX];
        assert!(Listing::decode(&encode(&long)).is_err());
        // A list that says it is long, and is not.
        let bytes = encode(good);
        for at in 0..bytes.len() - 4 {
            let mut altered = bytes.clone();
            altered[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            drop(Listing::decode(&altered));
        }
    });
}
