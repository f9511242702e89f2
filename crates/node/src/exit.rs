//! How the program ends: one number per meaning (CONTRACT 2 and 3), and the words that go with it.

use std::error::Error;

/// Exit codes. Numbers are public: scripts gate on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Verified or done.
    Done = 0,
    /// A fault of this program.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// This machine: port, file, permission, missing tool.
    Environment = 3,
    /// The ledger or a registry does not allow it.
    NotAuthorised = 4,
    /// The ledger ordered the command and refused it for another reason than authority.
    Refused = 5,
    /// The absence of a release is proven.
    NotSigned = 10,
    /// Nobody owns the name.
    UnknownName = 11,
    /// Signed by somebody else than expected.
    WrongSigner = 12,
    /// Revoked, yanked, or signed by a key declared stolen.
    Revoked = 13,
    /// An older state or release than is known to exist.
    Rollback = 14,
    /// The bytes are not the recorded ones.
    Differs = 15,
    /// A certificate or proof does not hold, or members contradict each other.
    Proof = 16,
    /// Input breaks its format.
    Malformed = 17,
    /// No answer in time: nothing is decided.
    Unreachable = 20,
    /// Storage of a member failed.
    Storage = 70,
    /// Votes of a member are lost or rolled back.
    Votes = 71,
    /// The next protocol version is unknown to this build.
    Protocol = 72,
    /// Configuration of a member.
    Config = 78,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// Why a verb did not do what was asked: what was attempted, the cause, and what the user can do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    remedy: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), source: None, remedy: None }
    }

    /// Adds what lies behind it.
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what the user can do about it.
    pub(crate) fn fix(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The whole chain in one line.
    pub(crate) fn reason(&self) -> String {
        let mut text = self.what.clone();
        let mut next: Option<&(dyn Error + 'static)> =
            self.source.as_deref().map(|e| e as &(dyn Error + 'static));
        while let Some(error) = next {
            let words = error.to_string();
            // Some libraries repeat their cause in their own words.
            if !text.ends_with(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            next = error.source();
        }
        text
    }

    /// What the user can do.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

/// Turns a library's error into a [`Failure`] where it is met.
pub(crate) trait Attempt<T> {
    /// Says what was attempted; the error becomes the cause.
    fn attempt(self, exit: Exit, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Attempt<T> for Result<T, E> {
    fn attempt(self, exit: Exit, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, what()).caused_by(error))
    }
}
