//! What a member keeps on its disk, and that damage there is found.

use commonware_runtime::{
    Blob as _, Runner as _, Storage as _, Supervisor as _, WriteOptions, deterministic, tokio,
};
use futures::future::join_all;
use hanse_ledger::Base;
use hanse_types::encode;

use super::{chain::*, kit::*};
use crate::{
    Answer, Ask, CHUNK_BYTES, Disk, Kind, LISTING_BYTES_MAX, Listing, Map, SnapshotError, take,
};

const LISTINGS: &str = "hanse-first-snapshot-listings";

fn data(height: u64) -> String {
    format!("hanse-first-snapshot-{height}")
}

async fn own(chain: &Chain, listing: &Listing) -> Result<Base, SnapshotError> {
    let disk = &chain.members[0].disk;
    Box::pin(take(disk.read(listing.clone()), &chain.genesis, Map::<Context>::Own)).await
}

/// A snapshot of some chunks.
async fn large(context: Context) -> (Chain, Listing) {
    let mut chain = Chain::new(context, 21).await;
    for k in 0..3 {
        let value = chain.random.bytes(CHUNK_BYTES);
        chain.send(1, put("acme", &[k], value));
    }
    chain.traffic(5).await;
    let listing = chain.snapshot(0).await;
    assert!(listing.chunks.len() >= 4);
    (chain, listing)
}

#[test]
fn a_member_starts_from_its_own_snapshot() {
    run(|context| async move {
        let mut chain = Chain::new(context, 12).await;
        chain.rotate(44).await;
        chain.traffic(30).await;
        let listing = chain.snapshot(0).await;
        let taken = chain.join(0, "second").await;
        let base = own(&chain, &listing).await.unwrap();
        let (one, two) = (desk(&base, &chain.genesis), desk(&taken, &chain.genesis));
        assert_eq!(pieces(&one.snapshot().world), pieces(&two.snapshot().world));
        assert_eq!(one.snapshot().digest, two.snapshot().digest);
        assert_eq!((base.begins_on(), base.records()), (taken.begins_on(), taken.records()));
        assert_eq!(base.checked().after, taken.checked().after);
        // Its map can be built again of it, and it stays where it is.
        let disk = chain.members[0].disk.clone();
        let again = take_into(&chain.context, "again", &disk, listing.clone(), &chain.genesis);
        assert_eq!(again.await.unwrap().checked().root, base.checked().root);
        assert_eq!(disk.newest().await.unwrap(), Some(listing));
    });
}

#[test]
fn every_damaged_chunk_is_named() {
    run(|context| async move {
        let (mut chain, listing) = large(context).await;
        let partition = data(listing.height());
        own(&chain, &listing).await.unwrap();
        for index in 0..listing.chunks.len() as u32 {
            let begins = u64::from(index) * CHUNK_BYTES as u64;
            let length = listing.chunk_bytes(index).unwrap() as u64;
            for at in [0, chain.random.below(length), length - 1] {
                let flip = async || {
                    let (blob, _) = chain.context.open(&partition, b"data").await.unwrap();
                    let read = blob.read_at(begins + at, 1, Default::default()).await.unwrap();
                    let byte = read.coalesce().as_ref()[0] ^ 4;
                    blob.write_at(begins + at, vec![byte], WriteOptions::SYNC).await.unwrap();
                };
                flip().await;
                let error = own(&chain, &listing).await.map(drop).expect_err("it is damaged");
                assert!(matches!(error, SnapshotError::Chunk(which) if which == index), "{error}");
                let answer = chain.members[0]
                    .disk
                    .answer(Ask::Chunk { height: listing.height(), index }, 1)
                    .await;
                assert!(matches!(answer, Answer::Chunk { bytes: None, .. }));
                flip().await;
            }
        }
        own(&chain, &listing).await.unwrap();
        for length in [listing.bytes() - 1, CHUNK_BYTES as u64 + 7, CHUNK_BYTES as u64, 1, 0] {
            let (blob, _) = chain.context.open(&partition, b"data").await.unwrap();
            blob.resize(length).await.unwrap();
            blob.sync().await.unwrap();
            drop(blob);
            let error = own(&chain, &listing).await.map(drop).expect_err("it is damaged");
            let first = (length / CHUNK_BYTES as u64) as u32;
            assert!(matches!(error, SnapshotError::Chunk(which) if which == first), "{error}");
        }
        chain.context.remove(&partition, None).await.unwrap();
        let error = own(&chain, &listing).await.map(drop).expect_err("it is damaged");
        assert!(matches!(error, SnapshotError::Chunk(0)), "{error}");
        let gone = chain.context.scan(&partition).await;
        assert!(gone.is_err(), "asking for data does not make it");
    });
}

#[test]
fn a_damaged_listing_is_none() {
    run(|context| async move {
        let mut chain = Chain::new(context, 22).await;
        chain.traffic(5).await;
        let listing = chain.snapshot(0).await;
        let disk = chain.members[0].disk.clone();
        let name = listing.height().to_be_bytes();
        let content = [
            &hanse_crypto::hash("hanse/snapshot/listing", &[&encode(&listing)]).0[..],
            &encode(&listing),
        ]
        .concat();
        let write = async |bytes: Vec<u8>| {
            let (blob, _) = chain.context.open(LISTINGS, &name).await.unwrap();
            blob.resize(bytes.len() as u64).await.unwrap();
            blob.sync().await.unwrap();
            if !bytes.is_empty() {
                blob.write_at(0, bytes, WriteOptions::SYNC).await.unwrap();
            }
        };
        let mut damaged: Vec<Vec<u8>> =
            [0, 1, 31, 32, 33, 100, content.len() - 1].map(|end| content[..end].to_vec()).into();
        damaged.push([&content[..], &[0]].concat());
        // Written by halves.
        damaged.push([&content[..200], &vec![0; content.len() - 200][..]].concat());
        damaged.push(vec![0; content.len()]);
        damaged.push(vec![7; crate::LISTING_BYTES_MAX + 33]);
        for _ in 0..200 {
            let at = chain.random.below(content.len() as u64) as usize;
            let mut flipped = content.clone();
            flipped[at] ^= 1 << chain.random.below(8);
            damaged.push(flipped);
        }
        for bytes in damaged {
            write(bytes).await;
            let error = disk.listing(listing.height()).await.expect_err("it is damaged");
            assert!(matches!(error, SnapshotError::Listing(_)), "{error}");
            assert_eq!(disk.newest().await.unwrap(), None);
        }
        write(content).await;
        assert_eq!(disk.newest().await.unwrap(), Some(listing.clone()));
        // Under another height it is none either.
        let (other, bytes) = (listing.height() + 1, encode(&listing));
        let (blob, _) = chain.context.open(LISTINGS, &other.to_be_bytes()).await.unwrap();
        let seal = hanse_crypto::hash("hanse/snapshot/listing", &[&bytes]);
        blob.write_at(0, [&seal.0[..], &bytes].concat(), WriteOptions::SYNC).await.unwrap();
        drop(blob);
        assert!(disk.listing(other).await.is_err());
        disk.sweep().await.unwrap();
        assert_eq!(disk.heights().await.unwrap(), [listing.height()]);
    });
}

#[test]
fn asking_for_what_is_not_there_makes_nothing() {
    run(|context| async move {
        let disk = disk(&context, "none");
        assert_eq!(disk.heights().await.unwrap(), [0; 0]);
        assert_eq!(disk.newest().await.unwrap(), None);
        assert!(matches!(disk.listing(7).await, Err(SnapshotError::Listing(_))));
        let offer = disk.answer(Ask::Offer, 9).await;
        assert_eq!(offer, Answer::Offer { height: 9, listing: None });
        let chunk = disk.answer(Ask::Chunk { height: 7, index: 0 }, 9).await;
        assert_eq!(chunk, Answer::Chunk { height: 7, index: 0, bytes: None });
        disk.remove(7).await.unwrap();
        disk.keep(1).await.unwrap();
        disk.sweep().await.unwrap();
        assert_eq!(disk.heights().await.unwrap(), [0; 0]);
        assert!(context.scan("none-snapshot-listings").await.is_err());
    });
}

#[test]
fn the_newest_are_kept_and_what_was_not_finished_goes() {
    run(|context| async move {
        let mut chain = Chain::new(context, 23).await;
        let mut heights = Vec::new();
        for _ in 0..4 {
            chain.traffic(3).await;
            chain.send(1, put("acme", &[1], vec![1]));
            chain.rest().await;
            heights.insert(0, chain.snapshot(0).await.height());
        }
        let disk = chain.members[0].disk.clone();
        assert_eq!(disk.heights().await.unwrap(), heights);
        assert_eq!(disk.newest().await.unwrap().unwrap().height(), heights[0]);
        // One that was begun between them, and one after.
        let (between, after) = (heights[1] + 1, heights[0] + 1);
        assert!(!heights.contains(&between));
        drop(disk.write(between).await.unwrap());
        drop(disk.write(after).await.unwrap());
        let begun = [after, heights[0], between, heights[1], heights[2], heights[3]];
        assert_eq!(disk.heights().await.unwrap(), begun);
        assert_eq!(disk.newest().await.unwrap().unwrap().height(), heights[0]);
        disk.keep(2).await.unwrap();
        assert_eq!(disk.heights().await.unwrap(), [after, heights[0], heights[1]]);
        for gone in &heights[2..] {
            assert!(chain.context.scan(&data(*gone)).await.is_err(), "its data went too");
        }
        disk.sweep().await.unwrap();
        assert_eq!(disk.heights().await.unwrap(), heights[..2]);
        assert!(chain.context.scan(&data(after)).await.is_err());
        disk.remove(heights[0]).await.unwrap();
        assert_eq!(disk.newest().await.unwrap().unwrap().height(), heights[1]);
        own(&chain, &disk.listing(heights[1]).await.unwrap()).await.unwrap();
    });
}

#[test]
fn what_a_crash_left_is_found_and_removed() {
    let (_, checkpoint) =
        deterministic::Runner::default().start_and_recover(|context| async move {
            let mut writer = disk(&context, "crashed").write(5).await.unwrap();
            for _ in 0..40 {
                writer.push(Kind::Operations, &vec![1; CHUNK_BYTES]).await.unwrap();
            }
        });
    deterministic::Runner::from(checkpoint).start(|context| async move {
        let disk = disk(&context, "crashed");
        assert_eq!(disk.newest().await.unwrap(), None);
        assert_eq!(disk.heights().await.unwrap(), [5]);
        assert!(context.scan("crashed-snapshot-5").await.is_ok(), "its data is there");
        disk.sweep().await.unwrap();
        assert_eq!(disk.heights().await.unwrap(), [0; 0]);
        assert!(context.scan("crashed-snapshot-5").await.is_err());
    });
}

#[test]
fn a_state_that_no_listing_lists_is_given_up_in_time() {
    run(|context| async move {
        let mut writer = disk(&context, "endless").write(5).await.unwrap();
        let mut pieces = 0;
        while writer.push(Kind::Operations, &[1]).await.is_ok() {
            pieces += 1;
        }
        assert_eq!(pieces, LISTING_BYTES_MAX / 5);
    });
}

#[test]
fn a_chunk_is_kept_only_where_it_belongs() {
    run(|context| async move {
        let (chain, listing) = large(context).await;
        let (from, to) = (&chain.members[0].disk, disk(&chain.context, "other"));
        let chunk = from.chunk(&listing, 1).await.unwrap();
        to.receive(&listing).await.unwrap();
        for (index, bytes) in [(0, chunk.clone()), (1, chunk.slice(1..)), (99, chunk.clone())] {
            let refused = to.put(&listing, index, bytes).await.unwrap_err();
            assert!(matches!(refused, SnapshotError::Chunk(which) if which == index));
        }
        assert!(matches!(to.chunk(&listing, 1).await, Err(SnapshotError::Chunk(1))));
        to.put(&listing, 1, chunk.clone()).await.unwrap();
        assert_eq!(to.chunk(&listing, 1).await.unwrap(), chunk);
        assert!(from.chunk(&listing, listing.chunks.len() as u32).await.is_err());
        // Beginning again begins with nothing.
        to.receive(&listing).await.unwrap();
        assert!(to.chunk(&listing, 1).await.is_err());
    });
}

/// The real storage opens a blob once at a time.
#[test]
fn many_may_ask_at_once() {
    let made = std::sync::Mutex::new(None);
    run(|context| async {
        let (chain, listing) = large(context).await;
        let mut chunks = Vec::new();
        for index in 0..listing.chunks.len() as u32 {
            chunks.push(chain.members[0].disk.chunk(&listing, index).await.unwrap());
        }
        *made.lock().unwrap() = Some((listing, chunks));
    });
    let (listing, chunks) = made.into_inner().unwrap().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = tokio::Config::new().with_storage_directory(directory.path());
    tokio::Runner::new(config).start(|context| async move {
        let disk = Disk::new(context.child("disk"), "busy");
        disk.receive(&listing).await.unwrap();
        let chunks = chunks.into_iter().zip(0u32..);
        join_all(chunks.map(|(chunk, index)| disk.put(&listing, index, chunk))).await;
        disk.list(&listing).await.unwrap();
        let height = listing.height();
        for _ in 0..20 {
            let asks = (0..4).map(|index| Ask::Chunk { height, index }).chain([Ask::Offer; 4]);
            let answers = join_all(asks.map(|ask| disk.answer(ask, 1)));
            let (answers, kept, swept) = futures::join!(answers, disk.keep(1), disk.sweep());
            kept.unwrap();
            swept.unwrap();
            for answer in answers {
                assert!(!matches!(
                    answer,
                    Answer::Chunk { bytes: None, .. } | Answer::Offer { listing: None, .. }
                ));
            }
        }
    });
}
