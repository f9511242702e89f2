//! What is recorded about images.

use hanse_types::{
    Action, Descriptor, ImageAction, ImageContent, Platform, PlatformImage, StateKey,
};
use serde_json::json;

use super::bench::Bench;

const REPO: &str = "registry.example/shop/web";

fn descriptor(fill: char) -> Descriptor {
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    Descriptor { digest: digest(fill), size: 7, media_type }
}

fn digest(fill: char) -> String {
    format!("sha256:{}", fill.to_string().repeat(64))
}

fn content(fill: char) -> ImageContent {
    let platform =
        Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
    let image = PlatformImage {
        platform,
        manifest: descriptor(fill),
        config: descriptor('c'),
        diff_ids: vec![digest('d')],
        layers: vec![descriptor('e')],
    };
    ImageContent { root: descriptor(fill), platforms: vec![image], attestations: Vec::new() }
}

fn release(repo: &str, tag: &str, fill: char, seq: u64) -> Action {
    Action::Image(ImageAction::Record {
        repo: repo.to_owned(),
        tag: tag.to_owned(),
        content: content(fill),
        seq,
        rollback: false,
        reason: String::new(),
    })
}

async fn shop() -> Bench {
    let bench = Bench::new();
    bench.done(Action::Image(ImageAction::Claim { prefix: "registry.example/shop".into() })).await;
    for (seq, fill) in [(1, '1'), (2, '2'), (3, '3')] {
        let outcome = bench.done(release(REPO, "v1", fill, seq)).await;
        assert_eq!(outcome["reply"], json!({ "sequence": seq }));
    }
    bench
}

#[tokio::test]
async fn a_tag_is_its_newest_release() {
    let bench = shop().await;
    let shown = bench.get(&format!("/v1/images/tag?repo={REPO}&tag=v1")).await.ok();
    assert_eq!(shown["current"]["seq"], 3);
    assert_eq!(shown["current"]["content"]["root"]["digest"], digest('3'));
    assert_eq!(shown["current"]["content"]["platforms"][0]["os"], "linux");
    assert_eq!(shown["current"]["organisation"], "acme");
    assert_eq!(shown["current"]["role"], "admin");
    assert_eq!(shown["current"]["state"], json!({ "state": "active" }));
    assert_eq!(shown["current"]["account"], bench.admin.public().id().to_string());
    assert_eq!(
        bench.get(&format!("/v1/images/tag?repo={REPO}&tag=v2")).await.problem(),
        "unknown_image"
    );
}

#[tokio::test]
async fn a_history_is_paged_from_the_newest() {
    let bench = shop().await;
    let page = |more: &str| format!("/v1/images/history?repo={REPO}&tag=v1{more}");
    let seqs = |shown: &serde_json::Value| -> Vec<u64> {
        shown["items"].as_array().unwrap().iter().map(|r| r["seq"].as_u64().unwrap()).collect()
    };
    let all = bench.get(&page("")).await.ok();
    assert_eq!((seqs(&all), &all["next"]), (vec![3, 2, 1], &serde_json::Value::Null));
    let first = bench.get(&page("&limit=2")).await.ok();
    assert_eq!((seqs(&first), &first["next"]), (vec![3, 2], &2.into()));
    let second = bench.get(&page("&limit=2&before=2")).await.ok();
    assert_eq!((seqs(&second), &second["next"]), (vec![1], &serde_json::Value::Null));
    let unknown = format!("/v1/images/history?repo={REPO}&tag=v9");
    assert_eq!(bench.get(&unknown).await.problem(), "unknown_image");
}

#[tokio::test]
async fn a_revoked_digest_says_why_and_where_it_is_used() {
    let bench = shop().await;
    let before =
        bench.get(&format!("/v1/images/digest?repo={REPO}&digest={}", digest('2'))).await.ok();
    assert_eq!(
        (&before["state"], &before["uses"]),
        (&"active".into(), &json!([{ "tag": "v1", "seq": 2 }]))
    );
    let revoke =
        ImageAction::Revoke { repo: REPO.into(), digest: digest('2'), reason: "stolen key".into() };
    let height = bench.done(Action::Image(revoke)).await["height"].clone();
    let after =
        bench.get(&format!("/v1/images/digest?repo={REPO}&digest={}", digest('2'))).await.ok();
    assert_eq!(
        (&after["state"], &after["reason"], &after["height"]),
        (&"revoked".into(), &"stolen key".into(), &height)
    );
    let history = bench.get(&format!("/v1/images/history?repo={REPO}&tag=v1")).await.ok();
    assert_eq!(history["items"][1]["state"]["state"], "revoked");
    let nothing = format!("/v1/images/digest?repo={REPO}&digest={}", digest('9'));
    assert_eq!(bench.get(&nothing).await.problem(), "unknown_image");
}

#[tokio::test]
async fn repositories_are_listed_once_each() {
    let bench = shop().await;
    bench.done(release("registry.example/shop/api", "v1", '4', 1)).await;
    bench.done(release("registry.example/shop/api", "v2", '5', 1)).await;
    let all = bench.get("/v1/images/repositories").await.ok();
    assert_eq!(all["items"], json!([{ "repo": "registry.example/shop/api" }, { "repo": REPO }]));
    assert_eq!(all["next"], serde_json::Value::Null);
    let first = bench.get("/v1/images/repositories?limit=1").await.ok();
    assert_eq!(first["items"], json!([{ "repo": "registry.example/shop/api" }]));
    let next = first["next"].as_str().unwrap();
    let second = bench.get(&format!("/v1/images/repositories?limit=1&after={next}")).await.ok();
    assert_eq!(
        (&second["items"], &second["next"]),
        (&json!([{ "repo": REPO }]), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn the_longest_covering_namespace_answers() {
    let bench = shop().await;
    for name in [REPO, "registry.example/shop", "registry.example/shop/a/b/c"] {
        let shown = bench.get(&format!("/v1/images/namespace?name={name}")).await.ok();
        assert_eq!(
            (&shown["prefix"], &shown["organisation"]),
            (&"registry.example/shop".into(), &"acme".into())
        );
        assert_eq!(shown["version"], 1);
    }
    for name in ["registry.example/shopping", "registry.example", "other"] {
        let heard = bench.get(&format!("/v1/images/namespace?name={name}")).await;
        assert_eq!(heard.problem(), "unknown_namespace", "{name}");
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let bench = shop().await;
    let long = "r".repeat(hanse_types::limits::REPO_BYTES_MAX + 1);
    let cases = [
        "/v1/images/tag?repo=".to_owned(),
        "/v1/images/tag?repo=a/b&tag=".to_owned(),
        // A zero byte would end the name inside a state key.
        format!("/v1/images/tag?repo={REPO}%00v1&tag=v1"),
        format!("/v1/images/namespace?name={long}"),
        format!("/v1/images/digest?repo={REPO}&digest={}", "f".repeat(136)),
        format!("/v1/images/history?repo={REPO}&tag=v1&limit=0"),
        "/v1/images/repositories?after=zz".to_owned(),
    ];
    for path in cases {
        assert_eq!(bench.get(&path).await.problem(), "malformed_request", "{path}");
    }
    // A page that starts outside of its list is empty or whole, never another list.
    let accounts = hex::encode(StateKey::prefix(3, &[]));
    let page = bench.get(&format!("/v1/images/repositories?after={accounts}")).await.ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let page = bench.get("/v1/images/repositories?after=ff").await.ok();
    assert_eq!(page["items"], json!([]));
}
