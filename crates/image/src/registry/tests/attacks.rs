//! Swaps, stalls and redirects.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Response};

use crate::error::{ImageError, Kind};
use crate::manifest::OCI_MANIFEST;
use crate::registry::RegistryClient;
use crate::testing::{
    Fake, Made, Seen, Tls, impatient, open, open_impatient, open_with, registry_options,
    source_options, stalling, text_answer,
};
use crate::{
    CheckOptions, Checked, Credentials, Expected, ImageRef, Purpose, RegistryName, RegistryOptions,
    Source, SourceOptions, check,
};

/// Serves `made` with one lie, and checks it against what was recorded.
async fn checked(
    made: &Made,
    lie: impl Fn(&Seen) -> Option<Response<Body>> + Send + Sync + 'static,
) -> Result<Checked, ImageError> {
    checked_with(registry_options(), made, lie).await
}

async fn checked_with(
    registry: RegistryOptions,
    made: &Made,
    lie: impl Fn(&Seen) -> Option<Response<Body>> + Send + Sync + 'static,
) -> Result<Checked, ImageError> {
    let fake = Fake::start().await;
    fake.serve("app", "v1", made);
    fake.lie(lie);
    let options = SourceOptions { registry, ..source_options(Purpose::Copy) };
    let source = open_with(&fake.name("app:v1"), &options).await?;
    check(&source, &Expected::root(made.digest.clone()), &CheckOptions::default()).await
}

fn blob(bytes: impl Into<Body>) -> Option<Response<Body>> {
    Some(text_answer(200, &[("content-type", "application/octet-stream")], bytes))
}

fn manifest(bytes: impl Into<Body>) -> Option<Response<Body>> {
    Some(text_answer(200, &[("content-type", OCI_MANIFEST)], bytes))
}

#[tokio::test]
async fn the_recorded_image_passes() {
    for made in [Made::small("amd64"), Made::multi(), Made::small("amd64").docker()] {
        let result = checked(&made, |_| None).await.unwrap();
        assert!(!result.repacked && result.absent.is_empty());
        let blobs: usize = made.blobs.values().map(Vec::len).sum();
        let documents: usize = made.documents.values().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(result.bytes_hashed, (blobs + documents + made.bytes.len()) as u64);
    }
}

#[tokio::test]
async fn a_swapped_tag_differs() {
    let other = Made::small("riscv64");
    let made = Made::small("amd64");
    let result = checked(&made, move |seen| {
        if seen.is(Method::GET, "/manifests/v1") { manifest(other.bytes.clone()) } else { None }
    });
    let error = result.await.unwrap_err();
    assert!(matches!(error, ImageError::Differs { .. }), "{error:?}");
}

#[tokio::test]
async fn swapped_children_layers_and_configurations_differ() {
    let made = Made::multi();
    let child = made.documents.keys().next().unwrap().clone();
    let document = String::from_utf8(made.documents[&child].1.clone()).unwrap();
    let swapped = document.replacen("linux", "Linux", 1).replacen("\"size\":", "\"size\" :", 1);
    let result =
        checked(
            &made,
            move |seen| {
                if seen.is(Method::GET, &child) { manifest(swapped.clone()) } else { None }
            },
        );
    assert_eq!(result.await.unwrap_err().kind(), Kind::Differs);
    for (digest, mut bytes) in made.blobs.clone() {
        // Of the same length, so that only the digest tells.
        *bytes.last_mut().unwrap() ^= 1;
        let wanted = digest.clone();
        let result =
            checked(
                &made,
                move |seen| {
                    if seen.is(Method::GET, &digest) { blob(bytes.clone()) } else { None }
                },
            );
        match result.await.unwrap_err() {
            ImageError::Differs { expected, what, .. } => {
                assert_eq!(expected.to_string(), wanted);
                assert!(what.contains(&wanted), "{what}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn truncated_and_over_long_blobs_differ_in_size() {
    let made = Made::small("amd64");
    for change in [-1, 1, 100_000] {
        for (digest, mut bytes) in made.blobs.clone() {
            bytes.resize(bytes.len().checked_add_signed(change).unwrap(), b' ');
            let result = checked(&made, move |seen| {
                if seen.is(Method::GET, &digest) { blob(bytes.clone()) } else { None }
            });
            let error = result.await.unwrap_err();
            assert!(matches!(error, ImageError::Size { .. }), "{change}: {error:?}");
        }
    }
}

#[tokio::test]
async fn an_endless_blob_is_left_as_soon_as_it_is_too_long() {
    let made = Made::small("amd64");
    let digest = made.layers[1].to_string();
    let result = checked(&made, move |seen| {
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0u8; 65536]));
        if seen.is(Method::GET, &digest) { blob(Body::from_stream(endless)) } else { None }
    });
    let error = result.await.unwrap_err();
    assert!(matches!(error, ImageError::Size { .. }), "{error:?}");
}

#[tokio::test]
async fn a_length_that_lies_decides_nothing() {
    let made = Made::small("amd64");
    let digest = made.layers[1].to_string();
    let bytes = made.blobs[&digest].clone();
    let result = checked(&made, move |seen| {
        if !seen.is(Method::GET, &digest) {
            return None;
        }
        // Fewer bytes than announced, then the connection ends.
        let half = bytes[..bytes.len() / 2].to_vec();
        let body = futures::stream::iter([Ok(half), Err(std::io::Error::other("gone"))]);
        let length = bytes.len().to_string();
        Some(text_answer(200, &[("content-length", length.as_str())], Body::from_stream(body)))
    });
    assert_eq!(result.await.unwrap_err().kind(), Kind::Unreachable);
}

#[tokio::test]
async fn a_registry_that_answers_clients_differently_is_judged_by_what_it_gives_us() {
    let made = Made::small("amd64");
    let result = checked(&made, |seen| {
        let ours = seen.header("user-agent").is_some_and(|agent| agent.starts_with("hanse/"));
        let lie = ours && seen.is(Method::GET, "/manifests/");
        if lie { manifest(Made::small("s390x").bytes) } else { None }
    });
    assert_eq!(result.await.unwrap_err().kind(), Kind::Differs);
}

#[tokio::test]
async fn peers_that_stall_are_given_up() {
    let made = Made::small("amd64");
    let (config, layer) = (made.config.clone().unwrap().to_string(), made.layers[0].to_string());
    for part in ["/manifests/v1".to_owned(), config, layer] {
        let wanted = part.clone();
        let start = made.blobs.get(&part).unwrap_or(&made.bytes)[..4].to_vec();
        let result = checked_with(impatient(), &made, move |seen| {
            if seen.is(Method::GET, &wanted) { manifest(stalling(start.clone())) } else { None }
        });
        let error = result.await.unwrap_err();
        assert!(matches!(error, ImageError::Stalled { .. }), "{part}: {error:?}");
    }
}

#[tokio::test]
async fn peers_that_dribble_are_given_up() {
    // Large enough that a byte now and then would take for ever.
    let tar = crate::testing::tar_of(&[("big", &vec![7; 1 << 20])]);
    let made = crate::testing::image("amd64", &[crate::testing::layer_of(tar, "tar")]);
    let layer = made.layers[0].to_string();
    let result = checked_with(impatient(), &made, move |seen| {
        // Every piece waits a part of the limit: always something, never progress.
        let dribble = futures::stream::unfold((), |()| async {
            tokio::time::sleep(crate::testing::SHORT / 10).await;
            Some((Ok::<_, std::io::Error>(vec![0x1f]), ()))
        });
        if seen.is(Method::GET, &layer) { blob(Body::from_stream(dribble)) } else { None }
    });
    let error = result.await.unwrap_err();
    assert!(matches!(error, ImageError::Stalled { .. }), "{error:?}");
}

#[tokio::test]
async fn a_listener_that_never_answers_is_given_up() {
    // Connections are taken by the kernel and never served.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = open_impatient(&format!("{address}/app")).await.err().unwrap();
    assert!(matches!(error, ImageError::Stalled { .. }), "{error:?}");
    let plain = RegistryOptions { plain_http: true, ..impatient() };
    let name: RegistryName = format!("{address}/app").parse().unwrap();
    let client = RegistryClient::connect(name.registry(), &plain).await.unwrap();
    let error = client.resolve(&name).await.unwrap_err();
    assert!(matches!(error, ImageError::Stalled { .. }), "{error:?}");
    drop(listener);
}

fn redirect(to: &str) -> Option<Response<Body>> {
    Some(text_answer(307, &[("location", to)], ""))
}

/// Reads from a registry whose blobs are said to be at `location`.
async fn redirected(location: String) -> (ImageError, Arc<Fake>) {
    let fake = Fake::start().await;
    fake.serve("app", "v1", &Made::small("amd64"));
    fake.lie(move |seen| if seen.is(Method::GET, "/blobs/") { redirect(&location) } else { None });
    let source = open(&fake.name("app:v1")).await.unwrap();
    let error = crate::describe(&source).await.unwrap_err();
    (error, fake)
}

#[tokio::test]
async fn redirects_into_private_networks_or_out_of_tls_are_refused() {
    let victim = Fake::start().await;
    let port = victim.address.port();
    for location in [
        format!("http://127.0.0.1:{port}/secret"),
        format!("https://127.0.0.1:{port}/secret"),
        format!("http://localhost:{port}/secret"),
        format!("https://localhost:{port}/secret"),
        format!("https://[::1]:{port}/secret"),
        format!("https://2130706433:{port}/secret"),
        "http://1.1.1.1/x".to_owned(),
        "http://registry.example/x".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/x".to_owned(),
        "https://user:password@1.1.1.1/x".to_owned(),
        "ftp://1.1.1.1/x".to_owned(),
        "file:///etc/passwd".to_owned(),
        "https://".to_owned(),
    ] {
        let (error, _) = redirected(location.clone()).await;
        assert!(matches!(error, ImageError::Redirect { .. }), "{location}: {error:?}");
        assert_eq!(error.kind(), Kind::Unreachable);
    }
    assert!(victim.seen().is_empty(), "a refused redirect was followed");
}

#[tokio::test]
async fn endless_redirects_end() {
    let (error, fake) = redirected("/v2/app/blobs/again".to_owned()).await;
    assert!(matches!(error, ImageError::Redirect { .. }), "{error:?}");
    assert!(fake.count(&Method::GET, "/blobs/again") <= crate::limits::MAX_REDIRECTS);
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_not_spoken_to() {
    let fake = Fake::start().await;
    let victim = Fake::start_tls().await;
    fake.serve("app", "v1", &Made::small("amd64"));
    let location = format!("https://cdn.example:{}/x", victim.address.port());
    fake.lie(move |seen| if seen.is(Method::GET, "/blobs/") { redirect(&location) } else { None });
    let mut options = source_options(Purpose::Copy);
    options.registry.network.hosts = vec![("cdn.example".to_owned(), victim.address)];
    let reference: ImageRef = fake.name("app:v1").parse().unwrap();
    let source = Source::open(&reference, &options).await.unwrap();
    let error = crate::describe(&source).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(victim.seen().is_empty());
}

#[tokio::test]
async fn a_public_content_network_is_followed_without_credentials() {
    let fake = Fake::start().await;
    let cdn = Fake::start_tls().await;
    let made = Made::small("amd64");
    fake.serve("app", "v1", &made);
    cdn.serve("app", "v1", &made);
    let base = format!("https://cdn.example:{}", cdn.address.port());
    fake.lie(move |seen| {
        if seen.header("authorization").is_none() {
            return Some(text_answer(401, &[("www-authenticate", "Basic realm=x")], ""));
        }
        let path = seen.uri.path();
        if seen.is(Method::GET, "/blobs/") { redirect(&format!("{base}{path}")) } else { None }
    });
    let config = super::login::config(&fake.address.to_string());
    let mut options = source_options(Purpose::Copy);
    options.registry.credentials = Credentials::ConfigFile(config.path().to_path_buf());
    options.registry.ca_file = Some(Tls::ca());
    options.registry.plain_http = true;
    options.registry.network.hosts = vec![("cdn.example".to_owned(), cdn.address)];
    options.registry.network.public = vec![cdn.address];
    let reference: ImageRef = fake.name("app:v1").parse().unwrap();
    let source = Arc::new(Source::open(&reference, &options).await.unwrap());
    let expected = Expected::root(made.digest.clone());
    check(&source, &expected, &CheckOptions::default()).await.unwrap();
    // Every blob, and the configuration a second time.
    assert_eq!(cdn.seen().len(), made.blobs.len() + 1);
    for seen in cdn.seen() {
        assert!(seen.header("authorization").is_none(), "credentials left the registry");
        assert!(seen.header("referer").is_none() && seen.header("cookie").is_none());
    }
}
