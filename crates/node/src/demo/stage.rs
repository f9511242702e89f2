//! Where the demo plays: its directory, its network, the commands run so far and what came of them.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::process::Command;

use super::engine::Engine;
use crate::{
    exit::{Attempt as _, Exit, Failure},
    home,
    local::{layout::ports, network::Network},
    out,
};

/// Ports tried for a network of our own.
const PORT_TRIES: u32 = 50;
/// Members of the demo's network: the least that tolerate one that is stopped.
const MEMBERS: u16 = 4;

/// A command and what came of it.
struct Step {
    title: String,
    command: Vec<String>,
    exit: Option<i32>,
    expected: i32,
    said: String,
}

/// Everything the demo has going.
pub(super) struct Stage {
    // Before the directory it lives in.
    engine: Option<Engine>,
    missing: Vec<Value>,
    dir: Option<tempfile::TempDir>,
    kept: PathBuf,
    steps: Vec<Step>,
    env: Vec<(&'static str, String)>,
    quiet: bool,
    up: bool,
}

impl Stage {
    /// An empty stage in a temporary directory.
    pub(super) fn new(quiet: bool, keep: bool) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("hanse-demo-").tempdir();
        let dir = dir.attempt(Exit::Environment, || "could not make a directory".to_owned())?;
        let kept = dir.path().to_path_buf();
        let dir = if keep {
            out::note(format_args!("everything stays in {}", dir.keep().display()));
            None
        } else {
            Some(dir)
        };
        for name in ["home", "docker"] {
            home::private_dir(&kept.join(name))?;
        }
        // Credentials of the user's own registries have no business here.
        let env = vec![
            ("HANSE_HOME", kept.join("home").display().to_string()),
            ("DOCKER_CONFIG", kept.join("docker").display().to_string()),
        ];
        let (engine, missing, steps) = (None, Vec::new(), Vec::new());
        Ok(Self { engine, missing, dir, kept, steps, env, quiet, up: false })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.kept
    }

    /// Tells the audience something.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            out::line(text);
        }
    }

    /// Gives all later commands an engine.
    pub(super) fn equip(&mut self, engine: Engine) {
        self.env.push(("DOCKER_HOST", engine.host.clone()));
        self.engine = Some(engine);
    }

    /// Says what cannot be shown here, and why.
    pub(super) fn not_available(&mut self, what: &str, why: &str) {
        let (what, why) = (out::shown(what), out::shown(why));
        self.say(&format!("  --  {what}: not available: {why}"));
        self.missing.push(json!({ "what": what, "why": why }));
    }

    /// What the last command said last.
    pub(super) fn said(&self) -> &str {
        self.steps.last().map_or("", |step| step.said.as_str())
    }

    /// Starts four organisations' members.
    pub(super) async fn network_up(&mut self) -> Result<(), Failure> {
        let base = free_ports()?.to_string();
        let dir = self.kept.join("net").display().to_string();
        self.say("Four organisations start a ledger together.");
        self.up = true;
        let args = ["up", "--detach", "--dir", &dir, "--base-port", &base];
        if !self.run("four organisations start their members", 0, &args).await? {
            let what = format!("the network did not start: {}", self.said());
            return Err(Failure::new(Exit::Environment, what));
        }
        let network = self.network()?;
        let first = network
            .organisations
            .first()
            .ok_or_else(|| Failure::new(Exit::Internal, "the network has no organisation"))?;
        let endpoints: Vec<&str> = network.members.iter().map(|m| m.http.as_str()).collect();
        self.env.push(("HANSE_ENDPOINT", endpoints.join(",")));
        self.env.push(("HANSE_TRUST_ROOT", network.trust_root.display().to_string()));
        self.env.push(("HANSE_KEY", first.key.display().to_string()));
        self.env.push(("HANSE_PASSWORD_FILE", first.password_file.display().to_string()));
        Ok(())
    }

    /// The network as its own file describes it.
    pub(super) fn network(&self) -> Result<Network, Failure> {
        Network::load(&self.kept.join("net"))?
            .ok_or_else(|| Failure::new(Exit::Internal, "the network is gone"))
    }

    /// Runs this very program, and says whether it ended as expected.
    pub(super) async fn run(
        &mut self,
        title: &str,
        expected: i32,
        args: &[&str],
    ) -> Result<bool, Failure> {
        let program = std::env::current_exe()
            .attempt(Exit::Environment, || "could not find this program".to_owned())?;
        let mut command = Command::new(program);
        command.args(args);
        let mut shown = vec!["hanse".to_owned()];
        shown.extend(args.iter().map(|arg| (*arg).to_owned()));
        self.step(title, expected, shown, command).await
    }

    /// Runs another program as a step.
    pub(super) async fn step(
        &mut self,
        title: &str,
        expected: i32,
        shown: Vec<String>,
        mut command: Command,
    ) -> Result<bool, Failure> {
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let done = command.output().await;
        let done = done.attempt(Exit::Environment, || format!("could not start {}", shown[0]))?;
        let said = last_line(&done.stdout).or_else(|| last_line(&done.stderr)).unwrap_or_default();
        let exit = done.status.code();
        let ok = exit == Some(expected);
        if !self.quiet {
            let mark = if ok { "  ok " } else { "FAIL " };
            let exit = exit.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
            out::line(format_args!(
                "{mark} {title}\n      $ {}\n      exit {exit}: {}",
                shown.join(" "),
                out::shown(&said)
            ));
        }
        self.steps.push(Step { title: title.to_owned(), command: shown, exit, expected, said });
        Ok(ok)
    }

    pub(super) fn all_as_expected(&self) -> bool {
        self.steps.iter().all(|step| step.exit == Some(step.expected))
    }

    /// Ends what runs.
    pub(super) async fn strike(&mut self) {
        drop(self.engine.take());
        if !self.up {
            return;
        }
        let Ok(program) = std::env::current_exe() else {
            return;
        };
        let down = Command::new(program)
            .args(["down", "--dir"])
            .arg(self.kept.join("net"))
            .stdin(Stdio::null())
            .output()
            .await;
        if let Err(error) = down {
            out::note(format_args!("warning: the network could not be stopped: {error}"));
        }
        self.up = false;
        drop(self.dir.take());
    }

    /// One object for scripts.
    pub(super) fn report(&self, failure: Option<&Failure>) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "title": step.title, "command": step.command, "exit": step.exit,
                    "expected": step.expected, "ok": step.exit == Some(step.expected), "said": step.said,
                })
            })
            .collect();
        json!({
            "v": 1, "ok": failure.is_none() && self.all_as_expected(),
            "reason": failure.map(Failure::reason), "remedy": failure.and_then(Failure::remedy),
            "steps": steps, "not_available": self.missing,
        })
    }
}

fn last_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

/// A base port with everything free that a network needs.
fn free_ports() -> Result<u16, Failure> {
    for _ in 0..PORT_TRIES {
        let Ok(probe) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) else {
            continue;
        };
        let Ok(address) = probe.local_addr() else {
            continue;
        };
        let base = address.port();
        drop(probe);
        let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let all = (0..MEMBERS).all(|i| {
            ports(Some(base), i).is_ok_and(|p| free(p.http) && free(p.etcd) && free(p.p2p))
        });
        if all {
            return Ok(base);
        }
    }
    Err(Failure::new(Exit::Environment, "there are not enough free ports"))
}
