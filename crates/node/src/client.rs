//! Asking members over REST: the next one when one does not answer, and nobody waits longer than stated.

use std::{net::IpAddr, time::Duration};

use futures::StreamExt as _;
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    cli::ConnectArgs,
    exit::{Attempt as _, Exit, Failure},
    home,
    local::network::Network,
    out::shown,
};

/// A member that sends nothing for this long is given up.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// Longest any one answer may take in all: a member that dribbles is given up too.
const WHOLE_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of one answer. The largest honest ones are proofs of large ranges.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often a member that is full is asked again before the next one is.
const FULL_RETRIES: u32 = 5;
/// Longest wait a full member may ask for.
const FULL_WAIT_MAX: Duration = Duration::from_secs(2);

/// Members of one network, asked in order.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoints: Vec<Url>,
}

/// What a member says when it cannot do what was asked (RFC 9457 and our `code`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) code: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody answered in time: nothing is decided. Carries who said what.
    Unreachable(String),
    /// A member answered that it will not.
    Problem(Problem),
    /// This machine.
    Here(Failure),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable(why) => {
                Self::new(Exit::Unreachable, format!("no member answered: {why}"))
                    .fix("check --endpoint, and that the members run (`hanse status`)")
            }
            ClientError::Problem(problem) => problem.into(),
            ClientError::Here(failure) => failure,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.status {
            400 | 413 | 422 => Exit::Malformed,
            401 | 403 => Exit::NotAuthorised,
            429 | 500..=599 => Exit::Unreachable,
            _ => Exit::Refused,
        };
        let words = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
        let code = if problem.code.is_empty() { "no code" } else { &problem.code };
        let what =
            format!("the member answered {} ({}): {}", problem.status, shown(code), shown(words));
        Self::new(exit, what)
    }
}

/// A question, as one member after the other gets it.
struct Question<'a> {
    method: Method,
    path: &'a str,
    body: Option<(&'static str, Vec<u8>)>,
    /// Whether asking twice is as good as asking once.
    repeatable: bool,
}

/// What came of asking one member.
enum Attempted {
    Answer(Vec<u8>),
    Full(Duration),
    /// It may or may not have done it.
    Nothing(String),
    Problem(Problem),
}

impl Client {
    /// A client for the named members, else for those of the local network.
    ///
    /// # Errors
    /// [`Exit::Usage`] when a URL is malformed or none is known.
    pub(crate) fn connect(args: &ConnectArgs) -> Result<Self, Failure> {
        if !args.endpoint.is_empty() {
            return Self::new(&args.endpoint);
        }
        let dir = home::local_network()?;
        match Network::load(&dir)? {
            Some(network) => {
                Self::new(&network.members.iter().map(|m| m.http.clone()).collect::<Vec<_>>())
            }
            None => Err(Failure::new(Exit::Usage, "it is not said which members to ask")
                .fix("name them with --endpoint or HANSE_ENDPOINT, or start some with `hanse up`")),
        }
    }

    /// A client for these URLs.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a malformed URL, [`Exit::Environment`] when TLS cannot be set up.
    pub(crate) fn new(endpoints: &[String]) -> Result<Self, Failure> {
        let endpoints: Vec<Url> = endpoints.iter().map(|e| url(e)).collect::<Result<_, _>>()?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(IDLE_LIMIT)
            .read_timeout(IDLE_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("hanse/", env!("CARGO_PKG_VERSION")));
        if endpoints.iter().all(is_loopback) {
            builder = builder.no_proxy();
        }
        let http =
            builder.build().attempt(Exit::Environment, || "could not set up TLS".to_owned())?;
        Ok(Self { http, endpoints })
    }

    /// The members, in the order in which they are asked.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = String> {
        self.endpoints.iter().map(|e| e.as_str().trim_end_matches('/').to_owned())
    }

    /// The same client asking the next member first: for when an answer was a lie.
    pub(crate) fn rotated(mut self) -> Self {
        self.endpoints.rotate_left(1);
        self
    }

    /// Reads one resource.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        self.ask(&Question { method: Method::GET, path, body: None, repeatable: true }).await
    }

    /// Reads one JSON resource.
    ///
    /// # Errors
    /// [`ClientError`]; an answer of another shape is [`Exit::Malformed`].
    pub(crate) async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        parse(path, &self.get(path).await?)
    }

    /// Posts bytes that may arrive twice without harm.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<T, ClientError> {
        let body = Some(("application/octet-stream", bytes));
        let question = Question { method: Method::POST, path, body, repeatable: true };
        parse(path, &self.ask(&question).await?)
    }

    /// Asks for something to be done that may be done twice without harm.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn post_empty(&self, path: &str) -> Result<(), ClientError> {
        let question = Question { method: Method::POST, path, body: None, repeatable: true };
        self.ask(&question).await.map(drop)
    }

    /// Posts JSON that must not arrive twice: another member is asked only if this one cannot have got it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &serde_json::Value,
    ) -> Result<T, ClientError> {
        let body = Some(("application/json", value.to_string().into_bytes()));
        let question = Question { method: Method::POST, path, body, repeatable: false };
        parse(path, &self.ask(&question).await?)
    }

    /// Opens a stream of server-sent events; it has no overall limit, but a silent one is given up.
    ///
    /// # Errors
    /// [`ClientError`] when nobody opens one.
    pub(crate) async fn stream(&self, path: &str) -> Result<reqwest::Response, ClientError> {
        let mut said = Vec::new();
        for endpoint in &self.endpoints {
            let request = self.http.get(join(endpoint, path)).read_timeout_for_events();
            match request.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => said.push(format!("{endpoint} answered {}", response.status())),
                Err(error) => said.push(format!("{endpoint}: {}", chain(&error))),
            }
        }
        Err(ClientError::Unreachable(said.join("; ")))
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Vec<u8>, ClientError> {
        let mut said = Vec::new();
        for endpoint in &self.endpoints {
            let mut tries = 0;
            loop {
                match self.ask_one(endpoint, question).await {
                    Attempted::Answer(bytes) => return Ok(bytes),
                    Attempted::Problem(problem) => return Err(ClientError::Problem(problem)),
                    Attempted::Full(wait) if tries < FULL_RETRIES => {
                        tries += 1;
                        tokio::time::sleep(wait.min(FULL_WAIT_MAX)).await;
                    }
                    Attempted::Full(_) => {
                        said.push(format!("{endpoint} is full"));
                        break;
                    }
                    Attempted::Nothing(why) => {
                        said.push(format!("{endpoint}: {why}"));
                        break;
                    }
                }
            }
        }
        Err(ClientError::Unreachable(said.join("; ")))
    }

    async fn ask_one(&self, endpoint: &Url, question: &Question<'_>) -> Attempted {
        let url = join(endpoint, question.path);
        let mut request = self.http.request(question.method.clone(), url).timeout(WHOLE_LIMIT);
        if let Some((kind, bytes)) = &question.body {
            request = request.header("content-type", *kind).body(bytes.clone());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if question.repeatable || error.is_connect() => {
                return Attempted::Nothing(chain(&error));
            }
            Err(error) => {
                let detail = format!("{} (it may have been done)", chain(&error));
                return Attempted::Problem(Problem { status: 504, detail, ..Problem::default() });
            }
        };
        let (status, wait) = (response.status(), retry_after(&response));
        let body = match read(response).await {
            Ok(body) => body,
            Err(why) => return Attempted::Nothing(why),
        };
        match status {
            _ if status.is_success() => Attempted::Answer(body),
            StatusCode::TOO_MANY_REQUESTS => Attempted::Full(wait),
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
                Attempted::Nothing(describe(status, &body))
            }
            StatusCode::GATEWAY_TIMEOUT if question.repeatable => {
                Attempted::Nothing(describe(status, &body))
            }
            _ => Attempted::Problem(problem(status, &body)),
        }
    }
}

/// Streams send a heartbeat every 15 s, so the idle limit of ordinary answers does not fit them.
trait EventTimeout {
    fn read_timeout_for_events(self) -> Self;
}

impl EventTimeout for reqwest::RequestBuilder {
    fn read_timeout_for_events(self) -> Self {
        self.header("accept", "text/event-stream")
    }
}

async fn read(response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| chain(&error))?;
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer is larger than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn retry_after(response: &reqwest::Response) -> Duration {
    let header = response.headers().get("retry-after");
    let seconds = header.and_then(|h| h.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

fn problem(status: StatusCode, body: &[u8]) -> Problem {
    let mut problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    problem.status = status.as_u16();
    if problem.title.is_empty() {
        problem.title = status.canonical_reason().unwrap_or("no reason given").to_owned();
    }
    problem
}

fn describe(status: StatusCode, body: &[u8]) -> String {
    let Problem { title, detail, .. } = problem(status, body);
    let words = if detail.is_empty() { title } else { detail };
    format!("answered {}: {}", status.as_u16(), shown(&words))
}

fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes)
        .attempt(Exit::Malformed, || format!("the member's answer for {path} has another shape"))
        .map_err(ClientError::Here)
}

/// An error with its causes, in one line.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time".to_owned() } else { String::new() };
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

fn url(text: &str) -> Result<Url, Failure> {
    let bad = || format!("`{}` is not the URL of a member", shown(text));
    let fix = "write it like http://127.0.0.1:8000";
    let url: Url = text.parse().attempt(Exit::Usage, bad).map_err(|f| f.fix(fix))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Failure::new(Exit::Usage, bad()).fix(fix));
    }
    Ok(url)
}

fn join(endpoint: &Url, path: &str) -> String {
    format!("{}{path}", endpoint.as_str().trim_end_matches('/'))
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// Percent-encodes one part of a path or query (RFC 3986 section 2.3: unreserved characters stay).
pub(crate) fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => write!(out, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    out
}

#[cfg(test)]
mod tests;
