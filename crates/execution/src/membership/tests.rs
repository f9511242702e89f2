//! Motions: thresholds, every refusal, and a simple model under random councils.

mod model;
mod refusals;

use hanse_types::{MotionState, OrganisationAction, Role, Status};

use super::{
    testkit::{Council, admin, name, raw, voter},
    *,
};

fn remove(i: u8) -> SeatChange {
    SeatChange::Remove { organisation: name(i) }
}

/// Votes that made the removal of one of `n` seats pass.
fn votes_to_remove_one_of(n: u8) -> Result<usize, Refusal> {
    let mut council = Council::new(n, 8);
    council.pass(remove(n - 1))?;
    assert_eq!(council.members().len(), usize::from(n) - 1);
    Ok(council.motion(council.last).votes.len())
}

#[test]
fn the_higher_share_is_asked_exactly_where_the_bound_falls() {
    // n = 4 bears one fault, 7 two, 10 three: taking one seat from those asks for all, from others for two thirds.
    let found: Vec<_> = (4..=10).map(votes_to_remove_one_of).collect();
    let want = [Err(Refusal::Committee), Ok(4), Ok(4), Ok(7), Ok(6), Ok(6), Ok(10)];
    assert_eq!(found, want);
    // Under four no fault is borne, so none is lost; the last seat stays.
    let small: Vec<_> = (1..=3).map(votes_to_remove_one_of).collect();
    assert_eq!(small, [Err(Refusal::Committee), Ok(2), Ok(2)]);
}

#[test]
fn other_changes_ask_for_two_thirds_of_the_seats() {
    for (n, need) in
        [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (10, 7)]
    {
        let mut council = Council::new(n, 8);
        council.pass(council.rotation(0, 100)).expect("the rules allow it");
        assert_eq!(council.motion(council.last).votes.len(), need, "{n} seats");
        let address = SeatChange::Address { organisation: name(0), address: "a.b:1".to_owned() };
        council.pass(address).expect("the rules allow it");
        assert_eq!(council.motion(council.last).votes.len(), need, "{n} seats");
        council.pass(council.addition(50, 50)).expect("the rules allow it");
        assert_eq!(council.motion(council.last).votes.len(), need, "{n} seats");
        // Taking an application back takes no seat.
        council.pass(remove(50)).expect("the rules allow it");
        assert_eq!(council.motion(council.last).votes.len(), need, "{n} seats");
        assert_eq!(council.members().len(), usize::from(n));
    }
}

#[test]
fn whoever_holds_a_seat_may_hurry_and_not_too_often() {
    let mut council = Council::new(4, 8);
    let stranger = hanse_crypto::SigningKey::from_seed(hanse_crypto::Suite::Ed25519, [99; 32]);
    let asked = council.act_as(&stranger, MembershipAction::Hurry);
    assert_eq!(asked, Err(Refusal::UnknownSigner));
    council.idle_to(6);
    // In block 7, the last of its epoch, the next epoch is meant.
    assert_eq!(council.act(1, MembershipAction::Hurry), Ok(()));
    let hurry = council.seats().hurry.expect("it is written down");
    assert_eq!((hurry.epoch, hurry.time_ms), (1, council.kit.time_ms));
    assert_eq!(council.act(2, MembershipAction::Hurry), Err(Refusal::Quota));
    // A block comes ten milliseconds after the one before.
    council.kit.time_ms = hurry.time_ms + HURRY_MS_MIN - 11;
    assert_eq!(council.act(2, MembershipAction::Hurry), Err(Refusal::Quota));
    council.kit.time_ms = hurry.time_ms + HURRY_MS_MIN - 10;
    assert_eq!(council.act(2, MembershipAction::Hurry), Ok(()));
    // Who has no seat has no say.
    council.pass(council.addition(9, 90)).expect("the rules allow it");
    council.kit.time_ms += HURRY_MS_MIN;
    assert_eq!(council.act(9, MembershipAction::Hurry), Err(Refusal::NotAuthorised));
}

#[test]
fn an_added_organisation_has_what_a_founder_has_and_a_seat_once_its_node_follows() {
    let mut council = Council::new(4, 8);
    council.pass(council.addition(9, 90)).expect("the rules allow it");
    assert_eq!(council.members().len(), 4, "an applicant does not vote");
    // Its own admin says that its node is ready: any account may.
    let ready = council.readiness(90, council.kit.height);
    council.act(9, ready).expect("its node follows");
    let seats = council.seats();
    let seat = seats.seat(&name(9)).expect("seated").clone();
    assert_eq!((seat.consensus, seat.address.as_str()), (raw(&voter(90)), "org09.example:4000"));
    // Blocks 1 to 4 are in epoch 0, so it votes in epoch 1.
    assert_eq!(seat.since_epoch, 1);
    assert!(seats.applicants.is_empty());
    let put = hanse_types::KvAction::Put { space: name(9), key: vec![1], value: vec![2] };
    assert_eq!(council.kit.act(&admin(9), hanse_types::Action::Kv(put)), Status::Done);
    // It takes part from now on.
    council.propose(9, council.rotation(1, 91)).expect("it holds a seat");
    assert!(seats.members.is_sorted_by_key(|seat| seat.consensus));
}

#[test]
fn a_removed_organisation_leaves_its_address_for_a_while_and_may_come_back_under_another_key() {
    let mut council = Council::new(5, 4);
    council.pass(remove(4)).expect("the rules allow it");
    // One block of votes each: it passed in block 4, so that epoch 2 is the first without it.
    let left = council.seats().leaving;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].organisation.as_str(), left[0].until_epoch), ("org04", 2));
    assert_eq!(council.propose(0, council.addition(4, 40)), Err(Refusal::Conflict), "still votes");
    council.idle_to(7);
    assert_eq!(council.propose(0, council.addition(4, 4)), Err(Refusal::Exists), "its old key");
    council.pass(council.addition(4, 40)).expect("another key");
    assert_eq!(council.seats().leaving.len(), 1);
    council.ready(40).expect("its node follows");
    assert!(council.seats().leaving.is_empty(), "it is a member again");
    assert_eq!(council.members().len(), 5);
    // Who does not come back is forgotten at the first change three epochs later.
    council.idle_to(20);
    council.pass(remove(4)).expect("the rules allow it");
    let until = council.seats().leaving[0].until_epoch;
    council.idle_to((until + 3) * 4 - 4);
    council.pass(council.rotation(1, 91)).expect("the rules allow it");
    assert_eq!(council.kit.height, (until + 3) * 4 - 1);
    assert_eq!(council.seats().leaving.len(), 1);
    council.pass(council.rotation(2, 92)).expect("the rules allow it");
    assert!(council.seats().leaving.is_empty());
}

#[test]
fn a_vote_counts_while_its_organisation_holds_a_seat() {
    let mut council = Council::new(8, 64);
    council.propose(7, council.rotation(1, 91)).expect("the rules allow it");
    let rotation = council.last;
    for by in [6, 2, 3, 4] {
        council.approve(by, rotation).expect("open");
    }
    assert_eq!(council.motion(rotation).state, MotionState::Open, "5 of 8");
    council.pass(remove(7)).expect("f stays at two");
    assert_eq!(council.approve(7, rotation), Err(Refusal::NotAuthorised));
    // Of 7 seats 5 must agree, and of the 5 votes one is gone.
    council.approve(5, rotation).expect("open");
    assert_eq!(council.motion(rotation).state, MotionState::Passed(council.kit.height));
}

#[test]
fn votes_that_became_enough_are_counted_when_somebody_says_so() {
    let mut council = Council::new(6, 64);
    let all = council.rotation(0, 91);
    council.propose(0, all).expect("the rules allow it");
    let rotation = council.last;
    for by in [1, 2] {
        council.approve(by, rotation).expect("open");
    }
    assert_eq!(council.approve(1, rotation), Err(Refusal::Voted), "3 of 6 are not 4");
    council.pass(remove(5)).expect("f stays at one");
    council.pass(remove(4)).expect("f stays at one");
    // Of 4 seats 3 must agree, and they have.
    council.approve(1, rotation).expect("counted again");
    let motion = council.motion(rotation);
    assert_eq!((motion.state, motion.votes.len()), (MotionState::Passed(council.kit.height), 3));
}

#[test]
fn a_stolen_keys_votes_do_not_count_and_can_be_cast_again() {
    let mut council = Council::new(4, 64);
    let (old, new) = (admin(1), crate::testkit::key(77));
    let proof = new.sign("hanse/possession/v1", name(1).as_bytes());
    let add = OrganisationAction::AddAccount { key: new.public(), roles: vec![Role::Admin], proof };
    let act = |action| hanse_types::Action::Organisation(action);
    assert_eq!(council.kit.act(&old, act(add)), Status::Done);
    council.propose(1, remove(0)).expect_err("four stay");
    council.propose(1, council.rotation(1, 91)).expect("the rules allow it");
    let id = council.last;
    let stolen =
        OrganisationAction::CompromiseAccount { account: old.public().id(), from_height: 1 };
    assert_eq!(council.kit.act(&new, act(stolen)), Status::Done);
    council.approve(2, id).expect("open");
    council.approve(3, id).expect("open");
    assert_eq!(council.motion(id).state, MotionState::Open, "two good votes of three");
    council.act_as(&new, MembershipAction::Approve { motion: id }).expect("its first good vote");
    let motion = council.motion(id);
    assert_eq!(motion.state, MotionState::Passed(council.kit.height));
    assert_eq!(motion.votes.len(), 3, "one per organisation");
}

#[test]
fn a_motion_that_the_rules_no_longer_allow_fails_with_the_reason() {
    let mut council = Council::new(5, 64);
    council.propose(0, remove(4)).expect("the rules allow it");
    let first = council.last;
    council.propose(0, remove(3)).expect("the rules allow it");
    let second = council.last;
    for by in [1, 2, 3] {
        council.approve(by, first).expect("open");
    }
    assert_eq!(council.motion(first).state, MotionState::Passed(council.kit.height));
    // Of four seats all would have to agree, and even then four stay.
    for by in [1, 2, 3] {
        assert_eq!(council.motion(second).state, MotionState::Open);
        council.approve(by, second).expect("open");
    }
    let failed = MotionState::Failed { reason: Refusal::Committee };
    assert_eq!(council.motion(second).state, failed);
    assert_eq!(council.members().len(), 4);
    assert_eq!(council.approve(3, second), Err(Refusal::Closed));
}
