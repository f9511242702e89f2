//! Pushing.

use std::path::Path;
use std::sync::Arc;

use axum::http::Method;

use crate::error::{ImageError, Kind};
use crate::testing::{Fake, Made, impatient, layout_of, open, registry_options, text_answer};
use crate::{PushOptions, Pushed, RegistryName, Source, push};

async fn layout(made: &Made, dir: &Path) -> Arc<Source> {
    layout_of(made, Some("v1"), dir);
    open(&format!("oci:{}:v1", dir.display())).await.unwrap()
}

async fn push_to(source: &Arc<Source>, fake: &Fake, name: &str) -> Result<Pushed, ImageError> {
    let to: RegistryName = fake.name(name).parse().unwrap();
    let options = PushOptions { registry: registry_options(), ..PushOptions::default() };
    push(source, &to, &options).await
}

#[tokio::test]
async fn an_image_arrives_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for (index, made) in [Made::small("amd64"), Made::multi()].into_iter().enumerate() {
        let source = layout(&made, &dir.path().join(index.to_string())).await;
        let fake = Fake::start().await;
        let pushed = push_to(&source, &fake, "app:v2").await.unwrap();
        assert_eq!(pushed.description.root.digest, made.digest);
        let content = fake.content.lock();
        assert_eq!(content.manifests["app:v2"].1, made.bytes);
        for (digest, bytes) in &made.blobs {
            assert_eq!(&content.blobs[&format!("app@{digest}")], bytes);
        }
    }
}

#[tokio::test]
async fn what_the_registry_has_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::multi();
    let source = layout(&made, &dir.path().join("a")).await;
    let fake = Fake::start().await;
    let first = push_to(&source, &fake, "app:v1").await.unwrap();
    assert!(first.uploaded > 0 && first.reused == 0);
    let second = push_to(&source, &fake, "app:v2").await.unwrap();
    assert_eq!((second.uploaded, second.reused), (0, first.uploaded));
}

#[tokio::test]
async fn blobs_are_mounted_within_one_registry() {
    let fake = Fake::start().await;
    let made = Made::small("amd64");
    fake.serve("base", "v1", &made);
    let source = open(&fake.name("base:v1")).await.unwrap();
    let pushed = push_to(&source, &fake, "copy:v1").await.unwrap();
    assert_eq!(pushed.uploaded, 0);
    assert_eq!(fake.count(&Method::PUT, "/blobs/uploads/"), 0);
    let copied = open(&fake.name("copy:v1")).await.unwrap();
    assert_eq!(copied.resolve().await.unwrap().digest, made.digest);
}

#[tokio::test]
async fn a_registry_that_refuses_long_requests_gets_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::small("amd64");
    let source = layout(&made, &dir.path().join("a")).await;
    let fake = Fake::start().await;
    fake.lie(|seen| {
        let whole =
            seen.is(Method::PUT, "/blobs/uploads/") && seen.header("content-length") != Some("0");
        whole.then(|| text_answer(413, &[], ""))
    });
    push_to(&source, &fake, "app:v1").await.unwrap();
    assert_eq!(fake.count(&Method::PATCH, "/blobs/uploads/"), made.blobs.len());
}

#[tokio::test]
async fn a_damaged_source_is_not_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::small("amd64");
    let source = layout(&made, &dir.path().join("a")).await;
    let layer = dir.path().join("a").join(made.layers[1].layout_path());
    let mut bytes = std::fs::read(&layer).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&layer, bytes).unwrap();
    let fake = Fake::start().await;
    let error = push_to(&source, &fake, "app:v1").await.unwrap_err();
    assert!(matches!(error, ImageError::Differs { .. }), "{error:?}");
    assert!(fake.content.lock().manifests.is_empty(), "a manifest was published");
}

#[tokio::test]
async fn uploads_and_credentials_stay_at_the_registry() {
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&Made::small("amd64"), &dir.path().join("a")).await;
    let thief = Fake::start().await;
    let fake = Fake::start().await;
    let location = format!("http://{}/upload", thief.address);
    fake.lie(move |seen| {
        seen.is(Method::POST, "/uploads/").then(|| text_answer(202, &[("location", &location)], ""))
    });
    let error = push_to(&source, &fake, "app:v1").await.unwrap_err();
    assert!(matches!(error, ImageError::Redirect { .. }), "{error:?}");
    // Redirecting the request itself does not help either.
    let fake = Fake::start().await;
    let location = format!("http://{}/upload", thief.address);
    fake.lie(move |seen| {
        seen.is(Method::POST, "/uploads/").then(|| text_answer(307, &[("location", &location)], ""))
    });
    let error = push_to(&source, &fake, "app:v1").await.unwrap_err();
    assert!(matches!(error, ImageError::Redirect { .. }), "{error:?}");
    assert!(thief.seen().is_empty());
}

#[tokio::test]
async fn a_registry_that_stores_something_else_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&Made::small("amd64"), &dir.path().join("a")).await;
    let fake = Fake::start().await;
    fake.lie(|seen| {
        let kind = [("content-type", crate::manifest::OCI_MANIFEST)];
        let other = Made::small("s390x").bytes;
        seen.is(Method::GET, "/manifests/").then(|| text_answer(200, &kind, other))
    });
    let error = push_to(&source, &fake, "app:v1").await.unwrap_err();
    assert!(matches!(error, ImageError::Differs { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stalled_upload_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&Made::small("amd64"), &dir.path().join("a")).await;
    // Everything works until the upload, which is taken and never answered.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.split();
            let mut lines = tokio::io::BufReader::new(reader);
            let mut request = String::new();
            let _ = tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut request).await;
            let answer = match request.split(' ').next() {
                Some("GET") => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                Some("HEAD") => "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n",
                Some("POST") => {
                    "HTTP/1.1 202 Accepted\r\nlocation: /v2/u\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                }
                _ => "",
            };
            let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, answer.as_bytes()).await;
            if answer.is_empty() {
                open.push(stream);
            }
        }
    });
    let to: RegistryName = format!("{address}/app:v1").parse().unwrap();
    let options = PushOptions { registry: impatient(), ..PushOptions::default() };
    let error = push(&source, &to, &options).await.unwrap_err();
    assert!(matches!(error, ImageError::Stalled { .. }), "{error:?}");
    assert_eq!(error.kind(), Kind::Unreachable);
}

#[tokio::test]
async fn another_digest_than_asked_for_is_not_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&Made::small("amd64"), &dir.path().join("a")).await;
    let fake = Fake::start().await;
    let name = format!("app@sha256:{}", "0".repeat(64));
    let error = push_to(&source, &fake, &name).await.unwrap_err();
    assert!(matches!(error, ImageError::Differs { .. }), "{error:?}");
    assert!(fake.content.lock().blobs.is_empty());
}
