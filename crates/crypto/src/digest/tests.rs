//! Known values, text forms and domain separation of digests.

use alloc::format;
use alloc::string::ToString;

use proptest::prelude::*;

use super::*;

#[test]
fn sha256_of_abc_is_the_value_of_fips_180_4() {
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(b"abc").to_string(), text);
    assert_eq!(text.parse(), Ok(sha256(b"abc")));
    assert_eq!(format!("{:?}", sha256(b"abc")), "ba7816bf..");
}

#[test]
fn hash_prefixes_the_domain_with_its_length() {
    assert_eq!(hash("ab", &[b"c", b"d"]), sha256(b"\x02abcd"));
    assert_ne!(hash("a", &[b"bc"]), hash("ab", &[b"c"]));
}

#[test]
fn the_longest_domain_is_accepted() {
    hash(&"d".repeat(DOMAIN_LIMIT), &[]);
}

#[test]
#[should_panic(expected = "domain of 128 bytes")]
fn a_longer_domain_panics() {
    hash(&"d".repeat(DOMAIN_LIMIT + 1), &[]);
}

#[test]
fn other_spellings_of_a_digest_are_refused() {
    let text = sha256(b"abc").to_string();
    for bad in [
        text.to_uppercase(),
        text[1..].to_string(),
        format!("{text}0"),
        format!("0x{}", &text[2..]),
    ] {
        assert_eq!(bad.parse::<Digest>(), Err(ParseDigestError), "{bad}");
    }
}

proptest! {
    #[test]
    fn text_and_borsh_round_trip(bytes: [u8; 32]) {
        let digest = Digest(bytes);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        prop_assert_eq!(borsh::to_vec(&digest).unwrap(), bytes);
        prop_assert_eq!(borsh::from_slice::<Digest>(&bytes).unwrap(), digest);
    }

    #[test]
    fn streaming_equals_hashing_at_once(bytes: alloc::vec::Vec<u8>, cut: prop::sample::Index) {
        let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut hasher = Hasher::new("test");
        hasher.update(left);
        hasher.update(right);
        prop_assert_eq!(hasher.finish(), hash("test", &[&bytes]));
    }
}
