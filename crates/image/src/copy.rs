//! Storing a recorded image under a name: everything is verified before anything is named.

mod place;
mod stage;
mod tarring;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::describe::{Description, PlatformImage, describe_from, hash};
use crate::digest::Digest;
use crate::engine::{self, EngineOptions};
use crate::error::ImageError;
use crate::hashing::{Level, Meter, Progress, Silent};
use crate::limits::{DEFAULT_MAX_UNPACKED, IDLE_LIMIT};
use crate::reference::{EngineName, ImageRef, RegistryName};
use crate::source::{Source, blocking};
pub(crate) use place::{LAYOUT_MARK, entry, index_of};
pub(crate) use stage::Stage;
pub(crate) use tarring::{Tarring, staged_files};

/// Where to put an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A place that is named. A registry is not one: see [`crate::push`].
    Place(ImageRef),
    /// Whatever engine this machine has: Docker, then podman, then podman's storage through skopeo.
    LocalEngine(RegistryName),
}

/// How to copy.
#[derive(Clone)]
pub struct CopyOptions {
    /// How deep to verify before naming; below L3 counts as L3, because all bytes pass anyway.
    pub level: Level,
    /// Unpacked bytes allowed for all layers together.
    pub max_unpacked: u64,
    /// The name written into archives that carry one.
    pub name: Option<RegistryName>,
    /// Which local engine to talk to.
    pub engine: EngineOptions,
    /// How long an engine may make no progress.
    pub idle: Duration,
    /// Who is told of progress.
    pub progress: Arc<dyn Progress>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            level: Level::L3,
            max_unpacked: DEFAULT_MAX_UNPACKED,
            name: None,
            engine: EngineOptions::default(),
            idle: IDLE_LIMIT,
            progress: Arc::new(Silent),
        }
    }
}

/// What a copy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// All of the image.
    pub description: Description,
    /// Bytes hashed, each once.
    pub bytes_hashed: u64,
    /// Where it is now and how it is called there.
    pub place: String,
}

/// Copies the image with the recorded `root` digest from `source` to `target`.
///
/// Blobs are fetched into a directory beside the target that nobody else knows, hashed on the way, and only when every one of them is
/// right does the image get its name, by a rename or a tag. On failure the directory goes away; after a crash the next copy removes it.
///
/// # Errors
/// Any of [`ImageError`]; `Differs` if the source leads to another image than recorded.
pub async fn copy(
    source: &Arc<Source>,
    root: &Digest,
    target: &Target,
    options: &CopyOptions,
) -> Result<Copied, ImageError> {
    let target = prepare(target, options)?.reached().await?;
    let found = source.resolve().await?;
    if found.digest != *root {
        let what = format!("the image at {}", source.shown());
        return Err(ImageError::Differs { what, expected: root.clone(), found: found.digest });
    }
    let description = describe_from(source, found).await?;
    if let Some(absent) = description.absent.first() {
        let (what, place) = (absent.digest.to_string(), source.shown().to_owned());
        return Err(ImageError::NotFound { what, place });
    }
    let stage = Arc::new(Stage::create(target.beside())?);
    let meter = Meter::new(Arc::clone(&options.progress));
    for part in description.documents() {
        let bytes = if part.digest == description.root.digest {
            description.root_bytes.clone()
        } else {
            source.document(part).await?.bytes
        };
        stage.write(&part.digest, &bytes)?;
    }
    let level = options.level.max(Level::L3);
    let keep = Arc::clone(&stage);
    let hashed = hash(source, &description, level, options.max_unpacked, &meter, keep).await?;
    let documents: u64 = description.documents().map(|part| part.size).sum();
    let place = target.name_it(stage, &description, options).await?;
    Ok(Copied { description, bytes_hashed: hashed + documents, place })
}

/// A target that is known to be usable, so that nothing is fetched in vain.
enum Prepared {
    Layout { dir: PathBuf, tag: Option<String> },
    OciArchive { file: PathBuf, tag: Option<String> },
    DockerArchive { file: PathBuf, name: Option<RegistryName> },
    Engine { engine: engine::Engine, name: RegistryName },
    Skopeo { program: PathBuf, name: RegistryName },
}

fn prepare(target: &Target, options: &CopyOptions) -> Result<Prepared, ImageError> {
    let usage = |why: &str| Err(ImageError::Environment(why.to_owned()));
    let named = |name: &EngineName| match name {
        EngineName::Name(name) => Ok(name.tagged()),
        EngineName::Id(_) => {
            let why = "an engine needs a name for the image, not an image ID";
            Err(ImageError::Environment(why.to_owned()))
        }
    };
    let docker = || engine::docker(&options.engine, options.idle);
    match target {
        Target::Place(ImageRef::Registry(_)) => usage("a registry is pushed to, not copied to"),
        Target::Place(ImageRef::OciDir { dir, tag }) => {
            place::usable_layout(dir)?;
            Ok(Prepared::Layout { dir: dir.clone(), tag: tag.clone() })
        }
        Target::Place(ImageRef::OciArchive { file, tag }) => {
            Ok(Prepared::OciArchive { file: file.clone(), tag: tag.clone() })
        }
        Target::Place(ImageRef::DockerArchive { file, name }) => {
            let name = name.clone().or_else(|| options.name.clone());
            Ok(Prepared::DockerArchive { file: file.clone(), name })
        }
        Target::Place(ImageRef::DockerDaemon(name)) => {
            Ok(Prepared::Engine { engine: docker()?, name: named(name)? })
        }
        Target::Place(ImageRef::ContainersStorage(name)) => storage(named(name)?, options),
        Target::LocalEngine(name) => match docker() {
            Ok(engine) => Ok(Prepared::Engine { engine, name: name.tagged() }),
            // Who names an engine means that one.
            Err(missing) if options.engine.names_docker() => Err(missing),
            Err(missing) => storage(name.tagged(), options).map_err(|other| {
                ImageError::Environment(format!("no local engine was found: {missing}; {other}"))
            }),
        },
    }
}

fn storage(name: RegistryName, options: &CopyOptions) -> Result<Prepared, ImageError> {
    match engine::podman(&options.engine, options.idle) {
        Ok(engine) => Ok(Prepared::Engine { engine, name }),
        Err(missing) => match engine::find_tool("skopeo") {
            Some(program) => Ok(Prepared::Skopeo { program, name }),
            None => Err(engine::no_storage(&missing)),
        },
    }
}

impl Prepared {
    /// Makes sure an engine answers before anything is fetched for it.
    async fn reached(self) -> Result<Self, ImageError> {
        match self {
            Self::Engine { engine, name } => {
                Ok(Self::Engine { engine: engine.negotiated().await?, name })
            }
            other => Ok(other),
        }
    }

    /// The directory in which to stage, so that the last step is a rename on one file system.
    fn beside(&self) -> PathBuf {
        let parent = |path: &Path| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        match self {
            Self::Layout { dir, .. } => parent(dir),
            Self::OciArchive { file, .. } | Self::DockerArchive { file, .. } => parent(file),
            Self::Engine { .. } | Self::Skopeo { .. } => std::env::temp_dir(),
        }
    }

    async fn name_it(
        self,
        stage: Arc<Stage>,
        description: &Description,
        options: &CopyOptions,
    ) -> Result<String, ImageError> {
        let root = description.root.clone();
        match self {
            Self::Layout { dir, tag } => {
                let shown = ImageRef::OciDir { dir: dir.clone(), tag: tag.clone() }.to_string();
                blocking(move || place::into_layout(&stage, &dir, &root, tag.as_deref())).await?;
                Ok(shown)
            }
            Self::OciArchive { file, tag } => {
                let shown =
                    ImageRef::OciArchive { file: file.clone(), tag: tag.clone() }.to_string();
                blocking(move || place::into_oci_archive(&stage, &file, &root, tag.as_deref()))
                    .await?;
                Ok(shown)
            }
            Self::DockerArchive { file, name } => {
                let image = local_image(description)?.clone();
                let shown = ImageRef::DockerArchive { file: file.clone(), name: None }.to_string();
                let limit = options.max_unpacked;
                blocking(move || {
                    place::into_docker_archive(&stage, &file, &image, name.as_ref(), limit)
                })
                .await?;
                Ok(shown)
            }
            Self::Engine { engine, name } => {
                let image = local_image(description)?.clone();
                engine.load(stage, root, image, &name).await
            }
            Self::Skopeo { program, name } => {
                place::finish_layout(&stage, &root, Some("image"))?;
                let from = format!("oci:{}:image", stage.path().display());
                let to = format!("containers-storage:{name}");
                engine::run_tool(&program, &["copy", "--quiet", &from, &to]).await?;
                Ok(to)
            }
        }
    }
}

/// The image for this machine, for places that hold one platform: the only one there is, or the one for this processor.
fn local_image(description: &Description) -> Result<&PlatformImage, ImageError> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    let images = &description.platforms;
    let fits = |image: &&PlatformImage| {
        image.platform.os == "linux" && image.platform.architecture == architecture
    };
    match images.as_slice() {
        [only] => Ok(only),
        images => images.iter().find(fits).ok_or_else(|| ImageError::NotFound {
            what: format!("an image for linux/{architecture}"),
            place: description.root.digest.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
