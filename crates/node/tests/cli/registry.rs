//! Debian's docker-registry, as its operator runs it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use serde_json::{Value, json};

/// A registry that does not listen by then never will.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running registry.
pub(crate) struct Registry {
    /// Host and port, as in image names.
    pub(crate) host: String,
    storage: PathBuf,
    child: Child,
    log: Option<JoinHandle<()>>,
}

impl Registry {
    /// A registry open to all, over http.
    pub(crate) fn open(dir: &Path) -> Self {
        Self::start(dir, &json!({}), &json!({}))
    }

    /// A registry with this `auth` and `http.tls` section of its configuration.
    pub(crate) fn start(dir: &Path, auth: &Value, tls: &Value) -> Self {
        fs::create_dir_all(dir).unwrap();
        let storage = dir.join("storage");
        let mut settings = json!({
            "version": "0.1", "log": { "level": "info", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": storage } },
            "http": { "addr": "127.0.0.1:0" },
        });
        if auth.as_object().is_some_and(|fields| !fields.is_empty()) {
            settings["auth"] = auth.clone();
        }
        if tls.as_object().is_some_and(|fields| !fields.is_empty()) {
            settings["http"]["tls"] = tls.clone();
        }
        let config = dir.join("config.yml");
        // JSON is YAML.
        fs::write(&config, settings.to_string()).unwrap();
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, receiver) = mpsc::channel();
        let said = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || follow(said, &sender));
        let heard = receiver.recv_timeout(START_LIMIT).expect("the registry says where it listens");
        let host = heard.unwrap_or_else(|said| panic!("docker-registry ended: {said}"));
        Self { host, storage, child, log: Some(log) }
    }

    /// Where the registry keeps a blob (distribution's file system driver).
    fn stored(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.storage.join("docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// Changes one bit of a stored blob; once more, and it is as before.
    pub(crate) fn flip(&self, digest: &str) {
        let path = self.stored(digest);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    /// Reads a stored blob.
    pub(crate) fn read(&self, digest: &str) -> Vec<u8> {
        fs::read(self.stored(digest)).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Gone already is as good.
        let _gone = self.child.kill();
        let _ended = self.child.wait();
        if let Some(log) = self.log.take() {
            let _ended = log.join();
        }
    }
}

fn follow(said: impl Read, sender: &mpsc::Sender<Result<String, String>>) {
    let mut all = String::new();
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        if let Some((_, rest)) = line.split_once("listening on ") {
            let host: String =
                rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
            // Nobody listens after the first word.
            let _heard = sender.send(Ok(host));
        }
        all.push_str(&line);
        all.push('\n');
    }
    let _heard = sender.send(Err(all));
}
