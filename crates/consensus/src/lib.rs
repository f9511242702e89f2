//! Hand blocks to the engine and bring back certified ones.
//!
//! The only room that names the engine (commonware simplex and marshal, docs/adr/0002). A member opens a network
//! ([`real_network`] or [`simulated_channels`]), implements [`Application`], and calls [`start`].

mod application;
mod archive;
mod base;
mod bridge;
mod certified;
mod committer;
mod config;
mod courier;
mod early;
mod engine;
mod engine_block;
mod epochs;
mod gossip;
mod handle;
mod memory;
mod network;
mod past;
mod schemes;
mod settings;
mod spine;
mod start;
mod tap;
mod voice;
mod watch;

pub use application::{Application, Certified, Pace, Verdict};
pub use archive::Stored;
pub use base::Base;
pub use config::{Config, ConfigError, ConsensusKey, NAMESPACE, Sizes, namespace};
pub use courier::{COURIER_BYTES_MAX, Courier};
pub use engine::Runtime;
pub use engine_block::{BLOCK_BYTES_MAX, EngineBlock};
pub use epochs::Doubt;
pub use gossip::{Gossip, GossipError, Recipients};
pub use handle::{Handle, Schedule};
pub use memory::{Bound, ChannelBound, memory_bound};
pub use network::{
    Channels, Contact, GOSSIP_BYTES_MAX, Links, NetworkError, Peer, PeerAddress, Real, RealConfig,
    RealNetwork, Simulated, SimulatedOracle, message_bytes_max, real_network, simulated_channels,
    simulated_key, simulated_network,
};
pub use past::VotesError;
pub use start::{Ended, StartError, Started, following_partition, start, vote_partition};
pub use tap::{Ear, Says, SignedVote, Tap, TapChecked, TapEnd, Tapped, Unsent};
pub use watch::{MemberStatus, Status};

#[cfg(test)]
mod certificate;
#[cfg(test)]
mod tests;
