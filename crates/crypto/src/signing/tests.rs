//! Secrets stay secret, and every seed gives a key.

use alloc::format;
use alloc::string::ToString;

use super::*;

/// Seeds defect 4A-14: secrets turned up where anyone could read them.
#[test]
fn seed_4a_14_no_text_form_shows_the_secret() {
    for suite in Suite::ALL {
        let key = SigningKey::generate(suite);
        let secret = hex::encode(key.secret().as_slice());
        for text in [format!("{key:?}"), format!("{key:#?}"), key.public().to_string()] {
            assert!(!text.contains(&secret[..16]) && !text.contains(&secret[48..]), "{text}");
        }
    }
}

#[test]
fn generated_keys_differ() {
    for suite in Suite::ALL {
        let (one, other) = (SigningKey::generate(suite), SigningKey::generate(suite));
        assert_ne!(one.public(), other.public());
        assert!(!other.public().verify("d", b"m", &one.sign("d", b"m")));
    }
}

#[test]
fn seeds_that_are_no_scalar_still_give_a_key() {
    for suite in Suite::ALL {
        for seed in [[0; 32], [0xff; 32]] {
            let key = SigningKey::from_seed(suite, seed);
            assert!(key.public().verify("d", b"m", &key.sign("d", b"m")));
            assert_eq!(key.public(), SigningKey::from_seed(suite, seed).public());
        }
    }
    assert!(SigningKey::from_secret(Suite::P256, &[0; 32]).is_none());
    assert!(SigningKey::from_secret(Suite::Secp256k1, &[0xff; 32]).is_none());
}

#[test]
fn a_clone_signs_alike() {
    for suite in Suite::ALL {
        let key = SigningKey::from_seed(suite, [9; 32]);
        assert_eq!(key.clone().sign("d", b"m"), key.sign("d", b"m"));
    }
}

#[test]
#[should_panic(expected = "domain of 128 bytes")]
fn a_domain_above_the_limit_panics() {
    SigningKey::from_seed(Suite::Ed25519, [1; 32]).sign(&"d".repeat(DOMAIN_LIMIT + 1), b"");
}
