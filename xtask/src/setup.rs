//! Installs what a task needs and this machine lacks: Debian packages, as root, once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    failure::{Attempt as _, Failure},
    process, say,
};

/// Tries of one apt command; mirrors drop connections now and then.
const TRIES: u32 = 4;

/// First pause between two tries; doubled each time.
const PAUSE: Duration = Duration::from_secs(3);

/// The Debian release whose package series are pinned below.
const PINNED_RELEASE: &str = "bookworm";

/// Something a task needs besides cargo and a C compiler, without which xtask would not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A registry to push to: Debian's docker-registry.
    Registry,
    /// The client most people copy images with.
    Skopeo,
    /// A Docker engine and its client. `dockerd --storage-driver=vfs --iptables=false --bridge=none` runs
    /// without a kernel's help.
    Engine,
    /// A Python that imports `cryptography`, for the independent verifier.
    PythonCryptography,
    /// Makes certificates for tests; what blob hashing is measured against.
    Openssl,
    /// Brings up the loopback of an empty network, in which a test starts the product.
    Ip,
    /// Builds the etcd we are measured against. Not installed by us.
    Go,
}

/// How a need is met.
struct Remedy {
    package: &'static str,
    /// The package's series in [`PINNED_RELEASE`]: what our tests have run with.
    series: &'static str,
    present: fn() -> bool,
    /// What brings the rest where a later Debian split the package.
    rest: Option<&'static str>,
}

impl Need {
    fn remedy(self) -> Option<Remedy> {
        let (package, series, present): (_, _, fn() -> bool) = match self {
            Self::Registry => ("docker-registry", "2.8.*", || on_path("docker-registry")),
            Self::Skopeo => ("skopeo", "1.9.*", || on_path("skopeo")),
            Self::Engine => ("docker.io", "20.10.*", || on_path("dockerd") && on_path("docker")),
            Self::PythonCryptography => ("python3-cryptography", "38.*", || python().is_some()),
            Self::Openssl => ("openssl", "3.0.*", || on_path("openssl")),
            Self::Ip => ("iproute2", "6.1.*", || on_path("ip")),
            Self::Go => return None,
        };
        // Debian 13 has the client in a package of its own.
        let rest = (self == Self::Engine).then_some("docker-cli");
        Some(Remedy { package, series, present, rest })
    }
}

/// What each task needs. `up` needs nothing: whoever can run cargo can run Hanse.
///
/// # Errors
/// When there is no such task.
pub fn needs_of(task: &str) -> Result<&'static [Need], Failure> {
    use Need::{Engine, Go, Ip, Openssl, PythonCryptography, Registry, Skopeo};
    match task {
        "up" => Ok(&[]),
        "demo" => Ok(&[PythonCryptography, Registry, Skopeo, Engine]),
        "test" => Ok(&[PythonCryptography, Registry, Skopeo, Engine, Openssl, Ip]),
        "bench" => Ok(&[Openssl, Go]),
        other => Err(Failure::new(format!(
            "nothing is known of setting up {other:?}; try up, test, demo or bench"
        ))),
    }
}

/// Installs those of `needs` that are missing; does nothing, and asks no network, when none is.
///
/// # Errors
/// When something is missing and this is not root, not Debian, or apt still fails after [`TRIES`] tries.
pub fn ensure(needs: &[Need]) -> Result<(), Failure> {
    if needs.contains(&Need::Go) && !on_path("go") {
        return Err(Failure::new(
            "go is not installed; the etcd we measure against is built with it (1.26 or later)",
        ));
    }
    let missing: Vec<Remedy> = needs
        .iter()
        .filter_map(|need| need.remedy())
        .filter(|remedy| !(remedy.present)())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|remedy| remedy.package).collect();
    let names = names.join(" ");
    if !on_path("apt-get") {
        return Err(Failure::new(format!(
            "missing here: {names} (Debian's names); without apt-get, install them your own way"
        )));
    }
    if !is_root() {
        return Err(Failure::new(format!(
            "missing here: {names}; run once as root: apt-get install {names}"
        )));
    }
    install(&missing, &names)?;
    for remedy in missing.iter().filter(|remedy| !(remedy.present)()) {
        if let Some(rest) = remedy.rest {
            retried(&["install", "--yes", "--no-install-recommends", rest])?;
        }
    }
    match missing.iter().find(|remedy| !(remedy.present)()) {
        None => Ok(()),
        Some(remedy) => {
            Err(Failure::new(format!("{} is installed and still does not answer", remedy.package)))
        }
    }
}

fn install(missing: &[Remedy], names: &str) -> Result<(), Failure> {
    say::note(format_args!("installing {names}"));
    let pinned = release().as_deref() == Some(PINNED_RELEASE);
    if !pinned {
        say::note(format_args!(
            "this is not Debian {PINNED_RELEASE}: taking its own versions, with which nothing was tried"
        ));
    }
    retried(&["update"])?;
    let wanted: Vec<String> = missing
        .iter()
        .map(|remedy| match pinned {
            true => format!("{}={}", remedy.package, remedy.series),
            false => remedy.package.to_owned(),
        })
        .collect();
    let mut words = vec!["install", "--yes", "--no-install-recommends"];
    words.extend(wanted.iter().map(String::as_str));
    retried(&words)
}

/// One apt command, quiet unless it fails, tried again with growing pauses.
fn retried(words: &[&str]) -> Result<(), Failure> {
    let mut pause = PAUSE;
    for left in (0..TRIES).rev() {
        let mut apt = Command::new("apt-get");
        apt.args(["-q", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300"])
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Daemons are started by our tests, in their own folders, never by the package.
            .env("RUNLEVEL", "1")
            .stdin(Stdio::null());
        match process::output(&mut apt) {
            Ok(_) => return Ok(()),
            Err(failure) if left == 0 => return Err(failure),
            Err(failure) => say::note(format_args!("{}; trying again", failure.chain())),
        }
        thread::sleep(pause);
        pause *= 2;
    }
    unreachable!("the last try returns")
}

/// The first Python here that can check signatures: the one on the path, else Debian's own.
pub fn python() -> Option<PathBuf> {
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| {
            Command::new(python)
                .args(["-c", "import cryptography.hazmat.primitives.asymmetric.ed25519"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
        .map(PathBuf::from)
}

/// Whether a program of this name is on the path, or where Debian keeps its daemons.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// The owner of our own `/proc` entry is who we are.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

fn release() -> Option<String> {
    let text = fs::read_to_string(Path::new("/etc/os-release")).attempt(|| "no os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(name.trim_matches('"').to_owned())
}
