//! Tests of digests.

use super::{Algorithm, Digest, DigestError};

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn sha256_and_sha512_of_nothing_are_the_published_ones() {
    assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), EMPTY);
    let long = Digest::of(Algorithm::Sha512, b"");
    assert!(
        long.to_string().starts_with("sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc")
    );
    assert_eq!(long.to_string().parse::<Digest>().unwrap(), long);
}

#[test]
fn every_other_spelling_is_refused() {
    let hex = &EMPTY[7..];
    let cases: &[(&str, DigestError)] = &[
        (hex, DigestError::Form(hex.into())),
        (&format!("md5:{}", &hex[..32]), DigestError::Algorithm("md5".into())),
        (&format!("SHA256:{hex}"), DigestError::Algorithm("SHA256".into())),
        (&format!("sha256:{}", hex.to_uppercase()), DigestError::Hex),
        (&format!("sha256:../{}", &hex[3..]), DigestError::Hex),
        (
            &format!("sha256:{}", &hex[1..]),
            DigestError::Length { algorithm: "sha256", expected: 64, found: 63 },
        ),
        (
            &format!("sha512:{hex}"),
            DigestError::Length { algorithm: "sha512", expected: 128, found: 64 },
        ),
        ("sha256:", DigestError::Length { algorithm: "sha256", expected: 64, found: 0 }),
        (&format!("sha256+b64:{hex}"), DigestError::Algorithm("sha256+b64".into())),
    ];
    for (text, error) in cases {
        assert_eq!(&text.parse::<Digest>().unwrap_err(), error, "{text}");
    }
}
