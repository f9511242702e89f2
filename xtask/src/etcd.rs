//! The peer we are measured against: etcd and its own tools, built from `tools/etcd`, run as a cluster of three.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use crate::{
    failure::{Attempt as _, Failure},
    process, repo, say,
    setup::{self, Need},
};

/// Our Go module, which pins everything.
const MODULE: &str = "tools/etcd";

/// What is built: name of the binary, package.
const PROGRAMS: &[(&str, &str)] = &[
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("etcdctl", "go.etcd.io/etcd/etcdctl/v3"),
    ("benchmark", "go.etcd.io/etcd/v3/tools/benchmark"),
];

/// Members: etcd's usual smallest cluster that tolerates a fault.
const MEMBERS: u16 = 3;

/// How long a fresh cluster may take to elect its leader.
const READY: Duration = Duration::from_secs(60);

/// Between two looks at a cluster that starts or stops.
const LOOK: Duration = Duration::from_millis(100);

/// How long a member may take to end after SIGTERM.
const STOP: Duration = Duration::from_secs(15);

/// Where the built binaries are, and which release.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Holds `etcd`, `etcdctl` and `benchmark`.
    pub folder: PathBuf,
    /// As `etcd --version` says, such as `3.7.3`.
    pub version: String,
}

impl Tools {
    /// A command of one of the tools.
    pub fn command(&self, program: &str) -> Command {
        Command::new(self.folder.join(program))
    }
}

/// Builds the three tools, unless this content of `go.mod` and `go.sum` was built before on this machine. Without
/// cache: about two minutes on two cores, and what Go downloads is checked against `go.sum`.
///
/// # Errors
/// When there is no Go, the build fails, or the cache cannot be written.
pub fn build() -> Result<Tools, Failure> {
    let module = repo::root().join(MODULE);
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum"] {
        let path = module.join(name);
        hash.update(fs::read(&path).attempt(|| format!("could not read {}", path.display()))?);
    }
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = repo::cache().join("etcd").join(digest);
    if !folder.is_dir() {
        setup::ensure(&[Need::Go])?;
        compile(&module, &folder)?;
    }
    let said = process::output(Command::new(folder.join("etcd")).arg("--version"))?;
    let version = said
        .lines()
        .find_map(|line| line.strip_prefix("etcd Version: "))
        .ok_or_else(|| Failure::new("etcd --version names no version"))?
        .to_owned();
    Ok(Tools { folder, version })
}

/// Builds beside the final folder and renames, so that an interrupted build leaves nothing that looks done.
fn compile(module: &Path, folder: &Path) -> Result<(), Failure> {
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    for (name, package) in PROGRAMS {
        say::note(format_args!("building {package}"));
        process::succeed(
            Command::new("go")
                .args(["build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o"])
                .arg(partial.join(name))
                .arg(package)
                .env("CGO_ENABLED", "0")
                .current_dir(module),
        )?;
    }
    fs::rename(&partial, folder).attempt(|| format!("could not keep {}", folder.display()))
}

/// Three etcd members on loopback with data on the given disk. Dropped, it ends them.
pub struct EtcdPeer {
    tools: Tools,
    members: Vec<Child>,
    base_port: u16,
}

impl EtcdPeer {
    /// Builds what is missing and starts a fresh cluster whose data is below `dir`, which must not hold one yet.
    /// Clients reach member i at `base_port + 2i`, members each other one above. Returns once every member answers.
    ///
    /// # Errors
    /// When the tools cannot be built, `dir` cannot be used, or the cluster is not healthy within [`READY`].
    pub fn start(dir: &Path, base_port: u16) -> Result<Self, Failure> {
        Self::start_with(build()?, dir, base_port)
    }

    /// As [`Self::start`] with tools already built.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(tools: Tools, dir: &Path, base_port: u16) -> Result<Self, Failure> {
        fs::create_dir_all(dir).attempt(|| format!("could not make {}", dir.display()))?;
        let mut peer = Self { tools, members: Vec::new(), base_port };
        for member in 0..MEMBERS {
            let child = peer.member(dir, member)?;
            peer.members.push(child);
        }
        peer.wait_ready(dir)?;
        Ok(peer)
    }

    fn client(&self, member: u16) -> String {
        format!("http://127.0.0.1:{}", self.base_port + 2 * member)
    }

    fn peer(&self, member: u16) -> String {
        format!("http://127.0.0.1:{}", self.base_port + 2 * member + 1)
    }

    /// Stock settings: everything not about names and places is left as etcd ships it, its fsync included.
    fn member(&self, dir: &Path, member: u16) -> Result<Child, Failure> {
        let log = dir.join(format!("m{member}.log"));
        let out =
            fs::File::create(&log).attempt(|| format!("could not write {}", log.display()))?;
        let cluster: Vec<String> =
            (0..MEMBERS).map(|other| format!("m{other}={}", self.peer(other))).collect();
        self.tools
            .command("etcd")
            .args(["--name", &format!("m{member}")])
            .arg("--data-dir")
            .arg(dir.join(format!("m{member}")))
            .args(["--listen-client-urls", &self.client(member)])
            .args(["--advertise-client-urls", &self.client(member)])
            .args(["--listen-peer-urls", &self.peer(member)])
            .args(["--initial-advertise-peer-urls", &self.peer(member)])
            .args(["--initial-cluster", &cluster.join(",")])
            .args(["--initial-cluster-state", "new", "--log-level", "warn"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .attempt(|| "could not start etcd")
    }

    fn wait_ready(&mut self, dir: &Path) -> Result<(), Failure> {
        let end = Instant::now() + READY;
        loop {
            let mut health = self.tools.command("etcdctl");
            health.args(["--endpoints", &self.endpoints(), "endpoint", "health"]);
            let Err(failure) = process::output(&mut health) else {
                return Ok(());
            };
            let ended = self.members.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() > end {
                let logs =
                    format!("etcd did not become healthy; its logs are in {}", dir.display());
                return Err(failure).attempt(|| logs);
            }
            thread::sleep(LOOK);
        }
    }

    /// The clients' addresses as `--endpoints` takes them.
    pub fn endpoints(&self) -> String {
        let all: Vec<String> = (0..MEMBERS).map(|member| self.client(member)).collect();
        all.join(",")
    }

    /// The address of the member that leads now.
    ///
    /// # Errors
    /// When `etcdctl endpoint status` fails or no member says that it leads.
    pub fn leader(&self) -> Result<String, Failure> {
        let said = process::output(self.tools.command("etcdctl").args([
            "--endpoints",
            &self.endpoints(),
            "endpoint",
            "status",
            "--write-out",
            "json",
        ]))?;
        let members: Vec<serde_json::Value> =
            serde_json::from_str(&said).attempt(|| "etcdctl endpoint status is not as expected")?;
        members
            .iter()
            .find(|member| {
                let status = &member["Status"];
                status["leader"].is_u64() && status["leader"] == status["header"]["member_id"]
            })
            .and_then(|member| member["Endpoint"].as_str().map(str::to_owned))
            .ok_or_else(|| Failure::new("no etcd member says that it leads"))
    }

    /// The members' processes, for [`crate::procfs::usage`].
    pub fn pids(&self) -> Vec<u32> {
        self.members.iter().map(Child::id).collect()
    }

    /// The tools it was started with.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Ends the members as an operator would, and waits for them.
    ///
    /// # Errors
    /// When a member is still there after [`STOP`]; it has been killed then.
    pub fn stop(&mut self) -> Result<(), Failure> {
        process::signal_all("TERM", &self.pids());
        let end = Instant::now() + STOP;
        let mut killed = 0;
        for mut child in self.members.drain(..) {
            while matches!(child.try_wait(), Ok(None)) {
                if Instant::now() > end {
                    killed += 1;
                    let _ended_just_now = child.kill();
                    let _reaped = child.wait();
                    break;
                }
                thread::sleep(LOOK);
            }
        }
        match killed {
            0 => Ok(()),
            n => Err(Failure::new(format!("{n} etcd members had to be killed"))),
        }
    }
}

impl Drop for EtcdPeer {
    fn drop(&mut self) {
        if let Err(failure) = self.stop() {
            say::note(failure.chain());
        }
    }
}
