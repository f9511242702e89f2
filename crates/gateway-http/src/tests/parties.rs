//! Organisations, accounts, gateways, spaces.

use hanse_types::{Action, Evidence, Grant, SpaceAction};
use serde_json::{Value, json};

use super::bench::Bench;

#[tokio::test]
async fn founders_are_shown() {
    let bench = Bench::new();
    let admin = bench.admin.public();
    let account = bench.get(&format!("/v1/accounts/{}", admin.id())).await.ok();
    assert_eq!(account["key"], admin.to_string());
    assert_eq!(account["roles"], json!(["admin"]));
    assert_eq!((&account["state"], &account["state_height"]), (&"active".into(), &Value::Null));
    let accounts = bench.get("/v1/accounts?organisation=acme").await.ok();
    assert_eq!(accounts, json!({ "items": [account], "next": null }));
    assert_eq!(bench.get("/v1/accounts?organisation=other").await.ok()["items"], json!([]));
    let organisations = bench.get("/v1/organisations").await.ok();
    assert_eq!(organisations["items"], json!([{ "name": "acme", "spaces": 1 }]));
    let gateways = bench.get("/v1/gateways").await.ok();
    assert_eq!(gateways["items"][0]["active"], true);
    assert_eq!(gateways["items"].as_array().unwrap().len(), 1);
    let nobody = format!("/v1/accounts/{}", "0".repeat(64));
    assert_eq!(bench.get(&nobody).await.problem(), "unknown_account");
    assert_eq!(bench.get("/v1/accounts/me").await.problem(), "malformed_request");
}

#[tokio::test]
async fn spaces_are_paged_with_their_revisions_and_grants() {
    let bench = Bench::new();
    for name in ["one", "two"] {
        bench.done(Action::Space(SpaceAction::Create { name: name.to_owned() })).await;
    }
    let grants = vec![Grant { organisation: "acme".into(), least: Evidence::Signed }];
    bench
        .submit(&bench.sign(Action::Space(SpaceAction::SetGrants { name: "one".into(), grants })))
        .await
        .ok();
    bench.write("two", json!({ "put": { "key": "YQ", "value": "MQ" } })).await.ok();
    let all = bench.get("/v1/spaces").await.ok();
    let names = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&all), ["acme", "one", "two"]);
    assert_eq!(
        (&all["items"][1]["revision"], &all["items"][2]["revision"]),
        (&1.into(), &2.into())
    );
    let mut path = "/v1/spaces?limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = bench.get(&path).await.ok();
        seen.extend(names(&page));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/spaces?limit=1&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["acme", "one", "two"]);
}

#[tokio::test]
async fn a_page_never_shows_records_of_another_kind() {
    let bench = Bench::new();
    for after in ["", "00", "01", "02", "03"] {
        let page = bench.get(&format!("/v1/accounts?after={after}")).await.ok();
        assert_eq!(page["items"].as_array().unwrap().len(), 1, "{after}");
    }
    for after in ["04", "05ff", "ff"] {
        assert_eq!(
            bench.get(&format!("/v1/accounts?after={after}")).await.ok()["items"],
            json!([])
        );
    }
}
