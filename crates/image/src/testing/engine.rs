//! An engine that speaks as much of Docker's API as this crate uses.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::image::sha256;
use super::registry::text_answer;
use crate::engine::EngineOptions;

type Lie = Box<dyn Fn(&Method, &str) -> Option<Response<Body>> + Send + Sync>;

#[derive(Default)]
struct Images {
    /// Name to what an export of it is.
    exports: BTreeMap<String, Vec<u8>>,
    /// Image ID to diff IDs.
    loaded: BTreeMap<String, Vec<String>>,
    /// Name to image ID.
    tags: BTreeMap<String, String>,
}

/// The engine, on a socket in its own directory.
pub(crate) struct FakeEngine {
    directory: TempDir,
    images: Mutex<Images>,
    lies: Mutex<Vec<Lie>>,
}

impl FakeEngine {
    pub(crate) async fn start() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(directory.path().join("sock")).unwrap();
        let engine = Arc::new(Self { directory, images: Mutex::default(), lies: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&engine));
        tokio::spawn(async move { axum::serve(listener, router).await });
        engine
    }

    pub(crate) fn options(&self) -> EngineOptions {
        let host = format!("unix://{}", self.directory.path().join("sock").display());
        EngineOptions { docker_host: Some(host.clone()), podman_host: Some(host) }
    }

    pub(crate) fn export(&self, name: &str, archive: Vec<u8>) {
        self.images.lock().exports.insert(name.to_owned(), archive);
    }

    pub(crate) fn lie(
        &self,
        lie: impl Fn(&Method, &str) -> Option<Response<Body>> + Send + Sync + 'static,
    ) {
        self.lies.lock().push(Box::new(lie));
    }

    /// Names and the image IDs they lead to.
    pub(crate) fn tags(&self) -> BTreeMap<String, String> {
        self.images.lock().tags.clone()
    }

    /// IDs of all images, named or not.
    pub(crate) fn loaded(&self) -> Vec<String> {
        self.images.lock().loaded.keys().cloned().collect()
    }
}

async fn answer(State(engine): State<Arc<FakeEngine>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let uri = parts.uri.clone();
    let path = uri.path();
    // `/v1.44/images/…` and `/images/…` mean the same.
    let path = match path.strip_prefix("/v1.") {
        Some(rest) => rest.split_once('/').map_or(path.to_owned(), |(_, rest)| format!("/{rest}")),
        None => path.to_owned(),
    };
    let lie = engine.lies.lock().iter().find_map(|lie| lie(&parts.method, &path));
    if let Some(lie) = lie {
        return lie;
    }
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return text_answer(400, &[], "broken off");
    };
    let json = [("content-type", "application/json")];
    match (parts.method.as_str(), path.as_str()) {
        ("GET", "/version") => text_answer(200, &json, r#"{"ApiVersion":"1.44"}"#),
        ("GET", "/_ping") => text_answer(200, &[], "OK"),
        ("POST", "/images/load") => engine.load(&body),
        (method, path) => engine.image(method, path.trim_start_matches("/images/"), uri.query()),
    }
}

impl FakeEngine {
    fn image(&self, method: &str, path: &str, query: Option<&str>) -> Response<Body> {
        let json_type = [("content-type", "application/json")];
        let missing = || text_answer(404, &json_type, r#"{"message":"no such image"}"#);
        let mut images = self.images.lock();
        if method == "DELETE" {
            let removed = images.loaded.remove(path).is_some();
            images.tags.retain(|_, id| id != path);
            return if removed { text_answer(200, &json_type, "[]") } else { missing() };
        }
        let Some((name, verb)) = path.rsplit_once('/') else {
            return missing();
        };
        match (method, verb) {
            ("GET", "get") => match images.exports.get(name) {
                Some(archive) => text_answer(200, &[], archive.clone()),
                None => missing(),
            },
            ("GET", "json") => {
                let id = images.tags.get(name).cloned().unwrap_or_else(|| name.to_owned());
                match images.loaded.get(&id) {
                    Some(layers) => {
                        let found =
                            json!({ "Id": id, "RootFS": { "Type": "layers", "Layers": layers } });
                        text_answer(200, &json_type, found.to_string())
                    }
                    None => missing(),
                }
            }
            ("POST", "tag") => {
                let url = reqwest::Url::parse(&format!("http://x/?{}", query.unwrap_or_default()));
                let query: BTreeMap<String, String> =
                    url.unwrap().query_pairs().into_owned().collect();
                let tag = format!("{}:{}", query["repo"], query["tag"]);
                images.tags.insert(tag, name.to_owned());
                text_answer(201, &[], "")
            }
            _ => missing(),
        }
    }

    /// Loads as the classic store does: by `manifest.json`, under the digest of the configuration.
    fn load(&self, archive: &Bytes) -> Response<Body> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(archive.as_ref()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), bytes);
        }
        let listed: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let config = &files[listed[0]["Config"].as_str().unwrap()];
        let parsed: Value = serde_json::from_slice(config).unwrap();
        let layers: Vec<String> =
            serde_json::from_value(parsed["rootfs"]["diff_ids"].clone()).unwrap();
        assert!(Path::new(listed[0]["Layers"][0].as_str().unwrap()).starts_with("blobs"));
        let id = sha256(config).to_string();
        let mut images = self.images.lock();
        images.loaded.insert(id.clone(), layers);
        if let Some(tags) = listed[0]["RepoTags"].as_array() {
            for tag in tags {
                images.tags.insert(tag.as_str().unwrap().to_owned(), id.clone());
            }
        }
        text_answer(200, &[("content-type", "application/json")], r#"{"stream":"Loaded"}"#)
    }
}
