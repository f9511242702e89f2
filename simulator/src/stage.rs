//! What clients, auditor and director share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use commonware_runtime::{Clock, deterministic::Context};
use futures::future::{Either, select};
use hanse_ledger::Ledger;
use hanse_proof::Kind;
use hanse_types::Genesis;
use parking_lot::Mutex;

use crate::{MEMBERS, audit::Audit, client::Answer};

/// Everything that is looked at from several tasks.
pub(crate) struct Stage {
    pub(crate) genesis: Genesis,
    /// Desks of the members that are up.
    doors: Mutex<Vec<Option<Arc<Ledger>>>>,
    pub(crate) audit: Mutex<Audit>,
    /// By client, in the order in which it asked.
    pub(crate) answers: Mutex<BTreeMap<u32, Vec<Answer>>>,
    /// What each client waits for now.
    pub(crate) asking: Mutex<BTreeMap<u32, String>>,
    /// What is wrong. Empty at the end, or the run failed.
    findings: Mutex<Vec<String>>,
    /// Proofs that verified, by kind.
    proofs: Mutex<BTreeMap<&'static str, u64>>,
    /// Messages between members that were held back because they came faster than their channel allows.
    /// By itself, for those who count hold no desk: a desk holds them.
    pub(crate) unsent: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    /// States that members with empty disks took over from others.
    pub(crate) taken: AtomicU64,
    /// No new commands from now on.
    closing: AtomicBool,
}

impl Stage {
    pub(crate) fn new(genesis: Genesis) -> Arc<Self> {
        Arc::new(Self {
            audit: Mutex::new(Audit::new(&genesis)),
            genesis,
            doors: Mutex::new((0..MEMBERS).map(|_| None).collect()),
            answers: Mutex::default(),
            asking: Mutex::default(),
            findings: Mutex::default(),
            proofs: Mutex::default(),
            unsent: Arc::default(),
            taken: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        })
    }

    pub(crate) fn door(&self, member: usize) -> Option<Arc<Ledger>> {
        self.doors.lock()[member].clone()
    }

    pub(crate) fn set_door(
        &self,
        member: usize,
        ledger: Option<Arc<Ledger>>,
    ) -> Option<Arc<Ledger>> {
        std::mem::replace(&mut self.doors.lock()[member], ledger)
    }

    /// Desks of all members, if all are up.
    pub(crate) fn all(&self) -> Option<Vec<Arc<Ledger>>> {
        self.doors.lock().iter().cloned().collect()
    }

    pub(crate) fn found(&self, what: impl Into<String>) {
        let mut findings = self.findings.lock();
        // One broken member says the same thing at every height.
        if findings.len() < 20 {
            findings.push(what.into());
        }
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        let mut all = self.findings.lock().clone();
        all.extend(self.audit.lock().findings.iter().cloned());
        all
    }

    pub(crate) fn proved(&self, kind: Kind) {
        *self.proofs.lock().entry(kind.name()).or_default() += 1;
    }

    /// Proofs that verified.
    pub(crate) fn proofs(&self) -> u64 {
        self.proofs.lock().values().sum()
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// Milliseconds since the Unix epoch on the simulated clock.
pub(crate) fn now_ms(context: &Context) -> u64 {
    let since = context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What comes of `future` within `limit` of simulated time.
pub(crate) async fn within<F: Future + Unpin>(
    context: &Context,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    let sleep = Box::pin(context.sleep(limit));
    match select(future, sleep).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
