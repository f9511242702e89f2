//! The event stream.

use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::bench::{Bench, local};

/// One event as a client reads it.
#[derive(Debug)]
struct Seen {
    id: String,
    event: String,
    data: Value,
}

struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(bench: &Bench, request: Request<Body>) -> Self {
        let response = bench.router().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; none when the stream ended. Comments are passed over.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if !event.starts_with(':') {
                    return Some(parse(&event));
                }
                continue;
            }
            let bytes = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

fn parse(event: &str) -> Seen {
    let field = |name: &str| {
        let line = event.lines().find_map(|l| l.strip_prefix(name));
        line.unwrap_or_default().trim_start_matches([':', ' ']).to_owned()
    };
    Seen {
        id: field("id"),
        event: field("event"),
        data: serde_json::from_str(&field("data")).unwrap(),
    }
}

fn events(path: &str) -> Request<Body> {
    local("GET", path).body(Body::empty()).unwrap()
}

fn resumed(last: &str) -> Request<Body> {
    local("GET", "/v1/events").header("last-event-id", last).body(Body::empty()).unwrap()
}

/// A block with two changes of one action and one of another.
async fn three_changes(bench: &Bench) -> u64 {
    let txn = json!({ "txn": { "success": [
        { "put": { "key": "YQ", "value": "MQ" } }, { "put": { "key": "Yg", "value": "Mg" } },
    ] } });
    bench.write("acme", txn).await.ok()["height"].as_u64().unwrap()
}

#[tokio::test]
async fn changes_come_before_their_block_and_name_their_proof() {
    let bench = Bench::new();
    let height = three_changes(&bench).await;
    let mut stream = Stream::open(&bench, events(&format!("/v1/events?from={height}"))).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.id, first.event.as_str()), (format!("{height}:0"), "change"));
    assert_eq!(first.data["subject"], json!({ "type": "kv", "space": "acme", "key": "YQ==" }));
    assert_eq!((&first.data["kind"], &first.data["value"]), (&"put".into(), &"MQ==".into()));
    assert_eq!(first.data["proof"], format!("/v1/proofs/event/{height}/0/0"));
    assert_eq!(first.data["actor"]["organisation"], "acme");
    let second = stream.next().await.unwrap();
    assert_eq!(second.id, format!("{height}:1"));
    assert_eq!(second.data["proof"], format!("/v1/proofs/event/{height}/0/1"));
    let block = stream.next().await.unwrap();
    assert_eq!((block.id, block.event.as_str()), (format!("{height}:2"), "block"));
    assert_eq!((&block.data["changes"], &block.data["actions"]), (&2.into(), &1.into()));
    // The stream goes on with blocks that come.
    bench.block();
    assert_eq!(stream.next().await.unwrap().data["height"], height + 1);
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing_and_gets_nothing_twice() {
    let bench = Bench::new();
    let height = three_changes(&bench).await;
    bench.block();
    let after = |index: u64| format!("{height}:{index}");
    for (last, expected) in [(0, after(1)), (1, after(2)), (2, format!("{}:0", height + 1))] {
        let mut stream = Stream::open(&bench, resumed(&after(last))).await;
        assert_eq!(stream.next().await.unwrap().id, expected);
    }
    // Without a position the stream begins with what comes.
    let mut stream = Stream::open(&bench, events("/v1/events")).await;
    let next = bench.block();
    assert_eq!(stream.next().await.unwrap().data["height"], next);
}

#[tokio::test]
async fn positions_that_cannot_be_are_refused() {
    let bench = Bench::new();
    for last in ["", "7", "a:b", "1:-1", "1:2:3"] {
        assert_eq!(bench.ask(resumed(last)).await.problem(), "malformed_request", "{last}");
    }
    assert_eq!(bench.get("/v1/events?from=2").await.problem(), "malformed_request");
    assert_eq!(bench.get("/v1/events?form=1").await.problem(), "malformed_request");
}

/// A watcher that cannot be served from where it stands is told so, once, and where it can go on.
#[tokio::test]
async fn a_lagged_watcher_is_told_and_can_go_on() {
    let bench = Bench::new();
    let kept = hanse_ledger::limits::RECENT_BLOCKS_MAX as u64;
    let mut slow = Stream::open(&bench, events("/v1/events?from=1")).await;
    for _ in 0..kept + 2 {
        bench.block();
    }
    let told = slow.next().await.unwrap();
    assert_eq!((told.event.as_str(), &told.data), ("lagged", &json!({ "oldest": 3 })));
    assert!(slow.next().await.is_none());
    // What a browser does by itself: it reconnects with the id it was given.
    let mut again = Stream::open(&bench, resumed(&told.id)).await;
    assert_eq!(again.next().await.unwrap().id, "3:0");
    assert_eq!(bench.get("/v1/blocks/1").await.problem(), "forgotten");
    assert_eq!(bench.get("/v1/blocks/1").await.json()["oldest"], 3);
    let metrics = bench.get("/metrics").await.text();
    assert!(metrics.contains("hanse_http_lagged_total 1"), "{metrics}");
}

#[tokio::test]
async fn streams_are_counted_limited_and_end_with_the_member() {
    let mut bench = Bench::new();
    bench.config.limits.watchers = 1;
    let router = bench.router();
    let held = router.clone().oneshot(events("/v1/events")).await.unwrap();
    let refused = super::bench::ask(&router, events("/v1/events")).await;
    assert_eq!((refused.problem().as_str(), refused.status.as_u16()), ("watchers_full", 503));
    assert!(bench.config.metrics.render().contains("hanse_http_watchers 1"));
    drop(held);
    assert!(bench.config.metrics.render().contains("hanse_http_watchers 0"));
    let mut stream = Stream::open(&bench, events("/v1/events")).await;
    bench.ledger.stop();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_quiet_stream_has_a_heartbeat() {
    let mut bench = Bench::new();
    bench.config.limits.heartbeat = std::time::Duration::from_millis(1);
    let mut stream = Stream::open(&bench, events("/v1/events")).await;
    let beat = stream.body.next().await.unwrap().unwrap();
    assert_eq!(&beat[..], b": heartbeat\n\n");
}
