//! Key files: every change is found, and disks are treated with care.

use alloc::vec::Vec;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::keys::Suite;

const PASSWORD: &[u8] = b"correct horse battery staple";

fn key() -> SigningKey {
    SigningKey::from_seed(Suite::Ed25519, [7; 32])
}

fn sealed() -> KeyFile {
    seal(&key(), PASSWORD, Cost::test())
}

/// Whether a text is refused, be it when read or when opened.
fn detected(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return true;
    };
    KeyFile::from_json(text).map_or(true, |file| file.open(PASSWORD).is_err())
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn keys_of_every_suite_come_back() {
    for suite in Suite::ALL {
        let key = SigningKey::generate(suite);
        let file = seal(&key, PASSWORD, Cost::test());
        let file = KeyFile::from_json(&file.to_json()).unwrap();
        assert_eq!(file.public(), key.public());
        let opened = file.open(PASSWORD).unwrap();
        assert_eq!(opened.sign("d", b"m"), key.sign("d", b"m"));
    }
}

#[test]
fn the_default_cost_is_the_documented_one_and_works() {
    let cost = Cost::default();
    assert_eq!((cost.m_kib(), cost.t(), cost.p()), (64 * 1024, 3, 1));
    assert_eq!(Cost::new(64 * 1024, 3, 1), Ok(cost));
    assert!(seal(&key(), PASSWORD, cost).open(PASSWORD).is_ok());
}

/// Seeds defect 4A-15: no MAC, so a wrong password gave a wrong key.
#[test]
fn seed_4a_15_a_wrong_password_is_detected() {
    let file = sealed();
    for wrong in [&b""[..], b"correct horse battery stapl", b"correct horse battery staple "] {
        assert_eq!(file.open(wrong).unwrap_err(), OpenError::WrongPassword);
    }
    assert!(file.open(PASSWORD).is_ok());
}

/// Seeds defect 4A-15: no MAC, so a changed file gave a changed key.
#[test]
fn seed_4a_15_every_changed_byte_of_the_file_is_detected() {
    let text = sealed().to_json().into_bytes();
    assert!(!detected(&text));
    for at in 0..text.len() {
        for change in (0..8).map(|bit| 1 << bit).chain([0xff]) {
            let mut changed = text.clone();
            changed[at] ^= change;
            assert!(detected(&changed), "byte {at} xor {change:#04x}");
        }
        assert!(detected(&text[..at]), "cut at {at}");
        let inserted = [&text[..at], b" ", &text[at..]].concat();
        assert!(detected(&inserted), "space at {at}");
    }
    assert!(detected(&[&text[..], b"\n"].concat()));
}

/// Changes an attacker would make: each value well formed.
#[test]
fn every_changed_field_is_detected_and_a_wrong_password_told_apart() {
    let other = seal(&SigningKey::from_seed(Suite::Ed25519, [8; 32]), PASSWORD, Cost::test());
    let file = sealed();
    let opened = |change: fn(&mut KeyFile, &KeyFile)| {
        let mut file = file.clone();
        change(&mut file, &other);
        file.open(PASSWORD).map(|key| key.public())
    };
    assert_eq!(opened(|_, _| {}), Ok(key().public()));
    assert_eq!(opened(|file, other| file.public = other.public), Err(OpenError::Changed));
    assert_eq!(opened(|file, other| file.nonce = other.nonce), Err(OpenError::Changed));
    assert_eq!(opened(|file, other| file.ciphertext = other.ciphertext), Err(OpenError::Changed));
    assert_eq!(opened(|file, other| file.salt = other.salt), Err(OpenError::WrongPassword));
    assert_eq!(opened(|file, other| file.check = other.check), Err(OpenError::WrongPassword));
    assert_eq!(opened(|file, _| file.cost = Cost::default()), Err(OpenError::WrongPassword));
    let public = SigningKey::from_seed(Suite::P256, [7; 32]).public();
    let mut file = file.clone();
    file.public = public;
    assert_eq!(file.open(PASSWORD).unwrap_err(), OpenError::Changed);
}

/// Seeds defect 4A-15: key and nonce were a function of the password alone.
#[test]
fn seed_4a_15_the_same_key_and_password_never_give_the_same_file() {
    let (one, other) = (sealed(), sealed());
    assert_ne!(one.salt, other.salt);
    assert_ne!(one.nonce, other.nonce);
    assert_ne!(one.check, other.check);
    assert_ne!(one.ciphertext, other.ciphertext);
}

/// Seeds defect 4A-14: keys lay readable in configuration.
#[test]
fn seed_4a_14_the_file_does_not_contain_the_secret() {
    assert!(!sealed().to_json().contains(&hex::encode([7; 8])));
}

#[test]
fn other_versions_names_and_members_are_refused() {
    let text = sealed().to_json();
    let parse = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        KeyFile::from_json(&text.replacen(from, to, 1)).unwrap_err()
    };
    assert!(matches!(parse("\"v\":1", "\"v\":2"), ParseError::Version(2)));
    assert!(matches!(
        parse("\"suite\":\"ed25519\"", "\"suite\":\"p256\""),
        ParseError::Value("suite")
    ));
    assert!(matches!(parse("xchacha20poly1305", "aes"), ParseError::Value("aead.name")));
    assert!(matches!(parse("argon2id", "argon2d"), ParseError::Value("kdf.name")));
    assert!(matches!(parse("\"v\":1,", "\"v\":1,\"x\":0,"), ParseError::Json(_)));
    assert!(matches!(parse("\"v\":1,", "\"v\":1,\"v\":1,"), ParseError::Json(_)));
    assert!(matches!(parse("\"v\":1,", "\"v\": 1,"), ParseError::Spelling));
    assert!(matches!(KeyFile::from_json("[]").unwrap_err(), ParseError::Json(_)));
    assert!(matches!(KeyFile::from_json("").unwrap_err(), ParseError::Json(_)));
}

#[test]
fn files_are_written_for_their_owner_alone_and_nothing_else_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.key");
    let file = sealed();
    file.write(&path, Overwrite::Refuse).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(KeyFile::read(&path).unwrap(), file);
    assert_eq!(entries(directory.path()), [path]);
}

#[test]
fn an_existing_file_is_replaced_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.key");
    let (one, other) = (sealed(), sealed());
    one.write(&path, Overwrite::Refuse).unwrap();
    let refused = other.write(&path, Overwrite::Refuse);
    assert!(matches!(refused, Err(WriteError::Exists { .. })), "{refused:?}");
    assert_eq!(KeyFile::read(&path).unwrap(), one);
    other.write(&path, Overwrite::Replace).unwrap();
    assert_eq!(KeyFile::read(&path).unwrap(), other);
    assert_eq!(entries(directory.path()), [path]);
}

#[test]
fn a_dangling_link_counts_as_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.key");
    symlink(directory.path().join("nowhere"), &path).unwrap();
    let refused = sealed().write(&path, Overwrite::Refuse);
    assert!(matches!(refused, Err(WriteError::Exists { .. })), "{refused:?}");
}

#[test]
fn a_missing_directory_is_an_error_that_names_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none/a.key");
    let error = sealed().write(&path, Overwrite::Refuse).unwrap_err();
    assert!(matches!(error, WriteError::Io { .. }));
    assert!(error.to_string().contains("none/a.key"), "{error}");
}

/// Seeds defect 4A-14: a key that others can read is no secret.
#[test]
fn seed_4a_14_a_file_open_to_others_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.key");
    sealed().write(&path, Overwrite::Refuse).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = KeyFile::read(&path);
        assert!(matches!(refused, Err(ReadError::Exposed { mode: m, .. }) if m == mode));
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(KeyFile::read(&path).is_ok());
    }
}

#[test]
fn what_is_no_key_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.key");
    assert!(matches!(KeyFile::read(&path), Err(ReadError::Io { .. })));
    assert!(matches!(KeyFile::read(directory.path()), Err(ReadError::NotAFile { .. })));
    let write = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        KeyFile::read(&path)
    };
    assert!(matches!(write(b"{}"), Err(ReadError::Parse { .. })));
    assert!(matches!(write(&[b' '; 4096]), Err(ReadError::Parse { .. })));
    assert!(matches!(write(&[b' '; 4097]), Err(ReadError::TooLarge { .. })));
    assert!(matches!(write(&[0xff; 10]), Err(ReadError::Io { .. })));
}
