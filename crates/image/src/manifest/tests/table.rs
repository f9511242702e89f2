//! Every field of manifest, index and configuration, and every wrong form of it.

use serde_json::{Value, json};

use super::{config, digest, manifest, parse_any, parse_config_only, sound_index};
use crate::limits::MAX_BLOB_BYTES;
use crate::manifest::Malformed;

/// One field: how its document is parsed, the document, the JSON pointer, whether it is required, and wrong values.
pub(super) type Field = (fn(&[u8]) -> Result<(), Malformed>, Value, &'static str, bool, Vec<Value>);

#[derive(Clone, Copy)]
enum Form {
    Text,
    Media,
    Number,
    Version,
    Digest,
    List,
    Object,
    Map,
    Data,
    RootfsType,
    DiffIds,
}

fn values(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn wrong(form: Form) -> Vec<Value> {
    let text = || values(r#"[1, true, [], {}, 1.5]"#);
    let list = || values(r#"[1, "x", {}, true, [1], [null]]"#);
    let number = || {
        let mut all = values(r#"["2", -1, 1.0, 2.5, true, [], {}, 1e30, -9223372036854775808]"#);
        all.extend([json!(MAX_BLOB_BYTES + 1), json!(u64::MAX)]);
        all
    };
    match form {
        Form::Text => text(),
        Form::Media => [text(), values(r#"["", "x", "a/b/c", "a /b", "a/b\u001b"]"#)].concat(),
        Form::Number => number(),
        Form::Version => [number(), values("[1, 3, 0]")].concat(),
        Form::Digest => digests(),
        Form::List => list(),
        Form::Object => values(r#"[1, "x", [], true]"#),
        Form::Map => values(r#"[1, [], "x", {"a": 1}, {"a": {}}, {"a": null}]"#),
        Form::Data => [text(), values(r#"["aGVsbG", "eA==", "!"]"#)].concat(),
        Form::RootfsType => [text(), values(r#"["layers+", ""]"#)].concat(),
        Form::DiffIds => [list(), vec![json!([digest('E')]), json!(["md5:x"])]].concat(),
    }
}

fn digests() -> Vec<Value> {
    let good = digest('a');
    let mut all = values(r#"[1, "", "sha256:", {}, []]"#);
    all.extend([
        json!(digest('A')),
        json!(digest('g')),
        json!(good[1..]),
        json!(format!("{good}0")),
        json!(format!(" {good}")),
        json!(format!("md5:{}", "a".repeat(32))),
        json!(format!("sha256:../{}", "a".repeat(61))),
    ]);
    all
}

const DESCRIPTOR: [(&str, Form); 3] =
    [("mediaType", Form::Media), ("digest", Form::Digest), ("size", Form::Number)];

const COMMON: [(&str, bool, Form); 5] = [
    ("/schemaVersion", true, Form::Version),
    ("/mediaType", false, Form::Media),
    ("/artifactType", false, Form::Text),
    ("/annotations", false, Form::Map),
    ("/subject", false, Form::Object),
];

const MANIFEST: [(&str, bool, Form); 5] = [
    ("/config", true, Form::Object),
    ("/layers", true, Form::List),
    ("/layers/0/urls", false, Form::List),
    ("/layers/0/annotations", false, Form::Map),
    ("/layers/0/artifactType", false, Form::Text),
];

const INDEX: [(&str, bool, Form); 9] = [
    ("/manifests", true, Form::List),
    ("/manifests/0/data", false, Form::Data),
    ("/manifests/0/platform", false, Form::Object),
    ("/manifests/0/platform/os", true, Form::Text),
    ("/manifests/0/platform/architecture", true, Form::Text),
    ("/manifests/0/platform/variant", false, Form::Text),
    ("/manifests/0/platform/os.version", false, Form::Text),
    ("/manifests/0/platform/os.features", false, Form::List),
    ("/manifests/0/platform/features", false, Form::List),
];

const CONFIG: [(&str, bool, Form); 11] = [
    ("/architecture", true, Form::Text),
    ("/os", true, Form::Text),
    ("/variant", false, Form::Text),
    ("/os.version", false, Form::Text),
    ("/os.features", false, Form::List),
    ("/created", false, Form::Text),
    ("/config", false, Form::Object),
    ("/history", false, Form::List),
    ("/rootfs", true, Form::Object),
    ("/rootfs/type", true, Form::RootfsType),
    ("/rootfs/diff_ids", true, Form::DiffIds),
];

pub(super) fn fields() -> Vec<Field> {
    let mut all: Vec<Field> = Vec::new();
    let parts = [
        (manifest(), "/config"),
        (manifest(), "/layers/0"),
        (manifest(), "/subject"),
        (sound_index(), "/manifests/0"),
        (sound_index(), "/subject"),
    ];
    for (document, part) in parts {
        for (field, form) in DESCRIPTOR {
            let path = format!("{part}/{field}").leak();
            all.push((parse_any, document.clone(), path, true, wrong(form)));
        }
    }
    let tables = [
        (manifest(), &COMMON[..]),
        (sound_index(), &COMMON[..]),
        (manifest(), &MANIFEST[..]),
        (sound_index(), &INDEX[..]),
    ];
    for (document, table) in tables {
        for (path, required, form) in table {
            all.push((parse_any, document.clone(), path, *required, wrong(*form)));
        }
    }
    for (path, required, form) in CONFIG {
        all.push((parse_config_only, config(), path, required, wrong(form)));
    }
    all
}
