//! What a block that no honest member votes for looks like.

use hanse_types::{Action, Block, Body, Header, KvAction, Segment, limits::COMMAND_VALID_MS_MAX};

use super::*;
use crate::{
    genesis_block,
    testkit::{Kit, acme, decode, genesis},
};

fn put(space: &str, key: &[u8]) -> Action {
    Action::Kv(KvAction::Put { space: space.to_owned(), key: key.to_vec(), value: vec![1] })
}

fn block(commands: Vec<hanse_types::Command>) -> Block {
    let mut block = genesis_block(&genesis());
    let space = decode(&commands)[0].space.clone();
    block.body = Body { segments: vec![Segment { space, commands }] };
    block.header.body_root = block.body.root();
    block
}

fn lineage(parent: &Header) -> Lineage<'_> {
    Lineage {
        parent,
        parent_digest: parent.digest(),
        history_root: Digest([7; 32]),
        receipt_root: Digest([8; 32]),
        event_root: Digest([9; 32]),
        pending: Some(0),
        succession: Succession {
            epoch: 0,
            committee: parent.committee,
            next_committee: parent.next_committee,
            hurries: false,
        },
    }
}

fn next(parent: &Header) -> Header {
    Header {
        height: 1,
        parent: parent.digest(),
        timestamp_ms: parent.timestamp_ms + 1,
        history_root: Digest([7; 32]),
        receipt_root: Digest([8; 32]),
        event_root: Digest([9; 32]),
        settles: false,
        ..parent.clone()
    }
}

#[test]
fn defect_4a_11_duplicate_command_is_refused() {
    let mut kit = Kit::new();
    let command = kit.signed(&acme(), put("acme", b"k"));
    let twice = decode(&[command.clone(), command.clone()]);
    assert_eq!(check_replay(&kit.world, 10_000_000, &twice), Err(CheckError::Replay(1)));
    kit.run(std::slice::from_ref(&command));
    let again = decode(&[command]);
    assert_eq!(check_replay(&kit.world, 10_000_000, &again), Err(CheckError::Replay(0)));
}

#[test]
fn defect_4a_11_expired_and_far_ahead_commands_are_refused() {
    let mut kit = Kit::new();
    let decoded = decode(&[kit.signed(&acme(), put("acme", b"k"))]);
    let until = decoded[0].authored.valid_until_ms().expect("signed commands have one");
    assert_eq!(check_replay(&kit.world, until, &decoded), Ok(()));
    assert_eq!(check_replay(&kit.world, until + 1, &decoded), Err(CheckError::Replay(0)));
    let early = until - COMMAND_VALID_MS_MAX - 1;
    assert_eq!(check_replay(&kit.world, early, &decoded), Err(CheckError::Replay(0)));
}

/// Its sequences would be remembered for ever, for as many keys as a lying proposer can think of.
#[test]
fn a_gateway_that_nobody_registered_has_no_batch_in_a_block() {
    let mut kit = Kit::new();
    let (known, stranger) = (crate::testkit::gateway(), crate::testkit::key(99));
    let batch = |kit: &Kit, by| decode(&[kit.session_of(by, 1, "acme", vec![put("acme", b"k")])]);
    assert_eq!(check_replay(&kit.world, 10_000_000, &batch(&kit, &known)), Ok(()));
    let strange = batch(&kit, &stranger);
    assert_eq!(check_replay(&kit.world, 10_000_000, &strange), Err(CheckError::Replay(0)));
    let key = stranger.public();
    let add = Action::Organisation(hanse_types::OrganisationAction::AddGateway { key });
    let command = kit.signed(&acme(), add);
    kit.run(&[command]);
    assert_eq!(check_replay(&kit.world, 10_000_000, &strange), Ok(()));
}

#[test]
fn defect_4a_11_wrong_parent_is_refused() {
    let parent = genesis_block(&genesis()).header;
    let good = next(&parent);
    assert_eq!(check_links(&good, &lineage(&parent)), Ok(()));
    let bad = Header { parent: Digest([1; 32]), ..good };
    assert_eq!(check_links(&bad, &lineage(&parent)), Err(CheckError::Link("parent")));
}

#[test]
fn every_linked_field_is_checked() {
    let parent = genesis_block(&genesis()).header;
    let one = Digest([1; 32]);
    type Change = fn(&mut Header, Digest);
    let changes: [(&str, Change); 11] = [
        ("version", |h, _| h.version = 2),
        ("protocol", |h, _| h.protocol = 9),
        ("chain_id", |h, d| h.chain_id = d),
        ("height", |h, _| h.height = 2),
        ("epoch", |h, _| h.place.epoch = 1),
        ("committee", |h, d| h.committee = d),
        ("next_committee", |h, d| h.next_committee = d),
        ("state_version", |h, _| h.state_version = 3),
        ("receipt_root", |h, d| h.receipt_root = d),
        ("event_root", |h, d| h.event_root = d),
        ("history_root", |h, d| h.history_root = d),
    ];
    for (name, change) in changes {
        let mut header = next(&parent);
        change(&mut header, one);
        let found = check_links(&header, &lineage(&parent));
        let root = name.ends_with("_root");
        let want = if root { CheckError::Root(name) } else { CheckError::Link(name) };
        assert_eq!(found, Err(want));
    }
    let mut early = next(&parent);
    early.timestamp_ms = parent.timestamp_ms;
    let time = CheckError::Time { parent: parent.timestamp_ms, found: parent.timestamp_ms };
    assert_eq!(check_links(&early, &lineage(&parent)), Err(time));
}

#[test]
fn settlement_allows_one_boundary_under_way() {
    let parent = genesis_block(&genesis()).header;
    let good = next(&parent);
    // Boundary 0 is under way: a second one may not be opened before its root is carried.
    let second = Header { settles: true, ..good.clone() };
    assert_eq!(check_links(&second, &lineage(&parent)), Err(CheckError::Settlement(1)));
    let carried = Header { state_root: Digest([4; 32]), settles: true, ..good.clone() };
    assert_eq!(check_links(&carried, &lineage(&parent)), Ok(()));
    // A root for a height that is no boundary is refused before anyone waits for it.
    let other = Header { settled_height: 77, state_root: Digest([4; 32]), ..good };
    assert_eq!(check_links(&other, &lineage(&parent)), Err(CheckError::Settlement(77)));
}

#[test]
fn body_root_segments_chain_and_kind_are_checked() {
    let mut kit = Kit::new();
    let one = kit.signed(&acme(), put("acme", b"k"));
    let good = block(vec![one.clone()]);
    assert!(check_body(&good, |_| Vec::new()).is_ok());

    let mut swapped = good.clone();
    swapped.body.segments[0].commands[0].bytes[0] ^= 1;
    assert_eq!(check_body(&swapped, |_| Vec::new()).err(), Some(CheckError::Root("body_root")));

    let mut misplaced = good.clone();
    misplaced.body.segments[0].space = "borealis".to_owned();
    misplaced.header.body_root = misplaced.body.root();
    assert_eq!(check_body(&misplaced, |_| Vec::new()).err(), Some(CheckError::Segments));

    let mut empty = good.clone();
    empty.body.segments.push(Segment { space: "z".to_owned(), commands: Vec::new() });
    empty.header.body_root = empty.body.root();
    assert_eq!(check_body(&empty, |_| Vec::new()).err(), Some(CheckError::Segments));

    let mut foreign = good.clone();
    foreign.header.chain_id = Digest([1; 32]);
    assert_eq!(check_body(&foreign, |_| Vec::new()).err(), Some(CheckError::Chain(0)));

    let mut unknown = good;
    unknown.body.segments[0].commands[0].kind = 99;
    unknown.header.body_root = unknown.body.root();
    let source = DecodeRefusal::Kind;
    assert_eq!(
        check_body(&unknown, |_| Vec::new()).err(),
        Some(CheckError::Command { index: 0, source })
    );
}

#[test]
fn work_over_the_limit_is_refused() {
    let mut kit = Kit::new();
    let wipe = |i: u8| {
        Action::Kv(KvAction::Delete { space: "acme".to_owned(), key: vec![i], range_end: vec![0] })
    };
    let commands: Vec<_> = (1..=20).map(|i| kit.signed(&acme(), wipe(i))).collect();
    assert_eq!(check_body(&block(commands), |_| Vec::new()).err(), Some(CheckError::Limit("work")));
}

#[test]
fn bad_signatures_are_named() {
    let mut kit = Kit::new();
    let mut commands: Vec<_> =
        (0..9u8).map(|i| kit.signed(&acme(), put("acme", &[i + 1]))).collect();
    for bad in [2, 7] {
        let last = commands[bad].bytes.len() - 1;
        commands[bad].bytes[last - 8] ^= 1;
    }
    assert_eq!(verify_signatures(&decode(&commands)), Err(CheckError::Signatures(vec![2, 7])));
}
