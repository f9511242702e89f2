//! The engine's own votes, certificates and encodings, against our reading of them.

use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::{Finalization as Theirs, Finalize, Proposal};
use commonware_consensus::types::{Epoch, Round, View};
use commonware_cryptography::{Signer as _, ed25519, sha256};
use commonware_parallel::Sequential;
use commonware_utils::{iter::NonEmpty, ordered::Set};
use hanse_proof::{ProofError, decode_finalization, namespace};
use hanse_types::{Committee, CommitteeMember, Digest};

fn keys(count: u8) -> Vec<ed25519::PrivateKey> {
    (0..count).map(|i| ed25519::PrivateKey::decode(Copying(&[i + 1; 32])).unwrap()).collect()
}

fn committee(keys: &[ed25519::PrivateKey], epoch: u64) -> Committee {
    let mut members: Vec<CommitteeMember> = keys
        .iter()
        .enumerate()
        .map(|(i, key)| CommitteeMember {
            consensus: key.public_key().as_ref().try_into().unwrap(),
            organisation: format!("organisation-{i}"),
        })
        .collect();
    members.sort();
    Committee { epoch, members }
}

/// What `signers` of `keys` finalise, as the engine encodes it.
fn finalize(
    chain: &Digest,
    keys: &[ed25519::PrivateKey],
    signers: &[usize],
    (epoch, view, parent): (u64, u64, u64),
    payload: &Digest,
) -> Vec<u8> {
    let participants: Set<ed25519::PublicKey> =
        keys.iter().map(|key| key.public_key()).collect::<Vec<_>>().try_into().unwrap();
    let scheme = |key: &ed25519::PrivateKey| {
        Scheme::signer(&namespace(chain), participants.clone(), key.clone()).unwrap()
    };
    let round = Round::new(Epoch::new(epoch), View::new(view));
    let proposal = Proposal::new(round, View::new(parent), sha256::Digest(payload.0));
    let votes: Vec<Finalize<Scheme, sha256::Digest>> = signers
        .iter()
        .map(|i| Finalize::sign(&scheme(&keys[*i]), proposal.clone()).unwrap())
        .collect();
    let mut votes = votes.iter();
    let votes = NonEmpty::new(votes.next().unwrap(), votes);
    Theirs::from_finalizes(&scheme(&keys[0]), votes, &Sequential).unwrap().encode().to_vec()
}

#[test]
fn certificates_of_the_engine_are_read_and_hold() {
    let chain = Digest([5; 32]);
    let places =
        [(0, 1, 0), (0, 127, 126), (3, 128, 1), (300, 1 << 40, 1 << 21), (7, u64::MAX, 16_384)];
    for (members, place) in [4, 5, 7, 9, 13].into_iter().zip(places) {
        let keys = keys(members);
        let committee = committee(&keys, place.0);
        let payload = Digest([members; 32]);
        for extra in [0, 1] {
            let signers: Vec<usize> = (0..committee.quorum() + extra).rev().collect();
            let bytes = finalize(&chain, &keys, &signers, place, &payload);
            let (found, finalization) = decode_finalization(&bytes, members.into()).unwrap();
            assert_eq!(found, payload);
            assert_eq!((finalization.epoch, finalization.view, finalization.parent_view), place);
            let ranks = finalization.check(&chain, &committee, &payload).unwrap();
            assert_eq!(ranks.len(), signers.len());
            let other = finalization.check(&Digest([6; 32]), &committee, &payload);
            assert_eq!(other, Err(ProofError::Signature));
            let other = finalization.check(&chain, &committee, &Digest([6; 32]));
            assert_eq!(other, Err(ProofError::Signature));
            for length in 0..bytes.len() {
                assert!(decode_finalization(&bytes[..length], members.into()).is_err(), "{length}");
            }
            assert!(decode_finalization(&[&bytes[..], &[0]].concat(), members.into()).is_err());
            for other in [members - 1, members + 1] {
                let read = decode_finalization(&bytes, other.into());
                assert_eq!(read, Err(ProofError::Signers), "{members} {other}");
            }
        }
    }
}

#[test]
fn superfluous_bytes_in_a_varint_are_refused() {
    let keys = keys(4);
    let bytes = finalize(&Digest([5; 32]), &keys, &[0, 1, 2], (1, 1, 0), &Digest([1; 32]));
    assert_eq!(&bytes[..3], &[1, 1, 0]);
    let padded = [&[0x81, 0x00][..], &bytes[1..]].concat();
    assert_eq!(decode_finalization(&padded, 4), Err(ProofError::Malformed));
    let long = [&[0xff; 9][..], &[0x02], &bytes[1..]].concat();
    assert_eq!(decode_finalization(&long, 4), Err(ProofError::Malformed));
}

#[test]
fn a_committee_over_the_limit_is_refused() {
    let keys = keys(4);
    let mut bytes = finalize(&Digest([5; 32]), &keys, &[0, 1, 2], (1, 1, 0), &Digest([1; 32]));
    // Three varints of one byte, a digest, then the number of members, big-endian.
    bytes[35..43].copy_from_slice(&65u64.to_be_bytes());
    assert_eq!(decode_finalization(&bytes, 65), Err(ProofError::TooLarge));
}
