//! `hanse-simulator`: whole clusters under one seed.

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use hanse_crypto::hash;
use hanse_simulator::{Plan, Report, Scenario, run};

/// Runs four members under a seed, lets things go wrong, and checks everything. The last line is one JSON object.
#[derive(Parser)]
#[command(name = "hanse-simulator")]
struct Arguments {
    /// A seed, or a range A..B of seeds, B not included.
    #[arg(long, default_value = "1")]
    seed: String,
    /// calm, partitions, loss, delay, crashes, power, slow, silent, chaos, amnesia, wipes, or all.
    #[arg(long, default_value = "all")]
    scenario: String,
    /// Simulated seconds in which things go wrong.
    #[arg(long, default_value_t = 40)]
    seconds: u64,
    /// Start no new seed after this many seconds; each scenario runs at least once.
    #[arg(long, default_value_t = u64::MAX)]
    budget_s: u64,
    /// Print the JSON of each run as well, and nothing for people.
    #[arg(long)]
    json: bool,
}

fn seeds(text: &str) -> Option<std::ops::Range<u64>> {
    match text.split_once("..") {
        Some((from, to)) => Some(from.parse().ok()?..to.parse().ok()?),
        None => {
            let seed: u64 = text.parse().ok()?;
            Some(seed..seed.checked_add(1)?)
        }
    }
}

fn scenarios(text: &str) -> Option<Vec<Scenario>> {
    if text == "all" {
        return Some(Scenario::ALL.to_vec());
    }
    let found = Scenario::ALL.into_iter().find(|s| s.name() == text)?;
    Some(vec![found])
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Silent unless RUST_LOG asks; the simulated time is in no line, for nothing here has a clock.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let (Some(seeds), Some(scenarios)) = (seeds(&arguments.seed), scenarios(&arguments.scenario))
    else {
        say_error("the seed or the scenario is not understood; see --help");
        return ExitCode::from(2);
    };
    let (began, budget) = (Instant::now(), Duration::from_secs(arguments.budget_s));
    let mut reports: Vec<Report> = Vec::new();
    for (turn, seed) in seeds.enumerate() {
        for &scenario in &scenarios {
            if turn > 0 && began.elapsed() >= budget {
                continue;
            }
            let report = run(Plan { seed, scenario, seconds: arguments.seconds, flaw: None });
            if arguments.json {
                say(&json(&report));
            } else {
                tell(&report);
            }
            reports.push(report);
        }
    }
    let Some(total) = total(reports, &arguments.scenario) else {
        say_error("the range of seeds is empty");
        return ExitCode::from(2);
    };
    say(&json(&total));
    if total.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One report for all; a single run's is its own.
fn total(mut reports: Vec<Report>, scenario: &str) -> Option<Report> {
    if reports.len() == 1 {
        return reports.pop();
    }
    let first = reports.first()?.clone();
    let digests: Vec<u8> = reports.iter().flat_map(|r| r.digest.bytes()).collect();
    Some(Report {
        scenario: scenario.to_owned(),
        digest: hash("hanse-simulator/total", &[&digests]).to_string(),
        height: reports.iter().map(|r| r.height).sum(),
        sim_s: reports.iter().map(|r| r.sim_s).sum(),
        wall_s: reports.iter().map(|r| r.wall_s).sum(),
        faults: reports.iter().map(|r| r.faults).sum(),
        ok: reports.iter().all(|r| r.ok),
        ..first
    })
}

fn json(report: &Report) -> String {
    serde_json::to_string(report).expect("a report is plain data")
}

fn tell(report: &Report) {
    let Report { seed, scenario, height, sim_s, wall_s, faults, counts, .. } = report;
    let verdict = if report.ok { "ok" } else { "FAILED" };
    let rate = sim_s / wall_s;
    let digest = report.digest.get(..12).unwrap_or_default();
    say(&format!(
        "{scenario:<10} seed {seed:<6} {verdict:<6} {digest}  height {height:<5} {sim_s:.0} s simulated in {wall_s:.1} s \
         ({rate:.0}x), {faults} faults, {} actions, {} acknowledged (median {} ms), {} expired, {} unknown, \
         {} certificates, {} proofs, {} writes lost, {} messages held back, {} states taken over",
        counts.actions,
        counts.acknowledged,
        counts.median_ms,
        counts.expired,
        counts.unknown,
        counts.certificates,
        counts.proofs,
        counts.lost_writes,
        counts.unsent,
        counts.taken,
    ));
    if counts.empty.0 > 0.0 {
        let ((empty, whole_empty), (loaded, whole_loaded)) = (counts.empty, counts.loaded);
        say(&format!(
            "           flushes per block and member: log {empty:.2} empty, {loaded:.2} loaded; whole disk {whole_empty:.2} \
             empty, {whole_loaded:.2} loaded"
        ));
    }
    for finding in &report.findings {
        say(&format!("           {finding}"));
    }
}

fn say(line: &str) {
    // Whoever closed the pipe wants no more.
    let _closed = writeln!(std::io::stdout(), "{line}");
}

fn say_error(line: &str) {
    let _closed = writeln!(std::io::stderr(), "hanse-simulator: {line}");
}
