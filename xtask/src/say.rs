//! The only place that writes to the terminal, so that a closed pipe ends a task quietly.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// A line of a task's result, on stdout. A closed pipe is the reader's wish to hear no more.
pub fn say(line: impl Display) {
    let mut out = io::stdout().lock();
    let _closed_pipe = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line about the work itself, on stderr.
pub fn note(line: impl Display) {
    let _closed_pipe = writeln!(io::stderr().lock(), "{line}");
}
