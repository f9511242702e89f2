//! What a member begins with that has taken over the state of a block: the block, what came of it, and who has voted since
//! genesis (docs/formats/snapshot.md).

use std::sync::Arc;

use hanse_crypto::merkle::Accumulator;
use hanse_execution::{Executed, Succession, World};
use hanse_proof::{
    Claim, Finalization, Proof, ProofError, StateProofItem, TrustRoot, Verified,
    decode_finalization, verify,
};
use hanse_types::{Block, Body, Committee, Digest, Genesis, Header, StateKey};

use crate::{
    chain::Candidate,
    epochs::{Epochs, Turn},
    limits::SNAPSHOT_BLOCKS_MAX,
};

/// Layout of a manifest that this program writes and reads.
pub const MANIFEST_VERSION: u16 = 1;

/// Proves to whoever has a trust root what the state of a block is, and holds all but the state itself that a member needs to
/// go on from there.
#[derive(Clone, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u16,
    /// A `value` proof of the state's [`hanse_types::Aside`] record, whose root binds the whole state after `base`.
    pub proof: Vec<u8>,
    /// The header of the block, which settles.
    pub base: Header,
    /// All header digests up to `base`.
    pub history: Accumulator,
    /// Every change of members before, oldest first, as in the proof's handovers.
    pub turns: Vec<Turn>,
    /// The engine's bytes for the certificate that ends the proof.
    pub finalization: Vec<u8>,
}

/// Why a manifest, or what comes with it, is not gone on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Another layout.
    #[error("the manifest has version {0}, and this build knows {MANIFEST_VERSION}")]
    Version(u16),
    /// The proof does not lead from the trust root to the state's root.
    #[error("the manifest's proof does not hold")]
    Proof(#[from] ProofError),
    /// The proof holds, but for something else.
    #[error("the manifest's proof is not about the state after its block")]
    Claim,
    /// A part does not fit the proof.
    #[error("the manifest's {0} does not fit its proof")]
    Part(&'static str),
    /// The blocks do not lead from the manifest's block to the certified one.
    #[error("block {0} after the manifest's does not fit")]
    Block(usize),
}

/// A manifest that holds, with the blocks after its own up to a certified one.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The block whose state it is.
    pub header: Header,
    /// Root of the authenticated map there.
    pub root: Digest,
    /// The blocks after it, the last one certified by `finalization`.
    pub after: Vec<Arc<Block>>,
    /// The engine's bytes.
    pub finalization: Vec<u8>,
    /// Who votes in the block's epoch.
    pub committee: Committee,
    /// What was verified.
    pub verified: Verified,
    history: Accumulator,
    turns: Vec<Turn>,
}

impl Manifest {
    /// Checks everything about it but the blocks that follow: then a quorum vouches for its height and its state's root.
    ///
    /// # Errors
    /// [`ManifestError`], all but `Block`.
    pub fn check_proof(&self, genesis: &Genesis) -> Result<(), ManifestError> {
        self.proven(genesis).map(drop)
    }

    fn proven(&self, genesis: &Genesis) -> Result<(Proof, Verified), ManifestError> {
        if self.version != MANIFEST_VERSION {
            return Err(ManifestError::Version(self.version));
        }
        let verified = verify(&self.proof, &TrustRoot::from_genesis(genesis))?;
        let proof = Proof::decode(&self.proof)?;
        let aside = StateKey::Aside.encode();
        match &proof.claim {
            Claim::State(StateProofItem::Value(entry)) if entry.record.key == aside => {}
            _ => return Err(ManifestError::Claim),
        }
        let (base, epoch) = (&self.base, verified.header.place.epoch);
        let params = &genesis.params;
        if verified.header.settled_height != base.height
            || !base.settles
            || base.place.epoch != epoch
            || params.is_last_of_epoch(base.height)
        {
            return Err(ManifestError::Claim);
        }
        if self.history.size() != base.height + 1 {
            return Err(ManifestError::Part("history"));
        }
        let same = |turn: &Turn, handover: &hanse_proof::Handover| {
            turn.header == handover.header
                && turn.next == handover.committee
                && turn.read(&self.turns, genesis).as_ref() == Some(&handover.finalization)
        };
        let turns = self.turns.iter().zip(&proof.handovers);
        if self.turns.len() != proof.handovers.len() || !turns.clone().all(|(t, h)| same(t, h)) {
            return Err(ManifestError::Part("handovers"));
        }
        Ok((proof, verified))
    }

    /// Checks it, with the blocks that follow its own, against the genesis that whoever asks trusts.
    ///
    /// What is left to check is the state itself: the map rebuilt from it must have [`Checked::root`], and the world the
    /// records of that map.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn check(
        self,
        genesis: &Genesis,
        after: Vec<Arc<Block>>,
    ) -> Result<Checked, ManifestError> {
        let (proof, verified) = self.proven(genesis)?;
        let committee = committee_of(&self.turns, genesis, verified.header.place.epoch);
        check_blocks(&self.base, &proof, &after)?;
        if self.history.root() != after[0].header.history_root {
            return Err(ManifestError::Part("history"));
        }
        let read = decode_finalization(&self.finalization, committee.members.len());
        if read != Ok((verified.certified_digest, proof.finalization)) {
            return Err(ManifestError::Part("certificate"));
        }
        Ok(Checked {
            root: verified.header.state_root,
            header: self.base,
            after,
            finalization: self.finalization,
            committee,
            verified,
            history: self.history,
            turns: self.turns,
        })
    }
}

/// The blocks lead from `base` to the last header of `proof`, by way of its first, and their bodies are theirs.
fn check_blocks(base: &Header, proof: &Proof, after: &[Arc<Block>]) -> Result<(), ManifestError> {
    if after.is_empty() || after.len() > SNAPSHOT_BLOCKS_MAX {
        return Err(ManifestError::Block(after.len()));
    }
    let mut parent = base.clone();
    for (index, block) in after.iter().enumerate() {
        let header = &block.header;
        let follows = header.parent == parent.digest() && header.height == parent.height + 1;
        if !follows || block.body.root() != header.body_root {
            return Err(ManifestError::Block(index));
        }
        parent = header.clone();
    }
    let first = proof.headers[0].height.checked_sub(base.height + 1);
    let tail = first.and_then(|first| after.get(usize::try_from(first).ok()?..));
    let proven = tail.is_some_and(|tail| {
        tail.len() == proof.headers.len()
            && tail.iter().zip(&proof.headers).all(|(block, header)| block.header == *header)
    });
    if proven { Ok(()) } else { Err(ManifestError::Block(after.len() - 1)) }
}

/// Who votes in `epoch`, as the turns before it say.
fn committee_of(turns: &[Turn], genesis: &Genesis, epoch: u64) -> Committee {
    let last = turns.iter().rev().find(|turn| turn.next.epoch <= epoch);
    let members = last.map_or_else(|| genesis.committee(), |turn| turn.next.clone());
    Committee { epoch, ..members }
}

impl Turn {
    /// Its certificate, read as one of the committee that voted before it; none if that cannot be.
    fn read(&self, turns: &[Self], genesis: &Genesis) -> Option<Finalization> {
        let committee = committee_of(turns, genesis, self.header.place.epoch);
        let (payload, read) =
            decode_finalization(&self.finalization, committee.members.len()).ok()?;
        (payload == self.header.digest()).then_some(read)
    }
}

/// A state taken over: what [`crate::Ledger::begin_at`] goes on from.
#[derive(Clone, Debug)]
pub struct Base {
    checked: Checked,
    world: World,
}

impl Base {
    /// The state `world` after the block of `checked`.
    ///
    /// Whoever makes it has compared `world` with the map of [`Checked::root`].
    pub fn new(checked: Checked, world: World) -> Self {
        Self { checked, world }
    }

    /// What was checked.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Records of the state.
    pub fn records(&self) -> u64 {
        self.world.len() as u64
    }

    /// The last block of the epoch before the base's, by digest.
    pub fn begins_on(&self) -> Digest {
        self.world.begins_on()
    }

    /// The block, without its body.
    pub fn block(&self) -> Arc<Block> {
        Arc::new(Block { header: self.checked.header.clone(), body: Body::default() })
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn history(&self) -> &Accumulator {
        &self.checked.history
    }

    pub(crate) fn epochs(&self, genesis: &Genesis) -> Epochs {
        let epoch = self.checked.header.place.epoch;
        Epochs::resumed(genesis.committee(), &self.checked.turns, epoch)
    }

    pub(crate) fn candidate(&self, genesis: &Genesis) -> Candidate {
        let Checked { header, after, .. } = &self.checked;
        let next = &after[0].header;
        let executed = Executed {
            world: self.world.clone(),
            applied: Arc::default(),
            dirty: hanse_execution::Dirty::default(),
            receipt_root: next.receipt_root,
            event_root: next.event_root,
        };
        Candidate {
            block: self.block(),
            digest: header.digest(),
            executed,
            decoded: Vec::new(),
            history: self.checked.history.clone(),
            pending: Some(header.height),
            unsettled: false,
            succession: Succession::after(&genesis.params, header, &self.world),
        }
    }
}
