//! Author-signed commands on their way to the other members: the first at once, those that follow closely together.

use hanse_types::{Command, encode};

use crate::{Audience, Ledger, limits::OUTBOX_BYTES_MAX};

/// What waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Vec<Command>,
    bytes: usize,
    /// Something was sent a moment ago: what comes now waits for company.
    pub(crate) lingering: bool,
}

impl Ledger {
    /// Sends `command` to the other members, now or with the next ones.
    pub(crate) fn tell(&self, command: &Command) {
        let full = {
            let mut outbox = self.outbox.lock();
            outbox.waiting.push(command.clone());
            outbox.bytes += command.size();
            let full = !outbox.lingering || outbox.bytes >= OUTBOX_BYTES_MAX;
            outbox.lingering = true;
            full
        };
        if full {
            self.send_outbox();
        }
    }

    /// The moment is over: sends what has come together, or stops lingering when nothing has.
    pub(crate) fn end_linger(&self) {
        {
            let mut outbox = self.outbox.lock();
            outbox.lingering = !outbox.waiting.is_empty();
        }
        self.send_outbox();
    }

    fn send_outbox(&self) {
        let waiting = {
            let mut outbox = self.outbox.lock();
            outbox.bytes = 0;
            std::mem::take(&mut outbox.waiting)
        };
        // One message holds at least one command of the greatest size (`GOSSIP_BYTES_MAX`).
        let mut from = 0;
        while from < waiting.len() {
            let mut size = 0;
            let fits = waiting[from..].iter().take_while(|command| {
                size += command.size();
                size <= OUTBOX_BYTES_MAX
            });
            let to = from + fits.count().max(1);
            (self.gossip)(Audience::All, encode(&waiting[from..to].to_vec()));
            from = to;
        }
    }
}
