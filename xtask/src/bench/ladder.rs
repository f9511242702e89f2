//! The truth bench: the same puts at 1, 64, 256 and 1000 clients against the peer and against us.

use std::fs;

use serde::Serialize;

use super::{
    RUNGS, Side, Wish,
    hanse::Network,
    machine::{self, Flush, Machine},
    peer,
};
use crate::{
    etcd::{self, EtcdPeer},
    failure::{Attempt as _, Failure},
    say, setup, up,
};

/// Ports of the peer and of ours; outside the ranges both use by default, so that a running network is left alone.
const PEER_PORT: u16 = 42_379;
const HANSE_PORT: u16 = 42_500;

/// Load average over which a measurement says that it is not to be trusted.
const QUIET: f64 = 0.5;

/// What CONTRACT 6 promises of a benchmark.
#[derive(Serialize)]
struct Report {
    machine: Machine,
    /// In the folder both sides write to, before each round.
    fsync_us: Flush,
    peer: Peer,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Peer {
    name: &'static str,
    version: String,
}

#[derive(Serialize)]
struct Row {
    workload: &'static str,
    clients: u32,
    peer: Side,
    hanse: Option<Side>,
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
    let mut flushes = Vec::new();
    let version = tools.version.clone();
    let (mut theirs, mut ours) = (vec![Vec::new(); RUNGS.len()], vec![Vec::new(); RUNGS.len()]);
    for round in 0..wish.rounds {
        flushes.extend(machine::flushes(&wish.dir)?);
        let dir = wish.dir.join(format!("etcd-{round}"));
        let etcd = EtcdPeer::start_with(tools.clone(), &dir, PEER_PORT)?;
        climb("etcd", round, &mut theirs, |clients, puts| peer::put(&etcd, clients, puts))?;
        drop(etcd);
        if let Some(binary) = &binary {
            let dir = wish.dir.join(format!("hanse-{round}"));
            let network = Network::start(binary, &dir, HANSE_PORT)?;
            climb("hanse", round, &mut ours, |clients, puts| network.put(clients, puts))?;
        }
    }
    fs::remove_dir_all(&wish.dir).attempt(|| format!("could not remove {}", wish.dir.display()))?;
    let peer = Peer { name: "etcd", version };
    let report =
        Report { machine, fsync_us: machine::percentiles(flushes), peer, rows: rows(theirs, ours) };
    print(&report, wish.json)
}

fn climb(
    name: &str,
    round: u32,
    sides: &mut [Vec<Side>],
    mut put: impl FnMut(u32, u64) -> Result<Side, Failure>,
) -> Result<(), Failure> {
    for ((clients, puts), runs) in RUNGS.iter().zip(sides) {
        let side = put(*clients, *puts)?;
        say::note(format_args!(
            "round {round} {name:<5} {clients:>4} clients {:>8.0}/s p50 {:>7.0} µs p99 {:>7.0} µs",
            side.per_second, side.p50_us, side.p99_us
        ));
        runs.push(side);
    }
    Ok(())
}

fn rows(theirs: Vec<Vec<Side>>, ours: Vec<Vec<Side>>) -> Vec<Row> {
    let rungs = RUNGS.iter().zip(theirs).zip(ours);
    rungs
        .filter_map(|(((clients, _), theirs), ours)| {
            let peer = median(theirs)?;
            let hanse = median(ours);
            Some(Row {
                workload: "put",
                clients: *clients,
                peer,
                hanse,
                ratio: hanse.map(|hanse| hanse.per_second / peer.per_second),
            })
        })
        .collect()
}

/// The whole run whose rate is the median, so that its latency and CPU belong to that rate.
pub(super) fn median(mut runs: Vec<Side>) -> Option<Side> {
    runs.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    runs.get(runs.len().saturating_sub(1) / 2).copied()
}

fn print(report: &Report, json: bool) -> Result<(), Failure> {
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
        say::say(format_args!(
            "put {:>5}  {} {}  {}",
            row.clients,
            report.peer.name,
            report.peer.version,
            side(&row.peer)
        ));
        if let (Some(hanse), Some(ratio)) = (&row.hanse, row.ratio) {
            say::say(format_args!("           hanse       {}  ratio {ratio:.2}", side(hanse)));
        }
    }
    Ok(())
}
