//! The whole test set: stages in order, cheap failures first, each time-boxed, one count at the end.

mod table;
mod tally;

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use self::tally::Tally;
use crate::{
    failure::Failure,
    process::{self, Ending},
    repo, say,
    setup::{self, Need},
};

/// The whole set must end within this; CI gives up 30 minutes later.
const DEADLINE: Duration = Duration::from_mins(60);

/// One part of the test set.
pub struct Stage {
    /// What to call it on the command line.
    pub name: &'static str,
    /// Its share of the deadline, minutes; over it the stage has failed.
    pub minutes: u64,
    /// What must be installed first.
    pub needs: &'static [Need],
    /// What it does.
    pub work: Work,
}

/// What a stage does.
pub enum Work {
    /// A program and its arguments; exit 0 is a pass. In each word `{target}`, `{host}` and `{python}` are filled
    /// in. Lines `test result: …` and `N passed, N failed` of its stdout are counted.
    Program(&'static [&'static str]),
    /// A check of our own; each finding is a failure.
    Check(fn() -> Result<Vec<String>, Failure>),
}

struct Outcome {
    name: &'static str,
    tally: Tally,
    wall: Duration,
    why: Option<String>,
}

/// Runs the stages named in `args`, or all. The last line on stdout is `N passed, N failed`.
/// Exit 0 all passed, 1 any failed, 2 not understood.
pub fn run(args: &[String]) -> ExitCode {
    let (flags, names): (Vec<&String>, Vec<&String>) =
        args.iter().partition(|arg| arg.starts_with("--"));
    let unknown = flags
        .iter()
        .find(|flag| !["--list", "--fail-fast"].contains(&flag.as_str()))
        .or_else(|| names.iter().find(|name| !table::STAGES.iter().any(|s| s.name == **name)));
    if let Some(unknown) = unknown {
        say::note(format_args!("unknown: {unknown} (see cargo xtask test --list)"));
        return ExitCode::from(2);
    }
    let chosen: Vec<&Stage> = table::STAGES
        .iter()
        .filter(|stage| names.is_empty() || names.iter().any(|name| *name == stage.name))
        .collect();
    let flag = |name: &str| flags.iter().any(|flag| *flag == name);
    if flag("--list") {
        for stage in chosen {
            say::say(format_args!("{:<10} at most {} min", stage.name, stage.minutes));
        }
        return ExitCode::SUCCESS;
    }
    report(&all(&chosen, flag("--fail-fast")))
}

fn all(stages: &[&Stage], fail_fast: bool) -> Vec<Outcome> {
    let end = Instant::now() + DEADLINE;
    let mut outcomes = Vec::new();
    for stage in stages {
        let outcome = one(stage, end.saturating_duration_since(Instant::now()));
        say::note(format_args!("{}", outcome.line()));
        let failed = outcome.tally.failed > 0;
        outcomes.push(outcome);
        if failed && fail_fast {
            break;
        }
    }
    outcomes.extend(stages.iter().skip(outcomes.len()).map(|stage| Outcome {
        name: stage.name,
        tally: Tally::failure(),
        wall: Duration::ZERO,
        why: Some("not run".to_owned()),
    }));
    outcomes
}

fn one(stage: &Stage, left: Duration) -> Outcome {
    let start = Instant::now();
    say::note(format_args!("──── {}", stage.name));
    let limit = Duration::from_mins(stage.minutes).min(left);
    let result = match setup::ensure(stage.needs) {
        _ if left.is_zero() => Err("the whole set is out of time".to_owned()),
        Err(failure) => Err(failure.chain()),
        Ok(()) => match &stage.work {
            Work::Check(check) => Ok(findings(check())),
            Work::Program(words) => program(words, limit),
        },
    };
    let (tally, why) = result.unwrap_or_else(|why| (Tally::failure(), Some(why)));
    Outcome { name: stage.name, tally, wall: start.elapsed(), why }
}

fn findings(result: Result<Vec<String>, Failure>) -> (Tally, Option<String>) {
    match result {
        Ok(findings) if findings.is_empty() => (Tally::pass(), None),
        Ok(findings) => {
            findings.iter().for_each(say::say);
            let why = format!("{} findings", findings.len());
            (Tally::failure(), Some(why))
        }
        Err(failure) => (Tally::failure(), Some(failure.chain())),
    }
}

fn program(words: &[&str], limit: Duration) -> Result<(Tally, Option<String>), String> {
    let words: Vec<String> = words
        .iter()
        .map(|word| fill(word))
        .collect::<Result<_, Failure>>()
        .map_err(|failure| failure.chain())?;
    let mut command = match words[0].as_str() {
        "cargo" => repo::cargo(),
        other => Command::new(other),
    };
    command.args(&words[1..]).current_dir(repo::root()).env("CARGO_TARGET_DIR", repo::target());
    let mut counted = Tally::default();
    let ending = process::run(&mut command, limit, &mut |line| {
        say::say(line);
        counted = counted.plus(Tally::read(line).unwrap_or_default());
    })
    .map_err(|failure| failure.chain())?;
    Ok(judge(ending, counted, limit))
}

/// The ending decides; the counts only say how many. A failed stage counts at least one failure, and one that
/// counts nothing itself is one test.
fn judge(ending: Ending, counted: Tally, limit: Duration) -> (Tally, Option<String>) {
    let why = match ending {
        Ending::Code(Some(0)) if counted.failed == 0 => {
            let tally = if counted == Tally::default() { Tally::pass() } else { counted };
            return (tally, None);
        }
        Ending::Code(Some(0)) => "it counted failures and ended with 0".to_owned(),
        Ending::Code(Some(code)) => format!("exit {code}"),
        Ending::Code(None) => "ended by a signal".to_owned(),
        Ending::OutOfTime => format!("over its {} s", limit.as_secs()),
    };
    let tally = Tally { failed: counted.failed.max(1), ..counted };
    (tally, Some(why))
}

fn fill(word: &str) -> Result<String, Failure> {
    let mut word = word.replace("{target}", &repo::target().to_string_lossy());
    if word.contains("{host}") {
        word = word.replace("{host}", &repo::host()?);
    }
    if word.contains("{python}") {
        let python =
            setup::python().ok_or_else(|| Failure::new("no python3 here imports cryptography"))?;
        word = word.replace("{python}", &python.to_string_lossy());
    }
    Ok(word)
}

impl Outcome {
    fn line(&self) -> String {
        let verdict = match &self.why {
            None => "passed".to_owned(),
            Some(why) => format!("FAILED: {why}"),
        };
        format!(
            "{:<10} {:>7.1} s  {:>5} passed {:>3} failed  {verdict}",
            self.name,
            self.wall.as_secs_f64(),
            self.tally.passed,
            self.tally.failed,
        )
    }
}

fn report(outcomes: &[Outcome]) -> ExitCode {
    say::say("");
    let mut sum = Tally::default();
    for outcome in outcomes {
        say::say(outcome.line());
        sum = sum.plus(outcome.tally);
    }
    say::say(sum);
    match sum.failed {
        0 if sum.passed > 0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests;
