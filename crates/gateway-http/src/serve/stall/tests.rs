//! A peer that takes nothing.

use std::{io::ErrorKind, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up() {
    let (near, far) = duplex(16);
    let mut near = Stalling::new(near, Duration::from_millis(1));
    let error = near.write_all(&[0; 64]).await.expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(far);
}

#[tokio::test]
async fn a_peer_that_takes_a_little_is_served() {
    let (near, mut far) = duplex(16);
    let mut near = Stalling::new(near, Duration::from_secs(3_600));
    let written = async {
        near.write_all(&[7; 64]).await.expect("somebody reads");
        near.flush().await.expect("nothing to flush");
        drop(near);
    };
    let mut taken = Vec::new();
    let (read, ()) = tokio::join!(far.read_to_end(&mut taken), written);
    assert_eq!((read.expect("a clean end"), taken), (64, vec![7; 64]));
}
