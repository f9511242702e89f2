//! What the engine needs from the rest of a member, and nothing of the engine's own words but [`Place`].

use std::sync::Arc;

use crate::Contact;
use futures::future::BoxFuture;
use hanse_types::{Block, Committee, Digest, Height, Place, TimeMs};

/// Implemented once (in `member`, over the ledger).
///
/// # Expected flow
/// 1. When this member leads, the engine waits for [`Application::work`] (a while longer at the slower paces) or the heartbeat, then calls [`Application::build`] on a known parent.
/// 2. Every member calls [`Application::admit`] for each proposal, parents first, possibly for competing blocks of one height.
/// 3. Each height ends in exactly one [`Application::commit`], in order, with no gap; after a restart heights may come again, from where the application begins.
///
/// # Guarantees asked of the implementor
/// All methods but the futures return promptly and never block on I/O. A block a quorum found [`Verdict::Valid`] is never refused by `commit`.
///
/// # Assumptions
/// Except for `now_ms`, which only decides when to answer, verdicts depend on the block and its ancestry alone.
pub trait Application: Send + Sync + 'static {
    /// The block at height 0, equal on all members.
    fn genesis(&self) -> Arc<Block>;

    /// Whether `digest` is the committed tip or an executed candidate, so that children of it can be built and admitted.
    fn knows(&self, digest: &Digest) -> bool;

    /// Resolves when a block on `parent` is worth proposing, at the given pace.
    fn work(&self, parent: Digest, pace: Pace) -> BoxFuture<'static, ()>;

    /// Builds a block on the known `parent`; `None` when `parent` is not known or was abandoned.
    /// The built block counts as admitted (it is executed as a candidate).
    fn build(&self, place: Place, parent: Digest, now_ms: TimeMs) -> Option<Arc<Block>>;

    /// Checks and executes a proposal whose parent is known.
    fn admit(&self, block: &Arc<Block>, digest: Digest, now_ms: TimeMs) -> Verdict;

    /// Resolves when this member has computed the state root of `height`.
    fn settled(&self, height: Height) -> BoxFuture<'static, ()>;

    /// Takes the next certified block. The member acknowledges it to its clients and drops competing candidates.
    fn commit(&self, certified: Certified);

    /// The committee of the epoch that follows the one of the newest committed block, which names it in its header.
    /// Asked when that block is the last of its epoch.
    fn successor(&self) -> Committee;

    /// Everyone that members keep connections to as of the newest committed block; `None` when that is as it was the last time
    /// this was asked.
    fn contacts(&self) -> Option<Vec<Contact>>;

    /// A message another member sent with [`Gossip::send`]. `from` is its consensus key, authenticated by the connection.
    fn gossip(&self, from: [u8; 32], bytes: bytes::Bytes);
}

/// How soon a block is worth proposing. Under load blocks cost the members more than commands do, so that a leader lets
/// what is under way come in; it never waits long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As much waits as can be expected: propose at once.
    Now,
    /// Commands wait, and more may be about to come: propose within some milliseconds.
    Soon,
    /// Nothing waits but proofs that settle with an empty block: the next command need not wait for the end of one.
    Settling,
}

/// What a member thinks of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Vote for it.
    Valid,
    /// Never vote for it; the reason is logged.
    Invalid(String),
    /// Its time is ahead of ours: ask again at this time (milliseconds, Unix).
    Early(TimeMs),
    /// It carries the state root of a height we have not settled yet: ask again after [`Application::settled`].
    Unsettled(Height),
    /// The parent is not known here: admit ancestors first.
    Orphan,
}

/// A block the quorum has finalised.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The block.
    pub block: Arc<Block>,
    /// Its header's digest.
    pub digest: Digest,
    /// The encoded finalization when this very block has one; a block finalised through a descendant has none.
    pub finalization: Option<Vec<u8>>,
    /// False for what this member's own archive holds and for what it catches up with: true from the first block on that
    /// was certified at or above a view that others told this process of.
    pub live: bool,
}
