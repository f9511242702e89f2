//! Key files as users of the crate meet them: without the cheap cost that tests inside it use.
#![cfg(not(feature = "test-cost"))]

use hanse_crypto::keystore::{Cost, CostError, KeyFile, ParseError};
use hanse_crypto::{SigningKey, Suite};

/// Written by an independent implementation (Python's `cryptography` and HChaCha20 by hand) of
/// docs/formats/keyfile.md: password "correct horse", secret 32 times 07, salt 00.., nonce 64..
const FOREIGN: &str = include_str!("data/ed25519.key.json");

#[test]
fn a_file_written_by_another_implementation_opens() {
    let file = KeyFile::from_json(FOREIGN).unwrap();
    assert_eq!(file.cost(), Cost::new(19 * 1024, 2, 1).unwrap());
    let key = file.open(b"correct horse").unwrap();
    assert_eq!(key.public(), SigningKey::from_seed(Suite::Ed25519, [7; 32]).public());
    assert_eq!(file.to_json(), FOREIGN);
}

/// Seeds defect 4A-15: a key derived with one unsalted hash. No file that costs a guesser less than
/// the documented least, or that lacks its salt, is opened or can be asked for.
#[test]
fn seed_4a_15_a_file_without_kdf_or_salt_is_impossible() {
    for (m_kib, t, p) in [(8, 1, 1), (19 * 1024 - 1, 2, 1), (19 * 1024, 1, 1), (19 * 1024, 2, 0)] {
        let little = CostError::TooLittle { m_kib, t, p };
        assert_eq!(Cost::new(m_kib, t, p), Err(little));
        let cost = format!("\"m_kib\":{m_kib},\"t\":{t},\"p\":{p}");
        let text = FOREIGN.replace("\"m_kib\":19456,\"t\":2,\"p\":1", &cost);
        let refused = KeyFile::from_json(&text);
        assert!(matches!(refused, Err(ParseError::Cost(e)) if e == little), "{cost}");
    }
    let salt = "000102030405060708090a0b0c0d0e0f";
    for (from, to) in [
        (salt, ""),
        (salt, &salt[2..]),
        ("\"name\":\"argon2id\"", "\"name\":\"none\""),
        ("\"name\":\"argon2id\"", "\"name\":\"sm3\""),
    ] {
        let refused = KeyFile::from_json(&FOREIGN.replacen(from, to, 1));
        assert!(matches!(refused, Err(ParseError::Value("kdf.salt" | "kdf.name"))), "{to}");
    }
    let text = FOREIGN.replacen(&format!("\"salt\":\"{salt}\","), "", 1);
    assert!(matches!(KeyFile::from_json(&text), Err(ParseError::Json(_))));
}

/// Refused by their numbers alone: opening them would take the memory of the machine.
#[test]
fn absurd_costs_are_refused_before_anything_is_allocated() {
    let (most, gib) = (u32::MAX, 1024 * 1024);
    for (m_kib, t, p) in
        [(gib + 1, 2, 1), (most, 2, 1), (gib, 17, 1), (gib, 2, 17), (most, most, most)]
    {
        let cost = format!("\"m_kib\":{m_kib},\"t\":{t},\"p\":{p}");
        let text = FOREIGN.replace("\"m_kib\":19456,\"t\":2,\"p\":1", &cost);
        let refused = KeyFile::from_json(&text);
        let much = CostError::TooMuch { m_kib, t, p };
        assert!(matches!(refused, Err(ParseError::Cost(e)) if e == much), "{cost}");
    }
    assert!(Cost::new(gib, 16, 16).is_ok());
    let text = FOREIGN.replace("\"m_kib\":19456", "\"m_kib\":99999999999");
    assert!(matches!(KeyFile::from_json(&text), Err(ParseError::Json(_))));
}
