//! `hanse down`: stops the network that `up` started.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use rustix::process::Signal;

use crate::{
    exit::{Exit, Failure},
    home,
    local::{
        network::Network,
        process,
        supervise::{self, Lock},
    },
    out::Out,
};

/// `up` ends within 25 s; a little more for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the lock is tried.
const LOOK: Duration = Duration::from_millis(50);

/// Arguments of `hanse down`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  hanse down\n\nThe data stays; the next `hanse up` goes on with it."
)]
pub(crate) struct DownArgs {
    /// Directory of the network [default: $XDG_STATE_HOME/hanse/local].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Stops it, also when its `up` was killed.
///
/// # Errors
/// [`Exit::Environment`] when it does not end.
pub(crate) fn run(args: DownArgs, out: Out) -> Result<(), Failure> {
    let dir = supervise::directory(args.dir.map_or_else(home::local_network, Ok)?);
    let Some(network) = Network::load(&dir)? else {
        say(out, &dir, "there is no network here, so nothing runs");
        return Ok(());
    };
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        if let Some(_lock) = Lock::take(&dir)? {
            // Read again: the `up` that just ended may have written it.
            let mut network = Network::load(&dir)?.unwrap_or(network);
            process::end_leftovers(&network);
            supervise::forget_pids(&dir, &mut network)?;
            say(out, &dir, if told { "stopped" } else { "nothing runs" });
            return Ok(());
        }
        let supervisor = Network::load(&dir)?.map_or(0, |n| n.supervisor);
        if !told && process::runs(supervisor, &["up"]) {
            process::signal(supervisor, Signal::TERM);
            told = true;
        }
        if Instant::now() > deadline {
            let what = format!("the network in {} did not end", dir.display());
            return Err(Failure::new(Exit::Environment, what).fix(format!("kill -9 {supervisor}")));
        }
        thread::sleep(LOOK);
    }
}

fn say(out: Out, dir: &std::path::Path, state: &str) {
    let answer = serde_json::json!({ "v": 1, "dir": dir, "state": state });
    out.answer(&answer, |_| format!("{}: {state}", dir.display()));
}
