//! One error for all tasks: what was attempted, and the cause beneath it.

use std::{error::Error, fmt};

/// A task that could not be done. Nobody matches on it: it is printed and the process ends with 1.
#[derive(Debug)]
pub struct Failure {
    attempt: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure whose cause is the sentence itself.
    pub fn new(attempt: impl Into<String>) -> Self {
        Self { attempt: attempt.into(), cause: None }
    }

    /// The sentence and every cause below it, joined by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempt)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Says what was attempted where only the cause is known.
pub trait Attempt<T> {
    /// Wraps the error, whatever it is, below the sentence `what` gives.
    ///
    /// # Errors
    /// Exactly when `self` is an error.
    fn attempt<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Attempt<T> for Result<T, E> {
    fn attempt<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T, Failure> {
        self.map_err(|cause| Failure { attempt: what().into(), cause: Some(cause.into()) })
    }
}
