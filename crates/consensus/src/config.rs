//! What a member's consensus needs to know, and how much memory its queues may take.

use std::num::{NonZeroU64, NonZeroUsize};

use commonware_cryptography::Signer as _;
use commonware_utils::ordered::Set;
use hanse_types::{ChainParams, Committee, Digest};

use crate::{
    Doubt,
    engine::{PrivateKey, PublicKey, Scheme},
};

/// Prefix of what members sign, followed by the 32 bytes of the chain id; the engine appends the kind of vote.
pub const NAMESPACE: &[u8] = b"hanse/";

/// Everything [`crate::start`] needs besides the network and the application.
#[derive(Clone)]
pub struct Config {
    /// Binds every vote to this chain.
    pub chain_id: Digest,
    /// Who votes in the first epoch. Who votes in a later one the chain says.
    pub committee: Committee,
    /// Signs votes and authenticates connections.
    pub signer: ConsensusKey,
    /// Agreed timings.
    pub params: ChainParams,
    /// Prefix of all storage partitions of this room.
    pub partition_prefix: String,
    /// Follow and serve, and vote in no epoch that may hold a vote of this member already (DESIGN D8: votes lost or rolled
    /// back): from the one on that follows what the others are in when this member starts.
    pub verifier_only: bool,
    /// Called before a [`Config::verifier_only`] votes again.
    pub doubt: Doubt,
    /// Sizes of queues and buffers on this machine.
    pub sizes: Sizes,
}

/// A member's consensus key, ed25519 (RFC 8032).
#[derive(Clone)]
pub struct ConsensusKey(pub(crate) PrivateKey);

impl ConsensusKey {
    /// The key whose RFC 8032 secret is `seed`.
    pub fn from_seed_bytes(seed: [u8; 32]) -> Self {
        use commonware_codec::{Copying, DecodeExt as _};
        Self(PrivateKey::decode(Copying(&seed)).expect("any 32 bytes are an ed25519 secret"))
    }

    /// The public key, as committees list it.
    pub fn public(&self) -> [u8; 32] {
        raw(&self.0.public_key())
    }
}

/// Queue and buffer sizes. The defaults suit a committee of four to sixteen.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Messages waiting for one actor of the engine.
    pub mailbox: usize,
    /// Pages of 4 KiB that the archives and the vote log cache.
    pub cache_pages: usize,
    /// Bytes of each archive's write buffers.
    pub write_buffer: usize,
    /// Bytes read at once when a log is replayed.
    pub replay_buffer: usize,
    /// Views of votes kept behind the newest finalization, for members that ask for them.
    pub view_retention: u64,
    /// Blocks kept per sender until they are asked for.
    pub broadcast_blocks: usize,
    /// Missing heights fetched at a time.
    pub repair: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            mailbox: 256,
            cache_pages: 256,
            write_buffer: 64 * 1024,
            replay_buffer: 64 * 1024,
            view_retention: 64,
            broadcast_blocks: 8,
            repair: 16,
        }
    }
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A committee key is no point of the curve, or one occurs twice.
    #[error("the committee's keys are not distinct ed25519 keys")]
    Committee,
    /// `heartbeat_ms < leader_timeout_ms < certification_timeout_ms` does not hold, or the heartbeat is zero.
    #[error("timings must satisfy 0 < heartbeat < leader time-out < certification time-out")]
    Timings,
    /// `epoch_blocks` is less than [`hanse_types::limits::EPOCH_BLOCKS_MIN`], or an epoch does not follow the one before.
    #[error("epochs are too short, or do not follow each other")]
    Epoch,
    /// A size is zero.
    #[error("queue and buffer sizes must not be zero")]
    Size,
}

impl Config {
    /// What votes of this chain are signed under.
    pub fn namespace(&self) -> Vec<u8> {
        namespace(&self.chain_id)
    }

    pub(crate) fn check(&self) -> Result<Set<PublicKey>, ConfigError> {
        let p = &self.params;
        if !(0 < p.heartbeat_ms
            && p.heartbeat_ms < p.leader_timeout_ms
            && p.leader_timeout_ms < p.certification_timeout_ms)
        {
            return Err(ConfigError::Timings);
        }
        if p.epoch_blocks < hanse_types::limits::EPOCH_BLOCKS_MIN {
            return Err(ConfigError::Epoch);
        }
        let s = &self.sizes;
        let sizes = [
            s.mailbox,
            s.cache_pages,
            s.write_buffer,
            s.replay_buffer,
            s.broadcast_blocks,
            s.repair,
        ];
        if sizes.contains(&0) || s.view_retention == 0 {
            return Err(ConfigError::Size);
        }
        participants(&self.committee)
    }

    /// What this member takes part with in a committee of `members`: it signs if it `votes` and has a seat.
    pub(crate) fn scheme(&self, members: &Set<PublicKey>, votes: bool) -> Scheme {
        let (namespace, key) = (self.namespace(), &self.signer.0);
        let signer = votes.then(|| Scheme::signer(&namespace, members.clone(), key.clone()));
        let seated = || Scheme::member(&namespace, members.clone(), &key.public_key());
        signer
            .flatten()
            .or_else(seated)
            .unwrap_or_else(|| Scheme::verifier(&namespace, members.clone()))
    }

    pub(crate) fn epoch_blocks(&self) -> NonZeroU64 {
        NonZeroU64::new(self.params.epoch_blocks).expect("checked: at least two")
    }
}

/// [`NAMESPACE`] and the chain id.
pub fn namespace(chain_id: &Digest) -> Vec<u8> {
    [NAMESPACE, &chain_id.0].concat()
}

/// The committee as the engine orders it: ascending key, which is also how [`Committee`] is sorted.
pub(crate) fn participants(committee: &Committee) -> Result<Set<PublicKey>, ConfigError> {
    let keys: Option<Vec<PublicKey>> =
        committee.members.iter().map(|m| public_key(&m.consensus)).collect();
    Set::try_from(keys.ok_or(ConfigError::Committee)?).map_err(|_| ConfigError::Committee)
}

pub(crate) fn public_key(raw: &[u8; 32]) -> Option<PublicKey> {
    use commonware_codec::{Copying, DecodeExt as _};
    PublicKey::decode(Copying(raw)).ok()
}

pub(crate) fn raw(key: &PublicKey) -> [u8; 32] {
    key.as_ref().try_into().expect("ed25519 keys have 32 bytes")
}

pub(crate) fn nz(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).expect("sizes are checked not to be zero")
}
