//! Submitting, and what may be wrong with it.

use axum::{body::Body, http::StatusCode};
use hanse_crypto::{SigningKey, Suite};
use hanse_types::{
    Action, COMMAND_DOMAIN, Command, Digest, KvAction, Receipt, SignedCommand, SpaceAction, decode,
    encode,
};

use super::bench::{Bench, local, octets};
use crate::limits::COMMAND_BODY_BYTES_MAX;

fn put(key: &str) -> Action {
    let (key, value) = (key.into(), b"v".to_vec());
    Action::Kv(KvAction::Put { space: "acme".to_owned(), key, value })
}

#[tokio::test]
async fn an_outcome_names_its_receipt_and_is_the_same_when_asked_again() {
    let bench = Bench::new();
    let command = bench.sign(put("a"));
    let outcome = bench.submit(&command).await.ok();
    assert_eq!(outcome["status"], "done");
    assert_eq!(outcome["refusal"], serde_json::Value::Null);
    assert_eq!(outcome["revision"], 2);
    assert_eq!(outcome["command"], command.id().to_string());
    assert_eq!(outcome["time"], "2023-11-14T22:13:20.001Z");
    let receipt = hex::decode(outcome["receipt"].as_str().expect("hex")).expect("hex");
    let receipt: Receipt = decode(&receipt).expect("a receipt");
    assert_eq!((receipt.command, receipt.revision), (command.id(), 2));
    // No block is made for these: the answer is the recorded one.
    assert_eq!(bench.ask(octets("/v1/commands", encode(&command))).await.ok(), outcome);
    assert_eq!(bench.get(&format!("/v1/commands/{}", command.id())).await.ok(), outcome);
}

#[tokio::test]
async fn a_refusal_is_an_outcome_with_a_receipt() {
    let bench = Bench::new();
    let taken = Action::Space(SpaceAction::Create { name: "acme".to_owned() });
    let outcome = bench.submit(&bench.sign(taken)).await.ok();
    assert_eq!((&outcome["status"], &outcome["refusal"]), (&"refused".into(), &"exists".into()));
    assert!(outcome["receipt"].as_str().is_some_and(|r| !r.is_empty()));
}

#[tokio::test]
async fn bytes_that_are_no_command_are_refused_at_once() {
    let bench = Bench::new();
    let heard = bench.ask(octets("/v1/commands", b"nonsense".to_vec())).await;
    assert_eq!((heard.problem().as_str(), heard.status.as_u16()), ("malformed_command", 400));
    let unknown_kind = Command { kind: 77, bytes: vec![1] };
    let heard = bench.ask(octets("/v1/commands", encode(&unknown_kind))).await;
    assert_eq!(heard.problem(), "malformed_command");
    let mut longer = encode(&bench.sign(put("a")));
    longer.push(0);
    assert_eq!(bench.ask(octets("/v1/commands", longer)).await.problem(), "malformed_command");
}

#[tokio::test]
async fn signature_chain_and_validity_have_their_own_codes() {
    let bench = Bench::new();
    let signed: SignedCommand = decode(&bench.sign(put("a")).bytes).expect("a signed command");
    let stranger = SigningKey::from_seed(Suite::Ed25519, [9; 32]);
    let forged = SignedCommand {
        signature: stranger.sign(COMMAND_DOMAIN, &encode(&signed.payload)),
        ..signed.clone()
    };
    let mut elsewhere = signed.payload;
    elsewhere.chain_id = Digest([0; 32]);
    let signature = bench.admin.sign(COMMAND_DOMAIN, &encode(&elsewhere));
    let elsewhere = SignedCommand { payload: elsewhere, signature };
    let cases = [
        (Command::signed(&forged), "bad_signature", 400),
        (Command::signed(&elsewhere), "wrong_chain", 400),
        (bench.sign_until(put("a"), 1), "command_expired", 409),
    ];
    for (command, code, status) in cases {
        let heard = bench.ask(octets("/v1/commands", encode(&command))).await;
        assert_eq!((heard.problem().as_str(), heard.status.as_u16()), (code, status));
    }
}

#[tokio::test]
async fn without_a_block_the_outcome_is_unknown_and_the_command_goes_on() {
    let bench = Bench::new();
    let command = bench.sign(put("a"));
    let heard = bench.ask(octets("/v1/commands?timeout_ms=1", encode(&command))).await;
    assert_eq!(heard.problem(), "outcome_unknown");
    assert_eq!(heard.status, StatusCode::GATEWAY_TIMEOUT);
    bench.block();
    let recorded = bench.get(&format!("/v1/commands/{}", command.id())).await.ok();
    assert_eq!(recorded["status"], "done");
}

#[tokio::test]
async fn a_member_that_replays_or_stops_says_so() {
    let bench = Bench::replaying();
    let command = encode(&bench.sign(put("a")));
    assert_eq!(bench.ask(octets("/v1/commands", command.clone())).await.problem(), "not_ready");
    bench.ledger.set_ready();
    let router = bench.router();
    let waiting = super::bench::ask(&router, octets("/v1/commands", command));
    let stop = async {
        tokio::task::yield_now().await;
        bench.ledger.stop();
    };
    let (heard, ()) = tokio::join!(waiting, stop);
    assert_eq!(heard.problem(), "stopping");
}

#[tokio::test]
async fn ids_items_and_times_out_of_range_are_named() {
    let bench = Bench::new();
    let id = bench.sign(put("a")).id();
    let cases = [
        ("/v1/commands/zz".to_owned(), "malformed_request", "id"),
        (format!("/v1/commands/{}", id.to_string().to_uppercase()), "malformed_request", "id"),
        (format!("/v1/commands/{id}"), "unknown_command", ""),
        (format!("/v1/commands/{id}?item=-1"), "malformed_request", "item"),
        (format!("/v1/commands/{id}?item=2048"), "malformed_request", "item"),
        (format!("/v1/proofs/receipt/{id}?item=4294967295"), "malformed_request", "item"),
        (format!("/v1/commands/{id}?itme=0"), "malformed_request", "itme"),
        (format!("/v1/commands/{id}?item=0&item=1"), "malformed_request", "item"),
    ];
    for (path, code, part) in cases {
        let heard = bench.get(&path).await;
        assert_eq!(heard.problem(), code, "{path}");
        assert!(heard.json()["detail"].as_str().unwrap().contains(part), "{path} {}", heard.text());
    }
    let heard = bench.ask(octets("/v1/commands?timeout_ms=60001", Vec::new())).await;
    assert_eq!(heard.problem(), "malformed_request");
}

#[tokio::test]
async fn bodies_over_the_limit_and_of_other_types_are_refused() {
    let bench = Bench::new();
    // At the limit the size is fine, and only the content is not.
    let heard = bench.ask(octets("/v1/commands", vec![0; COMMAND_BODY_BYTES_MAX])).await;
    assert_eq!(heard.problem(), "malformed_command");
    let heard = bench.ask(octets("/v1/commands", vec![0; COMMAND_BODY_BYTES_MAX + 1])).await;
    assert_eq!(heard.problem(), "body_too_large");
    // A length that is only announced costs nothing.
    let request = local("POST", "/v1/commands")
        .header("content-type", "application/octet-stream")
        .header("content-length", u64::MAX.to_string());
    let heard = bench.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(heard.problem(), "body_too_large");
    for media_type in ["", "text/plain", "application/json", "application/x-www-form-urlencoded"] {
        let request = local("POST", "/v1/commands").header("content-type", media_type);
        let heard = bench.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(heard.problem(), "wrong_media_type");
    }
}
