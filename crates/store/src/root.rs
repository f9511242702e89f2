//! The root: two pages, written in turn, that say where replay starts.

use crate::{
    batch::{Link, LogId, link_of},
    config::PAGE,
};

const MAGIC: &[u8; 8] = b"hanserot";
const BODY: usize = 8 + 16 + 8 + 4 + 8 + 8 + 16;

/// Where the batch stands that replay begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) slot: u32,
    /// Offset in the segment, in bytes.
    pub(crate) offset: u64,
    pub(crate) seq: u64,
    /// Link of the batch before it.
    pub(crate) prev: Link,
}

/// One root page. The valid page with the higher generation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) id: LogId,
    pub(crate) generation: u64,
    pub(crate) start: Start,
}

impl Root {
    /// Offset of the page this generation is written to; the other page stays untouched.
    pub(crate) const fn offset(&self) -> u64 {
        (self.generation % 2) * PAGE as u64
    }

    /// The page's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.start.slot.to_le_bytes());
        out.extend_from_slice(&self.start.offset.to_le_bytes());
        out.extend_from_slice(&self.start.seq.to_le_bytes());
        out.extend_from_slice(&self.start.prev);
        let link = link_of(&[&out]);
        out.extend_from_slice(&link);
        out.resize(PAGE, 0);
        out
    }

    /// Reads a page; `None` if it does not check out.
    pub(crate) fn decode(page: &[u8]) -> Option<Self> {
        let body = page.get(..BODY)?;
        let sum = page.get(BODY..BODY + 16)?;
        if !body.starts_with(MAGIC) || link_of(&[body]) != *sum {
            return None;
        }
        let u64_at = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
        Some(Self {
            id: body.get(8..24)?.try_into().ok()?,
            generation: u64_at(24)?,
            start: Start {
                slot: u32::from_le_bytes(body.get(32..36)?.try_into().ok()?),
                offset: u64_at(36)?,
                seq: u64_at(44)?,
                prev: body.get(52..68)?.try_into().ok()?,
            },
        })
    }
}
