//! Channels between members: their numbers, their rates, and the two networks they are opened on.

use std::{
    collections::BTreeMap, marker::PhantomData, net::SocketAddr, num::NonZeroUsize, time::Duration,
};

use commonware_consensus::{
    BoundedBlock as _,
    marshal::{self, standard::Standard},
    simplex,
};
use commonware_cryptography::ChaCha20Poly1305;
use commonware_p2p::{
    Address, AddressableManager as _, Blocker, Ingress, Provider, Receiver, Sender,
    authenticated::lookup, max_message_size, simulated,
};
use commonware_runtime::{Clock, Handle, Metrics, Network, Quota, Resolver, Spawner};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{Hostname, ordered::Map};
use hanse_types::limits;
use rand_core::CryptoRng;

use crate::{
    Courier, EngineBlock,
    config::{ConsensusKey, public_key},
    courier::COURIER_BYTES_MAX,
    engine::{Digest, PublicKey, Scheme},
    past::ask::TELL_BYTES_MAX,
};

/// Bytes of one gossip message: a session batch or signed commands of at most one command's limit, and their frame.
pub const GOSSIP_BYTES_MAX: usize = limits::COMMAND_BYTES_MAX as usize + 1024;

/// Bytes of the number that tells epochs apart on a channel they share: a varint of 64 bits.
const EPOCH_BYTES_MAX: usize = 10;

/// One kind of traffic. Numbers are on the wire; never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) name: &'static str,
    pub(crate) number: u64,
    /// Messages one peer may send per second in the long run.
    pub(crate) rate: u32,
    /// Messages one peer may send at once; over it, it sends at `rate`. Queues are allocated for this many per peer.
    pub(crate) burst: u32,
    /// Bytes of an ordinary message, for the estimate of memory.
    pub(crate) ordinary: usize,
}

impl Channel {
    const fn new(name: &'static str, number: u64, rate: u32, burst: u32, ordinary: usize) -> Self {
        Self { name, number, rate, burst, ordinary }
    }

    /// Bytes of the longest message whose decoder takes it, in a committee of `members`. Whoever sends a longer one has
    /// provably left the protocol.
    pub(crate) fn greatest(self, members: usize) -> usize {
        let count = u32::try_from(members).expect("committees are limited to 64");
        match self.name {
            "votes" | "certificates" | "resolver" => {
                simplex::max_payload_size::<Scheme, Digest>(count) + EPOCH_BYTES_MAX
            }
            "broadcast" => EngineBlock::max_encode_size(&()),
            "gossip" => GOSSIP_BYTES_MAX,
            "past" => TELL_BYTES_MAX,
            "states" => COURIER_BYTES_MAX,
            _ => marshal::max_payload_size::<Standard<EngineBlock>, Scheme>(count, &()),
        }
    }

    fn quota(self) -> Quota {
        let rate = std::num::NonZeroU32::new(self.rate).expect("rates are constants above zero");
        let burst = std::num::NonZeroU32::new(self.burst).expect("bursts are constants above zero");
        Quota::per_second(rate).allow_burst(burst)
    }
}

/// In the order of [`Channels`]' fields.
pub(crate) const CHANNELS: [Channel; 8] = [
    // A view takes three votes, three certificates and one block of each member at most.
    Channel::new("votes", 0, 8_192, 64, 128),
    Channel::new("certificates", 1, 4_096, 32, 320),
    Channel::new("resolver", 2, 512, 32, 320),
    Channel::new("broadcast", 3, 2_048, 8, 64 * 1024),
    // As many as a member that catches up asks for at a time ([`crate::Sizes::repair`]).
    Channel::new("backfill", 4, 1_024, 16, 64 * 1024),
    Channel::new("gossip", 5, 4_096, 64, 8 * 1024),
    Channel::new("past", 6, 32, 8, 128),
    // A member that takes over a state has a few requests under way.
    Channel::new("states", 7, 128, 4, 64 * 1024),
];

/// A kind of network: the types of its ends. [`Real`] and [`Simulated`] are the two there are.
pub trait Links: Send + 'static {
    /// Sends on one channel.
    type Sender: Sender<PublicKey = PublicKey>;
    /// Receives from one channel.
    type Receiver: Receiver<PublicKey = PublicKey>;
    /// Cuts off a peer that provably misbehaves.
    type Blocker: Blocker<PublicKey = PublicKey> + Sync;
    /// Knows the current peers.
    type Peers: Provider<PublicKey = PublicKey> + Sync;
}

/// Encrypted connections over TCP.
pub struct Real<E>(PhantomData<E>);

impl<E: Clock> Links for Real<E> {
    type Sender = lookup::Sender<PublicKey, E>;
    type Receiver = lookup::Receiver<PublicKey>;
    type Blocker = lookup::Oracle<PublicKey>;
    type Peers = lookup::Oracle<PublicKey>;
}

/// The simulator's links.
pub struct Simulated<E>(PhantomData<E>);

impl<E: Clock> Links for Simulated<E> {
    type Sender = simulated::Sender<PublicKey, E>;
    type Receiver = simulated::Receiver<PublicKey>;
    type Blocker = simulated::Control<PublicKey, E>;
    type Peers = simulated::Manager<PublicKey, E>;
}

pub(crate) type Pair<N> = (<N as Links>::Sender, <N as Links>::Receiver);

/// A member's ends of all channels.
pub struct Channels<N: Links> {
    pub(crate) votes: Pair<N>,
    pub(crate) certificates: Pair<N>,
    pub(crate) resolver: Pair<N>,
    pub(crate) broadcast: Pair<N>,
    pub(crate) backfill: Pair<N>,
    pub(crate) gossip: Pair<N>,
    pub(crate) past: Pair<N>,
    pub(crate) states: Option<Pair<N>>,
    pub(crate) blocker: N::Blocker,
    pub(crate) peers: N::Peers,
    pub(crate) track: Track,
}

impl<N: Links> Channels<N> {
    /// The end for messages about whole states; once.
    pub fn courier(&mut self) -> Option<Courier> {
        self.states.take().map(Courier::new::<N>)
    }
}

/// Somebody whom members keep connections to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its consensus key.
    pub key: [u8; 32],
    /// Its organisation.
    pub organisation: String,
    /// `host:port`; empty for the address that this member's operator configured for the organisation.
    pub address: String,
}

/// Tells the network whom to keep connections to from now on.
pub(crate) type Track = Box<dyn FnMut(Vec<Contact>) + Send>;

/// Bytes of the largest message the committee's members send each other, before framing and encryption.
pub fn message_bytes_max(members: usize) -> u32 {
    let members = u32::try_from(members).expect("committees are limited to 64");
    max_message_size(&[
        simplex::max_payload_size::<Scheme, Digest>(members) + EPOCH_BYTES_MAX,
        marshal::max_payload_size::<Standard<EngineBlock>, Scheme>(members, &()),
        GOSSIP_BYTES_MAX,
    ])
}

/// Where a peer is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its consensus key.
    pub key: [u8; 32],
    /// Its organisation.
    pub organisation: String,
    /// Its address.
    pub address: PeerAddress,
}

/// An address that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// IP address and port.
    Socket(SocketAddr),
    /// Resolved again at each attempt.
    Name {
        /// DNS name.
        host: String,
        /// TCP port.
        port: u16,
    },
}

impl PeerAddress {
    /// Reads `host:port`; `None` if it is neither an IP address (version 6 in brackets) nor a name with a port.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(socket) = text.parse() {
            return Some(Self::Socket(socket));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Self::Name { host: host.to_owned(), port })
    }
}

/// Why a network cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// A peer's key is no point of the curve.
    #[error("peer {0} has a key that is not ed25519")]
    Key(usize),
    /// A peer's host is not a DNS name (RFC 1123).
    #[error("peer {0} has a host that is not a DNS name")]
    Host(usize),
    /// Two peers have the same key.
    #[error("two peers have the same key")]
    Duplicate,
    /// The simulator has ended.
    #[error("the simulated network has ended")]
    Ended,
}

/// A real network, before and after its start.
pub struct RealNetwork<E: Clock> {
    /// Give these to [`crate::start`].
    pub channels: Channels<Real<E>>,
    /// Resolves when the network ends; dropping it does not end the network.
    pub ended: Handle<()>,
}

/// Settings of the real network.
#[derive(Clone)]
pub struct RealConfig {
    /// This member.
    pub key: ConsensusKey,
    /// The chain: members of another chain cannot complete a handshake.
    pub chain_id: hanse_types::Digest,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The founders, this member included if it is one. Whom else to connect to the chain says.
    pub peers: Vec<Peer>,
}

/// Sets of contacts that stay connected. One: whoever leaves is among the contacts for a while.
pub(crate) const PEER_SETS: NonZeroUsize = NonZeroUsize::new(1).expect("not zero");
/// Founders that are counted at least.
const FOUNDERS_MIN: usize = 4;

/// Members, applicants and leavers there is room for until the next start when there are `members` at this one: twice as many.
/// All queues are as many times as long.
pub(crate) fn contacts_max(members: usize) -> usize {
    2 * members.max(FOUNDERS_MIN)
}

/// Messages waiting for the network's own actors.
pub(crate) const NETWORK_MAILBOX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Opens encrypted connections to all `peers` and keeps them open.
///
/// # Errors
/// See [`NetworkError`]. A port that is taken shows as the end of [`RealNetwork::ended`].
pub fn real_network<E>(context: E, config: RealConfig) -> Result<RealNetwork<E>, NetworkError>
where
    E: Spawner + Clock + CryptoRng + Network + Resolver + Metrics,
{
    let peers = addresses(&config.peers)?;
    let configured = config.peers.iter().map(|p| (p.organisation.clone(), p.address.clone()));
    let configured: BTreeMap<String, PeerAddress> = configured.collect();
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: config.key.0.clone(),
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let count = contacts_max(peers.len());
    let mut settings = lookup::Config::local(
        handshake,
        &[b"hanse/p2p/".as_slice(), &config.chain_id.0].concat(),
        config.listen,
        NonZeroUsize::new(count).expect("a constant at least"),
        message_bytes_max(count),
        NETWORK_MAILBOX,
    );
    // Members authenticate by key; behind address translation their source address is not what others dial.
    settings.bypass_ip_check = true;
    settings.tracked_peer_sets = PEER_SETS;
    let (mut network, mut oracle) = lookup::Network::new(context, settings);
    oracle.track(0, peers);
    let track = tracker(oracle.clone(), configured);
    let mut open = |channel: Channel| network.register(channel.number, channel.quota());
    let [votes, certificates, resolver, broadcast, backfill, gossip, past, states] = CHANNELS;
    let channels = Channels {
        votes: open(votes),
        certificates: open(certificates),
        resolver: open(resolver),
        broadcast: open(broadcast),
        backfill: open(backfill),
        gossip: open(gossip),
        past: open(past),
        states: Some(open(states)),
        blocker: oracle.clone(),
        peers: oracle,
        track,
    };
    Ok(RealNetwork { channels, ended: network.start() })
}

/// Follows the contacts that the chain names, each set under the next number. Who has no address that can be dialled is left out:
/// it may still be one that only dials.
fn tracker(
    mut oracle: lookup::Oracle<PublicKey>,
    configured: BTreeMap<String, PeerAddress>,
) -> Track {
    let mut sets = 0;
    Box::new(move |contacts| {
        let peer = |contact: Contact| {
            let address = match contact.address.as_str() {
                "" => configured.get(&contact.organisation).cloned(),
                text => PeerAddress::parse(text),
            };
            let Some(address) = address else {
                tracing::warn!(contact.organisation, "no address is known; see [p2p.peers]");
                return None;
            };
            Some(Peer { key: contact.key, organisation: contact.organisation, address })
        };
        let peers: Vec<Peer> = contacts.into_iter().filter_map(peer).collect();
        match addresses(&peers) {
            Ok(peers) => {
                sets += 1;
                tracing::info!(set = sets, peers = peers.len(), "connections follow the seats");
                oracle.track(sets, peers);
            }
            Err(error) => tracing::error!(%error, "the seats' addresses cannot be used"),
        }
    })
}

fn addresses(peers: &[Peer]) -> Result<Map<PublicKey, Address>, NetworkError> {
    let entries: Result<Vec<_>, NetworkError> = peers
        .iter()
        .enumerate()
        .map(|(i, peer)| {
            let key = public_key(&peer.key).ok_or(NetworkError::Key(i))?;
            let address = match &peer.address {
                PeerAddress::Socket(socket) => Address::Symmetric(*socket),
                PeerAddress::Name { host, port } => Address::Asymmetric {
                    ingress: Ingress::Dns {
                        host: Hostname::new(host).map_err(|_| NetworkError::Host(i))?,
                        port: *port,
                    },
                    egress: SocketAddr::from(([0, 0, 0, 0], 0)),
                },
            };
            Ok((key, address))
        })
        .collect();
    Map::try_from(entries?).map_err(|_| NetworkError::Duplicate)
}

/// The simulator's network as an object the caller links and cuts.
pub type SimulatedOracle<E> = simulated::Oracle<PublicKey, E>;

/// Registers a member's channels with the simulator. The oracle must already track the committee's keys as peers.
///
/// # Errors
/// [`NetworkError::Key`] with index 0 if `key` is not ed25519, [`NetworkError::Ended`] if the simulator has ended.
pub async fn simulated_channels<E: Clock>(
    oracle: &SimulatedOracle<E>,
    key: &[u8; 32],
) -> Result<Channels<Simulated<E>>, NetworkError> {
    let control = oracle.control(public_key(key).ok_or(NetworkError::Key(0))?);
    let mut opened = Vec::with_capacity(CHANNELS.len());
    for channel in CHANNELS {
        let pair = control.register(channel.number, channel.quota()).await;
        opened.push(pair.map_err(|_| NetworkError::Ended)?);
    }
    let [votes, certificates, resolver, broadcast, backfill, gossip, past, states] =
        <[_; 8]>::try_from(opened).unwrap_or_else(|_| unreachable!("one pair per channel"));
    Ok(Channels {
        votes,
        certificates,
        resolver,
        broadcast,
        backfill,
        gossip,
        past,
        states: Some(states),
        blocker: control,
        peers: oracle.manager(),
        // Whoever holds the oracle says who is linked with whom.
        track: Box::new(|_| {}),
    })
}

/// The committee's keys in the engine's own type, for [`SimulatedOracle`]'s calls.
///
/// # Panics
/// If a key is not ed25519.
pub fn simulated_key(key: &[u8; 32]) -> PublicKey {
    public_key(key).expect("a committee's keys are ed25519")
}

/// A simulated network among `keys`, without links yet.
pub async fn simulated_network<E>(context: E, keys: &[[u8; 32]]) -> SimulatedOracle<E>
where
    E: Spawner + Clock + rand_core::Rng + Network + Metrics,
{
    let settings = simulated::Config {
        max_size: message_bytes_max(keys.len()),
        max_peers_per_set: NonZeroUsize::new(keys.len()).expect("at least one member"),
        disconnect_on_block: true,
        tracked_peer_sets: PEER_SETS,
    };
    let peers: Vec<PublicKey> = keys.iter().map(simulated_key).collect();
    let (network, oracle) = simulated::Network::new_with_peers(context, settings, peers).await;
    network.start();
    oracle
}
