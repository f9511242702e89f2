//! Golden digests: a changed number here is a changed format and needs an ADR.

use alloc::{string::ToString, vec, vec::Vec};
use hanse_crypto::Digest;

use super::*;

fn header() -> Header {
    Header {
        version: 1,
        protocol: 1,
        chain_id: Digest([1; 32]),
        height: 7,
        place: Place { epoch: 0, view: 9, leader: [2; 32], parent_view: 8 },
        parent: Digest([3; 32]),
        timestamp_ms: 1_700_000_000_000,
        body_root: Body::default().root(),
        receipt_root: Digest([4; 32]),
        event_root: Digest([5; 32]),
        settled_height: 5,
        state_root: Digest([6; 32]),
        state_version: 1,
        settles: true,
        history_root: Digest([7; 32]),
        committee: Digest([8; 32]),
        next_committee: Digest([8; 32]),
    }
}

#[test]
fn decoding_refuses_trailing_bytes_and_truncation() {
    let bytes = encode(&header());
    assert_eq!(decode::<Header>(&bytes), Ok(header()));
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(decode::<Header>(&longer), Err(DecodeError));
    assert_eq!(decode::<Header>(&bytes[..bytes.len() - 1]), Err(DecodeError));
}

#[test]
fn every_header_byte_is_bound_by_the_digest() {
    let bytes = encode(&header());
    for i in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[i] ^= 1;
        if let Ok(other) = decode::<Header>(&changed) {
            assert_ne!(other.digest(), header().digest(), "byte {i}");
        }
    }
}

#[test]
fn state_keys_of_one_prefix_never_run_into_another() {
    let a = StateKey::Tag { repo: "h/a", tag: "b" }.encode();
    let b = StateKey::Tag { repo: "h/ab", tag: "" }.encode();
    assert_ne!(a, b);
    let prefix = StateKey::prefix(7, &["h/a"]);
    assert!(a.starts_with(&prefix) && !b.starts_with(&prefix));
}

#[test]
fn quorum_is_the_engines() {
    for (n, need) in [(1, 1), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7), (13, 9)] {
        let members: Vec<CommitteeMember> = (0..n)
            .map(|i| CommitteeMember { consensus: [i; 32], organisation: i.to_string() })
            .collect();
        assert_eq!(Committee { epoch: 0, members }.quorum(), need);
    }
}

#[test]
fn names_are_rfc_1123_labels() {
    assert_eq!(check_name("acme-2"), Ok(()));
    assert_eq!(check_name(""), Err(NameError::Empty));
    assert_eq!(check_name(&"a".repeat(64)), Err(NameError::Long));
    for bad in ["-a", "a-", "A", "a_b", "ä", "a b"] {
        assert_eq!(check_name(bad), Err(NameError::Letters), "{bad}");
    }
}

#[test]
fn body_root_binds_space_and_order() {
    let command = |b: u8| Command { kind: 1, bytes: vec![b] };
    let body = |space: &str, commands| Body {
        segments: vec![Segment { space: space.to_string(), commands }],
    };
    let one = body("a", vec![command(1), command(2)]).root();
    assert_ne!(one, body("b", vec![command(1), command(2)]).root());
    assert_ne!(one, body("a", vec![command(2), command(1)]).root());
    assert_ne!(one, Body::default().root());
}

/// Computed by hand from the description: SHA-256 with domains, RFC 6962 trees.
#[test]
fn body_root_is_a_tree_of_trees_over_the_ids() {
    let command = |b: u8| Command { kind: 1, bytes: vec![b] };
    let segment = |space: &str, commands| Segment { space: space.to_string(), commands };
    let body = Body {
        segments: vec![
            segment("", vec![command(1)]),
            segment("app", vec![command(2), command(3), command(4)]),
        ],
    };
    let golden = "72d8e81f1442b1c3ba2c8c2f112284e11db1b00f3eca1c5d2843d517f62d02e2";
    assert_eq!(body.root().to_string(), golden);
    let ids: Vec<Digest> = body.commands().map(Command::id).collect();
    assert_eq!(body.root_of(&ids).to_string(), golden);
    let swapped = [ids[1], ids[0], ids[2], ids[3]];
    assert_ne!(body.root_of(&swapped).to_string(), golden);
}

#[test]
fn a_record_has_one_encoding_wherever_its_keys_stand() {
    let here = RecordRef {
        key: &[1, 2, 3],
        next: &[1, 2, 4, 0],
        create_revision: 1,
        mod_revision: 2,
        version: 3,
        lease: 4,
        seal: 5,
        height: 6,
        index: 7,
        value_hash: Record::value_hash(b"value"),
    };
    let owned = here.to_record();
    assert_eq!(encode(&here), encode(&owned));
    assert_eq!(here.digest(), owned.digest());
    assert_eq!(decode::<Record>(&encode(&here)), Ok(owned));
    let other = RecordRef { next: &[], ..here };
    assert_ne!(other.digest(), here.digest());
}

fn params(epoch_blocks: u64) -> ChainParams {
    ChainParams {
        protocol_version: 1,
        heartbeat_ms: 2_000,
        leader_timeout_ms: 3_000,
        certification_timeout_ms: 4_000,
        clock_ahead_max_ms: 500,
        epoch_blocks,
        spaces_per_organisation: 4,
        motion: Threshold::TWO_THIRDS,
        motion_high: Threshold::ALL,
    }
}

#[test]
fn epochs_are_heights_divided() {
    let p = params(4);
    let epochs: Vec<u64> = (0..9).map(|height| p.epoch_of(height)).collect();
    assert_eq!(epochs, [0, 0, 0, 0, 1, 1, 1, 1, 2]);
    let last: Vec<u64> = (0..9).filter(|height| p.is_last_of_epoch(*height)).collect();
    assert_eq!(last, [3, 7]);
    assert_eq!((p.last_of_epoch(0), p.last_of_epoch(1)), (3, 7));
    let long = params(1 << 40);
    assert!(!long.is_last_of_epoch(u64::MAX) && long.last_of_epoch(u64::MAX) == u64::MAX);
    assert_eq!((params(0).epoch_of(7), params(0).is_last_of_epoch(7)), (0, false));
}

#[test]
fn settings_no_network_can_have_are_refused() {
    assert_eq!(params(limits::EPOCH_BLOCKS_MIN).check(), Ok(()));
    assert_eq!(params(limits::EPOCH_BLOCKS_MIN - 1).check(), Err(ParamsError::Epoch));
    let with = |motion: (u16, u16), high: (u16, u16)| {
        let share = |(num, den)| Threshold { num, den };
        ChainParams { motion: share(motion), motion_high: share(high), ..params(4) }.check()
    };
    assert_eq!(with((1, 2), (1, 2)), Ok(()));
    assert_eq!(with((u16::MAX, u16::MAX), (1, 1)), Ok(()));
    for (motion, high) in [((0, 1), (1, 1)), ((3, 2), (3, 2)), ((1, 1), (2, 3)), ((1, 2), (0, 0))] {
        assert_eq!(with(motion, high), Err(ParamsError::Threshold), "{motion:?} {high:?}");
    }
}

#[test]
fn thresholds_round_up_and_ask_for_somebody() {
    let two_thirds: Vec<usize> = (1..=10).map(|n| Threshold::TWO_THIRDS.of(n)).collect();
    assert_eq!(two_thirds, [1, 2, 2, 3, 4, 4, 5, 6, 6, 7]);
    assert_eq!(Threshold::ALL.of(7), 7);
    assert_eq!(Threshold { num: 1, den: 1_000 }.of(7), 1);
    assert_eq!(Threshold::TWO_THIRDS.of(0), 1, "nobody is no majority");
}

#[test]
fn addresses_are_hosts_with_ports() {
    for good in ["", "a:1", "node-1.example.com:65535", "10.0.0.1:4000", "[::1]:4000"] {
        assert_eq!(check_address(good), Ok(()), "{good}");
    }
    let long = "a.".repeat(126) + "a:4000";
    assert_eq!(check_address(&long), Ok(()));
    let longer = "a.".repeat(127) + "a:40000";
    for bad in [
        "a",
        ":1",
        "a:",
        "a:0",
        "a:01",
        "a:65536",
        "a:+1",
        "A:1",
        "a b:1",
        "a..b:1",
        "::1:4000",
        "[::1]",
        "[a]:1",
        "http://a:1",
        &longer,
    ] {
        assert_eq!(check_address(bad), Err(AddressError), "{bad}");
    }
}

#[test]
fn what_stands_beside_the_table_has_one_key_and_one_encoding() {
    assert_eq!(StateKey::Aside.encode(), [15]);
    let aside = Aside {
        revisions: Digest([1; 32]),
        seen: Digest([2; 32]),
        windows: Digest([3; 32]),
        headers: Digest([4; 32]),
        begins_on: Digest([5; 32]),
    };
    let bytes: Vec<u8> = (1..=5).flat_map(|part| [part; 32]).collect();
    assert_eq!(encode(&aside), bytes);
    assert_eq!(decode::<Aside>(&bytes), Ok(aside));
}

#[test]
fn numbers_of_membership_are_never_given_to_anything_else() {
    let id = Digest([7; 32]);
    let keys = [
        StateKey::Seats.encode(),
        StateKey::ConsensusKey([7; 32]).encode(),
        StateKey::Motion(id).encode(),
        StateKey::OpenMotions("acme").encode(),
    ];
    let fixed = |kind: u8| [&[kind][..], &[7; 32]].concat();
    assert_eq!(keys, [vec![11], fixed(12), fixed(13), b"\x0eacme\0".to_vec()]);
    let ready = |signature| MembershipAction::Ready {
        consensus: [1; 32],
        height: 2,
        digest: id,
        proof: signature,
    };
    let actions = [
        MembershipAction::Propose {
            change: SeatChange::Remove { organisation: "a".to_string() },
            expires_ms: 1,
        },
        MembershipAction::Approve { motion: id },
        MembershipAction::Withdraw { motion: id },
        ready(Signature::Ed25519([3; 64])),
        MembershipAction::Hurry,
    ];
    for (tag, action) in actions.into_iter().enumerate() {
        let action = Action::Membership(action);
        assert_eq!(encode(&action)[..2], [4, tag as u8]);
        assert_eq!(action.space(), "");
    }
    let refusals = [Refusal::Committee, Refusal::Closed, Refusal::Voted, Refusal::Possession];
    assert_eq!(refusals.map(|r| encode(&r)), [vec![15], vec![16], vec![17], vec![18]]);
}
