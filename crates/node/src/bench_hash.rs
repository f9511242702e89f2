//! `hanse bench-hash` (hidden): how fast `image verify` hashes, for `cargo xtask bench`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::Args;
use hanse_image::{
    Algorithm, CheckOptions, Expected, ImageRef, Level, Source, SourceOptions, check, describe,
    digest::Hasher,
};

use crate::{
    exit::{Attempt as _, Exit, Failure},
    out,
};

const MIB: usize = 1024 * 1024;

/// Arguments of `hanse bench-hash`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  hanse bench-hash --dir D --blobs 4 --mib 256")]
pub(crate) struct HashArgs {
    /// Directory to make an image in; it must not exist.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Layers: as many can be hashed at once.
    #[arg(long, default_value_t = 4)]
    blobs: u8,
    /// MiB of each layer.
    #[arg(long, default_value_t = 256)]
    mib: usize,
}

/// Makes an image of that size and prints bytes per second of its full check (L3).
///
/// # Errors
/// When the image cannot be written, or its check fails.
pub(crate) async fn run(args: HashArgs) -> Result<(), Failure> {
    make(&args).attempt(Exit::Environment, || "could not write the image".to_owned())?;
    let place: ImageRef = format!("oci:{}", args.dir.display())
        .parse()
        .attempt(Exit::Usage, || "the directory cannot be named".to_owned())?;
    let failed = || "the image does not check".to_owned();
    let source = Source::open(&place, &SourceOptions::default()).await;
    let source = Arc::new(source.attempt(Exit::Internal, failed)?);
    let described = describe(&source).await.attempt(Exit::Internal, failed)?;
    let options = CheckOptions { level: Level::L3, ..CheckOptions::default() };
    let start = Instant::now();
    let checked = check(&source, &Expected::from(&described), &options)
        .await
        .attempt(Exit::Internal, failed)?;
    let rate = checked.bytes_hashed as f64 / start.elapsed().as_secs_f64();
    out::line(serde_json::json!({ "bytes": checked.bytes_hashed, "bytes_per_second": rate }));
    Ok(())
}

fn make(args: &HashArgs) -> std::io::Result<()> {
    std::fs::create_dir_all(args.dir.join("blobs/sha256"))?;
    let mut layers = Vec::new();
    for n in 0..args.blobs {
        let content: Vec<u8> = (0..args.mib * MIB).map(|i| (i >> 7) as u8 ^ n).collect();
        layers.push(blob(&args.dir, "application/vnd.oci.image.layer.v1.tar", &content)?);
    }
    let ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": ids },
    });
    let config =
        blob(&args.dir, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?;
    let media = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media, "config": config, "layers": layers,
    });
    let manifest = blob(&args.dir, media, manifest.to_string().as_bytes())?;
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
    std::fs::write(args.dir.join("index.json"), index.to_string())?;
    std::fs::write(args.dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
}

fn blob(dir: &Path, media: &str, content: &[u8]) -> std::io::Result<serde_json::Value> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(content);
    let digest = hasher.finish().to_string();
    let name = digest.trim_start_matches("sha256:");
    std::fs::write(dir.join("blobs/sha256").join(name), content)?;
    Ok(serde_json::json!({ "mediaType": media, "digest": digest, "size": content.len() }))
}
