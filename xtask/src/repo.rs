//! Where things are: the checkout, the build cache outside it, the compiler's own host name.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use crate::{
    failure::{Attempt as _, Failure},
    say,
};

/// Names the checkout whose sources the target folder was built from last.
const STAMP: &str = "built-from";

/// How long a crate's half-done work is kept for its next compilation.
const INCREMENTAL_KEPT: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// The root of this checkout, as cargo says when it runs xtask. What was true when xtask was compiled may be another clone's.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let ours = manifest.filter(|dir| dir.ends_with("xtask"));
        ours.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into())
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
    static CLAIMED: OnceLock<()> = OnceLock::new();
    CLAIMED.get_or_init(|| {
        if let Err(error) = claim(root(), &target()) {
            say::note(format_args!("could not mark the target folder as this checkout's: {error}"));
        }
    });
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("CARGO_TARGET_DIR", target());
    command
}

/// Makes cargo compile this checkout's own crates anew if another checkout was the last to build into `target`.
///
/// Cargo names what it builds by paths relative to the workspace and takes it for fresh while no source is newer, so it would
/// take an older checkout's crates for those of a newer one, whatever stands in the files. Dependencies are not touched.
fn claim(root: &Path, target: &Path) -> io::Result<()> {
    let stamp = target.join(STAMP);
    let ours = root.display().to_string();
    if fs::read_to_string(&stamp).is_ok_and(|last| last == ours) {
        return Ok(());
    }
    for source in crate_roots(root) {
        fs::File::options().append(true).open(source)?.set_modified(SystemTime::now())?;
    }
    forget(&target.join("debug/incremental"), INCREMENTAL_KEPT);
    fs::create_dir_all(target)?;
    fs::write(stamp, ours)
}

/// Removes the folders in `dir` that nothing was written into for so long. Cargo never does, and each change of versions or
/// features leaves a hundred megabytes per crate behind.
fn forget(dir: &Path, kept: Duration) {
    let old = |entry: &fs::DirEntry| {
        let written = entry.metadata().and_then(|meta| meta.modified());
        written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > kept))
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(old) {
        // Whoever else removes it does as well.
        let _gone = fs::remove_dir_all(entry.path());
    }
}

/// `src/lib.rs` and `src/main.rs` of every crate: what depends on one is compiled again with it.
fn crate_roots(root: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
    let crates = below.map(|entry| entry.path());
    crates
        .chain(["simulator", "xtask"].map(|name| root.join(name)))
        .flat_map(|dir| ["src/lib.rs", "src/main.rs"].map(|file| dir.join(file)))
        .filter(|file| file.exists())
        .collect()
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

#[cfg(test)]
mod tests;
