//! The engine's settings, made from ours.

use std::time::Duration;

use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{self, resolver::p2p as backfill},
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipBudget, SkipPolicy},
    },
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, Signer as _};
use commonware_p2p::{Blocker, Provider};
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_utils::{NZU64, NonZeroDuration};

use crate::{
    Config, EngineBlock,
    base::Anchor,
    config::nz,
    engine::{Digest, Elector, PublicKey, Scheme},
    schemes::{Schemes, Seats},
    start::{following_partition, vote_partition},
};

/// Blocks handed over and not yet acknowledged. Commits are acknowledged at once; this hides one hop between tasks.
const PENDING_ACKS: usize = 16;
/// How long a peer has to answer a request for a block or certificate.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before an unanswered request is repeated.
const FETCH_RETRY: Duration = Duration::from_millis(100);
/// Bytes buffered per view's file of the vote log; a view holds a handful of records of about 200 bytes.
pub(crate) const VOTE_BUFFER: usize = 2 * 1024;

pub(crate) fn broadcast_settings<P: Provider<PublicKey = PublicKey>>(
    config: &Config,
    peers: P,
) -> buffered::Config<PublicKey, (), P, Sequential> {
    buffered::Config {
        public_key: config.signer.0.public_key(),
        mailbox_size: nz(config.sizes.mailbox),
        deque_size: config.sizes.broadcast_blocks,
        priority: true,
        codec_config: (),
        peer_provider: peers,
        strategy: Sequential,
    }
}

pub(crate) fn backfill_settings<P, B>(
    config: &Config,
    peers: P,
    blocker: B,
) -> backfill::Config<PublicKey, P, B>
where
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    backfill::Config {
        public_key: config.signer.0.public_key(),
        peer_provider: peers,
        blocker,
        mailbox_size: nz(config.sizes.mailbox),
        fetch_timeout: NonZeroDuration::new_panic(FETCH_TIMEOUT),
        fetch_retry_delay: FETCH_RETRY,
        priority_requests: false,
        priority_responses: false,
    }
}

pub(crate) type MarshalSettings =
    marshal::Config<Schemes, FixedEpocher, Sequential, EngineBlock, Digested<EngineBlock>>;

pub(crate) fn marshal_settings(
    config: &Config,
    schemes: &Schemes,
    (genesis, base): (EngineBlock, Option<Anchor>),
    cache: &CacheRef,
) -> MarshalSettings {
    let sizes = config.sizes;
    let digest = genesis.digest();
    let start = match base {
        // Where it had come to in an earlier life takes precedence if that is further.
        Some(base) => marshal::Start::Floor(base.finalization),
        None => marshal::Start::Genesis(Digested::precomputed(genesis, digest)),
    };
    marshal::Config {
        provider: schemes.clone(),
        epocher: schemes.epocher().clone(),
        start,
        partition_prefix: format!("{}-marshal", config.partition_prefix),
        mailbox_size: nz(sizes.mailbox),
        view_retention: ViewDelta::new(sizes.view_retention),
        prunable_items_per_section: NZU64!(64),
        page_cache: cache.clone(),
        replay_buffer: nz(sizes.replay_buffer),
        key_write_buffer: nz(sizes.write_buffer),
        value_write_buffer: nz(sizes.write_buffer),
        block_codec_config: (),
        max_repair: nz(sizes.repair),
        max_pending_acks: nz(PENDING_ACKS),
        strategy: Sequential,
    }
}

/// Settings of one epoch's voting; `votes` says whether this member takes part in it.
pub(crate) fn voting_settings<B, A, F>(
    config: &Config,
    (seats, votes): (&Seats, bool),
    cache: CacheRef,
    blocker: B,
    automaton: A,
    reporter: F,
) -> simplex::config::Config<Scheme, Elector, B, Digest, A, A, F, Sequential>
where
    B: Blocker<PublicKey = PublicKey>,
    A: commonware_consensus::CertifiableAutomaton<
            Context = crate::engine::Context,
            Digest = Digest,
        > + commonware_consensus::Relay<Digest = Digest, PublicKey = PublicKey>,
    F: commonware_consensus::Reporter<Activity = crate::engine::Activity>,
{
    let sizes = config.sizes;
    let epoch = seats.epoch;
    let leader_timeout = Duration::from_millis(config.params.leader_timeout_ms.into());
    let certification_timeout =
        Duration::from_millis(config.params.certification_timeout_ms.into());
    simplex::config::Config {
        scheme: config.scheme(&seats.participants, votes),
        elector: Elector::default(),
        blocker,
        automaton: automaton.clone(),
        relay: automaton,
        reporter,
        track_historical_votes: false,
        strategy: Sequential,
        partition: if votes {
            vote_partition(&config.partition_prefix, epoch)
        } else {
            following_partition(&config.partition_prefix, epoch)
        },
        mailbox_size: nz(sizes.mailbox),
        epoch: Epoch::new(epoch),
        floor: Floor::Genesis(seats.begins_on),
        replay_buffer: nz(sizes.replay_buffer),
        write_buffer: nz(VOTE_BUFFER),
        page_cache: cache,
        leader_timeout,
        certification_timeout,
        timeout_retry: leader_timeout,
        view_retention: ViewDelta::new(sizes.view_retention),
        skip: SkipPolicy::Enabled {
            timeout: certification_timeout * 2,
            budget: SkipBudget::Participants,
        },
        fetch_timeout: NonZeroDuration::new_panic(FETCH_TIMEOUT),
        fetch_retry_delay: FETCH_RETRY,
        // Every slowest voter would be sent each block again by everybody; a member that lacks one asks for it.
        forward: ForwardPolicy::Disabled,
    }
}
