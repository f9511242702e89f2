//! Session clients of this member's gateway: their actions are gathered into batches under one signature (DESIGN D5).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures::{channel::oneshot, future::BoxFuture};
use hanse_crypto::SigningKey;
use hanse_execution::{Decoded, work};
use hanse_types::{
    Action, Command, Digest, Height, SESSION_DOMAIN, SessionBatch, SessionItem, SessionPayload,
    check_space, encode,
    limits::{COMMAND_BYTES_MAX, IDENTITY_BYTES_MAX, SESSION_ITEMS_MAX},
};

use crate::{
    Audience, Ledger,
    limits::{
        RETRY_AFTER_MS, SESSION_BATCH_BYTES_MAX, SESSION_BATCH_WORK_MAX, SESSION_BATCHES_UNDER_WAY,
        SESSION_RESEND_BLOCKS, SESSION_WAITING_MAX,
    },
    submit::{Outcome, SubmitError, Ticket, insert},
};

/// Batches of an earlier run that may still be on their way when a member restarts.
const SEQUENCE_GAP: u64 = 2 * SESSION_BATCHES_UNDER_WAY as u64;

/// Who waits for which item of a batch.
type Senders = Vec<(u32, oneshot::Sender<Outcome>)>;

struct Waiting {
    space: String,
    item: SessionItem,
    size: usize,
    work: u64,
    sender: oneshot::Sender<Outcome>,
}

/// What waits for a batch, and which batches are under way.
pub(crate) struct Sessions {
    key: Option<SigningKey>,
    waiting: VecDeque<Waiting>,
    /// Batches formed and not committed, with the height after which they are sent to all members.
    under_way: BTreeMap<Digest, Height>,
    sequence: Option<u64>,
    /// Actions to wait for before the next batch is formed; 0 for none. See [`Ledger::gather`].
    gather: usize,
    stopped: bool,
}

impl Sessions {
    pub(crate) fn new(key: Option<SigningKey>) -> Self {
        Self {
            key,
            waiting: VecDeque::new(),
            under_way: BTreeMap::new(),
            sequence: None,
            gather: 0,
            stopped: false,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn committed(&mut self, command: &Digest) {
        self.under_way.remove(command);
    }

    /// Ids of the batches formed and not committed.
    pub(crate) fn under_way(&self) -> Vec<Digest> {
        self.under_way.keys().copied().collect()
    }

    /// Ids of the batches that `tip` should have seen in a block: their leaders may be gone.
    pub(crate) fn overdue(&mut self, tip: Height) -> Vec<Digest> {
        let due = self.under_way.iter_mut().filter(|(_, height)| **height <= tip);
        due.map(|(id, height)| {
            *height = tip + SESSION_RESEND_BLOCKS;
            *id
        })
        .collect()
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        self.waiting.clear();
    }

    /// Takes the longest run of waiting actions of one space that fits a batch.
    fn take(&mut self) -> Option<(String, Vec<SessionItem>, Senders)> {
        let space = self.waiting.front()?.space.clone();
        let (mut bytes, mut cost) = (0, 0);
        let (mut items, mut senders) = (Vec::new(), Vec::new());
        while let Some(next) = self.waiting.front() {
            let fits = items.is_empty()
                || (bytes + next.size <= SESSION_BATCH_BYTES_MAX
                    && cost + next.work <= SESSION_BATCH_WORK_MAX
                    && items.len() < SESSION_ITEMS_MAX as usize);
            if next.space != space || !fits {
                break;
            }
            let Some(next) = self.waiting.pop_front() else {
                break;
            };
            bytes += next.size;
            cost += next.work;
            senders.push((items.len() as u32, next.sender));
            items.push(next.item);
        }
        Some((space, items, senders))
    }
}

impl Ledger {
    /// Takes a session client's action in this gateway's name.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was done then.
    pub fn submit_session(
        &self,
        space: &str,
        identity: &str,
        action: Action,
    ) -> Result<Ticket, SubmitError> {
        check_session(space, identity, &action)?;
        let price = work(&action);
        if price > hanse_types::limits::BODY_WORK_MAX {
            return Err(SubmitError::Malformed("it costs more work than a block may".to_owned()));
        }
        let item = SessionItem { identity: identity.to_owned(), action };
        let size = encode(&item).len();
        if size + 1_024 > COMMAND_BYTES_MAX as usize {
            return Err(SubmitError::Malformed("the action has more than 2 MiB".to_owned()));
        }
        let stopped = {
            let inner = self.inner.lock();
            if !inner.ready || inner.stopped {
                return Err(SubmitError::NotReady);
            }
            inner.waiters.stopped.clone()
        };
        let world = &self.snapshot().world;
        if !self.gateway.as_ref().is_some_and(|key| world.has_gateway(&key.id())) {
            return Err(SubmitError::NoGateway);
        }
        let (sender, receiver) = oneshot::channel();
        let gathering = {
            let mut sessions = self.sessions.lock();
            if sessions.stopped {
                return Err(SubmitError::NotReady);
            }
            if sessions.waiting.len() >= SESSION_WAITING_MAX {
                return Err(SubmitError::Full { retry_after_ms: RETRY_AFTER_MS });
            }
            let space = space.to_owned();
            sessions.waiting.push_back(Waiting { space, item, size, work: price, sender });
            sessions.gather > sessions.waiting.len()
        };
        if !gathering {
            self.flush_sessions();
        }
        Ok(Ticket { command: Digest([0; 32]), receiver, stopped })
    }

    /// After a block that answered several session clients: most of them come back at once. The next batch waits until as
    /// many have, or until [`Ledger::end_gather`], so that they share one batch and one block.
    pub(crate) fn gather(&self, answered: usize) {
        if answered > 1 {
            let mut sessions = self.sessions.lock();
            sessions.gather = sessions.waiting.len() + answered.min(SESSION_ITEMS_MAX as usize);
        } else {
            self.flush_sessions();
        }
    }

    /// Resolves with true when something waits for company (session actions for clients to come back, signed commands for
    /// others to be sent with), and with false once the desk stops. Whoever runs
    /// the desk then lets [`crate::limits::GATHER_US`] pass and calls [`Ledger::end_gather`].
    pub fn gathering(self: &Arc<Self>) -> BoxFuture<'static, bool> {
        let ledger = self.clone();
        Box::pin(async move {
            let look = || {
                let lingering = ledger.outbox.lock().lingering;
                let sessions = ledger.sessions.lock();
                let waits = lingering || sessions.gather > 0;
                if sessions.stopped { Some(false) } else { waits.then_some(true) }
            };
            ledger.changed.until(look).await
        })
    }

    /// Forms batches of whoever came back, and sends what is to be sent.
    pub fn end_gather(&self) {
        self.flush_sessions();
        self.end_linger();
    }

    /// Forms batches while fewer than [`SESSION_BATCHES_UNDER_WAY`] are: under load they grow by themselves.
    pub(crate) fn flush_sessions(&self) {
        self.sessions.lock().gather = 0;
        let mut sent = false;
        while let Some((command, decoded, senders)) = self.form_batch() {
            let id = decoded.id;
            let admitted = self.admitted(command.clone(), decoded);
            let full = {
                let mut inner = self.inner.lock();
                match insert(&mut inner, admitted) {
                    Ok(()) => {
                        inner.waiters.add(id, senders);
                        false
                    }
                    Err(_) => true,
                }
            };
            if full {
                // Dropping the senders ends the tickets: these actions will not run.
                self.sessions.lock().committed(&id);
                break;
            }
            (self.gossip)(Audience::Leaders, encode(&vec![(*command).clone()]));
            sent = true;
        }
        if sent {
            self.changed.announce();
        }
    }

    fn form_batch(&self) -> Option<(Arc<Command>, Arc<Decoded>, Senders)> {
        let mut sessions = self.sessions.lock();
        if sessions.under_way.len() >= SESSION_BATCHES_UNDER_WAY || sessions.waiting.is_empty() {
            return None;
        }
        let gateway = self.gateway?;
        // The newest number on the chain: this member may have formed batches before it had caught up with its own past.
        let (used, height) = {
            let snapshot = self.snapshot.read();
            (snapshot.world.sequence_high(&gateway.id()), snapshot.header.height)
        };
        let sequence = match sessions.sequence {
            Some(last) => last.max(used) + 1,
            None => used + SEQUENCE_GAP,
        };
        sessions.sequence = Some(sequence);
        let (space, items, senders) = sessions.take()?;
        let payload = SessionPayload { chain_id: self.chain_id, gateway, sequence, space, items };
        let key = sessions.key.as_ref()?;
        let signature = key.sign(SESSION_DOMAIN, &payload.digest().0);
        let command = Command::session(&SessionBatch { payload, signature });
        let decoded = Decoded::read(&command).ok()?;
        sessions.under_way.insert(decoded.id, height + SESSION_RESEND_BLOCKS);
        Some((Arc::new(command), Arc::new(decoded), senders))
    }
}

fn check_session(space: &str, identity: &str, action: &Action) -> Result<(), SubmitError> {
    check_space(space).map_err(|e| SubmitError::Malformed(e.to_string()))?;
    if identity.len() > IDENTITY_BYTES_MAX {
        return Err(SubmitError::Malformed("the identity has more than 256 bytes".to_owned()));
    }
    if action.space() != space {
        return Err(SubmitError::Malformed("the action is for another space".to_owned()));
    }
    Ok(())
}
