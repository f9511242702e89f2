//! Before its first vote a member asks the others what they have seen of it; all its life it answers such questions.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use commonware_codec::{Copying, Decode as _, Encode as _, RangeCfg};
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_utils::{channel::oneshot, ordered::Set};
use futures::future::{Either, FutureExt as _, pending, ready, select};

use super::{KINDS, Known, OwnVotes, Vote, VotesError, is_signed};
use crate::{
    engine::{PublicKey, Runtime, Scheme},
    network::{Links, Pair},
};

/// First byte of a question; nothing follows.
const ASK: u8 = 1;
/// First byte of an answer: then whether the answering member votes (0 or 1), then the votes it has seen of the asker.
const TELL: u8 = 2;
/// Pause before whoever has not answered is asked again.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Questions after which a member says that it still waits.
const PATIENCE: u32 = 100;
/// Bytes of the longest answer: three votes of at most 64 + 10 × 3 + 32 + 5 bytes, their kinds and their number.
pub(crate) const TELL_BYTES_MAX: usize = 512;

/// An answer that counts and says that nothing was seen.
pub(crate) fn blank_answer() -> Bytes {
    Bytes::from([&[TELL, 1][..], &Vec::<Vote>::new().encode()].concat())
}

/// What a member that wants to vote has to find out first.
pub(crate) struct Search {
    pub(crate) own: OwnVotes,
    /// Answers of other voting members that suffice: with this member they are a quorum.
    pub(crate) need: usize,
    /// Told once: whether this member may vote.
    pub(crate) found: oneshot::Sender<Result<(), VotesError>>,
}

/// Who asks and answers.
pub(crate) struct Asker {
    pub(crate) scheme: Scheme,
    pub(crate) participants: Set<PublicKey>,
    /// This member's rank, if it has one.
    pub(crate) rank: Option<usize>,
    pub(crate) epoch: u64,
    /// Whether this member votes, as far as it knows.
    pub(crate) votes: bool,
    pub(crate) known: Arc<Known>,
}

/// Asks until `search` is over, and answers until the network ends.
pub(crate) async fn run<E: Runtime, N: Links>(
    mut context: E,
    (mut sender, mut receiver): Pair<N>,
    mut asker: Asker,
    mut search: Option<Search>,
) {
    let mut answered = BTreeSet::new();
    let mut asked = 0u32;
    let mut tick = ready(()).boxed();
    loop {
        if answered.len() >= asker.others() {
            conclude(&mut search, Ok(()));
        }
        let due = if search.is_some() { Either::Left(&mut tick) } else { Either::Right(pending()) };
        let message = match select(Box::pin(receiver.recv()), due).await {
            Either::Left((Ok(message), _)) => message,
            Either::Left((Err(_), _)) => return,
            Either::Right(_) => {
                // Whoever has not answered by now has had its time, if the others suffice.
                if search.as_ref().is_some_and(|search| answered.len() >= search.need) {
                    conclude(&mut search, Ok(()));
                    continue;
                }
                // Whoever is not connected yet is asked again.
                let to = Recipients::Some(asker.silent(&answered));
                let _reached = sender.send(to, Bytes::from_static(&[ASK]), true);
                asked = asked.saturating_add(1);
                if asked == PATIENCE {
                    let answered = answered.len();
                    tracing::info!(answered, "before it votes this member asks what it signed");
                }
                tick = context.sleep(ASK_EVERY).boxed();
                continue;
            }
        };
        let (from, bytes) = (message.0, Bytes::from(message.1));
        // Only members ask, and only their answers count.
        let Some(rank) = asker.participants.position(&from) else { continue };
        match (bytes.split_first(), &search) {
            (Some((&ASK, [])), _) => {
                let _gone = sender.send(Recipients::One(from), asker.answer(rank), true);
            }
            (Some((&TELL, rest)), Some(Search { own, .. })) => {
                let Some(told) = asker.read(rest) else { continue };
                match asker.judge(&mut context, own, &told.votes) {
                    Ok(()) if told.counts => drop(answered.insert(from)),
                    Ok(()) => {}
                    Err(error) => {
                        asker.votes = false;
                        conclude(&mut search, Err(error));
                    }
                }
            }
            _ => {}
        }
    }
}

fn conclude(search: &mut Option<Search>, result: Result<(), VotesError>) {
    if let Some(search) = search.take() {
        // Nobody listens when the member is ending.
        let _gone = search.found.send(result);
    }
}

/// An answer.
struct Told {
    /// Whether whoever answered votes itself, so that its answer counts.
    counts: bool,
    votes: Vec<Vote>,
}

impl Asker {
    fn others(&self) -> usize {
        self.participants.len() - usize::from(self.rank.is_some())
    }

    /// Members that are still to answer.
    fn silent(&self, answered: &BTreeSet<PublicKey>) -> Vec<PublicKey> {
        let members = self.participants.iter().enumerate();
        let silent = members
            .filter(|(rank, key)| Some(*rank) != self.rank && !answered.contains(*key))
            .map(|(_, key)| key.clone());
        silent.collect()
    }

    fn answer(&self, rank: usize) -> Bytes {
        let votes = self.known.of(rank).encode();
        Bytes::from([&[TELL, u8::from(self.votes)], &votes[..]].concat())
    }

    fn read(&self, bytes: &[u8]) -> Option<Told> {
        let (&counts, votes) = bytes.split_first()?;
        if counts > 1 || bytes.len() > TELL_BYTES_MAX {
            return None;
        }
        let cfg = (RangeCfg::new(0..=KINDS), ());
        let votes = Vec::<Vote>::decode_cfg(Copying(votes), &cfg).ok()?;
        Some(Told { counts: counts == 1, votes })
    }

    /// What follows from these votes, if this member signed them.
    pub(crate) fn judge<E: Runtime>(
        &self,
        rng: &mut E,
        own: &OwnVotes,
        votes: &[Vote],
    ) -> Result<(), VotesError> {
        let Some(rank) = self.rank else { return Ok(()) };
        for vote in votes {
            if let Err(error) = own.judge(vote)
                && is_signed(rng, &self.scheme, (self.epoch, rank), vote)
            {
                return Err(error);
            }
        }
        Ok(())
    }
}
