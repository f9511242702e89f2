//! Running other programs: shown, time-boxed, and ended with everything they started.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::{Attempt as _, Failure},
    procfs,
};

/// How long a program that overran its time may take to put its house in order before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How long a finished program's stdout may stay open because of children it left behind.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// How a time-boxed program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended by itself with this code; none if by a signal.
    Code(Option<i32>),
    /// Its time was up; it and its children were ended.
    OutOfTime,
}

enum Event {
    Line(String),
    Closed,
    Exit(std::io::Result<ExitStatus>),
}

/// Runs `command` with no stdin, hands each line of its stdout to `line`, and ends it when `limit` is over.
/// Children stay in the caller's process group, so Ctrl-C reaches them too.
///
/// # Errors
/// When the program cannot be started or waited for.
pub fn run(
    command: &mut Command,
    limit: Duration,
    line: &mut dyn FnMut(&str),
) -> Result<Ending, Failure> {
    let name = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .attempt(|| format!("could not start {name}"))?;
    let pid = child.id();
    let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
    let (send, events) = mpsc::channel();
    let lines = send.clone();
    thread::spawn(move || {
        for text in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&text).into_owned();
            if lines.send(Event::Line(text)).is_err() {
                return;
            }
        }
        let _gone = lines.send(Event::Closed);
    });
    thread::spawn(move || {
        let _gone = send.send(Event::Exit(child.wait()));
    });
    follow(&events, pid, Instant::now() + limit, line)
        .attempt(|| format!("could not wait for {name}"))
}

/// Waits for both the exit and the end of the output; past the deadline asks, then kills.
fn follow(
    events: &mpsc::Receiver<Event>,
    pid: u32,
    mut deadline: Instant,
    line: &mut dyn FnMut(&str),
) -> std::io::Result<Ending> {
    let (mut exit, mut closed, mut signals) = (None, false, ["TERM", "KILL"].into_iter());
    let mut late = false;
    while exit.is_none() || !closed {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Line(text)) => line(&text),
            Ok(Event::Closed) => closed = true,
            Ok(Event::Exit(status)) => {
                exit = Some(status?);
                deadline = deadline.min(Instant::now() + STRAGGLERS);
            }
            // Only a child that left the family still holds the pipe: its output is not ours to wait for.
            Err(RecvTimeoutError::Timeout) if exit.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {
                late = true;
                let Some(signal) = signals.next() else { break };
                signal_all(signal, &procfs::family(pid));
                deadline = Instant::now() + GRACE;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(if late { Ending::OutOfTime } else { Ending::Code(exit.and_then(|status| status.code())) })
}

/// Sends one signal to several processes by `kill`, for this workspace forbids the unsafe call. Those already
/// gone are no fault.
pub fn signal_all(signal: &str, pids: &[u32]) {
    let _already_gone = Command::new("kill")
        .arg(format!("-{signal}"))
        .args(pids.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}

/// Runs a program with its output shown, and wants success.
///
/// # Errors
/// When it cannot be started or ends with anything but 0.
pub fn succeed(command: &mut Command) -> Result<(), Failure> {
    let name = describe(command);
    let status = command.status().attempt(|| format!("could not start {name}"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{name} failed ({status})"))) }
}

/// Runs a program and returns its stdout as text.
///
/// # Errors
/// When it cannot be started or ends with anything but 0; the end of its stderr is in the message.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let name = describe(command);
    let said = command.output().attempt(|| format!("could not start {name}"))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&said.stderr);
    let last = stderr.trim().lines().last().unwrap_or("it said nothing");
    Err(Failure::new(format!("{name} failed ({}): {last}", said.status)))
}

/// The program and its first words, for messages.
fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().take(3).map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests;
