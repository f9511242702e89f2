//! One way to read an image, wherever it is.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::archive::{DockerArchive, Layout, PassedFile, Store};
use crate::digest::Digest;
use crate::engine::{self, EngineOptions};
use crate::error::ImageError;
use crate::hashing::{Level, Progress, Silent};
use crate::limits::{DEFAULT_MAX_UNPACKED, MAX_DOCUMENT_BYTES};
use crate::manifest::{Descriptor, Malformed};
use crate::reference::{ImageRef, RegistryName};
use crate::registry::{RegistryClient, RegistryOptions};

/// What a source is opened for. Only engines care: their export streams past once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To hash, up to this level. An engine's export is hashed as it passes and not stored.
    Check(Level),
    /// To copy elsewhere. An engine's export is spooled to a temporary file.
    Copy,
}

/// How to open a source.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// How to talk to a registry.
    pub registry: RegistryOptions,
    /// Which local engine to talk to.
    pub engine: EngineOptions,
    /// What for.
    pub purpose: Purpose,
    /// Unpacked bytes allowed: of a compressed archive when opened, of an engine's layers as they pass.
    pub max_unpacked: u64,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            registry: RegistryOptions::default(),
            engine: EngineOptions::default(),
            purpose: Purpose::Check(Level::L3),
            max_unpacked: DEFAULT_MAX_UNPACKED,
        }
    }
}

/// A manifest or index with its digest, computed over exactly these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Digest of the bytes, never taken from a header.
    pub digest: Digest,
    /// What it was announced as and calls itself.
    pub media_type: String,
    /// The document, at most [`MAX_DOCUMENT_BYTES`].
    pub bytes: Vec<u8>,
}

impl Resolved {
    /// Accepts `bytes` for `descriptor` if size and digest are right.
    pub(crate) fn checked(
        descriptor: &Descriptor,
        bytes: Vec<u8>,
        found: Digest,
        place: &str,
    ) -> Result<Self, ImageError> {
        let what = || format!("{} in {place}", descriptor.digest);
        if bytes.len() as u64 != descriptor.size {
            let (expected, found) = (descriptor.size, bytes.len() as u64);
            return Err(ImageError::Size { what: what(), expected, found });
        }
        if found != descriptor.digest {
            let expected = descriptor.digest.clone();
            return Err(ImageError::Differs { what: what(), expected, found });
        }
        Ok(Self { digest: found, media_type: descriptor.media_type.clone(), bytes })
    }

    /// The descriptor of the document.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest.clone(), self.bytes.len() as u64)
    }
}

/// The bytes of a blob, not yet checked against anything.
pub(crate) enum Blob {
    /// Part of a file.
    File { file: File, path: PathBuf, offset: u64, size: u64 },
    /// From a network; bounded in time, not in length.
    Stream(BoxStream<'static, Result<Bytes, ImageError>>),
    /// It passed already: this is what was seen.
    Passed(PassedFile),
}

/// An opened image place.
pub struct Source {
    place: Place,
    shown: String,
}

enum Place {
    Registry {
        client: Box<RegistryClient>,
        name: RegistryName,
    },
    Layout(Layout),
    DockerArchive(DockerArchive),
    /// The same two formats, coming from a local engine.
    EngineLayout(Layout),
    EngineArchive(DockerArchive),
}

impl Source {
    /// Opens the place a reference names. A registry is contacted only as far as needed to settle the scheme.
    ///
    /// # Errors
    /// `File`, `NotFound` and `Malformed` for files; `Environment` if there is no engine or tool for the transport; `Unreachable` and
    /// `Stalled` for registries and engines.
    pub async fn open(reference: &ImageRef, options: &SourceOptions) -> Result<Self, ImageError> {
        Self::open_watched(reference, options, Arc::new(Silent)).await
    }

    /// The same, telling of progress: an engine's export streams past while it is opened.
    ///
    /// # Errors
    /// As for [`Source::open`].
    pub async fn open_watched(
        reference: &ImageRef,
        options: &SourceOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, ImageError> {
        let shown = reference.to_string();
        let place = match reference.clone() {
            ImageRef::Registry(name) => {
                let client = RegistryClient::connect(name.registry(), &options.registry).await?;
                Place::Registry { client: Box::new(client), name }
            }
            ImageRef::OciDir { dir, tag } => {
                if !dir.is_dir() {
                    let place = "the file system".to_owned();
                    return Err(ImageError::NotFound { what: dir.display().to_string(), place });
                }
                Place::Layout(Layout::open(Store::Directory(dir), shown.clone(), tag)?)
            }
            ImageRef::OciArchive { file, tag } => {
                let store = open_tar(file, options.max_unpacked).await?;
                Place::Layout(Layout::open(store, shown.clone(), tag)?)
            }
            ImageRef::DockerArchive { file, name } => {
                let store = open_tar(file, options.max_unpacked).await?;
                let shown = shown.clone();
                let opened =
                    blocking(move || DockerArchive::open(store, shown, name.as_ref())).await?;
                Place::DockerArchive(opened)
            }
            ImageRef::DockerDaemon(name) => {
                let engine = engine::docker(&options.engine, options.registry.idle)?;
                let store = engine.export(&name, options, &progress).await?;
                Self::engine_place(store, &shown).await?
            }
            ImageRef::ContainersStorage(name) => {
                let store = engine::containers_storage(&name, options, &progress).await?;
                Self::engine_place(store, &shown).await?
            }
        };
        Ok(Self { place, shown })
    }

    /// Docker 25 and later export a layout beside the old format; podman and older engines only the latter.
    async fn engine_place(store: Store, shown: &str) -> Result<Place, ImageError> {
        let shown = shown.to_owned();
        blocking(move || {
            if Layout::is_in(&store)? {
                return Layout::open(store, shown, None).map(Place::EngineLayout);
            }
            DockerArchive::open(store, shown, None).map(Place::EngineArchive)
        })
        .await
    }

    /// How the place is called in messages.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether the place may hold the same image under another manifest digest, because it repacks what it is given.
    #[must_use]
    pub fn repacks(&self) -> bool {
        !matches!(self.place, Place::Registry { .. })
    }

    /// Whether the place keeps only the platforms this machine needs, so that others may be absent without harm.
    #[must_use]
    pub fn keeps_some_platforms(&self) -> bool {
        matches!(self.place, Place::EngineLayout(_) | Place::EngineArchive(_))
    }

    pub(crate) fn registry(&self) -> Option<(&RegistryClient, &RegistryName)> {
        match &self.place {
            Place::Registry { client, name } => Some((client, name)),
            _ => None,
        }
    }

    /// Reads the document the reference names. Each call asks anew: hold on to the answer, or two different ones may be mixed.
    ///
    /// # Errors
    /// Any of [`ImageError`]; `Differs` if the reference has a digest and the place serves other bytes for it.
    pub async fn resolve(&self) -> Result<Resolved, ImageError> {
        match &self.place {
            Place::Registry { client, name } => client.resolve(name).await,
            Place::Layout(layout) | Place::EngineLayout(layout) => layout.resolve(),
            Place::DockerArchive(archive) | Place::EngineArchive(archive) => Ok(archive.resolve()),
        }
    }

    /// Reads a manifest or index by descriptor and checks digest and size.
    ///
    /// # Errors
    /// Any of [`ImageError`].
    pub async fn document(&self, descriptor: &Descriptor) -> Result<Resolved, ImageError> {
        if descriptor.size > MAX_DOCUMENT_BYTES as u64 {
            let cause = Malformed::TooLarge { limit: MAX_DOCUMENT_BYTES };
            return Err(ImageError::Malformed { what: descriptor.digest.to_string(), cause });
        }
        if let Some(data) = &descriptor.data {
            return Ok(Resolved {
                digest: descriptor.digest.clone(),
                media_type: descriptor.media_type.clone(),
                bytes: data.clone(),
            });
        }
        match &self.place {
            Place::Registry { client, name } => client.document(name, descriptor).await,
            Place::Layout(layout) | Place::EngineLayout(layout) => layout.document(descriptor),
            Place::DockerArchive(archive) | Place::EngineArchive(archive) => {
                archive.document(descriptor)
            }
        }
    }

    /// Reads a configuration or another small blob whole, and checks digest and size.
    ///
    /// # Errors
    /// Any of [`ImageError`].
    pub async fn small_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        match &self.place {
            Place::Registry { client, name } if descriptor.data.is_none() => {
                client.small_blob(name, descriptor).await
            }
            _ => self.document(descriptor).await.map(|resolved| resolved.bytes),
        }
    }

    pub(crate) async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ImageError> {
        if let Some(data) = &descriptor.data {
            let data = Bytes::from(data.clone());
            let stream = futures::stream::once(async move { Ok(data) });
            return Ok(Blob::Stream(Box::pin(stream)));
        }
        match &self.place {
            Place::Registry { client, name } => {
                client.blob(name, descriptor).await.map(Blob::Stream)
            }
            Place::Layout(layout) | Place::EngineLayout(layout) => layout.blob(descriptor),
            Place::DockerArchive(archive) | Place::EngineArchive(archive) => {
                archive.blob(descriptor)
            }
        }
    }
}

async fn open_tar(file: PathBuf, max_unpacked: u64) -> Result<Store, ImageError> {
    blocking(move || Store::open_tar(&file, max_unpacked)).await
}

/// Runs file work where it does not hold up the network.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, ImageError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ImageError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ImageError::Environment("the program is shutting down".to_owned())),
        },
    }
}

#[cfg(test)]
mod tests;
