//! The ledger as the engine sees it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use hanse_consensus::{Application, Certified, Pace, Verdict};
use hanse_ledger::{Admission, Ledger};
use hanse_types::{Block, Digest, Height, Place, TimeMs};

pub(crate) struct Adapter(pub(crate) Arc<Ledger>);

impl Application for Adapter {
    fn genesis(&self) -> Arc<Block> {
        self.0.genesis_block()
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.0.knows(digest)
    }

    fn work(&self, parent: Digest, pace: Pace) -> BoxFuture<'static, ()> {
        match pace {
            Pace::Now => self.0.enough(parent),
            Pace::Soon => self.0.work(parent),
            Pace::Settling => self.0.follow_up(parent),
        }
    }

    fn build(&self, place: Place, parent: Digest, now_ms: TimeMs) -> Option<Arc<Block>> {
        self.0.build(place, parent, now_ms)
    }

    fn admit(&self, block: &Arc<Block>, digest: Digest, now_ms: TimeMs) -> Verdict {
        match self.0.admit(block, digest, now_ms) {
            Admission::Valid => Verdict::Valid,
            Admission::Invalid(error) => Verdict::Invalid(error.to_string()),
            Admission::Early(until) => Verdict::Early(until),
            Admission::Unsettled(height) => Verdict::Unsettled(height),
            Admission::Orphan => Verdict::Orphan,
        }
    }

    fn settled(&self, height: Height) -> BoxFuture<'static, ()> {
        self.0.settled(height)
    }

    fn commit(&self, certified: Certified) {
        let Certified { block, digest, finalization } = certified;
        self.0.commit(&block, digest, finalization);
    }

    fn gossip(&self, _from: [u8; 32], bytes: Bytes) {
        self.0.gossiped(&bytes);
    }
}
