//! The truth bench: the same puts at 1, 64, 256 and 1000 clients against the peer and against us.

use std::{fs, time::Duration};

use serde::Serialize;

use super::{
    RUNGS, Side, Wish,
    desk::{Desks, Inside, Work},
    hanse::Network,
    machine::{self, Flush, Machine},
    peer,
};
use crate::{
    etcd::{self, EtcdPeer},
    failure::{Attempt as _, Failure},
    procfs, say, setup, up,
};

/// Ports of the peer and of ours: not those both use by default, so that a running network is left alone, and below those
/// the system gives to outgoing connections.
const PEER_PORT: u16 = 22_379;
const HANSE_PORT: u16 = 22_500;

/// Load average over which a measurement says that it is not to be trusted.
const QUIET: f64 = 0.5;

/// How long four members are watched doing nothing: some heartbeats.
const IDLE: Duration = Duration::from_secs(12);

/// What CONTRACT 6 promises of a benchmark.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    /// In the folder both sides write to, before each round.
    pub(super) fsync_us: Flush,
    pub(super) peer: Option<Peer>,
    pub(super) rows: Vec<Row>,
    /// What only we are measured on.
    pub(super) ours: Vec<Extra>,
}

/// One measure without a peer, the median of the rounds' worst-to-best order.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Extra {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// What the issue of this bench asks for.
    goal: &'static str,
}

#[derive(Serialize)]
pub(super) struct Peer {
    name: &'static str,
    version: String,
}

#[derive(Serialize)]
pub(super) struct Row {
    workload: &'static str,
    clients: u32,
    peer: Option<Side>,
    hanse: Option<Side>,
    /// Where our side's time went, from the run that is shown.
    inside: Option<Inside>,
    /// Our rate by the peer's.
    ratio: Option<f64>,
}

/// Runs all rungs `rounds` times, each round both sides one after the other, and keeps each side's median run.
pub(super) fn run(wish: &Wish) -> Result<(), Failure> {
    setup::ensure(setup::needs_of("bench")?)?;
    let tools = etcd::build()?;
    let binary = match (&wish.hanse, wish.peer_only) {
        (_, true) => None,
        (Some(binary), _) => Some(binary.clone()),
        (None, _) => Some(up::build_release()?),
    };
    fs::create_dir_all(&wish.dir).attempt(|| format!("could not make {}", wish.dir.display()))?;
    let machine = machine::describe()?;
    if machine.load > QUIET {
        say::note(format_args!(
            "load {}: others are at work here, and the numbers are theirs too",
            machine.load
        ));
    }
    let version = tools.version.clone();
    let mut seen = Seen::default();
    for round in 0..wish.rounds {
        seen.flushes.extend(machine::flushes(&wish.dir)?);
        if !wish.ours_only {
            let dir = wish.dir.join(format!("etcd-{round}"));
            let etcd = EtcdPeer::start_with(tools.clone(), &dir, PEER_PORT)?;
            climb(("etcd", &dir), round, &mut seen.theirs, |clients, puts| {
                Ok((peer::put(&etcd, clients, puts)?, None))
            })?;
        }
        if let Some(binary) = &binary {
            let dir = wish.dir.join(format!("hanse-{round}"));
            if wish.door {
                let network = Network::start(binary, &dir, HANSE_PORT)?;
                climb(("hanse", &dir), round, &mut seen.ours, |clients, puts| {
                    Ok((network.put(clients, puts)?, None))
                })?;
            } else {
                hashing(binary, wish, round, &mut seen)?;
                desk_round(binary, &dir, round, &mut seen)?;
            }
        }
    }
    fs::remove_dir_all(&wish.dir).attempt(|| format!("could not remove {}", wish.dir.display()))?;
    let peer = Some(Peer { name: "etcd", version });
    let (rows, ours) = (rows(seen.theirs, seen.ours), extras(&seen.extras));
    let fsync_us = machine::percentiles(seen.flushes);
    print(&Report { machine, fsync_us, peer, rows, ours }, wish.json)
}

type Runs = Vec<(Side, Option<Inside>)>;

/// Everything the rounds found.
struct Seen {
    flushes: Vec<Duration>,
    theirs: Vec<Runs>,
    ours: Vec<Runs>,
    extras: Vec<Extra>,
}

impl Default for Seen {
    fn default() -> Self {
        let empty = || vec![Vec::new(); RUNGS.len()];
        Self { flushes: Vec::new(), theirs: empty(), ours: empty(), extras: Vec::new() }
    }
}

pub(super) fn extra(
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: &'static str,
) -> Extra {
    Extra { name, value, unit, goal }
}

impl Seen {
    fn extra(&mut self, round: u32, extra: Extra) {
        let Extra { name, value, unit, goal } = &extra;
        say::note(format_args!("round {round} {name}: {value:.2} {unit} (goal {goal})"));
        self.extras.push(extra);
    }
}

/// Hashing of image layers against `openssl speed` of the same run, one core and all of them.
fn hashing(
    binary: &std::path::Path,
    wish: &Wish,
    round: u32,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for (name, blobs, mib) in [
        ("blob hashing on one core: share of openssl", 1, 512),
        ("blob hashing on all cores: share of openssl", cores * 2, 256),
    ] {
        let dir = wish.dir.join(format!("image-{round}-{blobs}"));
        let openssl = machine::sha256_speed(if blobs == 1 { 1 } else { cores })?;
        let mut command = std::process::Command::new(binary);
        command.args(["bench-hash", "--blobs", &blobs.to_string(), "--mib", &mib.to_string()]);
        let said = crate::process::output(command.arg("--dir").arg(&dir))?;
        let said: serde_json::Value =
            serde_json::from_str(said.trim()).attempt(|| "hanse bench-hash printed no result")?;
        let ours = said["bytes_per_second"].as_f64().unwrap_or(0.0);
        fs::remove_dir_all(&dir).attempt(|| format!("could not remove {}", dir.display()))?;
        seen.extra(round, Extra { name, value: ours / openssl * 100.0, unit: "%", goal: ">= 80" });
    }
    Ok(())
}

/// All that is measured of four members in one life of theirs.
fn desk_round(
    binary: &std::path::Path,
    dir: &std::path::Path,
    round: u32,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let mut desks = Desks::start(binary, dir, HANSE_PORT)?;
    say::note(format_args!("round {round} members {:?}", desks.pids()));
    // Warm: connections, caches, first settlements.
    let session = |clients, commands| Work { signed: false, clients, commands, pause_ms: 0 };
    desks.run(session(64, 4_000))?;
    let (used, inside) = desks.idle(IDLE)?;
    let seconds = IDLE.as_secs_f64();
    seen.extra(
        round,
        extra("empty block: flushes of the log", inside.flushes, "per member", "<= 3"),
    );
    seen.extra(round, extra("empty block: CPU", inside.cpu_ms, "ms per member", "<= 1.3"));
    seen.extra(
        round,
        extra("idle member: CPU", used.cpu().as_secs_f64() / seconds / 4.0 * 100.0, "%", "<= 1.5"),
    );
    seen.extra(
        round,
        extra("idle member: memory", used.resident_bytes as f64 / 4.0 / 1e6, "MB", "<= 120"),
    );
    let first = Work { signed: false, clients: 1, commands: 16, pause_ms: 700 };
    seen.extra(
        round,
        extra("first command after idling: p50", desks.run(first)?.0.p50_us / 1e3, "ms", "<= 6"),
    );
    climb(("hanse", dir), round, &mut seen.ours, |clients, puts| {
        let (side, inside) = desks.run(session(clients, puts))?;
        Ok((side, Some(inside)))
    })?;
    let signed = Work { signed: true, clients: 1_000, commands: 40_000, pause_ms: 0 };
    seen.extra(
        round,
        extra("signed commands", desks.run(signed)?.0.per_second, "per s", ">= 5000"),
    );
    let all = desks.run(session(256, 40_000))?.0.per_second;
    desks.kill_one()?;
    desks.run(session(256, 8_000))?;
    let without = desks.run(session(256, 40_000))?.0.per_second;
    seen.extra(round, extra("one member dead: rate left", without / all * 100.0, "%", ">= 80"));
    Ok(())
}

fn climb(
    (name, dir): (&str, &std::path::Path),
    round: u32,
    sides: &mut [Runs],
    mut put: impl FnMut(u32, u64) -> Result<(Side, Option<Inside>), Failure>,
) -> Result<(), Failure> {
    for ((clients, puts), runs) in RUNGS.iter().zip(sides) {
        let before = procfs::disk_written(dir)?;
        let (mut side, inside) = put(*clients, *puts)?;
        side.written_bytes = (procfs::disk_written(dir)? - before) as f64 / *puts as f64;
        say::note(format_args!(
            "round {round} {name:<5} {clients:>4} clients {:>8.0}/s p50 {:>7.0} µs p99 {:>7.0} µs",
            side.per_second, side.p50_us, side.p99_us
        ));
        if let Some(inside) = &inside {
            say::note(shown(inside));
        }
        runs.push((side, inside));
    }
    Ok(())
}

fn shown(inside: &Inside) -> String {
    format!(
        "    {} blocks of {:.1}; per block and member {:.2} flushes ({:.2} of the disk), {:.0} B of log, {:.2} ms CPU; {:.1} µs CPU per command and member",
        inside.blocks,
        inside.per_block,
        inside.flushes,
        inside.all_flushes,
        inside.log_bytes,
        inside.cpu_ms,
        inside.cpu_us_per_command
    )
}

fn rows(theirs: Vec<Runs>, ours: Vec<Runs>) -> Vec<Row> {
    let rungs = RUNGS.iter().zip(theirs).zip(ours);
    rungs
        .map(|(((clients, _), theirs), ours)| {
            let peer = median(theirs).map(|(side, _)| side);
            let (hanse, inside) = median(ours).unzip();
            let ratio = match (&hanse, &peer) {
                (Some(hanse), Some(peer)) => Some(hanse.per_second / peer.per_second),
                _ => None,
            };
            Row { workload: "put", clients: *clients, peer, hanse, inside: inside.flatten(), ratio }
        })
        .collect()
}

/// Each measure once, with the median of its values.
fn extras(all: &[Extra]) -> Vec<Extra> {
    let mut names: Vec<&'static str> = Vec::new();
    for extra in all {
        if !names.contains(&extra.name) {
            names.push(extra.name);
        }
    }
    let median = |name: &&'static str| {
        let mut of: Vec<&Extra> = all.iter().filter(|extra| extra.name == *name).collect();
        of.sort_by(|a, b| a.value.total_cmp(&b.value));
        of.get(of.len().saturating_sub(1) / 2).map(|extra| (*extra).clone())
    };
    names.iter().filter_map(median).collect()
}

/// The whole run whose rate is the median, so that its latency and CPU belong to that rate.
pub(super) fn median(mut runs: Runs) -> Option<(Side, Option<Inside>)> {
    runs.sort_by(|a, b| a.0.per_second.total_cmp(&b.0.per_second));
    runs.get(runs.len().saturating_sub(1) / 2).copied()
}

pub(super) fn print(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        say::say(serde_json::to_string_pretty(report).attempt(|| "could not write the report")?);
        return Ok(());
    }
    say::say(format_args!("{:?}\nfsync µs {:?}", report.machine, report.fsync_us));
    let side = |side: &Side| {
        let Side { per_second, p50_us, p99_us, cpu_us, written_bytes, .. } = side;
        format!(
            "{per_second:>8.0}/s {p50_us:>7.0} {p99_us:>8.0} µs  cpu {cpu_us:>5.0} µs  disk {written_bytes:>6.0} B"
        )
    };
    for row in &report.rows {
        say::say(format_args!("put, {} in flight", row.clients));
        if let (Some(peer), Some(Peer { name, version })) = (&row.peer, &report.peer) {
            say::say(format_args!("  {name} {version}  {}", side(peer)));
        }
        if let Some(hanse) = &row.hanse {
            say::say(format_args!("  hanse       {}", side(hanse)));
        }
        if let Some(inside) = &row.inside {
            say::say(shown(inside));
        }
        if let Some(ratio) = row.ratio {
            say::say(format_args!("  ratio       {ratio:.2}"));
        }
    }
    for Extra { name, value, unit, goal } in &report.ours {
        say::say(format_args!("{name}: {value:.2} {unit} (goal {goal})"));
    }
    Ok(())
}
