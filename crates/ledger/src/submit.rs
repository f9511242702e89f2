//! Taking commands in: admission is a local courtesy, what counts is decided again by every member.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::channel::oneshot;
use hanse_execution::{Authored, Decoded, Reply, verify_signatures};
use hanse_types::{
    Account, Command, Digest, Gateway, Receipt, StateKey, TimeMs, decode,
    limits::COMMAND_VALID_MS_MAX,
};

use crate::{Ledger, World, ledger::Inner, limits::RETRY_AFTER_MS, pool::Admitted};

/// What came of an action, once a quorum certified it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the ledger vouches for.
    pub receipt: Receipt,
    /// What the door may answer beside it.
    pub reply: Reply,
    /// Time of the block.
    pub time_ms: TimeMs,
}

/// Why a command was not taken. It has no effect and may be submitted again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The pool, or this organisation's share of it, is full.
    #[error("too many commands are waiting; try again in {retry_after_ms} ms")]
    Full {
        /// Milliseconds to wait.
        retry_after_ms: u64,
    },
    /// The bytes are no command, or a session action is malformed.
    #[error("the command is malformed: {0}")]
    Malformed(String),
    /// The signature does not verify.
    #[error("the command's signature does not verify")]
    BadSignature,
    /// Past its validity, or valid for longer than allowed.
    #[error("the command's validity has passed or reaches too far ahead")]
    Expired,
    /// Signed for another chain.
    #[error("the command is for another chain")]
    WrongChain,
    /// History is still being replayed, or the member stops.
    #[error("this member is not taking commands now")]
    NotReady,
    /// It was executed, and what came of it is no longer at hand here: it is older than what this member keeps in memory, or than
    /// the state it began with.
    #[error("the command was executed before; this member no longer holds its outcome")]
    Executed,
    /// This member has no gateway key, or none that was ever registered, so it cannot answer for session clients.
    #[error("this member has no gateway key, or its organisation has not registered it")]
    NoGateway,
}

/// Why a ticket ended without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// The command can no longer run: it was not and will not be executed.
    #[error("the command expired before it was ordered")]
    Expired,
    /// The member stops; whether the command runs is not known. Submitting the same bytes again is safe.
    #[error("this member stopped before the outcome was known")]
    Stopped,
}

/// Resolves with the outcome of one submitted action.
#[derive(Debug)]
pub struct Ticket {
    pub(crate) command: Digest,
    pub(crate) receiver: oneshot::Receiver<Outcome>,
    pub(crate) stopped: Arc<std::sync::atomic::AtomicBool>,
}

impl Ticket {
    /// Id of the command; zero for a session action whose batch is not formed yet.
    pub fn command(&self) -> Digest {
        self.command
    }
}

impl Future for Ticket {
    type Output = Result<Outcome, TicketError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map_err(|_| {
            let stopped = self.stopped.load(std::sync::atomic::Ordering::Acquire);
            if stopped { TicketError::Stopped } else { TicketError::Expired }
        })
    }
}

type Waiting = (u32, oneshot::Sender<Outcome>);

/// Who waits for which command.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_command: BTreeMap<Digest, Vec<Waiting>>,
    pub(crate) stopped: Arc<std::sync::atomic::AtomicBool>,
}

impl Waiters {
    pub(crate) fn add(&mut self, command: Digest, waiting: Vec<Waiting>) {
        self.by_command.entry(command).or_default().extend(waiting);
    }

    pub(crate) fn take(&mut self, command: &Digest) -> Vec<Waiting> {
        self.by_command.remove(command).unwrap_or_default()
    }

    pub(crate) fn stop(&mut self) {
        self.stopped.store(true, std::sync::atomic::Ordering::Release);
        self.by_command.clear();
    }
}

impl Ledger {
    /// Takes an author-signed command. Submitting the same bytes again gives the same outcome and runs nothing twice.
    ///
    /// # Errors
    /// [`SubmitError`], see its variants. Nothing was done then.
    pub fn submit(&self, command: Command) -> Result<Ticket, SubmitError> {
        let decoded = self.read(&command)?;
        if let Some(ticket) = self.recorded(&decoded.id) {
            return Ok(ticket);
        }
        verify_signatures(std::slice::from_ref(&decoded)).map_err(|_| SubmitError::BadSignature)?;
        let id = decoded.id;
        let admitted = self.admitted(Arc::new(command), decoded);
        let (sender, receiver) = oneshot::channel();
        let stopped = {
            let mut inner = self.inner.lock();
            if !inner.ready || inner.stopped {
                return Err(SubmitError::NotReady);
            }
            insert(&mut inner, admitted.clone())?;
            inner.waiters.add(id, vec![(0, sender)]);
            inner.waiters.stopped.clone()
        };
        self.tell(&admitted.command);
        self.changed.announce();
        Ok(Ticket { command: id, receiver, stopped })
    }

    /// Takes commands another member passed on. Bad ones are dropped: their sender answers to its own clients.
    pub fn gossiped(&self, bytes: &[u8]) {
        let Ok(commands) = decode::<Vec<Command>>(bytes) else {
            return;
        };
        let mut read = Vec::new();
        for command in commands {
            if let Ok(decoded) = self.read(&command) {
                read.push((Arc::new(command), decoded));
            }
        }
        let decoded: Vec<_> = read.iter().map(|(_, d)| d.clone()).collect();
        let bad = match verify_signatures(&decoded) {
            Ok(()) => Vec::new(),
            Err(hanse_execution::CheckError::Signatures(bad)) => bad,
            Err(_) => return,
        };
        let good = read.into_iter().enumerate().filter(|(i, _)| !bad.contains(i));
        let admitted: Vec<_> = good.map(|(_, (c, d))| self.admitted(c, d)).collect();
        {
            let mut inner = self.inner.lock();
            for one in admitted {
                // A full pool drops gossip: the sender's own member keeps the command and proposes it.
                let _full = insert(&mut inner, one);
            }
        }
        self.changed.announce();
    }

    /// The outcome of a recent command, if this member still remembers it.
    pub fn outcome(&self, command: &Digest, item: u32) -> Option<Outcome> {
        let inner = self.inner.lock();
        let (height, index) = *inner.places.get(command)?;
        let committed = crate::query::recent(&inner.recent, height)?;
        let applied = committed.applied.get(index.saturating_add(item) as usize)?;
        (applied.receipt.command == *command).then(|| Outcome {
            receipt: applied.receipt.clone(),
            reply: applied.reply.clone(),
            time_ms: committed.block.header.timestamp_ms,
        })
    }

    fn recorded(&self, id: &Digest) -> Option<Ticket> {
        let outcome = self.outcome(id, 0)?;
        let (sender, receiver) = oneshot::channel();
        // The receiver is in our hands, so it is there.
        let _sent = sender.send(outcome);
        Some(Ticket { command: *id, receiver, stopped: Arc::default() })
    }

    /// Form, chain and validity.
    fn read(&self, command: &Command) -> Result<Arc<Decoded>, SubmitError> {
        let decoded = Decoded::read(command).map_err(|e| SubmitError::Malformed(e.to_string()))?;
        if decoded.authored.chain_id() != self.chain_id {
            return Err(SubmitError::WrongChain);
        }
        if decoded.work > hanse_types::limits::BODY_WORK_MAX {
            return Err(SubmitError::Malformed("it costs more work than a block may".to_owned()));
        }
        if let Some(until) = decoded.authored.valid_until_ms() {
            let now = self.snapshot.read().header.timestamp_ms;
            // The member's idea of now may lag by a heartbeat, so the far end gets that much slack from execution, not here.
            let slack = u64::from(self.genesis.params.heartbeat_ms) * 2;
            if until < now || until > now.saturating_add(COMMAND_VALID_MS_MAX + slack) {
                return Err(SubmitError::Expired);
            }
        }
        Ok(Arc::new(decoded))
    }

    pub(crate) fn admitted(&self, command: Arc<Command>, decoded: Arc<Decoded>) -> Admitted {
        let world = &self.snapshot.read().world;
        let organisation = organisation_of(world, &decoded);
        Admitted { command, decoded, organisation }
    }
}

pub(crate) fn insert(inner: &mut Inner, admitted: Admitted) -> Result<(), SubmitError> {
    let world = &inner.chain.tip().executed.world;
    let seen = match &admitted.decoded.authored {
        Authored::Signed(signed) => world.has_seen(&Authored::replay_key(signed)),
        Authored::Session(batch) => {
            world.has_sequence(&batch.payload.gateway.id(), batch.payload.sequence)
        }
    };
    if seen {
        return Err(SubmitError::Executed);
    }
    inner.pool.insert(admitted).map_err(|_| SubmitError::Full { retry_after_ms: RETRY_AFTER_MS })
}

fn organisation_of(world: &World, decoded: &Decoded) -> String {
    let read = |key: StateKey<'_>| world.get(&key.encode()).map(|e| e.value.clone());
    match &decoded.authored {
        Authored::Signed(signed) => read(StateKey::Account(signed.payload.key.id()))
            .and_then(|v| decode::<Account>(&v).ok())
            .map(|a| a.organisation),
        Authored::Session(batch) => read(StateKey::Gateway(batch.payload.gateway.id()))
            .and_then(|v| decode::<Gateway>(&v).ok())
            .map(|g| g.organisation),
    }
    .unwrap_or_default()
}
