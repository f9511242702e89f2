//! What members have signed, as this one's log and the others remember it: a member that has forgotten a vote must not
//! vote again (DESIGN D8; the argument is in docs/durability.md, section 9).

use std::collections::BTreeMap;

use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{self, Finalize, Notarize, Nullify, Proposal},
    types::{Participant, Round},
};
use commonware_cryptography::certificate::Attestation;
use commonware_parallel::Sequential;
use commonware_runtime::{ReadOptions, buffer::paged::CacheRef};
use commonware_storage::journal::segmented::variable;
use commonware_utils::{ordered::Set, sync::Mutex};

use crate::{
    Config,
    config::nz,
    engine::{Activity, Digest, PublicKey, Runtime, Scheme},
    schemes::Seats,
    settings::VOTE_BUFFER,
    start::{StartError, vote_partition},
};

pub(crate) mod ask;

#[cfg(test)]
mod tests;

pub(crate) type Vote = types::Vote<Scheme, Digest>;
type Artifact = types::Artifact<Scheme, Digest>;
type Certificate = <Scheme as commonware_cryptography::certificate::Verifier>::Certificate;

/// Kinds of vote: of each, a member casts at most one per view.
pub(crate) const KINDS: usize = 3;

/// Why a member must not vote in this epoch. It may follow and serve, and vote again in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VotesError {
    /// Nothing on this disk says that the log is the one this key has voted with from the beginning.
    #[error(
        "votes lost: this data directory holds no votes of this member, and was not made for a new member"
    )]
    Missing,
    /// The vote log is empty, and there is a vote with this member's signature.
    #[error(
        "votes lost: the vote log is empty, but this member signed in view {view} of epoch {epoch}"
    )]
    Lost {
        /// Epoch of the signature.
        epoch: u64,
        /// Its view.
        view: u64,
    },
    /// There is a vote with this member's signature that its log does not hold, though it holds older or other ones.
    #[error(
        "votes rolled back: this member signed in view {view} of epoch {epoch}, but its vote log, which ends at view \
         {newest}, does not hold that vote"
    )]
    RolledBack {
        /// Epoch of the signature.
        epoch: u64,
        /// Its view.
        view: u64,
        /// Newest view of this member's log.
        newest: u64,
    },
    /// An earlier start found votes lost or rolled back in this epoch, and wrote it down.
    #[error("votes lost or rolled back: an earlier start of this member found so in epoch {epoch}")]
    Doubted {
        /// The epoch in which it may not vote.
        epoch: u64,
    },
}

impl VotesError {
    /// The epoch whose votes are known to be missing.
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Self::Missing => None,
            Self::Lost { epoch, .. } | Self::RolledBack { epoch, .. } | Self::Doubted { epoch } => {
                Some(*epoch)
            }
        }
    }
}

fn kind(vote: &Vote) -> usize {
    match vote {
        Vote::Notarize(_) => 0,
        Vote::Nullify(_) => 1,
        Vote::Finalize(_) => 2,
    }
}

fn payload(vote: &Vote) -> Option<Digest> {
    match vote {
        Vote::Notarize(vote) => Some(vote.proposal.payload),
        Vote::Nullify(_) => None,
        Vote::Finalize(vote) => Some(vote.proposal.payload),
    }
}

fn place(vote: &Vote) -> (u64, u64) {
    (vote.epoch().get(), vote.view().get())
}

fn signer(vote: &Vote) -> Participant {
    match vote {
        Vote::Notarize(vote) => vote.attestation.signer,
        Vote::Nullify(vote) => vote.attestation.signer,
        Vote::Finalize(vote) => vote.attestation.signer,
    }
}

/// The newest vote of each member and kind, over all epochs, that this member has come across, alone or inside a certificate.
///
/// Votes from the network are noted before their signatures are checked: whoever is shown one checks it.
pub(crate) struct Known(Mutex<Noted>);

struct Noted {
    epoch: u64,
    participants: Set<PublicKey>,
    newest: BTreeMap<PublicKey, [Option<Vote>; KINDS]>,
}

impl Known {
    pub(crate) fn new(seats: &Seats) -> Self {
        Self(Mutex::new(Noted {
            epoch: seats.epoch,
            participants: seats.participants.clone(),
            newest: BTreeMap::new(),
        }))
    }

    /// Goes on with the votes of a later epoch; what was known stays until there is something newer. Former members are
    /// forgotten with the second committee after theirs: they vote no more.
    pub(crate) fn enter(&self, seats: &Seats) {
        let mut noted = self.0.lock();
        if noted.participants != seats.participants {
            let former = std::mem::replace(&mut noted.participants, seats.participants.clone());
            noted.newest.retain(|key, _| {
                former.position(key).is_some() || seats.participants.position(key).is_some()
            });
        }
        noted.epoch = seats.epoch;
    }

    /// The epoch whose votes are noted.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.lock().epoch
    }

    /// What is known of this member.
    pub(crate) fn of(&self, key: &PublicKey) -> Vec<Vote> {
        self.0.lock().newest.get(key).into_iter().flatten().flatten().cloned().collect()
    }

    /// The newest epoch and view that any vote known here is for.
    pub(crate) fn newest(&self) -> (u64, u64) {
        let noted = self.0.lock();
        let rounds = noted.newest.values().flatten().flatten().map(place);
        rounds.max().unwrap_or_default()
    }

    pub(crate) fn vote(&self, vote: &Vote) {
        let mut noted = self.0.lock();
        if vote.epoch().get() != noted.epoch {
            return;
        }
        let Some(key) = noted.participants.get(usize::from(signer(vote))).cloned() else {
            return;
        };
        let slot = &mut noted.newest.entry(key).or_default()[kind(vote)];
        if slot.as_ref().is_none_or(|known| place(known) < place(vote)) {
            *slot = Some(vote.clone());
        }
    }

    fn certificate(&self, certificate: &Certificate, vote: impl Fn(Attestation<Scheme>) -> Vote) {
        for (signer, signature) in certificate.signers.iter().zip(&certificate.signatures) {
            self.vote(&vote(Attestation { signer, signature: signature.clone() }));
        }
    }

    fn notarized(&self, proposal: &Proposal<Digest>, certificate: &Certificate) {
        let proposal = proposal.clone();
        self.certificate(certificate, |attestation| {
            Vote::Notarize(Notarize { proposal: proposal.clone(), attestation })
        });
    }

    fn nullified(&self, round: Round, certificate: &Certificate) {
        self.certificate(certificate, |attestation| Vote::Nullify(Nullify { round, attestation }));
    }

    pub(crate) fn finalized(&self, finalization: &crate::engine::Finalization) {
        let proposal = finalization.proposal.clone();
        self.certificate(&finalization.certificate, |attestation| {
            Vote::Finalize(Finalize { proposal: proposal.clone(), attestation })
        });
    }

    /// Notes what the engine reports.
    pub(crate) fn activity(&self, activity: &Activity) {
        match activity {
            Activity::Notarize(vote) => self.vote(&Vote::Notarize(vote.clone())),
            Activity::Nullify(vote) => self.vote(&Vote::Nullify(vote.clone())),
            Activity::Finalize(vote) => self.vote(&Vote::Finalize(vote.clone())),
            Activity::Notarization(found) => self.notarized(&found.proposal, &found.certificate),
            Activity::Nullification(found) => self.nullified(found.round, &found.certificate),
            Activity::Finalization(found) => self.finalized(found),
            Activity::Certification(_)
            | Activity::ConflictingNotarize(_)
            | Activity::ConflictingFinalize(_)
            | Activity::NullifyFinalize(_) => {}
        }
    }

    fn artifact(&self, artifact: &Artifact) {
        match artifact {
            Artifact::Notarization(found) => self.notarized(&found.proposal, &found.certificate),
            Artifact::Nullification(found) => self.nullified(found.round, &found.certificate),
            Artifact::Finalization(found) => self.finalized(found),
            Artifact::Notarize(_)
            | Artifact::Nullify(_)
            | Artifact::Finalize(_)
            | Artifact::Certification(..) => {}
        }
    }
}

/// What this member's own vote logs hold, of the epoch it starts in and of those it had gone on to.
#[derive(Debug, Default)]
pub(crate) struct OwnVotes {
    epochs: BTreeMap<u64, OwnEpoch>,
}

/// What one epoch's vote log holds.
#[derive(Debug, Default)]
struct OwnEpoch {
    /// Oldest and newest view the log holds anything of; older ones are pruned, or never were.
    views: Option<(u64, u64)>,
    cast: BTreeMap<(u64, usize), Option<Digest>>,
}

impl OwnVotes {
    fn note(&mut self, artifact: &Artifact) {
        let own = self.epochs.entry(artifact.epoch().get()).or_default();
        let view = artifact.view().get();
        let (oldest, newest) = own.views.unwrap_or((view, view));
        own.views = Some((oldest.min(view), newest.max(view)));
        let vote = match artifact {
            Artifact::Notarize(vote) => Vote::Notarize(vote.clone()),
            Artifact::Nullify(vote) => Vote::Nullify(vote.clone()),
            Artifact::Finalize(vote) => Vote::Finalize(vote.clone()),
            _ => return,
        };
        own.cast.insert((view, kind(&vote)), payload(&vote));
    }

    /// The newest epoch and view the logs hold anything of.
    pub(crate) fn newest(&self) -> (u64, u64) {
        let newest = self.epochs.iter().rev().find_map(|(epoch, own)| Some((*epoch, own.views?.1)));
        newest.unwrap_or_default()
    }

    /// What follows from a vote with this member's valid signature, when it is about to vote in epoch `now`: epochs before are
    /// over, and this process may have voted in them.
    pub(crate) fn judge(&self, now: u64, vote: &Vote) -> Result<(), VotesError> {
        let (epoch, view) = place(vote);
        if epoch < now {
            return Ok(());
        }
        let Some((oldest, newest)) = self.epochs.get(&epoch).and_then(|own| own.views) else {
            return Err(VotesError::Lost { epoch, view });
        };
        let cast = self.epochs[&epoch].cast.get(&(view, kind(vote)));
        if view < oldest || cast == Some(&payload(vote)) {
            return Ok(());
        }
        Err(VotesError::RolledBack { epoch, view, newest })
    }
}

/// Reads the vote logs of the epoch of `seats` and of those this member had gone on to before its archive kept what opened
/// them: what it cast, and what the certificates in the first say of everybody.
///
/// # Errors
/// [`StartError::Votes`] when a log cannot be read.
pub(crate) async fn read<E: Runtime>(
    context: &E,
    config: &Config,
    cache: &CacheRef,
    (seats, known): (&Seats, &Known),
) -> Result<OwnVotes, StartError> {
    let mut own = OwnVotes::default();
    let mut epoch = seats.epoch;
    loop {
        let journal = variable::Journal::<_, Artifact>::init(
            context.child("past").with_attribute("epoch", epoch),
            variable::Config {
                partition: vote_partition(&config.partition_prefix, epoch),
                compression: None,
                codec_config: hanse_types::limits::COMMITTEE_MAX,
                page_cache: cache.clone(),
                write_buffer: nz(VOTE_BUFFER),
            },
        );
        let journal = journal.await.map_err(StartError::Votes)?;
        let buffer = nz(config.sizes.replay_buffer);
        let replay = journal.replay(0, 0, buffer, ReadOptions::default()).await;
        let mut replay = replay.map_err(StartError::Votes)?;
        let mut empty = true;
        while let Some(artifact) = replay.next().await {
            let (_, _, _, artifact) = artifact.map_err(StartError::Votes)?;
            empty = false;
            own.note(&artifact);
            known.artifact(&artifact);
        }
        // An epoch is entered from the one before it, and with at least one vote.
        if empty && epoch > seats.epoch {
            return Ok(own);
        }
        epoch += 1;
    }
}

/// Whether `vote` carries the valid signature of `key`, whatever its rank in its epoch.
pub(crate) fn is_signed(
    rng: &mut impl rand_core::CryptoRng,
    (namespace, key): (&[u8], &PublicKey),
    vote: &Vote,
) -> bool {
    // Signatures do not cover the rank: in a committee of one it is 0.
    let alone = Scheme::verifier(namespace, Set::from_iter_dedup([key.clone()]));
    let ranked = |attestation: &Attestation<Scheme>| Attestation {
        signer: Participant::new(0),
        signature: attestation.signature.clone(),
    };
    match vote.clone() {
        Vote::Notarize(mut vote) => {
            vote.attestation = ranked(&vote.attestation);
            vote.verify(rng, &alone, &Sequential)
        }
        Vote::Nullify(mut vote) => {
            vote.attestation = ranked(&vote.attestation);
            vote.verify::<_, Digest>(rng, &alone, &Sequential)
        }
        Vote::Finalize(mut vote) => {
            vote.attestation = ranked(&vote.attestation);
            vote.verify(rng, &alone, &Sequential)
        }
    }
}
