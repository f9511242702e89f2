//! What stands beside the table, in the digests of one record of the table (docs/adr/0014, docs/formats/state.md).

use hanse_crypto::hash;
use hanse_types::{Aside, Digest, Height, StateKey, TimeMs, encode};
use imbl::Vector;

use super::{At, Dirty, Key, World};

/// Milliseconds of block time whose replay keys share a chain of digests and are dropped together. A command lives ten
/// minutes, so there are about a dozen chains, and a key stands in its chain for at most a minute longer than it must.
const MINUTE_MS: u64 = 60_000;

/// Index of [`Change`](crate::Change)s that no action makes: greater than any action's.
const INDEX_OF_NONE: u32 = u32::MAX;

/// Replay keys that came in one minute of block time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrivals {
    /// Chained over `entries`, so that one more costs one hash.
    digest: Digest,
    /// Replay keys and until when their commands are valid, in the order of execution.
    entries: Vector<(Digest, TimeMs)>,
    /// The greatest of these times.
    last_until: TimeMs,
}

impl Arrivals {
    pub(super) fn push(&mut self, replay: Digest, until: TimeMs) {
        self.digest =
            hash("hanse/aside/arrival", &[&self.digest.0, &replay.0, &until.to_le_bytes()]);
        self.entries.push_back((replay, until));
        self.last_until = self.last_until.max(until);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &(Digest, TimeMs)> {
        self.entries.iter()
    }
}

impl World {
    pub(super) fn arrive(&mut self, now: TimeMs, replay: Digest, until: TimeMs) {
        self.arrivals.entry(now / MINUTE_MS).or_default().push(replay, until);
    }

    /// Drops the minutes of which nothing is valid at `now`.
    pub(super) fn drop_arrivals(&mut self, now: TimeMs) {
        let over = self.arrivals.iter().filter(|(_, arrivals)| arrivals.last_until < now);
        let minutes: Vec<u64> = over.map(|(minute, _)| *minute).collect();
        for minute in minutes {
            self.arrivals.remove(&minute);
        }
    }

    /// What a boundary's record must say.
    pub(crate) fn aside(&self) -> Aside {
        let revisions: Vec<_> = self.revisions.iter().map(|(s, at)| (&**s, *at)).collect();
        let seen: Vec<_> = self
            .arrivals
            .iter()
            .map(|(minute, a)| (*minute, a.entries.len() as u64, a.digest))
            .collect();
        let windows: Vec<_> = self.windows.iter().map(|(id, w)| (*id, w.high, w.bits)).collect();
        let headers: Vec<_> = self.headers.iter().map(|(at, digest)| (*at, *digest)).collect();
        Aside {
            revisions: hash("hanse/aside/revisions", &[&encode(&revisions)]),
            seen: hash("hanse/aside/seen", &[&encode(&seen)]),
            windows: hash("hanse/aside/windows", &[&encode(&windows)]),
            headers: hash("hanse/aside/headers", &[&encode(&headers)]),
            begins_on: self.begins_on,
        }
    }

    /// Writes [`World::aside`] into the table, for no action: no event, no receipt, and the system space keeps its revision.
    pub(crate) fn bind_aside(&mut self, height: Height, dirty: &mut Dirty) {
        let at = At { revision: self.revision(""), height, index: INDEX_OF_NONE };
        let value = encode(&self.aside());
        self.put(&Key::from(StateKey::Aside.encode()), value.into(), at, dirty);
    }
}

#[cfg(test)]
mod tests;
