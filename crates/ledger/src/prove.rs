//! Making proofs that someone who trusts no single member can check offline.

use hanse_execution::{Key, World};
use hanse_types::{Digest, Height, Record};

use crate::limits::PROOF_KEYS_MAX;

/// What is to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The receipt of an action.
    Receipt {
        /// Command id.
        command: Digest,
        /// Position in a session batch; 0 for a signed command.
        item: u32,
    },
    /// What stands, or that nothing stands, at state keys. One key gives a `value` or `absence` proof, more give an `image` proof.
    Lookup {
        /// [`hanse_types::StateKey::encode`]d.
        keys: Vec<Vec<u8>>,
    },
    /// Everything in a half-open range of state keys, and that there is nothing else.
    Range {
        /// First key.
        start: Vec<u8>,
        /// First key after the range; empty for "to the last".
        end: Vec<u8>,
    },
    /// One change.
    Event {
        /// The block.
        height: Height,
        /// Position of the action in the block.
        index: u32,
        /// Position of the event in the action.
        event: u32,
    },
}

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// There is no such command, block or event here.
    #[error("there is nothing to prove under that name")]
    NotFound,
    /// The block is older than what this member keeps in memory.
    #[error("this member keeps blocks from height {oldest} on in memory")]
    Forgotten {
        /// The oldest height kept.
        oldest: Height,
    },
    /// Over [`PROOF_KEYS_MAX`] keys, or too many headers to the next certificate.
    #[error("the proof would be larger than allowed")]
    TooLarge,
    /// Too many proofs are waiting.
    #[error("too many proofs are waiting; try again in a moment")]
    Busy,
    /// The member stops, or its map failed.
    #[error("this member stopped before the proof was made")]
    Stopped,
}

/// A question to the authenticated map.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Lookup(Vec<Vec<u8>>),
    Range { start: Vec<u8>, end: Vec<u8> },
}

impl Wanted {
    /// The keys whose records answer the question in `world`: the key itself, or the one before it; for a range all in it and the one before.
    pub(crate) fn records(&self, world: &World) -> Vec<Key> {
        match self {
            Self::Lookup(keys) => keys
                .iter()
                .filter_map(|key| at_or_before(world, key))
                .collect(),
            Self::Range { start, end } => {
                let mut keys: Vec<Key> = at_or_before(world, start).into_iter().collect();
                let inside = world.range(start, end).map(|(key, _)| key.clone());
                keys.extend(inside.take(PROOF_KEYS_MAX + 1));
                keys.dedup();
                keys
            }
        }
    }

    /// Slots of [`Wanted::records`]; nothing when there are too many, which the asker then reports.
    pub(crate) fn slots(&self, world: &World) -> Vec<Digest> {
        let records = self.records(world);
        if records.len() > PROOF_KEYS_MAX {
            return Vec::new();
        }
        records.iter().map(|key| Record::slot(key)).collect()
    }
}

fn at_or_before(world: &World, key: &[u8]) -> Option<Key> {
    world
        .range(key, &[])
        .next()
        .map(|(k, _)| k.clone())
        .filter(|k| **k == *key)
        .or_else(|| {
            // Every world holds the first record, whose key is empty, so only the empty key has nothing before it.
            world.before(key).map(|(k, _)| k.clone())
        })
}
