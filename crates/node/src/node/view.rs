//! What only the node knows of its member: who is connected, the newest certificate, whether it moves.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hanse_gateway_http::{
    Ask, CertificateView, Check, EngineView, MemberState, MemberView, Metrics,
};
use hanse_ledger::Ledger;
use hanse_member::{Handle, real::Member};
use hanse_types::{Committee, Genesis};

use crate::change::now_ms;

/// How often the engine is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Heartbeats without a vote after which a member counts as unreachable.
const HEARTBEATS: u64 = 4;
/// A process that has not looked for so long is stuck.
const STUCK: Duration = Duration::from_secs(60);
/// Heights searched backwards for a block with a certificate of its own: a block finalised through a descendant has none.
const CERTIFICATE_SEARCH: u64 = 16;

/// Refreshed beside the member; reading it never waits.
#[derive(Clone)]
pub(super) struct View(Arc<Mutex<Seen>>);

struct Seen {
    engine: EngineView,
    need: usize,
    live: usize,
    failed: bool,
    looked: Instant,
}

/// What a look needs.
struct Looker {
    handle: Handle,
    ledger: Arc<Ledger>,
    committee: Committee,
    me: [u8; 32],
    silent_ms: u64,
}

impl View {
    /// Looks at once and from then on.
    pub(super) fn start(genesis: &Genesis, me: [u8; 32], member: &Member) -> Self {
        let committee = genesis.committee();
        let looker = Looker {
            handle: member.handle.clone(),
            ledger: member.ledger.clone(),
            me,
            silent_ms: HEARTBEATS * u64::from(genesis.params.heartbeat_ms),
            committee,
        };
        let view = Self(Arc::new(Mutex::new(Seen {
            engine: looker.members(None),
            need: looker.committee.quorum(),
            live: 0,
            failed: false,
            looked: Instant::now(),
        })));
        let (kept, ended) = (view.clone(), member.ended());
        tokio::spawn(async move {
            let mut certificate = None;
            loop {
                certificate = looker.certificate(certificate).await;
                let engine = looker.members(certificate);
                kept.with(|seen| {
                    seen.live = live(&engine);
                    seen.engine = engine;
                    seen.looked = Instant::now();
                });
                if tokio::time::timeout(LOOK, ended.clone()).await.is_ok() {
                    kept.with(|seen| seen.failed = true);
                    return;
                }
            }
        });
        view
    }

    fn with<T>(&self, read: impl FnOnce(&mut Seen) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn engine(&self) -> Ask<EngineView> {
        let view = self.clone();
        Arc::new(move || view.with(|seen| seen.engine.clone()))
    }

    /// Connected to enough others, and storage works.
    pub(super) fn checks(&self) -> Ask<Vec<Check>> {
        let view = self.clone();
        Arc::new(move || {
            view.with(|seen| {
                let connected = if seen.live >= seen.need {
                    Ok(())
                } else {
                    Err(format!(
                        "{} of {} members are heard of, {} are needed",
                        seen.live,
                        seen.engine.members.len(),
                        seen.need
                    ))
                };
                let storage =
                    if seen.failed { Err("the member has ended".to_owned()) } else { Ok(()) };
                vec![
                    Check { name: "connected", result: connected },
                    Check { name: "storage", result: storage },
                ]
            })
        })
    }

    /// Own progress only: a healthy member of a halted chain stays live.
    pub(super) fn alive(&self) -> Ask<Result<(), String>> {
        let view = self.clone();
        Arc::new(move || {
            view.with(|seen| {
                if seen.failed {
                    return Err("the member has ended".to_owned());
                }
                let since = seen.looked.elapsed();
                if since > STUCK {
                    return Err(format!("the engine has not answered for {} s", since.as_secs()));
                }
                Ok(())
            })
        })
    }

    /// Adds the engine's and the log's numbers.
    pub(super) fn measure(&self, metrics: &Metrics, member: &Member) {
        let view = self.clone();
        metrics.gauge("consensus_members_live", "Members heard of lately", move || {
            view.with(|seen| seen.live as f64)
        });
        let handle = member.handle.clone();
        metrics.gauge("consensus_view", "Current view", move || handle.view() as f64);
        let counters = member.counter();
        metrics.counter("store_flushes", "Flushes of the log", move || counters().flushes);
        let counters = member.counter();
        metrics
            .counter("store_bytes", "Bytes written to the log", move || counters().flushed_bytes);
    }
}

fn live(engine: &EngineView) -> usize {
    engine.members.iter().filter(|m| m.state == MemberState::Live).count()
}

impl Looker {
    /// The newest certificate, or the one known before.
    async fn certificate(&self, known: Option<CertificateView>) -> Option<CertificateView> {
        let newest = self.handle.height();
        let oldest = known.map_or(0, |c| c.height).max(newest.saturating_sub(CERTIFICATE_SEARCH));
        for height in (oldest + 1..=newest).rev() {
            let Some(bytes) = self.handle.finalization(height).await else {
                continue;
            };
            let of = self.committee.members.len();
            let Ok((_, finalization)) = hanse_proof::decode_finalization(&bytes, of) else {
                continue;
            };
            return Some(CertificateView {
                height,
                signed: finalization.signatures.len() as u32,
                of: of as u32,
                need: self.committee.quorum() as u32,
            });
        }
        known
    }

    fn members(&self, certificate: Option<CertificateView>) -> EngineView {
        let (status, height) = (self.handle.status(), self.ledger.status().height);
        let now = now_ms();
        let members = self.committee.members.iter().map(|seat| {
            let seen = status.members.iter().find(|m| m.key == seat.consensus);
            let silent = seen.and_then(|m| m.last_seen_ms).map(|at| now.saturating_sub(at));
            let state = match silent {
                _ if seat.consensus == self.me => MemberState::Live,
                Some(ms) if ms <= self.silent_ms => MemberState::Live,
                Some(_) => MemberState::Unreachable,
                None => MemberState::Unknown,
            };
            MemberView {
                organisation: seat.organisation.clone(),
                member: hex::encode(seat.consensus),
                // Who votes now has checked the parent, so it is where we are.
                height: (state == MemberState::Live).then_some(height),
                state,
            }
        });
        EngineView { epoch: status.epoch, members: members.collect(), certificate }
    }
}
