//! Batches give the verdicts of single checks, on honest and on hostile input.

use alloc::string::String;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use sha2::Digest as _;

use super::*;
use crate::keys::Suite;
use crate::signing::SigningKey;
use crate::text::from_hex;

const DOMAIN: &str = "hanse/test";
const NONE: [usize; 0] = [];

/// All encodings of points of small order: eight canonical, six that are not (ZIP-215).
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// An item that owns what [`Item`] borrows.
#[derive(Clone, Debug)]
struct Owned {
    public: PublicKey,
    domain: String,
    message: Vec<u8>,
    signature: Signature,
}

impl Owned {
    fn signed(key: &SigningKey, message: &[u8]) -> Self {
        let signature = key.sign(DOMAIN, message);
        Self { public: key.public(), domain: DOMAIN.into(), message: message.into(), signature }
    }

    fn ed25519(public: [u8; 32], message: &[u8], r: [u8; 32], s: [u8; 32]) -> Self {
        let signature = Signature::Ed25519([r, s].concat().try_into().unwrap());
        let public = PublicKey::Ed25519(public);
        Self { public, domain: DOMAIN.into(), message: message.into(), signature }
    }
}

fn batch(items: &[Owned]) -> Vec<usize> {
    let items: Vec<_> = items
        .iter()
        .map(|Owned { public, domain, message, signature }| Item {
            public,
            domain,
            message,
            signature,
        })
        .collect();
    verify_batch(&items).err().unwrap_or_default()
}

fn singles(items: &[Owned]) -> Vec<usize> {
    let verdict = |item: &Owned| item.public.verify(&item.domain, &item.message, &item.signature);
    (0..items.len()).filter(|i| !verdict(&items[*i])).collect()
}

fn honest(n: usize) -> Vec<Owned> {
    (0..n)
        .map(|i| {
            let key = SigningKey::from_seed(Suite::ALL[i % 7 % 3], [(i % 5) as u8; 32]);
            Owned::signed(&key, &i.to_le_bytes())
        })
        .collect()
}

/// ZIP-215's own conformance set: every pair of small-order R and A verifies with s = 0, whatever
/// the message, singly and in one batch.
#[test]
fn small_order_and_non_canonical_points_are_accepted_as_zip_215_says() {
    let mut items = Vec::new();
    for public in SMALL_ORDER {
        for r in SMALL_ORDER {
            let (public, r) = (from_hex(public).unwrap(), from_hex(r).unwrap());
            items.push(Owned::ed25519(public, b"Zcash", r, [0; 32]));
        }
    }
    assert_eq!(items.len(), 196);
    assert_eq!(singles(&items), NONE);
    assert_eq!(batch(&items), NONE);
    for item in &items {
        assert_eq!(batch(core::slice::from_ref(item)), NONE);
    }
}

/// Seeds defect 4A-5: a key of small order has no holder, for whoever likes signs with it (the test above), and a key in
/// another encoding is a second account. Neither may be registered.
#[test]
fn seed_4a_5_keys_of_small_order_or_another_encoding_are_not_sound() {
    for text in SMALL_ORDER {
        assert!(!PublicKey::Ed25519(from_hex(text).unwrap()).is_sound(), "{text}");
    }
    // All encodings with y >= p, whose points are those of y - p.
    for low in 0xed..=0xff_u8 {
        for last in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, last);
            assert!(!PublicKey::Ed25519(bytes).is_sound(), "{bytes:02x?}");
        }
    }
    let torsion = EIGHT_TORSION[1];
    let (mut points, mut others) = (0, 0);
    for n in 2..300_u64 {
        // About every second text of 32 bytes is a point; sound is what the library calls a point of large order.
        let bytes: [u8; 32] = sha2::Sha256::digest(n.to_be_bytes()).into();
        let point = CompressedEdwardsY(bytes).decompress();
        let expected = point.is_some_and(|p| !p.is_small_order() && p.compress().0 == bytes);
        assert_eq!(PublicKey::Ed25519(bytes).is_sound(), expected, "{bytes:02x?}");
        (points, others) = if expected { (points + 1, others) } else { (points, others + 1) };
        // A holder's key shifted by a point of small order is still nobody else's to sign with.
        let shifted = (B * Scalar::from(n) + torsion).compress().to_bytes();
        assert!(PublicKey::Ed25519(shifted).is_sound());
    }
    assert!(points > 100 && others > 100, "{points} and {others}");
    for suite in Suite::ALL {
        assert!(SigningKey::from_seed(suite, [7; 32]).public().is_sound());
    }
    let not_points = [[0; 33], [4; 33], [0xff; 33]];
    assert!(!not_points.iter().any(|key| PublicKey::P256(*key).is_sound()));
    assert!(!not_points.iter().any(|key| PublicKey::Secp256k1(*key).is_sound()));
}

/// Two signatures whose errors cancel in a sum without random factors.
#[test]
fn bad_signatures_that_cancel_each_other_are_both_found() {
    let mut items = honest(64);
    let at: Vec<_> =
        (0..64).filter(|i| items[*i].public.suite() == Suite::Ed25519).take(2).collect();
    for (index, shift) in at.iter().zip([Scalar::ONE, -Scalar::ONE]) {
        let bytes = *items[*index].signature.as_bytes();
        let (r, s) = bytes.split_at(32);
        let s = Scalar::from_canonical_bytes(s.try_into().unwrap()).unwrap() + shift;
        let bytes = [r, s.as_bytes()].concat();
        items[*index].signature = Signature::Ed25519(bytes.try_into().unwrap());
    }
    assert_eq!(batch(&items), at);
}

/// Seeds defect 4A-5: keys without proof of possession let an attacker choose a key that cancels a
/// victim's, so that one signature by the sum passes as both. Here no check adds keys up.
#[test]
fn seed_4a_5_a_rogue_key_signs_for_nobody_else() {
    let victim = SigningKey::from_seed(Suite::Ed25519, [1; 32]);
    let victim: [u8; 32] = victim.public().as_bytes().try_into().unwrap();
    let point = CompressedEdwardsY(victim).decompress().unwrap();
    let secret = Scalar::from(0x5eed_u64);
    let sum = B * secret;
    let rogue = (sum - point).compress().to_bytes();

    let nonce = Scalar::from(0x90de_u64);
    let r = (B * nonce).compress().to_bytes();
    let challenge = |public: &[u8; 32], message: &[u8]| {
        let hash = sha2::Sha512::new()
            .chain_update(r)
            .chain_update(public)
            .chain_update([DOMAIN.len() as u8])
            .chain_update(DOMAIN)
            .chain_update(message);
        Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
    };
    let sum = sum.compress().to_bytes();
    let s = (nonce + challenge(&sum, b"m") * secret).to_bytes();

    let mut items = honest(32);
    items.push(Owned::ed25519(sum, b"m", r, s));
    assert_eq!(batch(&items), NONE, "the sum's own signature is good");
    items.push(Owned::ed25519(victim, b"m", r, s));
    items.push(Owned::ed25519(rogue, b"m", r, s));
    assert_eq!(batch(&items), [33, 34]);
    assert_eq!(singles(&items), [33, 34]);
}

#[test]
fn nothing_and_all_bad_and_long_domains() {
    assert_eq!(verify_batch(&[]), Ok(()));
    let mut items = honest(100);
    assert_eq!(batch(&items), NONE);
    items.iter_mut().for_each(|item| item.message.push(0));
    assert_eq!(batch(&items), (0..100).collect::<Vec<_>>());
    let mut items = honest(20);
    for index in [0, 19] {
        items[index].domain = "d".repeat(DOMAIN_LIMIT + 1);
    }
    assert_eq!(batch(&items), [0, 19]);
}

/// What is done to an honest item in the differential test.
#[derive(Clone, Debug)]
enum Fault {
    None,
    FlipSignature(usize),
    FlipKey(usize),
    Message,
    Domain,
    SmallOrderR(usize),
    SmallOrderKey(usize, usize),
    /// The key replaced by a second encoding of a field element, with either sign.
    NonCanonicalKey(u8, bool),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => (0..512usize).prop_map(Fault::FlipSignature),
        1 => (0..256usize).prop_map(Fault::FlipKey),
        1 => Just(Fault::Message),
        1 => Just(Fault::Domain),
        1 => (0..14usize).prop_map(Fault::SmallOrderR),
        1 => (0..14usize, 0..14usize).prop_map(|(a, r)| Fault::SmallOrderKey(a, r)),
        1 => (0..19u8, any::<bool>()).prop_map(|(y, sign)| Fault::NonCanonicalKey(y, sign)),
    ]
}

fn flip(bytes: &mut [u8], bit: usize) {
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn apply(item: &mut Owned, fault: &Fault) {
    let mut public = borsh::to_vec(&item.public).unwrap();
    let mut signature = borsh::to_vec(&item.signature).unwrap();
    match *fault {
        Fault::None => {}
        Fault::FlipSignature(bit) => flip(&mut signature[1..], bit),
        Fault::FlipKey(bit) => flip(&mut public[1..], bit),
        Fault::Message => item.message.push(1),
        Fault::Domain => item.domain.push('x'),
        Fault::SmallOrderR(r) => {
            signature[1..33].copy_from_slice(&from_hex::<32>(SMALL_ORDER[r]).unwrap());
        }
        Fault::SmallOrderKey(a, r) => {
            public = [&[1][..], &from_hex::<32>(SMALL_ORDER[a]).unwrap()].concat();
            let r = from_hex::<32>(SMALL_ORDER[r]).unwrap();
            signature = [&[1][..], &r, &[0; 32]].concat();
        }
        Fault::NonCanonicalKey(y, sign) => {
            // y + p for y in 0..=18: all field elements with a second encoding.
            public = [&[1, 0xed + y][..], &[0xff; 31]].concat();
            public[32] = if sign { 0xff } else { 0x7f };
            signature[0] = 1;
        }
    }
    item.public = borsh::from_slice(&public).unwrap();
    item.signature = borsh::from_slice(&signature).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn single_and_batch_agree(
        specs in prop::collection::vec((0..5u8, 0..6usize, any::<[u8; 3]>(), fault()), 0..40),
    ) {
        let items: Vec<_> = specs
            .iter()
            .map(|(seed, suite, message, fault)| {
                let suite = Suite::ALL.get(*suite).copied().unwrap_or(Suite::Ed25519);
                let mut item = Owned::signed(&SigningKey::from_seed(suite, [*seed; 32]), message);
                apply(&mut item, fault);
                item
            })
            .collect();
        prop_assert_eq!(batch(&items), singles(&items));
    }
}
