//! What the decoder of blocks refuses, and that what it accepts has one encoding.

use commonware_codec::{Decode as _, Encode as _};
use hanse_types::{Body, Command, Digest as Id, Header, Place, Segment};

use super::*;

fn block(body: Body) -> Block {
    let header = Header {
        version: 1,
        protocol: 1,
        chain_id: Id([1; 32]),
        height: 7,
        place: Place { epoch: 0, view: 9, leader: leader(), parent_view: 8 },
        parent: Id([3; 32]),
        timestamp_ms: 1_700_000_000_000,
        body_root: body.root(),
        receipt_root: Id([4; 32]),
        event_root: Id([5; 32]),
        settled_height: 5,
        state_root: Id([6; 32]),
        state_version: 1,
        settles: true,
        history_root: Id([7; 32]),
        committee: Id([8; 32]),
        next_committee: Id([8; 32]),
    };
    Block { header, body }
}

fn leader() -> [u8; 32] {
    use commonware_cryptography::Signer as _;
    let key = crate::engine::PrivateKey::from_seed(1).public_key();
    key.as_ref().try_into().unwrap()
}

fn body(sizes: &[usize]) -> Body {
    let commands = sizes.iter().map(|n| Command { kind: 1, bytes: vec![7; *n] }).collect();
    Body { segments: vec![Segment { space: "a".into(), commands }] }
}

fn framed(bytes: Vec<u8>) -> Bytes {
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend(bytes);
    out.into()
}

fn read(bytes: Vec<u8>) -> Result<EngineBlock, Error> {
    EngineBlock::decode_cfg(framed(bytes), &())
}

#[test]
fn a_block_comes_back_as_it_went() {
    for body in [Body::default(), body(&[0, 3, 900])] {
        let block = EngineBlock::new(Arc::new(block(body)));
        let bytes = block.encode();
        let back = EngineBlock::decode_cfg(bytes.clone(), &()).unwrap();
        assert_eq!(back.block(), block.block());
        assert_eq!(back.encode(), bytes);
        assert_eq!(back.digest().0, block.block().header.digest().0);
        assert_eq!(back.context().parent.0.get(), 8);
    }
}

#[test]
fn the_header_has_the_length_the_walk_skips() {
    assert_eq!(encode(&block(Body::default()).header).len(), HEADER_BYTES);
}

#[test]
fn a_body_that_is_not_the_headers_is_refused() {
    let mut block = block(body(&[3]));
    block.body.segments[0].commands[0].bytes[0] ^= 1;
    assert!(read(encode(&block)).is_err());
}

#[test]
fn bodies_over_a_limit_are_refused_and_at_the_limit_accepted() {
    let room = limits::BODY_BYTES_MAX as usize - 6;
    assert!(read(encode(&block(body(&[room])))).is_ok());
    assert!(read(encode(&block(body(&[room + 1])))).is_err());
    let most = vec![0; limits::BODY_ACTIONS_MAX as usize];
    assert!(read(encode(&block(body(&most)))).is_ok());
    let over = vec![0; limits::BODY_ACTIONS_MAX as usize + 1];
    assert!(read(encode(&block(body(&over)))).is_err());
}

#[test]
fn a_length_is_refused_before_its_bytes_are_read() {
    let mut bytes = ((BLOCK_BYTES_MAX + 1) as u32).to_be_bytes().to_vec();
    bytes.push(0);
    assert!(matches!(
        EngineBlock::decode_cfg(Bytes::from(bytes), &()),
        Err(Error::InvalidLength(n)) if n == BLOCK_BYTES_MAX + 1
    ));
}

#[test]
fn truncation_trailing_bytes_and_a_bad_leader_are_refused() {
    let good = encode(&block(body(&[3])));
    assert!(read(good.clone()).is_ok());
    for n in 0..good.len() {
        assert!(read(good[..n].to_vec()).is_err(), "{n} bytes");
    }
    let mut longer = good;
    longer.push(0);
    assert!(read(longer).is_err());
    let mut block = block(Body::default());
    block.header.place.leader = {
        let mut key = [0; 32];
        key[0] = 2; // no point of the curve has this y
        key
    };
    assert!(read(encode(&block)).is_err());
}
