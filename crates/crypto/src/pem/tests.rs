//! PKCS#8: keys of other tools come in, ours go out and come back.

use alloc::format;

use super::*;
use crate::text::from_hex;

/// RFC 8410 section 10.3, the first example, and the public key of section 10.1.
const ED25519_RFC: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";

/// Made by `openssl genpkey` 3.0; nothing but these tests uses them.
const P256_OPENSSL: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfrQ8ww5g0yw11xMC
S5DhRBTBi7T15vTmpcKClcO7AWuhRANCAAQ6B6N+weAZZcN0RDkO1CIDEmuD9Voq
3aS12/ZcBSuecv98IIAOLyF2ZgCUH2iZEhB6YzMcB4p1JTXVyZG1z71l";
const SECP256K1_OPENSSL: &str = "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg2vSAsp7UDJ4GEUsY+uA8
DTZ/C9HUggwsyXLUYiTYD1KhRANCAASUx7662yBfN34VKA8pqGX8YReiRHIeCbz0
C0dHUhWXRHCycItf9UGuEY44ZNN+BVzun0NYJt5iAKNk/qOJ7bOF";
const P384_OPENSSL: &str = "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDChGOLdHynBLd+5KNok
ymc6HafkHcx2BDarjTSO7cTVXAWeX4PKFC8VoMqrNA5yNlehZANiAAT2ZZdYcmZf
VPyzpcVsL2htd1VxGSS7wVJUE+pB7wdsjua3n4/tzxsZUYggEYKAuOX2lKpr8Irs
HAF+J6zFh5YhAigrUJpO3WxJZ+3ySo5lAM5oc431/BFIUsxFIfDTIYE=";

fn pem(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn import(body: &str) -> Result<SigningKey, PemError> {
    SigningKey::from_pkcs8_pem(&pem("PRIVATE KEY", body))
}

#[test]
fn keys_of_openssl_and_rfc_8410_are_read() {
    for (body, public) in [
        (ED25519_RFC, "ed25519:19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"),
        (P256_OPENSSL, "p256:033a07a37ec1e01965c37444390ed42203126b83f55a2adda4b5dbf65c052b9e72"),
        (
            SECP256K1_OPENSSL,
            "secp256k1:0394c7bebadb205f377e15280f29a865fc6117a244721e09bcf40b474752159744",
        ),
    ] {
        assert_eq!(import(body).unwrap().public().to_string(), public);
    }
    assert_eq!(*import(ED25519_RFC).unwrap().to_pkcs8_pem(), pem("PRIVATE KEY", ED25519_RFC));
    assert_eq!(*import(P256_OPENSSL).unwrap().to_pkcs8_pem(), pem("PRIVATE KEY", P256_OPENSSL));
}

#[test]
fn exported_keys_come_back() {
    for suite in Suite::ALL {
        let key = SigningKey::generate(suite);
        let back = SigningKey::from_pkcs8_pem(&key.to_pkcs8_pem()).unwrap();
        assert_eq!((back.public(), back.secret()), (key.public(), key.secret()));
    }
}

#[test]
fn what_is_no_plain_key_of_a_suite_is_refused_with_its_reason() {
    let refuse = |pem: &str| SigningKey::from_pkcs8_pem(pem).unwrap_err();
    for label in ["ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "PUBLIC KEY"] {
        let error = refuse(&pem(label, ED25519_RFC));
        assert!(matches!(error, PemError::Label(found) if found == label));
    }
    assert!(matches!(import(P384_OPENSSL), Err(PemError::Algorithm(oid)) if oid == "1.3.132.0.34"));
    assert!(matches!(refuse(""), PemError::Form(_)));
    assert!(matches!(refuse("secret"), PemError::Form(_)));
    assert!(matches!(import("AAAA"), Err(PemError::Form(_))));
    let short = &P256_OPENSSL[..64];
    assert!(matches!(import(short), Err(PemError::Form(_))));
}

/// A structure whose secret is out of range, of the wrong length, or not that of the public key.
#[test]
fn invalid_secrets_are_refused() {
    let export = |der: &[u8]| {
        let document = SecretDocument::try_from(der).unwrap();
        document.to_pem(PrivateKeyInfo::PEM_LABEL, LineEnding::LF).unwrap()
    };
    let import = |der: &[u8]| SigningKey::from_pkcs8_pem(&export(der));
    let seed: [u8; 32] = [7; 32];
    let key = SigningKey::from_seed(Suite::Ed25519, seed);

    let good = [&from_hex::<16>("302e020100300506032b657004220420").unwrap()[..], &seed].concat();
    assert!(import(&good).is_ok());
    let short = [&from_hex::<16>("302d020100300506032b65700421041f").unwrap()[..], &seed[1..]];
    assert!(matches!(import(&short.concat()), Err(PemError::Secret)));

    // Version 2 carries the public key: RFC 5958.
    let head = from_hex::<16>("3051020101300506032b657004220420").unwrap();
    let tail = from_hex::<3>("812100").unwrap();
    let both = [&head[..], &seed, &tail, key.public().as_bytes()].concat();
    assert_eq!(import(&both).unwrap().public(), key.public());
    let other = [&head[..], &seed, &tail, &seed].concat();
    assert!(matches!(import(&other), Err(PemError::Secret)));

    let p256 = SecretDocument::from_pem(&pem("PRIVATE KEY", P256_OPENSSL)).unwrap().1;
    for secret in [[0; 32], [0xff; 32], [1; 32]] {
        let mut der = p256.as_bytes().to_vec();
        der[36..68].copy_from_slice(&secret);
        assert!(matches!(import(&der), Err(PemError::Secret)), "{secret:?}");
    }
}
