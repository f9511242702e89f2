//! Memory stays bounded whatever the image. Alone in its binary, because it measures the whole process.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Uri;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use hanse_image::digest::Hasher;
use hanse_image::{
    Algorithm, CheckOptions, Credentials, Digest, Expected, Level, RegistryOptions, Source,
    SourceOptions, check,
};

/// Bytes of each of the layers; together far beyond the bound.
const LAYER_BYTES: usize = 256 << 20;
const LAYERS: usize = 3;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// What the contract allows, KiB.
const BOUND_KIB: u64 = 256 * 1024;

/// Layer `index` in pieces: all of one byte, never in memory at once.
fn pieces(index: usize) -> impl Iterator<Item = Bytes> {
    let piece = Bytes::from(vec![u8::try_from(index).unwrap() + 1; 1 << 20]);
    std::iter::repeat_n(piece, LAYER_BYTES >> 20)
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn part(media_type: &str, digest: &Digest, size: usize) -> serde_json::Value {
    serde_json::json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

/// What the registry has.
struct Served {
    manifest: Vec<u8>,
    config: Vec<u8>,
    config_digest: Digest,
    layers: Vec<Digest>,
}

fn make() -> Served {
    let layers: Vec<Digest> = (0..LAYERS)
        .map(|index| {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            pieces(index).for_each(|piece| hasher.update(&piece));
            hasher.finish()
        })
        .collect();
    let diff_ids: Vec<String> = layers.iter().map(ToString::to_string).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string().into_bytes();
    let config_digest = Digest::of(Algorithm::Sha256, &config);
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let listed: Vec<_> = layers.iter().map(|digest| part(plain, digest, LAYER_BYTES)).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": part("application/vnd.oci.image.config.v1+json", &config_digest, config.len()),
        "layers": listed,
    });
    Served { manifest: manifest.to_string().into_bytes(), config, config_digest, layers }
}

fn answer(served: &Served, path: &str) -> Response {
    let layer = |digest: &Digest| path.ends_with(&digest.to_string());
    let body = if path.contains("/manifests/") {
        Body::from(served.manifest.clone())
    } else if layer(&served.config_digest) {
        Body::from(served.config.clone())
    } else {
        match served.layers.iter().position(layer) {
            Some(index) => {
                let pieces = futures::stream::iter(pieces(index)).map(Ok::<_, std::io::Error>);
                Body::from_stream(pieces)
            }
            None => Body::empty(),
        }
    };
    Response::builder().header("content-type", MANIFEST).body(body).unwrap()
}

/// Defect 4B-11 of DaoChain: the whole image in memory, and every image of a list at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_4b_11_memory_is_bounded_whatever_the_image() {
    let served = Arc::new(make());
    let root = Digest::of(Algorithm::Sha256, &served.manifest);
    let router = Router::new().fallback(move |uri: Uri| {
        let served = Arc::clone(&served);
        async move { answer(&served, uri.path()) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let registry = RegistryOptions::default().with_credentials(Credentials::Anonymous);
    let options = SourceOptions { registry, ..SourceOptions::default() };
    let reference = format!("{address}/huge:v1").parse().unwrap();
    let source = Arc::new(Source::open(&reference, &options).await.unwrap());
    let options = CheckOptions { level: Level::L4, ..CheckOptions::default() };
    let checked = check(&source, &Expected::root(root), &options).await.unwrap();
    assert!(checked.bytes_hashed > (LAYERS * LAYER_BYTES) as u64);
    assert!(peak_kib() < BOUND_KIB, "the process used {} KiB", peak_kib());
}
