//! Processes of a local network that may have been left behind: found by what they run, never by pid alone.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

use super::network::Network;

/// Time a process gets to end by itself: what a member needs to drain, and a little.
const GRACE: Duration = Duration::from_secs(25);
/// How often an ending process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Whether `pid` runs this program with `words` among its arguments. A pid that was given to another program since is not it.
pub(crate) fn runs(pid: u32, words: &[&str]) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let arguments: Vec<&[u8]> = line.split(|b| *b == 0).collect();
    pid != 0 && words.iter().all(|word| arguments.contains(&word.as_bytes()))
}

/// Sends a signal; a process that is gone is no fault.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = rustix::process::kill_process(pid, signal);
    }
}

/// Ends members that an earlier `up` left behind, and waits until they are gone.
pub(crate) fn end_leftovers(network: &Network) {
    let left: Vec<(u32, &Path)> = network
        .members
        .iter()
        .filter(|m| is_member(m.pid, &m.config))
        .map(|m| (m.pid, m.config.as_path()))
        .collect();
    for (pid, _) in &left {
        signal(*pid, Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    for (pid, config) in left {
        while is_member(pid, config) && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        if is_member(pid, config) {
            signal(pid, Signal::KILL);
            while is_member(pid, config) {
                thread::sleep(LOOK);
            }
        }
    }
}

/// Whether `pid` is the member with this configuration, and not yet a corpse.
pub(crate) fn is_member(pid: u32, config: &Path) -> bool {
    runs(pid, &["node", "run", &config.display().to_string()])
}
