//! Blocks: what is ordered and what its header binds.

use alloc::{string::String, vec::Vec};
use borsh::{BorshDeserialize, BorshSerialize};
use hanse_crypto::{Digest, hash, merkle};

use crate::{Command, Height, TimeMs, encode};

/// Where the engine placed a proposal. The only engine words outside `consensus`; needed to check a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Place {
    /// Which committee voted.
    pub epoch: u64,
    /// The engine's view within the epoch.
    pub view: u64,
    /// The proposer's consensus key.
    pub leader: [u8; 32],
    /// The view the parent was proposed in.
    pub parent_view: u64,
}

/// What a certificate signs, through its digest. Fields for committees, history and retention are here from the first block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// Layout of this header: 1.
    pub version: u16,
    /// Protocol version the block was built under.
    pub protocol: u16,
    /// The chain.
    pub chain_id: Digest,
    /// One more than the parent's.
    pub height: Height,
    /// The engine's place of this proposal.
    pub place: Place,
    /// Digest of the parent header.
    pub parent: Digest,
    /// Later than the parent's.
    pub timestamp_ms: TimeMs,
    /// Root over the body's segments ([`Body::root`]).
    pub body_root: Digest,
    /// Root over the receipts of block `height - 1`.
    pub receipt_root: Digest,
    /// Root over the events of block `height - 1`.
    pub event_root: Digest,
    /// The newest settled height whose state root this header carries; 0 is genesis.
    pub settled_height: Height,
    /// Root of the authenticated map after block `settled_height`.
    pub state_root: Digest,
    /// Layout of the map behind `state_root`: 1.
    pub state_version: u16,
    /// True when the state after this very block is the next to be settled.
    pub settles: bool,
    /// RFC 6962 root over the digests of headers `0 .. height`.
    pub history_root: Digest,
    /// [`crate::Committee::digest`] of this epoch.
    pub committee: Digest,
    /// The same for the next epoch, with the seats as the parent's state has them: the last header of an epoch decides.
    /// Never equal to `committee`, for a committee names its epoch.
    pub next_committee: Digest,
}

impl Header {
    /// What certificates sign and children point to.
    pub fn digest(&self) -> Digest {
        hash("hanse/header", &[&encode(self)])
    }
}

/// Commands of one space.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Segment {
    /// The space; empty for the system space.
    pub space: String,
    /// In execution order.
    pub commands: Vec<Command>,
}

impl Segment {
    /// Leaf of the body tree, given the ids of the commands: a whole space's bodies can be dropped while the rest
    /// stays provable (DESIGN D20).
    fn digest_of(&self, ids: &[Digest]) -> Digest {
        segment_digest(&self.space, self.commands.len() as u64, &merkle::root(ids))
    }
}

/// A leaf of the tree behind [`Body::root`]: a space, how many commands it has in the block, and the root over their ids.
pub fn segment_digest(space: &str, commands: u64, root: &Digest) -> Digest {
    hash("hanse/segment", &[&encode(&space), &commands.to_le_bytes(), &root.0])
}

/// Ordered commands. Execution runs segments in order, and commands in order within each.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// Strictly ascending by space, none empty.
    pub segments: Vec<Segment>,
}

impl Body {
    /// What the header binds.
    pub fn root(&self) -> Digest {
        let ids: Vec<Digest> = self.commands().map(Command::id).collect();
        self.root_of(&ids)
    }

    /// [`Body::root`] when the ids of all commands are known, in execution order.
    ///
    /// # Panics
    /// If there is not exactly one id per command.
    pub fn root_of(&self, ids: &[Digest]) -> Digest {
        let mut rest = ids;
        let leaves: Vec<Digest> = self
            .segments
            .iter()
            .map(|segment| {
                let (own, after) = rest.split_at(segment.commands.len());
                rest = after;
                segment.digest_of(own)
            })
            .collect();
        assert!(rest.is_empty(), "one id per command");
        merkle::root(&leaves)
    }

    /// Commands in execution order.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.segments.iter().flat_map(|s| s.commands.iter())
    }
}

/// A header and its body.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// What is signed.
    pub header: Header,
    /// What it is about.
    pub body: Body,
}
