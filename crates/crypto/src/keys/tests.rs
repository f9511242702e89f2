//! Keys of every suite: forms, known answers, and what is refused.

use alloc::format;
use alloc::string::ToString;

use proptest::prelude::*;

use super::*;

const DOMAIN: &str = "hanse/test";

fn key(suite: Suite, seed: u8) -> SigningKey {
    SigningKey::from_seed(suite, [seed; 32])
}

/// r and s, big-endian, of an ECDSA signature.
fn halves(signature: &Signature) -> ([u8; 32], [u8; 32]) {
    let (r, s) = signature.as_bytes().split_at(32);
    (r.try_into().unwrap(), s.try_into().unwrap())
}

fn ecdsa(suite: Suite, r: [u8; 32], s: [u8; 32]) -> Signature {
    let bytes = [r, s].concat().try_into().unwrap();
    match suite {
        Suite::P256 => Signature::P256(bytes),
        Suite::Secp256k1 => Signature::Secp256k1(bytes),
        Suite::Ed25519 => panic!("not ECDSA"),
    }
}

fn hex32(text: &str) -> [u8; 32] {
    from_hex(text).unwrap()
}

fn order(suite: Suite) -> [u8; 32] {
    hex32(match suite {
        Suite::P256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        Suite::Secp256k1 => "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        Suite::Ed25519 => panic!("not ECDSA"),
    })
}

/// a - b for big-endian a >= b.
fn subtract(a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let digit = i16::from(a[i]) - i16::from(b[i]) - borrow;
        borrow = i16::from(digit < 0);
        out[i] = digit.rem_euclid(256) as u8;
    }
    out
}

/// RFC 8032 section 7.1, test 3: there the message is bare, so it is checked below the framing.
#[test]
fn ed25519_gives_the_answer_of_rfc_8032() {
    let seed = hex32("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
    let key = SigningKey::from_seed(Suite::Ed25519, seed);
    let public = "ed25519:fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
    assert_eq!(key.public().to_string(), public);
    let bare = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
    // The bare message of this vector is af 82; as "domain of 0xaf bytes" it can never be ours.
    let signature = Signature::Ed25519(from_hex(bare).unwrap());
    assert!(!key.public().verify("", &[0x82], &signature));
    let PublicKey::Ed25519(point) = key.public() else { panic!("wrong suite") };
    let point = ed25519_consensus::VerificationKey::try_from(point).unwrap();
    assert!(point.verify(&signature.as_bytes()[..].try_into().unwrap(), &[0xaf, 0x82]).is_ok());
}

/// RFC 6979 appendix A.2.5 (P-256, SHA-256, message "sample"), below the framing: its key's public
/// point, and that the published signature verifies only with s in the lower half.
#[test]
fn p256_accepts_the_signature_of_rfc_6979_once_s_is_low() {
    let secret = hex32("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let key = SigningKey::from_seed(Suite::P256, secret);
    let public = "p256:0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
    assert_eq!(key.public().to_string(), public);
    let PublicKey::P256(point) = key.public() else { panic!("wrong suite") };
    let r = hex32("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
    let s = hex32("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
    let digest = crate::sha256(b"sample");
    let low = subtract(order(Suite::P256), s);
    assert!(!verify_p256(&point, &digest, ecdsa(Suite::P256, r, s).as_bytes()));
    assert!(verify_p256(&point, &digest, ecdsa(Suite::P256, r, low).as_bytes()));
}

/// The generator of secp256k1 (SEC 2 section 2.4.1) is the public key of the secret 1.
#[test]
fn secp256k1_has_its_generator() {
    let mut one = [0; 32];
    one[31] = 1;
    let public = "secp256k1:0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    assert_eq!(SigningKey::from_seed(Suite::Secp256k1, one).public().to_string(), public);
}

#[test]
fn suite_numbers_are_those_on_disk() {
    for (suite, number, length) in
        [(Suite::Ed25519, 1, 32), (Suite::P256, 2, 33), (Suite::Secp256k1, 3, 33)]
    {
        let key = key(suite, 7);
        let bytes = borsh::to_vec(&key.public()).unwrap();
        assert_eq!((bytes[0], bytes.len()), (number, 1 + length));
        assert_eq!(key.public().id(), hash("hanse/account", &[&bytes]));
        let bytes = borsh::to_vec(&key.sign(DOMAIN, b"m")).unwrap();
        assert_eq!((bytes[0], bytes.len()), (number, 65));
    }
}

#[test]
fn unknown_suites_are_refused() {
    for number in (0..=255).filter(|n| !(1..=3).contains(n)) {
        let bytes = [&[number][..], &[0; 64]].concat();
        assert!(borsh::from_slice::<Signature>(&bytes).is_err(), "{number}");
        assert!(borsh::from_slice::<PublicKey>(&bytes[..33]).is_err(), "{number}");
        assert!(borsh::from_slice::<PublicKey>(&bytes[..34]).is_err(), "{number}");
    }
    let hex = "00".repeat(32);
    assert_eq!(format!("sm2:{hex}").parse::<PublicKey>(), Err(ParseKeyError::Suite));
    assert_eq!(format!("Ed25519:{hex}").parse::<PublicKey>(), Err(ParseKeyError::Suite));
    assert_eq!(hex.parse::<PublicKey>(), Err(ParseKeyError::Form));
    assert_eq!(format!("p256:{hex}").parse::<PublicKey>(), Err(ParseKeyError::Hex));
    let upper = format!("ed25519:{}", "AB".repeat(32));
    assert_eq!(upper.parse::<PublicKey>(), Err(ParseKeyError::Hex));
}

#[test]
fn a_signature_of_another_suite_is_refused() {
    for suite in Suite::ALL {
        let key = key(suite, 1);
        let bytes = *key.sign(DOMAIN, b"m").as_bytes();
        for signature in
            [Signature::Ed25519(bytes), Signature::P256(bytes), Signature::Secp256k1(bytes)]
        {
            let same = signature.suite() == suite;
            assert_eq!(key.public().verify(DOMAIN, b"m", &signature), same, "{signature}");
        }
    }
}

#[test]
fn domains_separate_and_are_bounded() {
    for suite in Suite::ALL {
        let key = key(suite, 2);
        let signature = key.sign("ab", b"c");
        assert!(key.public().verify("ab", b"c", &signature));
        assert!(!key.public().verify("a", b"bc", &signature));
        assert!(!key.public().verify("abc", b"", &signature));
        let longest = "d".repeat(DOMAIN_LIMIT);
        assert!(key.public().verify(&longest, b"m", &key.sign(&longest, b"m")));
        assert!(!key.public().verify(&"d".repeat(DOMAIN_LIMIT + 1), b"m", &signature));
        assert!(!key.public().verify(&"d".repeat(256 + 2), b"m", &signature));
    }
}

#[test]
fn ecdsa_refuses_zero_the_order_and_the_upper_half() {
    for suite in [Suite::P256, Suite::Secp256k1] {
        let key = key(suite, 3);
        let (r, s) = halves(&key.sign(DOMAIN, b"m"));
        let n = order(suite);
        let accepts = |r, s| key.public().verify(DOMAIN, b"m", &ecdsa(suite, r, s));
        assert!(accepts(r, s));
        assert!(!accepts(r, subtract(n, s)), "the other half");
        for bad in [[0; 32], n, [0xff; 32]] {
            assert!(!accepts(bad, s));
            assert!(!accepts(r, bad));
            assert!(!accepts(bad, bad));
        }
    }
}

#[test]
fn ecdsa_refuses_points_that_are_not_canonical() {
    for suite in [Suite::P256, Suite::Secp256k1] {
        let key = key(suite, 4);
        let signature = key.sign(DOMAIN, b"m");
        let mut point: [u8; 33] = key.public().as_bytes().try_into().unwrap();
        let public = |bytes| match suite {
            Suite::P256 => PublicKey::P256(bytes),
            _ => PublicKey::Secp256k1(bytes),
        };
        let canonical = point[0];
        for tag in (0..=255).filter(|tag| *tag != canonical) {
            point[0] = tag;
            assert!(!public(point).verify(DOMAIN, b"m", &signature), "tag {tag}");
        }
        for x in [[0xff; 32], [0; 32]] {
            // Above the field's prime; and zero, which is on neither curve or not this key.
            let bytes = [&[canonical][..], &x].concat().try_into().unwrap();
            assert!(!public(bytes).verify(DOMAIN, b"m", &signature));
        }
        assert!(!public([0; 33]).verify(DOMAIN, b"m", &signature), "the point at infinity");
    }
}

#[test]
fn ed25519_refuses_s_above_the_order() {
    let order = hex32("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let key = key(Suite::Ed25519, 5);
    let mut bytes = *key.sign(DOMAIN, b"m").as_bytes();
    let mut carry = 0;
    for (digit, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*digit) + u16::from(add) + carry;
        *digit = sum as u8;
        carry = sum >> 8;
    }
    assert!(!key.public().verify(DOMAIN, b"m", &Signature::Ed25519(bytes)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn signatures_verify_and_a_flipped_bit_anywhere_does_not(
        seed: [u8; 32],
        suite in prop::sample::select(&Suite::ALL[..]),
        message in prop::collection::vec(any::<u8>(), 1..80),
        at: prop::sample::Index,
    ) {
        let key = SigningKey::from_seed(suite, seed);
        let signature = key.sign(DOMAIN, &message);
        prop_assert_eq!(key.sign(DOMAIN, &message), signature);
        prop_assert!(key.public().verify(DOMAIN, &message, &signature));

        let mut bytes = borsh::to_vec(&signature).unwrap();
        let bit = 8 + at.index(64 * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = borsh::from_slice(&bytes).unwrap();
        prop_assert!(!key.public().verify(DOMAIN, &message, &changed));
        let mut changed = message.clone();
        let bit = at.index(message.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!key.public().verify(DOMAIN, &changed, &signature));
    }

    #[test]
    fn texts_and_borsh_round_trip(
        seed: [u8; 32],
        suite in prop::sample::select(&Suite::ALL[..]),
    ) {
        let key = SigningKey::from_seed(suite, seed);
        let (public, signature) = (key.public(), key.sign(DOMAIN, &seed));
        prop_assert_eq!(public.to_string().parse(), Ok(public));
        prop_assert_eq!(signature.to_string().parse(), Ok(signature));
        prop_assert_eq!(borsh::from_slice::<PublicKey>(&borsh::to_vec(&public).unwrap()).unwrap(), public);
        prop_assert_eq!(borsh::from_slice::<Signature>(&borsh::to_vec(&signature).unwrap()).unwrap(), signature);
    }

    #[test]
    fn arbitrary_keys_and_signatures_never_panic(
        key in prop::collection::vec(any::<u8>(), 33..=34),
        signature: [u8; 32],
        message: [u8; 4],
    ) {
        let mut key = key;
        key[0] = key[0] % 3 + 1;
        if let Ok(public) = borsh::from_slice::<PublicKey>(&key) {
            let bytes = [signature, signature].concat();
            let signature = [&key[..1], &bytes].concat();
            let signature = borsh::from_slice::<Signature>(&signature).unwrap();
            prop_assert!(!public.verify(DOMAIN, &message, &signature));
        }
    }
}
