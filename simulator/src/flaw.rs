//! Bugs planted on purpose, at the seams and not in the product, to see that the auditor catches them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use hanse_member::{
    LogConfig,
    simulated::{Application, Certified, Contact, Pace, Verdict},
};
use hanse_types::{Block, Committee, Digest, Height, Place, TimeMs};

/// What is wrong with a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The log answers syncs of the vote journals at once and flushes them later: votes leave before they are durable.
    VoteBeforeFlush,
    /// From this height on the first member executes other members' blocks without their last command.
    LostCommand(Height),
    /// A member whose disk was put back or wiped is told by nobody that it has voted, and is taken for a new one.
    Amnesia,
}

/// Sizes that make checkpoints and spilled archives happen within a minute.
pub(crate) fn log_config(flaw: Option<Flaw>) -> LogConfig {
    let mut config = hanse_member::MemberConfig::log();
    config.segment_bytes = 256 * 1024;
    config.checkpoint_bytes = 512 * 1024;
    config.spill_above = 256 * 1024;
    if flaw == Some(Flaw::VoteBeforeFlush) {
        let votes = std::mem::take(&mut config.votes);
        config.riding.extend(votes.into_iter().map(|v| v.prefix));
        config.linger = Duration::from_secs(2);
    }
    config
}

/// What stands between the engine and the ledger of `member`.
pub(crate) fn around(
    flaw: Option<Flaw>,
    member: usize,
    me: [u8; 32],
    app: Arc<dyn Application>,
) -> Arc<dyn Application> {
    match flaw {
        Some(Flaw::LostCommand(from)) if member == 0 => Arc::new(Loses { app, from, me }),
        _ => app,
    }
}

struct Loses {
    app: Arc<dyn Application>,
    from: Height,
    me: [u8; 32],
}

impl Loses {
    /// `block` without its last command, passed on under the name of the whole one.
    fn alter(&self, block: &Arc<Block>) -> Arc<Block> {
        let header = &block.header;
        if header.height < self.from || header.place.leader == self.me {
            return block.clone();
        }
        let mut altered = (**block).clone();
        if let Some(segment) = altered.body.segments.last_mut() {
            segment.commands.pop();
            if segment.commands.is_empty() {
                altered.body.segments.pop();
            }
        }
        altered.header.body_root = altered.body.root();
        Arc::new(altered)
    }
}

impl Application for Loses {
    fn genesis(&self) -> Arc<Block> {
        self.app.genesis()
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.app.knows(digest)
    }

    fn work(&self, parent: Digest, pace: Pace) -> BoxFuture<'static, ()> {
        self.app.work(parent, pace)
    }

    fn build(&self, place: Place, parent: Digest, now_ms: TimeMs) -> Option<Arc<Block>> {
        self.app.build(place, parent, now_ms)
    }

    fn admit(&self, block: &Arc<Block>, digest: Digest, now_ms: TimeMs) -> Verdict {
        self.app.admit(&self.alter(block), digest, now_ms)
    }

    fn settled(&self, height: Height) -> BoxFuture<'static, ()> {
        self.app.settled(height)
    }

    fn commit(&self, mut certified: Certified) {
        certified.block = self.alter(&certified.block);
        self.app.commit(certified);
    }

    fn successor(&self) -> Committee {
        self.app.successor()
    }

    fn contacts(&self) -> Option<Vec<Contact>> {
        self.app.contacts()
    }

    fn gossip(&self, from: [u8; 32], bytes: Bytes) {
        self.app.gossip(from, bytes);
    }
}
