//! Tests against a registry that lies (the list of attacks: notes on image trust, section 12).

mod attacks;
mod login;
mod pushing;

use axum::http::Method;

use crate::digest::{Algorithm, Digest};
use crate::error::{ImageError, Kind};
use crate::manifest::Malformed;
use crate::registry::RegistryClient;
use crate::testing::{
    Fake, Made, Tls, open, open_with, registry_options, source_options, text_answer,
};
use crate::{Purpose, RegistryName, RegistryOptions, describe};

#[tokio::test]
async fn an_honest_registry_is_read_whole() {
    let fake = Fake::start().await;
    let made = Made::multi();
    fake.serve("acme/app", "v1", &made);
    let source = open(&fake.name("acme/app:v1")).await.unwrap();
    let found = source.resolve().await.unwrap();
    // The registry's own digest header is zeros; nobody looks.
    assert_eq!(found.digest, made.digest);
    let description = describe(&source).await.unwrap();
    assert_eq!(description.platforms.len(), 2);
    assert_eq!(description.attestations.len(), 1);
    assert_eq!(description.platforms[1].platform.architecture, "arm64");
    assert!(description.total_bytes().unwrap() > made.bytes.len() as u64);
}

#[tokio::test]
async fn digests_are_computed_also_for_sha512_names() {
    let fake = Fake::start().await;
    let made = Made::small("amd64");
    let long = Digest::of(Algorithm::Sha512, &made.bytes);
    fake.serve("app", "v1", &made);
    let root = (made.media_type.clone(), made.bytes.clone());
    fake.content.lock().manifests.insert(format!("app@{long}"), root);
    let source = open(&fake.name(&format!("app@{long}"))).await.unwrap();
    assert_eq!(source.resolve().await.unwrap().digest, long);
    assert_eq!(describe(&source).await.unwrap().platforms.len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let fake = Fake::start().await;
    fake.serve("app", "v1", &Made::small("amd64"));
    for name in ["app:v2", "other:v1", &format!("app@sha256:{}", "0".repeat(64))] {
        let source = open(&fake.name(name)).await.unwrap();
        let error = source.resolve().await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{name}: {error}");
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_unreachable() {
    // The port was free a moment ago and is refused now.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = open(&format!("{address}/app")).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
}

#[tokio::test]
async fn tls_needs_a_known_authority() {
    let fake = Fake::start_tls().await;
    fake.serve("app", "v1", &Made::small("amd64"));
    let name: RegistryName = fake.name("app:v1").parse().unwrap();
    let trusting = RegistryOptions { ca_file: Some(Tls::ca()), ..registry_options() };
    let client = RegistryClient::connect(name.registry(), &trusting).await.unwrap();
    assert_eq!(client.resolve(&name).await.unwrap().digest, Made::small("amd64").digest);
    let error = RegistryClient::connect(name.registry(), &registry_options()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(fake.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_named_authority_rules_out_plain_http() {
    let fake = Fake::start().await;
    let options = RegistryOptions { ca_file: Some(Tls::ca()), ..registry_options() };
    let name: RegistryName = fake.name("app:v1").parse().unwrap();
    let client = RegistryClient::connect(name.registry(), &options).await.unwrap();
    let error = client.resolve(&name).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_ca_file_must_hold_certificates() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for ca_file in [Some(file.path().to_path_buf()), Some("/nonexistent/ca.pem".into())] {
        let options = RegistryOptions { ca_file, ..registry_options() };
        let error = RegistryClient::connect("r.example", &options).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Environment, "{error}");
    }
}

/// Defect 4B-6 of DaoChain: `insecure_registry=True` for every pull.
#[tokio::test]
async fn defect_4b_6_no_registry_is_spoken_to_without_tls_unasked() {
    let fake = Fake::start().await;
    fake.serve("app", "v1", &Made::small("amd64"));
    let mut options = registry_options();
    options.network.hosts = vec![("registry.example".to_owned(), fake.address)];
    let host = format!("registry.example:{}", fake.address.port());
    let name: RegistryName = format!("{host}/app:v1").parse().unwrap();
    let client = RegistryClient::connect(&host, &options).await.unwrap();
    let error = client.resolve(&name).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(fake.seen().is_empty(), "a request was made in the clear");
    // Asked for, it works.
    options.plain_http = true;
    let client = RegistryClient::connect(&host, &options).await.unwrap();
    assert!(client.resolve(&name).await.is_ok());
}

/// Defect 4B-3 of DaoChain: the cache was keyed by image ID, the hash taken by tag. A tag that moves meanwhile must not mix two images.
#[tokio::test]
async fn defect_4b_3_a_tag_that_moves_between_requests_never_mixes_images() {
    let fake = Fake::start().await;
    let (first, second) = (Made::multi(), Made::small("amd64"));
    fake.serve("app", "v1", &first);
    let bytes = second.bytes.clone();
    fake.lie(move |seen| {
        let again = seen.is(Method::GET, "/manifests/v1") && seen.before > 0;
        let kind = [("content-type", crate::manifest::OCI_MANIFEST)];
        again.then(|| text_answer(200, &kind, bytes.clone()))
    });
    let source = open(&fake.name("app:v1")).await.unwrap();
    let description = describe(&source).await.unwrap();
    assert_eq!(description.root.digest, first.digest);
    assert_eq!(fake.count(&Method::GET, "/manifests/v1"), 1, "a tag is asked for once");
    // HEAD is never asked, so it cannot differ from GET.
    assert_eq!(fake.count(&Method::HEAD, "/"), 0);
}

#[tokio::test]
async fn foreign_layers_are_never_fetched_from_their_urls() {
    let fake = Fake::start().await;
    let elsewhere = Fake::start().await;
    let made = Made::small("amd64");
    let mut manifest: serde_json::Value = serde_json::from_slice(&made.bytes).unwrap();
    let url = format!("http://{}/layer", elsewhere.address);
    manifest["layers"][0]["urls"] = serde_json::json!([url]);
    let mut made = made;
    made.bytes = manifest.to_string().into_bytes();
    made.digest = Digest::of(Algorithm::Sha256, &made.bytes);
    let layer = made.layers[0].clone();
    fake.serve("app", "v1", &made);
    fake.content.lock().blobs.remove(&format!("app@{layer}"));
    let source = open(&fake.name("app:v1")).await.unwrap();
    let expected = crate::Expected::root(made.digest.clone());
    let error =
        crate::check(&source, &expected, &crate::CheckOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    assert!(error.to_string().contains("never fetched from its own URLs"), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn error_texts_are_shown_escaped() {
    let fake = Fake::start().await;
    fake.lie(|seen| {
        let body = "{\"errors\":[{\"code\":\"X\",\"message\":\"\\u001b[2Jowned\"}]}";
        seen.is(Method::GET, "/manifests/").then(|| text_answer(500, &[], body))
    });
    let source = open_with(&fake.name("app:v1"), &source_options(Purpose::Copy)).await.unwrap();
    let error = source.resolve().await.unwrap_err();
    assert!(matches!(error, ImageError::Answer { status: 500, .. }), "{error:?}");
    assert!(error.to_string().contains("\\u{1b}[2Jowned"), "{error}");
}

#[tokio::test]
async fn answers_of_other_types_and_sizes_are_refused() {
    let fake = Fake::start().await;
    let made = Made::small("amd64");
    let bytes = made.bytes.clone();
    fake.lie(move |seen| {
        let kind = match seen.uri.path().rsplit('/').next()? {
            "json" => "application/json",
            "html" => "text/html; charset=utf-8",
            "index" => crate::manifest::OCI_INDEX,
            "schema1" => "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "long" => {
                let kind = [("content-type", crate::manifest::OCI_MANIFEST)];
                return Some(text_answer(200, &kind, vec![b' '; 4 * 1024 * 1024 + 1]));
            }
            "parameters" => "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            _ => return None,
        };
        Some(text_answer(200, &[("content-type", kind)], bytes.clone()))
    });
    for tag in ["json", "html", "index", "schema1", "long"] {
        let source = open(&fake.name(&format!("app:{tag}"))).await.unwrap();
        let error = source.resolve().await.unwrap_err();
        assert!(matches!(error, ImageError::Malformed { .. }), "{tag}: {error:?}");
        if tag == "schema1" {
            assert!(matches!(error, ImageError::Malformed { cause: Malformed::Schema1, .. }));
        }
    }
    let source = open(&fake.name("app:parameters")).await.unwrap();
    assert_eq!(source.resolve().await.unwrap().digest, made.digest);
}
