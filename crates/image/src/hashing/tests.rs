//! Tests of hashing.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Job, Jobs, Level, Progress, Snapshot};
use crate::digest::{Algorithm, Digest};
use crate::error::ImageError;
use crate::manifest::Descriptor;
use crate::testing::{Fake, Made, image, index_of, layer_of, layout_of, open, tar_of};
use crate::unpack::Packing;
use crate::{CheckOptions, Expected, check};

#[derive(Default)]
struct Recorder(Mutex<Vec<Snapshot>>);

impl Progress for Recorder {
    fn update(&self, snapshot: Snapshot) {
        self.0.lock().push(snapshot);
    }
}

fn job(byte: u8, size: u64, unpack: Option<Digest>) -> Job {
    let digest = Digest::of(Algorithm::Sha256, &[byte]);
    let descriptor = Descriptor::new("application/x", digest, size);
    Job { descriptor, unpack: unpack.map(|digest| (Packing::Gzip, digest)) }
}

#[test]
fn jobs_are_distinct_and_largest_first() {
    let mut jobs = Jobs::default();
    for (byte, size) in [(1, 10), (2, 30), (3, 20), (2, 30), (1, 10)] {
        jobs.add(job(byte, size, None)).unwrap();
    }
    assert_eq!(jobs.bytes(), 60);
    let sizes: Vec<u64> = jobs.largest_first().iter().map(|job| job.descriptor.size).collect();
    assert_eq!(sizes, [30, 20, 10]);
}

#[test]
fn one_digest_cannot_mean_two_things() {
    let mut jobs = Jobs::default();
    jobs.add(job(1, 10, None)).unwrap();
    assert!(matches!(jobs.add(job(1, 11, None)), Err(ImageError::Malformed { .. })));
    let (a, b) = (Digest::of(Algorithm::Sha256, b"a"), Digest::of(Algorithm::Sha256, b"b"));
    jobs.add(job(1, 10, Some(a.clone()))).unwrap();
    jobs.add(job(1, 10, Some(a))).unwrap();
    assert!(matches!(jobs.add(job(1, 10, Some(b))), Err(ImageError::Differs { .. })));
    // The unpacking asked for later is not lost.
    assert!(jobs.largest_first()[0].unpack.is_some());
}

#[tokio::test]
async fn defect_4b_9_progress_is_in_real_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let tar = tar_of(&[("big", &vec![5; 5 << 20])]);
    let made = image("amd64", &[layer_of(tar, "tar")]);
    layout_of(&made, None, dir.path());
    let source = open(&format!("oci:{}", dir.path().display())).await.unwrap();
    let recorder = Arc::new(Recorder::default());
    let progress = Arc::clone(&recorder) as Arc<dyn Progress>;
    let options = CheckOptions { progress, ..CheckOptions::default() };
    let expected = Expected::root(made.digest.clone());
    check(&source, &expected, &options).await.unwrap();
    let blobs: usize = made.blobs.values().map(Vec::len).sum();
    let seen = recorder.0.lock();
    let last = seen.last().unwrap();
    assert_eq!((last.done, last.total), (blobs as u64, blobs as u64));
    assert!(last.bytes_per_second > 0);
    assert!(seen.iter().all(|snapshot| snapshot.done <= snapshot.total));
}

#[tokio::test]
async fn a_layer_shared_by_all_platforms_is_read_once() {
    let base = layer_of(tar_of(&[("base", &vec![1; 100_000])]), "gzip");
    let platforms: Vec<Made> = (0..5)
        .map(|index| {
            let own = layer_of(tar_of(&[("own", format!("{index}").as_bytes())]), "gzip");
            image(&format!("arch{index}"), &[base.clone(), own])
        })
        .collect();
    let entries = platforms.iter().map(|made| made.entry("x")).collect();
    let made = index_of(entries, &platforms.iter().collect::<Vec<_>>());
    let fake = Fake::start().await;
    fake.serve("app", "v1", &made);
    let source = open(&fake.name("app:v1")).await.unwrap();
    let expected = Expected::root(made.digest.clone());
    let options = CheckOptions { level: Level::L4, ..CheckOptions::default() };
    check(&source, &expected, &options).await.unwrap();
    let shared = platforms[0].layers[0].to_string();
    assert_eq!(fake.count(&axum::http::Method::GET, &shared), 1);
}

#[test]
fn levels_are_ordered_and_named() {
    for (text, level) in
        [("L1", Level::L1), ("L2", Level::L2), ("l3", Level::L3), ("L4", Level::L4)]
    {
        assert_eq!(text.parse(), Ok(level));
        assert_eq!(level.to_string(), text.to_uppercase());
    }
    assert!(Level::L1 < Level::L4);
    for text in ["", "L0", "L5", "3", "L1 "] {
        assert!(text.parse::<Level>().is_err(), "{text}");
    }
}
