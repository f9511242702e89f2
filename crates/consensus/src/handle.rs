//! What the rest of a member may ask of the running engine.

use std::sync::Arc;

use commonware_codec::Encode as _;
use commonware_utils::channel::watch;
use hanse_types::{Block, Height};

use crate::{Gossip, Status, engine::Mailbox, spine::Spine, watch::Watches};

/// Cheap to clone. Questions that need the archive are answered `None` once the engine has ended.
#[derive(Clone)]
pub struct Handle {
    pub(crate) marshal: Mailbox,
    pub(crate) spine: Arc<Spine>,
    pub(crate) watch: Arc<Watches>,
    pub(crate) gossip: Gossip,
}

/// Who leads when. Unlike a [`Handle`] it keeps nothing of the application alive.
#[derive(Clone)]
pub struct Schedule(Arc<Watches>);

impl Schedule {
    /// Consensus keys of the leaders of the current view and of so many after it that one of them is honest.
    pub fn leaders(&self) -> Vec<[u8; 32]> {
        self.0.now().leaders()
    }
}

impl Handle {
    /// The finalised block at `height`, from the archive.
    pub async fn block(&self, height: Height) -> Option<Arc<Block>> {
        let height = commonware_consensus::types::Height::new(height);
        let block = self.marshal.get_block(height).await?;
        Some(block.inner().block().clone())
    }

    /// The encoded finalization (docs/formats/certificate.md) of the block at `height` itself; a block finalised
    /// through a descendant has none.
    pub async fn finalization(&self, height: Height) -> Option<Vec<u8>> {
        let height = commonware_consensus::types::Height::new(height);
        Some(self.marshal.get_finalization(height).await?.encode().to_vec())
    }

    /// The nearest height at or above `height` whose block was committed with a certificate of its own, and that
    /// certificate. `None` when there is none yet. One look at the archive, however long the stretch without certificates.
    pub async fn certified_from(&self, height: Height) -> Option<(Height, Vec<u8>)> {
        let mut from = height;
        while let Some(found) = self.spine.next_certified(from) {
            // A certificate of just now may be on its way to the archive still: then the next one has to do.
            if let Some(finalization) = self.finalization(found).await {
                return Some((found, finalization));
            }
            from = found.checked_add(1)?;
        }
        None
    }

    /// Newest height handed to the application.
    pub fn height(&self) -> Height {
        self.spine.height()
    }

    /// Follows [`Handle::height`].
    pub fn heights(&self) -> watch::Receiver<Height> {
        self.spine.heights()
    }

    /// Sends messages to other members.
    pub fn gossip(&self) -> Gossip {
        self.gossip.clone()
    }

    /// Who leads when.
    pub fn schedule(&self) -> Schedule {
        Schedule(self.watch.clone())
    }

    /// The current view of the current epoch: one past the newest certificate seen.
    pub fn view(&self) -> u64 {
        self.watch.now().view()
    }

    /// A snapshot for status pages.
    pub fn status(&self) -> Status {
        self.watch.now().status(self.spine.height())
    }
}
