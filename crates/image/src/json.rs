//! Strict JSON: what every parser reads the same way, and nothing else.
//!
//! RFC 8259 leaves duplicate keys, encodings and nesting to the implementation; attacks on signed documents live in those gaps. The
//! syntax itself is serde_json's.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::limits::{MAX_DOCUMENT_BYTES, MAX_JSON_DEPTH, MAX_JSON_VALUES};
use crate::manifest::Malformed;
use crate::printable;

/// A JSON value whose objects have no duplicate keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool,
    Unsigned(u64),
    Negative,
    Float,
    String(String),
    Array(Vec<Value>),
    Object(Object),
}

/// A JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(pub(crate) BTreeMap<String, Value>);

/// Parses one document that is an object; see [`parse`].
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Object, Malformed> {
    match parse(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(Malformed::WrongType { field: "document".to_owned(), expected: "an object" }),
    }
}

/// Parses one document.
///
/// # Errors
/// `TooLarge` beyond [`MAX_DOCUMENT_BYTES`]; `Encoding` for a byte order mark, UTF-16 or invalid UTF-8; `DuplicateKey`, `TooDeep`,
/// `TooManyValues`; `Json` for any other fault of syntax, trailing bytes included.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Malformed> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(Malformed::TooLarge { limit: MAX_DOCUMENT_BYTES });
    }
    check_encoding(bytes)?;
    let mut state = State { values: 0, fault: None };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Seed { state: &mut state, depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    match (value, state.fault) {
        (_, Some(fault)) => Err(fault),
        (Err(error), None) => Err(Malformed::Json(error)),
        (Ok(value), None) => Ok(value),
    }
}

fn check_encoding(bytes: &[u8]) -> Result<(), Malformed> {
    let found = if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        "a byte order mark"
    } else if bytes.starts_with(&[0xFF, 0xFE])
        || bytes.starts_with(&[0xFE, 0xFF])
        || bytes.contains(&0)
    {
        "UTF-16 or zero bytes"
    } else if std::str::from_utf8(bytes).is_err() {
        "invalid UTF-8"
    } else {
        return Ok(());
    };
    Err(Malformed::Encoding { found })
}

struct State {
    values: usize,
    fault: Option<Malformed>,
}

struct Seed<'s> {
    state: &'s mut State,
    depth: usize,
}

impl Seed<'_> {
    fn fail<E: serde::de::Error>(&mut self, fault: Malformed) -> E {
        self.state.fault.get_or_insert(fault);
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(mut self, reader: D) -> Result<Value, D::Error> {
        self.state.values += 1;
        if self.state.values > MAX_JSON_VALUES {
            return Err(self.fail(Malformed::TooManyValues { limit: MAX_JSON_VALUES }));
        }
        if self.depth > MAX_JSON_DEPTH {
            return Err(self.fail(Malformed::TooDeep { limit: MAX_JSON_DEPTH }));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Bool)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(u64::try_from(number).map_or(Value::Negative, Value::Unsigned))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Float)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(value) =
            items.next_element_seed(Seed { state: &mut *self.state, depth: self.depth + 1 })?
        {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let error: A::Error = self.fail(Malformed::DuplicateKey { key: printable(&key) });
                return Err(A::Error::custom(error));
            }
            let value =
                entries.next_value_seed(Seed { state: &mut *self.state, depth: self.depth + 1 })?;
            object.insert(key, value);
        }
        Ok(Value::Object(Object(object)))
    }
}

impl Object {
    /// Refuses keys that a parser ignoring case (Go's encoding/json does) would take for one of `known`.
    pub(crate) fn refuse_variants(&self, known: &[&'static str]) -> Result<(), Malformed> {
        for key in self.0.keys() {
            let folded = fold(key);
            for field in known {
                if key != field && folded == fold(field) {
                    return Err(Malformed::KeyVariant { key: printable(key), known: field });
                }
            }
        }
        Ok(())
    }

    /// The value of a field; `null` counts as absent, as every parser of these documents has it.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| **value != Value::Null)
    }

    pub(crate) fn contains(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }
}

/// Folds ASCII case and the two other characters that Unicode simple folding maps into ASCII.
fn fold(key: &str) -> String {
    key.chars()
        .map(|character| match character {
            '\u{212A}' => 'k',
            '\u{017F}' => 's',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
