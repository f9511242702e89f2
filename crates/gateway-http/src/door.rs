//! What all handlers of one door share.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hanse_crypto::sha256;
use hanse_ledger::{Ledger, Outcome, SubmitError, Ticket};
use hanse_proof::TrustFile;
use hanse_types::Digest;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::{
    DoorConfig,
    limits::{OUTCOME_TIME_DEFAULT, OUTCOME_TIME_MAX, ROOM_STEP_BYTES},
    problem::{Code, Problem},
};

/// Host names that mean this machine (RFC 6761 section 6.3; RFC 3986 writes IPv6 in brackets).
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Shared state; cloning is cheap.
#[derive(Clone)]
pub(crate) struct Door(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) desk: Arc<Ledger>,
    pub(crate) config: DoorConfig,
    pub(crate) hosts: BTreeSet<String>,
    /// Hash of the session token: comparing hashes takes the same time wherever two tokens first differ.
    pub(crate) token: Option<Digest>,
    /// `trust-root.json` of the founders.
    pub(crate) trust_root: String,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) watchers: Arc<Semaphore>,
    /// In steps of [`ROOM_STEP_BYTES`].
    pub(crate) bodies: Arc<Semaphore>,
}

/// Turns true when the server stops; put into every request by [`crate::serve`], so that endless answers end.
#[derive(Clone, Debug)]
pub(crate) struct Closing(pub(crate) watch::Receiver<bool>);

impl std::ops::Deref for Door {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Door {
    pub(crate) fn new(desk: Arc<Ledger>, config: DoorConfig) -> Self {
        let local = LOCAL_HOSTS.iter().map(|h| (*h).to_owned());
        let limits = &config.limits;
        Self(Arc::new(Shared {
            hosts: local.chain(config.hosts.iter().map(|h| h.to_ascii_lowercase())).collect(),
            token: config.session_token.as_ref().map(|t| sha256(t.as_bytes())),
            trust_root: TrustFile::from_genesis(desk.genesis().clone()).to_json(),
            requests: Arc::new(Semaphore::new(limits.requests)),
            watchers: Arc::new(Semaphore::new(limits.watchers)),
            bodies: Arc::new(Semaphore::new(limits.bodies_bytes / ROOM_STEP_BYTES)),
            desk,
            config,
        }))
    }

    /// Waits for the outcome of a submitted command, for `timeout_ms` or the default.
    pub(crate) async fn outcome(
        &self,
        submitted: Result<Ticket, SubmitError>,
        timeout_ms: Option<u64>,
    ) -> Result<Outcome, Problem> {
        let patience = timeout_ms.map_or(OUTCOME_TIME_DEFAULT, Duration::from_millis);
        let ticket = submitted?;
        match timeout(patience.min(OUTCOME_TIME_MAX), ticket).await {
            Ok(ended) => Ok(ended?),
            Err(_) => {
                let detail = format!("no outcome within {} ms", patience.as_millis());
                Err(Problem::new(Code::OutcomeUnknown, detail))
            }
        }
    }

    /// Room for one more event stream.
    pub(crate) fn watcher(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.watchers.clone().try_acquire_owned().map_err(|_| {
            let most = self.config.limits.watchers;
            Problem::retry(Code::WatchersFull, format!("{most} event streams are open"), 5_000)
        })
    }

    /// Whether `host` (a name, without a port) is one this door answers to.
    pub(crate) fn answers_to(&self, host: &str) -> bool {
        self.hosts.contains(&host.to_ascii_lowercase())
    }
}
