//! Watching the members of a local network: start, wait until ready, report who dies, stop all.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, timeout_at},
};

use super::{network::Network, process};
use crate::{
    client::Client,
    exit::{Attempt as _, Exit, Failure},
    out::{self, note},
    status::Status,
    up::UpArgs,
};

/// From the first signal to the last member's end. CONTRACT 1 says 25 s; two are kept for what comes after.
const STOP_LIMIT: Duration = Duration::from_secs(23);
/// A network that is not ready by then never will be: replay of a large log takes seconds.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// How often members are asked for their height while they start.
const LOOK: Duration = Duration::from_millis(50);

/// Only one `up` or `down` works in a directory; the system drops the lock with the process.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, never used")] File);

impl Lock {
    /// The lock of `dir`, or nothing if another process holds it.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub(crate) fn take(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join("lock");
        let what = || format!("could not lock {}", path.display());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .attempt(Exit::Environment, what)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => {
                Err(Failure::new(Exit::Environment, what()).caused_by(error))
            }
        }
    }
}

/// An absolute path, so that what is written down holds from everywhere.
pub(crate) fn directory(dir: PathBuf) -> PathBuf {
    std::path::absolute(&dir).unwrap_or(dir)
}

/// Writes down that nothing runs.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn forget_pids(dir: &Path, network: &mut Network) -> Result<(), Failure> {
    network.supervisor = 0;
    for member in &mut network.members {
        member.pid = 0;
    }
    network.save(dir)
}

/// What a member's end means.
type Ended = (usize, std::io::Result<ExitStatus>);

struct Members {
    ended: FuturesUnordered<futures::future::BoxFuture<'static, Ended>>,
    /// Closing these tells members that nobody watches them any more.
    _leashes: Vec<tokio::process::ChildStdin>,
}

/// Runs the network until a signal or the end of all members.
///
/// # Errors
/// When it does not become ready, or all members have died.
pub(crate) async fn run(dir: &Path, mut network: Network, _lock: Lock) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let mut members = start(dir, &mut network)?;
    let ready = tokio::select! {
        ready = ready(&network, &mut members) => ready,
        () = stop.asked() => {
            stop_all(dir, &mut network, &mut members).await?;
            return Ok(());
        }
    };
    if let Err(failure) = ready {
        stop_all(dir, &mut network, &mut members).await?;
        return Err(failure);
    }
    out::line(format_args!("READY {}", network.members[0].http));
    introduce(dir, &network);
    let mut alive = network.members.len();
    loop {
        tokio::select! {
            () = stop.asked() => break,
            Some((i, status)) = members.ended.next() => {
                note(obituary(&network, i, &status));
                network.members[i].pid = 0;
                network.save(dir)?;
                alive -= 1;
                if alive == 0 {
                    stop_all(dir, &mut network, &mut members).await?;
                    return Err(Failure::new(Exit::Environment, "all members have ended")
                        .fix("see their logs, then `hanse up` again"));
                }
            }
        }
    }
    stop_all(dir, &mut network, &mut members).await
}

/// The signals that mean "end".
struct Stop {
    term: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).attempt(Exit::Environment, || "could not listen for signals".to_owned())
        };
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

fn start(dir: &Path, network: &mut Network) -> Result<Members, Failure> {
    let ended = FuturesUnordered::new();
    let mut leashes = Vec::new();
    network.supervisor = std::process::id();
    let mut children = Vec::new();
    for member in &network.members {
        match spawn(&member.config, &member.log) {
            Ok(child) => children.push(child),
            Err(failure) => {
                for child in &children {
                    kill(child, Signal::KILL);
                }
                return Err(failure);
            }
        }
    }
    for (i, mut child) in children.into_iter().enumerate() {
        network.members[i].pid = child.id().unwrap_or(0);
        leashes.extend(child.stdin.take());
        let wait: futures::future::BoxFuture<'static, Ended> =
            Box::pin(async move { (i, child.wait().await) });
        ended.push(wait);
    }
    network.save(dir)?;
    Ok(Members { ended, _leashes: leashes })
}

fn spawn(config: &Path, log: &Path) -> Result<Child, Failure> {
    let what = || format!("could not start the member of {}", config.display());
    let program = std::env::current_exe().attempt(Exit::Environment, what)?;
    let log =
        File::options().create(true).append(true).open(log).attempt(Exit::Environment, what)?;
    let copy = log.try_clone().attempt(Exit::Environment, what)?;
    Command::new(program)
        .args(["node", "run", "--stop-with-parent", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(copy)
        .process_group(0)
        .spawn()
        .attempt(Exit::Environment, what)
}

fn kill(child: &Child, signal: Signal) {
    if let Some(pid) = child.id() {
        process::signal(pid, signal);
    }
}

/// Waits until every member has come up.
async fn ready(network: &Network, members: &mut Members) -> Result<(), Failure> {
    let clients: Vec<Client> = network
        .members
        .iter()
        .map(|m| Client::new(std::slice::from_ref(&m.http)))
        .collect::<Result<_, _>>()?;
    let all = async {
        for client in &clients {
            come_up(client).await;
        }
    };
    tokio::select! {
        done = timeout_at(Instant::now() + READY_LIMIT, all) => done.map_err(|_| {
            let what = "the members did not certify height 1 in time";
            Failure::new(Exit::Unreachable, what).fix(format!("see {}", network.members[0].log.display()))
        }),
        Some((i, status)) = members.ended.next() => {
            let code = status.as_ref().ok().and_then(ExitStatus::code);
            let exit = [Exit::Storage, Exit::Votes, Exit::Protocol, Exit::Config]
                .into_iter()
                .find(|exit| code == Some(i32::from(exit.code())))
                .unwrap_or(Exit::Environment);
            Err(Failure::new(exit, obituary(network, i, &status)).fix("see its log"))
        }
    }
}

/// Waits until a member has certified height 1, and serves: after a restart that is once a block was certified since then, and
/// with it everything acknowledged before.
async fn come_up(client: &Client) {
    loop {
        if let Ok(status) = client.get_json::<Status>("/v1/status").await
            && status.is_certified()
            && client.get("/readyz").await.is_ok()
        {
            return;
        }
        sleep(LOOK).await;
    }
}

fn obituary(network: &Network, i: usize, status: &std::io::Result<ExitStatus>) -> String {
    let member = &network.members[i];
    let how = match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let last = last_line(&member.log).map_or_else(String::new, |line| format!(": {line}"));
    format!(
        "the member of {} ended ({how}); log {}{last}",
        member.organisation,
        member.log.display()
    )
}

fn last_line(log: &Path) -> Option<String> {
    let text = std::fs::read(log).ok()?;
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(4_096)..]).into_owned();
    tail.lines().rev().find(|line| !line.trim().is_empty()).map(out::shown)
}

/// Tells all members to end, kills those that do not, and writes down that nothing runs.
async fn stop_all(dir: &Path, network: &mut Network, members: &mut Members) -> Result<(), Failure> {
    let running: Vec<u32> = network.members.iter().map(|m| m.pid).filter(|pid| *pid != 0).collect();
    // The child is ours and not yet waited for, so its pid cannot be anybody else's.
    for member in &network.members {
        if process::is_member(member.pid, &member.config) {
            process::signal(member.pid, Signal::TERM);
        }
    }
    let deadline = Instant::now() + STOP_LIMIT;
    while let Ok(Some((i, _))) = timeout_at(deadline, members.ended.next()).await {
        network.members[i].pid = 0;
    }
    for member in &network.members {
        if running.contains(&member.pid) && process::is_member(member.pid, &member.config) {
            note(format_args!(
                "the member of {} did not stop in time and is killed",
                member.organisation
            ));
            process::signal(member.pid, Signal::KILL);
        }
    }
    while members.ended.next().await.is_some() {}
    forget_pids(dir, network)
}

/// What to try next, for people.
fn introduce(dir: &Path, network: &Network) {
    let first = &network.organisations[0];
    let names: Vec<&str> = network.organisations.iter().map(|o| o.name.as_str()).collect();
    note(format_args!(
        "\n{} run; their data and logs are in {}\nTry, in another terminal:\n  \
         export HANSE_ENDPOINT={}\n  export HANSE_TRUST_ROOT={}\n  export HANSE_KEY={}\n  \
         export HANSE_PASSWORD_FILE={}\n  hanse status\n  hanse kv put {} colour blue && hanse kv get {} colour\n  \
         hanse demo",
        names.join(", "),
        dir.display(),
        network.members.iter().map(|m| m.http.as_str()).collect::<Vec<_>>().join(","),
        network.trust_root.display(),
        first.key.display(),
        first.password_file.display(),
        first.name,
        first.name,
    ));
}

/// Starts the same command in the background and returns when it is ready.
///
/// # Errors
/// The background half's own exit code and words when it does not become ready.
pub(crate) async fn detach(args: &UpArgs, dir: &Path) -> Result<(), Failure> {
    let what = || "could not start in the background".to_owned();
    let log = dir.join("up.log");
    let stderr = File::create(&log).attempt(Exit::Environment, what)?;
    let program = std::env::current_exe().attempt(Exit::Environment, what)?;
    let mut command = Command::new(program);
    command.args(["up", "--background", "--dir"]).arg(dir);
    if args.fresh {
        command.arg("--fresh");
    }
    for (flag, value) in [("--members", args.members), ("--base-port", args.base_port)] {
        if let Some(value) = value {
            command.arg(flag).arg(value.to_string());
        }
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .attempt(Exit::Environment, what)?;
    let stdout = child.stdout.take().expect("it was asked for as a pipe");
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("READY ") {
            out::line(line);
            return Ok(());
        }
    }
    let status = child.wait().await.attempt(Exit::Environment, what)?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let exit = [
        Exit::Usage,
        Exit::Environment,
        Exit::Unreachable,
        Exit::Storage,
        Exit::Votes,
        Exit::Protocol,
        Exit::Config,
    ]
    .into_iter()
    .find(|exit| status.code() == Some(i32::from(exit.code())))
    .unwrap_or(Exit::Internal);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let failure = Failure::new(exit, first.trim_start_matches("error: ").to_owned());
    Err(match said.lines().find_map(|line| line.strip_prefix("to fix: ")) {
        Some(remedy) => failure.fix(remedy),
        None => failure,
    })
}
