//! Reading `WWW-Authenticate` (RFC 9110 section 11.6.1) and error answers.

use std::collections::BTreeMap;

use crate::json::{Object, Value};
use crate::limits::MAX_TOKEN_BYTES;

/// Longest error message taken from an answer, characters; the rest is for logs, not for people.
const MAX_MESSAGES: usize = 3;

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// Picks the challenge to answer: Bearer if there is one, else Basic.
pub(crate) fn parse_challenges<'h>(headers: impl Iterator<Item = &'h [u8]>) -> Option<Challenge> {
    let mut best = None;
    for header in headers {
        let Ok(header) = std::str::from_utf8(header) else {
            continue;
        };
        if header.len() > MAX_TOKEN_BYTES {
            continue;
        }
        let (scheme, parameters) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let mut parameters = parse_parameters(parameters);
            if let Some(realm) = parameters.remove("realm") {
                return Some(Challenge::Bearer { realm, service: parameters.remove("service") });
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            best = Some(Challenge::Basic);
        }
    }
    best
}

/// `key=token` and `key="quoted \" text"`, separated by commas. The first of two equal keys counts.
fn parse_parameters(text: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim().trim_start_matches(',').trim().to_ascii_lowercase();
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        parameters.entry(key).or_insert(value);
        rest = after.trim_start().trim_start_matches(',');
    }
    parameters
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &text[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// The messages of `{"errors":[{"code","message"}]}`.
pub(crate) fn error_message(object: &Object) -> Option<String> {
    let Value::Array(errors) = object.get("errors")? else {
        return None;
    };
    let texts: Vec<String> = errors
        .iter()
        .filter_map(|error| match error {
            Value::Object(error) => match (error.get("code"), error.get("message")) {
                (Some(Value::String(code)), Some(Value::String(message))) => {
                    Some(format!("{code}: {message}"))
                }
                (Some(Value::String(text)), _) | (_, Some(Value::String(text))) => {
                    Some(text.clone())
                }
                _ => None,
            },
            _ => None,
        })
        .take(MAX_MESSAGES)
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

#[cfg(test)]
mod tests;
