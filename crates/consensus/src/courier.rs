//! Messages about whole states, between members that hold one and those that need it. What they say is not this room's.

use bytes::Bytes;
use commonware_p2p::{Receiver as _, Recipients as To, Sender as _};
use futures::{StreamExt as _, stream::BoxStream};

use crate::{
    config::{public_key, raw},
    network::{Links, Pair},
};

/// Bytes of one message: a piece of a state of 512 KiB, and its frame.
pub const COURIER_BYTES_MAX: usize = 576 * 1024;

type Send = dyn FnMut(To<crate::engine::PublicKey>, Bytes) -> usize + std::marker::Send;

/// One end of that channel.
pub struct Courier {
    send: Box<Send>,
    incoming: BoxStream<'static, ([u8; 32], Bytes)>,
}

impl Courier {
    pub(crate) fn new<N: Links>((mut sender, receiver): Pair<N>) -> Self {
        let incoming = futures::stream::unfold(receiver, |mut receiver| async move {
            let (from, message) = receiver.recv().await.ok()?;
            Some(((raw(&from), Bytes::from(message)), receiver))
        });
        Self {
            send: Box::new(move |to, bytes| sender.send(to, bytes, false).len()),
            incoming: incoming.boxed(),
        }
    }

    /// Queues `bytes` for the member with this consensus key, or for all that are connected, and returns for how many.
    /// Longer messages than [`COURIER_BYTES_MAX`] are for nobody. Delivery is not promised.
    pub fn send(&mut self, to: Option<&[u8; 32]>, bytes: Bytes) -> usize {
        if bytes.len() > COURIER_BYTES_MAX {
            return 0;
        }
        match to {
            None => (self.send)(To::All, bytes),
            Some(key) => match public_key(key) {
                Some(key) => (self.send)(To::One(key), bytes),
                None => 0,
            },
        }
    }

    /// The next message and the consensus key of whoever sent it; `None` when the network has ended.
    pub async fn next(&mut self) -> Option<([u8; 32], Bytes)> {
        loop {
            let (from, bytes) = self.incoming.next().await?;
            if bytes.len() <= COURIER_BYTES_MAX {
                return Some((from, bytes));
            }
        }
    }
}
