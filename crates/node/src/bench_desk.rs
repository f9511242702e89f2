//! `hanse bench-desk` (hidden): a member with closed-loop clients inside, so that `cargo xtask bench` measures the desk
//! and no door.
//!
//! One JSON object per line, in and out: `prepare` makes the commands, `go` runs them, `stats` counts; the end of stdin
//! stops the member.

use std::{
    io::BufRead as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use hanse_crypto::SigningKey;
use hanse_ledger::{Ledger, SubmitError, Ticket};
use hanse_member::real::{Member, run as run_member};
use hanse_types::{
    Action, COMMAND_DOMAIN, Command, KvAction, SignedCommand, SignedPayload, Status, encode,
};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{
    change::now_ms,
    exit::{Attempt as _, Exit, Failure},
    home, key,
    local::network::Network,
    node::{config::Loaded, run::describe},
    out, password,
};

/// Multiplier of a 64-bit linear congruential generator (Knuth, MMIX): keys need spread, not secrecy.
const LCG: u64 = 6_364_136_223_846_793_005;
/// How long prepared signed commands stay valid.
const VALID_MS: u64 = 9 * 60 * 1000;

/// Arguments of `hanse bench-desk`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  hanse bench-desk --dir D --member 0")]
pub(crate) struct DeskArgs {
    /// Directory of a local network that is down.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Which member, from 0.
    #[arg(long, value_name = "I")]
    member: usize,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Wish {
    Prepare(Load),
    Go,
    Stats,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Load {
    /// Whether the organisation's admin signs each command; else they are session actions.
    signed: bool,
    /// Closed loops.
    clients: usize,
    /// Commands of all loops together.
    commands: usize,
    /// Different keys.
    keys: u64,
    /// Bytes of a value.
    value_bytes: usize,
    /// Milliseconds each loop rests before each command.
    pause_ms: u64,
    /// Makes one member's keys differ from another's.
    seed: u64,
}

/// A command ready to be submitted.
enum Prepared {
    Session(Action),
    Signed(Command),
}

struct Desk {
    ledger: Arc<Ledger>,
    space: String,
    admin: SigningKey,
}

/// Runs the member until stdin ends.
///
/// # Errors
/// When the member does not start or fails, or a line is not understood.
pub(crate) async fn run(args: DeskArgs) -> Result<(), Failure> {
    let network = Network::load(&args.dir)?
        .ok_or_else(|| Failure::new(Exit::Usage, "there is no network in that directory"))?;
    let (Some(member), Some(owner)) =
        (network.members.get(args.member), network.organisations.get(args.member))
    else {
        return Err(Failure::new(Exit::Usage, "the network has no such member"));
    };
    let admin = key::unlock(
        &owner.key,
        &key::read(&owner.key)?,
        &password::from_file(&owner.password_file)?,
    )?;
    let loaded = Loaded::load(&member.config)?;
    home::private_dir(&loaded.config.data)?;
    let (config, settings) = describe(&loaded)?;
    let mut running = run_member(config, settings)
        .await
        .attempt(Exit::Internal, || "the member did not start".to_owned())?;
    let desk = Arc::new(Desk { ledger: running.ledger.clone(), space: owner.name.clone(), admin });
    out::line(serde_json::json!({ "ready": running.ledger.status().height }));
    let mut lines = stdin_lines();
    let mut prepared = None;
    while let Some(line) = lines.recv().await {
        let wish: Wish = serde_json::from_str(&line)
            .attempt(Exit::Usage, || "a line on stdin is no wish".to_owned())?;
        match wish {
            Wish::Prepare(load) => {
                prepared = Some((load.clone(), desk.prepare(&load)));
                out::line(serde_json::json!({ "prepared": load.commands }));
            }
            Wish::Go => {
                let (load, commands) = prepared
                    .take()
                    .ok_or_else(|| Failure::new(Exit::Usage, "go without prepare"))?;
                desk.clone().go(load, commands).await?;
            }
            Wish::Stats => stats(&running),
        }
    }
    running.stop();
    running.ended().await.attempt(Exit::Storage, || "the member failed".to_owned())
}

/// Lines of stdin, read on a thread of their own: reading cannot be cancelled.
fn stdin_lines() -> mpsc::UnboundedReceiver<String> {
    let (say, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if say.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn stats(member: &Member) {
    let (status, counters) = (member.ledger.status(), member.counters());
    out::line(serde_json::json!({
        "height": status.height, "flushes": counters.flushes,
        "flushed_bytes": counters.flushed_bytes, "syncs": counters.syncs,
        "vote_syncs": counters.vote_syncs, "checkpoints": counters.checkpoints,
        "checkpoint_flushes": counters.checkpoint_flushes,
    }));
}

impl Desk {
    fn prepare(&self, load: &Load) -> Vec<Prepared> {
        let valid_until_ms = now_ms() + VALID_MS;
        let sign = |n: u64, action: Action| {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&valid_until_ms.to_le_bytes());
            nonce[8..].copy_from_slice(&n.to_le_bytes());
            let payload = SignedPayload {
                chain_id: self.ledger.genesis().chain_id(),
                key: self.admin.public(),
                nonce,
                valid_until_ms,
                action,
            };
            let signature = self.admin.sign(COMMAND_DOMAIN, &encode(&payload));
            Prepared::Signed(Command::signed(&SignedCommand { payload, signature }))
        };
        let commands = (0..load.commands as u64).map(|n| {
            let random = (load.seed.wrapping_mul(LCG) ^ n).wrapping_mul(LCG).rotate_left(31);
            let random = random.wrapping_mul(LCG);
            let value = random.to_le_bytes().into_iter().cycle().take(load.value_bytes);
            let action = Action::Kv(KvAction::Put {
                space: self.space.clone(),
                key: format!("{:016x}", (random >> 8) % load.keys.max(1)).into_bytes(),
                value: value.collect(),
            });
            if load.signed { sign(n, action) } else { Prepared::Session(action) }
        });
        commands.collect()
    }

    /// Runs the loops and prints how long each command took, in microseconds.
    async fn go(self: Arc<Self>, load: Load, commands: Vec<Prepared>) -> Result<(), Failure> {
        let commands = Arc::new(commands);
        let next = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..load.clients {
            let (desk, commands, next) = (self.clone(), commands.clone(), next.clone());
            let pause = Duration::from_millis(load.pause_ms);
            clients.spawn(async move {
                let mut took = Vec::new();
                while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    took.push(desk.one(command).await?);
                }
                Ok::<_, Failure>(took)
            });
        }
        let mut latencies: Vec<u64> = Vec::with_capacity(commands.len());
        while let Some(done) = clients.join_next().await {
            latencies.extend(done.attempt(Exit::Internal, || "a client ended".to_owned())??);
        }
        let micros = begin.elapsed().as_micros() as u64;
        out::line(serde_json::json!({ "micros": micros, "latencies": latencies }));
        Ok(())
    }

    /// One command, pushed back and tried again until it is taken; microseconds until its outcome.
    async fn one(&self, command: &Prepared) -> Result<u64, Failure> {
        let begin = Instant::now();
        let outcome = loop {
            match self.submit(command) {
                Ok(ticket) => break ticket.await,
                Err(SubmitError::Full { retry_after_ms }) => {
                    tokio::time::sleep(Duration::from_millis(retry_after_ms)).await;
                }
                Err(SubmitError::NotReady) => tokio::task::yield_now().await,
                Err(error) => {
                    return Err(Failure::new(Exit::Internal, "refused").caused_by(error));
                }
            }
        };
        let outcome = outcome.attempt(Exit::Internal, || "no outcome".to_owned())?;
        match outcome.receipt.status {
            Status::Refused(refusal) => {
                Err(Failure::new(Exit::Refused, format!("a command was refused: {refusal:?}")))
            }
            _ => Ok(begin.elapsed().as_micros() as u64),
        }
    }

    fn submit(&self, command: &Prepared) -> Result<Ticket, SubmitError> {
        match command {
            Prepared::Session(action) => {
                self.ledger.submit_session(&self.space, "bench", action.clone())
            }
            Prepared::Signed(command) => self.ledger.submit(command.clone()),
        }
    }
}
