//! Bounded, fair, in order.

use hanse_crypto::{SigningKey, Suite};
use hanse_types::{Action, COMMAND_DOMAIN, KvAction, SignedCommand, SignedPayload, encode};

use super::*;

fn admitted(organisation: &str, n: u64, bytes: usize) -> Admitted {
    let key = SigningKey::from_seed(Suite::Ed25519, [1; 32]);
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&n.to_le_bytes());
    let action =
        Action::Kv(KvAction::Put { space: "acme".to_owned(), key: vec![1], value: vec![0; bytes] });
    let payload = SignedPayload {
        chain_id: Digest([0; 32]),
        key: key.public(),
        nonce,
        valid_until_ms: 1,
        action,
    };
    // The pool never looks at signatures; admission did.
    let signature = key.sign(COMMAND_DOMAIN, &encode(&payload.nonce));
    let command = Command::signed(&SignedCommand { payload, signature });
    let decoded = Arc::new(Decoded::read(&command).expect("well-formed"));
    Admitted { command: Arc::new(command), decoded, organisation: organisation.to_owned() }
}

#[test]
fn organisations_take_turns_and_keep_their_order() {
    let mut pool = Pool::default();
    let a: Vec<_> = (0..3).map(|n| admitted("a", n, 1)).collect();
    let b: Vec<_> = (10..12).map(|n| admitted("b", n, 1)).collect();
    for one in a.iter().chain(&b) {
        pool.insert(one.clone()).expect("fits");
    }
    let order: Vec<_> = pool.fair(0).map(|x| x.decoded.id).collect();
    let want: Vec<_> = [&a[0], &b[0], &a[1], &b[1], &a[2]].iter().map(|x| x.decoded.id).collect();
    assert_eq!(order, want);
    pool.remove(&a[0].decoded.id);
    assert_eq!(pool.fair(1).next().map(|x| x.decoded.id), Some(b[0].decoded.id));
    assert_eq!(pool.len(), 4);
}

#[test]
fn one_organisation_cannot_fill_the_pool() {
    let mut pool = Pool::default();
    let mut n = 0;
    let mib = 1024 * 1024;
    while pool.insert(admitted("greedy", n, mib)).is_ok() {
        n += 1;
    }
    assert!(pool.bytes() <= POOL_BYTES_MAX / POOL_SHARE);
    assert_eq!(pool.insert(admitted("other", n + 1, mib)), Ok(()));
    // What was refused may come again once there is room.
    let first = pool.fair(0).find(|a| a.organisation == "greedy").map(|a| a.decoded.id);
    pool.remove(&first.expect("it has some"));
    assert_eq!(pool.insert(admitted("greedy", n, mib)), Ok(()));
}

#[test]
fn the_same_command_counts_once() {
    let mut pool = Pool::default();
    let one = admitted("a", 1, 10);
    pool.insert(one.clone()).expect("fits");
    let bytes = pool.bytes();
    pool.insert(one.clone()).expect("is there already");
    assert_eq!((pool.len(), pool.bytes()), (1, bytes));
    pool.remove(&one.decoded.id);
    assert_eq!((pool.len(), pool.bytes(), pool.fair(0).count()), (0, 0, 0));
}
