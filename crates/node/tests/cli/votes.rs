//! A member that lost its votes, with real processes: it ends with 71, and follows with `--verifier-only`.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use hanse_proof::TrustFile;
use serde_json::Value;

use super::user::{User, base_port, code, err};

/// A local network under test; what runs in it ends with it.
pub(crate) struct Net {
    pub(crate) user: User,
    pub(crate) dir: PathBuf,
    base: u16,
    children: Vec<Child>,
}

impl Drop for Net {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended.
            let _gone = child.kill();
            let _status = child.wait();
        }
        let _down = self.user.run(&["down", "--dir", &self.dir.display().to_string()]);
    }
}

impl Net {
    pub(crate) fn up() -> Self {
        let mut user = User::new();
        let (dir, base) = (user.path("net"), base_port(4));
        let text = (dir.display().to_string(), base.to_string());
        let output = user.run(&["up", "--detach", "--dir", &text.0, "--base-port", &text.1]);
        assert_eq!(code(&output), 0, "{}", err(&output));
        user.set("HANSE_TRUST_ROOT", dir.join("trust-root.json"));
        user.set("HANSE_ENDPOINT", format!("http://127.0.0.1:{base}"));
        Self { user, dir, base, children: Vec::new() }
    }

    pub(crate) fn network(&self) -> Value {
        let text = std::fs::read_to_string(self.dir.join("network.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn member(&self, i: usize) -> Value {
        self.network()["members"][i].clone()
    }

    pub(crate) fn path(&self, i: usize, what: &str) -> PathBuf {
        Path::new(self.member(i)[what].as_str().unwrap()).to_path_buf()
    }

    /// Kills a member that `up` started, and waits until it is gone.
    pub(crate) fn kill(&self, i: usize) {
        let pid = self.member(i)["pid"].as_u64().unwrap();
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        let end = Instant::now() + Duration::from_secs(30);
        while Path::new("/proc").join(pid.to_string()).exists() {
            assert!(Instant::now() < end, "{pid} does not die");
            std::thread::yield_now();
        }
    }

    fn command(&self, i: usize, more: &[&str]) -> Command {
        let config = self.path(i, "config").display().to_string();
        self.user.command(&[&["node", "run", "--config", &config], more].concat())
    }

    /// Starts a member and waits for its end.
    fn ends(&self, i: usize, more: &[&str]) -> Output {
        self.command(i, more).stdout(Stdio::null()).output().unwrap()
    }

    /// Starts a member of its own configuration.
    pub(crate) fn start_config(&mut self, config: &str) {
        let mut command = self.user.command(&["node", "run", "--config", config]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.children.push(child.unwrap());
    }

    fn start(&mut self, i: usize, more: &[&str]) {
        let child = self.command(i, more).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.children.push(child.unwrap());
    }

    /// As [`Net::start`], with what it logs in a file.
    pub(crate) fn start_logged(&mut self, i: usize, more: &[&str]) -> PathBuf {
        let log = self.user.path(&format!("log-{}", self.children.len()));
        let file = std::fs::File::create(&log).unwrap();
        let child = self.command(i, more).stdout(Stdio::null()).stderr(file).spawn();
        self.children.push(child.unwrap());
        log
    }

    /// Ends the member that was started last.
    pub(crate) fn end_last(&mut self) {
        let mut child = self.children.pop().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks until the answer comes: with members dead, views have to pass first.
    pub(crate) fn put(&self, key: &str) {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let (exit, put) = self.user.json(&["kv", "put", "acme", key, "x"]);
            if exit == 0 {
                return;
            }
            assert!(exit == 20 && Instant::now() < end, "{put}");
        }
    }

    /// What a member says of itself, once it says that `enough` holds.
    pub(crate) fn status(&self, i: u16, enough: impl Fn(&Value) -> bool) -> Value {
        self.status_at(&format!("http://127.0.0.1:{}", self.base + 10 * i), enough)
    }

    /// What the member at `endpoint` says of itself, once it says that `enough` holds.
    pub(crate) fn status_at(&self, endpoint: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(240);
        loop {
            let (exit, status) = self.user.json(&["status", "--endpoint", endpoint]);
            if exit == 0 && enough(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{endpoint}: {status}");
        }
    }

    fn refuses(&self, i: usize, words: &str) {
        let output = self.ends(i, &[]);
        let said = err(&output);
        assert_eq!(code(&output), 71, "{said}");
        assert!(said.contains(words) && said.contains("--verifier-only"), "{said}");
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_wiped_member_ends_with_71_and_follows_with_verifier_only() {
    let mut net = Net::up();
    net.put("before");
    net.kill(3);
    std::fs::remove_dir_all(net.path(3, "data")).unwrap();
    net.put("meanwhile");
    net.refuses(3, "votes lost");
    net.refuses(3, "votes lost");
    net.start(3, &["--verifier-only"]);
    net.put("after");
    let height = net.status(0, |_| true)["height"].as_u64().unwrap();
    net.status(3, |status| status["height"].as_u64().unwrap() >= height);
    // What it stores while it follows gives it no right to vote.
    net.end_last();
    net.refuses(3, "votes lost");
    // The others never needed it.
    net.put("last");

    // In the next epoch it has lost nothing: it votes again, and later starts need no option.
    net.start(3, &["--verifier-only"]);
    let epoch = |status: &Value| status["epoch"].as_u64().unwrap();
    let old = epoch(&net.status(3, |status| status["height"].as_u64().unwrap() >= height));
    net.signed(&net.organisation(0), &["seat", "hurry"]);
    net.status(3, |status| epoch(status) > old);
    net.kill(2);
    net.put("with-its-vote-again");
    net.end_last();
    net.start(3, &[]);
    net.put("and-after-a-restart");
}

#[test]
fn a_member_whose_disk_was_put_back_ends_with_71() {
    let mut net = Net::up();
    net.put("before");
    net.kill(3);
    let (data, old) = (net.path(3, "data"), net.user.path("old"));
    copy(&data, &old);
    net.start(3, &[]);
    net.kill(2);
    // With one member dead, nothing is certified without the vote of this one.
    net.put("with-its-vote");
    let mut member = net.children.pop().unwrap();
    member.kill().unwrap();
    member.wait().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&old, &data);
    net.refuses(3, "votes rolled back");
    net.refuses(3, "an earlier start of this member found so");
    // It follows although its log holds votes of its own.
    net.start(3, &["--verifier-only"]);
    let height = net.status(0, |_| true)["height"].as_u64().unwrap();
    net.status(3, |status| status["height"].as_u64().unwrap() >= height);
}

#[test]
fn a_protocol_this_build_does_not_know_is_exit_72() {
    let net = Net::up();
    net.kill(3);
    let trust = net.dir.join("trust-root.json");
    let text = std::fs::read_to_string(&trust).unwrap();
    let mut genesis = TrustFile::parse(&text).unwrap().genesis;
    genesis.params.protocol_version = 2;
    std::fs::write(&trust, TrustFile::from_genesis(genesis).to_json()).unwrap();
    let output = net.ends(3, &[]);
    assert_eq!(code(&output), 72, "{}", err(&output));
    assert!(err(&output).contains("protocol version 2"), "{}", err(&output));
}
