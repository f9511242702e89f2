//! Giving a verified image to an engine: loaded without a name, compared, then named.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bollard::query_parameters::{ImportImageOptions, RemoveImageOptions, TagImageOptionsBuilder};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Engine;
use crate::copy::{LAYOUT_MARK, Stage, Tarring, entry, index_of, staged_files};
use crate::describe::PlatformImage;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::manifest::Descriptor;
use crate::reference::RegistryName;
use crate::source::blocking;

/// Pieces between the archive's writer and the connection.
const PIECES: usize = 8;
/// Size of such a piece, bytes.
const PIECE_BYTES: usize = 256 * 1024;

impl Engine {
    /// Loads a staged image and names it. An image that arrives other than described, or cannot be named, is removed again, unless the
    /// engine had it before.
    ///
    /// # Errors
    /// `Differs` or `Other` if the engine ends up with another image; `Stalled`, `Unreachable`, `Answer`.
    pub(crate) async fn load(
        self,
        stage: Arc<Stage>,
        root: Descriptor,
        image: PlatformImage,
        name: &RegistryName,
    ) -> Result<String, ImageError> {
        let engine = self;
        let candidates = [&root.digest, &image.manifest.digest, &image.config.digest];
        let candidates = candidates.map(Digest::to_string);
        let before = engine.find(&candidates).await?;
        let loaded = engine.transfer(stage, &root, &image).await;
        let result = match loaded {
            Ok(()) => engine.name_it(&candidates, &image, name).await,
            Err(error) => Err(error),
        };
        if result.is_err() && before.is_none() {
            engine.remove(&candidates).await;
        }
        result
    }

    async fn name_it(
        &self,
        candidates: &[String],
        image: &PlatformImage,
        name: &RegistryName,
    ) -> Result<String, ImageError> {
        let other =
            |why: &str| ImageError::Other { place: self.shown.clone(), why: why.to_owned() };
        let Some((id, layers)) = self.find(candidates).await? else {
            return Err(other("after loading it does not have the image"));
        };
        let expected: Vec<String> = image.diff_ids.iter().map(Digest::to_string).collect();
        if layers != expected {
            return Err(other("after loading its layers are not the recorded ones"));
        }
        let tag = name.tag().unwrap_or("latest");
        let options = TagImageOptionsBuilder::default().repo(&name.repository()).tag(tag).build();
        self.answered("tag", self.docker.tag_image(&id, Some(options))).await?;
        let shown = name.tagged().to_string();
        match self.find(std::slice::from_ref(&shown)).await? {
            Some((named, _)) if named == id => Ok(format!("{shown} in {}", self.shown)),
            _ => Err(other("the name it was given does not lead to the image")),
        }
    }

    /// The first of `names` the engine knows: image ID and diff IDs.
    async fn find(&self, names: &[String]) -> Result<Option<(String, Vec<String>)>, ImageError> {
        for name in names {
            match self.answered(name, self.docker.inspect_image(name)).await {
                Ok(found) => {
                    let layers = found.root_fs.and_then(|root| root.layers).unwrap_or_default();
                    return Ok(found.id.map(|id| (id, layers)));
                }
                Err(ImageError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn remove(&self, candidates: &[String]) {
        for candidate in candidates {
            let options = RemoveImageOptions { force: true, ..RemoveImageOptions::default() };
            let removed = self.docker.remove_image(candidate, Some(options), None);
            if let Err(error) = self.answered(candidate, removed).await
                && !matches!(error, ImageError::NotFound { .. })
            {
                tracing::warn!(%error, "an image that was refused could not be removed from the engine");
            }
        }
    }

    async fn transfer(
        &self,
        stage: Arc<Stage>,
        root: &Descriptor,
        image: &PlatformImage,
    ) -> Result<(), ImageError> {
        let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(PIECES);
        let (root, image) = (root.clone(), image.clone());
        let writer = tokio::spawn(blocking(move || {
            let output = PieceWriter { sender, piece: Vec::with_capacity(PIECE_BYTES) };
            write_archive(&stage, &root, &image, output)
        }));
        let moved = Arc::new(AtomicBool::new(false));
        let taken = Arc::clone(&moved);
        let body = tokio_stream::wrappers::ReceiverStream::new(receiver)
            .inspect(move |_| taken.store(true, Ordering::Relaxed));
        let options = ImportImageOptions { quiet: true, platform: None };
        let mut answers = Box::pin(self.docker.import_image_stream(options, body, None));
        let mut busy = Instant::now();
        let result = loop {
            match tokio::time::timeout(self.idle / 2, answers.next()).await {
                Ok(None) => break Ok(()),
                Ok(Some(Ok(_))) => busy = Instant::now(),
                Ok(Some(Err(error))) => break Err(self.failure("load", error)),
                // An engine takes in whole layers before it says anything. Meanwhile it must answer pings.
                Err(_) => {
                    if moved.swap(false, Ordering::Relaxed) {
                        busy = Instant::now();
                    }
                    if let Err(error) = self.alive(busy).await {
                        break Err(error);
                    }
                }
            }
        };
        drop(answers);
        let written = match writer.await {
            Ok(written) => written,
            Err(_) => Err(ImageError::Environment("the program is shutting down".to_owned())),
        };
        // If the engine refused, the writer fails for want of a reader.
        result?;
        written
    }
}

/// Both formats in one: engines with an OCI store read `index.json`, all others `manifest.json`. Neither carries a name.
fn write_archive(
    stage: &Stage,
    root: &Descriptor,
    image: &PlatformImage,
    output: PieceWriter,
) -> Result<(), ImageError> {
    let mut tar = Tarring::new(output);
    tar.bytes("oci-layout", LAYOUT_MARK.as_bytes())?;
    tar.bytes("index.json", &index_of(&[entry(root, None)]))?;
    let layers: Vec<String> = image.layers.iter().map(|layer| layer.digest.layout_path()).collect();
    let listed = serde_json::json!([{
        "Config": image.config.digest.layout_path(),
        "RepoTags": null,
        "Layers": layers,
    }]);
    tar.bytes("manifest.json", listed.to_string().as_bytes())?;
    for (name, path) in staged_files(stage)? {
        tar.file(&name, &path)?;
    }
    let send = ImageError::file("the archive for the engine", "sent");
    tar.finish().and_then(|mut output| output.flush()).map_err(send)
}

/// Hands what is written to the connection, piece by piece.
struct PieceWriter {
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    piece: Vec<u8>,
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender
            .blocking_send(Ok(piece.into()))
            .map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}
