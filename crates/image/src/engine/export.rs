//! Reading an image out of an engine: its export streams past once.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Engine;
use crate::archive::{Passing, Store, pass};
use crate::error::{ImageError, safe_cause};
use crate::hashing::{Level, Meter, Progress};
use crate::limits::ENGINE_PREPARE_LIMIT;
use crate::reference::EngineName;
use crate::source::{Purpose, SourceOptions, blocking};
use crate::tarball::Skip;
use crate::unpack::Budget;
use crate::watch::{Window, stalled};

/// Pieces between the connection and the hasher; a few, so that both are busy.
const PIECES: usize = 8;

impl Engine {
    /// Exports an image: hashed as it passes, or spooled to a temporary file if it is to be copied.
    ///
    /// # Errors
    /// `NotFound` if the engine does not know the name; `Stalled`, `Unreachable`; `Malformed` and `TooLarge` as for archives.
    pub(crate) async fn export(
        self,
        name: &EngineName,
        options: &SourceOptions,
        progress: &Arc<dyn Progress>,
    ) -> Result<Store, ImageError> {
        let engine = self.negotiated().await?;
        let asked = name.to_string();
        let (sender, receiver) = mpsc::channel(PIECES);
        let reader = PieceReader {
            meter: Meter::new(Arc::clone(progress)),
            receiver,
            current: Bytes::new(),
        };
        let what = format!("the export of {asked} from {}", engine.shown);
        let purpose = options.purpose;
        let limit = options.max_unpacked;
        let consumer = tokio::spawn(blocking(move || consume(&what, reader, purpose, limit)));
        let pumped = engine.pump(&asked, &sender).await;
        drop(sender);
        let consumed = match consumer.await {
            Ok(consumed) => consumed,
            Err(_) => {
                return Err(ImageError::Environment("the program is shutting down".to_owned()));
            }
        };
        // A broken transfer also breaks the archive; the transfer is the cause.
        pumped?;
        consumed
    }

    async fn pump(
        &self,
        name: &str,
        sender: &mpsc::Sender<Result<Bytes, ()>>,
    ) -> Result<(), ImageError> {
        let mut stream = Box::pin(self.docker.export_image(name));
        let mut item = self.first_piece(&mut stream).await?;
        let mut window = Window::new(self.idle);
        while let Some(piece) = item {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    // Tells the reader that the end it sees is none. It may be gone already.
                    let _ = sender.send(Err(())).await;
                    return Err(self.failure(name, error));
                }
            };
            window.progress(piece.len() as u64);
            if sender.send(Ok(piece)).await.is_err() {
                // The reader has all it needs, or failed and says so itself.
                return Ok(());
            }
            item = match window.next(&self.shown, &mut stream).await {
                Ok(item) => item,
                Err(error) => {
                    let _ = sender.send(Err(())).await;
                    return Err(error);
                }
            };
        }
        Ok(())
    }

    /// An engine assembles an export before it sends the first byte. Meanwhile it must answer pings.
    async fn first_piece<S, T>(&self, stream: &mut S) -> Result<Option<T>, ImageError>
    where
        S: Stream<Item = T> + Unpin,
    {
        let start = Instant::now();
        loop {
            if let Ok(item) = tokio::time::timeout(self.idle / 2, stream.next()).await {
                return Ok(item);
            }
            self.alive(start).await?;
        }
    }

    /// Whether an engine that has been busy since `start` still answers, and may go on.
    pub(super) async fn alive(&self, start: Instant) -> Result<(), ImageError> {
        if start.elapsed() >= ENGINE_PREPARE_LIMIT {
            return Err(stalled(&self.shown, ENGINE_PREPARE_LIMIT));
        }
        // Half the limit was spent waiting, so the answer gets the other half.
        match tokio::time::timeout(self.idle / 2, self.docker.ping()).await {
            Err(_) => Err(stalled(&self.shown, self.idle)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failure("ping", error)),
        }
    }

    /// Settles the API version, which also shows whether anyone is there.
    pub(crate) async fn negotiated(self) -> Result<Self, ImageError> {
        let docker = self.answered("version", self.docker.clone().negotiate_version()).await?;
        Ok(Self { docker, ..self })
    }

    /// Awaits one short answer within the idle limit.
    pub(super) async fn answered<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, ImageError> {
        match tokio::time::timeout(self.idle, answer).await {
            Err(_) => Err(stalled(&self.shown, self.idle)),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failure(what, error)),
        }
    }

    pub(super) fn failure(&self, what: &str, error: bollard::errors::Error) -> ImageError {
        use bollard::errors::Error;
        let (place, what) = (self.shown.clone(), crate::printable(what));
        match error {
            Error::DockerResponseServerError { status_code: 404, .. } => {
                ImageError::NotFound { what, place }
            }
            Error::DockerResponseServerError { status_code: status, message } => {
                ImageError::Answer { place, status, what, text: crate::printable(&message) }
            }
            Error::DockerStreamError { error } => {
                ImageError::Answer { place, status: 200, what, text: crate::printable(&error) }
            }
            error => ImageError::Unreachable { what: place, cause: safe_cause(&error) },
        }
    }
}

fn consume(
    what: &str,
    mut reader: PieceReader,
    purpose: Purpose,
    limit: u64,
) -> Result<Store, ImageError> {
    match purpose {
        Purpose::Copy => {
            let mut target = tempfile::NamedTempFile::new()
                .map_err(ImageError::file(std::env::temp_dir(), "written"))?;
            let copied =
                std::io::copy(&mut (&mut reader).take(limit.saturating_add(1)), &mut target)
                    .map_err(ImageError::file(target.path(), "written"))?;
            if copied > limit {
                return Err(ImageError::TooLarge { what: what.to_owned(), limit });
            }
            Store::from_temporary(target)
        }
        Purpose::Check(level) => {
            let unpack = (level >= Level::L4).then(|| Budget::new(limit));
            pass(what, reader, &Passing { unpack }).map(Store::Passed)
        }
    }
}

/// The pieces as one stream of bytes, for code that reads in its own thread.
struct PieceReader {
    meter: Arc<Meter>,
    receiver: mpsc::Receiver<Result<Bytes, ()>>,
    current: Bytes,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => {
                    self.meter.pass(piece.len() as u64);
                    self.current = piece;
                }
                Some(Err(())) => return Err(std::io::Error::other("the transfer broke off")),
            }
        }
        let count = self.current.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

impl Skip for PieceReader {
    fn skip(&mut self, count: u64) -> std::io::Result<()> {
        let skipped = std::io::copy(&mut self.by_ref().take(count), &mut std::io::sink())?;
        if skipped < count { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}
