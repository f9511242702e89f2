//! Before its first vote a member asks the others what they have seen of it; all its life it answers such questions.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use commonware_codec::{Copying, Decode as _, Encode as _, RangeCfg};
use commonware_p2p::{Receiver as _, Recipients, Sender};
use commonware_utils::{
    channel::{mpsc, oneshot},
    ordered::Set,
};
use futures::future::{Either, FutureExt as _, pending, ready, select};

use super::{KINDS, Known, OwnVotes, Vote, VotesError, is_signed};
use crate::{
    engine::{PublicKey, Runtime},
    network::{Links, Pair},
};

/// First byte of a question; nothing follows.
const ASK: u8 = 1;
/// First byte of an answer: then whether the answering member votes (0 or 1), its epoch (8 bytes, big-endian), and the newest
/// votes it has seen of the asker.
const TELL: u8 = 2;
/// Pause before whoever has not answered is asked again.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Questions after which a member says that it still waits.
const PATIENCE: u32 = 100;
/// Bytes of the longest answer: ten, and three votes of at most 64 + 10 × 3 + 32 + 5 bytes, their kinds and their number.
pub(crate) const TELL_BYTES_MAX: usize = 512;

/// An answer that counts and says that nothing was seen.
pub(crate) fn blank_answer() -> Bytes {
    Bytes::from([&[TELL, 1][..], &[0; 8], &Vec::<Vote>::new().encode()].concat())
}

/// What a member that wants to vote has to find out first.
pub(crate) struct Search {
    /// The epoch it would vote in.
    pub(crate) epoch: u64,
    /// Who is asked: the committee of that epoch, and it itself.
    pub(crate) participants: Set<PublicKey>,
    /// What its own log holds; none for a member that knows that votes are missing and only asks since when.
    pub(crate) own: Option<Arc<OwnVotes>>,
    /// Answers of other voting members that suffice: with this member they are a quorum.
    pub(crate) need: usize,
    /// Told once: whether this member may vote, and the newest epoch that any answer which counts was given in.
    pub(crate) found: oneshot::Sender<Result<u64, VotesError>>,
}

/// Who asks and answers.
pub(crate) struct Asker {
    /// What votes of this chain are signed under.
    pub(crate) namespace: Vec<u8>,
    pub(crate) me: PublicKey,
    /// Whether this member votes, as far as it knows.
    pub(crate) votes: Arc<AtomicBool>,
    pub(crate) known: Arc<Known>,
}

/// A search under way.
struct Open {
    search: Search,
    answered: BTreeSet<PublicKey>,
    newest: u64,
    asked: u32,
}

impl Open {
    /// Members that are still to answer.
    fn silent(&self, me: &PublicKey) -> Vec<PublicKey> {
        let others = self.search.participants.iter().filter(|key| *key != me);
        others.filter(|key| !self.answered.contains(*key)).cloned().collect()
    }

    fn conclude(self, result: Result<(), VotesError>) {
        // Nobody listens when the member is ending.
        let _gone = self.search.found.send(result.map(|()| self.newest));
    }
}

/// Asks for each search that comes, one at a time, and answers until the network ends.
pub(crate) async fn run<E: Runtime, N: Links>(
    mut context: E,
    (mut sender, mut receiver): Pair<N>,
    asker: Asker,
    mut searches: mpsc::UnboundedReceiver<Search>,
) {
    let mut open: Option<Open> = None;
    let mut tick = ready(()).boxed();
    loop {
        if let Some(done) = open.take_if(|open| open.silent(&asker.me).is_empty()) {
            done.conclude(Ok(()));
        }
        let due = if open.is_some() { Either::Left(&mut tick) } else { Either::Right(pending()) };
        // What begins an epoch replaces what the epoch before still asked.
        let wanted = async {
            match searches.recv().await {
                Some(search) => search,
                // Whoever opens epochs has ended, and says itself why.
                None => pending().await,
            }
        };
        let wanted = select(Box::pin(wanted), due);
        let message = match select(Box::pin(receiver.recv()), wanted).await {
            Either::Left((Ok(message), _)) => message,
            Either::Left((Err(_), _)) => return,
            Either::Right((Either::Left((search, _)), _)) => {
                open = Some(Open { search, answered: BTreeSet::new(), newest: 0, asked: 0 });
                tick = ready(()).boxed();
                continue;
            }
            Either::Right((Either::Right(_), _)) => {
                // Whoever has not answered by now has had its time, if the others suffice.
                let enough = |open: &mut Open| open.answered.len() >= open.search.need;
                if let Some(done) = open.take_if(enough) {
                    done.conclude(Ok(()));
                } else if let Some(open) = &mut open {
                    ask(&mut sender, open, &asker.me);
                }
                tick = context.sleep(ASK_EVERY).boxed();
                continue;
            }
        };
        let (from, bytes) = (message.0, Bytes::from(message.1));
        match (bytes.split_first(), &mut open) {
            (Some((&ASK, [])), _) => {
                let answer = asker.answer(&from);
                let _gone = sender.send(Recipients::One(from), answer, true);
            }
            // Only members are asked, and only their answers count.
            (Some((&TELL, rest)), Some(asking))
                if asking.search.participants.position(&from).is_some() =>
            {
                let Some(told) = read(rest) else { continue };
                let own = asking.search.own.clone();
                let epoch = asking.search.epoch;
                let judge =
                    |own: Arc<OwnVotes>| asker.judge(&mut context, (&own, epoch), &told.votes);
                let judged = own.map_or(Ok(()), judge);
                match judged {
                    Ok(()) if told.counts => {
                        asking.newest = asking.newest.max(told.epoch);
                        asking.answered.insert(from);
                    }
                    Ok(()) => {}
                    Err(error) => {
                        asker.votes.store(false, Ordering::Relaxed);
                        if let Some(asking) = open.take() {
                            asking.conclude(Err(error));
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// Asks whoever has not answered. Who is not connected yet is asked again.
fn ask(sender: &mut impl Sender<PublicKey = PublicKey>, open: &mut Open, me: &PublicKey) {
    let to = Recipients::Some(open.silent(me));
    let _reached = sender.send(to, Bytes::from_static(&[ASK]), true);
    open.asked = open.asked.saturating_add(1);
    if open.asked == PATIENCE {
        let answered = open.answered.len();
        tracing::info!(answered, "before it votes this member asks what it signed");
    }
}

/// An answer.
struct Told {
    /// Whether whoever answered votes itself, so that its answer counts.
    counts: bool,
    /// The epoch it is in.
    epoch: u64,
    votes: Vec<Vote>,
}

fn read(bytes: &[u8]) -> Option<Told> {
    let (&counts, rest) = bytes.split_first()?;
    let (epoch, votes) = rest.split_first_chunk::<8>()?;
    if counts > 1 || bytes.len() > TELL_BYTES_MAX {
        return None;
    }
    let cfg = (RangeCfg::new(0..=KINDS), ());
    let votes = Vec::<Vote>::decode_cfg(Copying(votes), &cfg).ok()?;
    Some(Told { counts: counts == 1, epoch: u64::from_be_bytes(*epoch), votes })
}

impl Asker {
    fn answer(&self, asker: &PublicKey) -> Bytes {
        let counts = u8::from(self.votes.load(Ordering::Relaxed));
        let (epoch, votes) = (self.known.epoch().to_be_bytes(), self.known.of(asker).encode());
        Bytes::from([&[TELL, counts][..], &epoch, &votes].concat())
    }

    /// What follows from these votes, if this member signed them.
    pub(crate) fn judge<E: Runtime>(
        &self,
        rng: &mut E,
        (own, epoch): (&OwnVotes, u64),
        votes: &[Vote],
    ) -> Result<(), VotesError> {
        for vote in votes {
            if let Err(error) = own.judge(epoch, vote)
                && is_signed(rng, (&self.namespace, &self.me), vote)
            {
                return Err(error);
            }
        }
        Ok(())
    }
}
