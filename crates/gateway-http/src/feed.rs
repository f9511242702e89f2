//! A watcher's stream of events: pulled block by block, so a slow client makes itself wait and nobody else.

use std::{convert::Infallible, sync::Arc};

use axum::{http::HeaderMap, response::sse::Event};
use futures::{Stream, StreamExt as _, stream};
use hanse_ledger::{Committed, Lagged, Watch};
use hanse_types::Height;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    door::{Closing, Door},
    load::Counted,
    problem::Problem,
    serve::told,
    wire::{ChangeEvent, EventShown, Id, LaggedEvent},
};

/// Where a stream starts: the block, and how many of its events the client has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) height: Height,
    pub(crate) skip: u64,
}

/// After `Last-Event-ID`, or at `from`, or with the block after the newest.
pub(crate) fn start(
    headers: &HeaderMap,
    from: Option<Height>,
    newest: Height,
) -> Result<Start, Problem> {
    if let Some(last) = headers.get("last-event-id") {
        let text = last.to_str().unwrap_or_default();
        let id: Id = text.parse().map_err(|e| Problem::malformed("Last-Event-ID", e))?;
        return Ok(match id.index.checked_add(1) {
            Some(skip) => Start { height: id.height, skip },
            // The id of a `lagged`: all of that block is behind the client.
            None => Start { height: id.height.saturating_add(1), skip: 0 },
        });
    }
    match from {
        Some(height) if height > newest + 1 => {
            let why = format!("the newest height is {newest}; start at most one above it");
            Err(Problem::malformed("from", why))
        }
        Some(height) => Ok(Start { height, skip: 0 }),
        None => Ok(Start { height: newest + 1, skip: 0 }),
    }
}

/// What holds the watcher's place while the stream lives.
type Place = (OwnedSemaphorePermit, Counted);

pub(crate) struct Feed {
    watch: Watch,
    sending: Option<Sending>,
    skip: u64,
    ended: bool,
    lagged: Counter,
    closing: Option<Closing>,
    _place: Place,
}

impl Feed {
    pub(crate) fn new(door: &Door, start: Start, closing: Option<Closing>, place: Place) -> Self {
        Self {
            watch: door.desk.watch(start.height),
            sending: None,
            skip: start.skip,
            ended: false,
            lagged: door.config.metrics.lagged.clone(),
            closing,
            _place: place,
        }
    }

    /// The events in order; ends after `lagged`, and when the member stops.
    pub(crate) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
        let closing = self.closing.clone();
        let stop = async move {
            match closing {
                Some(Closing(closing)) => told(closing).await,
                None => std::future::pending().await,
            }
        };
        stream::unfold(self, Self::step).map(Ok).take_until(Box::pin(stop))
    }

    async fn step(mut self) -> Option<(Event, Self)> {
        while !self.ended {
            if let Some((id, event)) = self.sending.as_mut().and_then(Sending::next) {
                return Some((event_of(id, &event), self));
            }
            match self.watch.next().await {
                Ok(Some(block)) => {
                    self.sending = Some(Sending::new(block, std::mem::take(&mut self.skip)));
                }
                Ok(None) => return None,
                Err(Lagged { oldest }) => {
                    self.ended = true;
                    self.lagged.inc();
                    return Some((lagged(oldest), self));
                }
            }
        }
        None
    }
}

/// How far a block is sent: the action, the change inside it, and the event's number.
struct Sending {
    block: Arc<Committed>,
    action: usize,
    change: u32,
    index: u64,
    skip: u64,
}

impl Sending {
    fn new(block: Arc<Committed>, skip: u64) -> Self {
        Self { block, action: 0, change: 0, index: 0, skip }
    }

    /// The next event the client does not have: the changes in order, then the block.
    fn next(&mut self) -> Option<(Id, EventShown)> {
        loop {
            let id = Id { height: self.block.block.header.height, index: self.index };
            let wanted = self.index >= self.skip;
            let event = match self.block.applied.get(self.action) {
                Some(applied) if (self.change as usize) < applied.changes.len() => {
                    self.change += 1;
                    wanted.then(|| ChangeEvent::of(&self.block, applied, self.change - 1))
                }
                Some(_) => {
                    (self.action, self.change) = (self.action + 1, 0);
                    continue;
                }
                None if self.action == usize::MAX => return None,
                None => {
                    self.action = usize::MAX;
                    wanted.then(|| Some(EventShown::Block((&*self.block).into())))
                }
            };
            self.index += 1;
            if let Some(event) = event.flatten() {
                return Some((id, event));
            }
        }
    }
}

/// Its id lets a browser, which reconnects by itself, go on at the oldest height after having been told of the gap.
fn lagged(oldest: Height) -> Event {
    let id = Id { height: oldest.saturating_sub(1), index: u64::MAX };
    event_of(id, &EventShown::Lagged(LaggedEvent { oldest }))
}

fn event_of(id: Id, event: &EventShown) -> Event {
    Event::default()
        .event(event.name())
        .id(id.to_string())
        .json_data(event)
        .expect("wire types have string keys and no failing serialisers")
}

#[cfg(test)]
mod tests;
