//! What follows from a vote, and how much an answer may hold.

use commonware_codec::Encode as _;
use commonware_consensus::types::{Epoch, Round, View};
use commonware_cryptography::sha256;

use super::{ask::TELL_BYTES_MAX, *};
use crate::{schemes::Schemes, tests::config_of};

fn round(view: u64) -> Round {
    Round::new(Epoch::new(0), View::new(view))
}

fn scheme() -> Scheme {
    let config = config_of(4);
    config.scheme(&config.check().unwrap(), true)
}

fn nullify(view: u64) -> Nullify<Scheme> {
    Nullify::sign::<Digest>(&scheme(), round(view)).unwrap()
}

fn finalize(view: u64, payload: u8) -> Finalize<Scheme, Digest> {
    let payload = sha256::Digest([payload; 32]);
    let proposal = Proposal::new(round(view), View::new(view.saturating_sub(1)), payload);
    Finalize::sign(&scheme(), proposal).unwrap()
}

fn seats() -> Seats {
    let config = config_of(4);
    Schemes::new(&config, &config.committee, sha256::Digest([0; 32])).unwrap().newest()
}

fn log(artifacts: &[Artifact]) -> OwnVotes {
    let mut own = OwnVotes::default();
    artifacts.iter().for_each(|artifact| own.note(artifact));
    own
}

#[test]
fn any_vote_of_a_member_with_an_empty_log_is_lost() {
    let lost = log(&[]).judge(0, &Vote::Nullify(nullify(3)));
    assert_eq!(lost, Err(VotesError::Lost { epoch: 0, view: 3 }));
}

#[test]
fn a_vote_is_forgotten_unless_the_log_holds_it_or_has_pruned_its_view() {
    let own = log(&[
        Artifact::Certification(round(5), true),
        Artifact::Finalize(finalize(6, 1)),
        Artifact::Certification(round(8), true),
    ]);
    let back = |view| Err(VotesError::RolledBack { epoch: 0, view, newest: 8 });
    assert_eq!(own.judge(0, &Vote::Nullify(nullify(4))), Ok(()), "pruned");
    assert_eq!(own.judge(0, &Vote::Nullify(nullify(5))), back(5), "of a view the log knows");
    assert_eq!(own.judge(0, &Vote::Finalize(finalize(6, 1))), Ok(()), "held");
    assert_eq!(own.judge(0, &Vote::Finalize(finalize(6, 2))), back(6), "for another block");
    assert_eq!(own.judge(0, &Vote::Nullify(nullify(6))), back(6), "of another kind");
    assert_eq!(own.judge(0, &Vote::Nullify(nullify(7))), back(7), "between");
    assert_eq!(own.judge(0, &Vote::Finalize(finalize(9, 1))), back(9), "above");
}

#[test]
fn only_votes_that_a_member_really_signed_count_against_it() {
    let mut rng = commonware_utils::test_rng();
    let mine = nullify(3);
    let rank = usize::from(mine.attestation.signer);
    let members = seats().participants;
    let namespace = config_of(4).namespace();
    let mut signed =
        |vote: &Vote, rank| is_signed(&mut rng, (&namespace, members.get(rank).unwrap()), vote);
    assert!(signed(&Vote::Nullify(mine.clone()), rank));
    assert!(!signed(&Vote::Nullify(mine.clone()), (rank + 1) % 4));
    let mut moved = mine.clone();
    moved.round = round(4);
    assert!(!signed(&Vote::Nullify(moved), rank));
    let mut later = mine.clone();
    later.round = Round::new(Epoch::new(1), View::new(3));
    assert!(!signed(&Vote::Nullify(later), rank));
    // The rank is not signed: in another committee the same key has another.
    let mut elsewhere = mine;
    elsewhere.attestation.signer = Participant::new(7);
    assert!(signed(&Vote::Nullify(elsewhere), rank));
}

#[test]
fn the_newest_vote_of_each_kind_is_kept_and_an_answer_holds_them_at_their_longest() {
    let known = Known::new(&seats());
    let far = u64::MAX - 1;
    for view in [3, far, 7] {
        known.vote(&Vote::Nullify(nullify(view)));
        known.vote(&Vote::Finalize(finalize(view, 1)));
        let Finalize { proposal, .. } = finalize(view, 2);
        known.vote(&Vote::Notarize(Notarize::sign(&scheme(), proposal).unwrap()));
    }
    let rank = usize::from(nullify(1).attestation.signer);
    let members = seats().participants;
    let of = |rank| members.get(rank).map(|key| known.of(key)).unwrap_or_default();
    let votes = of(rank);
    assert_eq!(votes.len(), KINDS);
    assert!(votes.iter().all(|vote| vote.view().get() == far));
    assert!(of((rank + 1) % 4).is_empty());
    assert!(votes.encode().len() + 10 <= TELL_BYTES_MAX, "{}", votes.encode().len());
}

#[test]
fn what_is_known_outlives_the_epoch_until_there_is_something_newer() {
    let mut seats = seats();
    let known = Known::new(&seats);
    let me = seats.participants.get(usize::from(nullify(1).attestation.signer)).unwrap().clone();
    known.vote(&Vote::Nullify(nullify(9)));
    seats.epoch = 1;
    known.enter(&seats);
    // Votes of an epoch that is over, or not yet begun, are not taken.
    known.vote(&Vote::Nullify(nullify(10)));
    assert_eq!((known.of(&me).len(), known.newest()), (1, (0, 9)));
    let round = Round::new(Epoch::new(1), View::new(2));
    known.vote(&Vote::Nullify(Nullify::sign::<Digest>(&scheme(), round).unwrap()));
    assert_eq!((known.of(&me).len(), known.newest()), (1, (1, 2)));
}

#[test]
fn votes_of_epochs_that_are_over_mean_nothing_and_of_later_ones_all() {
    let own = log(&[Artifact::Finalize(finalize(6, 1))]);
    assert_eq!(own.judge(1, &Vote::Nullify(nullify(9))), Ok(()), "over");
    let later = Round::new(Epoch::new(2), View::new(1));
    let vote = Vote::Nullify(Nullify::sign::<Digest>(&scheme(), later).unwrap());
    assert_eq!(own.judge(1, &vote), Err(VotesError::Lost { epoch: 2, view: 1 }));
}
