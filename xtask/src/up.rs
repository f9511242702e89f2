//! Build the product and become it.

use std::{os::unix::process::CommandExt as _, process::Command};

use crate::{
    failure::{Attempt as _, Failure},
    process, repo, say, setup,
};

/// Builds `hanse` in release and replaces this process by `hanse up ARGS`, so that signals and the exit code
/// are the product's own.
///
/// # Errors
/// When the build fails or the binary cannot be started; else it does not return.
pub fn up(args: Vec<String>) -> Result<(), Failure> {
    setup::ensure(setup::needs_of("up")?)?;
    let binary = build_release()?;
    say::note(format_args!("{} up {}", binary.display(), args.join(" ")));
    let failed = Command::new(&binary).arg("up").args(args).exec();
    Err(failed).attempt(|| format!("could not start {}", binary.display()))
}

/// Builds the product as users get it and says where it is. Cargo's own progress shows on stderr.
///
/// # Errors
/// When cargo fails; its own words are above.
pub fn build_release() -> Result<std::path::PathBuf, Failure> {
    say::note(
        "building hanse (release; the first build on a machine takes some minutes, later ones seconds)",
    );
    process::succeed(repo::cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "hanse",
        "--bin",
        "hanse",
    ]))?;
    Ok(repo::target().join("release/hanse"))
}

/// Builds the simulator in release and replaces this process by it.
///
/// # Errors
/// When cargo cannot be started; else it does not return.
pub fn simulate(args: Vec<String>) -> Result<(), Failure> {
    let failed = repo::cargo()
        .args(["run", "--release", "--locked", "--package", "hanse-simulator", "--"])
        .args(args)
        .exec();
    Err(failed).attempt(|| "could not start cargo")
}
