//! A network of one's own, ended with the test.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use super::user::{User, base_port, code, err};

/// A running network, and its first organisation's admin as the user.
pub(crate) struct Net {
    pub(crate) user: User,
    pub(crate) network: Value,
    dir: PathBuf,
}

impl Net {
    /// Starts `members` organisations' members.
    pub(crate) fn start(members: u16) -> Self {
        let mut user = User::new();
        let dir = user.path("net");
        let (path, base) = (dir.display().to_string(), base_port(members).to_string());
        let members = members.to_string();
        let args = ["up", "--detach", "--dir", &path, "--base-port", &base, "--members", &members];
        let started = user.run(&args);
        assert_eq!(code(&started), 0, "{}", err(&started));
        let text = std::fs::read_to_string(dir.join("network.json")).unwrap();
        let network: Value = serde_json::from_str(&text).unwrap();
        user.set("HANSE_ENDPOINT", network["members"][0]["http"].as_str().unwrap());
        user.set("HANSE_TRUST_ROOT", dir.join("trust-root.json"));
        user.set("HANSE_KEY", network["organisations"][0]["key"].as_str().unwrap());
        user.set(
            "HANSE_PASSWORD_FILE",
            network["organisations"][0]["password_file"].as_str().unwrap(),
        );
        Self { user, network, dir }
    }

    /// The arguments with which the admin of another organisation signs.
    pub(crate) fn signed_by(&self, organisation: usize) -> [String; 4] {
        let field = |name: &str| {
            self.network["organisations"][organisation][name].as_str().unwrap().to_owned()
        };
        ["--key".to_owned(), field("key"), "--password-file".to_owned(), field("password_file")]
    }

    /// Runs with `-o json`, and expects this exit code.
    pub(crate) fn expect(&self, exit: i32, args: &[&str]) -> Value {
        let (found, value) = self.user.json(args);
        assert_eq!(found, exit, "{args:?}: {value:#}");
        value
    }

    /// Runs another program as this user, and expects it to succeed or not; what it said on stdout.
    pub(crate) fn tool(&self, works: bool, program: &str, args: &[&str]) -> String {
        let output = self.user.outfit(&mut Command::new(program)).args(args).output().unwrap();
        assert_eq!(output.status.success(), works, "{program} {args:?}: {}", err(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let dir = self.dir.display().to_string();
        let ended = self.user.run(&["down", "--dir", &dir]);
        if !std::thread::panicking() {
            assert_eq!(code(&ended), 0, "{}", err(&ended));
        }
    }
}
