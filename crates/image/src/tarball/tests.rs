//! Tests of hostile archives.

use super::{EntryKind, TarError, Walker};
use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_TAR_EXTENSION_BYTES};
use crate::testing::tar_of;

fn header(name: &[u8], kind: u8, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.as_mut_bytes()[156] = kind;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn entry(name: &str, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), kind, data.len() as u64).as_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn end(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([0; 1024]);
    bytes
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = String::new();
    for (key, value) in records {
        let body = format!(" {key}={value}\n");
        let length =
            (1..).find(|length: &usize| format!("{length}{body}").len() == *length).unwrap();
        data.push_str(&format!("{length}{body}"));
    }
    entry("pax", b'x', data.as_bytes())
}

fn walk(bytes: &[u8]) -> Result<Vec<(String, EntryKind, u64)>, TarError> {
    let mut walker = Walker::new(bytes);
    let mut all = Vec::new();
    while let Some(entry) = walker.next()? {
        all.push((entry.path, entry.kind, entry.size));
    }
    Ok(all)
}

#[test]
fn plain_archives_are_walked_and_read() {
    let bytes = tar_of(&[("./a/b", b"hello"), ("c", b"")]);
    let mut walker = Walker::new(bytes.as_slice());
    let first = walker.next().unwrap().unwrap();
    assert_eq!((first.path.as_str(), first.size), ("a/b", 5));
    let offset = usize::try_from(first.offset).unwrap();
    assert_eq!(&bytes[offset..offset + 5], b"hello");
    let mut buffer = [0; 64];
    assert_eq!(walker.read(&mut buffer).unwrap(), 5);
    assert_eq!(walker.read(&mut buffer).unwrap(), 0);
    assert_eq!(walker.next().unwrap().unwrap().path, "c");
    assert!(walker.next().unwrap().is_none());
}

#[test]
fn names_that_climb_are_refused() {
    for name in ["../x", "a/../../x", "/etc/passwd", "a\\..\\b", "..", "a/\u{0}b"] {
        let bytes = match name.contains('\0') {
            true => end([pax(&[("path", name)]), entry("x", b'0', b"")].concat()),
            false => end(entry(name, b'0', b"")),
        };
        assert!(matches!(walk(&bytes), Err(TarError::Broken(_))), "{name:?}");
    }
    let link = |kind: u8, target: &str| {
        let mut header = header(b"dir/link", kind, 0);
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        end(header.as_bytes().to_vec())
    };
    assert!(walk(&link(b'2', "/etc/shadow")).is_err());
    assert!(walk(&link(b'2', "../../x")).is_err());
    assert!(walk(&link(b'1', "../x")).is_err());
    let inside = walk(&link(b'2', "../other/layer.tar")).unwrap();
    assert_eq!(inside[0].1, EntryKind::Link("other/layer.tar".to_owned()));
}

#[test]
fn devices_pipes_and_sparse_files_are_refused() {
    for kind in *b"346SDNVM~" {
        assert!(matches!(walk(&end(entry("x", kind, b""))), Err(TarError::Broken(_))), "{kind}");
    }
    let sparse = end([pax(&[("GNU.sparse.major", "1")]), entry("x", b'0', b"")].concat());
    assert!(walk(&sparse).is_err());
}

#[test]
fn a_size_said_twice_must_be_said_alike() {
    let same = end([pax(&[("size", "5")]), entry("x", b'0', b"hello")].concat());
    assert_eq!(walk(&same).unwrap()[0].2, 5);
    for other in ["3", "1000", "0", "-1", "5x", "", "99999999999999999999999"] {
        let bytes = end([pax(&[("size", other)]), entry("x", b'0', b"hello")].concat());
        assert!(walk(&bytes).is_err(), "{other}");
    }
    // Beyond what the header can say the pax record counts; here it only makes the archive too short.
    let huge = end([pax(&[("size", "9223372036854775807")]), entry("x", b'0', b"")].concat());
    assert!(walk(&huge).is_err());
}

#[test]
fn long_names_are_read_and_bounded() {
    let long = format!("blobs/sha512/{}", "a".repeat(128));
    let gnu =
        [entry("././@LongLink", b'L', format!("{long}\0").as_bytes()), entry("short", b'0', b"x")];
    assert_eq!(walk(&end(gnu.concat())).unwrap()[0].0, long);
    let by_pax = [pax(&[("path", &long), ("mtime", "1.5")]), entry("short", b'0', b"x")];
    assert_eq!(walk(&end(by_pax.concat())).unwrap()[0].0, long);
    let claimed = header(b"././@LongLink", b'L', MAX_TAR_EXTENSION_BYTES + 1).as_bytes().to_vec();
    assert!(matches!(walk(&claimed), Err(TarError::Broken(_))));
}

#[test]
fn global_headers_may_only_comment() {
    let global = |record| {
        let mut bytes = pax(&[record]);
        bytes[156] = b'g';
        let mut header = tar::Header::from_byte_slice(&bytes[..512]).clone();
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
        end([bytes, entry("x", b'0', b"hello")].concat())
    };
    assert_eq!(walk(&global(("comment", "abc"))).unwrap()[0].0, "x");
    for record in [("path", "y"), ("size", "5"), ("linkpath", "y")] {
        assert!(matches!(walk(&global(record)), Err(TarError::Broken(_))), "{record:?}");
    }
}

#[test]
fn broken_pax_records_are_refused() {
    for data in [
        "5",
        "x path=y\n",
        "3 a\n",
        "999 path=y\n",
        "0 \n",
        "10 path=yy",
        "18446744073709551616 a=b\n",
    ] {
        let bytes = end([entry("pax", b'x', data.as_bytes()), entry("x", b'0', b"")].concat());
        assert!(matches!(walk(&bytes), Err(TarError::Broken(_))), "{data:?}");
    }
}

#[test]
fn truncation_is_noticed_at_every_byte() {
    let whole = end([entry("a", b'0', &[7; 600]), entry("b", b'0', b"x")].concat());
    assert_eq!(walk(&whole).unwrap().len(), 2);
    // Only the second of the two closing blocks may be missing.
    for length in 0..whole.len() - 512 {
        assert!(walk(&whole[..length]).is_err(), "{length} bytes were accepted");
    }
}

#[test]
fn damaged_headers_are_refused() {
    let whole = end(entry("a", b'0', b"x"));
    for at in 0..500 {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        assert!(walk(&damaged).is_err(), "byte {at}");
    }
    assert!(
        walk(b"this is no archive at all, but long enough to be one".repeat(20).as_slice())
            .is_err()
    );
}

#[test]
fn the_number_of_entries_is_bounded() {
    let bytes = end(entry("d", b'5', b"").repeat(MAX_ARCHIVE_ENTRIES + 1));
    assert!(matches!(walk(&bytes), Err(TarError::Broken(_))));
}
