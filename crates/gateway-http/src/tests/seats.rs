//! Seats and motions.

use hanse_types::{Action, MembershipAction, SeatChange};
use serde_json::json;

use super::bench::Bench;

#[tokio::test]
async fn seats_and_motions_are_shown() {
    let bench = Bench::new();
    let key = "03".repeat(32);
    let seats = bench.get("/v1/seats").await.ok();
    assert_eq!((&seats["epoch"], &seats["epoch_blocks"]), (&0.into(), &10_000.into()));
    assert_eq!(seats["committee"], json!([{ "organisation": "acme", "consensus": key }]));
    let seat = json!({ "organisation": "acme", "consensus": key, "address": "", "since_epoch": 0 });
    assert_eq!(seats["members"], json!([seat]));
    assert_eq!((&seats["applicants"], &seats["leaving"]), (&json!([]), &json!([])));
    // Of one organisation one vote is enough.
    let change = SeatChange::Address { organisation: "acme".into(), address: "a.b:7".into() };
    let expires_ms = bench.ledger.snapshot().header.timestamp_ms + 60_000;
    let propose = Action::Membership(MembershipAction::Propose { change, expires_ms });
    let outcome = bench.done(propose).await;
    let id = outcome["command"].as_str().unwrap().to_owned();
    assert_eq!(outcome["reply"], json!({ "motion": id }));
    let motion = bench.get(&format!("/v1/motions/{id}")).await.ok();
    assert_eq!(motion["id"], id);
    assert_eq!((&motion["state"], &motion["passed"]), (&"passed".into(), &outcome["height"]));
    assert_eq!((&motion["change"], &motion["address"]), (&"address".into(), &"a.b:7".into()));
    assert_eq!(motion["votes"][0]["account"], bench.admin.public().id().to_string());
    let list = bench.get("/v1/motions").await.ok();
    assert_eq!(list, json!({ "items": [motion], "next": null }));
    assert_eq!(bench.get("/v1/seats").await.ok()["members"][0]["address"], "a.b:7");
    let nothing = format!("/v1/motions/{}", "0".repeat(64));
    assert_eq!(bench.get(&nothing).await.problem(), "unknown_motion");
    assert_eq!(bench.get("/v1/motions/me").await.problem(), "malformed_request");
    // Epoch 0 has not ended.
    assert_eq!(bench.get("/v1/proofs/handover/0").await.problem(), "nothing_to_prove");
}

#[tokio::test]
async fn a_refusal_of_a_motion_has_its_word() {
    let bench = Bench::new();
    let change = SeatChange::Remove { organisation: "acme".into() };
    let expires_ms = bench.ledger.snapshot().header.timestamp_ms + 60_000;
    let propose = Action::Membership(MembershipAction::Propose { change, expires_ms });
    let outcome = bench.submit(&bench.sign(propose)).await.ok();
    assert_eq!((&outcome["status"], &outcome["refusal"]), (&"refused".into(), &"committee".into()));
}
