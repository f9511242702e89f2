//! Who runs the registry: starts Debian's docker-registry, and does to it what only its operator can.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::layout::{Made, digest};
use crate::exit::{Attempt as _, Exit, Failure};

/// A registry that does not answer by then never will.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How often it is asked meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// A registry on this machine answers at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The operator.
pub(super) struct Operator {
    /// Host and port, as in image names.
    pub(super) host: String,
    http: reqwest::Client,
    /// The started registry and its storage; none for somebody else's registry.
    own: Option<(Child, PathBuf)>,
}

impl Operator {
    /// An operator of a registry that runs already: only what its API lets anyone do.
    ///
    /// # Errors
    /// [`Exit::Usage`] for anything but a host with a port, or its URL.
    pub(super) fn of(url: &str) -> Result<Self, Failure> {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        if host.is_empty() || host.contains('/') {
            let what = "the demo needs a registry that speaks http, as host:port";
            return Err(Failure::new(Exit::Usage, what));
        }
        Ok(Self { host, http: client()?, own: None })
    }

    /// Starts a registry with its storage below `dir`.
    ///
    /// # Errors
    /// [`Exit::Environment`] when docker-registry is missing or does not answer.
    pub(super) async fn start(dir: &Path) -> Result<Self, Failure> {
        let storage = dir.join("registry");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|probe| probe.local_addr())
            .attempt(Exit::Environment, || "could not find a free port".to_owned())?
            .port();
        let config = dir.join("registry.yml");
        // JSON is YAML: no second syntax to get right.
        let settings = serde_json::json!({
            "version": "0.1", "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": storage }, "delete": { "enabled": true } },
            "http": { "addr": format!("127.0.0.1:{port}") },
        });
        let io = || "could not prepare the registry".to_owned();
        fs::create_dir_all(&storage).attempt(Exit::Environment, io)?;
        fs::write(&config, settings.to_string()).attempt(Exit::Environment, io)?;
        let log = fs::File::create(dir.join("registry.log")).attempt(Exit::Environment, io)?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .attempt(Exit::Environment, || "could not start docker-registry".to_owned())
            .map_err(|f| f.fix("apt-get install docker-registry, or name one with --registry"))?;
        let host = format!("127.0.0.1:{port}");
        let operator = Self { host, http: client()?, own: Some((child, storage)) };
        let deadline = Instant::now() + START_LIMIT;
        while operator.http.get(operator.url("")).send().await.is_err() {
            if Instant::now() > deadline {
                return Err(Failure::new(Exit::Environment, "docker-registry does not answer"));
            }
            sleep(LOOK).await;
        }
        Ok(operator)
    }

    /// Whether the storage is ours to tamper with.
    pub(super) fn owns_storage(&self) -> bool {
        self.own.is_some()
    }

    /// Switches the registry off.
    pub(super) async fn stop(&mut self) {
        if let Some((child, _)) = &mut self.own {
            // Gone already is as good.
            let _gone = child.kill().await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v2/{path}", self.host)
    }

    /// Points a tag at an image whose parts are there.
    ///
    /// # Errors
    /// When the registry does not do it.
    pub(super) async fn point(&self, repo: &str, tag: &str, image: &Made) -> Result<(), Failure> {
        let request = self
            .http
            .put(self.url(&format!("{repo}/manifests/{tag}")))
            .header("content-type", Made::media_type())
            .body(image.manifest.clone());
        self.must(request).await.map(drop)
    }

    /// Brings the parts of an image into the registry, without a record anywhere.
    ///
    /// # Errors
    /// When the registry does not take them.
    pub(super) async fn smuggle(&self, repo: &str, image: &Made) -> Result<(), Failure> {
        for blob in [&image.config, &image.layer] {
            let start = self.http.post(self.url(&format!("{repo}/blobs/uploads/")));
            let answer = self.must(start).await?;
            let location = answer.headers().get("location").and_then(|v| v.to_str().ok());
            let location = location.unwrap_or_default();
            let separator = if location.contains('?') { '&' } else { '?' };
            let target = if location.starts_with('/') {
                format!("http://{}{location}", self.host)
            } else {
                location.to_owned()
            };
            let whole = self.http.put(format!("{target}{separator}digest={}", digest(blob)));
            self.must(whole.body(blob.clone())).await?;
        }
        Ok(())
    }

    /// Alters a stored blob where the registry keeps it, under the same digest.
    ///
    /// # Errors
    /// When the storage is not ours, or the blob is not there.
    pub(super) fn alter(&self, blob: &[u8], from: &str, to: &str) -> Result<(), Failure> {
        let path = self.stored(blob)?;
        let text = String::from_utf8_lossy(blob).replacen(from, to, 1);
        if text.as_bytes() == blob {
            return Err(Failure::new(Exit::Internal, "there is nothing to alter in the blob"));
        }
        fs::write(&path, text)
            .attempt(Exit::Environment, || format!("could not alter {}", path.display()))
    }

    /// Alters all stored blobs that hold `from`, for images that others made.
    ///
    /// # Errors
    /// When the storage is not ours, or no blob holds it.
    pub(super) fn alter_stored(&self, from: &str, to: &str) -> Result<(), Failure> {
        let root = self.storage()?.join("docker/registry/v2/blobs/sha256");
        let what = || format!("could not look through {}", root.display());
        let mut altered = 0;
        for shelf in fs::read_dir(&root).attempt(Exit::Environment, what)?.flatten() {
            for blob in fs::read_dir(shelf.path()).attempt(Exit::Environment, what)?.flatten() {
                let data = blob.path().join("data");
                let mut bytes = fs::read(&data).attempt(Exit::Environment, what)?;
                let at = bytes.windows(from.len()).position(|part| part == from.as_bytes());
                if let Some(at) = at {
                    bytes.splice(at..at + from.len(), to.bytes());
                    fs::write(&data, bytes).attempt(Exit::Environment, what)?;
                    altered += 1;
                }
            }
        }
        match altered {
            0 => Err(Failure::new(Exit::Internal, "there is nothing to alter in the storage")),
            _ => Ok(()),
        }
    }

    fn storage(&self) -> Result<&Path, Failure> {
        let (_, storage) = self.own.as_ref().ok_or_else(|| {
            Failure::new(Exit::Internal, "the storage of that registry is not ours")
        })?;
        Ok(storage)
    }

    /// Puts a stored blob back.
    ///
    /// # Errors
    /// As [`Self::alter`].
    pub(super) fn restore(&self, blob: &[u8]) -> Result<(), Failure> {
        let path = self.stored(blob)?;
        fs::write(&path, blob)
            .attempt(Exit::Environment, || format!("could not restore {}", path.display()))
    }

    /// Where distribution's file system driver keeps a blob.
    fn stored(&self, blob: &[u8]) -> Result<PathBuf, Failure> {
        let hex = hanse_crypto::sha256(blob).to_string();
        let blobs = self.storage()?.join("docker/registry/v2/blobs/sha256");
        let path = blobs.join(&hex[..2]).join(&hex).join("data");
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::new(
            Exit::Environment,
            format!("the registry does not keep {}", path.display()),
        ))
    }

    async fn must(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let what = || "the registry does not obey its operator".to_owned();
        let answer = request.send().await.attempt(Exit::Unreachable, what)?;
        answer.error_for_status().attempt(Exit::Unreachable, what)
    }
}

fn client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_LIMIT)
        .build()
        .attempt(Exit::Environment, || "could not set up the client".to_owned())
}
