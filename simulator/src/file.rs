//! One file: what is flushed, what is only written, and what a power cut makes of the difference.

use commonware_runtime::BlobVersion;

use crate::{dice::Dice, disk::Loss};

/// Bytes that a disk writes whole or not at all.
const SECTOR: u64 = 512;

enum Kind {
    Write { offset: u64, data: Vec<u8> },
    Resize(u64),
}

struct Change {
    number: u64,
    kind: Kind,
}

pub(crate) struct File {
    pub(crate) version: BlobVersion,
    pub(crate) open: bool,
    durable: Vec<u8>,
    /// What readers see.
    current: Vec<u8>,
    /// Not flushed, in the order of issue.
    pending: Vec<Change>,
    issued: u64,
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit memory")
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let end = at(offset) + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at(offset)..end].copy_from_slice(data);
}

impl Kind {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(bytes, *offset, data),
            Self::Resize(len) => bytes.resize(at(*len), 0),
        }
    }

    /// Keeps some sectors of a write, or perhaps a change of length.
    fn tear(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        match self {
            Self::Resize(len) => {
                if dice.chance(500) {
                    bytes.resize(at(*len), 0);
                }
            }
            Self::Write { offset, data } => {
                let end = offset + data.len() as u64;
                let mut from = *offset;
                while from < end {
                    let to = end.min((from / SECTOR + 1) * SECTOR);
                    if dice.chance(500) {
                        put(bytes, from, &data[at(from - offset)..at(to - offset)]);
                    }
                    from = to;
                }
            }
        }
    }
}

impl File {
    /// What a copy made now holds, all of it flushed.
    pub(crate) fn copy(&self) -> Self {
        let (durable, current) = (self.current.clone(), self.current.clone());
        let version = self.version;
        Self { version, open: false, durable, current, pending: Vec::new(), issued: 0 }
    }

    pub(crate) fn new(version: BlobVersion) -> Self {
        Self {
            version,
            open: false,
            durable: Vec::new(),
            current: Vec::new(),
            pending: Vec::new(),
            issued: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.current.len() as u64
    }

    /// Number of the newest change.
    pub(crate) fn issued(&self) -> u64 {
        self.issued
    }

    pub(crate) fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let end = at(offset).checked_add(len)?;
        self.current.get(at(offset)..end).map(<[u8]>::to_vec)
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> u64 {
        let data = data.to_vec();
        self.change(Kind::Write { offset, data })
    }

    pub(crate) fn resize(&mut self, len: u64) -> u64 {
        self.change(Kind::Resize(len))
    }

    fn change(&mut self, kind: Kind) -> u64 {
        kind.apply(&mut self.current);
        self.issued += 1;
        let number = self.issued;
        self.pending.push(Change { number, kind });
        number
    }

    /// Makes changes up to number `upto` durable.
    pub(crate) fn flush(&mut self, upto: u64) {
        let later = self.pending.partition_point(|change| change.number <= upto);
        for change in self.pending.drain(..later) {
            change.kind.apply(&mut self.durable);
        }
    }

    /// Makes the write with this number durable, and no other: a flushing write is no barrier. What it overwrites was in
    /// the same pages and goes with them.
    pub(crate) fn flush_one(&mut self, number: u64) {
        let range = |kind: &Kind| match kind {
            Kind::Write { offset, data } => *offset..*offset + data.len() as u64,
            Kind::Resize(_) => 0..0,
        };
        let Some(mine) = self.pending.iter().find(|c| c.number == number) else {
            return;
        };
        let mine = range(&mine.kind);
        let mut rest = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            let theirs = range(&change.kind);
            let touched = theirs.start < mine.end && mine.start < theirs.end;
            if change.number == number || (change.number < number && touched) {
                change.kind.apply(&mut self.durable);
            } else {
                rest.push(change);
            }
        }
        self.pending = rest;
    }

    /// Power fails and comes back. Returns how many changes were lost or torn.
    pub(crate) fn cut(&mut self, loss: Loss, dice: &mut Dice) -> u64 {
        let pending = std::mem::take(&mut self.pending);
        for change in &pending {
            match loss {
                Loss::Nothing => change.kind.apply(&mut self.durable),
                Loss::Everything => {}
                Loss::Torn => change.kind.tear(&mut self.durable, dice),
            }
        }
        self.open = false;
        self.current = self.durable.clone();
        if loss == Loss::Nothing { 0 } else { pending.len() as u64 }
    }
}
