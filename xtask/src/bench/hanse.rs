//! Our side of the ladder: four members as `hanse up` starts them, under `hanse bench-client`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use super::{KEY_SPACE, Side, VALUE_BYTES};
use crate::{
    failure::{Attempt as _, Failure},
    process,
    procfs::{self, Usage},
};

/// A local network that ends with us.
pub(super) struct Network {
    binary: PathBuf,
    dir: PathBuf,
    pids: Vec<u32>,
    endpoints: String,
}

/// The parts of `network.json` (CONTRACT 1) a measurement needs.
#[derive(Deserialize)]
struct Description {
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    pid: u32,
    /// A URL or `address:port`.
    http: serde_json::Value,
}

/// What `hanse bench-client` prints as its last line: one run, latencies in microseconds.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

impl Network {
    /// Starts four fresh members with their data in `dir`.
    pub(super) fn start(binary: &Path, dir: &Path, base_port: u16) -> Result<Self, Failure> {
        process::output(
            Command::new(binary)
                .args(["up", "--fresh", "--detach", "--base-port", &base_port.to_string(), "--dir"])
                .arg(dir),
        )?;
        let path = dir.join("network.json");
        let mut network = Self {
            binary: binary.to_path_buf(),
            dir: dir.to_path_buf(),
            pids: Vec::new(),
            endpoints: String::new(),
        };
        let say = || format!("could not read {}", path.display());
        let text = std::fs::read_to_string(&path).attempt(say)?;
        let description: Description = serde_json::from_str(&text).attempt(say)?;
        network.pids = description.members.iter().map(|member| member.pid).collect();
        let urls: Vec<String> =
            description.members.iter().map(|member| url(&member.http)).collect();
        network.endpoints = urls.join(",");
        Ok(network)
    }

    /// One run with so many puts in flight.
    pub(super) fn put(&self, clients: u32, puts: u64) -> Result<Side, Failure> {
        let before = self.used()?;
        let said = self.clients(clients, puts, KEY_SPACE)?;
        let side = Side {
            per_second: said.per_second,
            p50_us: said.p50_us,
            p99_us: said.p99_us,
            ..Side::default()
        };
        Ok(side.with_usage(self.used()?.since(before), puts))
    }

    /// Puts so many different keys. Puts per second.
    pub(super) fn fill(&self, clients: u32, keys: u64) -> Result<f64, Failure> {
        // Of so many keys no two puts draw the same.
        Ok(self.clients(clients, keys, u64::MAX)?.per_second)
    }

    fn clients(&self, clients: u32, puts: u64, keys: u64) -> Result<Said, Failure> {
        let mut command = Command::new(&self.binary);
        command.args(["bench-client", "--workload", "put", "--endpoint", &self.endpoints]);
        for (name, value) in [
            ("--clients", u64::from(clients)),
            ("--total", puts),
            ("--keys", keys),
            ("--value-bytes", VALUE_BYTES),
        ] {
            command.args([name, &value.to_string()]);
        }
        let said = process::output(command.arg("--dir").arg(&self.dir))?;
        let last = said.trim().lines().last().unwrap_or_default();
        serde_json::from_str(last).attempt(|| "hanse bench-client printed no result")
    }

    fn used(&self) -> Result<Usage, Failure> {
        self.pids.iter().try_fold(Usage::default(), |sum, pid| Ok(sum.plus(procfs::usage(*pid)?)))
    }

    fn stop(&self) -> Result<(), Failure> {
        process::output(Command::new(&self.binary).args(["down", "--dir"]).arg(&self.dir)).map(drop)
    }
}

/// CONTRACT leaves open whether `http` is a port, an address or a URL.
fn url(http: &serde_json::Value) -> String {
    match http {
        serde_json::Value::String(text) if text.contains("://") => text.clone(),
        serde_json::Value::String(text) => format!("http://{text}"),
        other => format!("http://127.0.0.1:{other}"),
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Err(failure) = self.stop() {
            crate::say::note(failure.chain());
        }
    }
}
