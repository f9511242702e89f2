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
use commonware_utils::sync::Mutex;

use crate::{
    Config,
    config::nz,
    engine::{Activity, Digest, Runtime, Scheme},
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

/// Why a member must not vote in this epoch. It may follow and serve.
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

fn signer(vote: &Vote) -> Participant {
    match vote {
        Vote::Notarize(vote) => vote.attestation.signer,
        Vote::Nullify(vote) => vote.attestation.signer,
        Vote::Finalize(vote) => vote.attestation.signer,
    }
}

/// The newest vote of each member and kind that this member has come across, alone or inside a certificate.
///
/// Votes from the network are noted before their signatures are checked: whoever is shown one checks it.
pub(crate) struct Known {
    epoch: u64,
    newest: Mutex<Vec<[Option<Vote>; KINDS]>>,
}

impl Known {
    pub(crate) fn new(epoch: u64, members: usize) -> Self {
        Self { epoch, newest: Mutex::new((0..members).map(|_| [None, None, None]).collect()) }
    }

    /// What is known of the member of this rank.
    pub(crate) fn of(&self, rank: usize) -> Vec<Vote> {
        self.newest.lock().get(rank).into_iter().flatten().flatten().cloned().collect()
    }

    /// The newest view of this epoch that any vote known here is for; 0 when there is none.
    pub(crate) fn newest(&self) -> u64 {
        let newest = self.newest.lock();
        newest.iter().flatten().flatten().map(|vote| vote.view().get()).max().unwrap_or(0)
    }

    pub(crate) fn vote(&self, vote: &Vote) {
        if vote.epoch().get() != self.epoch {
            return;
        }
        let mut newest = self.newest.lock();
        let Some(slot) = newest.get_mut(usize::from(signer(vote))) else {
            return;
        };
        let slot = &mut slot[kind(vote)];
        if slot.as_ref().is_none_or(|known| known.view() < vote.view()) {
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

/// What this member's own vote log holds.
#[derive(Debug, Default)]
pub(crate) struct OwnVotes {
    /// Oldest and newest view the log holds anything of; older ones are pruned, or never were.
    views: Option<(u64, u64)>,
    cast: BTreeMap<(u64, usize), Option<Digest>>,
}

impl OwnVotes {
    fn note(&mut self, artifact: &Artifact) {
        let view = artifact.view().get();
        let (oldest, newest) = self.views.unwrap_or((view, view));
        self.views = Some((oldest.min(view), newest.max(view)));
        let vote = match artifact {
            Artifact::Notarize(vote) => Vote::Notarize(vote.clone()),
            Artifact::Nullify(vote) => Vote::Nullify(vote.clone()),
            Artifact::Finalize(vote) => Vote::Finalize(vote.clone()),
            _ => return,
        };
        self.cast.insert((view, kind(&vote)), payload(&vote));
    }

    /// The newest view the log holds anything of; 0 when it is empty.
    pub(crate) fn newest(&self) -> u64 {
        self.views.map_or(0, |(_, newest)| newest)
    }

    /// What follows from a vote with this member's valid signature.
    pub(crate) fn judge(&self, vote: &Vote) -> Result<(), VotesError> {
        let (epoch, view) = (vote.epoch().get(), vote.view().get());
        let Some((oldest, newest)) = self.views else {
            return Err(VotesError::Lost { epoch, view });
        };
        if view < oldest || self.cast.get(&(view, kind(vote))) == Some(&payload(vote)) {
            return Ok(());
        }
        Err(VotesError::RolledBack { epoch, view, newest })
    }
}

/// Reads this epoch's vote log: what this member cast, and what the certificates in it say of everybody.
///
/// # Errors
/// [`StartError::Votes`] when the log cannot be read.
pub(crate) async fn read<E: Runtime>(
    context: &E,
    config: &Config,
    cache: &CacheRef,
    known: &Known,
) -> Result<OwnVotes, StartError> {
    let journal = variable::Journal::<_, Artifact>::init(
        context.child("past"),
        variable::Config {
            partition: vote_partition(&config.partition_prefix, config.committee.epoch),
            compression: None,
            codec_config: config.committee.members.len(),
            page_cache: cache.clone(),
            write_buffer: nz(VOTE_BUFFER),
        },
    );
    let journal = journal.await.map_err(StartError::Votes)?;
    let buffer = nz(config.sizes.replay_buffer);
    let replay = journal.replay(0, 0, buffer, ReadOptions::default()).await;
    let mut replay = replay.map_err(StartError::Votes)?;
    let mut own = OwnVotes::default();
    while let Some(artifact) = replay.next().await {
        let (_, _, _, artifact) = artifact.map_err(StartError::Votes)?;
        own.note(&artifact);
        known.artifact(&artifact);
    }
    Ok(own)
}

/// Whether `vote` is of this epoch and carries the valid signature of the member of `rank`.
pub(crate) fn is_signed(
    rng: &mut impl rand_core::CryptoRng,
    scheme: &Scheme,
    (epoch, rank): (u64, usize),
    vote: &Vote,
) -> bool {
    vote.epoch().get() == epoch
        && usize::from(signer(vote)) == rank
        && match vote {
            Vote::Notarize(vote) => vote.verify(rng, scheme, &Sequential),
            Vote::Nullify(vote) => vote.verify::<_, Digest>(rng, scheme, &Sequential),
            Vote::Finalize(vote) => vote.verify(rng, scheme, &Sequential),
        }
}
