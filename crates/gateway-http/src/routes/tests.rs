//! The document and the routes are the same thing.

use std::{collections::BTreeSet, fs};

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::*;
use crate::{
    problem::{Code, Problem},
    tests::bench::{Bench, local},
};

/// Cargo says where the crate is when it runs this; where it was when this was compiled may be another clone.
fn golden() -> std::path::PathBuf {
    std::path::Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("openapi.json")
}

fn document() -> &'static Value {
    &DOCUMENT
}

/// Renew with `UPDATE=1`, and read the difference: it is what clients will notice.
#[test]
fn the_api_is_the_reviewed_one() {
    let fresh = format!("{:#}\n", document());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(golden(), &fresh).unwrap();
    }
    let reviewed = fs::read_to_string(golden()).unwrap_or_default();
    assert!(
        fresh == reviewed,
        "the API changed; review it: UPDATE=1 cargo test -p hanse-gateway-http"
    );
    assert_eq!(document()["openapi"], "3.1.0");
}

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let routed: BTreeSet<&str> =
        [reads(), waits(), probes()].into_iter().flatten().map(|(path, _)| path).collect();
    let described: BTreeSet<&str> =
        document()["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(routed, described);
}

#[tokio::test]
async fn every_path_takes_its_methods_and_no_other() {
    let bench = Bench::new();
    for (path, operations) in document()["paths"].as_object().unwrap() {
        let concrete =
            path.replace("{height}", "1").replace("{index}", "0").replace("{event}", "0");
        let concrete = concrete.split('/').map(|p| if p.starts_with('{') { "x" } else { p });
        let concrete = concrete.collect::<Vec<_>>().join("/");
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            if concrete == "/v1/events" && method == Method::GET {
                continue; // Never ends; it has tests of its own.
            }
            let request =
                local(method.as_str(), &concrete).body(axum::body::Body::empty()).unwrap();
            let heard = bench.ask(request).await;
            let known = operations.get(method.as_str().to_lowercase()).is_some();
            assert_eq!(heard.status != StatusCode::METHOD_NOT_ALLOWED, known, "{method} {path}");
            if !known {
                assert_eq!(heard.problem(), "method_not_allowed");
                assert!(heard.headers.contains_key("allow"), "{method} {path}");
            }
        }
    }
    for path in ["/", "/v1", "/v1/", "/v1/status/", "/v2/status", "/v1/spaces/acme", "//v1/status"]
    {
        assert_eq!(bench.get(path).await.problem(), "unknown_route", "{path}");
    }
}

#[tokio::test]
async fn every_code_has_a_page_and_serves_it() {
    let bench = Bench::new();
    for code in Code::ALL {
        let page = code.page();
        let title = format!("# `{}`: {}\n", code.name(), code.title());
        assert!(page.starts_with(&title), "{}", code.name());
        assert!(
            page.contains(&format!("HTTP status {}.", code.status().as_u16())),
            "{}",
            code.name()
        );
        for heading in ["What happened", "Why", "What the user does", "What the operator does"] {
            assert!(page.contains(&format!("\n## {heading}\n")), "{}: {heading}", code.name());
        }
        assert_eq!(bench.get(&format!("/errors/{}", code.name())).await.text(), page);
        let body = Problem::new(*code, "d").into_response();
        assert_eq!(body.status(), code.status());
    }
    assert_eq!(bench.get("/errors/nonsense").await.problem(), "unknown_route");
    let names: BTreeSet<&str> = Code::ALL.iter().map(|c| c.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
}

#[test]
fn every_error_of_the_desk_has_its_code() {
    use hanse_ledger::{Lagged, ProveError, SubmitError, TicketError};
    let cases: Vec<(Problem, &str)> = vec![
        (SubmitError::Full { retry_after_ms: 50 }.into(), "pool_full"),
        (SubmitError::Malformed("m".to_owned()).into(), "malformed_command"),
        (SubmitError::BadSignature.into(), "bad_signature"),
        (SubmitError::Expired.into(), "command_expired"),
        (SubmitError::Executed.into(), "command_executed"),
        (SubmitError::WrongChain.into(), "wrong_chain"),
        (SubmitError::NotReady.into(), "not_ready"),
        (SubmitError::NoGateway.into(), "no_gateway"),
        (TicketError::Expired.into(), "command_expired"),
        (TicketError::Stopped.into(), "stopping"),
        (ProveError::NotFound.into(), "nothing_to_prove"),
        (ProveError::Forgotten { oldest: 7 }.into(), "forgotten"),
        (ProveError::TooLarge.into(), "proof_too_large"),
        (ProveError::Busy.into(), "overloaded"),
        (ProveError::Stopped.into(), "stopping"),
        (Lagged { oldest: 7 }.into(), "forgotten"),
    ];
    for (problem, code) in cases {
        assert_eq!(problem.code.name(), code);
    }
    let full = Problem::from(SubmitError::Full { retry_after_ms: 50 }).into_response();
    assert_eq!(full.headers()["retry-after"], "1");
}
