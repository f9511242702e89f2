//! A Docker engine of one's own: its data, its socket and its end are in one directory and touch nothing of the machine's.
//!
//! Also used by the tests of the binary, which include this file.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

/// An engine that does not listen by then never will; it takes about a second.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What the engine writes when it takes requests.
const LISTENS: &str = "API listen on";
/// Lines of its log that are told when it ends instead.
const LINES_TOLD: usize = 3;

/// A running engine; dropping it ends it and everything it started.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Its address, as in `DOCKER_HOST`.
    pub(crate) host: String,
    child: Child,
    log: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts `dockerd` below `dir`.
    ///
    /// It runs in process and mount namespaces of its own: the end of its first process is the end of its containerd and of its
    /// mounts, also when it is ours that is killed. Nothing is left but files below `dir`.
    ///
    /// # Errors
    /// Why there is none: no program, no privileges, or what its log says.
    pub(crate) fn start(dir: &Path) -> Result<Self, String> {
        let dockerd = program("dockerd")?;
        if !rustix::process::geteuid().is_root() {
            return Err("a Docker engine is started by root alone".to_owned());
        }
        std::fs::create_dir_all(dir)
            .map_err(|error| format!("{} could not be created: {error}", dir.display()))?;
        let socket = dir.join("docker.sock");
        let host = format!("unix://{}", socket.display());
        let mut child = Command::new(program("setpriv")?)
            .args(["--pdeathsig", "KILL"])
            .arg(program("unshare")?)
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(dockerd)
            .args(["--storage-driver=vfs", "--iptables=false", "--bridge=none"])
            .arg(format!("--data-root={}", dir.join("data").display()))
            .arg(format!("--exec-root={}", dir.join("exec").display()))
            .arg(format!("--pidfile={}", dir.join("dockerd.pid").display()))
            .arg(format!("--host={host}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("dockerd could not be started: {error}"))?;
        let said = child.stderr.take().ok_or("dockerd has no log")?;
        let (sender, receiver) = mpsc::channel();
        let path = dir.join("dockerd.log");
        let log = std::thread::spawn(move || follow(said, &path, &sender));
        let engine = Self { host, child, log: Some(log) };
        match receiver.recv_timeout(START_LIMIT) {
            Ok(Ok(())) => Ok(engine),
            Ok(Err(last)) => Err(format!("dockerd ended: {last}")),
            Err(_) => Err(format!("dockerd does not listen after {} s", START_LIMIT.as_secs())),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Gone already is as good. The log ends when the last process that writes it is gone.
        let _gone = self.child.kill();
        let _ended = self.child.wait();
        if let Some(log) = self.log.take() {
            let _ended = log.join();
        }
    }
}

/// Copies the log, and tells when the engine listens, or the last lines if it ends before.
fn follow(said: impl std::io::Read, path: &Path, sender: &mpsc::Sender<Result<(), String>>) {
    let mut file = File::create(path).ok();
    let mut last: Vec<String> = Vec::new();
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        // A log that cannot be written is no reason to stop reading: the engine would stall.
        let _written = file.as_mut().map(|file| writeln!(file, "{line}"));
        if line.contains(LISTENS) {
            // Nobody listens any more after the first word.
            let _heard = sender.send(Ok(()));
        }
        if last.len() == LINES_TOLD {
            last.remove(0);
        }
        last.push(line);
    }
    let _heard = sender.send(Err(last.join(" / ")));
}

/// A program on the path, or where Debian keeps its daemons.
fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| format!("{name} is not installed"))
}
