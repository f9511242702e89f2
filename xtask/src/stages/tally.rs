//! Counting tests from what their runners print.

use std::fmt;

/// How many tests passed, failed, and were left out by their own wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Tally {
    pub(super) const fn pass() -> Self {
        Self { passed: 1, failed: 0, skipped: 0 }
    }

    pub(super) const fn failure() -> Self {
        Self { passed: 0, failed: 1, skipped: 0 }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …` as cargo prints it, and `3 passed, 0 failed` with
    /// an optional `, 1 skipped`, alone on a line, as our own runners do.
    pub(super) fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            let (_, counts) = rest.split_once(". ")?;
            return Self::counts(counts.split("; "), true);
        }
        Self::counts(line.split(", "), false)
    }

    /// With `loose`, other words may follow the counts, as in cargo's line.
    fn counts<'a>(parts: impl Iterator<Item = &'a str>, loose: bool) -> Option<Self> {
        let (mut passed, mut failed, mut skipped) = (None, None, None);
        for part in parts {
            let place = match part.split_once(' ') {
                Some((_, "passed")) => &mut passed,
                Some((_, "failed")) => &mut failed,
                Some((_, "ignored" | "skipped")) => &mut skipped,
                _ if loose => continue,
                _ => return None,
            };
            *place = Some(part.split_once(' ')?.0.parse::<u64>().ok()?);
        }
        Some(Self { passed: passed?, failed: failed?, skipped: skipped.unwrap_or(0) })
    }
}

/// The closing line of the whole set; CI reads it.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}
