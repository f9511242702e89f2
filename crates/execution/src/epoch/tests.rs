//! Which committees follow which block.

use hanse_types::SeatChange;

use super::*;
use crate::{
    genesis_block,
    membership::testkit::{Council, name},
};

/// Walks a chain of headers made by the rule; `act` runs before the block at each height.
fn walk(council: &mut Council, blocks: u64, act: impl Fn(&mut Council, u64)) -> Vec<Header> {
    let params = council.kit.genesis.params.clone();
    let mut headers = vec![genesis_block(&council.kit.genesis).header];
    for height in 1..=blocks {
        let parent = headers.last().expect("genesis is there").clone();
        let next = Succession::after(&params, &parent, &council.kit.world);
        let mut header = Header { height, ..parent };
        header.place.epoch = next.epoch;
        (header.committee, header.next_committee) = (next.committee, next.next_committee);
        headers.push(header);
        act(council, height);
        assert_eq!(council.kit.height, height, "one block each");
    }
    headers
}

/// Shortest epochs; a seat is taken in block `at`.
fn removed_at(at: u64) -> (Vec<Header>, Committee, Committee) {
    // A committee under four may shrink.
    let mut council = Council::new(2, 4);
    let founders = council.kit.genesis.committee();
    // Of two organisations both must agree.
    let headers = walk(&mut council, 20, |council, height| {
        if height + 1 == at {
            let change = SeatChange::Remove { organisation: name(1) };
            council.propose(0, change).expect("the rules allow it");
        } else if height == at {
            let id = council.last;
            council.approve(1, id).expect("it is open");
        } else {
            council.kit.run(&[]);
        }
    });
    let rest = founders.members.iter().filter(|m| m.organisation == name(0)).cloned().collect();
    (headers, founders, Committee { epoch: 0, members: rest })
}

#[test]
fn a_change_is_named_from_the_next_header_on_and_the_last_header_decides() {
    // In every position of an epoch: 7 is its last block, so that its change comes one epoch later.
    for (at, first) in [(4, 2), (5, 2), (6, 2), (7, 3)] {
        let (headers, founders, rest) = removed_at(at);
        for header in &headers {
            let epoch = header.height / 4;
            let of = |epoch: u64| {
                let members = if epoch >= first { &rest.members } else { &founders.members };
                Committee { epoch, members: members.clone() }.digest()
            };
            assert_eq!(header.place.epoch, epoch);
            assert_eq!(header.committee, of(epoch), "block {} after {at}", header.height);
            let named = if header.height > at { &rest.members } else { &founders.members };
            let named = Committee { epoch: epoch + 1, members: named.clone() };
            assert_eq!(header.next_committee, named.digest(), "block {}", header.height);
            if header.height > 0 && header.height % 4 == 0 {
                let last = &headers[header.height as usize - 1];
                assert_eq!(header.committee, last.next_committee, "handed over");
            }
        }
    }
}

#[test]
fn an_idle_chain_hurries_until_the_seats_vote_and_not_for_an_address() {
    let mut council = Council::new(4, 4);
    let params = council.kit.genesis.params.clone();
    let hurries = std::cell::RefCell::new(Vec::new());
    let headers = walk(&mut council, 16, |council, height| {
        match height {
            1 => {
                let change =
                    SeatChange::Address { organisation: name(1), address: "one:4000".to_owned() };
                council.propose(0, change).expect("the rules allow it");
            }
            2 | 3 => council.approve(height as u8, council.last).expect("it is open"),
            5 => {
                let change = council.rotation(2, 150);
                council.propose(0, change).expect("the rules allow it");
            }
            6 | 7 => council.approve(height as u8 - 5, council.last).expect("it is open"),
            _ => drop(council.kit.run(&[])),
        }
        hurries.borrow_mut().push((height, council.kit.world.clone()));
    });
    assert_eq!(council.kit.world.seats().seat(&name(1)).expect("seated").address, "one:4000");
    for (height, world) in hurries.into_inner() {
        let found = Succession::after(&params, &headers[height as usize], &world).hurries;
        // Passed in block 7, the last of epoch 1: epoch 2 still has the old key, epoch 3 begins with 12.
        assert_eq!(found, (7..11).contains(&height), "after block {height}");
    }
}
