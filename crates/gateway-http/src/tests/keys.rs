//! Keys of spaces: session writes and reads.

use axum::body::Body;
use serde_json::{Value, json};

use super::bench::{Bench, json as post, local};
use crate::limits::{RANGE_BYTES_MAX, SCAN_KEYS_MAX};

async fn put(bench: &Bench, key: &str, value: &str) -> Value {
    bench.write("acme", json!({ "put": { "key": key, "value": value } })).await.ok()
}

fn keys(shown: &Value) -> Vec<&str> {
    shown["kvs"].as_array().unwrap().iter().map(|kv| kv["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_a_session_client_writes_can_be_read() {
    let bench = Bench::new();
    let outcome = put(&bench, "YQ==", "MQ==").await;
    assert_eq!((&outcome["status"], &outcome["revision"]), (&"done".into(), &2.into()));
    put(&bench, "YQ", "Mg").await; // without padding
    let shown = bench.get("/v1/spaces/acme/kv?key=YQ").await.ok();
    let kv = json!({ "key": "YQ==", "value": "Mg==", "create_revision": 2, "mod_revision": 3, "version": 2 });
    assert_eq!(shown["kvs"], json!([kv]));
    assert_eq!((&shown["revision"], &shown["count"]), (&3.into(), &1.into()));
    assert_eq!((&shown["more"], &shown["count_is_exact"]), (&false.into(), &true.into()));
    let deleted = bench.write("acme", json!({ "delete": { "key": "YQ" } })).await.ok();
    assert_eq!(deleted["reply"], json!({ "deleted": 1 }));
    let again = bench.write("acme", json!({ "delete": { "key": "YQ" } })).await.ok();
    assert_eq!(again["status"], "unchanged");
}

#[tokio::test]
async fn a_transaction_takes_the_branch_its_compares_choose() {
    let bench = Bench::new();
    let create = json!({ "txn": {
        "compares": [{ "key": "YQ", "op": "equal", "target": { "version": 0 } }],
        "success": [{ "put": { "key": "YQ", "value": "MQ" } }],
        "failure": [{ "delete": { "key": "YQ" } }],
    } });
    let first = bench.write("acme", create.clone()).await.ok();
    assert_eq!(first["reply"], json!({ "succeeded": true, "deleted": 0 }));
    let second = bench.write("acme", create).await.ok();
    assert_eq!(second["reply"], json!({ "succeeded": false, "deleted": 1 }));
    for target in
        [json!({ "create_revision": 0 }), json!({ "mod_revision": 0 }), json!({ "value": "MQ" })]
    {
        for op in ["equal", "greater", "less", "not_equal"] {
            let compare = json!([{ "key": "YQ", "op": op, "target": target }]);
            bench.write("acme", json!({ "txn": { "compares": compare } })).await.ok();
        }
    }
}

#[tokio::test]
async fn ranges_are_etcds() {
    let bench = Bench::new();
    for key in ["YQ==", "YWI=", "Yg==", "//8="] {
        put(&bench, key, "eA==").await;
    }
    let cases = [
        ("", vec!["YQ==", "YWI=", "Yg==", "//8="]),
        ("key=YQ&range_end=Yg", vec!["YQ==", "YWI="]),
        ("key=YQ&range_end=", vec!["YQ=="]),
        ("key=Yg&range_end=AA", vec!["Yg==", "//8="]),
        ("key=Yg&range_end=YQ", vec![]),
        ("prefix=YQ", vec!["YQ==", "YWI="]),
        ("prefix=_w", vec!["//8="]),
        ("prefix=%2Fw%3D%3D", vec!["//8="]),
    ];
    for (query, expected) in cases {
        let shown = bench.get(&format!("/v1/spaces/acme/kv?{query}")).await.ok();
        assert_eq!(keys(&shown), expected, "{query}");
        assert_eq!(shown["count"], expected.len(), "{query}");
    }
    let page = bench.get("/v1/spaces/acme/kv?limit=1").await.ok();
    assert_eq!(
        (keys(&page), &page["more"], &page["count"]),
        (vec!["YQ=="], &true.into(), &4.into())
    );
}

#[tokio::test]
async fn a_range_is_cut_by_bytes_but_never_below_one_key() {
    let bench = Bench::new();
    let big =
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, vec![7; RANGE_BYTES_MAX + 1]);
    put(&bench, "YQ==", &big).await;
    put(&bench, "Yg==", "MQ==").await;
    let shown = bench.get("/v1/spaces/acme/kv").await.ok();
    assert_eq!((keys(&shown), &shown["more"]), (vec!["YQ=="], &true.into()));
    const { assert!(SCAN_KEYS_MAX > 2) };
}

#[tokio::test]
async fn malformed_reads_and_writes_are_named() {
    let bench = Bench::new();
    let reads = [
        ("/v1/spaces/nobody/kv", "unknown_space", "nobody"),
        ("/v1/spaces/No/kv", "malformed_request", "lower-case"),
        ("/v1/spaces/%ff/kv", "malformed_request", "path"),
        ("/v1/spaces/acme/kv?key=***", "malformed_request", "base64"),
        ("/v1/spaces/acme/kv?key=a+b", "malformed_request", "use - and _"),
        ("/v1/spaces/acme/kv?limit=0", "malformed_request", "limit"),
        ("/v1/spaces/acme/kv?limit=1001", "malformed_request", "limit"),
        ("/v1/spaces/acme/kv?range_end=YQ", "malformed_request", "key"),
        ("/v1/spaces/acme/kv?key=YQ&prefix=YQ", "malformed_request", "key"),
        ("/v1/spaces/acme/kv?revision=3", "malformed_request", "revision"),
    ];
    for (path, code, part) in reads {
        let heard = bench.get(path).await;
        assert_eq!(heard.problem(), code, "{path}");
        assert!(heard.text().contains(part), "{path}: {}", heard.text());
    }
    let writes = [
        json!({}),
        json!({ "action": "put" }),
        json!({ "action": { "put": { "key": "YQ" } } }),
        json!({ "action": { "put": { "key": "YQ", "value": "MQ", "lease": 1 } } }),
        json!({ "action": { "put": { "key": "Y", "value": "MQ" } } }),
        json!({ "action": { "put": { "key": 7, "value": "MQ" } } }),
        json!({ "action": { "erase": {} } }),
        json!({ "action": { "delete": { "key": "YQ" } }, "also": 1 }),
        json!({ "action": { "txn": { "compares": [{ "key": "YQ", "op": "like", "target": { "version": 0 } }] } } }),
        json!({ "action": { "txn": { "compares": [{ "key": "YQ", "op": "equal", "target": { "version": -1 } }] } } }),
    ];
    for body in writes {
        let heard = bench.ask(post("/v1/spaces/acme/kv", &body)).await;
        assert_eq!(heard.problem(), "malformed_request", "{body}");
    }
    let request = local("POST", "/v1/spaces/acme/kv").header("content-type", "application/json");
    let deep = Body::from("[".repeat(100_000));
    assert_eq!(bench.ask(request.body(deep).unwrap()).await.problem(), "malformed_request");
    let long = json!({ "identity": "i".repeat(257), "action": { "delete": { "key": "YQ" } } });
    let heard = bench.ask(post("/v1/spaces/acme/kv", &long)).await;
    assert_eq!(heard.problem(), "malformed_command");
}

#[tokio::test]
async fn the_identity_a_client_gives_is_in_the_block() {
    let bench = Bench::new();
    let body = json!({ "identity": "ann", "action": { "put": { "key": "YQ", "value": "MQ" } } });
    bench.drive(post("/v1/spaces/acme/kv", &body)).await.ok();
    put(&bench, "YQ", "Mg").await;
    let newest = bench.get("/v1/blocks/latest").await.ok();
    assert_eq!(newest["actions"][0]["actor"]["identity"], "http/loopback");
    let before = newest["height"].as_u64().unwrap() - 1;
    let before = bench.get(&format!("/v1/blocks/{before}")).await.ok();
    assert_eq!(before["actions"][0]["actor"]["identity"], "ann");
    assert_eq!(before["actions"][0]["actor"]["evidence"], "session");
    assert_eq!(before["actions"][0]["actor"]["organisation"], "acme");
}
