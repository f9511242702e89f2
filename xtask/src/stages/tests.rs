//! What is counted, and that nothing which went wrong can be counted as a pass.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
    Tally { passed, failed, skipped }
}

#[test]
fn cargo_and_plain_lines_are_counted_and_others_are_not() {
    let cargo = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s";
    assert_eq!(Tally::read(cargo), Some(tally(12, 2, 1)));
    assert_eq!(Tally::read("130 passed, 0 failed"), Some(tally(130, 0, 0)));
    assert_eq!(Tally::read("5 passed, 0 failed, 2 skipped"), Some(tally(5, 0, 2)));
    for other in ["", "passed", "3 passed", "x passed, 0 failed", "3 passed, 0 failed, hurrah"] {
        assert_eq!(Tally::read(other), None, "{other:?}");
    }
}

#[test]
fn a_failing_exit_counts_a_failure_even_when_every_test_passed() {
    let (counted, why) = judge(Ending::Code(Some(101)), tally(9, 0, 0), MINUTE);
    assert_eq!(counted, tally(9, 1, 0));
    assert_eq!(why.as_deref(), Some("exit 101"));
}

#[test]
fn a_counted_failure_is_one_even_when_the_exit_is_zero() {
    let (counted, why) = judge(Ending::Code(Some(0)), tally(9, 2, 0), MINUTE);
    assert_eq!(counted.failed, 2);
    assert!(why.is_some());
}

#[test]
fn a_stage_out_of_time_or_ended_by_a_signal_has_failed() {
    for ending in [Ending::OutOfTime, Ending::Code(None)] {
        assert_eq!(judge(ending, Tally::default(), MINUTE).0, Tally::failure());
    }
}

#[test]
fn a_passing_program_that_counts_nothing_is_one_test() {
    assert_eq!(judge(Ending::Code(Some(0)), Tally::default(), MINUTE), (Tally::pass(), None));
}

#[test]
fn fail_fast_counts_the_stages_it_left_out_as_failures() {
    let bad = Stage {
        name: "bad",
        minutes: 1,
        needs: &[],
        work: Work::Check(|| Ok(vec!["a finding made by the test of this runner".to_owned()])),
    };
    let good = Stage { name: "good", minutes: 1, needs: &[], work: Work::Check(|| Ok(Vec::new())) };
    let failed = |fail_fast| {
        let outcomes = all(&[&bad, &good], fail_fast);
        outcomes.iter().map(|outcome| outcome.tally.failed).sum::<u64>()
    };
    assert_eq!(failed(true), 2);
    assert_eq!(failed(false), 1);
}

#[test]
fn the_closing_line_is_the_one_ci_reads() {
    assert_eq!(tally(3, 0, 0).to_string(), "3 passed, 0 failed");
    assert_eq!(tally(3, 1, 2).to_string(), "3 passed, 1 failed, 2 skipped");
}

#[test]
fn stage_names_are_unique() {
    let mut names: Vec<_> = table::STAGES.iter().map(|stage| stage.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table::STAGES.len());
}

/// Seeds defect 4B-12: there, CI was `echo hello world`.
#[test]
fn defect_4b_12_ci_runs_the_whole_test_set() {
    let run = std::fs::read_to_string(repo::root().join(".ci/run")).unwrap();
    assert!(run.lines().any(|line| line.starts_with("set -e")), "a failure before the end counts");
    // Without names of stages: all of them. What is executed last decides the exit code.
    let last = run.lines().rev().find(|line| !line.trim().is_empty()).unwrap();
    assert_eq!(last, "exec cargo xtask test </dev/null");
    for name in ["clippy", "build", "test", "verify-py"] {
        assert!(table::STAGES.iter().any(|stage| stage.name == name), "{name}");
    }
    for need in setup::needs_of("test").unwrap() {
        let asked = table::STAGES.iter().any(|stage| stage.needs.contains(need));
        assert!(asked, "{need:?} is set up for the tests, and no stage asks for it");
    }
}
