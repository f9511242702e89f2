//! The simulator's links with an ear at what a member signs, and with a way to silence its memory: for checkers and for bugs
//! planted on purpose. Nothing of it is on a real network.

use std::{marker::PhantomData, num::NonZeroUsize, sync::Arc, time::SystemTime};

use bytes::Bytes;
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Copying, DecodeExt as _, ReadExt as _, varint::UInt};
use commonware_consensus::{Epochable as _, Viewable as _};
use commonware_p2p::{CheckedSender, LimitedSender, Message, Receiver, Recipients, simulated};
use commonware_runtime::{Clock, IoBufs};
use commonware_utils::channel::mpsc;
use futures::future::pending;
use hanse_types::Digest;

use crate::{
    engine::PublicKey,
    network::{Channels, Links, Pair, Simulated},
    past::{Vote, ask::blank_answer},
};

/// A vote as it leaves a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedVote {
    /// Its epoch.
    pub epoch: u64,
    /// Its view.
    pub view: u64,
    /// What it says.
    pub says: Says,
}

/// What a vote says of its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// This block was proposed, and is valid.
    Notarize(Digest),
    /// Skip the view.
    Nullify,
    /// This block is final.
    Finalize(Digest),
}

/// Hears every vote before it leaves.
pub type Ear = Arc<dyn Fn(SignedVote) + Send + Sync>;

/// Hears the name of a channel and how many recipients a message on it was held back from, because messages came faster
/// than the channel allows.
pub type Unsent = Arc<dyn Fn(&'static str, usize) + Send + Sync>;

/// [`Simulated`] links that an [`Ear`] listens at.
pub struct Tapped<E>(PhantomData<E>);

impl<E: Clock> Links for Tapped<E> {
    type Sender = Tap<simulated::Sender<PublicKey, E>>;
    type Receiver = TapEnd<simulated::Receiver<PublicKey>>;
    type Blocker = simulated::Control<PublicKey, E>;
    type Peers = simulated::Manager<PublicKey, E>;
}

/// A sender of [`Tapped`] links.
#[derive(Clone)]
pub struct Tap<S> {
    inner: S,
    what: What,
    channel: &'static str,
    others: usize,
    unsent: Unsent,
}

#[derive(Clone)]
enum What {
    Nothing,
    Hear(Ear),
    /// Questions stay here and are answered at once: nobody has seen anything.
    Blank(Vec<PublicKey>, mpsc::UnboundedSender<(PublicKey, Bytes)>),
}

/// A receiver of [`Tapped`] links.
#[derive(Debug)]
pub struct TapEnd<R> {
    inner: R,
    blank: Option<mpsc::UnboundedReceiver<(PublicKey, Bytes)>>,
}

impl<S: LimitedSender<PublicKey = PublicKey>> LimitedSender for Tap<S> {
    type PublicKey = PublicKey;
    type Checked<'a>
        = TapChecked<'a, S>
    where
        Self: 'a;

    fn check(&mut self, to: Recipients<PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        let wanted = match &to {
            Recipients::All => self.others,
            Recipients::Some(keys) => keys.len(),
            Recipients::One(_) => 1,
        };
        let checked = self.inner.check(to);
        let passed = checked.as_ref().map_or(0, |checked| checked.recipients().len());
        if passed < wanted {
            (self.unsent)(self.channel, wanted - passed);
        }
        Ok(TapChecked { inner: checked?, what: &self.what })
    }
}

/// A message about to be sent.
pub struct TapChecked<'a, S: LimitedSender + 'a> {
    inner: S::Checked<'a>,
    what: &'a What,
}

impl<'a, S: LimitedSender<PublicKey = PublicKey> + 'a> CheckedSender for TapChecked<'a, S> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let message: IoBufs = message.into();
        match self.what {
            What::Nothing => {}
            What::Hear(ear) => {
                let bytes = message.clone().coalesce();
                if let Some(vote) = vote(bytes.as_ref()) {
                    ear(signed(&vote));
                }
            }
            What::Blank(others, told) => {
                for other in others {
                    // The receiver lives as long as the member.
                    let _gone = told.send((other.clone(), blank_answer()));
                }
            }
        }
        self.inner.send(message, priority)
    }
}

/// The vote in a message, behind the number of the epoch's own channel.
fn vote(bytes: &[u8]) -> Option<Vote> {
    let mut bytes = Copying(bytes);
    let _epoch: u64 = UInt::read(&mut bytes).ok()?.into();
    Vote::decode(bytes).ok()
}

fn signed(vote: &Vote) -> SignedVote {
    let says = match vote {
        Vote::Notarize(vote) => Says::Notarize(Digest(vote.proposal.payload.0)),
        Vote::Nullify(_) => Says::Nullify,
        Vote::Finalize(vote) => Says::Finalize(Digest(vote.proposal.payload.0)),
    };
    SignedVote { epoch: vote.epoch().get(), view: vote.view().get(), says }
}

impl<R: Receiver<PublicKey = PublicKey>> Receiver for TapEnd<R> {
    type Error = R::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, R::Error> {
        match &mut self.blank {
            None => self.inner.recv().await,
            Some(blank) => match blank.recv().await {
                Some((from, bytes)) => Ok((from, bytes.into())),
                None => pending().await,
            },
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}

impl<E: Clock> Channels<Simulated<E>> {
    /// The same channels with `ear` at the votes and `unsent` at all of them, in a committee of `others` besides this member.
    /// With `forgetful` (the keys of the other members) this member hears no
    /// answer of theirs about its past, but that they have seen nothing of it: a bug to be planted.
    pub fn tapped(
        self,
        (ear, unsent, others): (Ear, Unsent, usize),
        forgetful: Option<Vec<[u8; 32]>>,
    ) -> Channels<Tapped<E>> {
        let plain = |channel, (inner, end): Pair<Simulated<E>>| -> Pair<Tapped<E>> {
            let unsent = unsent.clone();
            let tap = Tap { inner, what: What::Nothing, channel, others, unsent };
            (tap, TapEnd { inner: end, blank: None })
        };
        let mut votes = plain("votes", self.votes);
        votes.0.what = What::Hear(ear);
        let mut past = plain("past", self.past);
        if let Some(others) = forgetful {
            let others = others.iter().filter_map(crate::config::public_key).collect();
            let (tell, told) = mpsc::unbounded_channel();
            past.0.what = What::Blank(others, tell);
            past.1.blank = Some(told);
        }
        Channels {
            votes,
            certificates: plain("certificates", self.certificates),
            resolver: plain("resolver", self.resolver),
            broadcast: plain("broadcast", self.broadcast),
            backfill: plain("backfill", self.backfill),
            gossip: plain("gossip", self.gossip),
            past,
            states: self.states.map(|pair| plain("states", pair)),
            blocker: self.blocker,
            peers: self.peers,
            track: self.track,
        }
    }
}
