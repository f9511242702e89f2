//! The engine's channels, one set per epoch, and what arrives for an epoch before this member has opened it.

use std::{collections::VecDeque, num::NonZeroUsize};

use commonware_p2p::{
    Channel, Message, Receiver,
    utils::mux::{self, Builder as _, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_utils::channel::mpsc;

use crate::{
    engine::{PublicKey, Runtime},
    network::{Links, Pair},
};

/// Messages for the next epoch that are kept until it begins. More than all members send in the views that can pass before
/// a member that is not behind gets there.
const HELD: usize = 512;

type Backup = mpsc::Receiver<(Channel, Message<PublicKey>)>;

/// The three channels that epochs share.
pub(crate) struct Shared<N: Links> {
    votes: MuxHandle<N::Sender>,
    certificates: MuxHandle<N::Sender>,
    resolver: MuxHandle<N::Sender>,
    late_votes: Backup,
    late_certificates: Backup,
}

/// One epoch's ends of them.
pub(crate) struct Lines<N: Links> {
    pub(crate) votes: (SubSender<N::Sender>, Early),
    pub(crate) certificates: (SubSender<N::Sender>, Early),
    pub(crate) resolver: (SubSender<N::Sender>, SubReceiver<PublicKey>),
}

/// A receiver that can be listened at before the engine gets it.
#[derive(Debug)]
pub(crate) struct Early {
    held: VecDeque<Message<PublicKey>>,
    inner: SubReceiver<PublicKey>,
}

impl Early {
    fn new(inner: SubReceiver<PublicKey>) -> Self {
        Self { held: VecDeque::new(), inner }
    }

    /// Waits for a message, keeps it for the engine, and says whose it is. Cancelling loses nothing.
    async fn listen(&mut self) -> Result<PublicKey, mux::Error> {
        let message = self.inner.recv().await?;
        let from = message.0.clone();
        if self.held.len() < HELD {
            self.held.push_back(message);
        }
        Ok(from)
    }
}

impl Receiver for Early {
    type Error = mux::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, mux::Error> {
        match self.held.pop_front() {
            Some(message) => Ok(message),
            None => self.inner.recv().await,
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}

impl<N: Links> Shared<N> {
    /// Starts to tell the epochs' messages apart.
    pub(crate) fn start<E: Runtime>(
        context: &E,
        votes: Pair<N>,
        certificates: Pair<N>,
        resolver: Pair<N>,
    ) -> Self {
        let (mux, votes, late_votes) =
            Muxer::builder(context.child("votes"), votes.0, votes.1).with_backup().build();
        mux.start();
        let (mux, certificates, late_certificates) =
            Muxer::builder(context.child("certificates"), certificates.0, certificates.1)
                .with_backup()
                .build();
        mux.start();
        let (mux, resolver) = Muxer::new(context.child("resolver"), resolver.0, resolver.1);
        mux.start();
        Self { votes, certificates, resolver, late_votes, late_certificates }
    }

    /// The ends for `epoch`; once per epoch. Messages for it are kept from now on.
    ///
    /// # Errors
    /// [`mux::Error`] when the network has ended.
    pub(crate) async fn open(&mut self, epoch: u64) -> Result<Lines<N>, mux::Error> {
        let votes = self.votes.register(epoch).await?;
        let certificates = self.certificates.register(epoch).await?;
        let resolver = self.resolver.register(epoch).await?;
        Ok(Lines {
            votes: (votes.0, Early::new(votes.1)),
            certificates: (certificates.0, Early::new(certificates.1)),
            resolver,
        })
    }

    /// Waits until somebody sends for a later epoch than `epoch`, whose successor's ends are `next`, and says who.
    pub(crate) async fn ahead(
        &mut self,
        epoch: u64,
        next: &mut Lines<N>,
    ) -> Result<PublicKey, mux::Error> {
        loop {
            let late = futures::select_biased! {
                from = Box::pin(futures::FutureExt::fuse(next.votes.1.listen())) => return from,
                from = Box::pin(futures::FutureExt::fuse(next.certificates.1.listen())) => return from,
                late = Box::pin(futures::FutureExt::fuse(self.late_votes.recv())) => late,
                late = Box::pin(futures::FutureExt::fuse(self.late_certificates.recv())) => late,
            };
            match late {
                Some((of, (from, _))) if of > epoch => return Ok(from),
                // Of an epoch that is over here.
                Some(_) => {}
                None => return Err(mux::Error::Closed),
            }
        }
    }
}
