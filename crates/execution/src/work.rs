//! What an action may cost, told before it runs (DESIGN D18). One unit is about a microsecond.

use hanse_types::{
    Action, ImageAction, KvAction, KvOp,
    limits::{DELETE_KEYS_MAX, REVOKE_RELEASES_MAX},
};

/// Rights, receipt, event and their hashes.
const BASE: u64 = 10;
/// One key written: two leaves, one table insert.
const WRITE: u64 = 4;
/// Hashing and copying 256 bytes.
const QUARTER_KIB: u64 = 1;
/// A signature, the record of 64 seats with addresses hashed once, and what a new organisation begins with.
const MEMBERSHIP: u64 = 500;

/// Upper bound of the work units `action` can cost in any state.
pub fn work(action: &Action) -> u64 {
    BASE + match action {
        Action::Kv(kv) => kv_work(kv),
        Action::Space(_) | Action::Organisation(_) => 2 * WRITE,
        Action::Image(image) => image_work(image),
        Action::Membership(_) => MEMBERSHIP,
    }
}

fn kv_work(kv: &KvAction) -> u64 {
    match kv {
        KvAction::Put { key, value, .. } => put_work(key, value),
        KvAction::Delete { range_end, .. } => delete_work(range_end),
        KvAction::Txn { compares, success, failure, .. } => {
            let branch = |ops: &[KvOp]| -> u64 { ops.iter().map(op_work).sum() };
            compares.len() as u64 * WRITE + branch(success).max(branch(failure))
        }
    }
}

fn op_work(op: &KvOp) -> u64 {
    match op {
        KvOp::Put { key, value } => put_work(key, value),
        KvOp::Delete { range_end, .. } => delete_work(range_end),
    }
}

fn put_work(key: &[u8], value: &[u8]) -> u64 {
    WRITE + (key.len() + value.len()) as u64 / 256 * QUARTER_KIB
}

fn delete_work(range_end: &[u8]) -> u64 {
    if range_end.is_empty() { WRITE } else { DELETE_KEYS_MAX as u64 * 2 }
}

fn image_work(image: &ImageAction) -> u64 {
    match image {
        ImageAction::Claim { .. } => 2 * WRITE,
        ImageAction::SetMembers { members, .. } => 2 * WRITE + members.len() as u64,
        ImageAction::Record { content, .. } => {
            let platforms = content.platforms.len() as u64;
            let layers: u64 = content.platforms.iter().map(|p| p.layers.len() as u64).sum();
            8 * WRITE + platforms * 2 * WRITE + layers + content.attestations.len() as u64
        }
        ImageAction::Yank { .. } | ImageAction::Revoke { .. } => {
            REVOKE_RELEASES_MAX as u64 * 4 * WRITE
        }
    }
}
