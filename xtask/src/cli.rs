//! Turns words into tasks. No argument library: this crate must be compiled in seconds.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    bench, etcd,
    failure::{Attempt as _, Failure},
    floors, say, setup, stages, tidy, up,
};

const HELP: &str = "\
cargo xtask TASK
  up [-- ARGS]              build hanse and start four members; ARGS go to `hanse up`
  test [--list] [--fail-fast] [STAGE…]   the whole test set, cheap failures first
  setup [up|test|demo|bench]   install what that task needs and this machine lacks
  tidy [--write]            the house rules; --write renews the hashes in docs/formats
  floors [--write]          who depends on whom; --write renews docs/floors.out
  simulate ARGS             whole clusters under one seed; ARGS go to the simulator
  etcd-peer [DIR BASE_PORT] build the etcd we are measured against; with DIR, run three until Enter
  bench ladder [-o json] [--peer-only] [--rounds N] [--dir D] [--hanse BINARY]
  bench recovery [-o json] [--keys N] [--dir D] [--hanse BINARY]";

/// Runs the task named by the first word. Exit 0 done, 1 failed, 2 not understood.
pub fn run(args: Vec<String>) -> ExitCode {
    let mut words = args.into_iter();
    let task = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let done = match task.as_str() {
        "up" => up::up(strip_dashes(rest)),
        "simulate" => up::simulate(strip_dashes(rest)),
        "test" => return stages::run(&rest),
        "setup" => set_up(&rest),
        "tidy" => check(tidy::task(has(&rest, "--write"))),
        "floors" => check(floors::task(has(&rest, "--write"))),
        "etcd-peer" => etcd_peer(&rest),
        "bench" => bench::task(&rest),
        "help" | "--help" | "-h" => {
            say::say(HELP);
            return ExitCode::SUCCESS;
        }
        other => {
            say::note(format_args!("unknown task {other:?}\n{HELP}"));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::note(format_args!("xtask {task}: {}", failure.chain()));
            ExitCode::FAILURE
        }
    }
}

fn has(args: &[String], flag: &str) -> bool {
    args.iter().any(|arg| arg == flag)
}

/// `cargo xtask up -- --fresh` hands us the dashes; `hanse up` does not want them.
fn strip_dashes(mut args: Vec<String>) -> Vec<String> {
    if args.first().is_some_and(|arg| arg == "--") {
        args.remove(0);
    }
    args
}

fn set_up(args: &[String]) -> Result<(), Failure> {
    let task = args.first().map_or("test", String::as_str);
    setup::ensure(setup::needs_of(task)?)
}

/// Prints findings and turns any into a failure.
fn check(findings: Result<Vec<String>, Failure>) -> Result<(), Failure> {
    let findings = findings?;
    for finding in &findings {
        say::say(finding);
    }
    match findings.len() {
        0 => Ok(()),
        n => Err(Failure::new(format!("{n} findings"))),
    }
}

fn etcd_peer(args: &[String]) -> Result<(), Failure> {
    let tools = etcd::build()?;
    say::say(tools.folder.display());
    let [dir, port] = args else { return Ok(()) };
    let port = port.parse().attempt(|| format!("{port:?} is not a base port"))?;
    let mut peer = etcd::EtcdPeer::start_with(tools, &PathBuf::from(dir), port)?;
    say::say(format_args!(
        "{} members at {}; Enter stops them",
        peer.pids().len(),
        peer.endpoints()
    ));
    std::io::stdin().read_line(&mut String::new()).attempt(|| "could not wait for Enter")?;
    peer.stop()
}
