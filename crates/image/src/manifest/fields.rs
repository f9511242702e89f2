//! Typed access to the fields of a document, with the path of each for the error.

use std::collections::BTreeMap;

use base64::Engine as _;

use super::{Descriptor, Malformed, Platform};
use crate::digest::Digest;
use crate::json::{Object, Value};
use crate::limits::{MAX_BLOB_BYTES, MAX_MEDIA_TYPE_BYTES};
use crate::printable;

const DESCRIPTOR_FIELDS: [&str; 8] =
    ["mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"];
const PLATFORM_FIELDS: [&str; 6] =
    ["architecture", "os", "os.version", "os.features", "variant", "features"];

/// An object and where it stands.
pub(super) struct Fields<'o> {
    object: &'o Object,
    path: String,
}

impl<'o> Fields<'o> {
    pub(super) fn root(object: &'o Object) -> Self {
        Self { object, path: String::new() }
    }

    pub(super) fn inside(&self, field: &str, object: &'o Object) -> Self {
        Self { object, path: self.at(field) }
    }

    fn at(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    fn required(&self, field: &str) -> Result<&'o Value, Malformed> {
        self.object.get(field).ok_or_else(|| Malformed::Missing { field: self.at(field) })
    }

    fn wrong(&self, field: &str, expected: &'static str) -> Malformed {
        Malformed::WrongType { field: self.at(field), expected }
    }

    pub(super) fn optional_string(&self, field: &str) -> Result<Option<&'o str>, Malformed> {
        match self.object.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "a string")),
        }
    }

    /// A required string that may be empty: cosign writes empty platforms.
    pub(super) fn text(&self, field: &str) -> Result<&'o str, Malformed> {
        self.optional_string(field)?.ok_or_else(|| Malformed::Missing { field: self.at(field) })
    }

    pub(super) fn string(&self, field: &str) -> Result<&'o str, Malformed> {
        let text = self.text(field)?;
        if text.is_empty() {
            return Err(Malformed::Missing { field: self.at(field) });
        }
        Ok(text)
    }

    /// A whole number up to [`MAX_BLOB_BYTES`]. Floats are refused even when whole: parsers differ on them.
    pub(super) fn unsigned(&self, field: &str) -> Result<u64, Malformed> {
        let found = match self.required(field)? {
            Value::Unsigned(number) if *number <= MAX_BLOB_BYTES => return Ok(*number),
            Value::Unsigned(number) => number.to_string(),
            Value::Negative => "negative".to_owned(),
            Value::Float => "a fraction or beyond 64 bits".to_owned(),
            _ => return Err(self.wrong(field, "a number")),
        };
        Err(Malformed::Number { field: self.at(field), found, limit: MAX_BLOB_BYTES })
    }

    pub(super) fn array(&self, field: &str) -> Result<&'o [Value], Malformed> {
        self.required(field)?;
        self.optional_array(field)
    }

    pub(super) fn optional_array(&self, field: &str) -> Result<&'o [Value], Malformed> {
        match self.object.get(field) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.wrong(field, "an array")),
        }
    }

    pub(super) fn object(&self, field: &str) -> Result<&'o Object, Malformed> {
        self.required(field)?;
        self.optional_object(field)?.ok_or_else(|| Malformed::Missing { field: self.at(field) })
    }

    pub(super) fn optional_object(&self, field: &str) -> Result<Option<&'o Object>, Malformed> {
        match self.object.get(field) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.wrong(field, "an object")),
        }
    }

    pub(super) fn strings(&self, field: &str) -> Result<Vec<&'o str>, Malformed> {
        let items = self.optional_array(field)?.iter();
        items
            .map(|item| match item {
                Value::String(text) => Ok(text.as_str()),
                _ => Err(self.wrong(field, "an array of strings")),
            })
            .collect()
    }

    pub(super) fn annotations(&self, field: &str) -> Result<BTreeMap<String, String>, Malformed> {
        let Some(object) = self.optional_object(field)? else {
            return Ok(BTreeMap::new());
        };
        let entries = object.0.iter();
        entries
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                _ => Err(self.wrong(field, "a map of strings")),
            })
            .collect()
    }

    pub(super) fn digests(&self, field: &str, items: &[Value]) -> Result<Vec<Digest>, Malformed> {
        let parse = |(index, item): (usize, &Value)| {
            let path = format!("{}[{index}]", self.at(field));
            match item {
                Value::String(text) => {
                    text.parse().map_err(|cause| Malformed::Digest { field: path, cause })
                }
                _ => Err(Malformed::WrongType { field: path, expected: "a string" }),
            }
        };
        items.iter().enumerate().map(parse).collect()
    }

    pub(super) fn descriptor(&self, field: &str) -> Result<Descriptor, Malformed> {
        self.inside(field, self.object(field)?).parse_descriptor()
    }

    pub(super) fn optional_descriptor(&self, field: &str) -> Result<Option<Descriptor>, Malformed> {
        let Some(object) = self.optional_object(field)? else {
            return Ok(None);
        };
        self.inside(field, object).parse_descriptor().map(Some)
    }

    pub(super) fn descriptors(
        &self,
        field: &str,
        items: &'o [Value],
    ) -> Result<Vec<Descriptor>, Malformed> {
        let parse = |(index, item): (usize, &'o Value)| {
            let path = format!("{}[{index}]", self.at(field));
            match item {
                Value::Object(object) => Fields { object, path }.parse_descriptor(),
                _ => Err(Malformed::WrongType { field: path, expected: "an object" }),
            }
        };
        items.iter().enumerate().map(parse).collect()
    }

    fn parse_descriptor(&self) -> Result<Descriptor, Malformed> {
        self.object.refuse_variants(&DESCRIPTOR_FIELDS)?;
        let media_type = self.string("mediaType")?;
        if !media_type_ok(media_type) {
            return Err(self.wrong("mediaType", "a media type"));
        }
        let digest: Digest = self
            .string("digest")?
            .parse()
            .map_err(|cause| Malformed::Digest { field: self.at("digest"), cause })?;
        let size = self.unsigned("size")?;
        self.optional_string("artifactType")?;
        let data = self.data(&digest, size)?;
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            foreign: !self.strings("urls")?.is_empty(),
            platform: self.platform()?,
            annotations: self.annotations("annotations")?,
            data,
        })
    }

    fn data(&self, digest: &Digest, size: u64) -> Result<Option<Vec<u8>>, Malformed> {
        let Some(text) = self.optional_string("data")? else {
            return Ok(None);
        };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|_| self.wrong("data", "base64"))?;
        if bytes.len() as u64 != size || Digest::of(digest.algorithm(), &bytes) != *digest {
            return Err(Malformed::DataDiffers { field: self.path.clone() });
        }
        Ok(Some(bytes))
    }

    fn platform(&self) -> Result<Option<Platform>, Malformed> {
        let Some(object) = self.optional_object("platform")? else {
            return Ok(None);
        };
        object.refuse_variants(&PLATFORM_FIELDS)?;
        let fields = self.inside("platform", object);
        fields.strings("os.features")?;
        fields.strings("features")?;
        Ok(Some(Platform {
            os: fields.text("os")?.to_owned(),
            architecture: fields.text("architecture")?.to_owned(),
            variant: fields.optional_string("variant")?.map(str::to_owned),
            os_version: fields.optional_string("os.version")?.map(str::to_owned),
        }))
    }
}

fn media_type_ok(text: &str) -> bool {
    text.len() <= MAX_MEDIA_TYPE_BYTES
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && printable(text) == text
        && text.split('/').count() == 2
        && text.split('/').all(|part| !part.is_empty())
}
