//! What a member's doors may ask of its snapshots.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    channel::{mpsc, oneshot},
    future::{Either, select},
};
use hanse_consensus::Courier;
use hanse_ledger::Ledger;
use hanse_snapshot::{Answer, Ask, Disk};

/// Asks for snapshots. Cheap to clone.
#[derive(Clone)]
pub struct Shelf(mpsc::UnboundedSender<Wanted>);

enum Wanted {
    Make,
    Ask(Ask, oneshot::Sender<Answer>),
}

impl Shelf {
    /// Has a snapshot made now, of the newest settled state.
    pub fn make(&self) {
        // Whoever serves ends with the member.
        let _gone = self.0.unbounded_send(Wanted::Make);
    }

    /// The newest listing, as bytes; `None` if there is none, or the member stops.
    pub async fn newest(&self) -> Option<Bytes> {
        match self.ask(Ask::Offer).await? {
            Answer::Offer { listing, .. } => listing,
            Answer::Chunk { .. } => None,
        }
    }

    /// A chunk of a snapshot's data; `None` if there is no such one (any more), or the member stops.
    pub async fn chunk(&self, height: u64, index: u32) -> Option<Bytes> {
        match self.ask(Ask::Chunk { height, index }).await? {
            Answer::Chunk { bytes, .. } => bytes,
            Answer::Offer { .. } => None,
        }
    }

    async fn ask(&self, ask: Ask) -> Option<Answer> {
        let (tell, told) = oneshot::channel();
        self.0.unbounded_send(Wanted::Ask(ask, tell)).ok()?;
        told.await.ok()
    }
}

/// Answers doors and other members. How many doors may wait the doors limit; other members have a quota.
pub(crate) struct Serving<E: commonware_runtime::Storage> {
    disk: Disk<E>,
    ledger: Arc<Ledger>,
    /// Set when a snapshot is to be made whatever changed.
    asked: Arc<AtomicBool>,
    wanted: mpsc::UnboundedReceiver<Wanted>,
    /// Keeps the queue open when no door is left: other members still ask.
    _open: mpsc::UnboundedSender<Wanted>,
}

impl<E: commonware_runtime::Storage> Serving<E> {
    pub(crate) fn new(disk: Disk<E>, ledger: Arc<Ledger>, asked: Arc<AtomicBool>) -> (Shelf, Self) {
        let (shelf, wanted) = mpsc::unbounded();
        (Shelf(shelf.clone()), Self { disk, ledger, asked, wanted, _open: shelf })
    }

    /// Runs until the network ends.
    pub(crate) async fn run(mut self, mut courier: Courier) {
        loop {
            let next = match select(Box::pin(courier.next()), self.wanted.next()).await {
                Either::Left((message, _)) => Either::Left(message),
                Either::Right((wanted, _)) => Either::Right(wanted),
            };
            match next {
                // The queue is held open here, so only the network ends.
                Either::Left(None) | Either::Right(None) => return,
                Either::Left(Some((from, bytes))) => {
                    let Some(ask) = Ask::decode(&bytes) else { continue };
                    let answer = self.answer(ask).await;
                    // Who is not reached asks again.
                    let _sent = courier.send(Some(&from), answer.encode());
                }
                Either::Right(Some(Wanted::Make)) => {
                    self.asked.store(true, Ordering::Relaxed);
                    self.ledger.snapshot_from(0);
                }
                Either::Right(Some(Wanted::Ask(ask, tell))) => {
                    // Whoever asked may have gone.
                    let _gone = tell.send(self.answer(ask).await);
                }
            }
        }
    }

    async fn answer(&self, ask: Ask) -> Answer {
        self.disk.answer(ask, self.ledger.tip().height).await
    }
}
