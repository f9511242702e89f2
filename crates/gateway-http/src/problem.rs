//! Errors as clients see them: RFC 9457 problem details with a stable code and what to do.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hanse_ledger::{Lagged, NotLive, ProveError, SubmitError, TicketError};
use hanse_types::Height;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// Declares every code once: variant, public name, HTTP status, title, remedy. Its page is `docs/errors/<name>.md`.
macro_rules! codes {
    ($($variant:ident $name:literal $status:ident $title:literal $remedy:literal;)+) => {
        /// What went wrong, in one stable word. Names are public; never reuse one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($variant),+ }

        impl Code {
            /// Every code, in the order of the documentation.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            pub(crate) fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy),+ }
            }

            /// The page for users and operators.
            pub(crate) fn page(self) -> &'static str {
                match self {
                    $(Self::$variant => {
                        include_str!(concat!("../../../docs/errors/", $name, ".md"))
                    })+
                }
            }
        }
    };
}

codes! {
    MalformedRequest "malformed_request" BAD_REQUEST "The request cannot be read"
        "Correct the part named in `detail`; /openapi.json lists every field.";
    MalformedCommand "malformed_command" BAD_REQUEST "The command cannot be read"
        "Build the command with the same version of hanse as the member runs.";
    BadSignature "bad_signature" BAD_REQUEST "The command's signature does not verify"
        "Sign the command again with the key it names.";
    WrongChain "wrong_chain" BAD_REQUEST "The command is for another chain"
        "Compare chain_id in /v1/status with the trust root you use, and sign for this chain.";
    OriginNotAllowed "origin_not_allowed" FORBIDDEN "Web pages of other origins may not use this door"
        "Call the member from a program, or from the member's own console.";
    SessionNotAllowed "session_not_allowed" FORBIDDEN "Session writes need this machine or a token"
        "Send the command from the member's own machine, send the configured bearer token, or sign it yourself.";
    UnknownRoute "unknown_route" NOT_FOUND "There is nothing at this path"
        "Look the path up in /openapi.json.";
    UnknownCommand "unknown_command" NOT_FOUND "No recent command has this id"
        "Check the id; for an older command ask for the receipt's proof, or ask another member.";
    UnknownSpace "unknown_space" NOT_FOUND "There is no such space"
        "List the spaces at /v1/spaces.";
    UnknownImage "unknown_image" NOT_FOUND "Nothing is recorded under this name"
        "Check repository, tag and digest; the names recorded are at /v1/images/repositories.";
    UnknownNamespace "unknown_namespace" NOT_FOUND "No organisation owns this name"
        "Claim the namespace, or check the name.";
    UnknownAccount "unknown_account" NOT_FOUND "There is no such account"
        "List the accounts at /v1/accounts.";
    UnknownMotion "unknown_motion" NOT_FOUND "There is no such motion"
        "List the motions at /v1/motions.";
    UnknownSnapshot "unknown_snapshot" NOT_FOUND "There is no such snapshot"
        "Have one made with POST /v1/snapshots, and read the newest.";
    UnknownHeight "unknown_height" NOT_FOUND "This member has no block of this height yet"
        "Ask again later; the newest height is in /v1/status.";
    NothingToProve "nothing_to_prove" NOT_FOUND "There is nothing to prove under this name"
        "Check the id or height, and that the command was answered.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The path exists, but not for this method"
        "Use a method named in the Allow header.";
    SlowBody "slow_body" REQUEST_TIMEOUT "The body did not arrive in time"
        "Send the request again over a faster connection.";
    CommandExpired "command_expired" CONFLICT "The command can no longer run"
        "It was not executed. Sign it again with a later validity and a new nonce.";
    CommandExecuted "command_executed" CONFLICT "The command was executed before"
        "It is done and will not be done again. For its outcome ask another member, or read the state.";
    Forgotten "forgotten" GONE "This member no longer keeps that height at hand"
        "Start from the height in `oldest`, or ask a member that keeps more.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is over the limit"
        "Split the command; the limit is in `detail`.";
    QueryTooLong "query_too_long" URI_TOO_LONG "The query string is over the limit"
        "Ask for less at once.";
    WrongMediaType "wrong_media_type" UNSUPPORTED_MEDIA_TYPE "The body has another media type than this path takes"
        "Set Content-Type to the type named in `detail`.";
    HostNotAllowed "host_not_allowed" MISDIRECTED_REQUEST "This door does not answer to that host name"
        "Use localhost or an address the operator configured; operators add names to `http.hosts`.";
    ProofTooLarge "proof_too_large" UNPROCESSABLE_ENTITY "The proof would be over the limit"
        "Ask for fewer keys or a smaller range.";
    PoolFull "pool_full" TOO_MANY_REQUESTS "Too many commands are waiting"
        "Wait for `retry_after_ms`, then submit the same bytes again.";
    Internal "internal" INTERNAL_SERVER_ERROR "This member failed"
        "Try another member, and tell the operator of this one.";
    NotReady "not_ready" SERVICE_UNAVAILABLE "This member is not serving now"
        "Try another member, or wait until /readyz answers 200.";
    NoGateway "no_gateway" SERVICE_UNAVAILABLE "This member has no gateway key"
        "Sign the command yourself, or use a member whose organisation registered a gateway key.";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "This member has as many requests as it can bear"
        "Wait a second and try again, or use another member.";
    WatchersFull "watchers_full" SERVICE_UNAVAILABLE "As many event streams are open as this member serves"
        "Close streams you do not need, or use another member.";
    Stopping "stopping" SERVICE_UNAVAILABLE "This member is stopping"
        "Ask another member. A signed command may be submitted again safely with the same bytes.";
    OutcomeUnknown "outcome_unknown" GATEWAY_TIMEOUT "No outcome in time; the command may still run"
        "Submit the same signed bytes again, which is safe, or read the state before repeating a session write.";
    SlowAnswer "slow_answer" GATEWAY_TIMEOUT "The answer was not ready in time"
        "Ask again; a member that waits for its quorum cannot prove its newest state.";
}

/// An error on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) detail: Cow<'static, str>,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) oldest: Option<Height>,
}

impl Problem {
    /// `detail` says what was wrong with this very request.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), retry_after_ms: None, oldest: None }
    }

    /// A part of the request that cannot be read.
    pub(crate) fn malformed(part: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Code::MalformedRequest, format!("{part}: {why}"))
    }

    /// A height below what is kept.
    pub(crate) fn forgotten(oldest: Height) -> Self {
        let detail = format!("the oldest height kept here is {oldest}");
        Self { oldest: Some(oldest), ..Self::new(Code::Forgotten, detail) }
    }

    /// A stop that says when to come back.
    pub(crate) fn retry(code: Code, detail: impl Into<Cow<'static, str>>, after_ms: u64) -> Self {
        Self { retry_after_ms: Some(after_ms), ..Self::new(code, detail) }
    }
}

/// RFC 9457 problem details.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Path, on this member, of the page that explains the code.
    r#type: String,
    /// The code in words.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What was wrong with this request.
    detail: String,
    /// Stable word for programs.
    code: &'static str,
    /// What to do.
    remedy: &'static str,
    /// Milliseconds to wait before trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The oldest height this member keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Height>,
}

/// Every operation's answer when something is wrong.
#[derive(IntoResponses)]
#[response(
    status = "default",
    description = "What went wrong, and what to do",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "only its description is used, by the OpenAPI document")]
pub(crate) struct Problems(ProblemBody);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code;
        let body = ProblemBody {
            r#type: format!("/errors/{}", code.name()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: self.detail.into_owned(),
            code: code.name(),
            remedy: code.remedy(),
            retry_after_ms: self.retry_after_ms,
            oldest: self.oldest,
        };
        let mut response = (code.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        if let Some(ms) = self.retry_after_ms {
            // The header counts whole seconds (RFC 9110 section 10.2.3); the exact wait is in the body.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let detail = error.to_string();
        match error {
            SubmitError::Full { retry_after_ms } => {
                Self::retry(Code::PoolFull, detail, retry_after_ms)
            }
            SubmitError::Malformed(_) => Self::new(Code::MalformedCommand, detail),
            SubmitError::BadSignature => Self::new(Code::BadSignature, detail),
            SubmitError::Expired => Self::new(Code::CommandExpired, detail),
            SubmitError::Executed => Self::new(Code::CommandExecuted, detail),
            SubmitError::WrongChain => Self::new(Code::WrongChain, detail),
            SubmitError::NotReady => Self::new(Code::NotReady, detail),
            SubmitError::NoGateway => Self::new(Code::NoGateway, detail),
        }
    }
}

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Expired => Self::new(Code::CommandExpired, error.to_string()),
            TicketError::Stopped => Self::new(Code::Stopping, error.to_string()),
        }
    }
}

impl From<ProveError> for Problem {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::NotFound => Self::new(Code::NothingToProve, error.to_string()),
            ProveError::Forgotten { oldest } => Self::forgotten(oldest),
            ProveError::TooLarge => Self::new(Code::ProofTooLarge, error.to_string()),
            ProveError::Busy => Self::retry(Code::Overloaded, error.to_string(), 1_000),
            ProveError::Stopped => Self::new(Code::Stopping, error.to_string()),
        }
    }
}

impl From<NotLive> for Problem {
    fn from(error: NotLive) -> Self {
        Self::retry(Code::NotReady, error.to_string(), 1_000)
    }
}

impl From<Lagged> for Problem {
    fn from(lagged: Lagged) -> Self {
        Self::forgotten(lagged.oldest)
    }
}
