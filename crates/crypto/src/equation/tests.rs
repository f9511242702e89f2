//! One equation gives the verdict of single checks, on honest and on hostile input.

use alloc::vec;
use core::ops::Range;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use ed25519_consensus::{SigningKey, VerificationKey};

use super::*;

/// A vote that owns what [`Vote`] borrows.
#[derive(Clone, Debug)]
struct Owned {
    public: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

fn all(votes: &[Owned]) -> bool {
    let votes: Vec<Vote<'_>> = votes
        .iter()
        .map(|Owned { public, message, signature }| Vote { public, message, signature })
        .collect();
    verify_all(&votes)
}

/// By the library that checks one at a time.
fn singly(vote: &Owned) -> bool {
    VerificationKey::try_from(vote.public)
        .is_ok_and(|key| key.verify(&vote.signature.into(), &vote.message).is_ok())
}

fn key(index: u8) -> SigningKey {
    SigningKey::from([index + 1; 32])
}

/// Votes of `members` on each of `messages`: every key votes several times.
fn honest(members: u8, messages: Range<u8>) -> Vec<Owned> {
    messages
        .flat_map(|m| (0..members).map(move |i| (i, vec![m; usize::from(m)])))
        .map(|(i, message)| Owned {
            public: key(i).verification_key().to_bytes(),
            signature: key(i).sign(&message).to_bytes(),
            message,
        })
        .collect()
}

#[test]
fn honest_votes_hold_in_any_number() {
    for (members, messages) in [(0, 0), (1, 1), (3, 1), (4, 3), (7, 5), (43, 6)] {
        let votes = honest(members, 0..messages);
        assert!(all(&votes), "{members} members, {messages} messages");
    }
}

#[test]
fn one_changed_byte_anywhere_is_seen() {
    let votes = honest(4, 1..4);
    for index in 0..votes.len() {
        for byte in [0, 31] {
            let mut changed = votes.clone();
            changed[index].public[byte] ^= 1;
            assert!(!all(&changed), "key of {index}");
        }
        for byte in [0, 31, 32, 63] {
            let mut changed = votes.clone();
            changed[index].signature[byte] ^= 1;
            assert!(!all(&changed), "signature {index}");
        }
        let mut changed = votes.clone();
        changed[index].message[0] ^= 1;
        assert!(!all(&changed), "message {index}");
    }
}

/// Without factors, what is added to one s and taken from another cancels out.
#[test]
fn errors_that_cancel_each_other_are_seen() {
    let mut votes = honest(2, 1..2);
    let s = |vote: &Owned| {
        let bytes: [u8; 32] = *vote.signature[32..].first_chunk().unwrap();
        Scalar::from_canonical_bytes(bytes).unwrap()
    };
    let (more, less) = (s(&votes[0]) + Scalar::one(), s(&votes[1]) - Scalar::one());
    votes[0].signature[32..].copy_from_slice(more.as_bytes());
    votes[1].signature[32..].copy_from_slice(less.as_bytes());
    assert!(!singly(&votes[0]) && !singly(&votes[1]));
    assert!(!all(&votes));
    // The same vote twice, and two votes that changed places.
    let votes = honest(2, 1..2);
    assert!(all(&[votes[0].clone(), votes[0].clone()]));
    let mut swapped = votes.clone();
    (swapped[0].signature, swapped[1].signature) = (votes[1].signature, votes[0].signature);
    assert!(!all(&swapped));
}

/// s and s + order give the same point: only the smaller one is a signature.
#[test]
fn an_s_above_the_order_is_refused() {
    // 2^252 + 27742317777372353535851937790883648493, little-endian.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut votes = honest(3, 1..2);
    let mut carry = 0;
    for (byte, add) in votes[1].signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert!(!singly(&votes[1]));
    assert!(!all(&votes));
}

#[test]
fn what_is_no_point_is_refused() {
    // y = 2 is not on the curve.
    let mut none = [0; 32];
    none[0] = 2;
    let mut votes = honest(3, 1..2);
    votes[2].public = none;
    assert!(!singly(&votes[2]) && !all(&votes));
    let mut votes = honest(3, 1..2);
    votes[2].signature[..32].copy_from_slice(&none);
    assert!(!singly(&votes[2]) && !all(&votes));
}

/// A dishonest member can make signatures whose R or key has a part of small order, or another encoding. A verifier that
/// checks singly and one that checks together must not be told apart by them (ZIP-215).
#[test]
fn parts_of_small_order_get_the_verdict_of_single_checks() {
    let mut crafted = Vec::new();
    for (index, torsion) in EIGHT_TORSION.iter().enumerate() {
        let (a, r) = (curve25519_dalek::Scalar::from(7u64), curve25519_dalek::Scalar::from(11u64));
        let message = vec![index as u8; 40];
        for (public, nonce) in [(a * B + torsion, r * B), (a * B, r * B + torsion)] {
            let (public, nonce) = (public.compress().0, nonce.compress().0);
            let vote = Vote { public: &public, message: &message, signature: &[0; 64] };
            let challenge = challenge(&nonce, &vote).to_bytes();
            let challenge = curve25519_dalek::Scalar::from_bytes_mod_order(challenge);
            let s = (r + challenge * a).to_bytes();
            let signature = [nonce, s].concat().try_into().unwrap();
            crafted.push(Owned { public, message: message.clone(), signature });
        }
    }
    // The identity in its encoding with y = p + 1, as key and as R, holds with s = 0 for every message.
    let mut other = [0xff; 32];
    (other[0], other[31]) = (0xee, 0x7f);
    let signature = [other, [0; 32]].concat().try_into().unwrap();
    crafted.push(Owned { public: other, message: vec![9], signature });
    for (index, vote) in crafted.iter().enumerate() {
        assert!(singly(vote), "{index}");
        assert!(all(core::slice::from_ref(vote)), "{index}");
    }
    assert!(all(&[&crafted[..], &honest(4, 1..3)].concat()));
    crafted[5].message[0] ^= 1;
    assert!(!singly(&crafted[5]) && !all(&crafted));
}

/// Factors that did not depend on the signatures could be solved for.
#[test]
fn every_part_of_every_vote_is_bound_before_factors_are_drawn() {
    let votes = honest(2, 3..4);
    let bound = |votes: &[Owned]| {
        let votes: Vec<Vote<'_>> = votes
            .iter()
            .map(|Owned { public, message, signature }| Vote { public, message, signature })
            .collect();
        bind(&votes)
    };
    let seed = bound(&votes);
    assert_ne!(factor(&seed, 0), factor(&seed, 1));
    for at in [0, 32, 63] {
        let mut changed = votes.clone();
        changed[1].signature[at] ^= 1;
        assert_ne!(bound(&changed), seed);
    }
    let mut changed = votes.clone();
    changed[0].public[5] ^= 1;
    assert_ne!(bound(&changed), seed);
    let mut changed = votes;
    changed[0].message.push(0);
    assert_ne!(bound(&changed), seed);
}
