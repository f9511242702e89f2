//! Giving a staged image its name in a file or directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::stage::{Stage, write_durably};
use super::tarring::{Tarring, staged_files};
use crate::archive::REF_NAME;
use crate::describe::PlatformImage;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::limits::READ_BUFFER_BYTES;
use crate::manifest::{Descriptor, OCI_INDEX};
use crate::reference::RegistryName;
use crate::unpack::{Budget, Packing, UnpackError, Unpacker};

pub(crate) const LAYOUT_MARK: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// # Errors
/// `Environment` if there is something else than a layout or an empty directory.
pub(super) fn usable_layout(dir: &Path) -> Result<(), ImageError> {
    if !dir.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(dir).map_err(ImageError::file(dir, "read"))?;
    if entries.next().is_none()
        || (dir.join("oci-layout").is_file() && dir.join("index.json").is_file())
    {
        return Ok(());
    }
    let why = format!("{} exists and is not an OCI layout", dir.display());
    Err(ImageError::Environment(why))
}

/// The `index.json` entry of an image.
pub(crate) fn entry(root: &Descriptor, tag: Option<&str>) -> Value {
    let mut entry = json!({
        "mediaType": root.media_type,
        "digest": root.digest.to_string(),
        "size": root.size,
    });
    if let Some(tag) = tag {
        entry["annotations"] = json!({ REF_NAME: tag });
    }
    entry
}

pub(crate) fn index_of(entries: &[Value]) -> Vec<u8> {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    index.to_string().into_bytes()
}

/// Makes the stage itself a layout.
pub(super) fn finish_layout(
    stage: &Stage,
    root: &Descriptor,
    tag: Option<&str>,
) -> Result<(), ImageError> {
    let files = [
        ("oci-layout", LAYOUT_MARK.as_bytes().to_vec()),
        ("index.json", index_of(&[entry(root, tag)])),
    ];
    for (name, bytes) in files {
        let path = stage.path().join(name);
        write_durably(&path, &bytes).map_err(ImageError::file(&path, "written"))?;
    }
    Ok(())
}

/// A new directory appears whole by one rename. An existing layout gets the blobs first, which have no name of their own, and the entry
/// by replacing its `index.json`.
pub(super) fn into_layout(
    stage: &Stage,
    dir: &Path,
    root: &Descriptor,
    tag: Option<&str>,
) -> Result<(), ImageError> {
    // Checked when the copy started, but that may be long ago.
    usable_layout(dir)?;
    if !dir.join("index.json").exists() {
        finish_layout(stage, root, tag)?;
        // The stage goes on to exist as an empty directory, so that its guard has something to remove.
        let whole = stage.path().join("whole");
        fs::create_dir(&whole).map_err(ImageError::file(&whole, "created"))?;
        for name in ["oci-layout", "index.json", "blobs"] {
            fs::rename(stage.path().join(name), whole.join(name))
                .map_err(ImageError::file(&whole, "written"))?;
        }
        return fs::rename(&whole, dir).map_err(ImageError::file(dir, "created"));
    }
    let index = merged_index(dir, root, tag)?;
    for (name, from) in staged_files(stage)? {
        let to = dir.join(&name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(ImageError::file(parent, "created"))?;
        }
        fs::rename(&from, &to).map_err(ImageError::file(&to, "written"))?;
    }
    let next = stage.path().join("index.json");
    write_durably(&next, &index).map_err(ImageError::file(&next, "written"))?;
    let target = dir.join("index.json");
    fs::rename(&next, &target).map_err(ImageError::file(&target, "written"))
}

/// The existing index with the entry of the same tag replaced (without a tag: the entry without one).
fn merged_index(dir: &Path, root: &Descriptor, tag: Option<&str>) -> Result<Vec<u8>, ImageError> {
    let path = dir.join("index.json");
    let bytes = fs::read(&path).map_err(ImageError::file(&path, "read"))?;
    let shown = path.display().to_string();
    // Read strictly first; only then is the document edited, so that the fields of others survive.
    crate::manifest::parse_document(&bytes, Some(OCI_INDEX))
        .map_err(ImageError::malformed(&shown))?;
    let broken = || ImageError::container(&shown, "it is not an index");
    let mut index: Value = serde_json::from_slice(&bytes).map_err(|_| broken())?;
    let entries = index.get_mut("manifests").and_then(Value::as_array_mut).ok_or_else(broken)?;
    entries.retain(|entry| entry["annotations"][REF_NAME].as_str() != tag);
    entries.push(entry(root, tag));
    Ok(index.to_string().into_bytes())
}

pub(super) fn into_oci_archive(
    stage: &Stage,
    file: &Path,
    root: &Descriptor,
    tag: Option<&str>,
) -> Result<(), ImageError> {
    write_archive(stage, file, |tar| {
        tar.bytes("oci-layout", LAYOUT_MARK.as_bytes())?;
        tar.bytes("index.json", &index_of(&[entry(root, tag)]))?;
        for (name, path) in staged_files(stage)? {
            tar.file(&name, &path)?;
        }
        Ok(())
    })
}

/// Layers are unpacked, as `docker save` has them, and their diff IDs are checked on the way.
pub(super) fn into_docker_archive(
    stage: &Stage,
    file: &Path,
    image: &PlatformImage,
    name: Option<&RegistryName>,
    max_unpacked: u64,
) -> Result<(), ImageError> {
    let budget = Budget::new(max_unpacked);
    write_archive(stage, file, |tar| {
        let config = format!("{}.json", image.config.digest.hex());
        tar.file(&config, &stage.blob(&image.config.digest))?;
        let mut layers = Vec::new();
        let mut written = BTreeSet::new();
        for (layer, diff_id) in image.layers.iter().zip(&image.diff_ids) {
            let name = format!("{}.tar", diff_id.hex());
            if written.insert(name.clone()) {
                let path = unpacked(stage, &layer.digest, diff_id, &budget)?;
                tar.file(&name, &path)?;
                fs::remove_file(&path).map_err(ImageError::file(&path, "removed"))?;
            }
            layers.push(name);
        }
        let tags: Vec<String> = name.iter().map(|name| name.tagged().to_string()).collect();
        let listed = json!([{ "Config": config, "RepoTags": tags, "Layers": layers }]);
        tar.bytes("manifest.json", listed.to_string().as_bytes())
    })
}

/// Unpacks one staged layer into the stage.
fn unpacked(
    stage: &Stage,
    digest: &Digest,
    diff_id: &Digest,
    budget: &std::sync::Arc<Budget>,
) -> Result<std::path::PathBuf, ImageError> {
    use std::io::Read as _;
    let from = stage.blob(digest);
    let to = stage.path().join(format!("{}.unpacked", diff_id.hex()));
    let mut reader = File::open(&from).map_err(ImageError::file(&from, "read"))?;
    let writer = BufWriter::new(File::create(&to).map_err(ImageError::file(&to, "written"))?);
    let what = || format!("layer {digest}");
    let failed = |error| match error {
        UnpackError::OverBudget(limit) => ImageError::TooLarge { what: what(), limit },
        UnpackError::Broken(why) => ImageError::container(what(), why),
        UnpackError::Output(cause) => ImageError::file(&to, "written")(cause),
    };
    let budget = std::sync::Arc::clone(budget);
    let mut unpacker = Unpacker::new(Packing::ByContent, diff_id.algorithm(), budget, writer);
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    loop {
        let got = reader.read(&mut buffer).map_err(ImageError::file(&from, "read"))?;
        if got == 0 {
            break;
        }
        unpacker.write(&buffer[..got]).map_err(failed)?;
    }
    let mut done = unpacker.finish().map_err(failed)?;
    done.output.flush().map_err(ImageError::file(&to, "written"))?;
    if done.digest != *diff_id {
        let (what, expected) = (format!("diff ID of {}", what()), diff_id.clone());
        return Err(ImageError::Differs { what, expected, found: done.digest });
    }
    Ok(to)
}

/// Writes a tar into the stage, then moves it to its name.
fn write_archive(
    stage: &Stage,
    file: &Path,
    fill: impl FnOnce(&mut Tarring<BufWriter<File>>) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let path = stage.path().join("archive.tar");
    let output = File::create(&path).map_err(ImageError::file(&path, "written"))?;
    let mut tar = Tarring::new(BufWriter::with_capacity(READ_BUFFER_BYTES, output));
    fill(&mut tar)?;
    let output = tar.finish().map_err(ImageError::file(&path, "written"))?;
    let output = output
        .into_inner()
        .map_err(|error| ImageError::file(&path, "written")(error.into_error()))?;
    output.sync_all().map_err(ImageError::file(&path, "written"))?;
    fs::rename(&path, file).map_err(ImageError::file(file, "written"))
}
