//! A snapshot taken apart, altered, and put together again so that no digest of a chunk gives it away.

use borsh::{BorshDeserialize, BorshSerialize};
use hanse_ledger::Base;
use hanse_types::{Block, Digest, decode, encode};

use super::{chain::*, kit::*};
use crate::{CHUNK_BYTES, Disk, Kind, Listing, Piece, SnapshotError, listing::chunk_digest};

/// One record: key, revisions of creation and last change, version, height, index, value.
pub(super) type Row = (Vec<u8>, u64, u64, u64, u64, u32, Vec<u8>);

/// What stands beside the records, as `hanse_execution` writes it.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) enum Beside {
    BeginsOn(Digest),
    Revisions(Vec<(String, u64)>),
    Windows(Vec<(Digest, u64, [u64; 16])>),
    Headers(Vec<(u64, Digest)>),
    Arrivals { minute: u64, seen: Vec<(Digest, u64)> },
}

#[derive(Clone)]
pub(super) struct Parts {
    pub(super) listing: Listing,
    pub(super) pieces: Vec<(Kind, Vec<u8>)>,
}

impl Parts {
    pub(super) async fn of(disk: &Disk<Context>, listing: Listing) -> Self {
        let mut reader = disk.read(listing.clone());
        let mut pieces = Vec::new();
        while let Some(kind) = reader.peek() {
            pieces.push((kind, reader.next(kind).await.unwrap().expect("it is of this kind")));
        }
        Self { listing, pieces }
    }

    pub(super) fn of_kind(&self, kind: Kind) -> Vec<Vec<u8>> {
        let own = self.pieces.iter().filter(|(of, _)| *of == kind);
        own.map(|(_, bytes)| bytes.clone()).collect()
    }

    pub(super) fn set(&mut self, kind: Kind, pieces: Vec<Vec<u8>>) {
        self.pieces.retain(|(of, _)| *of != kind);
        self.pieces.extend(pieces.into_iter().map(|bytes| (kind, bytes)));
        self.pieces.sort_by_key(|(of, _)| *of);
    }

    pub(super) fn blocks(&self) -> Vec<Block> {
        decode(&self.of_kind(Kind::Blocks).concat()).unwrap()
    }

    pub(super) fn set_blocks(&mut self, blocks: &[Block]) {
        let pieces = encode(&blocks).chunks(1_000).map(<[u8]>::to_vec).collect();
        self.set(Kind::Blocks, pieces);
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let pieces = self.of_kind(Kind::Table);
        pieces.iter().flat_map(|piece| decode::<Vec<Row>>(piece).unwrap()).collect()
    }

    pub(super) fn set_rows(&mut self, rows: &[Row]) {
        self.set(Kind::Table, rows.chunks(5).map(|rows| encode(&rows)).collect());
    }

    pub(super) fn beside(&self) -> Vec<Beside> {
        self.of_kind(Kind::Aside).iter().map(|piece| decode(piece).unwrap()).collect()
    }

    pub(super) fn set_beside(&mut self, beside: &[Beside]) {
        self.set(Kind::Aside, beside.iter().map(encode).collect());
    }

    /// The listing that goes with the pieces.
    pub(super) fn sealed(&self) -> Listing {
        let piece =
            |(kind, bytes): &(Kind, Vec<u8>)| Piece { kind: *kind, bytes: bytes.len() as u32 };
        Listing {
            pieces: self.pieces.iter().map(piece).collect(),
            chunks: self.data().chunks(CHUNK_BYTES).map(chunk_digest).collect(),
            ..self.listing.clone()
        }
    }

    fn data(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    /// Hands it to a member that trusts the founders of `chain`.
    pub(super) async fn offer(&self, chain: &Chain) -> Result<Base, SnapshotError> {
        let listing = Listing::decode(&encode(&self.sealed()))?;
        self.offer_as(chain, listing).await
    }

    /// The same with a listing that may not fit.
    pub(super) async fn offer_as(
        &self,
        chain: &Chain,
        listing: Listing,
    ) -> Result<Base, SnapshotError> {
        let disk = disk(&chain.context, "enemy");
        disk.receive(&listing).await?;
        for (chunk, index) in self.data().chunks(CHUNK_BYTES).zip(0..) {
            disk.put(&listing, index, chunk.to_vec().into()).await?;
        }
        let height = listing.height();
        let taken = take_into(&chain.context, "enemy", &disk, listing, &chain.genesis).await;
        assert_eq!(disk.newest().await.unwrap().is_some(), taken.is_ok());
        disk.remove(height).await.unwrap();
        taken
    }

    /// That it is refused, and why.
    pub(super) async fn refused(&self, chain: &Chain, what: &str) -> SnapshotError {
        match self.offer(chain).await {
            Ok(_) => panic!("{what}: it is taken over"),
            Err(error) => error,
        }
    }
}
