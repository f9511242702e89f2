//! Why an image could not be read or does not match.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::manifest::Malformed;

/// Any cause below this crate.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A foreign error with all that lies behind it in one line, safe to show: a peer can put text into it.
pub(crate) fn safe_cause(error: &dyn std::error::Error) -> Cause {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    crate::printable(&text).into()
}

/// What a failure means to the one who asked; the command line turns it into an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The place answered: there is no such image, tag or blob.
    NotFound,
    /// Content is not what its digest, size or record says.
    Differs,
    /// Input that breaks its format, or exceeds a stated bound.
    Malformed,
    /// No answer, a stalled one, or one that decides nothing (also: redirect refused).
    Unreachable,
    /// Credentials are missing or not enough.
    Unauthorized,
    /// This machine: file, permission, engine or tool missing.
    Environment,
}

/// Reading an image, or comparing it with a record, failed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The place says it does not have it.
    #[error("{what} was not found in {place}")]
    NotFound {
        /// Tag, digest or file.
        what: String,
        /// Registry, layout or engine.
        place: String,
    },
    /// The bytes have another digest than asked for.
    #[error("{what} differs: expected {expected}, found {found}")]
    Differs {
        /// Which blob, manifest or layer, and where.
        what: String,
        /// Digest that was recorded or referred to.
        expected: Digest,
        /// Digest of what was delivered.
        found: Digest,
    },
    /// The content has another length than its descriptor says.
    #[error("{what} differs: expected {expected} bytes, found {found}")]
    Size {
        /// Which blob, and where.
        what: String,
        /// Bytes recorded.
        expected: u64,
        /// Bytes delivered, or more than that if it was cut.
        found: u64,
    },
    /// The image has another content than recorded, though each part is whole.
    #[error("{place} holds another image than recorded: {why}")]
    Other {
        /// Registry, layout or engine.
        place: String,
        /// In which way.
        why: String,
    },
    /// A document breaks its format.
    #[error("{what} is malformed")]
    Malformed {
        /// Which document.
        what: String,
        /// How.
        #[source]
        cause: Malformed,
    },
    /// A stated bound was exceeded.
    #[error("{what} exceeds the bound of {limit} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// The bound, bytes.
        limit: u64,
    },
    /// Connecting, TLS or the transfer itself failed.
    #[error("{what} could not be reached")]
    Unreachable {
        /// Registry, token server or engine.
        what: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// No progress within the limit.
    #[error("{what} made no progress for {millis} ms and was given up")]
    Stalled {
        /// Who.
        what: String,
        /// The limit, milliseconds.
        millis: u128,
    },
    /// The peer answered something that decides nothing.
    #[error("{place} answered {status} for {what}: {text}")]
    Answer {
        /// Who.
        place: String,
        /// HTTP status.
        status: u16,
        /// What was asked.
        what: String,
        /// Its explanation, escaped.
        text: String,
    },
    /// A redirect or token realm that leads where no request may go.
    #[error("{place} sent the request on to {target}, which is refused: {why}")]
    Redirect {
        /// Who.
        place: String,
        /// Where to, escaped.
        target: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// Not allowed, with the credentials there are.
    #[error("{place} refused access to {what}: {hint}")]
    Unauthorized {
        /// Who.
        place: String,
        /// What was asked.
        what: String,
        /// Whether credentials were used, and where they were looked for.
        hint: String,
    },
    /// A file could not be read or written.
    #[error("{} could not be {act}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read`, `written`, …
        act: &'static str,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// An engine or tool this machine lacks.
    #[error("{0}")]
    Environment(String),
}

impl ImageError {
    /// What the failure means.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Differs { .. } | Self::Size { .. } | Self::Other { .. } => Kind::Differs,
            Self::Malformed { .. } | Self::TooLarge { .. } => Kind::Malformed,
            Self::Unreachable { .. }
            | Self::Stalled { .. }
            | Self::Answer { .. }
            | Self::Redirect { .. } => Kind::Unreachable,
            Self::Unauthorized { .. } => Kind::Unauthorized,
            Self::File { .. } | Self::Environment(_) => Kind::Environment,
        }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> impl FnOnce(Malformed) -> Self {
        let what = what.into();
        move |cause| Self::Malformed { what, cause }
    }

    pub(crate) fn file(
        path: impl Into<PathBuf>,
        act: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { path, act, cause }
    }

    pub(crate) fn container(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), cause: Malformed::Container(why.into()) }
    }
}
