//! Our block in the engine's clothes: one encoding, one digest, the engine's context taken from the header.

use std::sync::Arc;

use bytes::{Buf as _, BufMut, Bytes};
use commonware_codec::{
    Buf, Copying, DecodeExt as _, EncodeSize, Error, FixedSize as _, Read, Write,
};
use commonware_consensus::{
    Block as _, BoundedBlock, CertifiableBlock, Heightable,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::Digestible;
use hanse_types::{Block, decode, encode, limits};

use crate::engine::{Context, Digest, PublicKey};

/// Bytes of the length prefix: a big-endian `u32`.
const PREFIX: usize = 4;
/// Bytes of an encoded header: every field has a fixed length (checked by a test).
pub(crate) const HEADER_BYTES: usize = 375;
/// Bytes of an encoded block, over which it is refused unread: the header, the commands and, as no segment is empty,
/// at most one segment frame (name, its length and a count) per action.
pub const BLOCK_BYTES_MAX: usize = HEADER_BYTES
    + 4
    + limits::BODY_BYTES_MAX as usize
    + limits::BODY_ACTIONS_MAX as usize * (limits::NAME_BYTES_MAX + 8);

/// A block whose body belongs to its header, with its one encoding and its digest. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EngineBlock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    block: Arc<Block>,
    bytes: Bytes,
    digest: Digest,
    leader: Option<PublicKey>,
}

impl EngineBlock {
    /// Wraps a block this member built or was given by its own application: the body is taken to match the header.
    pub fn new(block: Arc<Block>) -> Self {
        let bytes = encode(&*block).into();
        Self::from_parts(block, bytes)
    }

    fn from_parts(block: Arc<Block>, bytes: Bytes) -> Self {
        let digest = commonware_cryptography::sha256::Digest(block.header.digest().0);
        let leader = PublicKey::decode(Copying(&block.header.place.leader)).ok();
        Self(Arc::new(Inner { block, bytes, digest, leader }))
    }

    /// The block itself.
    pub fn block(&self) -> &Arc<Block> {
        &self.0.block
    }
}

impl PartialEq for EngineBlock {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Write for EngineBlock {
    fn write(&self, buf: &mut impl BufMut) {
        let length = u32::try_from(self.0.bytes.len()).expect("blocks are far below 4 GiB");
        buf.put_u32(length);
        buf.put_slice(&self.0.bytes);
    }
}

impl EncodeSize for EngineBlock {
    fn encode_size(&self) -> usize {
        PREFIX + self.0.bytes.len()
    }
}

impl Read for EngineBlock {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let length = buf.try_get_u32().map_err(|_| Error::EndOfBuffer)? as usize;
        if length > BLOCK_BYTES_MAX {
            return Err(Error::InvalidLength(length));
        }
        if buf.remaining() < length {
            return Err(Error::EndOfBuffer);
        }
        let bytes = buf.copy_to_bytes(length);
        if !within_limits(&bytes) {
            return Err(Error::Invalid("block", "body is malformed or over its limits"));
        }
        let block: Block = decode(&bytes).map_err(|_| Error::Invalid("block", "not canonical"))?;
        if block.body.root() != block.header.body_root {
            return Err(Error::Invalid("block", "body is not the header's"));
        }
        let block = Self::from_parts(Arc::new(block), bytes);
        // Only genesis has no leader, and genesis is never sent; its own bytes are read back from storage.
        if block.0.leader.is_none() && block.0.block.header.height != 0 {
            return Err(Error::Invalid("block", "leader is not an ed25519 key"));
        }
        Ok(block)
    }
}

/// Walks the body's frames without allocating: no more commands or bytes than a block may hold.
///
/// Borsh would allocate about five times the input for a body of empty commands; this refuses such a body first.
fn within_limits(mut rest: &[u8]) -> bool {
    let mut walk = || {
        skip(&mut rest, HEADER_BYTES)?;
        let (mut commands, mut bytes) = (0u32, 0u64);
        for _ in 0..length(&mut rest)? {
            let name = length(&mut rest)?;
            skip(&mut rest, name as usize)?;
            let count = length(&mut rest)?;
            commands = commands.checked_add(count)?;
            if count == 0
                || commands > limits::BODY_ACTIONS_MAX
                || name as usize > limits::NAME_BYTES_MAX
            {
                return None;
            }
            for _ in 0..count {
                skip(&mut rest, 2)?;
                let size = length(&mut rest)?;
                skip(&mut rest, size as usize)?;
                bytes += u64::from(size) + 6;
            }
        }
        (rest.is_empty() && bytes <= u64::from(limits::BODY_BYTES_MAX)).then_some(())
    };
    walk().is_some()
}

fn skip(rest: &mut &[u8], bytes: usize) -> Option<()> {
    *rest = rest.get(bytes..)?;
    Some(())
}

fn length(rest: &mut &[u8]) -> Option<u32> {
    rest.try_get_u32_le().ok()
}

impl Digestible for EngineBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        self.0.digest
    }
}

impl Heightable for EngineBlock {
    fn height(&self) -> Height {
        Height::new(self.0.block.header.height)
    }
}

impl commonware_consensus::Block for EngineBlock {
    fn parent(&self) -> Digest {
        commonware_cryptography::sha256::Digest(self.0.block.header.parent.0)
    }
}

impl CertifiableBlock for EngineBlock {
    type Context = Context;

    fn context(&self) -> Context {
        let place = &self.0.block.header.place;
        Context {
            round: Round::new(Epoch::new(place.epoch), View::new(place.view)),
            leader: self
                .0
                .leader
                .clone()
                .expect("only genesis has no leader, and it is never certified"),
            parent: (View::new(place.parent_view), self.parent()),
        }
    }
}

impl BoundedBlock for EngineBlock {
    fn max_encode_size((): &()) -> usize {
        PREFIX + BLOCK_BYTES_MAX
    }
}

const _: () = assert!(PublicKey::SIZE == 32);

#[cfg(test)]
mod tests;
