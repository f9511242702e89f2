//! Our side through the desk: four members that carry their own closed-loop clients (`hanse bench-desk`).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{KEY_SPACE, Side, VALUE_BYTES};
use crate::{
    failure::{Attempt as _, Failure},
    process,
    procfs::{self, Usage},
};

/// Four members, each a process of its own with its log on the disk under measurement.
pub(super) struct Desks {
    members: Vec<Desk>,
    round: u64,
}

struct Desk {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// What the clients of all members do together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Each command signed by its author instead of by the gateway's batch.
    pub(super) signed: bool,
    pub(super) clients: u32,
    pub(super) commands: u64,
    pub(super) pause_ms: u64,
}

/// What the members did for it, per block and member where it says so.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Inside {
    /// Blocks committed.
    pub(super) blocks: u64,
    /// Commands per block.
    pub(super) per_block: f64,
    /// Flushes of the log, per block and member.
    pub(super) flushes: f64,
    /// All flushes, those of checkpoints included, per block and member.
    pub(super) all_flushes: f64,
    /// Bytes of log written, per block and member.
    pub(super) log_bytes: f64,
    /// CPU, milliseconds per block and member.
    pub(super) cpu_ms: f64,
    /// CPU of one member, microseconds per command.
    pub(super) cpu_us_per_command: f64,
}

#[derive(Deserialize)]
struct Ran {
    latencies: Vec<u64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Stats {
    height: u64,
    flushes: u64,
    flushed_bytes: u64,
    checkpoint_flushes: u64,
}

impl Desks {
    /// Makes a fresh network in `dir` and starts its members here.
    pub(super) fn start(binary: &Path, dir: &Path, base_port: u16) -> Result<Self, Failure> {
        let port = base_port.to_string();
        process::output(
            Command::new(binary)
                .args(["up", "--fresh", "--detach", "--base-port", &port, "--dir"])
                .arg(dir),
        )?;
        process::output(Command::new(binary).args(["down", "--dir"]).arg(dir))?;
        let mut members = Vec::new();
        for i in 0..4 {
            members.push(Desk::spawn(binary, dir, i)?);
        }
        let mut desks = Self { members, round: 0 };
        for desk in &mut desks.members {
            let _ready: serde_json::Value = desk.read()?;
        }
        Ok(desks)
    }

    /// Runs `work`, divided among the members that live.
    pub(super) fn run(&mut self, work: Work) -> Result<(Side, Inside), Failure> {
        self.round += 1;
        let (members, round) = (self.members.len() as u64, self.round);
        for (i, desk) in self.members.iter_mut().enumerate() {
            let i = i as u64;
            // A remainder goes to the first ones.
            let share = |all: u64| all / members + u64::from(i < all % members);
            let clients = share(u64::from(work.clients));
            let commands = work.commands * clients / u64::from(work.clients);
            desk.say(&serde_json::json!({
                "do": "prepare", "signed": work.signed, "clients": clients, "commands": commands,
                "keys": KEY_SPACE, "value_bytes": VALUE_BYTES, "pause_ms": work.pause_ms,
                "seed": round * 16 + i,
            }))?;
        }
        for desk in &mut self.members {
            let _prepared: serde_json::Value = desk.read()?;
        }
        let before = self.state()?;
        let begin = Instant::now();
        for desk in &mut self.members {
            desk.say(&serde_json::json!({ "do": "go" }))?;
        }
        let mut latencies = Vec::new();
        for desk in &mut self.members {
            latencies.extend(desk.read::<Ran>()?.latencies);
        }
        let took = begin.elapsed();
        let after = self.state()?;
        let done = latencies.len() as u64;
        latencies.sort_unstable();
        let at = |percent: usize| {
            let index = (latencies.len() * percent).div_ceil(100).saturating_sub(1);
            latencies.get(index).map_or(0.0, |us| *us as f64)
        };
        let side = Side {
            per_second: done as f64 / took.as_secs_f64(),
            p50_us: at(50),
            p99_us: at(99),
            ..Side::default()
        };
        let used = after.0.since(before.0);
        Ok((side.with_usage(used, done), self.inside(used, before.1, after.1, done)))
    }

    /// Lets the members idle, and says what that costs them.
    pub(super) fn idle(&mut self, time: Duration) -> Result<(Usage, Inside), Failure> {
        let before = self.state()?;
        thread::sleep(time);
        let after = self.state()?;
        let used = after.0.since(before.0);
        Ok((used, self.inside(used, before.1, after.1, 0)))
    }

    /// Ends one member as a crash does.
    pub(super) fn kill_one(&mut self) -> Result<(), Failure> {
        let mut last = self.members.pop().ok_or_else(|| Failure::new("no member is left"))?;
        last.child.kill().attempt(|| "could not kill a member")?;
        last.child.wait().attempt(|| "could not wait for a killed member").map(drop)
    }

    fn inside(&self, used: Usage, before: Stats, after: Stats, commands: u64) -> Inside {
        let members = self.members.len() as f64;
        let blocks = after.height - before.height;
        let each = |total: u64| total as f64 / blocks.max(1) as f64 / members;
        let flushes = after.flushes - before.flushes;
        Inside {
            blocks,
            per_block: commands as f64 / blocks.max(1) as f64,
            flushes: each(flushes),
            all_flushes: each(flushes + after.checkpoint_flushes - before.checkpoint_flushes),
            log_bytes: each(after.flushed_bytes - before.flushed_bytes),
            cpu_ms: each(used.user_us + used.system_us) / 1e3,
            cpu_us_per_command: (used.user_us + used.system_us) as f64
                / commands.max(1) as f64
                / members,
        }
    }

    /// What all members used and counted so far; the height is the first one's.
    fn state(&mut self) -> Result<(Usage, Stats), Failure> {
        let (mut used, mut sum) = (Usage::default(), Stats::default());
        for (i, desk) in self.members.iter_mut().enumerate() {
            desk.say(&serde_json::json!({ "do": "stats" }))?;
            let stats: Stats = desk.read()?;
            sum.flushes += stats.flushes;
            sum.flushed_bytes += stats.flushed_bytes;
            sum.checkpoint_flushes += stats.checkpoint_flushes;
            if i == 0 {
                sum.height = stats.height;
            }
            used = used.plus(procfs::usage(desk.child.id())?);
        }
        Ok((used, sum))
    }

    /// Process ids of the members that live.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.members.iter().map(|desk| desk.child.id()).collect()
    }
}

impl Desk {
    fn spawn(binary: &Path, dir: &Path, member: usize) -> Result<Self, Failure> {
        let mut child = Command::new(binary)
            .args(["bench-desk", "--member", &member.to_string(), "--dir"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .attempt(|| format!("could not start {} bench-desk", binary.display()))?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let from = from.ok_or_else(|| Failure::new("a member has no stdout"))?;
        Ok(Self { child, to, from: BufReader::new(from) })
    }

    fn say(&mut self, wish: &serde_json::Value) -> Result<(), Failure> {
        let to = self.to.as_mut().ok_or_else(|| Failure::new("a member has no stdin"))?;
        writeln!(to, "{wish}").attempt(|| "a member does not listen")
    }

    fn read<T: for<'a> Deserialize<'a>>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        self.from.read_line(&mut line).attempt(|| "could not read a member's answer")?;
        serde_json::from_str(&line).attempt(|| format!("a member said {:?}", line.trim()))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // The end of its stdin stops a member.
        drop(self.to.take());
        if let Err(error) = self.child.wait() {
            crate::say::note(format_args!("a member did not end: {error}"));
        }
    }
}
