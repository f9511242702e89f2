//! Credentials and tokens.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Response};
use tempfile::NamedTempFile;

use crate::error::{ImageError, Kind};
use crate::registry::RegistryClient;
use crate::testing::{Fake, Made, Seen, registry_options, text_answer};
use crate::{Credentials, RegistryName, RegistryOptions};

/// `user:secret` for a registry, in the form of Docker's config.json.
pub(super) fn config(registry: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    // base64 of user:secret
    write!(file, r#"{{"auths":{{"{registry}":{{"auth":"dXNlcjpzZWNyZXQ="}}}}}}"#).unwrap();
    file
}

fn options(file: &NamedTempFile) -> RegistryOptions {
    let credentials = Credentials::ConfigFile(file.path().to_path_buf());
    RegistryOptions { credentials, plain_http: true, ..registry_options() }
}

/// A registry that wants a token from `realm`.
async fn guarded(realm: impl Fn(&Fake) -> String) -> Arc<Fake> {
    let fake = Fake::start().await;
    fake.serve("app", "v1", &Made::small("amd64"));
    let challenge = format!("Bearer realm=\"{}\",service=\"here\"", realm(&fake));
    fake.lie(move |seen| {
        let refused =
            seen.is(Method::GET, "/v2/app/") && seen.header("authorization") != Some("Bearer good");
        refused.then(|| text_answer(401, &[("www-authenticate", &challenge)], ""))
    });
    fake
}

/// The same with a token server of its own that gives `answer`.
async fn with_tokens(
    answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static,
) -> Arc<Fake> {
    let fake = guarded(|fake| format!("http://{}/token", fake.address)).await;
    fake.lie(move |seen| (seen.uri.path() == "/token").then(|| answer(seen)));
    fake
}

async fn resolve(fake: &Fake, options: &RegistryOptions) -> Result<(), ImageError> {
    let name: RegistryName = fake.name("app:v1").parse().unwrap();
    let client = RegistryClient::connect(name.registry(), options).await?;
    client.resolve(&name).await.map(drop)
}

#[tokio::test]
async fn a_token_is_got_with_the_password_and_used() {
    let fake = with_tokens(|_| text_answer(200, &[], r#"{"token":"good"}"#)).await;
    let file = config(&fake.address.to_string());
    resolve(&fake, &options(&file)).await.unwrap();
    let token = fake.seen().into_iter().find(|seen| seen.is(Method::GET, "/token")).unwrap();
    assert_eq!(token.header("authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
    let query = token.uri.query().unwrap();
    assert!(
        query.contains("service=here") && query.contains("scope=repository%3Aapp%3Apull"),
        "{query}"
    );
    // The password goes to the token server only.
    for seen in fake.seen() {
        let basic = seen.header("authorization").is_some_and(|value| value.starts_with("Basic"));
        assert_eq!(basic, seen.uri.path() == "/token", "{:?}", seen.uri);
    }
}

#[tokio::test]
async fn anonymous_tokens_carry_no_credentials() {
    let fake = with_tokens(|_| text_answer(200, &[], r#"{"access_token":"good"}"#)).await;
    resolve(&fake, &registry_options()).await.unwrap();
    let clean =
        |seen: &Seen| seen.header("authorization").is_none_or(|value| value == "Bearer good");
    assert!(fake.seen().iter().all(clean));
}

#[tokio::test]
async fn basic_credentials_answer_a_basic_challenge() {
    let fake = Fake::start().await;
    fake.serve("app", "v1", &Made::small("amd64"));
    fake.lie(|seen| {
        let refused = seen.header("authorization") != Some("Basic dXNlcjpzZWNyZXQ=");
        refused.then(|| text_answer(401, &[("www-authenticate", "Basic realm=\"x\"")], ""))
    });
    let file = config(&fake.address.to_string());
    resolve(&fake, &options(&file)).await.unwrap();
    let error = resolve(&fake, &registry_options()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    // Credentials of another registry are not used.
    let other = config("other.example");
    let error = resolve(&fake, &options(&other)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    assert!(error.to_string().contains("docker login"), "{error}");
}

#[tokio::test]
async fn a_realm_out_of_bounds_gets_nothing() {
    let thief = Fake::start().await;
    let port = thief.address.port();
    let realms = [
        format!("http://localhost:{port}/token"),
        format!("http://registry.example:{port}/token"),
        format!("http://user:password@127.0.0.1:{port}/token"),
        format!("ftp://127.0.0.1:{port}/token"),
        "nonsense".to_owned(),
    ];
    for realm in realms {
        let shown = realm.clone();
        let fake = guarded(move |_| realm.clone()).await;
        let file = config(&fake.address.to_string());
        let error = resolve(&fake, &options(&file)).await.unwrap_err();
        assert!(matches!(error, ImageError::Redirect { .. }), "{shown}: {error:?}");
    }
    assert!(thief.seen().is_empty(), "credentials were offered to a stranger");
}

#[tokio::test]
async fn token_servers_that_send_on_are_refused_and_loops_end() {
    let thief = Fake::start().await;
    let away = format!("http://{}/token", thief.address);
    let loops = crate::limits::MAX_REDIRECTS + 1;
    for (location, requests) in [(away, 1), ("/token?again".to_owned(), loops)] {
        let fake = with_tokens(move |_| text_answer(302, &[("location", &location)], "")).await;
        let file = config(&fake.address.to_string());
        let error = resolve(&fake, &options(&file)).await.unwrap_err();
        assert!(matches!(error, ImageError::Redirect { .. }), "{error:?}");
        assert_eq!(fake.count(&Method::GET, "/token"), requests);
    }
    assert!(thief.seen().is_empty());
}

#[tokio::test]
async fn a_token_that_does_not_help_is_not_asked_for_again_and_again() {
    let fake = with_tokens(|_| text_answer(200, &[], r#"{"token":"bad"}"#)).await;
    let error = resolve(&fake, &registry_options()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    assert_eq!(fake.count(&Method::GET, "/token"), 1);
}

#[tokio::test]
async fn answers_of_a_token_server_are_bounded_and_checked() {
    let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(70_000));
    let huge = " ".repeat(300_000);
    let bad = [
        "{}",
        "[]",
        "",
        r#"{"token":""}"#,
        r#"{"token":1}"#,
        "{\"token\":\"a\\nb\"}",
        &long,
        &huge,
    ];
    for answer in bad {
        let body = answer.to_owned();
        let fake = with_tokens(move |_| text_answer(200, &[], body.clone())).await;
        let error = resolve(&fake, &registry_options()).await.unwrap_err();
        assert_ne!(error.kind(), Kind::NotFound, "{error}");
        assert!(!fake.seen().iter().any(|seen| seen.header("authorization").is_some()));
    }
    for status in [401, 403] {
        let fake = with_tokens(move |_| text_answer(status, &[], "")).await;
        let error = resolve(&fake, &registry_options()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unauthorized, "{error}");
    }
}

#[tokio::test]
async fn identity_tokens_go_by_form() {
    let fake = with_tokens(|seen| {
        let right = seen.method == Method::POST && seen.header("authorization").is_none();
        text_answer(if right { 200 } else { 400 }, &[], r#"{"access_token":"good"}"#)
    });
    let fake = fake.await;
    let mut file = NamedTempFile::new().unwrap();
    write!(file, r#"{{"auths":{{"{}":{{"identitytoken":"refresh"}}}}}}"#, fake.address).unwrap();
    resolve(&fake, &options(&file)).await.unwrap();
}
