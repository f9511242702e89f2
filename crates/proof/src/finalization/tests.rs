//! Varints as the engine writes them, and who counts as a signer.

use alloc::string::ToString;
use alloc::vec;

use hanse_types::CommitteeMember;

use super::*;

#[test]
fn varints_are_leb128_and_have_one_form() {
    for (value, bytes) in [
        (0, &[0][..]),
        (127, &[127]),
        (128, &[128, 1]),
        (300, &[172, 2]),
        (u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
    ] {
        let mut out = Vec::new();
        varint(&mut out, value);
        assert_eq!(out, bytes);
        let mut rest = bytes;
        assert_eq!(take_varint(&mut rest), Ok(value));
        assert!(rest.is_empty());
    }
    for bytes in [&[0x80][..], &[0x80, 0], &[255; 10], &[]] {
        let mut rest = bytes;
        assert_eq!(take_varint(&mut rest), Err(ProofError::Malformed), "{bytes:02x?}");
    }
}

#[test]
fn ranks_need_one_bit_per_member_and_one_signature_per_bit() {
    let members =
        (0..9).map(|i| CommitteeMember { consensus: [i; 32], organisation: i.to_string() });
    let committee = Committee { epoch: 0, members: members.collect() };
    let ranks = |signers: Vec<u8>, signatures: usize| {
        Finalization {
            epoch: 0,
            view: 1,
            parent_view: 0,
            signers,
            signatures: vec![[0; 64]; signatures],
        }
        .ranks(&committee)
    };
    assert_eq!(ranks(vec![0b1000_0001, 1], 3), Ok(vec![0, 7, 8]));
    assert_eq!(ranks(vec![0, 0], 0), Ok(vec![]));
    for (signers, signatures) in
        [(vec![1, 0], 2), (vec![1, 0], 0), (vec![1], 1), (vec![1, 0, 0], 1), (vec![1, 2], 2)]
    {
        assert_eq!(ranks(signers, signatures), Err(ProofError::Signers));
    }
}

#[test]
fn the_namespace_binds_the_chain() {
    let name = namespace(&Digest([7; 32]));
    assert_eq!(name.len(), 38);
    assert!(name.starts_with(b"hanse/\x07"));
}
