//! The classifier on bytes that are no journal; real journals are in `tests::wal`.

use super::{Votes, scan};
use commonware_cryptography::Crc32;

const PAGE: usize = 64;

/// A page of a journal with these contents.
fn page(contents: &[u8]) -> Vec<u8> {
    let mut out = contents.to_vec();
    out.resize(PAGE, 0);
    out.extend_from_slice(&(contents.len() as u16).to_be_bytes());
    out.extend_from_slice(&Crc32::checksum(contents).to_be_bytes());
    out.resize(PAGE + 12, 0);
    out
}

#[test]
fn an_empty_blob_holds_no_votes() {
    assert_eq!(scan(&[], PAGE), Some(Votes::default()));
}

#[test]
fn items_may_cross_pages() {
    let mut contents = vec![1, 4];
    contents.push(80);
    contents.push(0);
    contents.resize(2 + 81, 9);
    let (first, second) = contents.split_at(PAGE);
    let image = [page(first), page(second)].concat();
    assert_eq!(scan(&image, PAGE).map(|votes| votes.count), Some(1));
    assert_eq!(scan(&page(first), PAGE), None, "an item that is cut off");
}

#[test]
fn whatever_is_not_a_journal_is_not_classified() {
    let good = page(&[2, 1, 7]);
    assert_eq!(scan(&good, PAGE).map(|votes| votes.count), Some(0));
    for at in [0, PAGE, PAGE + 2] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(scan(&bad, PAGE), None, "flip at {at}");
    }
    assert_eq!(scan(&good[..PAGE], PAGE), None, "half a page");
    assert_eq!(scan(&good, PAGE - 1), None, "another page size");
    assert_eq!(scan(&page(&[1, 7]), PAGE), None, "an unknown kind");
    assert_eq!(scan(&page(&[0]), PAGE), None, "an item without a kind");
    assert_eq!(scan(&[good.clone(), good].concat(), PAGE), None, "a short page before the last");
}

#[test]
fn a_changed_vote_is_another_set_of_votes() {
    let (one, other) = (scan(&page(&[2, 0, 7]), PAGE), scan(&page(&[2, 0, 8]), PAGE));
    assert!(one.is_some() && other.is_some());
    assert_ne!(one, other);
}
