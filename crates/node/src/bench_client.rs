//! `hanse bench-client` (hidden): closed-loop clients that put keys through the members' session path.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::Engine as _;
use clap::Args;

use crate::{
    client::{Client, escape},
    exit::{Exit, Failure},
    home,
    local::network::Network,
    out,
};

/// Multiplier of a 64-bit linear congruential generator (Knuth, MMIX): keys need spread, not secrecy.
const LCG: u64 = 6_364_136_223_846_793_005;

/// Arguments of `hanse bench-client`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  hanse bench-client --workload put --clients 64 --total 10000")]
pub(crate) struct BenchArgs {
    /// What the clients do.
    #[arg(long, default_value = "put", value_parser = ["put"])]
    workload: String,
    /// Members to load, by URL [default: all of the network].
    #[arg(long, value_name = "URL[,URL]", value_delimiter = ',')]
    endpoint: Vec<String>,
    /// Clients, each with one command in flight.
    #[arg(long, default_value_t = 1)]
    clients: u32,
    /// Commands in all.
    #[arg(long, default_value_t = 1_000)]
    total: u64,
    /// Different keys.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Directory of the network.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// One member and the space its own organisation owns.
#[derive(Clone)]
struct Target {
    client: Client,
    path: String,
}

/// Runs the load and prints one line of JSON.
///
/// # Errors
/// When there is no network, or a command fails.
pub(crate) async fn run(args: BenchArgs) -> Result<(), Failure> {
    let dir = args.dir.clone().map_or_else(home::local_network, Ok)?;
    let network = Network::load(&dir)?
        .ok_or_else(|| Failure::new(Exit::Usage, "there is no network in that directory"))?;
    let wanted = |http: &String| args.endpoint.is_empty() || args.endpoint.contains(http);
    let mut targets = Vec::new();
    for member in network.members.iter().filter(|m| wanted(&m.http)) {
        let client = Client::new(std::slice::from_ref(&member.http))?;
        let path = format!("/v1/spaces/{}/kv", escape(&member.organisation));
        targets.push(Target { client, path });
    }
    if targets.is_empty() {
        return Err(Failure::new(Exit::Usage, "none of the endpoints is of that network"));
    }
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for i in 0..args.clients {
        let target = targets[i as usize % targets.len()].clone();
        clients.spawn(one(args.clone(), target, next.clone()));
    }
    let mut latencies = Vec::new();
    while let Some(done) = clients.join_next().await {
        match done {
            Ok(done) => latencies.extend(done?),
            Err(error) => {
                return Err(Failure::new(Exit::Internal, "a client ended").caused_by(error));
            }
        }
    }
    report(&args, start.elapsed(), latencies);
    Ok(())
}

/// One closed loop.
async fn one(
    args: BenchArgs,
    target: Target,
    next: Arc<AtomicU64>,
) -> Result<Vec<Duration>, Failure> {
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut latencies = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= args.total {
            return Ok(latencies);
        }
        let random = n.wrapping_mul(LCG).rotate_left(31).wrapping_mul(LCG);
        let value: Vec<u8> =
            random.to_le_bytes().iter().copied().cycle().take(args.value_bytes).collect();
        let key = format!("{:016x}", random % args.keys.max(1));
        let body = serde_json::json!({
            "action": { "put": { "key": base64(key.as_bytes()), "value": base64(&value) } }
        });
        let begin = Instant::now();
        let _outcome: serde_json::Value = target.client.post_json(&target.path, &body).await?;
        latencies.push(begin.elapsed());
    }
}

fn report(args: &BenchArgs, took: Duration, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |share: f64| {
        let i = (latencies.len() as f64 * share) as usize;
        latencies
            .get(i.min(latencies.len().saturating_sub(1)))
            .map_or(0.0, |d| d.as_secs_f64() * 1e6)
    };
    let seconds = took.as_secs_f64().max(f64::MIN_POSITIVE);
    out::line(serde_json::json!({
        "workload": args.workload, "clients": args.clients, "done": latencies.len(),
        "per_second": latencies.len() as f64 / seconds, "p50_us": at(0.5), "p99_us": at(0.99),
        "max_us": at(1.0),
    }));
}
