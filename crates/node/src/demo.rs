//! `hanse demo`: an image is recorded, then the registry's operator attacks it for real; each attack is caught with its
//! reason. Only public commands are used: this program starts itself like any user would (CONTRACT 6).

use std::{path::PathBuf, process::Stdio};

use clap::Args;

use crate::{
    exit::{Exit, Failure},
    out::{self, Out},
};

mod docker;
mod engine;
mod front;
mod layout;
mod operator;
mod script;
mod stage;

use operator::Operator;
use stage::Stage;

/// Arguments of `hanse demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hanse demo                                 with Debian's docker-registry, started for it
  hanse demo --registry localhost:5000       against a registry that runs (attacks on its storage are left out)
  hanse demo --json

Starts a network, a registry and a Docker engine of its own in a temporary directory, and removes all of it at the end.
What cannot be had on this machine (an engine needs root) is listed as not available. Takes about a minute.")]
pub(crate) struct DemoArgs {
    /// Registry to use, as host:port or URL [default: one is started].
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// List each command with its exit code; the same as `-o json`.
    #[arg(long)]
    json: bool,
    /// Keep the directory with everything in it.
    #[arg(long, hide = true)]
    keep: bool,
}

/// Plays the demo.
///
/// # Errors
/// When its parts cannot be started; a step that goes otherwise than expected is [`Exit::Internal`].
pub(crate) async fn run(args: DemoArgs, out: Out) -> Result<Exit, Failure> {
    let json = args.json || out.is_json();
    let mut stage = Stage::new(json, args.keep)?;
    let played = tokio::select! {
        played = play(&mut stage, args.registry.as_deref()) => played,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Environment, "interrupted")),
    };
    stage.strike().await;
    if json {
        out::line(stage.report(played.as_ref().err()));
    }
    match played {
        Ok(()) if stage.all_as_expected() => {
            stage.say("everything went as expected");
            Ok(Exit::Done)
        }
        Ok(()) => Ok(Exit::Internal),
        Err(failure) if json => Ok(failure.exit),
        Err(failure) => Err(failure),
    }
}

async fn play(stage: &mut Stage, registry: Option<&str>) -> Result<(), Failure> {
    let mut operator = match registry {
        Some(url) => Operator::of(url)?,
        None => Operator::start(stage.dir()).await?,
    };
    stage.network_up().await?;
    script::play(stage, &mut operator).await?;
    operator.stop().await;
    script::offline(stage).await
}

/// Whether a program is on the path.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The independent verifier: named by `HANSE_VERIFY_PY`, else found in the checkout this program was built or is run in.
fn python_verifier() -> Option<PathBuf> {
    let name = PathBuf::from("tools/verify-py/hanse_verify.py");
    let named = std::env::var_os("HANSE_VERIFY_PY").map(PathBuf::from);
    let here = std::env::current_dir().ok();
    let program = std::env::current_exe().ok();
    let above = here.iter().chain(&program).flat_map(|path| path.ancestors());
    let mut candidates = named.into_iter().chain(above.map(|dir| dir.join(&name)));
    let found = candidates.find(|path| path.is_file())?;
    let python = std::process::Command::new("python3")
        .args(["-c", "import cryptography"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    python.is_ok_and(|status| status.success()).then_some(found)
}
