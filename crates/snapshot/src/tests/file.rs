//! A snapshot as one file.

use std::io::{self, Read};

use hanse_types::encode;

use super::{chain::*, kit::*};
use crate::{
    CHUNK_BYTES, LISTING_BYTES_MAX, Listing, MAGIC, SnapshotError, head, read_chunk, read_head,
};

async fn file(context: Context) -> (Vec<u8>, Listing, Vec<Vec<u8>>) {
    let mut chain = Chain::new(context, 41).await;
    let value = chain.random.bytes(CHUNK_BYTES);
    chain.send(1, put("acme", &[1], value));
    chain.traffic(3).await;
    let listing = chain.snapshot(0).await;
    let mut file = head(&listing);
    let mut chunks = Vec::new();
    for index in 0..listing.chunks.len() as u32 {
        let chunk = chain.members[0].disk.chunk(&listing, index).await.unwrap();
        file.extend_from_slice(&chunk);
        chunks.push(chunk.to_vec());
    }
    assert!(chunks.len() > 1);
    (file, listing, chunks)
}

#[test]
fn a_file_is_read_as_it_was_written() {
    run(|context| async move {
        let (bytes, listing, chunks) = file(context).await;
        assert_eq!(bytes[..8], *b"HANSESN1");
        let mut rest = &bytes[..];
        assert_eq!(read_head(&mut rest).unwrap(), listing);
        for (chunk, index) in chunks.iter().zip(0..) {
            assert_eq!(read_chunk(&mut rest, &listing, index).unwrap(), *chunk);
        }
        assert!(rest.is_empty());
        let behind = read_chunk(&mut rest, &listing, chunks.len() as u32);
        assert!(matches!(behind, Err(SnapshotError::Chunk(_))));
    });
}

#[test]
fn what_is_no_file_or_not_all_of_one_is_refused() {
    run(|context| async move {
        let (bytes, listing, chunks) = file(context).await;
        let begins = head(&listing).len();
        let refused =
            |bytes: &[u8]| matches!(read_head(&mut &*bytes), Err(SnapshotError::Listing(_)));
        for end in (0..begins).step_by(7).chain([0, 7, 8, 11, 12, begins - 1]) {
            assert!(refused(&bytes[..end]), "{end} bytes");
        }
        for at in 0..MAGIC.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(refused(&other));
        }
        // Its length says more, less, or far too much.
        let length = (begins - 12) as u32;
        for wrong in [length + 1, length - 1, 0, LISTING_BYTES_MAX as u32 + 1, u32::MAX] {
            let mut other = bytes.clone();
            other[8..12].copy_from_slice(&wrong.to_le_bytes());
            assert!(refused(&other), "{wrong}");
        }
        // Something behind the listing that belongs to it by its length.
        let mut longer = [&MAGIC[..], &(length + 3).to_le_bytes()].concat();
        longer.extend_from_slice(&encode(&listing));
        longer.extend_from_slice(&[1, 2, 3]);
        assert!(refused(&longer));
        for (index, chunk) in (0..).zip(&chunks) {
            let read = |bytes: &[u8]| read_chunk(&mut &*bytes, &listing, index);
            let mut other = chunk.clone();
            other[chunk.len() / 2] ^= 1;
            for wrong in [&[][..], &chunk[..chunk.len() - 1], &other] {
                assert!(matches!(read(wrong), Err(SnapshotError::Chunk(which)) if which == index));
            }
        }
    });
}

/// Fails after some bytes.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.0.min(bytes.len());
        self.0 -= count;
        bytes[..count].copy_from_slice(&MAGIC[..count]);
        if count == 0 { Err(io::Error::other("broken")) } else { Ok(count) }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_malformed_one() {
    assert!(matches!(read_head(&mut Broken(8)), Err(SnapshotError::File(_))));
}
