//! Where things are: the checkout, the build cache outside it, the compiler's own host name.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::failure::{Attempt as _, Failure};

/// The root of this checkout, fixed when xtask was compiled: each clone compiles its own.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask is a folder of the workspace")
            .to_path_buf()
    })
}

/// The folder that outlives clones: `$XDG_CACHE_HOME/hanse`, else `~/.cache/hanse`.
pub fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache"),
        PathBuf::from,
    );
    base.join("hanse")
}

/// Where cargo builds: `CARGO_TARGET_DIR` if set, else a folder shared by all clones. Cargo keys what it
/// keeps there by package, version, features and flags, so the dependencies of one clone serve the next.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), PathBuf::from)
}

/// The cargo that runs us, in the checkout, building into [`target`].
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("CARGO_TARGET_DIR", target());
    command
}

/// The triple this compiler builds for, as `rustc -vV` says.
///
/// # Errors
/// When rustc cannot be run or prints no `host:` line.
pub fn host() -> Result<String, Failure> {
    let said = Command::new("rustc")
        .arg("-vV")
        .current_dir(root())
        .output()
        .attempt(|| "could not run rustc")?;
    String::from_utf8_lossy(&said.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| Failure::new("rustc -vV names no host"))
}
