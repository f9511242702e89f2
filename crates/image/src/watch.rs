//! Giving up peers that stall or dribble.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::time::Instant;

use crate::error::ImageError;
use crate::limits::MIN_PROGRESS_BYTES;

/// Allows a peer `idle` of waiting per [`MIN_PROGRESS_BYTES`]. Only time spent waiting counts: a slow disk here is not the peer's fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    idle: Duration,
    waited: Duration,
    bytes: u64,
}

impl Window {
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle, waited: Duration::ZERO, bytes: 0 }
    }

    /// Awaits the next item of `stream`; none at its end.
    ///
    /// # Errors
    /// `Stalled` if the window is used up.
    pub(crate) async fn next<S, T>(
        &mut self,
        who: &str,
        stream: &mut S,
    ) -> Result<Option<T>, ImageError>
    where
        S: Stream<Item = T> + Unpin,
    {
        let left = self.idle.saturating_sub(self.waited);
        let start = Instant::now();
        let item = tokio::time::timeout(left, stream.next()).await;
        self.waited += start.elapsed();
        item.map_err(|_| stalled(who, self.idle))
    }

    /// Counts bytes that arrived.
    pub(crate) fn progress(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= MIN_PROGRESS_BYTES {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
    }
}

pub(crate) fn stalled(who: &str, idle: Duration) -> ImageError {
    ImageError::Stalled { what: who.to_owned(), millis: idle.as_millis() }
}
