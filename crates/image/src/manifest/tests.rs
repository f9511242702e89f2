//! Tests of strict reading: every field, in every wrong form.

mod table;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    DOCKER_LIST, DOCKER_MANIFEST, Document, Malformed, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST,
    parse_config, parse_document,
};
use crate::digest::{Algorithm, Digest};
use crate::limits::{MAX_BLOB_BYTES, MAX_CHILDREN, MAX_DOCUMENT_BYTES, MAX_LAYERS};
use crate::testing::Made;
use table::fields;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(byte: char) -> String {
    format!("sha256:{}", byte.to_string().repeat(64))
}

fn manifest() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/x",
        "config": { "mediaType": OCI_CONFIG, "digest": digest('a'), "size": 7 },
        "layers": [{
            "mediaType": LAYER, "digest": digest('b'), "size": 9, "urls": ["https://x.example/"],
            "annotations": { "a": "b" }, "artifactType": "application/y",
        }],
        "subject": { "mediaType": OCI_MANIFEST, "digest": digest('c'), "size": 3 },
        "annotations": { "k": "v" },
    })
}

fn index() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": "application/x",
        "manifests": [{
            "mediaType": OCI_MANIFEST, "digest": digest('d'), "size": 5,
            "platform": {
                "os": "linux", "architecture": "arm", "variant": "v7", "os.version": "1",
                "os.features": ["x"], "features": ["y"],
            },
            "annotations": { "a": "b" }, "data": "aGVsbG8=",
        }],
        "subject": { "mediaType": OCI_MANIFEST, "digest": digest('c'), "size": 3 },
        "annotations": { "k": "v" },
    })
}

/// An index whose embedded data is right.
fn sound_index() -> Value {
    let mut index = index();
    index["manifests"][0]["digest"] = json!(Digest::of(Algorithm::Sha256, b"hello").to_string());
    index
}

fn config() -> Value {
    json!({
        "architecture": "arm", "os": "linux", "variant": "v7", "os.version": "1", "os.features": ["x"],
        "created": "2026-01-01T00:00:00Z", "config": { "Cmd": null }, "history": [{ "empty_layer": true }],
        "rootfs": { "type": "layers", "diff_ids": [digest('e')] },
    })
}

fn parse_any(bytes: &[u8]) -> Result<(), Malformed> {
    parse_document(bytes, None).map(drop)
}

fn parse_config_only(bytes: &[u8]) -> Result<(), Malformed> {
    parse_config(bytes).map(drop)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap()
}

fn set(document: &Value, path: &str, value: Option<Value>) -> Value {
    let (parent, field) = split(path);
    let mut document = document.clone();
    let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(field.to_owned(), value)),
        None => drop(parent.remove(field)),
    }
    document
}

#[test]
fn the_documents_of_these_tests_are_sound() {
    for document in [manifest(), sound_index()] {
        parse_any(document.to_string().as_bytes()).unwrap();
    }
    assert_eq!(parse_config(config().to_string().as_bytes()).unwrap().diff_ids.len(), 1);
}

#[test]
fn every_field_missing() {
    for (parse, document, path, required, _) in fields() {
        for absent in [None, Some(Value::Null)] {
            let changed = set(&document, path, absent).to_string();
            assert_eq!(parse(changed.as_bytes()).is_err(), required, "{path} absent: {changed}");
        }
    }
}

#[test]
fn every_field_of_another_type_huge_negative_or_fractional() {
    for (parse, document, path, _, wrong) in fields() {
        for value in wrong {
            let changed = set(&document, path, Some(value)).to_string();
            assert!(parse(changed.as_bytes()).is_err(), "{path} was accepted: {changed}");
        }
    }
}

#[test]
fn every_field_doubled() {
    for (parse, document, path, _, _) in fields() {
        let (parent, field) = split(path);
        let object = document.pointer(parent).unwrap();
        let whole = object.to_string();
        let twice = format!("{}, {}: {}}}", &whole[..whole.len() - 1], json!(field), object[field]);
        let changed = document.to_string().replacen(&whole, &twice, 1);
        let error = parse(changed.as_bytes()).unwrap_err();
        assert!(matches!(error, Malformed::DuplicateKey { .. }), "{path}: {error}: {changed}");
    }
}

#[test]
fn every_field_in_another_case() {
    for (parse, document, path, _, _) in fields() {
        let (parent, field) = split(path);
        let value = document.pointer(path).unwrap().clone();
        let object = if parent.is_empty() { String::new() } else { parent.to_owned() };
        for variant in
            [field.to_uppercase(), field.replace('s', "\u{17f}"), field.replace('k', "\u{212a}")]
        {
            if variant == field {
                continue;
            }
            let changed =
                set(&document, &format!("{object}/{variant}"), Some(value.clone())).to_string();
            let error = parse(changed.as_bytes()).unwrap_err();
            assert!(matches!(error, Malformed::KeyVariant { .. }), "{path}: {error}: {changed}");
        }
    }
}

#[test]
fn escaped_keys_are_the_same_keys() {
    let text = manifest().to_string().replacen("\"layers\"", "\"layers\":[],\"\\u006cayers\"", 1);
    assert!(matches!(parse_any(text.as_bytes()), Err(Malformed::DuplicateKey { .. })));
}

#[test]
fn a_document_is_a_manifest_or_an_index_never_both() {
    for (mut document, field, value) in [
        (manifest(), "manifests", json!([])),
        (manifest(), "manifests", Value::Null),
        (index(), "layers", json!([])),
        (index(), "config", json!({})),
        (index(), "layers", Value::Null),
    ] {
        document[field] = value;
        let error = parse_any(document.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, Malformed::Ambiguous), "{field}: {error}");
    }
}

#[test]
fn media_types_must_agree() {
    let bytes = manifest().to_string();
    for announced in [DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST] {
        let error = parse_document(bytes.as_bytes(), Some(announced)).unwrap_err();
        assert!(matches!(error, Malformed::MediaTypeDiffers { .. }), "{announced}: {error}");
    }
    for announced in
        ["application/json", "text/html", "", "application/vnd.oci.image.config.v1+json"]
    {
        let error = parse_document(bytes.as_bytes(), Some(announced)).unwrap_err();
        assert!(matches!(error, Malformed::UnknownMediaType { .. }), "{announced}: {error}");
    }
    // Without a field of its own the announcement decides, and then the shape must fit it.
    let bare = set(&manifest(), "/mediaType", None).to_string();
    assert!(parse_document(bare.as_bytes(), Some(OCI_MANIFEST)).is_ok());
    let error = parse_document(bare.as_bytes(), Some(OCI_INDEX)).unwrap_err();
    assert!(matches!(error, Malformed::Shape { .. }), "{error}");
    let error = parse_document(bare.as_bytes(), Some(DOCKER_MANIFEST)).unwrap_err();
    assert!(matches!(error, Malformed::Missing { .. }), "{error}");
    let bare = set(&sound_index(), "/mediaType", None).to_string();
    let error = parse_document(bare.as_bytes(), Some(OCI_MANIFEST)).unwrap_err();
    assert!(matches!(error, Malformed::Shape { .. }), "{error}");
}

#[test]
fn schema_1_is_refused_however_it_is_announced() {
    let signed =
        json!({ "schemaVersion": 1, "name": "x", "fsLayers": [], "signatures": [] }).to_string();
    let kinds = [
        None,
        Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
        Some("application/vnd.docker.distribution.manifest.v1+json"),
        Some(OCI_MANIFEST),
    ];
    for announced in kinds {
        let error = parse_document(signed.as_bytes(), announced).unwrap_err();
        assert!(matches!(error, Malformed::Schema1), "{announced:?}: {error}");
    }
    let bare = json!({ "schemaVersion": 1 }).to_string();
    assert!(matches!(parse_any(bare.as_bytes()), Err(Malformed::Schema1)));
}

#[test]
fn encodings_other_than_plain_utf_8_are_refused() {
    let text = manifest().to_string();
    let utf16 = |little: bool| -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    };
    let cases: Vec<Vec<u8>> = vec![
        [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        [b"\xFF\xFE".to_vec(), utf16(true)].concat(),
        [b"\xFE\xFF".to_vec(), utf16(false)].concat(),
        utf16(true),
        utf16(false),
        text.replace("\"v\"", "\"\u{fffd}\"")
            .into_bytes()
            .into_iter()
            .map(|b| if b == 0xEF { 0xFF } else { b })
            .collect(),
        text.replace("\"v\"", "\"\0\"").into_bytes(),
    ];
    for bytes in cases {
        assert!(matches!(parse_any(&bytes), Err(Malformed::Encoding { .. })), "{:?}", &bytes[..8]);
    }
    let surrogate = text.replace("\"v\"", "\"\\ud800\"");
    assert!(matches!(parse_any(surrogate.as_bytes()), Err(Malformed::Json(_))));
}

#[test]
fn syntax_errors_and_trailing_bytes_are_refused() {
    let text = manifest().to_string();
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "// x\n{}",
        "{\"a\":NaN}",
    ] {
        assert!(parse_any(bad.as_bytes()).is_err(), "{bad}");
    }
    for tail in ["{}", "x", ",", "\n{}"] {
        assert!(matches!(parse_any(format!("{text}{tail}").as_bytes()), Err(Malformed::Json(_))));
    }
    assert!(parse_any(format!("\n {text}\n\t ").as_bytes()).is_ok());
}

#[test]
fn nesting_and_number_of_values_are_bounded() {
    let deep = |levels: usize| {
        let inner = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let text = manifest().to_string();
        format!("{{\"x\":{inner},{}", &text[1..])
    };
    assert!(parse_any(deep(31).as_bytes()).is_ok());
    assert!(matches!(parse_any(deep(33).as_bytes()), Err(Malformed::TooDeep { .. })));
    assert!(matches!(parse_any(deep(100_000).as_bytes()), Err(Malformed::TooDeep { .. })));
    let text = manifest().to_string();
    let many = format!("{{\"x\":[{}0],{}", "0,".repeat(300_000), &text[1..]);
    assert!(matches!(parse_any(many.as_bytes()), Err(Malformed::TooManyValues { .. })));
}

#[test]
fn four_mebibytes_are_the_edge() {
    let text = manifest().to_string();
    let padded = |length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    assert!(parse_any(padded(MAX_DOCUMENT_BYTES).as_bytes()).is_ok());
    let error = parse_any(padded(MAX_DOCUMENT_BYTES + 1).as_bytes()).unwrap_err();
    assert!(matches!(error, Malformed::TooLarge { .. }));
}

#[test]
fn layers_children_and_diff_ids_are_bounded() {
    let layers = |count| {
        let mut document = manifest();
        document["layers"] = Value::Array(vec![manifest()["layers"][0].clone(); count]);
        parse_any(document.to_string().as_bytes())
    };
    layers(0).unwrap();
    layers(MAX_LAYERS).unwrap();
    assert!(matches!(layers(MAX_LAYERS + 1), Err(Malformed::TooManyLayers { .. })));
    assert!(matches!(layers(10_000), Err(Malformed::TooManyLayers { .. })));
    let children = |count| {
        let mut document = index();
        document["manifests"] = Value::Array(vec![sound_index()["manifests"][0].clone(); count]);
        parse_any(document.to_string().as_bytes())
    };
    children(0).unwrap();
    children(MAX_CHILDREN).unwrap();
    assert!(matches!(children(MAX_CHILDREN + 1), Err(Malformed::TooManyChildren { .. })));
    let mut many = config();
    many["rootfs"]["diff_ids"] = Value::Array(vec![json!(digest('a')); MAX_LAYERS + 1]);
    assert!(matches!(
        parse_config(many.to_string().as_bytes()),
        Err(Malformed::TooManyLayers { .. })
    ));
}

#[test]
fn embedded_data_must_have_its_digest_and_size() {
    assert!(matches!(
        parse_any(index().to_string().as_bytes()),
        Err(Malformed::DataDiffers { .. })
    ));
    let mut longer = sound_index();
    longer["manifests"][0]["size"] = json!(6);
    assert!(matches!(parse_any(longer.to_string().as_bytes()), Err(Malformed::DataDiffers { .. })));
}

#[test]
fn sizes_may_reach_the_limit_and_sha512_works() {
    let mut document = manifest();
    document["layers"][0]["size"] = json!(MAX_BLOB_BYTES);
    document["layers"][0]["digest"] = json!(format!("sha512:{}", "a".repeat(128)));
    let (parsed, _) = parse_document(document.to_string().as_bytes(), None).unwrap();
    let Document::Manifest(parsed) = parsed else { panic!("not a manifest") };
    assert_eq!(parsed.layers[0].digest.algorithm(), Algorithm::Sha512);
    assert!(parsed.layers[0].foreign);
}

#[test]
fn unknown_fields_are_allowed() {
    let mut document = manifest();
    document["org.example"] = json!({ "Layers": 1 });
    document["annotations"]["LAYERS"] = json!("x");
    document["layers"][0]["annotations"]["Digest"] = json!("x");
    parse_any(document.to_string().as_bytes()).unwrap();
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        crate::fuzz::document(&bytes);
        crate::fuzz::config(&bytes);
        crate::fuzz::registry_answer(&bytes);
        crate::fuzz::archive(&bytes);
        crate::fuzz::layer(&bytes);
    }

    #[test]
    fn damaged_documents_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        for text in [manifest().to_string(), sound_index().to_string(), config().to_string()] {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            crate::fuzz::document(&bytes);
            crate::fuzz::config(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            crate::fuzz::document(&bytes);
            crate::fuzz::config(&bytes);
        }
    }
}

#[test]
fn made_images_are_sound() {
    for made in [Made::small("amd64"), Made::multi(), Made::small("amd64").docker()] {
        parse_document(&made.bytes, Some(&made.media_type)).unwrap();
    }
}
