//! Tests of describing and checking images in files.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::error::{ImageError, Kind};
use crate::manifest::{Malformed, OCI_INDEX, OCI_MANIFEST};
use crate::testing::{Made, image, index_of, layer_of, layout_of, open, tar_of};
use crate::{CheckOptions, Checked, Expected, Level, Source, check, describe};

async fn layout(made: &Made, dir: &Path) -> Arc<Source> {
    layout_of(made, None, dir);
    open(&format!("oci:{}", dir.display())).await.unwrap()
}

async fn check_at(source: &Arc<Source>, made: &Made, level: Level) -> Result<Checked, ImageError> {
    let options = CheckOptions { level, ..CheckOptions::default() };
    check(source, &Expected::root(made.digest.clone()), &options).await
}

fn index_entry(made: &Made) -> Value {
    json!({ "mediaType": OCI_INDEX, "digest": made.digest.to_string(), "size": made.bytes.len() })
}

fn malformed(error: &ImageError) -> &Malformed {
    match error {
        ImageError::Malformed { cause, .. } => cause,
        other => panic!("not malformed: {other:?}"),
    }
}

#[tokio::test]
async fn every_level_passes_for_a_sound_image() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::multi();
    let source = layout(&made, dir.path()).await;
    let mut hashed = 0;
    for level in [Level::L1, Level::L2, Level::L3, Level::L4] {
        let checked = check_at(&source, &made, level).await.unwrap();
        assert_eq!((checked.level, &checked.found), (level, &made.digest));
        assert!(checked.bytes_hashed > hashed || level == Level::L4, "{level} hashed too little");
        hashed = checked.bytes_hashed;
    }
}

#[tokio::test]
async fn a_level_finds_what_it_promises_to_find() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::small("amd64");
    let source = layout(&made, dir.path()).await;
    let damage = |digest: &Digest| {
        let path = dir.path().join(digest.layout_path());
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    damage(&made.layers[0]);
    assert!(check_at(&source, &made, Level::L2).await.is_ok());
    assert_eq!(check_at(&source, &made, Level::L3).await.unwrap_err().kind(), Kind::Differs);
    damage(made.config.as_ref().unwrap());
    assert!(check_at(&source, &made, Level::L1).await.is_ok());
    assert_eq!(check_at(&source, &made, Level::L2).await.unwrap_err().kind(), Kind::Differs);
    damage(&made.digest);
    assert_eq!(check_at(&source, &made, Level::L1).await.unwrap_err().kind(), Kind::Differs);
}

#[tokio::test]
async fn diff_ids_are_only_believed_at_level_4() {
    // The configuration promises another content than the layer has, and everything else is right.
    let honest = layer_of(tar_of(&[("app", b"good")]), "gzip");
    let (stored, media_type, _) = layer_of(tar_of(&[("app", b"evil")]), "gzip");
    let made = image("amd64", &[(stored, media_type, honest.2)]);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    assert!(check_at(&source, &made, Level::L3).await.is_ok());
    match check_at(&source, &made, Level::L4).await.unwrap_err() {
        ImageError::Differs { expected, what, .. } => {
            assert_eq!(expected, made.diff_ids[0]);
            assert!(what.contains("diff ID"), "{what}");
        }
        other => panic!("{other:?}"),
    }
}

/// Defect 4B-2 of DaoChain: MD5 over sorted file hashes, blind to names, order and modes.
#[tokio::test]
async fn defect_4b_2_order_names_and_contents_all_count() {
    let base = [("a", &b"one"[..]), ("b", &b"two"[..])];
    let variants = [
        [("a", &b"two"[..]), ("b", &b"one"[..])],
        [("b", &b"one"[..]), ("a", &b"two"[..])],
        [("a", &b"one"[..]), ("c", &b"two"[..])],
    ];
    let made = |files: &[(&str, &[u8])]| image("amd64", &[layer_of(tar_of(files), "gzip")]);
    let recorded = made(&base);
    for variant in variants {
        let other = made(&variant);
        let dir = tempfile::tempdir().unwrap();
        let source = layout(&other, dir.path()).await;
        let error = check_at(&source, &recorded, Level::L3).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Differs, "{variant:?} passed");
    }
    // Two layers exchanged are another image too.
    let (x, y) = (layer_of(tar_of(&base), "gzip"), layer_of(tar_of(&variants[0]), "gzip"));
    assert_ne!(image("amd64", &[x.clone(), y.clone()]).digest, image("amd64", &[y, x]).digest);
}

#[tokio::test]
async fn counts_of_layers_and_diff_ids_must_agree() {
    let mut made = Made::small("amd64");
    let mut manifest: Value = serde_json::from_slice(&made.bytes).unwrap();
    manifest["layers"].as_array_mut().unwrap().pop();
    made.bytes = manifest.to_string().into_bytes();
    made.digest = Digest::of(crate::Algorithm::Sha256, &made.bytes);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    let error = describe(&source).await.unwrap_err();
    assert!(
        matches!(malformed(&error), Malformed::DiffIds { layers: 1, diff_ids: 2 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn nested_indexes_are_read_up_to_the_limit() {
    let leaf = Made::small("amd64");
    let mut made = index_of(vec![leaf.entry("amd64")], &[&leaf]);
    for depth in 1..=4 {
        let dir = tempfile::tempdir().unwrap();
        let source = layout(&made, dir.path()).await;
        let result = describe(&source).await;
        if depth <= crate::limits::MAX_INDEX_DEPTH {
            let description = result.unwrap();
            assert_eq!((description.platforms.len(), description.indexes.len()), (1, depth - 1));
            assert!(check_at(&source, &made, Level::L4).await.is_ok());
        } else {
            let error = result.unwrap_err();
            assert!(matches!(malformed(&error), Malformed::IndexDepth { .. }), "{error:?}");
        }
        made = index_of(vec![index_entry(&made)], &[&made]);
        let inner = made.documents.len();
        assert!(inner > 0);
    }
}

#[tokio::test]
async fn an_index_reached_twice_is_no_cycle() {
    let leaf = Made::small("amd64");
    let outer = index_of(vec![leaf.entry("amd64")], &[&leaf]);
    let inner = index_of(vec![index_entry(&outer)], &[&outer]);
    let twice = index_of(vec![index_entry(&inner), index_entry(&outer)], &[&inner, &outer]);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&twice, dir.path()).await;
    // The same index twice on different paths is no cycle.
    assert_eq!(describe(&source).await.unwrap().platforms.len(), 2);
}

#[tokio::test]
async fn extra_and_duplicate_platforms_are_all_read() {
    let (a, b) = (Made::small("amd64"), Made::small("arm64"));
    let made = index_of(vec![a.entry("amd64"), b.entry("amd64"), a.entry("unknown")], &[&a, &b]);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    let description = describe(&source).await.unwrap();
    assert_eq!(description.platforms.len(), 3);
    assert!(check_at(&source, &made, Level::L4).await.is_ok());
    let extra = index_of(vec![a.entry("amd64"), b.entry("arm64")], &[&a, &b]);
    assert_eq!(check_at(&source, &extra, Level::L3).await.unwrap_err().kind(), Kind::Differs);
}

#[tokio::test]
async fn missing_parts_are_not_found_and_children_of_other_kinds_refused() {
    let made = Made::multi();
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    let child = made.documents.keys().next().unwrap();
    std::fs::remove_file(dir.path().join(format!("blobs/{}", child.replace(':', "/")))).unwrap();
    assert_eq!(describe(&source).await.unwrap_err().kind(), Kind::NotFound);
    let leaf = Made::small("amd64");
    let mut entry = leaf.entry("amd64");
    for media_type in ["application/vnd.oci.image.config.v1+json", "application/json"] {
        entry["mediaType"] = json!(media_type);
        let made = index_of(vec![entry.clone()], &[&leaf]);
        let dir = tempfile::tempdir().unwrap();
        let source = layout(&made, dir.path()).await;
        let error = describe(&source).await.unwrap_err();
        assert!(matches!(malformed(&error), Malformed::UnknownMediaType { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_child_is_parsed_as_what_its_index_calls_it() {
    let leaf = Made::small("amd64");
    let mut entry = leaf.entry("amd64");
    entry["mediaType"] = json!(OCI_INDEX);
    let made = index_of(vec![entry], &[&leaf]);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    let error = describe(&source).await.unwrap_err();
    assert!(matches!(malformed(&error), Malformed::MediaTypeDiffers { .. }), "{error:?}");
}

#[tokio::test]
async fn one_digest_has_one_size() {
    let leaf = Made::small("amd64");
    let mut manifest: Value = serde_json::from_slice(&leaf.bytes).unwrap();
    let size = manifest["layers"][0]["size"].as_u64().unwrap();
    manifest["layers"][1]["digest"] = manifest["layers"][0]["digest"].clone();
    manifest["layers"][1]["size"] = json!(size + 1);
    let mut made = leaf.clone();
    made.bytes = manifest.to_string().into_bytes();
    made.digest = Digest::of(crate::Algorithm::Sha256, &made.bytes);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    let error = check_at(&source, &made, Level::L3).await.unwrap_err();
    assert!(matches!(malformed(&error), Malformed::SizesDiffer { .. }), "{error:?}");
}

#[tokio::test]
async fn artifacts_are_hashed_but_not_unpacked() {
    let chart = b"not a tar".to_vec();
    let digest = Digest::of(crate::Algorithm::Sha256, &chart);
    let mut made = Made::small("amd64");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": { "mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest.to_string(), "size": 9 },
        "layers": [{ "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": digest.to_string(), "size": 9 }],
    });
    made.bytes = manifest.to_string().into_bytes();
    made.digest = Digest::of(crate::Algorithm::Sha256, &made.bytes);
    made.blobs.insert(digest.to_string(), chart);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    let checked = check_at(&source, &made, Level::L4).await.unwrap();
    assert_eq!(checked.bytes_hashed, made.bytes.len() as u64 + 9);
    assert_eq!(describe(&source).await.unwrap().artifacts.len(), 1);
}

#[tokio::test]
async fn encrypted_and_unknown_layers_have_no_level_4() {
    for suffix in ["+gzip+encrypted", "+xz", "+zstd:chunked"] {
        let (stored, _, tar) = layer_of(tar_of(&[("a", b"b")]), "gzip");
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        let made = image("amd64", &[(stored, media_type, tar)]);
        let dir = tempfile::tempdir().unwrap();
        let source = layout(&made, dir.path()).await;
        assert!(check_at(&source, &made, Level::L3).await.is_ok());
        let error = check_at(&source, &made, Level::L4).await.unwrap_err();
        assert!(matches!(malformed(&error), Malformed::Compression { .. }), "{suffix}: {error:?}");
    }
}

#[tokio::test]
async fn bombs_exceed_the_bound_and_bounds_hold_for_all_layers_together() {
    let zeros = tar_of(&[("zeros", &vec![0; 3 << 20])]);
    for kind in ["gzip", "zstd", "tar"] {
        let other = tar_of(&[("zeros", &vec![0; 3 << 20]), ("b", b"")]);
        let made = image("amd64", &[layer_of(zeros.clone(), kind), layer_of(other, kind)]);
        let dir = tempfile::tempdir().unwrap();
        let source = layout(&made, dir.path()).await;
        let expected = Expected::root(made.digest.clone());
        for (max_unpacked, fits) in [(4 << 20, kind == "tar"), (8 << 20, true)] {
            let options =
                CheckOptions { level: Level::L4, max_unpacked, ..CheckOptions::default() };
            let result = check(&source, &expected, &options).await;
            match result {
                Ok(_) => assert!(fits, "{kind} passed within {max_unpacked}"),
                Err(error) => {
                    assert!(
                        matches!(error, ImageError::TooLarge { .. }) && !fits,
                        "{kind}: {error:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_repacked_image_is_recognised_by_configuration_and_layers_only() {
    let files =
        [layer_of(tar_of(&[("a", b"x")]), "gzip"), layer_of(tar_of(&[("b", b"y")]), "gzip")];
    let recorded = image("amd64", &files);
    let dir = tempfile::tempdir().unwrap();
    let expected =
        Expected::from(&describe(&*layout(&recorded, &dir.path().join("r")).await).await.unwrap());
    let repack = |kind: &str| {
        let layers: Vec<_> = files.iter().map(|(_, _, tar)| layer_of(tar.clone(), kind)).collect();
        image("amd64", &layers)
    };
    for kind in ["zstd", "tar"] {
        let made = repack(kind);
        assert_ne!(made.digest, recorded.digest);
        let source = layout(&made, &dir.path().join(kind)).await;
        let checked = check(&source, &expected, &CheckOptions::default()).await.unwrap();
        assert!(checked.repacked && checked.level == Level::L4 && checked.found == made.digest);
        // Without the platforms there is nothing to recognise it by.
        let root = Expected::root(recorded.digest.clone());
        assert_eq!(
            check(&source, &root, &CheckOptions::default()).await.unwrap_err().kind(),
            Kind::Differs
        );
    }
    // The right configuration over wrong layers.
    let (stored, media_type, _) = layer_of(tar_of(&[("a", b"evil")]), "tar");
    let evil = image(
        "amd64",
        &[(stored, media_type, files[0].2.clone()), layer_of(files[1].2.clone(), "tar")],
    );
    assert_eq!(evil.config, recorded.config);
    let source = layout(&evil, &dir.path().join("evil")).await;
    let error = check(&source, &expected, &CheckOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Differs, "{error}");
    // Another image altogether.
    let source = layout(&Made::small("amd64"), &dir.path().join("other")).await;
    let error = check(&source, &expected, &CheckOptions::default()).await.unwrap_err();
    assert!(matches!(error, ImageError::Other { .. }), "{error:?}");
}

#[tokio::test]
async fn sha512_images_work() {
    use crate::Algorithm::Sha512;
    let made = Made::small("amd64");
    let mut text = String::from_utf8(made.bytes.clone()).unwrap();
    let mut long = made.clone();
    long.blobs.clear();
    for (digest, bytes) in &made.blobs {
        let other = Digest::of(Sha512, bytes).to_string();
        text = text.replace(digest, &other);
        long.blobs.insert(other, bytes.clone());
    }
    long.bytes = text.into_bytes();
    long.digest = Digest::of(Sha512, &long.bytes);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&long, dir.path()).await;
    assert!(check_at(&source, &long, Level::L4).await.is_ok());
}

#[tokio::test]
async fn an_image_without_layers_is_an_image() {
    let made = image("amd64", &[]);
    let dir = tempfile::tempdir().unwrap();
    let source = layout(&made, dir.path()).await;
    assert!(check_at(&source, &made, Level::L4).await.is_ok());
    assert_eq!(describe(&source).await.unwrap().platforms[0].layers, vec![]);
}

/// An index with `count` children, each with its own padding.
fn wide(count: usize, layers: usize, padding: usize) -> Made {
    let tar = layer_of(tar_of(&[("a", b"b")]), "tar");
    let base = image("amd64", &vec![tar; layers]);
    let children: Vec<Made> = (0..count)
        .map(|index| {
            let mut manifest: Value = serde_json::from_slice(&base.bytes).unwrap();
            manifest["annotations"] = json!({ "x": format!("{index}{}", " ".repeat(padding)) });
            let bytes = manifest.to_string().into_bytes();
            Made { digest: Digest::of(crate::Algorithm::Sha256, &bytes), bytes, ..base.clone() }
        })
        .collect();
    let entries = children.iter().map(|made| made.entry("amd64")).collect();
    index_of(entries, &children.iter().collect::<Vec<_>>())
}

#[tokio::test]
async fn documents_and_layers_of_one_image_are_bounded_together() {
    let limit = usize::try_from(crate::limits::MAX_TOTAL_DOCUMENT_BYTES).unwrap();
    for (count, layers, padding, fits) in [
        (8, 1, limit / 8 - 8192, true),
        (9, 1, limit / 8 - 8192, false),
        (16, 1024, 0, true),
        (17, 1024, 0, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let source = layout(&wide(count, layers, padding), dir.path()).await;
        match describe(&source).await {
            Ok(description) => assert!(fits && description.platforms.len() == count),
            Err(error) => assert!(!fits && error.kind() == Kind::Malformed, "{count}: {error:?}"),
        }
    }
}
