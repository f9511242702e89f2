//! What a proof is about, and its place in the file.

use alloc::vec::Vec;

use borsh::BorshDeserialize;
use hanse_types::{Actor, Command, Committee, Event, Receipt, Record, decode, encode};

use crate::branch::StateBranch;
use crate::cbor::{Reader, Writer};
use crate::error::ProofError;
use crate::limits::{
    CLAIM_BYTES_MAX, COMMITTEE_BYTES_MAX, DISCLOSED_COMMAND_MAX, DISCLOSED_VALUE_MAX, ITEMS_MAX,
    RECORD_BYTES_MAX, STATE_KEY_BYTES_MAX,
};
use crate::path::LeafPath;

/// What is proved. Numbers and names are persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The outcome of one action.
    Receipt,
    /// The content of one key.
    Value,
    /// That a key has no content.
    Absence,
    /// All keys of a range.
    Range,
    /// One change of one key.
    Event,
    /// The next committee.
    Handover,
    /// Several lookups under one root: what a verdict about an image rests on.
    Image,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Receipt,
        Self::Value,
        Self::Absence,
        Self::Range,
        Self::Event,
        Self::Handover,
        Self::Image,
    ];

    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Value => "value",
            Self::Absence => "absence",
            Self::Range => "range",
            Self::Event => "event",
            Self::Handover => "handover",
            Self::Image => "image",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A claim and its path to a root in the first header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// In the receipt root of the header after the receipt's block.
    Receipt {
        /// The outcome.
        receipt: Receipt,
        /// The command it is about, when disclosed.
        command: Option<Command>,
        /// Who asked, when disclosed.
        actor: Option<Actor>,
        /// From the receipt's digest.
        path: LeafPath,
    },
    /// In the event root of the header after the event's block.
    Event {
        /// The change.
        event: Event,
        /// The state key, when disclosed.
        key: Option<Vec<u8>>,
        /// The new value, when disclosed.
        value: Option<Vec<u8>>,
        /// Who asked, when disclosed.
        actor: Option<Actor>,
        /// From the event's digest.
        path: LeafPath,
    },
    /// One lookup in the state: kind `value` or `absence`.
    State(StateProofItem),
    /// All keys k with start <= k < end.
    Range {
        /// The first key asked for.
        start: Vec<u8>,
        /// Where the range ends, itself not included; empty for the end of the map.
        end: Vec<u8>,
        /// The record before `start`; none exactly when the first entry's key is `start`.
        before: Option<(Record, StateBranch)>,
        /// The keys, ascending.
        entries: Vec<Entry>,
    },
    /// The committee after the first header's epoch.
    Handover {
        /// Who votes next.
        committee: Committee,
    },
    /// Lookups in the state, all under one root.
    Image {
        /// In the order in which they were asked.
        items: Vec<StateProofItem>,
    },
}

/// One present key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the map commits to.
    pub record: Record,
    /// The value, when disclosed.
    pub value: Option<Vec<u8>>,
    /// From the record's digest.
    pub branch: StateBranch,
}

/// One lookup in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateProofItem {
    /// The key of this record is present.
    Value(Entry),
    /// No record has this key.
    Absence {
        /// The key.
        key: Vec<u8>,
        /// The greatest record below it; its `next` is above it.
        before: Record,
        /// From that record's digest.
        branch: StateBranch,
    },
}

impl StateProofItem {
    /// Presence, from the record, its value if that is to be disclosed, and the branch of
    /// `Record::slot(&record.key)` as the state proved it.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] when `branch` is not an encoded [`StateBranch`].
    pub fn value(record: Record, value: Option<Vec<u8>>, branch: &[u8]) -> Result<Self, ProofError> {
        Ok(Self::Value(Entry { record, value, branch: StateBranch::decode(branch)? }))
    }

    /// Absence of `key`, from the record before it and the branch of that record's slot.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] when `branch` is not an encoded [`StateBranch`].
    pub fn absence(key: Vec<u8>, before: Record, branch: &[u8]) -> Result<Self, ProofError> {
        Ok(Self::Absence { key, before, branch: StateBranch::decode(branch)? })
    }

    /// The key that was looked up.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Value(entry) => &entry.record.key,
            Self::Absence { key, .. } => key,
        }
    }

    fn branch(&self) -> &StateBranch {
        match self {
            Self::Value(entry) => &entry.branch,
            Self::Absence { branch, .. } => branch,
        }
    }

    fn write(&self, w: &mut Writer) {
        w.map(2);
        match self {
            Self::Value(entry) => {
                w.text("value");
                w.optional(entry.value.as_deref());
                w.text("record");
                w.bytes(&encode(&entry.record));
            }
            Self::Absence { key, before, .. } => {
                w.text("key");
                w.bytes(key);
                w.text("record");
                w.bytes(&encode(before));
            }
        }
    }

    fn read(r: &mut Reader<'_>, branch: StateBranch) -> Result<Self, ProofError> {
        r.map(2)?;
        match r.text()? {
            "value" => {
                let value = value(r)?;
                r.key("record")?;
                Ok(Self::Value(Entry { record: record(r)?, value, branch }))
            }
            "key" => {
                let key = r.bytes(STATE_KEY_BYTES_MAX)?.to_vec();
                r.key("record")?;
                Ok(Self::Absence { key, before: record(r)?, branch })
            }
            _ => Err(ProofError::Malformed),
        }
    }
}

/// A path as it stands in the file, before the claim it belongs to is known.
pub(crate) enum Path {
    None,
    Leaf(LeafPath),
    Branch(StateBranch),
    Branches(Vec<StateBranch>),
}

impl Path {
    pub(crate) fn read(r: &mut Reader<'_>, kind: Kind) -> Result<Self, ProofError> {
        Ok(match kind {
            Kind::Receipt | Kind::Event => Self::Leaf(LeafPath::read(r)?),
            Kind::Value | Kind::Absence => Self::Branch(StateBranch::read(r)?),
            Kind::Range | Kind::Image => {
                let count = r.items(ITEMS_MAX + 1)?;
                Self::Branches((0..count).map(|_| StateBranch::read(r)).collect::<Result<_, _>>()?)
            }
            Kind::Handover => {
                if r.optional(|_| Ok(()))?.is_some() {
                    return Err(ProofError::Malformed);
                }
                Self::None
            }
        })
    }
}

impl Claim {
    /// What is proved.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Receipt { .. } => Kind::Receipt,
            Self::Event { .. } => Kind::Event,
            Self::State(StateProofItem::Value(_)) => Kind::Value,
            Self::State(StateProofItem::Absence { .. }) => Kind::Absence,
            Self::Range { .. } => Kind::Range,
            Self::Handover { .. } => Kind::Handover,
            Self::Image { .. } => Kind::Image,
        }
    }

    pub(crate) fn write_path(&self, w: &mut Writer) {
        match self {
            Self::Receipt { path, .. } | Self::Event { path, .. } => path.write(w),
            Self::State(item) => item.branch().write(w),
            Self::Range { before, entries, .. } => {
                w.array(entries.len() + usize::from(before.is_some()));
                before.iter().for_each(|(_, branch)| branch.write(w));
                entries.iter().for_each(|entry| entry.branch.write(w));
            }
            Self::Handover { .. } => w.null(),
            Self::Image { items } => {
                w.array(items.len());
                items.iter().for_each(|item| item.branch().write(w));
            }
        }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        match self {
            Self::Receipt { receipt, command, actor, .. } => {
                w.map(3);
                w.text("actor");
                w.optional(actor.as_ref().map(encode).as_deref());
                w.text("command");
                w.optional(command.as_ref().map(encode).as_deref());
                w.text("receipt");
                w.bytes(&encode(receipt));
            }
            Self::Event { event, key, value, actor, .. } => {
                w.map(4);
                w.text("key");
                w.optional(key.as_deref());
                w.text("actor");
                w.optional(actor.as_ref().map(encode).as_deref());
                w.text("event");
                w.bytes(&encode(event));
                w.text("value");
                w.optional(value.as_deref());
            }
            Self::State(item) => item.write(w),
            Self::Range { start, end, before, entries } => {
                w.map(4);
                w.text("end");
                w.bytes(end);
                w.text("start");
                w.bytes(start);
                w.text("before");
                w.optional(before.as_ref().map(|(record, _)| encode(record)).as_deref());
                w.text("entries");
                w.array(entries.len());
                for entry in entries {
                    w.array(2);
                    w.bytes(&encode(&entry.record));
                    w.optional(entry.value.as_deref());
                }
            }
            Self::Handover { committee } => {
                w.map(1);
                w.text("committee");
                w.bytes(&encode(committee));
            }
            Self::Image { items } => {
                w.map(1);
                w.text("items");
                w.array(items.len());
                items.iter().for_each(|item| item.write(w));
            }
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>, kind: Kind, path: Path) -> Result<Self, ProofError> {
        match (kind, path) {
            (Kind::Receipt, Path::Leaf(path)) => read_receipt(r, path),
            (Kind::Event, Path::Leaf(path)) => read_event(r, path),
            (Kind::Value | Kind::Absence, Path::Branch(branch)) => {
                let claim = Self::State(StateProofItem::read(r, branch)?);
                if claim.kind() == kind { Ok(claim) } else { Err(ProofError::Malformed) }
            }
            (Kind::Range, Path::Branches(branches)) => read_range(r, branches),
            (Kind::Image, Path::Branches(branches)) => {
                r.map(1)?;
                r.key("items")?;
                let count = r.items(ITEMS_MAX)?;
                if count == 0 || count != branches.len() {
                    return Err(ProofError::Malformed);
                }
                let items = branches.into_iter().map(|branch| StateProofItem::read(r, branch));
                Ok(Self::Image { items: items.collect::<Result<_, _>>()? })
            }
            (Kind::Handover, Path::None) => {
                r.map(1)?;
                r.key("committee")?;
                Ok(Self::Handover { committee: borsh(r, COMMITTEE_BYTES_MAX)? })
            }
            _ => Err(ProofError::Malformed),
        }
    }
}

fn read_receipt(r: &mut Reader<'_>, path: LeafPath) -> Result<Claim, ProofError> {
    r.map(3)?;
    r.key("actor")?;
    let actor = r.optional(|r| borsh(r, CLAIM_BYTES_MAX))?;
    r.key("command")?;
    let command = r.optional(|r| borsh(r, DISCLOSED_COMMAND_MAX))?;
    r.key("receipt")?;
    let receipt = borsh(r, CLAIM_BYTES_MAX)?;
    Ok(Claim::Receipt { receipt, command, actor, path })
}

fn read_event(r: &mut Reader<'_>, path: LeafPath) -> Result<Claim, ProofError> {
    r.map(4)?;
    r.key("key")?;
    let key = r.optional(|r| Ok(r.bytes(STATE_KEY_BYTES_MAX)?.to_vec()))?;
    r.key("actor")?;
    let actor = r.optional(|r| borsh(r, CLAIM_BYTES_MAX))?;
    r.key("event")?;
    let event = borsh(r, CLAIM_BYTES_MAX)?;
    r.key("value")?;
    let value = value(r)?;
    Ok(Claim::Event { event, key, value, actor, path })
}

fn read_range(r: &mut Reader<'_>, branches: Vec<StateBranch>) -> Result<Claim, ProofError> {
    r.map(4)?;
    r.key("end")?;
    let end = r.bytes(STATE_KEY_BYTES_MAX)?.to_vec();
    r.key("start")?;
    let start = r.bytes(STATE_KEY_BYTES_MAX)?.to_vec();
    let mut branches = branches.into_iter();
    r.key("before")?;
    let before = match r.optional(record)? {
        Some(record) => Some((record, branches.next().ok_or(ProofError::Malformed)?)),
        None => None,
    };
    r.key("entries")?;
    let count = r.items(ITEMS_MAX)?;
    if count != branches.len() {
        return Err(ProofError::Malformed);
    }
    let mut entries = Vec::with_capacity(count);
    for branch in branches {
        r.array(2)?;
        entries.push(Entry { record: record(r)?, value: value(r)?, branch });
    }
    Ok(Claim::Range { start, end, before, entries })
}

fn value(r: &mut Reader<'_>) -> Result<Option<Vec<u8>>, ProofError> {
    r.optional(|r| Ok(r.bytes(DISCLOSED_VALUE_MAX)?.to_vec()))
}

fn record(r: &mut Reader<'_>) -> Result<Record, ProofError> {
    borsh(r, RECORD_BYTES_MAX)
}

/// A byte string that holds exactly one value in Borsh.
pub(crate) fn borsh<T: BorshDeserialize>(
    r: &mut Reader<'_>,
    max: usize,
) -> Result<T, ProofError> {
    decode(r.bytes(max)?).map_err(|_| ProofError::Malformed)
}
