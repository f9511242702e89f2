//! The ledger as the engine sees it.

use std::sync::Arc;

use bytes::Bytes;
use commonware_utils::sync::Mutex;
use futures::{
    channel::oneshot,
    future::{BoxFuture, FutureExt as _, pending},
};
use hanse_consensus::{Application, Certified, Contact, Pace, Verdict};
use hanse_ledger::{Admission, Ledger};
use hanse_types::{Block, Committee, Digest, Height, Place, TimeMs};

use crate::PROTOCOL;

pub(crate) struct Adapter {
    ledger: Arc<Ledger>,
    /// Told the protocol version of a certified block that this build cannot execute, and nothing before that.
    newer: Mutex<Option<oneshot::Sender<u16>>>,
    /// The block whose contacts were given out last.
    contacts_of: Mutex<Option<Height>>,
}

impl Adapter {
    /// The ledger as the engine sees it, and what resolves when the chain goes on in an unknown protocol version.
    pub(crate) fn new(ledger: Arc<Ledger>) -> (Self, BoxFuture<'static, u16>) {
        let (tell, told) = oneshot::channel();
        let newer = async move {
            match told.await {
                Ok(version) => version,
                Err(_) => pending().await,
            }
        };
        (
            Self { ledger, newer: Mutex::new(Some(tell)), contacts_of: Mutex::new(None) },
            newer.boxed(),
        )
    }
}

impl Application for Adapter {
    fn genesis(&self) -> Arc<Block> {
        self.ledger.genesis_block()
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.ledger.knows(digest)
    }

    fn work(&self, parent: Digest, pace: Pace) -> BoxFuture<'static, ()> {
        match pace {
            Pace::Now => self.ledger.enough(parent),
            Pace::Soon => self.ledger.work(parent),
            Pace::Settling => self.ledger.follow_up(parent),
        }
    }

    fn build(&self, place: Place, parent: Digest, now_ms: TimeMs) -> Option<Arc<Block>> {
        self.ledger.build(place, parent, now_ms)
    }

    fn admit(&self, block: &Arc<Block>, digest: Digest, now_ms: TimeMs) -> Verdict {
        match self.ledger.admit(block, digest, now_ms) {
            Admission::Valid => Verdict::Valid,
            Admission::Invalid(error) => Verdict::Invalid(error.to_string()),
            Admission::Early(until) => Verdict::Early(until),
            Admission::Unsettled(height) => Verdict::Unsettled(height),
            Admission::Orphan => Verdict::Orphan,
        }
    }

    fn settled(&self, height: Height) -> BoxFuture<'static, ()> {
        self.ledger.settled(height)
    }

    fn commit(&self, certified: Certified) {
        let Certified { block, digest, finalization, live } = certified;
        if block.header.protocol != PROTOCOL {
            if let Some(tell) = self.newer.lock().take() {
                // Nobody listens when the member is ending anyway.
                let _gone = tell.send(block.header.protocol);
            }
            // Not executed: this member stands still until it ends.
            return;
        }
        self.ledger.commit(&block, digest, finalization);
        if live {
            self.ledger.set_live();
        }
    }

    fn successor(&self) -> Committee {
        self.ledger.next_committee()
    }

    fn contacts(&self) -> Option<Vec<Contact>> {
        let (at, seats) = self.ledger.seats_since(*self.contacts_of.lock())?;
        *self.contacts_of.lock() = Some(at);
        let contact = |key: [u8; 32], organisation: String, address: String| Contact {
            key,
            organisation,
            address,
        };
        let members = seats.members.into_iter();
        let applicants = seats.applicants.into_iter();
        let leaving = seats.leaving.into_iter();
        let all = members
            .map(|seat| contact(seat.consensus, seat.organisation, seat.address))
            .chain(applicants.map(|a| contact(a.consensus, a.organisation, a.address)))
            .chain(leaving.map(|l| contact(l.consensus, l.organisation, l.address)));
        Some(all.collect())
    }

    fn gossip(&self, _from: [u8; 32], bytes: Bytes) {
        self.ledger.gossiped(&bytes);
    }
}
