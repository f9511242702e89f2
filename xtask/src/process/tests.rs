//! Real shells: their lines, their codes, and that nothing outlives its time-box.

use super::*;

fn shell(script: &str, limit: Duration) -> (Ending, Vec<String>) {
    let mut lines = Vec::new();
    let ending = run(Command::new("sh").args(["-c", script]), limit, &mut |line| {
        lines.push(line.to_owned());
    })
    .expect("sh is everywhere");
    (ending, lines)
}

#[test]
fn lines_and_code_come_back() {
    let (ending, lines) = shell("echo one; printf two; exit 7", Duration::from_secs(60));
    assert_eq!(ending, Ending::Code(Some(7)));
    assert_eq!(lines, ["one", "two"]);
}

#[test]
fn a_program_over_its_time_is_ended_with_its_children() {
    // A busy machine may take seconds until the shell has said its line: the limit is far above that.
    let (ending, lines) = shell("sleep 600 & echo $!; wait", Duration::from_secs(10));
    assert_eq!(ending, Ending::OutOfTime);
    let grandchild: u32 = lines[0].parse().expect("the shell printed a pid");
    // A signal is sent, not awaited: its receiver ends when the machine next runs it.
    let late = std::time::Instant::now() + Duration::from_secs(60);
    while !is_ended(grandchild) && std::time::Instant::now() < late {
        std::thread::yield_now();
    }
    assert!(is_ended(grandchild));
}

/// Where nothing reaps orphans, an ended process stays in the table until its new parent looks.
fn is_ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn a_missing_program_is_named() {
    let failure = succeed(&mut Command::new("hanse-no-such-program")).expect_err("there is none");
    assert!(failure.chain().contains("could not start hanse-no-such-program"));
}

#[test]
fn a_failing_program_says_its_last_line() {
    let failure =
        output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).expect_err("it exits 3");
    assert!(failure.chain().contains("why"), "{}", failure.chain());
}
