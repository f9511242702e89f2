//! The member itself: status, health, metrics, pages.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use hanse_proof::TrustFile;
use serde_json::{Value, json};

use super::bench::Bench;
use crate::{CertificateView, Check, EngineView, MemberState, MemberView};

/// The seed's probe killed healthy nodes of a halted chain, for ever.
#[tokio::test]
async fn defect_4a_13_a_healthy_member_of_a_halted_chain_stays_live() {
    let mut bench = Bench::new();
    bench.block();
    // No quorum, no blocks, no readiness; the process is fine.
    bench.config.checks =
        Arc::new(|| vec![Check { name: "connected", result: Err("1 of 4 members".into()) }]);
    for _ in 0..3 {
        assert_eq!(bench.get("/readyz").await.status.as_u16(), 503);
        for probe in ["/livez", "/healthz"] {
            let heard = bench.get(probe).await;
            assert_eq!((heard.status.as_u16(), heard.text().as_str()), (200, "ok\n"));
        }
    }
    // Neither does a member that replays for hours ask to be restarted.
    assert_eq!(Bench::replaying().get("/livez").await.status.as_u16(), 200);
    // Only the process itself being stuck does.
    bench.config.alive = Arc::new(|| Err("the writer does not answer".into()));
    let heard = bench.get("/livez").await;
    assert_eq!(
        (heard.status.as_u16(), heard.text().as_str()),
        (503, "stuck: the writer does not answer\n")
    );
}

#[tokio::test]
async fn readiness_lists_its_checks() {
    let bench = Bench::replaying();
    let heard = bench.get("/readyz?verbose").await;
    assert_eq!(heard.status.as_u16(), 503);
    assert_eq!(
        heard.text(),
        "[-]replayed failed: history is being replayed\n\
         [-]live failed: this member has seen no block certified since it started\n\
         [+]agrees ok\n[+]storage ok\nnot ready\n"
    );
    bench.ledger.set_ready();
    assert_eq!(bench.get("/readyz").await.status.as_u16(), 503);
    bench.ledger.set_live();
    let heard = bench.get("/readyz?verbose=1").await;
    assert_eq!(
        (heard.status.as_u16(), heard.text().as_str()),
        (200, "[+]replayed ok\n[+]live ok\n[+]agrees ok\n[+]storage ok\nok\n")
    );
    assert_eq!(bench.get("/readyz").await.text(), "ok\n");
}

#[tokio::test]
async fn nothing_is_read_before_a_block_was_certified_since_the_start() {
    let bench = Bench::replaying();
    bench.ledger.set_ready();
    for path in
        ["/v1/spaces", "/v1/accounts", "/v1/images/repositories", "/v1/spaces/acme/kv?key=YQ"]
    {
        assert_eq!(bench.get(path).await.problem(), "not_ready", "{path}");
    }
    // What says when it was true, or proves it, is answered all the same.
    assert_eq!(bench.get("/v1/status").await.status.as_u16(), 200);
    bench.ledger.set_live();
    assert_eq!(bench.get("/v1/spaces").await.status.as_u16(), 200);
}

#[tokio::test]
async fn probes_answer_under_any_name() {
    let bench = Bench::new();
    for path in ["/livez", "/healthz", "/readyz"] {
        let request = Request::builder().uri(path).header("host", "10.1.2.3:8000");
        assert!(bench.ask(request.body(Body::empty()).unwrap()).await.status.is_success());
    }
    let request = Request::builder().uri("/metrics").header("host", "evil.example");
    assert_eq!(bench.ask(request.body(Body::empty()).unwrap()).await.problem(), "host_not_allowed");
}

#[tokio::test]
async fn the_status_has_the_agreed_shape() {
    let mut bench = Bench::new();
    bench.block();
    let before = bench.get("/v1/status").await.ok();
    assert_eq!(before["certificate"], json!({ "height": 0, "signed": 0, "of": 1, "need": 1 }));
    assert_eq!(before["committee"], json!([]));
    bench.config.engine = Arc::new(|| EngineView {
        epoch: 3,
        members: vec![
            member(MemberState::Live, Some(9)),
            member(MemberState::Behind, Some(4)),
            member(MemberState::Unreachable, None),
            member(MemberState::Unknown, None),
        ],
        certificate: Some(CertificateView { height: 9, signed: 3, of: 4, need: 3 }),
    });
    let status = bench.get("/v1/status").await.ok();
    assert_eq!(
        (&status["v"], &status["height"], &status["epoch"]),
        (&1.into(), &1.into(), &3.into())
    );
    assert_eq!(status["chain_id"], bench.ledger.genesis().chain_id().to_string());
    assert_eq!(status["certificate"], json!({ "height": 9, "signed": 3, "of": 4, "need": 3 }));
    let first = json!({ "organisation": "acme", "member": "0303", "state": "live", "height": 9 });
    assert_eq!(status["committee"][0], first);
    let states: Vec<&Value> =
        status["committee"].as_array().unwrap().iter().map(|m| &m["state"]).collect();
    assert_eq!(states, ["live", "behind", "unreachable", "unknown"]);
    assert_eq!((&status["settled_height"], &status["version"]), (&0.into(), &"0.1.0-test".into()));
}

fn member(state: MemberState, height: Option<u64>) -> MemberView {
    MemberView { organisation: "acme".into(), member: "0303".into(), state, height }
}

#[tokio::test]
async fn the_trust_root_is_a_trust_root() {
    let bench = Bench::new();
    let file = TrustFile::parse(&bench.get("/v1/trust-root").await.text()).unwrap();
    assert_eq!(&file.genesis, bench.ledger.genesis());
    let version = bench.get("/version").await.ok();
    assert_eq!(version, json!({ "version": "0.1.0-test", "protocol": 1, "api": "v1" }));
}

#[tokio::test]
async fn blocks_are_shown_whole() {
    let bench = Bench::new();
    let outcome = bench.write("acme", json!({ "put": { "key": "YQ", "value": "MQ" } })).await.ok();
    let block = bench.get(&format!("/v1/blocks/{}", outcome["height"])).await.ok();
    assert_eq!((&block["leader"], &block["certified"]), (&"acme".into(), &false.into()));
    assert_eq!(block["commands"][0]["kind"], "session");
    assert_eq!(block["commands"][0]["command"], outcome["command"]);
    assert_eq!(
        (&block["actions"][0]["status"], &block["actions"][0]["changes"]),
        (&"done".into(), &1.into())
    );
    assert_eq!(block["digest"], bench.ledger.snapshot().digest.to_string());
    assert_eq!(bench.get("/v1/blocks/latest").await.ok(), block);
    for height in ["0", "999", "18446744073709551615"] {
        assert_eq!(bench.get(&format!("/v1/blocks/{height}")).await.problem(), "unknown_height");
    }
    for height in ["-1", "newest", "18446744073709551616"] {
        assert_eq!(bench.get(&format!("/v1/blocks/{height}")).await.problem(), "malformed_request");
    }
}

#[tokio::test]
async fn series_have_names_of_the_house_and_labels_from_fixed_sets() {
    let bench = Bench::new();
    let metrics = &bench.config.metrics;
    metrics.gauge("store_log_bytes", "Bytes of the log", || 7.5);
    metrics.counter("store_syncs", "Sync calls", || 3);
    let router = bench.router();
    for path in ["/v1/status", "/v1/accounts/1", "/v1/accounts/2", "/wp-login.php", "/a", "/b"] {
        let request = super::bench::local("GET", path).body(Body::empty()).unwrap();
        super::bench::ask(&router, request).await;
    }
    let odd = super::bench::local("BREW", "/v1/status").body(Body::empty()).unwrap();
    super::bench::ask(&router, odd).await;
    let heard = super::bench::ask(
        &router,
        super::bench::local("GET", "/metrics").body(Body::empty()).unwrap(),
    )
    .await;
    assert!(
        heard.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text")
    );
    let text = heard.text();
    for line in [
        "hanse_build_info{version=\"0.1.0-test\"} 1",
        "hanse_store_log_bytes 7.5",
        "hanse_store_syncs_total 3",
        "hanse_ledger_height 0.0",
        "hanse_ledger_ready 1.0",
        "hanse_http_requests_total{route=\"/v1/status\",method=\"GET\",status=\"200\"} 1",
        "hanse_http_requests_total{route=\"/v1/status\",method=\"other\",status=\"405\"} 1",
        "hanse_http_requests_total{route=\"/v1/accounts/{id}\",method=\"GET\",status=\"400\"} 2",
        "hanse_http_requests_total{route=\"none\",method=\"GET\",status=\"404\"} 3",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let series = text.lines().filter(|l| !l.starts_with('#'));
    assert!(series.clone().all(|l| l.starts_with("hanse_")), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
#[should_panic(expected = "metric name")]
fn a_metric_has_a_plain_name() {
    crate::Metrics::new("1").gauge("a-b", "", || 0.0);
}
