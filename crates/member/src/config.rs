//! What one member is made with.

use std::sync::Arc;

use hanse_consensus::{Bound, Config, ConsensusKey, Doubt, Sizes, memory_bound};
use hanse_crypto::SigningKey;
use hanse_store::VoteJournal;
use hanse_types::Genesis;

/// Prefix of all partitions of the engine.
pub(crate) const PREFIX: &str = "hanse";
/// Logical page size of the engine's page cache: 4 KiB less the 12 bytes of its checksum.
const PAGE_SIZE: std::num::NonZeroU16 = std::num::NonZeroU16::new(4084).expect("not zero");

/// One member.
pub struct MemberConfig {
    /// What all members agreed on.
    pub genesis: Genesis,
    /// This member's consensus key.
    pub consensus: ConsensusKey,
    /// Its gateway's key; without one it serves no session clients.
    pub gateway: Option<SigningKey>,
    /// Follow and serve, and vote only from the epoch on that follows the one the others are in (DESIGN D8).
    pub verifier_only: bool,
    /// Whoever starts it vouches that this key has never voted on this chain: only then may a log without votes vote.
    pub first_start: bool,
    /// Blocks between two snapshots of the state, at least: what a restart executes again, and what a new member fetches.
    pub snapshot_blocks: u64,
}

/// Blocks between two snapshots where nothing else is said: some minutes of a busy chain, some hours of an idle one.
pub const SNAPSHOT_BLOCKS: u64 = 4_096;

impl MemberConfig {
    pub(crate) fn engine(&self, doubt: Doubt) -> Config {
        Config {
            chain_id: self.genesis.chain_id(),
            committee: self.genesis.committee(),
            signer: self.consensus.clone(),
            params: self.genesis.params.clone(),
            partition_prefix: PREFIX.to_owned(),
            verifier_only: self.verifier_only,
            doubt,
            sizes: Sizes::default(),
        }
    }

    /// This member's place among the founders, if it is one.
    pub(crate) fn seat(&self) -> Option<u64> {
        let (members, me) = (self.genesis.committee().members, self.consensus.public());
        members.iter().position(|member| member.consensus == me).map(|place| place as u64)
    }

    /// Its place, or the first one, and of how many.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.seat().unwrap_or(0), self.genesis.committee().members.len() as u64)
    }

    /// The memory that queues, caches and buffers of consensus and network may take.
    pub fn memory_bound(&self) -> Bound {
        memory_bound(&self.engine(Arc::new(|_| Box::pin(std::future::ready(false)))))
    }

    /// How every member's log is laid out: votes are flushed; certificates, blocks and indexes ride along
    /// (docs/durability.md).
    pub fn log() -> hanse_store::Config {
        let mut config = hanse_store::Config::new("log");
        let prefix = format!("{PREFIX}-votes");
        config.votes.push(VoteJournal { prefix, page_size: PAGE_SIZE });
        config.riding.push(format!("{PREFIX}-following"));
        config.riding.push(format!("{PREFIX}-marshal"));
        config.riding.push(format!("{PREFIX}-blocks"));
        config.riding.push(format!("{PREFIX}-certificates"));
        config.spilled.push(format!("{PREFIX}-blocks"));
        config.spilled.push(format!("{PREFIX}-certificates"));
        config
    }
}
