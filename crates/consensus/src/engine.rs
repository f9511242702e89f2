//! The engine's types as this room instantiates them, named once.

use commonware_consensus::{
    marshal::{core, standard::Standard},
    simplex::{
        elector::{RoundRobin, RoundRobinElector},
        scheme::ed25519,
        types,
    },
};
use commonware_cryptography::sha256;
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;

use crate::EngineBlock;

pub(crate) use commonware_cryptography::ed25519::{PrivateKey, PublicKey};

pub(crate) type Digest = sha256::Digest;
pub(crate) type Scheme = ed25519::Scheme;
pub(crate) type Context = types::Context<Digest, PublicKey>;
pub(crate) type Finalization = types::Finalization<Scheme, Digest>;
pub(crate) type Activity = types::Activity<Scheme, Digest>;
pub(crate) type Mailbox = core::Mailbox<Scheme, Standard<EngineBlock>>;
pub(crate) type Elector = RoundRobin<sha256::Sha256>;
pub(crate) type BuiltElector = RoundRobinElector<Scheme>;

/// What a member runs on: the real runtime, the deterministic one, or a wrapper around either.
pub trait Runtime: Spawner + Metrics + Clock + Storage + CryptoRng {}

impl<E: Spawner + Metrics + Clock + Storage + CryptoRng> Runtime for E {}

/// Milliseconds since the Unix epoch by the runtime's clock.
pub(crate) fn now_ms(clock: &impl Clock) -> u64 {
    let since = clock.current().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
