//! A committee of the real engine, each member on its own log: flushes per block, and a restart.

use super::support::{PAGE_SIZE, small, tearing};
use crate::{Config, Counters, OneLog, VoteJournal};
use commonware_consensus::{
    Monitor as _,
    simplex::{
        self, Engine, Floor, ForwardPolicy, SkipBudget, SkipPolicy,
        elector::RoundRobin,
        max_payload_size,
        mocks::{
            application::{self, Application, Certifier},
            relay::Relay,
            reporter,
        },
        scheme::ed25519::{self, Scheme},
    },
    types::{Epoch, View, ViewDelta},
};
use commonware_cryptography::{
    certificate::mocks::Fixture,
    ed25519::PublicKey,
    sha256::{Digest, Sha256},
};
use commonware_p2p::{
    max_message_size,
    simulated::{self, Link, Network, Oracle},
};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Quota, Runner as _, Supervisor as _, buffer::paged::CacheRef, deterministic,
};
use commonware_utils::{NZDuration, NZU32, NZUsize, probability, test_rng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const EPOCH: Epoch = Epoch::new(7);
const MEMBERS: u32 = 4;

type Context = deterministic::Context;
type Reporter = reporter::Reporter<Context, Scheme, RoundRobin, Digest>;

fn member_config(index: usize) -> Config {
    Config {
        votes: vec![VoteJournal { prefix: format!("voter-{index}"), page_size: PAGE_SIZE }],
        partition: format!("log-{index}"),
        segment_bytes: 256 << 10,
        checkpoint_bytes: 512 << 10,
        ..small()
    }
}

async fn network(context: &Context, members: &[PublicKey]) -> Oracle<PublicKey, Context> {
    let config = simulated::Config {
        max_size: max_message_size(&[max_payload_size::<Scheme, Digest>(MEMBERS)]),
        max_peers_per_set: NZUsize!(members.len()),
        disconnect_on_block: true,
        tracked_peer_sets: NZUsize!(1),
    };
    let (network, oracle) =
        Network::new_with_peers(context.child("network"), config, members.to_vec()).await;
    network.start();
    let link = Link {
        latency: Duration::from_millis(10),
        jitter: Duration::from_millis(1),
        success_rate: probability!(1.0),
    };
    for from in members {
        for to in members.iter().filter(|to| *to != from) {
            oracle.add_link(from.clone(), to.clone(), link.clone()).await.unwrap();
        }
    }
    oracle
}

/// What every member needs to know of the others.
struct Committee {
    keys: Vec<PublicKey>,
    schemes: Vec<Scheme>,
    oracle: Oracle<PublicKey, Context>,
    relay: Arc<Relay<Digest, PublicKey>>,
}

struct Member {
    log: OneLog<Context>,
    reporter: Reporter,
    votes_seen: u64,
}

impl Committee {
    async fn new(context: &Context) -> Self {
        let Fixture { participants: keys, schemes, .. } =
            ed25519::fixture(&mut test_rng(), b"hanse", MEMBERS);
        let oracle = network(context, &keys).await;
        Self { keys, schemes, oracle, relay: Arc::new(Relay::new()) }
    }

    async fn start(&self, context: Context, index: usize) -> Member {
        let (key, scheme) = (self.keys[index].clone(), self.schemes[index].clone());
        let elector = RoundRobin::<Sha256>::default();
        let reporter = Reporter::new(
            context.child("reporter"),
            reporter::Config {
                participants: self.keys.clone().try_into().unwrap(),
                scheme: scheme.clone(),
                elector: elector.clone(),
            },
        );
        let config = application::Config::<Sha256, _> {
            relay: self.relay.clone(),
            me: key.clone(),
            propose_latency: (1.0, 0.5),
            verify_latency: (1.0, 0.5),
            certify_latency: (1.0, 0.5),
            should_certify: Certifier::Always,
        };
        let (actor, application) = Application::new(context.child("application"), config);
        actor.start();
        let opened = OneLog::open(context.child("log"), member_config(index)).await;
        let (log, report) = opened.unwrap();
        let control = self.oracle.control(key);
        let engine = Engine::new(
            log.child("engine"),
            simplex::Config {
                scheme,
                elector,
                blocker: control.clone(),
                automaton: application.clone(),
                relay: application,
                reporter: reporter.clone(),
                strategy: Sequential,
                partition: format!("voter-{index}-{EPOCH}"),
                mailbox_size: NZUsize!(1024),
                epoch: EPOCH,
                floor: Floor::Genesis(application::genesis::<Sha256>(EPOCH)),
                leader_timeout: Duration::from_secs(1),
                certification_timeout: Duration::from_secs(2),
                timeout_retry: Duration::from_secs(10),
                fetch_timeout: NZDuration!(Duration::from_secs(1)),
                fetch_retry_delay: Duration::from_millis(100),
                view_retention: ViewDelta::new(10),
                skip: SkipPolicy::Enabled {
                    timeout: Duration::from_secs(12),
                    budget: SkipBudget::Participants,
                },
                replay_buffer: NZUsize!(1 << 20),
                write_buffer: NZUsize!(1 << 20),
                page_cache: CacheRef::new(PAGE_SIZE, NZUsize!(16)),
                forward: ForwardPolicy::Disabled,
                track_historical_votes: false,
            },
        );
        let quota = Quota::per_second(NZU32!(1_024));
        let votes = control.register(0, quota).await.unwrap();
        let certificates = control.register(1, quota).await.unwrap();
        let resolver = control.register(2, quota).await.unwrap();
        engine.start(votes, certificates, resolver);
        Member { log, reporter, votes_seen: report.votes_seen() }
    }
}

async fn reach(members: &mut [Member], view: u64) {
    for member in members {
        let (mut latest, mut monitor) = member.reporter.subscribe().await;
        while latest < View::new(view) {
            latest = monitor.recv().await.expect("the reporter lives");
        }
        member.reporter.assert_no_faults();
        member.reporter.assert_no_invalid();
    }
}

/// Payloads by view and voter, as the members saw them.
type Seen = BTreeMap<(View, PublicKey), BTreeSet<Digest>>;

fn seen(members: &[Member], seen: &mut Seen) {
    for member in members {
        let all =
            [member.reporter.notarizes.lock().clone(), member.reporter.finalizes.lock().clone()];
        for (view, payloads) in all.into_iter().flatten().collect::<Vec<_>>() {
            for (payload, voters) in payloads.into_iter().collect::<Vec<_>>() {
                for voter in voters.into_iter().collect::<BTreeSet<_>>() {
                    seen.entry((view, voter)).or_default().insert(payload);
                }
            }
        }
    }
}

async fn committee(context: Context, view: u64) -> (Vec<Member>, Vec<Counters>) {
    let committee = Committee::new(&context).await;
    let mut members = Vec::new();
    for index in 0..MEMBERS as usize {
        members.push(committee.start(context.child("member"), index).await);
    }
    reach(&mut members, view).await;
    let counters = members.iter().map(|member| member.log.counters()).collect();
    (members, counters)
}

#[test]
fn a_block_costs_two_flushes_per_member() {
    deterministic::Runner::timed(Duration::from_secs(600)).start(|context| async move {
        let (members, counters) = committee(context, 200).await;
        for (index, counters) in counters.iter().enumerate() {
            let member = &members[index];
            let blocks = member.reporter.finalizations.lock().len() as u64;
            assert!(blocks >= 180, "member {index} finalised {blocks}");
            // Two per block; what remains is the start and a few lingering certificates.
            let (least, most) = (2 * blocks - 10, 2 * blocks + blocks / 4 + 10);
            assert!(
                (least..=most).contains(&counters.flushes),
                "member {index}: {blocks} blocks, {counters:?}"
            );
            assert_eq!(counters.unclassified, 0);
            assert!(counters.syncs > counters.flushes, "certificates rode along");
        }
    });
}

#[test]
fn a_committee_that_lost_power_signs_nothing_against_its_older_votes() {
    let mut all = Seen::new();
    let mut state = None;
    for round in 1..=3u64 {
        let runner = match state.take() {
            None => {
                let faults = deterministic::Config::default().with_storage_fault_config(tearing());
                deterministic::Runner::new(faults.with_seed(9))
            }
            Some(state) => deterministic::Runner::from(state),
        };
        let ((), cold) = runner.start_and_recover(|context| {
            let all = &mut all;
            async move {
                let (members, _) = committee(context, round * 25).await;
                for member in &members {
                    assert_eq!(member.votes_seen > 0, round > 1, "round {round}");
                }
                seen(&members, all);
            }
        });
        state = Some(cold);
    }
    assert!(all.len() > 200, "{} votes seen", all.len());
    for ((view, voter), payloads) in all {
        assert_eq!(payloads.len(), 1, "{voter} signed two payloads in view {view}");
    }
}
