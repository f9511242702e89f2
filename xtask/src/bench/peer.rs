//! etcd's side of the ladder, under etcd's own benchmark tool.

use super::{KEY_SPACE, Side, VALUE_BYTES};
use crate::{
    etcd::EtcdPeer,
    failure::Failure,
    process,
    procfs::{self, Usage},
};

/// Clients that share one gRPC connection at most so many, as etcd's own published runs do (1000 clients over 100
/// connections).
const CLIENTS_PER_CONNECTION: u32 = 10;

/// One run of `benchmark put`, sent to the leader: followers would only pass it on, which costs etcd a fifth of its
/// rate, and we measure against its best.
pub(super) fn put(peer: &EtcdPeer, clients: u32, puts: u64) -> Result<Side, Failure> {
    let before = used(peer)?;
    let mut command = peer.tools().command("benchmark");
    command.args(["--endpoints", &peer.leader()?, "--precise"]);
    for (name, value) in
        [("--clients", u64::from(clients)), ("--conns", u64::from(connections(clients)))]
    {
        command.args([name, &value.to_string()]);
    }
    command.arg("put");
    for (name, value) in
        [("--total", puts), ("--key-space-size", KEY_SPACE), ("--val-size", VALUE_BYTES)]
    {
        command.args([name, &value.to_string()]);
    }
    let said = process::output(&mut command)?;
    let side = parse(&said).ok_or_else(|| {
        Failure::new(format!(
            "benchmark put printed no result for {clients} clients: {}",
            said.trim()
        ))
    })?;
    Ok(side.with_usage(used(peer)?.since(before), puts))
}

fn connections(clients: u32) -> u32 {
    if clients <= 64 { clients } else { (clients / CLIENTS_PER_CONNECTION).max(64) }
}

fn used(peer: &EtcdPeer) -> Result<Usage, Failure> {
    peer.pids().into_iter().try_fold(Usage::default(), |sum, pid| Ok(sum.plus(procfs::usage(pid)?)))
}

/// `Requests/sec:\t123.4`, `  50% in 0.0012 secs.`, `  99% in …`; any error in its distribution of errors is a failure.
pub(super) fn parse(said: &str) -> Option<Side> {
    if said.contains("Error distribution") {
        return None;
    }
    let number = |text: &str| text.split_whitespace().next()?.parse::<f64>().ok();
    let after = |mark: &str| said.lines().find_map(|line| number(line.trim().strip_prefix(mark)?));
    Some(Side {
        per_second: after("Requests/sec:")?,
        p50_us: after("50% in ")? * 1e6,
        p99_us: after("99% in ")? * 1e6,
        ..Side::default()
    })
}
