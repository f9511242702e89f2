//! Bearing load: shedding, deadlines, room for bodies.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use hanse_types::{Action, KvAction, encode};
use tower::ServiceExt as _;

use super::bench::{Bench, ask, local, octets};

fn put(key: &str) -> Action {
    let (key, value) = (key.into(), b"v".to_vec());
    Action::Kv(KvAction::Put { space: "acme".to_owned(), key, value })
}

fn get(path: &str) -> Request<Body> {
    local("GET", path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_request_too_many_is_shed_and_probes_are_not() {
    let mut bench = Bench::new();
    bench.config.limits.requests = 1;
    let router = bench.router();
    let command = encode(&bench.sign(put("a")));
    let waiting = ask(&router, octets("/v1/commands", command));
    let meanwhile = async {
        tokio::task::yield_now().await;
        let shed = ask(&router, get("/v1/status")).await;
        assert_eq!((shed.problem().as_str(), shed.status.as_u16()), ("overloaded", 503));
        assert_eq!(shed.headers["retry-after"], "1");
        for probe in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(ask(&router, get(probe)).await.status, StatusCode::OK);
        }
        assert!(bench.config.metrics.render().contains("hanse_http_shed_total 1"));
        bench.block();
    };
    let (heard, ()) = tokio::join!(waiting, meanwhile);
    assert_eq!(heard.ok()["status"], "done");
    assert_eq!(ask(&router, get("/v1/status")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_keeps_its_place_until_it_is_taken() {
    let mut bench = Bench::new();
    bench.config.limits.requests = 1;
    let router = bench.router();
    let slow_reader = router.clone().oneshot(get("/v1/status")).await.unwrap();
    assert_eq!(ask(&router, get("/v1/status")).await.problem(), "overloaded");
    assert!(slow_reader.headers().contains_key("content-type"));
    drop(slow_reader);
    assert_eq!(ask(&router, get("/v1/status")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_proof_that_cannot_be_made_in_time_is_given_up() {
    let mut bench = Bench::new();
    bench.config.limits.answer_time = Duration::from_millis(1);
    // Nobody serves the tree here, so the proof waits for ever.
    let heard = bench.get("/v1/proofs/lookup?key=00").await;
    assert_eq!((heard.problem().as_str(), heard.status.as_u16()), ("slow_answer", 504));
}

#[tokio::test]
async fn questions_for_proofs_are_read_strictly() {
    let bench = Bench::new();
    let cases = [
        ("/v1/proofs/lookup", "malformed_request"),
        ("/v1/proofs/lookup?key=xyz", "malformed_request"),
        ("/v1/proofs/lookup?key=0", "malformed_request"),
        ("/v1/proofs/lookup?key=00&start=00", "malformed_request"),
        ("/v1/proofs/range", "malformed_request"),
        ("/v1/proofs/range?start=gg", "malformed_request"),
        ("/v1/proofs/receipt/00", "malformed_request"),
        ("/v1/proofs/event/1/2/x", "malformed_request"),
        ("/v1/proofs/event/-1/0/0", "malformed_request"),
        ("/v1/proofs/event/99/0/0", "nothing_to_prove"),
        ("/v1/proofs/event/1/4294967295/4294967295", "nothing_to_prove"),
    ];
    bench.block();
    for (path, code) in cases {
        assert_eq!(bench.get(path).await.problem(), code, "{path}");
    }
    let unknown = format!("/v1/proofs/receipt/{}", "0".repeat(64));
    assert_eq!(bench.get(&unknown).await.problem(), "nothing_to_prove");
    let many = "key=00&".repeat(hanse_ledger::limits::PROOF_KEYS_MAX + 1);
    let many = format!("/v1/proofs/lookup?{}", many.trim_end_matches('&'));
    assert_eq!(bench.get(&many).await.problem(), "proof_too_large");
}

fn streamed(body: Body) -> Request<Body> {
    let request = local("POST", "/v1/commands").header("content-type", "application/octet-stream");
    request.body(body).unwrap()
}

fn pieces(count: usize, piece: &'static [u8]) -> Body {
    let piece = Ok::<_, std::io::Error>(Bytes::from_static(piece));
    Body::from_stream(
        stream::repeat_with(move || {
            piece.as_ref().map(Bytes::clone).map_err(|_| std::io::Error::other(""))
        })
        .take(count),
    )
}

#[tokio::test]
async fn a_body_that_dribbles_or_breaks_is_given_up() {
    let mut bench = Bench::new();
    bench.config.limits.body_time = Duration::from_millis(1);
    let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let heard = bench.ask(streamed(never)).await;
    assert_eq!((heard.problem().as_str(), heard.status.as_u16()), ("slow_body", 408));
    let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
    assert_eq!(bench.ask(streamed(broken)).await.problem(), "malformed_request");
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_off_at_the_limit() {
    let bench = Bench::new();
    static PIECE: [u8; 65_536] = [0; 65_536];
    let heard = bench.ask(streamed(pieces(33, &PIECE))).await;
    assert_eq!(heard.problem(), "body_too_large");
}

#[tokio::test]
async fn bodies_share_a_bounded_room() {
    let mut bench = Bench::new();
    bench.config.limits.bodies_bytes = 8 * 1024;
    let heard = bench.ask(streamed(pieces(9, &[0; 1024]))).await;
    assert_eq!(heard.problem(), "overloaded");
    // The room is free again, and a body that fits is only wrong in itself.
    let heard = bench.ask(streamed(pieces(8, &[0; 1024]))).await;
    assert_eq!(heard.problem(), "malformed_command");
}
