//! Tests of storing: verified before named, nothing left behind.

use std::path::Path;
use std::sync::Arc;

use axum::http::Method;

use crate::digest::Digest;
use crate::error::{ImageError, Kind};
use crate::testing::{
    Fake, FakeEngine, LONG, Made, layout_of, open, open_impatient, stalling, text_answer,
};
use crate::{
    CheckOptions, Copied, CopyOptions, EngineOptions, Expected, Level, Source, Target, check, copy,
    describe,
};

fn options() -> CopyOptions {
    let nowhere = Some("unix:///nonexistent/sock".to_owned());
    let engine = EngineOptions { docker_host: nowhere.clone(), podman_host: nowhere };
    CopyOptions { engine, idle: LONG, ..CopyOptions::default() }
}

async fn served(made: &Made) -> (Arc<Fake>, Arc<Source>) {
    let fake = Fake::start().await;
    fake.serve("app", "v1", made);
    let source = open(&fake.name(&format!("app:v1@{}", made.digest))).await.unwrap();
    (fake, source)
}

async fn copy_to(source: &Arc<Source>, made: &Made, to: &str) -> Result<Copied, ImageError> {
    let target = Target::Place(to.parse().unwrap());
    copy(source, &made.digest, &target, &options()).await
}

async fn sound(reference: &str, root: &Digest) {
    let source = open(reference).await.unwrap();
    let options = CheckOptions { level: Level::L4, ..CheckOptions::default() };
    check(&source, &Expected::root(root.clone()), &options).await.unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_file_target_gets_the_whole_image() {
    let made = Made::multi();
    let (_fake, source) = served(&made).await;
    let dir = tempfile::tempdir().unwrap();
    let shown = dir.path().display();
    for to in [format!("oci:{shown}/layout:v1"), format!("oci-archive:{shown}/a.tar:v1")] {
        let copied = copy_to(&source, &made, &to).await.unwrap();
        assert_eq!((&copied.description.root.digest, &copied.place), (&made.digest, &to));
        sound(&to, &made.digest).await;
    }
    copy_to(&source, &made, &format!("docker-archive:{shown}/d.tar:app:v1")).await.unwrap();
    let archive = open(&format!("docker-archive:{shown}/d.tar:app:v1")).await.unwrap();
    let described = Expected::from(&describe(&source).await.unwrap());
    assert!(check(&archive, &described, &CheckOptions::default()).await.unwrap().repacked);
    assert_eq!(names(dir.path()), ["a.tar", "d.tar", "layout"]);
    // Archives are the same bytes each time.
    let first = std::fs::read(dir.path().join("a.tar")).unwrap();
    copy_to(&source, &made, &format!("oci-archive:{shown}/a.tar:v1")).await.unwrap();
    assert_eq!(std::fs::read(dir.path().join("a.tar")).unwrap(), first);
}

#[tokio::test]
async fn a_second_image_joins_a_layout_and_a_tag_moves() {
    let (a, b) = (Made::small("amd64"), Made::small("arm64"));
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    layout_of(&a, Some("a"), &layout);
    let (_fake, source) = served(&b).await;
    let shown = layout.display();
    copy_to(&source, &b, &format!("oci:{shown}:b")).await.unwrap();
    sound(&format!("oci:{shown}:a"), &a.digest).await;
    sound(&format!("oci:{shown}:b"), &b.digest).await;
    copy_to(&source, &b, &format!("oci:{shown}:a")).await.unwrap();
    sound(&format!("oci:{shown}:a"), &b.digest).await;
    assert_eq!(names(dir.path()), ["layout"]);
}

#[tokio::test]
async fn what_is_in_the_way_is_not_touched() {
    let made = Made::small("amd64");
    let (fake, source) = served(&made).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("precious"), "x").unwrap();
    let error =
        copy_to(&source, &made, &format!("oci:{}:v1", dir.path().display())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Environment, "{error}");
    assert_eq!(names(dir.path()), ["precious"]);
    assert_eq!(fake.count(&Method::GET, "/blobs/"), 0, "fetched in vain");
}

#[tokio::test]
async fn refusal_leaves_nothing_behind() {
    let made = Made::multi();
    let victims: Vec<String> = made.blobs.keys().chain(made.documents.keys()).cloned().collect();
    for victim in victims {
        for how in ["swapped", "cut", "long", "gone", "stalled"] {
            let fake = Fake::start().await;
            fake.serve("app", "v1", &made);
            let name = fake.name(&format!("app:v1@{}", made.digest));
            let source =
                if how == "stalled" { open_impatient(&name).await } else { open(&name).await };
            let source = source.unwrap();
            let blob = made.blobs.get(&victim);
            let mut bytes = blob.unwrap_or_else(|| &made.documents[&victim].1).clone();
            match how {
                "swapped" => *bytes.last_mut().unwrap() ^= 1,
                "cut" => drop(bytes.pop()),
                "long" => bytes.push(b' '),
                _ => {}
            }
            let digest = victim.clone();
            fake.lie(move |seen| {
                if !seen.is(Method::GET, &digest) {
                    return None;
                }
                let kind = [("content-type", crate::manifest::OCI_MANIFEST)];
                Some(match how {
                    "gone" => text_answer(404, &[], ""),
                    "stalled" => text_answer(200, &kind, stalling(bytes[..1].to_vec())),
                    _ => text_answer(200, &kind, bytes.clone()),
                })
            });
            let dir = tempfile::tempdir().unwrap();
            let shown = dir.path().display();
            // One target each is enough: until the naming all are the same.
            let target = if how == "cut" { "oci-archive" } else { "oci" };
            let error =
                copy_to(&source, &made, &format!("{target}:{shown}/x:v1")).await.unwrap_err();
            let expected = match how {
                "gone" => Kind::NotFound,
                "stalled" => Kind::Unreachable,
                _ => Kind::Differs,
            };
            assert_eq!(error.kind(), expected, "{victim} {how}: {error}");
            assert!(names(dir.path()).is_empty(), "{victim} {how} left {:?}", names(dir.path()));
        }
    }
}

#[tokio::test]
async fn another_image_than_recorded_is_not_fetched() {
    let (recorded, other) = (Made::small("amd64"), Made::small("arm64"));
    let fake = Fake::start().await;
    fake.serve("app", "v1", &other);
    let source = open(&fake.name("app:v1")).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error =
        copy_to(&source, &recorded, &format!("oci:{}/x", dir.path().display())).await.unwrap_err();
    assert!(matches!(error, ImageError::Differs { .. }), "{error:?}");
    assert_eq!(fake.count(&Method::GET, "/blobs/"), 0);
}

#[tokio::test]
async fn what_crashed_copies_left_is_removed() {
    let made = Made::small("amd64");
    let (_fake, source) = served(&made).await;
    let dir = tempfile::tempdir().unwrap();
    // No process has a number beyond the kernel's limit of 2^22.
    let stale = dir.path().join(".hanse-stage-4194305-abc");
    std::fs::create_dir_all(stale.join("blobs")).unwrap();
    let running = dir.path().join(format!(".hanse-stage-{}-abc", std::process::id()));
    std::fs::create_dir_all(&running).unwrap();
    std::fs::create_dir_all(dir.path().join(".hanse-stage-other")).unwrap();
    copy_to(&source, &made, &format!("oci:{}/x", dir.path().display())).await.unwrap();
    let own = format!(".hanse-stage-{}-abc", std::process::id());
    assert_eq!(names(dir.path()), [own.as_str(), ".hanse-stage-other", "x"]);
}

async fn load(engine: &FakeEngine, made: &Made, to: &str) -> Result<Copied, ImageError> {
    let (_fake, source) = served(made).await;
    let options = CopyOptions { engine: engine.options(), ..options() };
    let target = match to {
        "local" => Target::LocalEngine("r.example/app:v1".parse().unwrap()),
        to => Target::Place(to.parse().unwrap()),
    };
    copy(&source, &made.digest, &target, &options).await
}

#[tokio::test]
async fn engines_get_the_image_for_this_machine_and_its_name() {
    for to in ["local", "docker-daemon:r.example/app:v1", "containers-storage:r.example/app:v1"] {
        for made in [Made::small("amd64"), Made::multi()] {
            let engine = FakeEngine::start().await;
            let copied = load(&engine, &made, to).await.unwrap();
            assert!(copied.place.contains("r.example/app:v1"), "{}", copied.place);
            let config =
                crate::copy::local_image(&copied.description).unwrap().config.digest.to_string();
            let tags: Vec<_> = engine.tags().into_iter().collect();
            assert_eq!(tags, [("r.example/app:v1".to_owned(), config)]);
        }
    }
}

#[tokio::test]
async fn an_engine_that_fails_keeps_nothing_of_it() {
    let made = Made::small("amd64");
    let to = "docker-daemon:r.example/app:v1";
    // Naming fails.
    let engine = FakeEngine::start().await;
    engine.lie(|method, path| {
        (method == Method::POST && path.ends_with("/tag")).then(|| text_answer(500, &[], "{}"))
    });
    assert!(load(&engine, &made, to).await.is_err());
    assert!(engine.loaded().is_empty() && engine.tags().is_empty());
    // Loading fails in the midst.
    let engine = FakeEngine::start().await;
    let failed = r#"{"errorDetail":{"message":"no space"},"error":"no space"}"#;
    engine.lie(move |_, path| {
        path.ends_with("/load")
            .then(|| text_answer(200, &[("content-type", "application/json")], failed))
    });
    let error = load(&engine, &made, to).await.unwrap_err();
    // The answer may come before the body is sent, and then the connection breaks first.
    assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    assert!(engine.tags().is_empty());
    // It says that all is well and has something else.
    let engine = FakeEngine::start().await;
    let config = made.config.clone().unwrap().to_string();
    engine.lie(move |method, path| {
        let wrong =
            serde_json::json!({ "Id": config, "RootFS": { "Type": "layers", "Layers": [config] } });
        let asked = method == Method::GET && path.contains(&config);
        asked.then(|| text_answer(200, &[("content-type", "application/json")], wrong.to_string()))
    });
    let error = load(&engine, &made, to).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Differs, "{error}");
    assert!(engine.tags().is_empty());
}

#[tokio::test]
async fn a_damaged_image_never_reaches_an_engine() {
    let made = Made::small("amd64");
    let engine = FakeEngine::start().await;
    let (fake, source) = served(&made).await;
    let layer = made.layers[1].to_string();
    let length = made.blobs[&layer].len();
    fake.lie(move |seen| {
        seen.is(Method::GET, &layer).then(|| text_answer(200, &[], vec![0; length]))
    });
    let options = CopyOptions { engine: engine.options(), ..options() };
    let target = Target::LocalEngine("r.example/app:v1".parse().unwrap());
    let error = copy(&source, &made.digest, &target, &options).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Differs, "{error}");
    assert!(engine.loaded().is_empty());
}

#[tokio::test]
async fn targets_that_cannot_be_are_refused_before_anything_is_fetched() {
    let made = Made::small("amd64");
    let (fake, source) = served(&made).await;
    let id = format!("docker-daemon:{}", made.digest);
    for to in ["docker://r.example/app", "docker-daemon:app", id.as_str()] {
        let error = copy_to(&source, &made, to).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Environment, "{to}: {error}");
    }
    assert_eq!(fake.count(&Method::GET, "/manifests/"), 0);
    let error = copy_to(&source, &made, "oci:/nonexistent/dir/x").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Environment, "{error}");
}
