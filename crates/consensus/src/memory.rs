//! How much memory a member's queues may take, computed from its settings instead of found out in production.

use std::fmt;

use crate::{
    BLOCK_BYTES_MAX, Config,
    network::{CHANNELS, NETWORK_MAILBOX, PEER_SETS, contacts_max, message_bytes_max},
};

/// Bytes that one slot of a queue takes before any message is in it: measured (engine.md 4.5: 968 MB for 1.74 million slots).
const SLOT_BYTES: u64 = 560;
/// Bytes of an ordinary block: some hundred commands.
const ORDINARY_BLOCK_BYTES: u64 = 64 * 1024;
/// Bytes of one cached page with its checksum.
const PAGE_BYTES: u64 = 4_096;
/// Archives, each with a write buffer for keys, values and heights.
const WRITE_BUFFERS: u64 = 2 * 3;
/// Actors of the engine with a queue of their own: voter, batcher, resolver, marshal, broadcast, backfill.
const ACTORS: u64 = 6;

/// One channel's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelBound {
    /// Name of the channel.
    pub name: &'static str,
    /// Messages that can wait to be read, from all peers together: burst × peers remembered (engine.md 4.5).
    pub slots: u64,
    /// Bytes when all of them wait and have the ordinary size.
    pub ordinary_bytes: u64,
    /// Bytes when all of them wait and are as long as the channel's decoder takes.
    pub most_bytes: u64,
}

/// What [`memory_bound`] finds. All in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// By channel.
    pub channels: Vec<ChannelBound>,
    /// Taken at start, with no message anywhere: slots, page cache, write buffers.
    pub reserved_bytes: u64,
    /// With every queue full of ordinary messages and every block buffer full of ordinary blocks. Plan for this.
    pub ordinary_bytes: u64,
    /// With every queue full of messages as long as the decoder of its channel takes. Only members in league with each other
    /// can fill them, at the rates their quotas allow, while this one reads nothing. A longer message is possible until it
    /// is read (the network has one limit for all channels, [`message_bytes_max`]); its sender is cut off then.
    pub most_bytes: u64,
}

/// The memory that the queues, caches and buffers of consensus and network may take under `config`.
pub fn memory_bound(config: &Config) -> Bound {
    let members = config.committee.members.len();
    let sizes = &config.sizes;
    let (peers, count) = ((contacts_max(members) * PEER_SETS.get()) as u64, members as u64);
    let channels: Vec<ChannelBound> = CHANNELS
        .iter()
        .map(|channel| {
            let slots = u64::from(channel.burst) * peers;
            ChannelBound {
                name: channel.name,
                slots,
                ordinary_bytes: slots * channel.ordinary as u64,
                most_bytes: slots * channel.greatest(members) as u64,
            }
        })
        .collect();
    let inbound: u64 = channels.iter().map(|c| c.slots).sum();
    // One shared queue of what is to be sent, as long as all inbound ones together.
    let outbound = inbound + NETWORK_MAILBOX.get() as u64;
    let actors = ACTORS * sizes.mailbox as u64;
    let blocks = count * sizes.broadcast_blocks as u64;
    let caches = sizes.cache_pages as u64 * PAGE_BYTES + WRITE_BUFFERS * sizes.write_buffer as u64;
    let reserved_bytes = (inbound + outbound + actors) * SLOT_BYTES + caches;
    let queued: u64 = channels.iter().map(|c| c.ordinary_bytes).sum();
    let most: u64 = channels.iter().map(|c| c.most_bytes).sum();
    Bound {
        // A message that waits to be sent is counted where it is made: once, whatever the number of recipients.
        ordinary_bytes: reserved_bytes + 2 * queued + blocks * ORDINARY_BLOCK_BYTES,
        most_bytes: reserved_bytes
            + 2 * most
            + NETWORK_MAILBOX.get() as u64 * u64::from(message_bytes_max(members))
            + blocks * BLOCK_BYTES_MAX as u64,
        channels,
        reserved_bytes,
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
        write!(
            f,
            "{} MiB reserved, {} MiB with full queues of ordinary messages, {} MiB if every queued message were as \
             long as its channel takes; slots:",
            mib(self.reserved_bytes),
            mib(self.ordinary_bytes),
            mib(self.most_bytes),
        )?;
        for channel in &self.channels {
            write!(f, " {} {}", channel.name, channel.slots)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
