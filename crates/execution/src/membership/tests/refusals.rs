//! Everything that is refused, and by which word.

use hanse_types::{
    Action, OrganisationAction,
    limits::{COMMITTEE_MAX, GATEWAYS_ADD_MAX, MOTION_MS_MAX, MOTIONS_OPEN_MAX, READY_BLOCKS_MAX},
};

use super::*;

#[test]
fn who_holds_no_seat_or_no_right_decides_nothing() {
    let mut council = Council::new(4, 64);
    let change = council.rotation(1, 91);
    let stranger = council.propose(9, change.clone());
    assert_eq!(stranger, Err(Refusal::UnknownSigner));
    // An applicant's admin is known and has no seat.
    council.pass(council.addition(9, 90)).expect("the rules allow it");
    assert_eq!(council.propose(9, change.clone()), Err(Refusal::NotAuthorised));
    council.propose(0, change).expect("the rules allow it");
    let id = council.last;
    assert_eq!(council.approve(9, id), Err(Refusal::NotAuthorised));
    assert_eq!(council.approve(0, id), Err(Refusal::Voted));
    assert_eq!(council.approve(1, Digest([5; 32])), Err(Refusal::NotFound));
    // A seat is not enough: it takes an administrator.
    let clerk = crate::testkit::key(70);
    let proof = clerk.sign("hanse/possession/v1", name(1).as_bytes());
    let roles = vec![Role::Release];
    let add = OrganisationAction::AddAccount { key: clerk.public(), roles, proof };
    assert_eq!(council.kit.act(&admin(1), Action::Organisation(add)), Status::Done);
    let approve = MembershipAction::Approve { motion: id };
    assert_eq!(council.act_as(&clerk, approve), Err(Refusal::NotAuthorised));
    // Nor do a gateway's words: its organisation's people decide.
    let session = Action::Membership(MembershipAction::Approve { motion: id });
    let command = council.kit.session(1, "", vec![session]);
    let status = council.kit.run(&[command]).applied[0].receipt.status;
    assert_eq!(status, Status::Refused(Refusal::Evidence));
    let ready = Action::Membership(council.readiness(90, council.kit.height));
    let command = council.kit.session(2, "", vec![ready]);
    let status = council.kit.run(&[command]).applied[0].receipt.status;
    assert_eq!(status, Status::Refused(Refusal::Evidence));
}

#[test]
fn only_the_proposer_withdraws_and_what_is_closed_stays_closed() {
    let mut council = Council::new(4, 64);
    council.propose(0, council.rotation(1, 91)).expect("the rules allow it");
    let motion = council.last;
    let withdraw = MembershipAction::Withdraw { motion };
    assert_eq!(council.act(1, withdraw.clone()), Err(Refusal::NotAuthorised));
    council.act(0, withdraw.clone()).expect("its own");
    assert_eq!(council.motion(motion).state, MotionState::Withdrawn);
    assert_eq!(council.act(0, withdraw), Err(Refusal::Closed));
    assert_eq!(council.approve(1, motion), Err(Refusal::Closed));
}

#[test]
fn a_motion_lives_until_its_time_and_no_longer() {
    let mut council = Council::new(4, 64);
    let change = council.rotation(1, 91);
    let at = |council: &mut Council, expires_ms| {
        council.act(0, MembershipAction::Propose { change: change.clone(), expires_ms })
    };
    let next = council.kit.time_ms + 10;
    assert_eq!(at(&mut council, next), Err(Refusal::Expired), "now is too early");
    let next = council.kit.time_ms + 10;
    assert_eq!(at(&mut council, next + MOTION_MS_MAX + 1), Err(Refusal::Expired));
    let next = council.kit.time_ms + 10;
    at(&mut council, next + MOTION_MS_MAX).expect("the longest");
    // The next block but one is the last it can pass in.
    let last = council.kit.time_ms + 30;
    at(&mut council, last).expect("two more blocks");
    let motion = council.last;
    council.approve(1, motion).expect("open");
    council.kit.time_ms = last - 9;
    assert_eq!(council.approve(2, motion), Err(Refusal::Expired));
    assert_eq!(council.act(0, MembershipAction::Withdraw { motion }), Err(Refusal::Expired));
    council.kit.time_ms = last - 10;
    council.approve(2, motion).expect("its very last moment");
    assert_eq!(council.motion(motion).state, MotionState::Passed(council.kit.height));
}

#[test]
fn open_motions_are_bounded_per_organisation() {
    let mut council = Council::new(4, 64);
    let expires_ms = council.kit.time_ms + 50;
    let change = council.rotation(1, 91);
    let short = MembershipAction::Propose { change, expires_ms };
    council.act(0, short).expect("the first");
    for i in 1..MOTIONS_OPEN_MAX as u8 {
        council.propose(0, council.rotation(1, 91 + i)).expect("room");
        council.kit.time_ms -= 10;
    }
    let more = council.rotation(1, 120);
    assert_eq!(council.propose(0, more.clone()), Err(Refusal::Quota));
    council.propose(1, more.clone()).expect("another's room is its own");
    // One expired, one withdrawn, one decided: three more.
    council.kit.time_ms = expires_ms;
    council.propose(0, more.clone()).expect("an expired one counts no more");
    assert_eq!(council.propose(0, more.clone()), Err(Refusal::Quota));
    let motion = council.last;
    council.act(0, MembershipAction::Withdraw { motion }).expect("its own");
    council.pass(more.clone()).expect("room again, and it is free as soon as it is decided");
    let address = SeatChange::Address { organisation: name(2), address: String::new() };
    council.propose(0, address).expect("room again");
}

#[test]
fn consensus_keys_are_sound_possessed_and_never_used_twice() {
    let mut council = Council::new(4, 4);
    // Of another organisation, of an account, of a gateway, its own.
    assert_eq!(council.propose(0, council.rotation(1, 2)), Err(Refusal::Exists));
    assert_eq!(council.propose(0, council.rotation(1, 1)), Err(Refusal::Exists));
    for taken in [admin(3), crate::testkit::gateway()] {
        let possession = council.possession(&name(1), &taken);
        let (organisation, consensus) = (name(1), raw(&taken));
        let change = SeatChange::Rotate { organisation, consensus, possession };
        assert_eq!(council.propose(0, change), Err(Refusal::Exists));
    }
    let mut weak = [0; 32];
    weak[0] = 1;
    let mut forged = [0; 64];
    forged[0] = 1;
    let possession = Signature::Ed25519(forged);
    let change = SeatChange::Rotate { organisation: name(1), consensus: weak, possession };
    assert_eq!(council.propose(0, change), Err(Refusal::WeakKey));
    // A possession for another organisation, or by another key, or on another chain.
    let key = raw(&voter(91));
    let other_chain = Council::new(5, 4);
    for possession in [
        council.possession(&name(2), &voter(91)),
        voter(92).sign(
            hanse_types::POSSESSION_DOMAIN,
            &hanse_types::possession_message(&council.kit.chain_id(), &name(1), &key),
        ),
        other_chain.possession(&name(1), &voter(91)),
    ] {
        let change = SeatChange::Rotate { organisation: name(1), consensus: key, possession };
        assert_eq!(council.propose(0, change), Err(Refusal::Possession));
    }
    council.pass(council.rotation(1, 91)).expect("the rules allow it");
    // Given up, yet never free again; and neither an account nor a gateway may have it.
    council.idle_to(16);
    council.pass(council.rotation(1, 92)).expect("another epoch");
    assert_eq!(council.propose(0, council.rotation(2, 91)), Err(Refusal::Exists));
    let proof = voter(91).sign("hanse/possession/v1", name(0).as_bytes());
    let (key, roles) = (voter(91).public(), vec![Role::Ci]);
    for action in [
        OrganisationAction::AddAccount { key, roles, proof },
        OrganisationAction::AddGateway { key },
    ] {
        let status = council.kit.act(&admin(0), Action::Organisation(action));
        assert_eq!(status, Status::Refused(Refusal::Exists));
    }
}

#[test]
fn one_organisations_vote_changes_hands_once_per_epoch() {
    let mut council = Council::new(6, 16);
    council.pass(council.rotation(1, 91)).expect("the rules allow it");
    assert_eq!(council.propose(0, council.rotation(1, 92)), Err(Refusal::Conflict));
    assert_eq!(council.propose(0, remove(1)), Err(Refusal::Conflict));
    let address = SeatChange::Address { organisation: name(1), address: "a:1".to_owned() };
    council.propose(0, address).expect("an address does not vote");
    council.idle_to(13);
    assert_eq!(council.propose(0, remove(1)), Err(Refusal::Conflict), "block 14: before the end");
    council.propose(0, remove(1)).expect("block 15: the next header is of the next epoch");
}

#[test]
fn additions_are_whole_new_and_in_form() {
    type Spoil = fn(&mut SeatChange);
    let with = |spoil: Spoil| {
        let council = Council::new(4, 64);
        let mut change = council.addition(9, 90);
        spoil(&mut change);
        (council, change)
    };
    macro_rules! spoil {
        ($field:ident = $value:expr) => {
            |change| {
                let value = $value;
                if let SeatChange::Add { $field, .. } = change {
                    *$field = value;
                }
            }
        };
    }
    let gateways = || (0..=GATEWAYS_ADD_MAX as u8).map(|i| crate::testkit::key(i + 20).public());
    let cases: [(Refusal, Spoil); 12] = [
        (Refusal::Malformed, spoil!(organisation = "Upper".to_owned())),
        (Refusal::Malformed, spoil!(address = "no-port".to_owned())),
        (Refusal::Malformed, spoil!(admin = None)),
        (Refusal::Malformed, spoil!(admin = Some(voter(90).public()))),
        (Refusal::Malformed, spoil!(gateways = vec![voter(90).public()])),
        (Refusal::Malformed, spoil!(gateways = vec![admin(20).public(); 2])),
        (Refusal::WeakKey, spoil!(admin = Some(PublicKey::Ed25519([0; 32])))),
        (Refusal::WeakKey, spoil!(gateways = vec![PublicKey::P256([9; 33])])),
        (Refusal::Exists, spoil!(admin = Some(admin(0).public()))),
        (Refusal::Exists, spoil!(admin = Some(voter(0).public()))),
        (Refusal::Exists, spoil!(gateways = vec![voter(0).public()])),
        (Refusal::Exists, spoil!(gateways = vec![crate::testkit::gateway().public()])),
    ];
    for (i, (want, spoil)) in cases.into_iter().enumerate() {
        let (mut council, change) = with(spoil);
        assert_eq!(council.propose(0, change), Err(want), "case {i}");
    }
    let (mut council, mut change) = with(|_| {});
    if let SeatChange::Add { gateways: list, .. } = &mut change {
        *list = gateways().collect();
    }
    assert_eq!(council.propose(0, change.clone()), Err(Refusal::Malformed), "one too many");
    if let SeatChange::Add { gateways: list, .. } = &mut change {
        list.pop();
    }
    council.propose(0, change).expect("as many as allowed");
    // A member, an applicant, and an organisation that exists and brings keys again.
    assert_eq!(council.propose(0, council.addition(1, 91)), Err(Refusal::Exists));
    council.pass(council.addition(8, 80)).expect("the rules allow it");
    assert_eq!(council.propose(0, council.addition(8, 81)), Err(Refusal::Exists));
    council.pass(remove(8)).expect("the rules allow it");
    let mut again = council.addition(8, 81);
    if let SeatChange::Add { admin: first, .. } = &mut again {
        *first = Some(crate::testkit::key(50).public());
    }
    assert_eq!(council.propose(0, again), Err(Refusal::Malformed));
    council.propose(0, council.addition(8, 81)).expect("it exists");
    // Somebody took the name for a space meanwhile.
    let space = hanse_types::SpaceAction::Create { name: name(7) };
    assert_eq!(council.kit.act(&admin(0), Action::Space(space)), Status::Done);
    assert_eq!(council.propose(0, council.addition(7, 70)), Err(Refusal::Exists));
}

#[test]
fn a_committee_has_an_upper_end_and_applicants_count() {
    let mut council = Council::new(COMMITTEE_MAX as u8 - 1, 1 << 20);
    council.pass(council.addition(100, 100)).expect("the last one");
    let change = council.addition(101, 101);
    assert_eq!(council.propose(0, change.clone()), Err(Refusal::Committee));
    council.ready(100).expect("its node follows");
    assert_eq!(council.propose(0, change), Err(Refusal::Committee));
    assert_eq!(council.members().len(), COMMITTEE_MAX);
}

#[test]
fn changes_need_a_seat_to_change() {
    let mut council = Council::new(4, 64);
    let address =
        |i, to: &str| SeatChange::Address { organisation: name(i), address: to.to_owned() };
    assert_eq!(council.propose(0, remove(9)), Err(Refusal::NotFound));
    assert_eq!(council.propose(0, address(9, "a:1")), Err(Refusal::NotFound));
    assert_eq!(council.propose(0, address(1, "a:0")), Err(Refusal::Malformed));
    assert_eq!(council.propose(0, council.rotation(9, 90)), Err(Refusal::NotFound));
    council.pass(council.addition(9, 90)).expect("the rules allow it");
    // An application has an address, and no vote to hand over.
    assert_eq!(council.propose(0, council.rotation(9, 91)), Err(Refusal::NotFound));
    council.pass(address(9, "[::1]:4000")).expect("the rules allow it");
    assert_eq!(council.seats().applicants[0].address, "[::1]:4000");
}

#[test]
fn readiness_names_a_recent_block_of_this_chain_under_the_applicants_key() {
    let mut council = Council::new(4, 8);
    council.pass(council.addition(9, 90)).expect("the rules allow it");
    council.idle_to(20);
    let unknown = council.readiness(91, 20);
    assert_eq!(council.act(0, unknown), Err(Refusal::NotFound));
    // Block 22 looks at 22 and 13, and at 23 − 8 = 15 the window begins.
    let itself = council.readiness(90, 22);
    assert_eq!(council.act(0, itself), Err(Refusal::Conflict), "not yet there");
    let old = council.readiness(90, 14);
    assert_eq!(council.act(0, old), Err(Refusal::Expired), "more than an epoch ago");
    let forger = |height: u64, key: u8, digest: Digest, council: &Council| {
        let message = ready_message(&council.kit.chain_id(), height, &digest);
        let proof = voter(key).sign(READY_DOMAIN, &message);
        MembershipAction::Ready { consensus: raw(&voter(90)), height, digest, proof }
    };
    let elsewhere = forger(22, 90, Digest([4; 32]), &council);
    assert_eq!(council.act(0, elsewhere), Err(Refusal::Conflict), "another chain's block");
    let own = crate::testkit::header_digest(22);
    let other = forger(22, 91, own, &council);
    assert_eq!(council.act(0, other), Err(Refusal::Possession), "another's signature");
    let oldest = council.readiness(90, council.kit.height + 1 - 8);
    council.act(0, oldest).expect("exactly an epoch ago");
    let again = council.readiness(90, council.kit.height);
    assert_eq!(council.act(0, again), Err(Refusal::NotFound), "no applicant any more");
}

#[test]
fn long_epochs_remember_a_bounded_number_of_blocks() {
    let mut council = Council::new(4, 1 << 40);
    council.pass(council.addition(9, 90)).expect("the rules allow it");
    council.idle_to(READY_BLOCKS_MAX + 10);
    let old = council.readiness(90, council.kit.height - READY_BLOCKS_MAX);
    assert_eq!(council.act(0, old), Err(Refusal::Expired));
    let oldest = council.readiness(90, council.kit.height + 1 - READY_BLOCKS_MAX);
    council.act(0, oldest).expect("the oldest that is remembered");
}

#[test]
fn who_left_cannot_come_back_before_it_is_gone() {
    let mut council = Council::new(5, 1 << 20);
    council.pass(remove(4)).expect("the rules allow it");
    assert_eq!(council.propose(0, council.addition(4, 40)), Err(Refusal::Conflict));
}
