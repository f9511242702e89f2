//! Where the chain begins for a member that has taken over the state of a block instead of executing all before it.

use std::sync::Arc;

use commonware_codec::{Copying, Decode as _};
use commonware_consensus::marshal::store::{Blocks as _, Certificates as _};
use commonware_cryptography::Digestible as _;
use commonware_storage::archive::Identifier;
use hanse_types::{Block, Committee, Digest, limits};

use crate::{
    EngineBlock,
    archive::Stored,
    engine::{self, Finalization, Runtime},
    start::StartError,
};

/// A block whose outcome the application already holds, and what follows it up to one with a certificate.
///
/// All of it must have been verified by whoever made it: this room checks that the blocks follow each other, and the engine
/// checks the certificate.
#[derive(Clone, Debug)]
pub struct Base {
    /// The block. Its body is not looked at and may be missing.
    pub block: Arc<Block>,
    /// Who votes in its epoch, of which it is not the last block.
    pub committee: Committee,
    /// Digest of the last block of the epoch before, or of genesis.
    pub begins_on: Digest,
    /// The blocks after it, in order, at least one, all of its epoch.
    pub after: Vec<Arc<Block>>,
    /// The engine's bytes that certify the last of them.
    pub finalization: Vec<u8>,
}

/// A [`Base`] in the engine's words.
#[derive(Clone)]
pub(crate) struct Anchor {
    pub(crate) block: EngineBlock,
    pub(crate) committee: Committee,
    pub(crate) begins_on: engine::Digest,
    pub(crate) finalization: Finalization,
}

impl Anchor {
    pub(crate) fn height(&self) -> u64 {
        self.block.block().header.height
    }
}

impl Base {
    /// Reads the certificate and checks that the blocks follow each other.
    ///
    /// # Errors
    /// [`StartError::Base`] if a block does not follow the one before, is of another epoch, there is none, or the certificate
    /// cannot be read or is for another block.
    fn read(&self) -> Result<(Anchor, Vec<EngineBlock>), StartError> {
        let block = EngineBlock::new(self.block.clone());
        let mut after = Vec::with_capacity(self.after.len());
        let mut digest = block.digest();
        for next in &self.after {
            let next = EngineBlock::new(next.clone());
            let (header, before) = (&next.block().header, self.block.header.height);
            let follows = header.parent.0 == digest.0
                && header.height == before + after.len() as u64 + 1
                && header.place.epoch == self.committee.epoch
                && self.block.header.place.epoch == self.committee.epoch;
            if !follows {
                return Err(StartError::Base("its blocks do not follow each other"));
            }
            digest = next.digest();
            after.push(next);
        }
        let cfg = limits::COMMITTEE_MAX;
        let finalization = Finalization::decode_cfg(Copying(&self.finalization), &cfg)
            .map_err(|_| StartError::Base("its certificate cannot be read"))?;
        if after.is_empty() || finalization.proposal.payload != digest {
            return Err(StartError::Base("its certificate is for another block"));
        }
        let begins_on = commonware_cryptography::sha256::Digest(self.begins_on.0);
        let committee = self.committee.clone();
        Ok((Anchor { block, committee, begins_on, finalization }, after))
    }
}

impl<E: Runtime> Stored<E> {
    /// The same for an application that begins at `base`. What follows it is in the archives then, durably.
    ///
    /// # Errors
    /// [`StartError::Base`], and [`StartError::Blocks`] and [`StartError::Certificates`] if an archive fails.
    pub async fn begin_at(self, base: &Base) -> Result<Self, StartError> {
        let (anchor, after) = base.read()?;
        let Self { cache, mut certificates, mut blocks, .. } = self;
        for block in &after {
            let height = block.block().header.height;
            let id = Identifier::Index(height);
            if blocks.get(id).await.map_err(StartError::Blocks)?.is_none() {
                let shared = Arc::new(block.clone());
                blocks = blocks.put(block.digest(), &shared).await.map_err(StartError::Blocks)?;
            }
        }
        blocks = blocks.sync().await.map_err(StartError::Blocks)?;
        let last = commonware_consensus::types::Height::new(anchor.height() + after.len() as u64);
        let digest = anchor.finalization.proposal.payload;
        certificates = certificates
            .put(last, digest, &anchor.finalization)
            .await
            .map_err(StartError::Certificates)?;
        certificates = certificates.sync().await.map_err(StartError::Certificates)?;
        Ok(Self { cache, certificates, blocks, base: Some(anchor) })
    }
}
