//! The contents of one blob: in memory, or a file under a layer of changes not yet copied to it.

use bytes::Bytes;
use std::{collections::BTreeMap, ops::Range};

/// A piece of a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Data(Bytes),
    Zeros(usize),
    /// Bytes of the blob's file.
    Base {
        offset: u64,
        len: usize,
    },
}

/// Bytes compared at once: a changed run starts and ends at such steps, and has a record of its own (of 21 bytes and the
/// data).
const STEP: usize = 32;

/// What a write changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// New length of the blob in bytes, if the write makes it longer; growth is zeros.
    pub(crate) grown: Option<u64>,
    /// Ranges of the written data that differ from what is there (after growing), ascending. Never empty.
    pub(crate) runs: Vec<Range<usize>>,
}

impl Changes {
    /// All of `len` bytes.
    pub(crate) fn all(len: usize) -> Self {
        let whole = Range { start: 0, end: len };
        Self { grown: None, runs: vec![whole] }
    }
}

/// Adds the runs of `new[at..at + old.len()]` that differ from `old`.
fn differing(old: &[u8], new: &[u8], at: usize, runs: &mut Vec<Range<usize>>) {
    let new = &new[at..at + old.len()];
    for (i, (old, new)) in old.chunks(STEP).zip(new.chunks(STEP)).enumerate() {
        if old != new {
            extend(runs, at + i * STEP..at + i * STEP + new.len());
        }
    }
}

/// Adds the runs of `new[within]` that are not zero.
fn nonzero(new: &[u8], within: Range<usize>, runs: &mut Vec<Range<usize>>) {
    let at = within.start;
    for (i, new) in new[within].chunks(STEP).enumerate() {
        if *new != [0; STEP][..new.len()] {
            extend(runs, at + i * STEP..at + i * STEP + new.len());
        }
    }
}

fn extend(runs: &mut Vec<Range<usize>>, run: Range<usize>) {
    match runs.last_mut() {
        Some(last) if run.start <= last.end => last.end = run.end,
        _ => runs.push(run),
    }
}

/// Changes over what is below: data, and a length under which the rest shows through.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// Lowest length since the layer began: nothing below it was cut off.
    pub(crate) base_len: u64,
    extents: BTreeMap<u64, Bytes>,
    bytes: usize,
}

impl Layer {
    fn new(base_len: u64) -> Self {
        Self { base_len, ..Self::default() }
    }

    /// Data by offset, without overlaps.
    pub(crate) const fn extents(&self) -> &BTreeMap<u64, Bytes> {
        &self.extents
    }

    /// Takes away what the layer holds of `lo..hi`.
    fn cut(&mut self, lo: u64, hi: u64) {
        if let Some((&at, data)) = self.extents.range(..lo).next_back() {
            let end = at + data.len() as u64;
            if end > lo {
                let data = data.clone();
                self.bytes -= (end - lo) as usize;
                self.extents.insert(at, data.slice(..(lo - at) as usize));
                if end > hi {
                    self.bytes += (end - hi) as usize;
                    self.extents.insert(hi, data.slice((hi - at) as usize..));
                }
            }
        }
        while let Some((&at, data)) = self.extents.range(lo..hi).next() {
            let data = data.clone();
            let end = at + data.len() as u64;
            self.bytes -= data.len();
            self.extents.remove(&at);
            if end > hi {
                self.bytes += (end - hi) as usize;
                self.extents.insert(hi, data.slice((hi - at) as usize..));
            }
        }
    }

    fn write(&mut self, offset: u64, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.cut(offset, offset + data.len() as u64);
        self.bytes += data.len();
        self.extents.insert(offset, data);
    }
}

/// A blob whose cold data is in a file.
#[derive(Debug, Default)]
pub(crate) struct Spilled {
    len: u64,
    active: Layer,
    /// The layer a checkpoint is copying to the file.
    frozen: Option<Layer>,
}

/// Contents of a blob.
#[derive(Debug)]
pub(crate) enum Image {
    Memory(Vec<u8>),
    Spilled(Spilled),
}

impl Image {
    /// An empty blob.
    pub(crate) fn empty(spilled: bool) -> Self {
        if spilled { Self::Spilled(Spilled::default()) } else { Self::Memory(Vec::new()) }
    }

    /// A blob as a checkpoint recorded it.
    pub(crate) fn restored(len: u64, base: bool, spill_above: u64) -> Self {
        if base {
            Self::Spilled(Spilled { len, active: Layer::new(len), frozen: None })
        } else {
            let mut image = Self::empty(false);
            image.resize(len, spill_above);
            image
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spilled(spilled) => spilled.len,
        }
    }

    /// Bytes of data held in memory.
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::Spilled(spilled) => {
                spilled.active.bytes + spilled.frozen.as_ref().map_or(0, |frozen| frozen.bytes)
            }
        }
    }

    /// Lowest length below which the file shows through; zero when no file is needed.
    pub(crate) fn base_len(&self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::Spilled(spilled) => spilled
                .active
                .base_len
                .min(spilled.frozen.as_ref().map_or(u64::MAX, |frozen| frozen.base_len)),
        }
    }

    /// Leaves memory when `len` would exceed the bound. This changes the representation only, so
    /// replay need not take the same turn.
    fn outgrow(&mut self, len: u64, spill_above: u64) {
        if let Self::Memory(bytes) = self
            && len > spill_above
        {
            let mut spilled = Spilled { len: bytes.len() as u64, ..Spilled::default() };
            spilled.active.write(0, Bytes::from(std::mem::take(bytes)));
            *self = Self::Spilled(spilled);
        }
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8], spill_above: u64) {
        if data.is_empty() {
            return;
        }
        let end = offset + data.len() as u64;
        self.outgrow(end, spill_above);
        match self {
            Self::Memory(bytes) => {
                let (offset, end) = (offset as usize, end as usize);
                if end > bytes.len() {
                    bytes.resize(end, 0);
                }
                bytes[offset..end].copy_from_slice(data);
            }
            Self::Spilled(spilled) => {
                spilled.active.write(offset, Bytes::copy_from_slice(data));
                spilled.len = spilled.len.max(end);
            }
        }
    }

    pub(crate) fn resize(&mut self, len: u64, spill_above: u64) {
        self.outgrow(len, spill_above);
        match self {
            Self::Memory(bytes) => bytes.resize(len as usize, 0),
            Self::Spilled(spilled) => {
                if len < spilled.len {
                    spilled.active.cut(len, u64::MAX);
                    spilled.active.base_len = spilled.active.base_len.min(len);
                }
                spilled.len = len;
            }
        }
    }

    /// The pieces of `offset..offset+len`, which must lie within the blob.
    pub(crate) fn pieces(&self, offset: u64, len: usize) -> Vec<Piece> {
        let mut out = Vec::new();
        match self {
            Self::Memory(bytes) => {
                let offset = offset as usize;
                out.push(Piece::Data(Bytes::copy_from_slice(&bytes[offset..offset + len])));
            }
            Self::Spilled(spilled) => {
                let end = offset + len as u64;
                match &spilled.frozen {
                    Some(frozen) => resolve(&[&spilled.active, frozen], offset, end, &mut out),
                    None => resolve(&[&spilled.active], offset, end, &mut out),
                }
            }
        }
        out
    }

    /// What writing `data` at `offset` changes. Bytes that only the file holds count as different.
    pub(crate) fn changes(&self, offset: u64, data: &[u8]) -> Changes {
        let end = offset + data.len() as u64;
        let within = self.len().clamp(offset, end) - offset;
        let within = within as usize;
        let mut runs = Vec::new();
        match self {
            Self::Memory(bytes) => {
                let start = (offset as usize).min(bytes.len());
                differing(&bytes[start..start + within], data, 0, &mut runs);
            }
            Self::Spilled(_) => {
                let mut at = 0;
                for piece in self.pieces(offset, within) {
                    match piece {
                        Piece::Data(old) => {
                            differing(&old, data, at, &mut runs);
                            at += old.len();
                        }
                        Piece::Zeros(len) => {
                            nonzero(data, at..at + len, &mut runs);
                            at += len;
                        }
                        Piece::Base { len, .. } => {
                            extend(&mut runs, at..at + len);
                            at += len;
                        }
                    }
                }
            }
        }
        nonzero(data, within..data.len(), &mut runs);
        // The record that ends the data also sets the length.
        let reached = runs.last().map_or(0, |run| offset + run.end as u64);
        let grown = (end > self.len() && reached < end).then_some(end);
        if runs.is_empty() {
            runs.push(0..data.len().min(1));
        }
        Changes { grown, runs }
    }

    /// Puts the changes so far aside for a checkpoint and says whether the file needs them.
    pub(crate) fn freeze(&mut self) -> bool {
        let Self::Spilled(spilled) = self else {
            return false;
        };
        let active = std::mem::replace(&mut spilled.active, Layer::new(spilled.len));
        if active.extents.is_empty() && active.base_len == spilled.len {
            return false;
        }
        spilled.frozen = Some(active);
        true
    }

    /// The layer a checkpoint copies.
    pub(crate) fn frozen(&self) -> Option<&Layer> {
        match self {
            Self::Memory(_) => None,
            Self::Spilled(spilled) => spilled.frozen.as_ref(),
        }
    }

    /// The file holds what was frozen.
    pub(crate) fn thaw(&mut self) {
        if let Self::Spilled(spilled) = self {
            spilled.frozen = None;
        }
    }
}

/// Collects `lo..hi` from the topmost layer and what shows through it.
fn resolve(layers: &[&Layer], lo: u64, hi: u64, out: &mut Vec<Piece>) {
    if lo >= hi {
        return;
    }
    let Some((layer, below)) = layers.split_first() else {
        out.push(Piece::Base { offset: lo, len: (hi - lo) as usize });
        return;
    };
    let gap = |lo: u64, hi: u64, out: &mut Vec<Piece>| {
        let through = hi.min(layer.base_len);
        resolve(below, lo, through, out);
        let from = lo.max(layer.base_len);
        if from < hi {
            out.push(Piece::Zeros((hi - from) as usize));
        }
    };
    let mut at = lo;
    let first = layer.extents.range(..=lo).next_back().map_or(lo, |(&at, _)| at);
    for (&start, data) in layer.extents.range(first..hi) {
        let end = start + data.len() as u64;
        if end <= at {
            continue;
        }
        gap(at, start, out);
        let from = at.max(start);
        let to = end.min(hi);
        out.push(Piece::Data(data.slice((from - start) as usize..(to - start) as usize)));
        at = to;
    }
    gap(at, hi, out);
}

#[cfg(test)]
mod tests;
