//! What others send is read or refused.

use bytes::Bytes;

use super::kit::Random;
use crate::{Answer, Ask, CHUNK_BYTES, LISTING_BYTES_MAX};

fn answers() -> Vec<Answer> {
    let bytes = |n: usize| Some(Bytes::from(vec![5; n]));
    let mut answers = Vec::new();
    for (height, index) in [(0, 0), (7, 3), (u64::MAX, u32::MAX)] {
        for listing in [None, bytes(0), bytes(1), bytes(LISTING_BYTES_MAX)] {
            answers.push(Answer::Offer { height, listing });
        }
        for bytes in [None, bytes(0), bytes(1), bytes(CHUNK_BYTES)] {
            answers.push(Answer::Chunk { height, index, bytes });
        }
    }
    answers
}

#[test]
fn messages_are_read_as_they_were_said() {
    for ask in
        [Ask::Offer, Ask::Chunk { height: 0, index: 0 }, Ask::Chunk { height: u64::MAX, index: 9 }]
    {
        let said = ask.encode();
        assert_eq!(Ask::decode(&said), Some(ask));
        assert_eq!(Answer::decode(&said), None);
        for end in 0..said.len() {
            assert_eq!(Ask::decode(&said[..end]), None);
        }
        assert_eq!(Ask::decode(&[&said[..], &[0]].concat()), None);
    }
    for answer in answers() {
        let said = answer.encode();
        assert_eq!(Answer::decode(&said), Some(answer));
        assert_eq!(Ask::decode(&said), None);
    }
}

#[test]
fn the_layout_of_messages_is_pinned() {
    assert_eq!(Ask::Offer.encode()[..], [1]);
    let ask = Ask::Chunk { height: 0x0102, index: 3 };
    assert_eq!(ask.encode()[..], [2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]);
    let offer = Answer::Offer { height: 4, listing: Some(Bytes::from_static(&[9])) };
    assert_eq!(offer.encode()[..], [3, 0, 0, 0, 0, 0, 0, 0, 4, 1, 9]);
    let chunk = Answer::Chunk { height: 4, index: 5, bytes: None };
    assert_eq!(chunk.encode()[..], [4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5, 0]);
}

#[test]
fn what_is_too_long_is_refused() {
    for (answer, tail) in [
        (Answer::Offer { height: 1, listing: Some(Bytes::new()) }, LISTING_BYTES_MAX),
        (Answer::Chunk { height: 1, index: 1, bytes: Some(Bytes::new()) }, CHUNK_BYTES),
    ] {
        let said = |n: usize| Bytes::from([&answer.encode()[..], &vec![0; n]].concat());
        assert!(Answer::decode(&said(tail)).is_some());
        assert_eq!(Answer::decode(&said(tail + 1)), None);
    }
    // Nothing, and yet something.
    let mut none = Answer::Offer { height: 1, listing: None }.encode().to_vec();
    none.push(1);
    assert_eq!(Answer::decode(&none.into()), None);
}

#[test]
fn whatever_is_sent_is_read_or_refused() {
    let mut random = Random::new(3);
    for answer in answers() {
        let said = answer.encode();
        for end in (0..said.len().min(40)).chain([said.len() - 1]) {
            if let Some(read) = Answer::decode(&said.slice(..end)) {
                assert_eq!(read.encode(), said.slice(..end), "what is read is what was said");
            }
        }
    }
    for _ in 0..100_000 {
        let length = random.below(40) as usize;
        let mut bytes = random.bytes(length);
        if let Some(first) = bytes.first_mut() {
            *first %= 6;
        }
        if let Some(ask) = Ask::decode(&bytes) {
            assert_eq!(ask.encode(), bytes);
        }
        let bytes = Bytes::from(bytes);
        if let Some(answer) = Answer::decode(&bytes) {
            assert_eq!(answer.encode(), bytes);
        }
    }
}
