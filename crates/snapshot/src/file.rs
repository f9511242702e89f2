//! A snapshot as one file: eight bytes that say what it is, the length of the listing as four little-endian bytes, the listing,
//! the data.

use std::io::{self, Read};

use hanse_types::encode;

use crate::{LISTING_BYTES_MAX, Listing, SnapshotError};

/// What a file begins with; the last character is the version of the layout.
pub const MAGIC: [u8; 8] = *b"HANSESN1";

/// What a file holds before the data.
pub fn head(listing: &Listing) -> Vec<u8> {
    let listing = encode(listing);
    let length = u32::try_from(listing.len()).expect("listings are limited to half a megabyte");
    [&MAGIC[..], &length.to_le_bytes(), &listing].concat()
}

/// Reads the listing of a file; what follows in `file` is the data.
///
/// # Errors
/// [`SnapshotError::Listing`] if it is no snapshot, is cut off, or its listing does not hold; [`SnapshotError::File`] if it cannot
/// be read.
pub fn read_head(file: &mut impl Read) -> Result<Listing, SnapshotError> {
    let mut head = [0; 12];
    fill(file, &mut head)?;
    let (magic, length) = head.split_at(8);
    if magic != MAGIC {
        return Err(SnapshotError::Listing("this is no snapshot, or one of another version"));
    }
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    if length > LISTING_BYTES_MAX {
        return Err(SnapshotError::Listing("it is too long"));
    }
    let mut listing = vec![0; length];
    fill(file, &mut listing)?;
    Listing::decode(&listing)
}

/// Reads chunk `index` of `listing` from where the one before it ended.
///
/// # Errors
/// [`SnapshotError::Chunk`] if it is another one or is cut off; [`SnapshotError::File`].
pub fn read_chunk(
    file: &mut impl Read,
    listing: &Listing,
    index: u32,
) -> Result<Vec<u8>, SnapshotError> {
    let mut chunk = vec![0; listing.chunk_bytes(index).ok_or(SnapshotError::Chunk(index))?];
    fill(file, &mut chunk).map_err(|error| match error {
        SnapshotError::Listing(_) => SnapshotError::Chunk(index),
        other => other,
    })?;
    if listing.is_chunk(index, &chunk) { Ok(chunk) } else { Err(SnapshotError::Chunk(index)) }
}

fn fill(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), SnapshotError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SnapshotError::Listing("the file is cut off"),
        _ => SnapshotError::File(error),
    })
}
