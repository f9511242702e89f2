//! How long a member with much state is away: after a crash, and after its disk was lost.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    Wish,
    hanse::Network,
    ladder::{Extra, Report, extra, print},
    machine,
};
use crate::{
    failure::{Attempt as _, Failure},
    process, say, setup, up,
};

/// Ports of the network: not those of the ladder.
const PORT: u16 = 22_600;
/// Clients that fill the state.
const CLIENTS: u32 = 256;
/// The member that goes away.
const VICTIM: usize = 3;
/// Longest wait for a member to come back.
const LIMIT: Duration = Duration::from_secs(600);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A member that this process started; it ends with it.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Fills four members with `wish.keys` keys, and measures saving, restarting after `kill -9`, and starting without a disk.
///
/// # Errors
/// When something does not start, or a member does not come back.
pub(super) fn run(wish: &Wish) -> Result<(), Failure> {
    setup::ensure(setup::needs_of("up")?)?;
    let binary = wish.hanse.clone().map_or_else(up::build_release, Ok)?;
    fs::create_dir_all(&wish.dir).attempt(|| format!("could not make {}", wish.dir.display()))?;
    let machine = machine::describe()?;
    let fsync_us = machine::percentiles(machine::flushes(&wish.dir)?);
    let dir = wish.dir.join("recovery");
    let network = Network::start(&binary, &dir, PORT)?;
    say::note(format_args!("putting {} keys", wish.keys));
    let filled = network.fill(CLIENTS, wish.keys)?;
    let mut ours = Vec::new();
    note(&mut ours, "filled", (filled, "per s"), "-");
    saving(&binary, wish, &mut ours)?;
    let victim = Victim::find(&binary, &dir)?;
    victim.kill()?;
    let began = Instant::now();
    let child = victim.start(&[])?;
    note(&mut ours, "restart after kill -9", (victim.serves(began)?, "s"), "<= 15");
    drop(child);
    fs::remove_dir_all(&victim.data).attempt(|| "could not wipe the member".to_owned())?;
    let began = Instant::now();
    let child = victim.start(&["--verifier-only"])?;
    note(&mut ours, "start without a disk", (victim.serves(began)?, "s"), "<= 30");
    drop(child);
    drop(network);
    fs::remove_dir_all(&wish.dir).attempt(|| format!("could not remove {}", wish.dir.display()))?;
    print(&Report { machine, fsync_us, peer: None, rows: Vec::new(), ours }, wish.json)
}

/// Notes one measure.
fn note(
    ours: &mut Vec<Extra>,
    name: &'static str,
    (value, unit): (f64, &'static str),
    goal: &'static str,
) {
    say::note(format_args!("{name}: {value:.2} {unit} (goal {goal})"));
    ours.push(extra(name, value, unit, goal));
}

fn saving(binary: &Path, wish: &Wish, ours: &mut Vec<Extra>) -> Result<(), Failure> {
    let (file, dir) = (wish.dir.join("state.hsnap"), wish.dir.join("recovery"));
    let endpoint = format!("http://127.0.0.1:{PORT}");
    let root = dir.join("trust-root.json");
    let began = Instant::now();
    let mut command = Command::new(binary);
    command.args(["snapshot", "save"]).arg(&file).args(["--endpoint", &endpoint, "--trust-root"]);
    process::output(command.arg(&root))?;
    note(ours, "saving a snapshot", (began.elapsed().as_secs_f64(), "s"), "-");
    let bytes = fs::metadata(&file).map_or(0, |file| file.len());
    note(ours, "size of the snapshot", (bytes as f64 / 1e6, "MB"), "-");
    let began = Instant::now();
    let mut command = Command::new(binary);
    command.args(["snapshot", "verify"]).arg(&file).arg("--trust-root").arg(&root);
    process::output(&mut command)?;
    note(ours, "verifying it", (began.elapsed().as_secs_f64(), "s"), "-");
    fs::remove_file(&file).attempt(|| format!("could not remove {}", file.display()))
}

/// The member that goes away.
struct Victim {
    binary: PathBuf,
    pid: u64,
    config: PathBuf,
    data: PathBuf,
    door: String,
}

impl Victim {
    fn find(binary: &Path, dir: &Path) -> Result<Self, Failure> {
        let what = || "network.json does not describe the member".to_owned();
        let text = fs::read_to_string(dir.join("network.json")).attempt(what)?;
        let network: serde_json::Value = serde_json::from_str(&text).attempt(what)?;
        let member = &network["members"][VICTIM];
        let path = |field: &str| member[field].as_str().map(PathBuf::from);
        let (Some(config), Some(data), Some(pid)) =
            (path("config"), path("data"), member["pid"].as_u64())
        else {
            return Err(Failure::new(what()));
        };
        let door = format!("127.0.0.1:{}", usize::from(PORT) + 10 * VICTIM);
        Ok(Self { binary: binary.to_path_buf(), pid, config, data, door })
    }

    fn kill(&self) -> Result<(), Failure> {
        process::output(Command::new("kill").args(["-9", &self.pid.to_string()]))?;
        while Path::new("/proc").join(self.pid.to_string()).exists() {
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn start(&self, more: &[&str]) -> Result<Started, Failure> {
        let mut command = Command::new(&self.binary);
        command.args(["node", "run", "--config"]).arg(&self.config).args(more);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Started(child.attempt(|| "could not start the member".to_owned())?))
    }

    /// Seconds from `began` until it answers that it is ready.
    fn serves(&self, began: Instant) -> Result<f64, Failure> {
        while began.elapsed() < LIMIT {
            if self.ready() {
                return Ok(began.elapsed().as_secs_f64());
            }
            std::thread::sleep(LOOK);
        }
        Err(Failure::new(format!("the member was not ready within {} s", LIMIT.as_secs())))
    }

    fn ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut door = TcpStream::connect(&self.door)?;
            door.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(door, "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut heard = String::new();
            door.read_to_string(&mut heard)?;
            Ok(heard)
        };
        ask().is_ok_and(|heard| heard.split(' ').nth(1) == Some("200"))
    }
}
