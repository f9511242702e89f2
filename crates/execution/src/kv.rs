//! Keys and values of a space, in etcd's words.

use std::{cmp::Ordering, sync::Arc};

use hanse_types::{
    Compare, CompareOp, CompareTarget, KvAction, KvOp, Refusal, StateKey,
    limits::{DELETE_KEYS_MAX, KEY_BYTES_MAX, TXN_OPS_MAX, VALUE_BYTES_MAX},
};

use crate::{
    Entry, Key, World,
    block::{Op, Plan, Reply},
};

/// Decides what `action` does. Rights on the space were checked by the caller.
pub(crate) fn plan(world: &World, action: &KvAction) -> Result<Plan, Refusal> {
    // The system space has no keys of its own: its records are written by the other actions alone.
    if action.space().is_empty() {
        return Err(Refusal::Malformed);
    }
    match action {
        KvAction::Put { space, key, value } => {
            let op = put(space, key, value)?;
            Ok(Plan { ops: vec![op], reply: Reply::None })
        }
        KvAction::Delete { space, key, range_end } => {
            let ops = delete(world, space, key, range_end)?;
            let reply = Reply::Deleted(ops.len() as u64);
            Ok(Plan { ops, reply })
        }
        KvAction::Txn { space, compares, success, failure } => {
            txn(world, space, compares, success, failure)
        }
    }
}

fn txn(
    world: &World,
    space: &str,
    compares: &[Compare],
    success: &[KvOp],
    failure: &[KvOp],
) -> Result<Plan, Refusal> {
    let most = compares.len().max(success.len()).max(failure.len());
    if most > TXN_OPS_MAX {
        return Err(Refusal::Malformed);
    }
    // Both branches must be well-formed, whichever is taken: a malformed one is the author's mistake, not luck.
    // Source: etcd server/etcdserver/api/v3rpc/key.go, checkTxnRequest.
    check_branch(space, success)?;
    check_branch(space, failure)?;
    let mut succeeded = true;
    for compare in compares {
        succeeded &= holds(world, space, compare)?;
    }
    let branch = if succeeded { success } else { failure };
    let mut ops = Vec::new();
    let mut deleted = 0;
    for op in branch {
        match op {
            KvOp::Put { key, value } => ops.push(put(space, key, value)?),
            KvOp::Delete { key, range_end } => {
                let removed = delete(world, space, key, range_end)?;
                deleted += removed.len() as u64;
                ops.extend(removed);
            }
        }
    }
    Ok(Plan { ops, reply: Reply::Txn { succeeded, deleted } })
}

/// Refuses a branch that puts a key twice or puts a key it also deletes (etcd: "duplicate key given in txn request").
fn check_branch(space: &str, ops: &[KvOp]) -> Result<(), Refusal> {
    let mut puts: Vec<&[u8]> = Vec::new();
    for op in ops {
        match op {
            KvOp::Put { key, value } => {
                put(space, key, value)?;
                puts.push(key);
            }
            KvOp::Delete { key, .. } => check_key(key)?,
        }
    }
    puts.sort_unstable();
    let twice = puts.windows(2).any(|pair| pair[0] == pair[1]);
    let overlap = ops.iter().any(|op| match op {
        KvOp::Put { .. } => false,
        KvOp::Delete { key, range_end } => puts.iter().any(|put| covers(key, range_end, put)),
    });
    if twice || overlap { Err(Refusal::Malformed) } else { Ok(()) }
}

fn covers(key: &[u8], range_end: &[u8], other: &[u8]) -> bool {
    match range_end {
        [] => key == other,
        [0] => other >= key,
        end => other >= key && other < end,
    }
}

fn put(space: &str, key: &[u8], value: &[u8]) -> Result<Op, Refusal> {
    check_key(key)?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    Ok(Op::Put(state_key(space, key), Arc::from(value)))
}

fn check_key(key: &[u8]) -> Result<(), Refusal> {
    let fits = !key.is_empty() && key.len() <= KEY_BYTES_MAX;
    if fits { Ok(()) } else { Err(Refusal::Malformed) }
}

fn delete(world: &World, space: &str, key: &[u8], range_end: &[u8]) -> Result<Vec<Op>, Refusal> {
    check_key(key)?;
    if range_end.is_empty() {
        let key = state_key(space, key);
        let present = world.get(&key).is_some();
        return Ok(if present { vec![Op::Delete(key)] } else { Vec::new() });
    }
    let (start, end) = state_range(space, key, range_end);
    let ops: Vec<Op> = world
        .range(&start, &end)
        .take(DELETE_KEYS_MAX + 1)
        .map(|(key, _)| Op::Delete(key.clone()))
        .collect();
    if ops.len() > DELETE_KEYS_MAX { Err(Refusal::Quota) } else { Ok(ops) }
}

fn holds(world: &World, space: &str, compare: &Compare) -> Result<bool, Refusal> {
    check_key(&compare.key)?;
    let entry = world.get(&state_key(space, &compare.key));
    let number = |field: fn(&Entry) -> u64| entry.map_or(0, |e| field(e));
    let order = match &compare.target {
        CompareTarget::Version(given) => number(|e| e.version).cmp(given),
        CompareTarget::Create(given) => number(|e| e.create_revision).cmp(given),
        CompareTarget::Mod(given) => number(|e| e.mod_revision).cmp(given),
        // An absent key has no value, so no relation to one holds.
        // Source: etcd server/etcdserver/txn/txn.go, applyCompares ("always fail if comparing a value on a key that does not exist").
        CompareTarget::Value(given) => match entry {
            None => return Ok(false),
            Some(entry) => (*entry.value).cmp(given.as_slice()),
        },
    };
    Ok(match compare.op {
        CompareOp::Equal => order == Ordering::Equal,
        CompareOp::Greater => order == Ordering::Greater,
        CompareOp::Less => order == Ordering::Less,
        CompareOp::NotEqual => order != Ordering::Equal,
    })
}

/// State key of a client's key.
pub(crate) fn state_key(space: &str, key: &[u8]) -> Key {
    Key::from(StateKey::Kv { space, key }.encode())
}

/// State keys of a client's range; etcd's `[0]` as end means "to the end of the space".
pub(crate) fn state_range(space: &str, key: &[u8], range_end: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let start = StateKey::Kv { space, key }.encode();
    let end = if range_end == [0] {
        let mut end = StateKey::prefix(1, &[space]);
        // The name's closing zero byte becomes a one: the first key after all of this space's.
        *end.last_mut().expect("a prefix ends in its zero byte") = 1;
        end
    } else {
        StateKey::Kv { space, key: range_end }.encode()
    };
    (start, end)
}

#[cfg(test)]
mod tests;
