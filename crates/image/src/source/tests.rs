//! Tests of archives, layouts and engines as sources.

use std::sync::Arc;

use serde_json::json;

use crate::error::{ImageError, Kind};
use crate::testing::{
    FakeEngine, Made, gzip, image, impatient, layer_of, layout_files, layout_of, open, open_with,
    source_options, stalling, tar_of, text_answer, zstd,
};
use crate::{CheckOptions, Expected, Level, Purpose, Source, SourceOptions, check, describe};

fn archive_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    tar_of(&files)
}

/// What `docker save` of an older engine, or podman, writes.
fn docker_archive(made: &Made, layers: &[&[u8]], tag: &str) -> Vec<u8> {
    let config = made.config.clone().unwrap();
    let mut files = Vec::new();
    let mut names = Vec::new();
    for (diff_id, tar) in made.diff_ids.iter().zip(layers) {
        let name = format!("{}/layer.tar", diff_id.hex());
        files.push((name.clone(), tar.to_vec()));
        names.push(name);
    }
    let name = format!("{}.json", config.hex());
    let listed = json!([{ "Config": name, "RepoTags": [tag], "Layers": names }]);
    files.push((name, made.blobs[&config.to_string()].clone()));
    files.push(("manifest.json".to_owned(), listed.to_string().into_bytes()));
    archive_of(&files)
}

async fn passes(reference: &str, made: &Made, level: Level) {
    let source = open(reference).await.unwrap();
    let options = CheckOptions { level, ..CheckOptions::default() };
    check(&source, &Expected::root(made.digest.clone()), &options).await.unwrap();
}

#[tokio::test]
async fn layouts_are_read_from_directories_and_archives_packed_or_not() {
    let made = Made::multi();
    let dir = tempfile::tempdir().unwrap();
    layout_of(&made, Some("v1"), &dir.path().join("layout"));
    let shown = dir.path().display();
    passes(&format!("oci:{shown}/layout:v1"), &made, Level::L4).await;
    passes(&format!("oci:{shown}/layout"), &made, Level::L4).await;
    let tar = archive_of(&layout_files(&made, Some("v1")));
    for (name, bytes) in [("plain", tar.clone()), ("gz", gzip(&tar)), ("zst", zstd(&tar))] {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        passes(&format!("oci-archive:{shown}/{name}:v1"), &made, Level::L4).await;
    }
    let missing =
        open(&format!("oci:{shown}/layout:v2")).await.unwrap().resolve().await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_layout_with_several_images_needs_a_tag() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (Made::small("amd64"), Made::small("arm64"));
    layout_of(&a, Some("a"), dir.path());
    layout_of(&b, Some("b"), dir.path());
    let entry = |made: &Made, tag: &str| {
        json!({ "mediaType": made.media_type, "digest": made.digest.to_string(), "size": made.bytes.len(),
            "annotations": { "org.opencontainers.image.ref.name": tag } })
    };
    let index = json!({ "schemaVersion": 2, "manifests": [entry(&a, "a"), entry(&b, "b")] });
    std::fs::write(dir.path().join("index.json"), index.to_string()).unwrap();
    let shown = dir.path().display();
    passes(&format!("oci:{shown}:a"), &a, Level::L3).await;
    passes(&format!("oci:{shown}:b"), &b, Level::L3).await;
    let error = open(&format!("oci:{shown}")).await.unwrap().resolve().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed, "{error}");
}

#[tokio::test]
async fn things_that_are_no_layout_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let shown = dir.path().display().to_string();
    assert_eq!(open(&format!("oci:{shown}/none")).await.err().unwrap().kind(), Kind::NotFound);
    assert_eq!(open(&format!("oci:{shown}")).await.err().unwrap().kind(), Kind::NotFound);
    std::fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert_eq!(open(&format!("oci:{shown}")).await.err().unwrap().kind(), Kind::Malformed);
    assert_eq!(
        open(&format!("oci-archive:{shown}")).await.err().unwrap().kind(),
        Kind::Environment
    );
    for bytes in [&b"not a tar"[..], &[0; 1024], &gzip(b"nothing")[..10]] {
        std::fs::write(dir.path().join("x"), bytes).unwrap();
        for transport in ["oci-archive", "docker-archive"] {
            let error = open(&format!("{transport}:{shown}/x")).await.err().unwrap();
            assert!(matches!(error.kind(), Kind::Malformed | Kind::NotFound), "{error}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_place_of_a_blob_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::small("amd64");
    layout_of(&made, None, dir.path());
    let layer = dir.path().join(made.layers[0].layout_path());
    std::fs::remove_file(&layer).unwrap();
    // A directory stands for everything that is not a regular file; a device is judged by the same test.
    std::fs::create_dir(&layer).unwrap();
    let source = open(&format!("oci:{}", dir.path().display())).await.unwrap();
    let expected = Expected::root(made.digest.clone());
    let error = check(&source, &expected, &CheckOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Environment, "{error}");
}

#[tokio::test]
async fn packed_archives_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bomb.tar.gz");
    std::fs::write(&file, gzip(&vec![0; 4 << 20])).unwrap();
    let options = SourceOptions { max_unpacked: 1 << 20, ..source_options(Purpose::Copy) };
    let error =
        open_with(&format!("oci-archive:{}", file.display()), &options).await.err().unwrap();
    assert!(matches!(error, ImageError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn entries_twice_in_an_archive_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = layout_files(&Made::small("amd64"), None);
    files.push(files[3].clone());
    let file = dir.path().join("x.tar");
    std::fs::write(&file, archive_of(&files)).unwrap();
    let error = open(&format!("oci-archive:{}", file.display())).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Malformed, "{error}");
}

#[tokio::test]
async fn docker_archives_get_the_digest_their_content_gives() {
    let (base, own) = (tar_of(&[("a", b"x")]), tar_of(&[("b", b"y")]));
    let made = image("amd64", &[layer_of(base.clone(), "tar"), layer_of(own.clone(), "tar")]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.tar");
    std::fs::write(&file, docker_archive(&made, &[&base, &own], "app:v1")).unwrap();
    let reference = format!("docker-archive:{}", file.display());
    let source = open(&reference).await.unwrap();
    let root = source.resolve().await.unwrap();
    // The same bytes Docker writes for its own OCI manifest of this image.
    let config = made.config.clone().unwrap();
    let layer = |index: usize, tar: &[u8]| {
        let (digest, size) = (&made.diff_ids[index], tar.len());
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":{size}}}"#
        )
    };
    let size = made.blobs[&config.to_string()].len();
    let expected = format!(
        concat!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
            r#""config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{},{}]}}"#
        ),
        config,
        size,
        layer(0, &base),
        layer(1, &own)
    );
    assert_eq!(String::from_utf8(root.bytes.clone()).unwrap(), expected);
    let described = Expected::from(&describe(&source).await.unwrap());
    let options = CheckOptions { level: Level::L4, ..CheckOptions::default() };
    check(&source, &described, &options).await.unwrap();
    // By name, and by a name it does not have.
    assert!(open(&format!("{reference}:app:v1")).await.is_ok());
    assert_eq!(open(&format!("{reference}:app:v2")).await.err().unwrap().kind(), Kind::NotFound);
    // A layer that is not what the configuration says.
    std::fs::write(&file, docker_archive(&made, &[&own, &own], "app:v1")).unwrap();
    let source = open(&reference).await.unwrap();
    let error = check(&source, &described, &options).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Differs, "{error}");
}

#[tokio::test]
async fn docker_archives_that_contradict_themselves_are_refused() {
    let tar = tar_of(&[("a", b"x")]);
    let made = image("amd64", &[layer_of(tar.clone(), "tar")]);
    let config = made.blobs[&made.config.clone().unwrap().to_string()].clone();
    let cases = [
        json!([]),
        json!({}),
        json!([1]),
        json!([{}]),
        json!([{ "Config": "c", "Layers": [1] }]),
        json!([{ "Config": "c", "Layers": [] }]),
        json!([{ "Config": "c", "Layers": ["l", "l"] }]),
        json!([{ "Config": "../c", "Layers": ["l"] }]),
        json!([{ "Config": "c", "Layers": ["missing"] }]),
        json!([{ "Config": "c", "Layers": ["l"] }, { "Config": "c", "Layers": ["l"] }]),
        json!([{ "Config": "c", "config": "d", "Layers": ["l"] }]),
        json!([{ "Config": "l", "Layers": ["l"] }]),
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.tar");
    for listed in cases {
        let listed = listed.to_string();
        let files = tar_of(&[("c", &config), ("l", &tar), ("manifest.json", listed.as_bytes())]);
        std::fs::write(&file, files).unwrap();
        let result = open(&format!("docker-archive:{}", file.display())).await;
        assert!(result.is_err(), "{listed}");
    }
}

async fn engine_source(engine: &FakeEngine, purpose: Purpose) -> Result<Arc<Source>, ImageError> {
    let options = SourceOptions { engine: engine.options(), ..source_options(purpose) };
    open_with("docker-daemon:app:v1", &options).await
}

async fn hasty(engine: &FakeEngine, purpose: Purpose) -> Result<Arc<Source>, ImageError> {
    let (engine, registry) = (engine.options(), impatient());
    let options = SourceOptions { engine, registry, ..source_options(purpose) };
    open_with("docker-daemon:app:v1", &options).await
}

#[tokio::test]
async fn an_engine_of_today_exports_a_layout_and_is_hashed_as_it_passes() {
    let engine = FakeEngine::start().await;
    let made = Made::small("amd64");
    engine.export("docker.io/library/app:v1", archive_of(&layout_files(&made, Some("v1"))));
    for level in [Level::L2, Level::L3, Level::L4] {
        let source = engine_source(&engine, Purpose::Check(level)).await.unwrap();
        let options = CheckOptions { level, ..CheckOptions::default() };
        let checked = check(&source, &Expected::root(made.digest.clone()), &options).await.unwrap();
        assert!(!checked.repacked);
    }
    let source = engine_source(&engine, Purpose::Copy).await.unwrap();
    assert_eq!(describe(&source).await.unwrap().root.digest, made.digest);
}

#[derive(Default)]
struct Last(parking_lot::Mutex<crate::Snapshot>);

impl crate::Progress for Last {
    fn update(&self, snapshot: crate::Snapshot) {
        *self.0.lock() = snapshot;
    }
}

#[tokio::test]
async fn the_export_of_an_engine_is_watched_as_it_passes() {
    let engine = FakeEngine::start().await;
    let archive = archive_of(&layout_files(&Made::small("amd64"), None));
    let length = archive.len() as u64;
    engine.export("docker.io/library/app:v1", archive);
    let reference = "docker-daemon:app:v1".parse().unwrap();
    let last = Arc::new(Last::default());
    let watching: Arc<dyn crate::Progress> = last.clone();
    let base = source_options(Purpose::Copy);
    let options = SourceOptions { engine: engine.options(), ..base };
    Source::open_watched(&reference, &options, watching).await.unwrap();
    let seen = *last.0.lock();
    assert!(seen.done > 0 && seen.done == seen.total && seen.done <= length, "{seen:?}");
}

#[tokio::test]
async fn an_older_engine_is_recognised_by_content() {
    let (base, own) = (tar_of(&[("a", b"x")]), tar_of(&[("b", b"y")]));
    let recorded = image("amd64", &[layer_of(base.clone(), "gzip"), layer_of(own.clone(), "gzip")]);
    let dir = tempfile::tempdir().unwrap();
    layout_of(&recorded, None, dir.path());
    let source = open(&format!("oci:{}", dir.path().display())).await.unwrap();
    let expected = Expected::from(&describe(&source).await.unwrap());
    let engine = FakeEngine::start().await;
    engine.export("docker.io/library/app:v1", docker_archive(&recorded, &[&base, &own], "app:v1"));
    for purpose in [Purpose::Check(Level::L3), Purpose::Check(Level::L4), Purpose::Copy] {
        let source = engine_source(&engine, purpose).await.unwrap();
        let checked = check(&source, &expected, &CheckOptions::default()).await.unwrap();
        assert!(checked.repacked && checked.level == Level::L4);
    }
    // The same through podman's socket.
    let options =
        SourceOptions { engine: engine.options(), ..source_options(Purpose::Check(Level::L3)) };
    let source = open_with("containers-storage:app:v1", &options).await.unwrap();
    assert!(check(&source, &expected, &CheckOptions::default()).await.unwrap().repacked);
    let evil = tar_of(&[("b", b"evil")]);
    engine.export("docker.io/library/app:v1", docker_archive(&recorded, &[&base, &evil], "app:v1"));
    let source = engine_source(&engine, Purpose::Check(Level::L3)).await.unwrap();
    let error = check(&source, &expected, &CheckOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Differs, "{error}");
}

#[tokio::test]
async fn an_engine_may_lack_other_platforms_but_not_all() {
    let made = Made::multi();
    let engine = FakeEngine::start().await;
    let children: Vec<String> = made.documents.keys().cloned().collect();
    let without = |absent: &[String]| {
        let mut files = layout_files(&made, None);
        files.retain(|(name, _)| {
            !absent.iter().any(|digest| *name == format!("blobs/{}", digest.replace(':', "/")))
        });
        archive_of(&files)
    };
    let expected = Expected::root(made.digest.clone());
    let name = "docker.io/library/app:v1";
    let arm = Made::small("arm64").digest.to_string();
    engine.export(name, without(std::slice::from_ref(&arm)));
    let source = engine_source(&engine, Purpose::Check(Level::L3)).await.unwrap();
    let checked = check(&source, &expected, &CheckOptions::default()).await.unwrap();
    let absent: Vec<String> = checked.absent.iter().map(|part| part.digest.to_string()).collect();
    assert_eq!(absent, [arm]);
    engine.export(name, without(&children));
    let source = engine_source(&engine, Purpose::Check(Level::L3)).await.unwrap();
    let error = check(&source, &expected, &CheckOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}

#[tokio::test]
async fn damage_in_an_export_is_found_as_it_passes() {
    let engine = FakeEngine::start().await;
    let made = Made::small("amd64");
    let expected = Expected::root(made.digest.clone());
    for (digest, kind) in
        [(&made.layers[0], Kind::Differs), (made.config.as_ref().unwrap(), Kind::Differs)]
    {
        let mut files = layout_files(&made, None);
        let path = digest.layout_path();
        let blob = files.iter_mut().find(|(name, _)| *name == path).unwrap();
        *blob.1.last_mut().unwrap() ^= 1;
        engine.export("docker.io/library/app:v1", archive_of(&files));
        let source = engine_source(&engine, Purpose::Check(Level::L3)).await.unwrap();
        let error = check(&source, &expected, &CheckOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let whole = archive_of(&layout_files(&made, None));
    engine.export("docker.io/library/app:v1", whole[..whole.len() / 2].to_vec());
    let error = engine_source(&engine, Purpose::Check(Level::L3)).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Malformed, "{error}");
}

#[tokio::test]
async fn engines_that_fail_are_told_apart() {
    let engine = FakeEngine::start().await;
    let error = engine_source(&engine, Purpose::Copy).await.err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    let missing = crate::EngineOptions {
        docker_host: Some("unix:///nonexistent/sock".into()),
        podman_host: None,
    };
    let options = SourceOptions { engine: missing, ..source_options(Purpose::Copy) };
    let error = open_with("docker-daemon:app", &options).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Environment, "{error}");
    let strange =
        crate::EngineOptions { docker_host: Some("ssh://host".into()), podman_host: None };
    let options = SourceOptions { engine: strange, ..source_options(Purpose::Copy) };
    assert_eq!(
        open_with("docker-daemon:app", &options).await.err().unwrap().kind(),
        Kind::Environment
    );
    engine.lie(|_, path| {
        path.contains("/get").then(|| text_answer(500, &[], r#"{"message":"\u001b[2Jdisk"}"#))
    });
    let error = engine_source(&engine, Purpose::Copy).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(!error.to_string().contains('\x1b'));
}

#[tokio::test]
async fn an_engine_that_stalls_is_given_up() {
    let made = Made::small("amd64");
    let start = archive_of(&layout_files(&made, None))[..700].to_vec();
    let engine = FakeEngine::start().await;
    engine.lie(move |_, path| {
        path.contains("/get").then(|| text_answer(200, &[], stalling(start.clone())))
    });
    for purpose in [Purpose::Copy, Purpose::Check(Level::L3)] {
        let error = hasty(&engine, purpose).await.err().unwrap();
        assert!(matches!(error, ImageError::Stalled { .. }), "{error:?}");
    }
    // Nothing at all, and no answer to pings either.
    let engine = FakeEngine::start().await;
    engine.lie(|_, path| {
        (path.contains("/get") || path == "/_ping")
            .then(|| text_answer(200, &[], stalling(Vec::new())))
    });
    let error = hasty(&engine, Purpose::Copy).await.err().unwrap();
    assert!(matches!(error, ImageError::Stalled { .. }), "{error:?}");
}

#[tokio::test]
async fn bombs_in_an_engine_are_bounded() {
    let zeros = tar_of(&[("zeros", &vec![0; 4 << 20])]);
    let made = image("amd64", &[layer_of(zeros, "gzip")]);
    let engine = FakeEngine::start().await;
    engine.export("docker.io/library/app:v1", archive_of(&layout_files(&made, None)));
    let base = source_options(Purpose::Check(Level::L4));
    let options = SourceOptions { engine: engine.options(), max_unpacked: 1 << 20, ..base };
    let error = open_with("docker-daemon:app:v1", &options).await.err().unwrap();
    assert!(matches!(error, ImageError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn documents_kept_of_an_export_are_bounded() {
    let engine = FakeEngine::start().await;
    let mut files = layout_files(&Made::small("amd64"), None);
    let document = format!("{{{}", " ".repeat(crate::limits::MAX_DOCUMENT_BYTES - 1)).into_bytes();
    let most = crate::limits::MAX_KEPT_BYTES / document.len();
    for index in 0..most {
        files.push((format!("x{index}"), document.clone()));
    }
    // The sound documents of the image make it too much.
    engine.export("docker.io/library/app:v1", archive_of(&files));
    let result = engine_source(&engine, Purpose::Check(Level::L3)).await;
    assert!(matches!(result.err().unwrap(), ImageError::TooLarge { .. }));
    files.pop();
    engine.export("docker.io/library/app:v1", archive_of(&files));
    assert!(engine_source(&engine, Purpose::Check(Level::L3)).await.is_ok());
}
