//! Who may come in. Named after the defects of earlier products that these tests keep out.

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use hanse_types::{Action, KvAction, encode};
use serde_json::json;

use super::bench::{Bench, Heard, json as post, local, octets};

fn addressed(host: &str) -> Request<Body> {
    Request::builder().uri("/v1/status").header(header::HOST, host).body(Body::empty()).unwrap()
}

fn write() -> Request<Body> {
    post("/v1/spaces/acme/kv", &json!({ "action": { "put": { "key": "YQ", "value": "MQ" } } }))
}

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn from(mut request: Request<Body>, peer: &str) -> Request<Body> {
    let peer: std::net::SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

fn has_cors(heard: &Heard) -> bool {
    heard.headers.keys().any(|name| name.as_str().starts_with("access-control"))
}

/// The seed's node opened its RPC to every origin and every host, and signed with an unlocked account for whoever asked.
#[tokio::test]
async fn defect_4b_5_a_stranger_cannot_make_the_gateway_sign() {
    let bench = Bench::new();
    let height = bench.ledger.status().height;
    let mut nowhere = write();
    nowhere.extensions_mut().clear();
    let strangers = [
        from(write(), "192.0.2.7:4000"),
        from(write(), "[2001:db8::7]:4000"),
        nowhere,
        with(write(), "x-forwarded-for", "192.0.2.7"),
        with(write(), "forwarded", "for=192.0.2.7"),
        with(write(), "via", "1.1 proxy"),
        with(from(write(), "192.0.2.7:4000"), "authorization", "Bearer open"),
        with(from(write(), "192.0.2.7:4000"), "authorization", "Basic c2VzYW1l"),
        with(write(), "authorization", "Bearer "),
    ];
    for request in strangers {
        let heard = bench.ask(request).await;
        assert_eq!(heard.problem(), "session_not_allowed");
        assert!(!has_cors(&heard));
    }
    assert_eq!((bench.ledger.status().height, bench.ledger.status().session_waiting), (height, 0));
    let trusted = with(from(write(), "192.0.2.7:4000"), "authorization", "bearer sesame");
    assert_eq!(bench.drive(trusted).await.ok()["status"], "done");
    assert_eq!(bench.drive(from(write(), "[::ffff:127.0.0.1]:9")).await.ok()["status"], "done");
    // Without a token set, none opens the door.
    let mut closed = Bench::new();
    closed.config.session_token = None;
    let heard = closed.ask(with(write(), "authorization", "Bearer sesame")).await;
    assert_eq!(heard.problem(), "session_not_allowed");
}

/// The seed's local API took requests of any web page the user had open.
#[tokio::test]
async fn defect_4b_6_a_web_page_cannot_drive_the_door() {
    let bench = Bench::new();
    let (key, value) = (b"a".to_vec(), b"v".to_vec());
    let put = Action::Kv(KvAction::Put { space: "acme".to_owned(), key, value });
    let signed = encode(&bench.sign(put));
    let page = |name, value: &str| {
        [with(write(), name, value), with(octets("/v1/commands", signed.clone()), name, value)]
    };
    let foreign = [
        "https://evil.example",
        "http://127.0.0.1:9999",
        "http://localhost:8000",
        "null",
        "file://",
        "",
    ];
    for origin in foreign {
        for request in page("origin", origin) {
            let heard = bench.ask(request).await;
            assert_eq!(heard.problem(), "origin_not_allowed", "{origin}");
            assert!(!has_cors(&heard));
        }
    }
    for site in ["cross-site", "same-site", "odd"] {
        for request in page("sec-fetch-site", site) {
            assert_eq!(bench.ask(request).await.problem(), "origin_not_allowed", "{site}");
        }
    }
    // Reading is refused to scripts of other origins too, and allowed when a link is followed.
    let read = || local("GET", "/v1/status").body(Body::empty()).unwrap();
    let scripted = bench.ask(with(read(), "origin", "https://evil.example")).await;
    assert_eq!(scripted.problem(), "origin_not_allowed");
    let followed = bench.ask(with(read(), "sec-fetch-site", "cross-site")).await;
    assert!(followed.status.is_success() && !has_cors(&followed));
    // A preflight gets no permission.
    let preflight = local("OPTIONS", "/v1/commands")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let heard = bench.ask(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(heard.problem(), "method_not_allowed");
    assert!(!has_cors(&heard));
    assert_eq!(bench.ledger.status().pool_commands, 0);
    // The member's own console may.
    let own =
        with(with(write(), "origin", "http://127.0.0.1:8000"), "sec-fetch-site", "same-origin");
    assert_eq!(bench.drive(own).await.ok()["status"], "done");
}

#[tokio::test]
async fn a_rebound_name_does_not_reach_the_door() {
    let bench = Bench::new();
    let ours = [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]:8000",
        "hanse.example",
        "hanse.example:443",
    ];
    for host in ours {
        assert!(bench.ask(addressed(host)).await.status.is_success(), "{host}");
    }
    let others = [
        "evil.example",
        "localhost.evil.example",
        "localhost.",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "user@localhost",
        "[::1]@evil.example",
        "",
        "0x7f.1",
        "hanse.example.",
        "localhost:port",
    ];
    for host in others {
        let heard = bench.ask(addressed(host)).await;
        assert_eq!(heard.problem(), "host_not_allowed", "{host}");
        assert_eq!(heard.status.as_u16(), 421);
    }
    let twice = Request::builder()
        .uri("/v1/status")
        .header("host", "localhost")
        .header("host", "evil.example");
    assert_eq!(bench.ask(twice.body(Body::empty()).unwrap()).await.problem(), "host_not_allowed");
    let none = Request::builder().uri("/v1/status").body(Body::empty()).unwrap();
    assert_eq!(bench.ask(none).await.problem(), "host_not_allowed");
    // The target's own authority counts, whatever the header says.
    let absolute =
        Request::builder().uri("http://evil.example/v1/status").header("host", "localhost");
    assert_eq!(
        bench.ask(absolute.body(Body::empty()).unwrap()).await.problem(),
        "host_not_allowed"
    );
    // Also where nothing is.
    let nothing = Request::builder().uri("/nothing").header("host", "evil.example");
    assert_eq!(bench.ask(nothing.body(Body::empty()).unwrap()).await.problem(), "host_not_allowed");
}

#[tokio::test]
async fn a_query_over_the_limit_is_refused() {
    let bench = Bench::new();
    let most = crate::limits::QUERY_BYTES_MAX;
    let fits = format!("/v1/proofs/lookup?key={}", "0".repeat(most - 5));
    assert_eq!(bench.get(&fits).await.problem(), "malformed_request");
    let over = format!("/v1/proofs/lookup?key={}", "0".repeat(most - 3));
    assert_eq!(bench.get(&over).await.problem(), "query_too_long");
}
