//! Measuring: the machine, the peer, ourselves, in one run and on one disk.

mod desk;
mod hanse;
mod ladder;
mod machine;
mod peer;
mod recovery;

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    failure::{Attempt as _, Failure},
    procfs::Usage,
};

/// Bytes of a value; CONTRACT's workload.
pub const VALUE_BYTES: u64 = 256;

/// Keys are drawn at random from this many.
pub const KEY_SPACE: u64 = 100_000;

/// The rungs: how many clients wait for an answer at once, and how many puts each run makes, chosen for a few
/// seconds per run.
pub const RUNGS: &[(u32, u64)] = &[(1, 2_000), (64, 40_000), (256, 60_000), (1_000, 80_000)];

/// What one side did on one rung.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Side {
    /// Puts answered per second.
    pub per_second: f64,
    /// Median latency, microseconds.
    pub p50_us: f64,
    /// 99th percentile, microseconds.
    pub p99_us: f64,
    /// CPU of all members, kernel time included, microseconds per put. The client's is not in it.
    pub cpu_us: f64,
    /// Bytes written to the disk during the run, by whomever, per put.
    pub written_bytes: f64,
    /// Write-like system calls of all members, per put.
    pub write_calls: f64,
    /// Resident memory of all members after the run, bytes.
    pub resident_bytes: u64,
}

impl Side {
    /// Fills in what the processes used, divided by the puts.
    #[must_use]
    fn with_usage(mut self, used: Usage, puts: u64) -> Self {
        let each = |total: u64| total as f64 / puts.max(1) as f64;
        self.cpu_us = each(used.user_us + used.system_us);
        self.write_calls = each(used.write_calls);
        self.resident_bytes = used.resident_bytes;
        self
    }
}

/// What a benchmark was asked for.
struct Wish {
    json: bool,
    peer_only: bool,
    rounds: u32,
    dir: PathBuf,
    hanse: Option<PathBuf>,
    /// Our side through the REST door and a client process instead of through the desk.
    door: bool,
    /// Only our side.
    ours_only: bool,
    /// Keys that `recovery` fills the state with.
    keys: u64,
}

/// Runs the benchmark named by the first word.
///
/// # Errors
/// When it is unknown, an option is, or a side cannot be measured.
pub fn task(args: &[String]) -> Result<(), Failure> {
    match args.split_first() {
        Some((name, rest)) if name == "ladder" => ladder::run(&wish(rest)?),
        Some((name, rest)) if name == "recovery" => recovery::run(&wish(rest)?),
        _ => Err(Failure::new("which benchmark? There are: ladder, recovery")),
    }
}

fn wish(args: &[String]) -> Result<Wish, Failure> {
    let mut wish = Wish {
        json: false,
        peer_only: false,
        rounds: 3,
        dir: std::env::temp_dir().join(format!("hanse-bench-{}", std::process::id())),
        hanse: None,
        door: false,
        ours_only: false,
        keys: 1_000_000,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value =
            || words.next().ok_or_else(|| Failure::new(format!("{word} wants a value")));
        match word.as_str() {
            "--peer-only" => wish.peer_only = true,
            "--ours-only" => wish.ours_only = true,
            "--door" => wish.door = true,
            "-o" => wish.json = value()? == "json",
            "--dir" => wish.dir = value()?.into(),
            "--hanse" => wish.hanse = Some(value()?.into()),
            "--rounds" => {
                wish.rounds = value()?.parse().attempt(|| "--rounds wants a number")?;
            }
            "--keys" => wish.keys = value()?.parse().attempt(|| "--keys wants a number")?,
            other => return Err(Failure::new(format!("unknown option {other}"))),
        }
    }
    if wish.rounds == 0 {
        return Err(Failure::new("--rounds wants at least 1"));
    }
    Ok(wish)
}

#[cfg(test)]
mod tests;
