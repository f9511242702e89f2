//! `cargo xtask TASK`: everything a person or a machine does to this repository besides editing it.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::run(std::env::args().skip(1).collect())
}
