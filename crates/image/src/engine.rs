//! Local engines: Docker and podman through the Docker API, skopeo as a tool where podman's socket is not open.

mod export;
mod load;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

use crate::archive::Store;
use crate::error::ImageError;
use crate::hashing::Progress;
use crate::reference::EngineName;
use crate::source::SourceOptions;

/// Seconds bollard allows for one answer; our own limits are shorter and end the wait first.
const CLIENT_SECONDS: u64 = 600;

/// Which engine to talk to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// Docker's address (`unix://`, `tcp://`, `http://`); `DOCKER_HOST` or the usual socket if none.
    pub docker_host: Option<String>,
    /// Podman's address; `CONTAINER_HOST` or the usual sockets if none.
    pub podman_host: Option<String>,
}

impl EngineOptions {
    /// Whether somebody said which Docker engine is meant.
    pub(crate) fn names_docker(&self) -> bool {
        self.docker_host.is_some() || named_by_environment().is_some()
    }
}

fn named_by_environment() -> Option<String> {
    std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty())
}

/// A connection to an engine; nothing is sent before it is used.
pub(crate) struct Engine {
    docker: Docker,
    shown: String,
    idle: Duration,
}

/// Docker's API, at the address given, else at `DOCKER_HOST`, else at the usual sockets.
///
/// # Errors
/// `Environment` if the socket does not exist, the address has an unknown scheme, or TLS is demanded.
pub(crate) fn docker(options: &EngineOptions, idle: Duration) -> Result<Engine, ImageError> {
    if let Some(host) = &options.docker_host {
        return connect(host, "docker", idle);
    }
    if let Some(host) = named_by_environment() {
        let tls = std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty());
        if tls && !host.starts_with("unix://") {
            let why = "DOCKER_TLS_VERIFY is set, and TLS to an engine is not supported: forward its socket instead";
            return Err(ImageError::Environment(why.to_owned()));
        }
        return connect(&host, "docker", idle);
    }
    let system = PathBuf::from("/var/run/docker.sock");
    let rootless =
        std::env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("docker.sock"));
    let socket = match rootless {
        Some(rootless) if !system.exists() && rootless.exists() => rootless,
        _ => system,
    };
    connect(&format!("unix://{}", socket.display()), "docker", idle)
}

/// Podman's API, if its socket is there.
pub(crate) fn podman(options: &EngineOptions, idle: Duration) -> Result<Engine, ImageError> {
    if let Some(host) = options
        .podman_host
        .clone()
        .or_else(|| std::env::var("CONTAINER_HOST").ok().filter(|host| !host.is_empty()))
    {
        return connect(&host, "podman", idle);
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let sockets = runtime
        .map(|dir| dir.join("podman/podman.sock"))
        .into_iter()
        .chain([PathBuf::from("/run/podman/podman.sock")]);
    for socket in sockets {
        if socket.exists() {
            return connect(&format!("unix://{}", socket.display()), "podman", idle);
        }
    }
    Err(ImageError::Environment(
        "podman's API socket was not found: start it with `systemctl --user start podman.socket`, or set CONTAINER_HOST"
            .to_owned(),
    ))
}

fn connect(host: &str, name: &str, idle: Duration) -> Result<Engine, ImageError> {
    let shown = format!("{name} at {}", crate::printable(host));
    let connected = match host.split_once("://") {
        Some(("unix", _)) => Docker::connect_with_unix(host, CLIENT_SECONDS, API_DEFAULT_VERSION),
        Some(("tcp" | "http", _)) => {
            Docker::connect_with_http(host, CLIENT_SECONDS, API_DEFAULT_VERSION)
        }
        _ => {
            let why = "its address must start with unix://, tcp:// or http://";
            return Err(ImageError::Environment(format!("{shown} cannot be used: {why}")));
        }
    };
    let docker = connected
        .map_err(|error| ImageError::Environment(format!("{shown} is not there: {error}")))?;
    Ok(Engine { docker, shown, idle })
}

/// Opens an image of podman's storage: through the API, or else by letting skopeo write it to a temporary archive.
///
/// # Errors
/// `Environment` if there is neither, and whatever the way taken reports.
pub(crate) async fn containers_storage(
    name: &EngineName,
    options: &SourceOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Store, ImageError> {
    let missing = match podman(&options.engine, options.registry.idle) {
        Ok(engine) => return engine.export(name, options, progress).await,
        Err(error) => error,
    };
    let Some(skopeo) = find_tool("skopeo") else {
        return Err(no_storage(&missing));
    };
    let target = tempfile::NamedTempFile::new()
        .map_err(ImageError::file(std::env::temp_dir(), "written"))?;
    let to = format!("oci-archive:{}", target.path().display());
    let from = format!("containers-storage:{name}");
    let copied = run_tool(&skopeo, &["copy", "--quiet", &from, &to]).await;
    copied.map_err(|error| match error {
        // skopeo has one exit code for everything; this is how containers/storage says that it has no such image.
        ImageError::Environment(said) if said.contains("does not resolve to an image") => {
            ImageError::NotFound { what: name.to_string(), place: "containers-storage".to_owned() }
        }
        error => error,
    })?;
    let path = target.path().to_path_buf();
    let max_unpacked = options.max_unpacked;
    // skopeo replaces the file, so it is opened by name; the guard removes it afterwards.
    crate::source::blocking(move || Store::take_over(&path, target, max_unpacked)).await
}

pub(crate) fn no_storage(missing: &ImageError) -> ImageError {
    ImageError::Environment(format!(
        "containers-storage cannot be used: {missing}, and skopeo is not installed"
    ))
}

/// Finds a program on `PATH`.
pub(crate) fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs a tool to its end; it is ended if we are.
///
/// # Errors
/// `Environment` with its (escaped) complaint if it fails.
pub(crate) async fn run_tool(program: &Path, arguments: &[&str]) -> Result<(), ImageError> {
    let name = program.file_name().and_then(OsStr::to_str).unwrap_or("the tool").to_owned();
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(ImageError::file(program, "started"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = crate::printable(String::from_utf8_lossy(&output.stderr).trim());
    Err(ImageError::Environment(format!("{name} failed: {said}")))
}
