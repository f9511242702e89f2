//! Server-sent events of a member (WHATWG HTML section 9.2), as far as the REST door uses them.

use futures::StreamExt as _;
use serde_json::Value;

use crate::{
    client::Client,
    exit::{Attempt as _, Exit, Failure},
    out,
};

/// Bytes of one event: the largest value in base64, and its envelope.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One event of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct ServerEvent {
    kind: String,
    data: String,
}

/// Takes bytes as they come and gives whole events.
#[derive(Debug, Default)]
struct Parser {
    buffer: Vec<u8>,
    event: ServerEvent,
}

impl Parser {
    /// Adds bytes and returns the events they completed.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<ServerEvent>, Failure> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if event != ServerEvent::default() {
                    events.push(event);
                }
            } else if let Some(text) = line.strip_prefix("data:") {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(text.strip_prefix(' ').unwrap_or(text));
            } else if let Some(text) = line.strip_prefix("event:") {
                text.trim().clone_into(&mut self.event.kind);
            }
        }
        if self.buffer.len() + self.event.data.len() > EVENT_BYTES_MAX {
            return Err(Failure::new(Exit::Malformed, "the member sent an event without end"));
        }
        Ok(events)
    }
}

/// Prints the changes of `space` whose key begins with `prefix`, until the stream ends.
///
/// # Errors
/// [`Exit::Unreachable`] when nobody opens a stream or it breaks, or when this client is too slow for it.
pub(crate) async fn watch(
    client: &Client,
    space: &str,
    prefix: &[u8],
    from: Option<u64>,
) -> Result<(), Failure> {
    let path = from.map_or_else(|| "/v1/events".to_owned(), |h| format!("/v1/events?from={h}"));
    let response = client.stream(&path).await?;
    let mut parser = Parser::default();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.attempt(Exit::Unreachable, || "the stream of events broke off".to_owned())?;
        for event in parser.feed(&chunk)? {
            if event.kind == "lagged" {
                let what = format!("this reader was too slow: {}", out::shown(&event.data));
                let fix = "go on with --from, at the oldest height named";
                return Err(Failure::new(Exit::Unreachable, what).fix(fix));
            }
            let Ok(value) = serde_json::from_str::<Value>(&event.data) else {
                continue;
            };
            if is_wanted(&value, space, prefix) {
                out::line(value);
            }
        }
    }
    Err(Failure::new(Exit::Unreachable, "the member ended the stream of events"))
}

/// Whether the event is about a key of `space` that begins with `prefix`. Members tell state keys, in hexadecimal.
fn is_wanted(event: &Value, space: &str, prefix: &[u8]) -> bool {
    let wanted = hanse_types::StateKey::Kv { space, key: prefix }.encode();
    event["key"].as_str().is_some_and(|key| key.starts_with(&hex::encode(wanted)))
}

#[cfg(test)]
mod tests;
