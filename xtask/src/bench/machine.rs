//! What the numbers were measured on: cores, kernel, the disk's flush, the CPU's hash.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    failure::{Attempt as _, Failure},
    process,
};

/// Flushes measured; enough for a 99th percentile that is not the single worst.
const FLUSHES: usize = 200;

/// Bytes appended before each flush: one page, as a small block is.
const APPEND: usize = 4096;

/// The machine's own measure.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    cores: usize,
    cpu: String,
    memory_bytes: u64,
    kernel: String,
    /// Load average over a minute when the run began: more than a little means others were at work.
    pub(super) load: f64,
    /// Bytes per second of SHA-256 as `openssl speed` measures it, one process.
    sha256_one: f64,
    /// The same, as many processes as there are cores.
    sha256_all: f64,
}

/// Latency of append and fdatasync, microseconds.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Flush {
    p50: f64,
    p99: f64,
}

pub(super) fn describe() -> Result<Machine, Failure> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let load = read("/proc/loadavg").split(' ').next().and_then(|word| word.parse().ok());
    Ok(Machine {
        cores,
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        memory_bytes: kib * 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load: load.unwrap_or(0.0),
        sha256_one: sha256_speed(1)?,
        sha256_all: sha256_speed(cores)?,
    })
}

/// Appends and flushes [`FLUSHES`] times in `dir`, in the way a log does, and leaves nothing.
pub(super) fn flushes(dir: &Path) -> Result<Vec<Duration>, Failure> {
    let path = dir.join("flush.probe");
    let say = || format!("could not measure flushes in {}", dir.display());
    let mut file = fs::File::create(&path).attempt(say)?;
    let page = [0x5a; APPEND];
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let start = Instant::now();
        file.write_all(&page).attempt(say)?;
        file.sync_data().attempt(say)?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path).attempt(say)?;
    Ok(times)
}

pub(super) fn percentiles(mut times: Vec<Duration>) -> Flush {
    times.sort_unstable();
    let at = |share: usize| {
        let index = (times.len() * share).div_ceil(100).saturating_sub(1);
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Flush { p50: at(50), p99: at(99) }
}

/// One second of `openssl speed` on 16 KiB blocks.
pub(super) fn sha256_speed(processes: usize) -> Result<f64, Failure> {
    let mut speed = Command::new("openssl");
    speed.args(["speed", "-mr", "-seconds", "1", "-bytes", "16384"]);
    if processes > 1 {
        speed.args(["-multi", &processes.to_string()]);
    }
    let said = process::output(speed.args(["-evp", "sha256"]))?;
    parse_speed(&said).ok_or_else(|| Failure::new("openssl speed printed no rate"))
}

/// The line `+F:22:sha256:532676608.00`, bytes per second; the last one is the sum over processes.
pub(super) fn parse_speed(said: &str) -> Option<f64> {
    let line = said.lines().rev().find(|line| line.starts_with("+F:"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}
