//! What was seen before, so that nothing runs twice. Part of the state: equal on all members, also after a restart.

use hanse_types::{Digest, StateKey, TimeMs, limits::SESSION_WINDOW};

use super::{Arrivals, World};

pub(super) const WORDS: usize = (SESSION_WINDOW / 64) as usize;

/// Sequences seen from one gateway: everything up to `high - SESSION_WINDOW` counts as seen, the last ones are bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Greatest sequence seen.
    pub(super) high: u64,
    pub(super) bits: [u64; WORDS],
}

impl Window {
    fn contains(&self, sequence: u64) -> bool {
        if sequence > self.high {
            return false;
        }
        if self.high - sequence >= SESSION_WINDOW {
            return true;
        }
        let (word, bit) = place(sequence);
        self.bits[word] & bit != 0
    }

    fn insert(&mut self, sequence: u64) {
        if sequence > self.high {
            let gap = (sequence - self.high).min(SESSION_WINDOW);
            for passed in (sequence - gap + 1)..=sequence {
                let (word, bit) = place(passed);
                self.bits[word] &= !bit;
            }
            self.high = sequence;
        }
        let (word, bit) = place(sequence);
        self.bits[word] |= bit;
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let slot = sequence % SESSION_WINDOW;
    ((slot / 64) as usize, 1 << (slot % 64))
}

impl World {
    /// Whether a signed command with this replay key ran within its validity.
    pub fn has_seen(&self, replay: &Digest) -> bool {
        self.seen.contains_key(replay)
    }

    /// Whether a gateway's batch with this sequence ran, or is too old to tell (which counts as seen).
    pub fn has_sequence(&self, gateway: &Digest, sequence: u64) -> bool {
        sequence == 0 || self.windows.get(gateway).is_some_and(|w| w.contains(sequence))
    }

    /// Whether this key was ever registered as a gateway's.
    pub fn has_gateway(&self, gateway: &Digest) -> bool {
        self.get(&StateKey::Gateway(*gateway).encode()).is_some()
    }

    /// Greatest sequence seen from a gateway; 0 for none.
    pub fn sequence_high(&self, gateway: &Digest) -> u64 {
        self.windows.get(gateway).map_or(0, |w| w.high)
    }

    /// Takes in the replay key of a command that a block of time `now` carries.
    pub(crate) fn see(&mut self, now: TimeMs, replay: Digest, valid_until_ms: TimeMs) {
        self.hold(replay, valid_until_ms);
        self.arrive(now, replay, valid_until_ms);
    }

    fn hold(&mut self, replay: Digest, valid_until_ms: TimeMs) {
        if let Some(old) = self.seen.insert(replay, valid_until_ms) {
            self.seen_until.remove(&(old, replay));
        }
        self.seen_until.insert((valid_until_ms, replay), ());
    }

    /// Makes what a world saw of its arrivals, as after a block of time `now`.
    pub(super) fn recall(&mut self, now: TimeMs) {
        let arrivals = self.arrivals.clone();
        let all = arrivals.values().flat_map(Arrivals::entries);
        for (replay, until) in all.filter(|(_, until)| *until >= now) {
            self.hold(*replay, *until);
        }
    }

    pub(crate) fn see_sequence(&mut self, gateway: Digest, sequence: u64) {
        let mut window =
            self.windows.get(&gateway).cloned().unwrap_or(Window { high: 0, bits: [0; WORDS] });
        window.insert(sequence);
        self.windows.insert(gateway, window);
    }

    /// Forgets replay keys whose commands could not run any more at `now`.
    pub(crate) fn forget_expired(&mut self, now: TimeMs) {
        while let Some(((until, replay), ())) = self.seen_until.get_min().map(|(k, v)| (*k, *v)) {
            if until >= now {
                break;
            }
            self.seen_until.remove(&(until, replay));
            self.seen.remove(&replay);
        }
        self.drop_arrivals(now);
    }
}
