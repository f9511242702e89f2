//! What members say to each other about snapshots.

use bytes::Bytes;
use commonware_runtime::Storage;
use hanse_types::encode;

use crate::{CHUNK_BYTES, Disk, LISTING_BYTES_MAX, Listing, SnapshotError};

/// First bytes of messages. They are on the wire: never reuse one.
const OFFER: u8 = 1;
const CHUNK: u8 = 2;
const OFFERED: u8 = 3;
const CHUNK_IS: u8 = 4;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// For the newest listing.
    Offer,
    /// For a chunk of the data.
    Chunk {
        /// Of which snapshot.
        height: u64,
        /// Which.
        index: u32,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The newest listing, if there is any, and the height whoever answers has come to. Nothing of it is checked.
    Offer {
        /// Its newest committed height.
        height: u64,
        /// The listing's bytes.
        listing: Option<Bytes>,
    },
    /// A chunk; none if there is no such one (any more).
    Chunk {
        /// Of which snapshot.
        height: u64,
        /// Which.
        index: u32,
        /// Its bytes.
        bytes: Option<Bytes>,
    },
}

impl Ask {
    /// On the wire.
    pub fn encode(self) -> Bytes {
        match self {
            Self::Offer => Bytes::from_static(&[OFFER]),
            Self::Chunk { height, index } => {
                [&[CHUNK][..], &height.to_be_bytes(), &index.to_be_bytes()].concat().into()
            }
        }
    }

    /// `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&OFFER, []) => Some(Self::Offer),
            (&CHUNK, rest) => {
                let (height, index) = rest.split_first_chunk()?;
                let (height, index) = (u64::from_be_bytes(*height), index.try_into().ok()?);
                Some(Self::Chunk { height, index: u32::from_be_bytes(index) })
            }
            _ => None,
        }
    }
}

impl Answer {
    /// On the wire.
    pub fn encode(&self) -> Bytes {
        let (mut out, rest) = match self {
            Self::Offer { height, listing } => {
                ([&[OFFERED][..], &height.to_be_bytes()].concat(), listing)
            }
            Self::Chunk { height, index, bytes } => {
                let (height, index) = (height.to_be_bytes(), index.to_be_bytes());
                ([&[CHUNK_IS][..], &height, &index].concat(), bytes)
            }
        };
        out.push(u8::from(rest.is_some()));
        out.extend_from_slice(rest.as_ref().map_or(&[], |rest| rest));
        out.into()
    }

    /// `None` for anything else, and for what is too long.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (height, rest) = rest.split_first_chunk()?;
        let height = u64::from_be_bytes(*height);
        let tail = |rest: &[u8], most: usize| match rest.split_first()? {
            (0, []) => Some(None),
            (1, rest) if rest.len() <= most => Some(Some(bytes.slice_ref(rest))),
            _ => None,
        };
        match *kind {
            OFFERED => Some(Self::Offer { height, listing: tail(rest, LISTING_BYTES_MAX)? }),
            CHUNK_IS => {
                let (index, rest) = rest.split_first_chunk()?;
                let index = u32::from_be_bytes(*index);
                Some(Self::Chunk { height, index, bytes: tail(rest, CHUNK_BYTES)? })
            }
            _ => None,
        }
    }
}

impl<E: Storage> Disk<E> {
    /// The answer to `ask` from whoever has come to `tip`. What cannot be read is as if it were not there, and logged.
    pub async fn answer(&self, ask: Ask, tip: u64) -> Answer {
        let silent =
            |error: SnapshotError| tracing::warn!(%error, "a snapshot cannot be handed out");
        match ask {
            Ask::Offer => {
                let listing = self.newest().await.map_err(silent).ok().flatten();
                let listing = listing.map(|listing| encode(&listing).into());
                Answer::Offer { height: tip, listing }
            }
            Ask::Chunk { height, index } => {
                let there = self.heights().await.is_ok_and(|heights| heights.contains(&height));
                let chunk = async {
                    let listing = self.listing(height).await?;
                    self.chunk(&listing, index).await
                };
                let bytes = if there { chunk.await.map_err(silent).ok() } else { None };
                Answer::Chunk { height, index, bytes }
            }
        }
    }

    /// The newest snapshot that can be read.
    ///
    /// # Errors
    /// [`SnapshotError::Disk`].
    pub async fn newest(&self) -> Result<Option<Listing>, SnapshotError> {
        for height in self.heights().await? {
            match self.listing(height).await {
                Ok(listing) => return Ok(Some(listing)),
                Err(SnapshotError::Disk(error)) => return Err(error.into()),
                // Not finished yet.
                Err(_) => {}
            }
        }
        Ok(None)
    }
}
