//! The binary `hanse`: wires the floors, decides nothing.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

mod bench_client;
mod bench_desk;
mod bench_hash;
mod change;
mod cli;
mod client;
mod demo;
mod down;
mod duration;
mod events;
mod exit;
mod gateway;
mod home;
mod image;
mod key;
mod kv;
mod local;
mod node;
mod org;
mod out;
mod password;
mod proof;
mod seat;
mod show;
mod snapshot;
mod space;
mod status;
mod trust;
mod up;
mod verdict;

use cli::{Cli, Verb};
use exit::{Attempt as _, Exit, Failure};
use home::Home;
use out::Out;

/// A member allocates small things on two threads and frees them on others all day; the system's allocator took a tenth of
/// its time (docs/adr/0011).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let out = Out::new(cli.output);
    let done = Home::find(cli.home).and_then(|home| dispatch(cli.verb, &home, out));
    match done {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            out.failed(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Help and version go where clap sends them; a usage error is also one JSON object if that was asked for.
fn misused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && wants_json(std::env::args().skip(1)) {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::new(Exit::Usage, first).fix("see --help");
        let is_image = std::env::args().nth(1).is_some_and(|verb| verb == "image");
        if is_image {
            out::line(image::failed("", &failure).json(None));
        } else {
            Out::new(out::Format::Json).failed(&failure);
        }
    }
    // A closed stderr is no reason for another exit code.
    let _unsaid = error.print();
    if error.use_stderr() { ExitCode::from(Exit::Usage.code()) } else { ExitCode::SUCCESS }
}

fn wants_json(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.collect();
    args.iter().any(|arg| matches!(arg.as_str(), "-ojson" | "-o=json" | "--output=json"))
        || args
            .windows(2)
            .any(|pair| matches!(pair[0].as_str(), "-o" | "--output") && pair[1] == "json")
}

fn dispatch(verb: Verb, home: &Home, out: Out) -> Result<Exit, Failure> {
    let done = match verb {
        Verb::Image(verb) => return wait(image::run(verb, home, out)),
        Verb::Demo(args) => return wait(demo::run(args, out)),
        Verb::BenchClient(args) => wait(bench_client::run(args)),
        Verb::BenchDesk(args) => wait(bench_desk::run(args)),
        Verb::BenchHash(args) => wait(bench_hash::run(args)),
        Verb::Up(args) => wait(up::run(args)),
        Verb::Down(args) => down::run(args, out),
        Verb::Status(args) => wait(status::run(args, out)),
        Verb::Key(verb) => key::run(verb, home, out),
        Verb::Org(verb) => wait(org::run(verb, home, out)),
        Verb::Gateway(verb) => wait(gateway::run(verb, home, out)),
        Verb::Space(verb) => wait(space::run(verb, home, out)),
        Verb::Seat(verb) => wait(seat::run(verb, home, out)),
        Verb::Kv(verb) => wait(kv::run(verb, home, out)),
        Verb::Proof(verb) => wait(proof::run(verb, home, out)),
        Verb::Snapshot(verb) => wait(snapshot::run(verb, home, out)),
        Verb::Node(verb) => node::run(verb, out),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "hanse", &mut script);
            out::raw(&script);
            Ok(())
        }
        Verb::Version => {
            version(out);
            Ok(())
        }
    };
    done.map(|()| Exit::Done)
}

/// Runs a verb that talks to others.
fn wait<T>(verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .attempt(Exit::Environment, || "could not start the runtime".to_owned())?
        .block_on(verb)
}

fn version(out: Out) {
    let version = env!("CARGO_PKG_VERSION");
    let answer = serde_json::json!({
        "v": 1, "version": version, "protocol_version": node::init::params().protocol_version,
        "proof_format": hanse_proof::VERSION,
    });
    out.answer(&answer, |_| format!("hanse {version}"));
}
