//! Spellings.

use hanse_types::{Digest, StateKey};

use super::*;

#[test]
fn base64_is_written_in_one_way_and_read_in_all() {
    let bytes = Base64(vec![0xfb, 0xff]);
    assert_eq!(serde_json::to_string(&bytes).unwrap(), "\"+/8=\"");
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        assert_eq!(serde_json::from_value::<Base64>(text.into()).unwrap(), bytes, "{text}");
    }
    for text in ["-/8=", "+_8", "*", "A", "AA=A", " /8=", "+/9="] {
        assert!(serde_json::from_value::<Base64>(text.into()).is_err(), "{text}");
    }
}

fn written() -> Vec<(StateKey<'static>, Subject)> {
    let (repo, tag, digest) = ("h/a", "t", "sha256:00");
    let id = Digest([9; 32]);
    let text = |t: &str| t.to_owned();
    vec![
        (
            StateKey::Kv { space: "s", key: b"k\0k" },
            Subject::Kv { space: text("s"), key: Base64(b"k\0k".to_vec()) },
        ),
        (StateKey::Organisation("o"), Subject::Organisation { name: text("o") }),
        (StateKey::Account(id), Subject::Account { account: id.to_string() }),
        (StateKey::Gateway(id), Subject::Gateway { gateway: id.to_string() }),
        (StateKey::Space("s"), Subject::Space { name: text("s") }),
        (StateKey::Namespace("h/a"), Subject::Namespace { prefix: text("h/a") }),
        (StateKey::Tag { repo, tag }, Subject::Tag { repo: text(repo), tag: text(tag) }),
        (
            StateKey::Release { repo, tag, seq: 7 },
            Subject::Release { repo: text(repo), tag: text(tag), seq: 7 },
        ),
        (
            StateKey::DigestUse { repo, digest, tag, seq: 7 },
            Subject::DigestUse { repo: text(repo), digest: text(digest), tag: text(tag), seq: 7 },
        ),
        (
            StateKey::DigestState { repo, digest },
            Subject::DigestState { repo: text(repo), digest: text(digest) },
        ),
        (StateKey::First, Subject::Other),
    ]
}

#[test]
fn state_keys_are_read_back_as_written() {
    for (key, subject) in written() {
        assert_eq!(Subject::of(&key.encode()), subject);
    }
    for odd in [&[1][..], &[7, b'a', 0], &[8, b'a', 0, b'b', 0, 1], &[5, 0xff, 0], &[99]] {
        assert_eq!(Subject::of(odd), Subject::Other, "{odd:?}");
    }
}

#[test]
fn times_are_rfc_3339() {
    assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(time(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    assert_eq!(time(u64::MAX), "");
}

#[test]
fn event_ids_are_read_as_written() {
    for id in [Id { height: 0, index: 0 }, Id { height: u64::MAX, index: u64::MAX }] {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for text in ["", ":", "1", "1:", ":1", "1:2:3", "a:1", "1:-1", "18446744073709551616:0"] {
        assert!(text.parse::<Id>().is_err(), "{text}");
    }
}
