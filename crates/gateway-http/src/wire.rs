//! JSON as clients see it, and the way from and to the ledger's own types. Nothing here decides.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hanse_types::{Digest, Height, TimeMs, check_space};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

use crate::{
    limits::{LIST_ITEMS_MAX, OUTCOME_TIME_MAX},
    problem::Problem,
};

mod block;
mod command;
mod event;
mod image;
mod kv;
mod party;
mod seat;
mod status;
mod subject;

pub(crate) use block::BlockShown;
pub(crate) use command::{OutcomeShown, SubmitQuery, command};
pub(crate) use event::{ActorShown, ChangeEvent, EventShown, EventsQuery, Id, LaggedEvent};
pub(crate) use image::{
    DigestQuery, DigestShown, History, HistoryQuery, NamespaceQuery, NamespaceShown, ReleaseShown,
    Repository, StateShown, TagQuery, TagShown, Use,
};
pub(crate) use kv::{KvShown, RangeQuery, RangeShown, WriteAsked};
pub(crate) use party::{AccountShown, GatewayShown, OrganisationShown, SpaceShown};
pub(crate) use seat::{MotionShown, SeatsShown};
pub(crate) use status::{StatusShown, VersionShown};
pub(crate) use subject::Subject;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const SAFE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Bytes in base64 (RFC 4648). Written with the standard alphabet and padding; read in both alphabets, with or without.
#[derive(Clone, Debug, Default, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = "byte")]
pub(crate) struct Base64(pub(crate) Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&PLAIN.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let engine = if text.contains(['-', '_']) { SAFE } else { PLAIN };
        // In a query string an unescaped `+` arrives as a blank; the message names the way out.
        engine.decode(text.as_bytes()).map(Self).map_err(|e| {
            serde::de::Error::custom(format!("not base64 ({e}); in URLs use - and _ for + and /"))
        })
    }
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// In the order of their names.
    pub(crate) items: Vec<T>,
    /// Give this as `after` for the next page; null on the last.
    pub(crate) next: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// Items on the page, 1 to 1000.
    limit: Option<usize>,
}

/// Which page of a list that can be narrowed to one organisation.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OwnedQuery {
    /// Only what belongs to this organisation.
    pub(crate) organisation: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Items on the page, 1 to 1000.
    limit: Option<usize>,
}

/// Where a page begins (a state key, excluded) and how long it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) after: Vec<u8>,
    pub(crate) limit: usize,
}

impl PageQuery {
    pub(crate) fn cursor(&self) -> Result<Cursor, Problem> {
        cursor(self.after.as_deref(), self.limit)
    }
}

impl OwnedQuery {
    pub(crate) fn cursor(&self) -> Result<Cursor, Problem> {
        cursor(self.after.as_deref(), self.limit)
    }
}

fn cursor(after: Option<&str>, limit: Option<usize>) -> Result<Cursor, Problem> {
    Ok(Cursor { after: bytes("after", after.unwrap_or_default())?, limit: page_limit(limit)? })
}

/// A page's length within its bounds.
pub(crate) fn page_limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(LIST_ITEMS_MAX) {
        n @ 1..=LIST_ITEMS_MAX => Ok(n),
        n => Err(Problem::malformed("limit", format!("{n} is not between 1 and {LIST_ITEMS_MAX}"))),
    }
}

/// Bytes written in hex of either case.
pub(crate) fn bytes(name: &str, text: &str) -> Result<Vec<u8>, Problem> {
    hex::decode(text).map_err(|e| Problem::malformed(name, format!("not hexadecimal: {e}")))
}

/// A digest or id of 64 lower-case hex characters.
pub(crate) fn digest(name: &str, text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|e| Problem::malformed(name, e))
}

/// A name as it may stand inside a state key: short, and without the zero byte that ends it there.
pub(crate) fn name<'a>(part: &str, text: &'a str, bytes_max: usize) -> Result<&'a str, Problem> {
    if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
        let why = format!("expected 1 to {bytes_max} bytes without control characters");
        return Err(Problem::malformed(part, why));
    }
    Ok(text)
}

/// A space's name.
pub(crate) fn space(text: &str) -> Result<&str, Problem> {
    check_space(text).map(|()| text).map_err(|e| Problem::malformed("space", e))
}

/// A height, or the newest one.
pub(crate) fn height(text: &str, newest: Height) -> Result<Height, Problem> {
    match text {
        "latest" => Ok(newest),
        number => number
            .parse()
            .map_err(|_| Problem::malformed("height", "expected a number or `latest`")),
    }
}

/// How long a client wants to wait, within [`OUTCOME_TIME_MAX`].
pub(crate) fn patience_ms(timeout_ms: Option<u64>) -> Result<Option<u64>, Problem> {
    let most = OUTCOME_TIME_MAX.as_millis() as u64;
    if timeout_ms.is_some_and(|ms| ms > most) {
        return Err(Problem::malformed("timeout_ms", format!("at most {most}")));
    }
    Ok(timeout_ms)
}

/// RFC 3339 in UTC, to the millisecond. Empty for a time beyond the year 9999.
pub(crate) fn time(ms: TimeMs) -> String {
    let stamp = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(String::new, |t| format!("{t:.3}"))
}

#[cfg(test)]
mod tests;
