//! Pushing an image from anywhere to a registry (distribution spec, "Push").

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use reqwest::header::{CONTENT_RANGE, HeaderName};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::send::{Body, Call, Upload, location};
use super::{RegistryClient, RegistryOptions, push_scope};
use crate::describe::{Description, describe};
use crate::digest::Hasher;
use crate::error::ImageError;
use crate::hashing::{Job, Jobs, Meter, Progress, Silent};
use crate::limits::{NETWORK_WORKERS, UPLOAD_CHUNK_BYTES};
use crate::manifest::{DOCKER_LIST, DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::printable;
use crate::reference::RegistryName;
use crate::source::{Blob, Source};

/// Read buffer of one upload, bytes.
const UPLOAD_BUFFER_BYTES: usize = 256 * 1024;

/// How to push.
#[derive(Clone)]
pub struct PushOptions {
    /// How to talk to the registry pushed to.
    pub registry: RegistryOptions,
    /// Who is told of progress.
    pub progress: Arc<dyn Progress>,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self { registry: RegistryOptions::default(), progress: Arc::new(Silent) }
    }
}

/// What a push did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What was pushed, every part hashed on the way or already known to the registry.
    pub description: Description,
    /// Blobs sent, bytes.
    pub uploaded: u64,
    /// Blobs the registry had or mounted, bytes.
    pub reused: u64,
}

/// Pushes the image in `source` to `to`, children before parents, and checks that the tag then leads to it.
///
/// The source must be opened with [`crate::Purpose::Copy`] if it is an engine. Bytes are hashed as they are sent: an upload whose
/// bytes are not the described ones is broken off before its last piece.
///
/// # Errors
/// Any of [`ImageError`]; `Differs` also if `to` has a digest that is not the image's, or the registry serves another image afterwards.
pub async fn push(
    source: &Arc<Source>,
    to: &RegistryName,
    options: &PushOptions,
) -> Result<Pushed, ImageError> {
    let description = describe(source).await?;
    if let Some(expected) = to.digest()
        && *expected != description.root.digest
    {
        let (what, found) = (source.shown().to_owned(), description.root.digest);
        return Err(ImageError::Differs { what, expected: expected.clone(), found });
    }
    if !description.absent.is_empty() {
        let what = format!("{} of an index", description.absent[0].digest);
        return Err(ImageError::NotFound { what, place: source.shown().to_owned() });
    }
    let client = RegistryClient::connect(to.registry(), &options.registry).await?;
    let meter = Meter::new(Arc::clone(&options.progress));
    let jobs = blobs(&description)?;
    meter.expect(jobs.bytes());
    let pusher = Pusher { client: &client, source, to, meter: &meter };
    let sizes = futures::stream::iter(jobs.largest_first())
        .map(|job| pusher.blob(job.descriptor))
        .buffer_unordered(NETWORK_WORKERS)
        .try_fold((0, 0), |(uploaded, reused), (sent, size)| async move {
            Ok(if sent { (uploaded + size, reused) } else { (uploaded, reused + size) })
        });
    let (uploaded, reused) = sizes.await?;
    pusher.documents(&description).await?;
    meter.report();
    pusher.confirm(&description).await?;
    Ok(Pushed { description, uploaded, reused })
}

fn blobs(description: &Description) -> Result<Jobs, ImageError> {
    let mut jobs = Jobs::default();
    let images = description.platforms.iter();
    let images = images.flat_map(|image| std::iter::once(&image.config).chain(&image.layers));
    let attached = description.attestations.iter().chain(&description.artifacts);
    let attached = attached.flat_map(|part| std::iter::once(&part.config).chain(&part.blobs));
    for descriptor in images.chain(attached) {
        jobs.add(Job { descriptor: descriptor.clone(), unpack: None })?;
    }
    Ok(jobs)
}

struct Pusher<'p> {
    client: &'p RegistryClient,
    source: &'p Arc<Source>,
    to: &'p RegistryName,
    meter: &'p Arc<Meter>,
}

impl Pusher<'_> {
    /// Makes sure the registry has a blob. Returns whether it had to be sent, and its size.
    async fn blob(&self, descriptor: Descriptor) -> Result<(bool, u64), ImageError> {
        let size = descriptor.size;
        if self.client.has_blob(self.to, &descriptor.digest).await? {
            self.meter.advance(size);
            return Ok((false, size));
        }
        let start = self.start(&descriptor).await?;
        if start.status() == StatusCode::CREATED {
            self.meter.advance(size);
            return Ok((false, size));
        }
        let target = self.target(&start)?;
        match self.send_whole(&descriptor, target).await {
            Err(ImageError::Answer { status: 405 | 411 | 413 | 501, .. }) => {
                let again = self.start(&descriptor).await?;
                let target = self.target(&again)?;
                self.send_chunks(&descriptor, target).await?;
            }
            result => result?,
        }
        Ok((true, size))
    }

    /// Opens an upload; asks to mount the blob instead if it comes from the same registry. 201 means it was mounted.
    async fn start(&self, descriptor: &Descriptor) -> Result<Response, ImageError> {
        let what = self.what(descriptor);
        let mut url = self.client.url(&format!("{}/blobs/uploads/", self.to.repo()));
        let mut scope = push_scope(self.to);
        if let Some((_, from)) = self.source.registry()
            && from.registry() == self.to.registry()
            && from.repo() != self.to.repo()
        {
            url.query_pairs_mut()
                .append_pair("mount", &descriptor.digest.to_string())
                .append_pair("from", from.repo());
            scope.push_str(&format!(" repository:{}:pull", from.repo()));
        }
        self.client.send(Call::new(Method::POST, url, &what, scope), Body::Empty).await
    }

    /// Where the upload goes on: only ever at the registry itself, because credentials go with it.
    fn target(&self, response: &Response) -> Result<Url, ImageError> {
        let refuse = |target: String, why| {
            let place = self.client.registry.clone();
            Err(ImageError::Redirect { place, target, why })
        };
        match location(&self.client.origin, response) {
            None => refuse("nowhere".to_owned(), "it names no usable address"),
            Some(target) if target.origin() != self.client.origin.origin() => {
                refuse(printable(target.as_str()), "uploads go to the registry itself only")
            }
            Some(target) => Ok(target),
        }
    }

    fn what(&self, descriptor: &Descriptor) -> String {
        format!("{} for {}", descriptor.digest, self.to.repository())
    }

    async fn send_whole(&self, descriptor: &Descriptor, target: Url) -> Result<(), ImageError> {
        let (stream, fault) = self.open(descriptor).await?;
        let sent = Arc::new(AtomicU64::new(0));
        let counted = counted(stream, Arc::clone(&sent), Arc::clone(self.meter));
        let upload = Upload { length: descriptor.size, stream: counted, sent };
        let url = with_digest(target, descriptor);
        // The token for uploading was got when the upload was opened.
        let call = Call::new(Method::PUT, url, &self.what(descriptor), push_scope(self.to));
        let result = self.client.send(call, Body::Stream(upload)).await;
        if let Some(fault) = fault.lock().take() {
            return Err(fault);
        }
        result.map(drop)
    }

    /// For registries that refuse one long request.
    async fn send_chunks(&self, descriptor: &Descriptor, target: Url) -> Result<(), ImageError> {
        let (mut stream, fault) = self.open(descriptor).await?;
        let mut target = target;
        let mut at = 0;
        let mut chunk = BytesMut::new();
        loop {
            let piece = stream.next().await;
            let last = piece.is_none();
            match piece {
                Some(Ok(piece)) => chunk.extend_from_slice(&piece),
                Some(Err(error)) => {
                    let fault = fault.lock().take();
                    return Err(
                        fault.unwrap_or_else(|| ImageError::file("the upload", "read")(error))
                    );
                }
                None => {}
            }
            if !chunk.is_empty() && (last || chunk.len() >= UPLOAD_CHUNK_BYTES) {
                let bytes = chunk.split().freeze();
                target = self.send_chunk(descriptor, target, at, bytes.clone()).await?;
                at += bytes.len() as u64;
                self.meter.advance(bytes.len() as u64);
            }
            if last {
                break;
            }
        }
        let url = with_digest(target, descriptor);
        let (what, scope) = (self.what(descriptor), push_scope(self.to));
        self.client.send(Call::new(Method::PUT, url, &what, scope), Body::Empty).await.map(drop)
    }

    async fn send_chunk(
        &self,
        descriptor: &Descriptor,
        target: Url,
        at: u64,
        bytes: Bytes,
    ) -> Result<Url, ImageError> {
        let range = format!("{at}-{}", at + bytes.len() as u64 - 1);
        let headers: Vec<(HeaderName, String)> = vec![(CONTENT_RANGE, range)];
        let body = Body::Whole(bytes, "application/octet-stream");
        let (what, scope) = (self.what(descriptor), push_scope(self.to));
        let call = Call { headers, ..Call::new(Method::PATCH, target, &what, scope) };
        let response = self.client.send(call, body).await?;
        self.target(&response)
    }

    /// The bytes of a blob, judged before the last piece is given out; a fault is left in the slot.
    async fn open(
        &self,
        descriptor: &Descriptor,
    ) -> Result<(BoxStream<'static, Result<Bytes, std::io::Error>>, Fault), ImageError> {
        let stream = match self.source.blob(descriptor).await? {
            Blob::Stream(stream) => stream,
            Blob::File { file, path, offset, size } => {
                let mut file = tokio::fs::File::from_std(file);
                let shown = path.clone();
                file.seek(std::io::SeekFrom::Start(offset))
                    .await
                    .map_err(ImageError::file(&path, "read"))?;
                tokio_util::io::ReaderStream::with_capacity(file.take(size), UPLOAD_BUFFER_BYTES)
                    .map_err(move |error| ImageError::file(&shown, "read")(error))
                    .boxed()
            }
            Blob::Passed(_) => {
                let why = "an engine must be opened for copying before its image can be pushed";
                return Err(ImageError::Environment(why.to_owned()));
            }
        };
        let fault = Fault::default();
        let judged = Judged {
            stream,
            what: format!("{} in {}", descriptor.digest, self.source.shown()),
            descriptor: descriptor.clone(),
            hasher: Some(Hasher::new(descriptor.digest.algorithm())),
            seen: 0,
            held: None,
            fault: Arc::clone(&fault),
        };
        Ok((judged.into_stream(), fault))
    }

    async fn documents(&self, description: &Description) -> Result<(), ImageError> {
        for child in description.children().chain(description.indexes.iter().rev()) {
            let resolved = self.source.document(child).await?;
            self.put(child, &child.digest.to_string(), resolved.bytes).await?;
        }
        let selector = match self.to.tag() {
            Some(tag) => tag.to_owned(),
            None => description.root.digest.to_string(),
        };
        self.put(&description.root, &selector, description.root_bytes.clone()).await
    }

    async fn put(
        &self,
        descriptor: &Descriptor,
        selector: &str,
        bytes: Vec<u8>,
    ) -> Result<(), ImageError> {
        let kind = match descriptor.media_type.as_str() {
            OCI_INDEX => OCI_INDEX,
            DOCKER_LIST => DOCKER_LIST,
            DOCKER_MANIFEST => DOCKER_MANIFEST,
            _ => OCI_MANIFEST,
        };
        let url = self.client.url(&format!("{}/manifests/{selector}", self.to.repo()));
        let what = format!("{selector} of {}", self.to.repository());
        let body = Body::Whole(bytes.into(), kind);
        let call = Call::new(Method::PUT, url, &what, push_scope(self.to));
        self.client.send(call, body).await.map(drop)
    }

    /// Asks for the name as anybody else would.
    async fn confirm(&self, description: &Description) -> Result<(), ImageError> {
        let expected = &description.root.digest;
        let name = match self.to.tag() {
            Some(_) => self.to.tagged(),
            None => self.to.with_digest(expected.clone()),
        };
        let found = self.client.resolve(&name).await?;
        // The bytes decide: the registry's digest may be of another algorithm than ours.
        if found.bytes != description.root_bytes {
            let what = format!("what {name} serves after the push");
            return Err(ImageError::Differs {
                what,
                expected: expected.clone(),
                found: found.digest,
            });
        }
        Ok(())
    }
}

fn with_digest(mut target: Url, descriptor: &Descriptor) -> Url {
    target.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
    target
}

fn counted(
    stream: BoxStream<'static, Result<Bytes, std::io::Error>>,
    sent: Arc<AtomicU64>,
    meter: Arc<Meter>,
) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
    let count = move |piece: &Bytes| {
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        meter.advance(piece.len() as u64);
    };
    stream.inspect_ok(count).boxed()
}

type Fault = Arc<Mutex<Option<ImageError>>>;

/// A stream whose last piece is held back until size and digest of the whole are known to be right.
struct Judged {
    stream: BoxStream<'static, Result<Bytes, ImageError>>,
    what: String,
    descriptor: Descriptor,
    hasher: Option<Hasher>,
    seen: u64,
    held: Option<Bytes>,
    fault: Fault,
}

impl Judged {
    fn into_stream(self) -> BoxStream<'static, Result<Bytes, std::io::Error>> {
        let step = |state: Option<Self>| async move {
            let mut state = state?;
            match state.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(state))),
                Ok(None) => None,
                Err(error) => {
                    let shown = std::io::Error::other(error.to_string());
                    *state.fault.lock() = Some(error);
                    Some((Err(shown), None))
                }
            }
        };
        futures::stream::unfold(Some(self), step).boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ImageError> {
        let Some(hasher) = &mut self.hasher else {
            return Ok(None);
        };
        let (expected, what) = (&self.descriptor, &self.what);
        while let Some(piece) = self.stream.next().await {
            let piece = piece?;
            self.seen += piece.len() as u64;
            if self.seen > expected.size {
                let (expected, found) = (expected.size, self.seen);
                return Err(ImageError::Size { what: what.clone(), expected, found });
            }
            hasher.update(&piece);
            if let Some(before) = self.held.replace(piece) {
                return Ok(Some(before));
            }
        }
        if self.seen != expected.size {
            let (expected, found) = (expected.size, self.seen);
            return Err(ImageError::Size { what: what.clone(), expected, found });
        }
        let found = self.hasher.take().expect("only taken here, at the end").finish();
        if found != expected.digest {
            let expected = expected.digest.clone();
            return Err(ImageError::Differs { what: what.clone(), expected, found });
        }
        Ok(self.held.take())
    }
}
