//! Snapshots: the node's, handed on as they are.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::body::Body;
use bytes::Bytes;

use super::bench::{Bench, local};
use crate::Snapshots;

#[tokio::test]
async fn snapshots_are_handed_on_and_made_for_those_who_may_write() {
    let mut bench = Bench::new();
    for path in ["/v1/snapshots/newest", "/v1/snapshots/7/chunks/0"] {
        assert_eq!(bench.get(path).await.problem(), "unknown_snapshot");
    }
    let made = Arc::new(AtomicU32::new(0));
    let making = made.clone();
    bench.config.snapshots = Snapshots {
        newest: Arc::new(|| Box::pin(async { Some(Bytes::from_static(b"a listing")) })),
        chunk: Arc::new(|height, index| {
            let found = (height == 7 && index == 1).then(|| Bytes::from_static(b"a chunk"));
            Box::pin(async { found })
        }),
        make: Arc::new(move || {
            making.fetch_add(1, Ordering::Relaxed);
        }),
    };
    let newest = bench.get("/v1/snapshots/newest").await;
    assert_eq!((newest.status.as_u16(), newest.bytes.as_slice()), (200, &b"a listing"[..]));
    assert_eq!(newest.headers["content-type"], "application/octet-stream");
    assert_eq!(bench.get("/v1/snapshots/7/chunks/1").await.bytes, b"a chunk");
    assert_eq!(bench.get("/v1/snapshots/7/chunks/2").await.problem(), "unknown_snapshot");
    for path in ["/v1/snapshots/x/chunks/1", "/v1/snapshots/7/chunks/-1"] {
        assert_eq!(bench.get(path).await.problem(), "malformed_request");
    }
    let make = || local("POST", "/v1/snapshots").body(Body::empty()).unwrap();
    assert_eq!(bench.ask(make()).await.status.as_u16(), 202);
    let mut stranger = make();
    stranger.extensions_mut().clear();
    assert_eq!(bench.ask(stranger).await.problem(), "session_not_allowed");
    assert_eq!(made.load(Ordering::Relaxed), 1);
}
