//! Running the binary as a user does.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// A home of its own, and nothing of the machine's.
pub(crate) struct User {
    pub(crate) dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl User {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl AsRef<Path>) {
        self.unset(name);
        self.env.push((name, value.as_ref().display().to_string()));
    }

    pub(crate) fn unset(&mut self, name: &'static str) {
        self.env.retain(|(set, _)| *set != name);
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hanse"));
        self.outfit(&mut command).args(args);
        command
    }

    /// Gives a program this user's environment, without anything of the machine's own user.
    pub(crate) fn outfit<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for name in [
            "HANSE_ENDPOINT",
            "HANSE_TRUST_ROOT",
            "HANSE_KEY",
            "HANSE_PASSWORD_FILE",
            "XDG_STATE_HOME",
            "XDG_DATA_HOME",
            "XDG_CONFIG_HOME",
            "XDG_RUNTIME_DIR",
            "DOCKER_HOST",
            "DOCKER_CONFIG",
            "CONTAINER_HOST",
            "REGISTRY_AUTH_FILE",
            "SSL_CERT_FILE",
        ] {
            command.env_remove(name);
        }
        command
            .env("HANSE_HOME", self.path("home"))
            .env("HOME", self.dir.path())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(std::process::Stdio::null())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs with `-o json`; exactly one object must come back.
    pub(crate) fn json(&self, args: &[&str]) -> (i32, Value) {
        let output = self.command(args).args(["-o", "json"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?} {said}"));
        (output.status.code().unwrap_or(-1), value)
    }

    /// A password file as it has to be.
    pub(crate) fn password(&self) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path("password");
        std::fs::write(&path, "correct horse\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A base port with room for `members` members.
pub(crate) fn base_port(members: u16) -> u16 {
    loop {
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = probe.local_addr().unwrap().port();
        drop(probe);
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if base < 60_000 && (0..members).all(|i| (0..3).all(|k| free(base + 10 * i + k))) {
            return base;
        }
    }
}
