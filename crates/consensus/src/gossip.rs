//! Messages between members that are not the engine's: commands and session batches on their way to a leader.

use std::sync::Arc;

use bytes::Bytes;
use commonware_p2p::{Receiver, Recipients as To, Sender};
use commonware_utils::sync::Mutex;

use crate::{
    Application,
    config::{public_key, raw},
    engine::PublicKey,
    network::GOSSIP_BYTES_MAX,
};

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Every connected member.
    All,
    /// These, by consensus key; a key that is not ed25519 is nobody's.
    Some(Vec<[u8; 32]>),
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GossipError {
    /// Longer than [`GOSSIP_BYTES_MAX`].
    #[error("the message has {0} bytes, over the limit")]
    Long(usize),
    /// No recipient is connected, within its rate, or the network's queue is full. Retry later.
    #[error("nobody can be sent to now")]
    Busy,
}

type Send = dyn FnMut(To<PublicKey>, Bytes) -> usize + std::marker::Send;

/// Sends to other members. Cheap to clone; never waits.
#[derive(Clone)]
pub struct Gossip(Arc<Mutex<Box<Send>>>);

impl Gossip {
    pub(crate) fn new(mut sender: impl Sender<PublicKey = PublicKey>) -> Self {
        Self(Arc::new(Mutex::new(Box::new(move |to, bytes| sender.send(to, bytes, false).len()))))
    }

    /// Queues `bytes` for `to` and returns how many members it was queued for. Delivery is not promised.
    ///
    /// # Errors
    /// See [`GossipError`].
    pub fn send(&self, to: Recipients, bytes: Bytes) -> Result<usize, GossipError> {
        if bytes.len() > GOSSIP_BYTES_MAX {
            return Err(GossipError::Long(bytes.len()));
        }
        let to = match to {
            Recipients::All => To::All,
            Recipients::Some(keys) => To::Some(keys.iter().filter_map(public_key).collect()),
        };
        match (self.0.lock())(to, bytes) {
            0 => Err(GossipError::Busy),
            sent => Ok(sent),
        }
    }
}

/// Hands incoming messages to the application until the network ends.
pub(crate) async fn receive(
    mut receiver: impl Receiver<PublicKey = PublicKey>,
    app: Arc<dyn Application>,
) {
    while let Ok((from, message)) = receiver.recv().await {
        if message.len() <= GOSSIP_BYTES_MAX {
            app.gossip(raw(&from), message.into());
        }
    }
}
