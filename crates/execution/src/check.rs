//! What every member checks before it votes: form, links, replay and signatures. Equal for all honest members.

use std::{collections::BTreeSet, sync::Arc};

use hanse_crypto::batch::{Item, verify_batch};
use hanse_types::{
    Block, Body, COMMAND_DOMAIN, Digest, Header, Height, SESSION_DOMAIN, TimeMs, encode,
    limits::{BODY_ACTIONS_MAX, BODY_BYTES_MAX, BODY_WORK_MAX, COMMAND_VALID_MS_MAX},
};

use crate::{Authored, DecodeRefusal, Decoded, Succession, World};

/// Why a block can never be voted for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Version, protocol, chain, height, parent or committee is not what follows the parent.
    #[error("header field {0} does not follow from the parent")]
    Link(&'static str),
    /// Not later than the parent.
    #[error("block time {found} is not later than the parent's {parent}")]
    Time {
        /// The parent's.
        parent: TimeMs,
        /// The block's.
        found: TimeMs,
    },
    /// A root differs from what this member computed.
    #[error("{0} differs from what this member computed")]
    Root(&'static str),
    /// The settlement fields break the rule of one boundary under way.
    #[error("settlement fields name height {0}, which is not the boundary under way")]
    Settlement(Height),
    /// Segments out of order, empty, or with a command of another space.
    #[error("the body's segments are malformed")]
    Segments,
    /// Bytes, actions or work over the limit.
    #[error("the body is over the limit of {0}")]
    Limit(&'static str),
    /// A command's bytes mean nothing.
    #[error("command {index} cannot be read")]
    Command {
        /// Position in the body.
        index: usize,
        /// Why.
        #[source]
        source: DecodeRefusal,
    },
    /// A command for another chain.
    #[error("command {0} is for another chain")]
    Chain(usize),
    /// Twice in this block, seen before, or past its validity.
    #[error("command {0} is a replay or has expired")]
    Replay(usize),
    /// Signatures that do not verify.
    #[error("signatures of commands {0:?} are bad")]
    Signatures(Vec<usize>),
}

/// The parent's side of the links a header must continue.
#[derive(Clone, Debug)]
pub struct Lineage<'a> {
    /// The parent's header.
    pub parent: &'a Header,
    /// Its digest.
    pub parent_digest: Digest,
    /// RFC 6962 root over all header digests up to and including the parent.
    pub history_root: Digest,
    /// Receipt root of the parent, as executed here.
    pub receipt_root: Digest,
    /// Event root of the parent, as executed here.
    pub event_root: Digest,
    /// The boundary whose root no header carries yet.
    pub pending: Option<Height>,
    /// Epoch and committees, as the parent and its state say.
    pub succession: Succession,
}

/// Checks that `header` continues `lineage`. State roots are compared by the caller, who may have to wait for its own.
///
/// # Errors
/// [`CheckError`] naming the first field that is wrong.
pub fn check_links(header: &Header, lineage: &Lineage<'_>) -> Result<(), CheckError> {
    let parent = lineage.parent;
    let same = [
        ("version", header.version == parent.version),
        ("protocol", header.protocol == parent.protocol),
        ("chain_id", header.chain_id == parent.chain_id),
        ("height", header.height == parent.height + 1),
        ("parent", header.parent == lineage.parent_digest),
        ("epoch", header.place.epoch == lineage.succession.epoch),
        ("committee", header.committee == lineage.succession.committee),
        ("next_committee", header.next_committee == lineage.succession.next_committee),
        ("state_version", header.state_version == parent.state_version),
    ];
    if let Some((name, _)) = same.iter().find(|(_, ok)| !ok) {
        return Err(CheckError::Link(name));
    }
    if header.timestamp_ms <= parent.timestamp_ms {
        let (parent, found) = (parent.timestamp_ms, header.timestamp_ms);
        return Err(CheckError::Time { parent, found });
    }
    let roots = [
        ("history_root", header.history_root == lineage.history_root),
        ("receipt_root", header.receipt_root == lineage.receipt_root),
        ("event_root", header.event_root == lineage.event_root),
    ];
    if let Some((name, _)) = roots.iter().find(|(_, ok)| !ok) {
        return Err(CheckError::Root(name));
    }
    check_settlement(header, lineage)
}

fn check_settlement(header: &Header, lineage: &Lineage<'_>) -> Result<(), CheckError> {
    let parent = lineage.parent;
    let carried =
        header.settled_height != parent.settled_height || header.state_root != parent.state_root;
    if carried && lineage.pending != Some(header.settled_height) {
        return Err(CheckError::Settlement(header.settled_height));
    }
    let still_pending = lineage.pending.is_some() && !carried;
    if header.settles && still_pending {
        return Err(CheckError::Settlement(header.height));
    }
    Ok(())
}

/// Checks form and limits of a body and reads its commands; `known` is asked once, with the ids of all commands in order,
/// and returns for each what is already read.
///
/// # Errors
/// [`CheckError`] naming the first thing that is wrong. The body root is compared first.
pub fn check_body(
    block: &Block,
    known: impl FnOnce(&[Digest]) -> Vec<Option<Arc<Decoded>>>,
) -> Result<Vec<Arc<Decoded>>, CheckError> {
    let body = &block.body;
    let ids: Vec<Digest> = body.commands().map(hanse_types::Command::id).collect();
    if body.root_of(&ids) != block.header.body_root {
        return Err(CheckError::Root("body_root"));
    }
    let ordered = body.segments.windows(2).all(|pair| pair[0].space < pair[1].space);
    if !ordered || body.segments.iter().any(|s| s.commands.is_empty()) {
        return Err(CheckError::Segments);
    }
    let size: usize = body.commands().map(hanse_types::Command::size).sum();
    if size > BODY_BYTES_MAX as usize {
        return Err(CheckError::Limit("bytes"));
    }
    let decoded = read_commands(body, &ids, known(&ids))?;
    if decoded.iter().map(|d| d.actions()).sum::<usize>() > BODY_ACTIONS_MAX as usize {
        return Err(CheckError::Limit("actions"));
    }
    if decoded.iter().map(|d| d.work).sum::<u64>() > BODY_WORK_MAX {
        return Err(CheckError::Limit("work"));
    }
    if let Some(index) = decoded.iter().position(|d| d.authored.chain_id() != block.header.chain_id)
    {
        return Err(CheckError::Chain(index));
    }
    Ok(decoded)
}

fn read_commands(
    body: &Body,
    ids: &[Digest],
    known: Vec<Option<Arc<Decoded>>>,
) -> Result<Vec<Arc<Decoded>>, CheckError> {
    let mut decoded = Vec::with_capacity(ids.len());
    let mut known = known.into_iter();
    for segment in &body.segments {
        for command in &segment.commands {
            let read = match known.next().flatten() {
                Some(read) => read,
                None => Arc::new(
                    Decoded::read_as(command, ids[decoded.len()])
                        .map_err(|source| CheckError::Command { index: decoded.len(), source })?,
                ),
            };
            if read.space != segment.space {
                return Err(CheckError::Segments);
            }
            decoded.push(read);
        }
    }
    Ok(decoded)
}

/// Checks that nothing in `decoded` is twice in the block, was seen in `world`, is outside its validity at `time_ms`, or comes from a
/// gateway that was never registered, of which nothing could be remembered.
///
/// # Errors
/// [`CheckError::Replay`] with the first offender's position.
pub fn check_replay(
    world: &World,
    time_ms: TimeMs,
    decoded: &[Arc<Decoded>],
) -> Result<(), CheckError> {
    let mut here = BTreeSet::new();
    for (index, command) in decoded.iter().enumerate() {
        let fresh = match &command.authored {
            Authored::Signed(signed) => {
                let replay = Authored::replay_key(signed);
                let until = signed.payload.valid_until_ms;
                until >= time_ms
                    && until <= time_ms.saturating_add(COMMAND_VALID_MS_MAX)
                    && !world.has_seen(&replay)
                    && here.insert((replay, 0))
            }
            Authored::Session(batch) => {
                let gateway = batch.payload.gateway.id();
                let sequence = batch.payload.sequence;
                // What is remembered of gateways is kept for ever, so only those that were registered have a place there.
                world.has_gateway(&gateway)
                    && !world.has_sequence(&gateway, sequence)
                    && here.insert((gateway, sequence))
            }
        };
        if !fresh {
            return Err(CheckError::Replay(index));
        }
    }
    Ok(())
}

/// Verifies the signatures of `decoded`, in batches; bad ones are found by bisection.
///
/// # Errors
/// [`CheckError::Signatures`] with the positions of all bad ones.
pub fn verify_signatures(decoded: &[Arc<Decoded>]) -> Result<(), CheckError> {
    let messages: Vec<Vec<u8>> = decoded
        .iter()
        .map(|d| match &d.authored {
            Authored::Signed(signed) => encode(&signed.payload),
            Authored::Session(batch) => batch.payload.digest().0.to_vec(),
        })
        .collect();
    let items: Vec<Item<'_>> = decoded
        .iter()
        .zip(&messages)
        .map(|(d, message)| match &d.authored {
            Authored::Signed(signed) => Item {
                public: &signed.payload.key,
                domain: COMMAND_DOMAIN,
                message,
                signature: &signed.signature,
            },
            Authored::Session(batch) => Item {
                public: &batch.payload.gateway,
                domain: SESSION_DOMAIN,
                message,
                signature: &batch.signature,
            },
        })
        .collect();
    verify_batch(&items).map_err(CheckError::Signatures)
}

#[cfg(test)]
mod tests;
