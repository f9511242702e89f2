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
    /// Every key from the first record's to the last one's `next`, that one not included.
    Range {
        /// Ascending, each the `next` of the one before; at least one. To show that a range is
        /// complete the first may lie before it.
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

/// What the state says about one key. The question itself is not part of a proof: nothing would
/// bind it. Whoever asks, asks [`StateProofItem::about`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateProofItem {
    /// The key of this record is present.
    Value(Entry),
    /// No key between this record's and its `next` is present (none after it, when `next` is empty).
    Absence {
        /// The record before the gap.
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
    pub fn value(
        record: Record,
        value: Option<Vec<u8>>,
        branch: &[u8],
    ) -> Result<Self, ProofError> {
        Ok(Self::Value(Entry { record, value, branch: StateBranch::decode(branch)? }))
    }

    /// Absence of `key`, from the greatest record below it and the branch of that record's slot.
    ///
    /// # Errors
    /// [`ProofError::Absence`] when the record and its `next` do not enclose `key`,
    /// [`ProofError::Malformed`] when `branch` is not an encoded [`StateBranch`].
    pub fn absence(key: &[u8], before: Record, branch: &[u8]) -> Result<Self, ProofError> {
        let item = Self::Absence { before, branch: StateBranch::decode(branch)? };
        if item.about(key) == Some(None) { Ok(item) } else { Err(ProofError::Absence) }
    }

    /// What the item says about `key`: its entry, `Some(None)` when it is absent, `None` when the
    /// item is about other keys.
    pub fn about(&self, key: &[u8]) -> Option<Option<&Entry>> {
        match self {
            Self::Value(entry) => (entry.record.key == key).then_some(Some(entry)),
            Self::Absence { before, .. } => in_gap(before, key).then_some(None),
        }
    }

    fn branch(&self) -> &StateBranch {
        match self {
            Self::Value(entry) => &entry.branch,
            Self::Absence { branch, .. } => branch,
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Value(entry) => {
                w.map(2);
                w.text("value");
                w.optional(entry.value.as_deref());
                w.text("record");
                w.bytes(&encode(&entry.record));
            }
            Self::Absence { before, .. } => {
                w.map(1);
                w.text("record");
                w.bytes(&encode(before));
            }
        }
    }

    fn read(r: &mut Reader<'_>, branch: StateBranch) -> Result<Self, ProofError> {
        let disclosed = match r.fields()? {
            1 => None,
            2 => {
                r.key("value")?;
                Some(value(r)?)
            }
            _ => return Err(ProofError::Malformed),
        };
        r.key("record")?;
        let record = record(r)?;
        Ok(match disclosed {
            Some(value) => Self::Value(Entry { record, value, branch }),
            None => Self::Absence { before: record, branch },
        })
    }
}

/// Whether `key` lies strictly between the record's key and its `next`.
fn in_gap(record: &Record, key: &[u8]) -> bool {
    record.key.as_slice() < key && (record.next.is_empty() || key < record.next.as_slice())
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
                let count = r.items(ITEMS_MAX)?;
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
    /// What the claim says about a state key; as [`StateProofItem::about`].
    pub fn about(&self, key: &[u8]) -> Option<Option<&Entry>> {
        match self {
            Self::State(item) => item.about(key),
            Self::Image { items } => items.iter().find_map(|item| item.about(key)),
            Self::Range { entries } => entries.iter().find_map(|entry| {
                if entry.record.key == key {
                    Some(Some(entry))
                } else {
                    in_gap(&entry.record, key).then_some(None)
                }
            }),
            Self::Receipt { .. } | Self::Event { .. } | Self::Handover { .. } => None,
        }
    }

    /// All entries with start <= key < end (an empty `end` is the end of the map), when the claim
    /// covers that whole range.
    pub fn range(&self, start: &[u8], end: &[u8]) -> Option<&[Entry]> {
        let Self::Range { entries } = self else {
            return None;
        };
        let next = &entries.last()?.record.next;
        let covered = next.is_empty() || (!end.is_empty() && end <= next.as_slice());
        if entries.first()?.record.key.as_slice() > start || !covered {
            return None;
        }
        let from = entries.partition_point(|entry| entry.record.key.as_slice() < start);
        let to = if end.is_empty() {
            entries.len()
        } else {
            entries.partition_point(|entry| entry.record.key.as_slice() < end)
        };
        Some(entries.get(from..to).unwrap_or_default())
    }

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
            Self::Range { entries } => {
                w.array(entries.len());
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
            Self::Range { entries } => {
                w.map(1);
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
    r.map(1)?;
    r.key("entries")?;
    let count = r.items(ITEMS_MAX)?;
    if count == 0 || count != branches.len() {
        return Err(ProofError::Malformed);
    }
    let mut entries = Vec::with_capacity(count);
    for branch in branches {
        r.array(2)?;
        entries.push(Entry { record: record(r)?, value: value(r)?, branch });
    }
    Ok(Claim::Range { entries })
}

fn value(r: &mut Reader<'_>) -> Result<Option<Vec<u8>>, ProofError> {
    r.optional(|r| Ok(r.bytes(DISCLOSED_VALUE_MAX)?.to_vec()))
}

fn record(r: &mut Reader<'_>) -> Result<Record, ProofError> {
    borsh(r, RECORD_BYTES_MAX)
}

/// A byte string that holds exactly one value in Borsh.
pub(crate) fn borsh<T: BorshDeserialize>(r: &mut Reader<'_>, max: usize) -> Result<T, ProofError> {
    decode(r.bytes(max)?).map_err(|_| ProofError::Malformed)
}
