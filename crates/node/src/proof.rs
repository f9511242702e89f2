//! `hanse proof`: get, show and check proofs. Checking needs no network, and no clock unless `--max-age` asks for one.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Subcommand;
use hanse_proof::{Claim, Proof, StateProofItem, Verified};
use hanse_types::{Digest, StateKey};
use serde_json::{Value, json};

use crate::{
    change::now_ms,
    cli::{ConnectArgs, TrustArgs},
    client::{Client, escape},
    duration,
    exit::{Attempt as _, Exit, Failure},
    home::{self, Home},
    out::{self, Out, shown},
    trust::{self, TrustRoot},
};

/// Verbs of `hanse proof`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProofVerb {
    /// Say what a proof claims, without checking it.
    #[command(after_help = "Example:\n  hanse proof show app.hproof -o json")]
    Show {
        /// The proof; `-` reads stdin.
        file: PathBuf,
    },
    /// Check a proof against a trust root. No network, no clock unless --max-age.
    #[command(after_help = "\
Example:
  hanse proof verify app.hproof --trust-root trust-root.json --max-age 1h

Exit: 0 it holds; 14 it is older than --max-age; 16 it does not hold; 17 it is no proof.")]
    Verify {
        /// The proof; `-` reads stdin.
        file: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
        /// Refuse a proof whose block is older than this.
        #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
        max_age: Option<Duration>,
    },
    /// Fetch a proof from a member, check it, and save it.
    #[command(subcommand)]
    Get(GetVerb),
}

/// What to fetch a proof of.
#[derive(Debug, Subcommand)]
pub(crate) enum GetVerb {
    /// Outcome of a command.
    #[command(after_help = "Example:\n  hanse proof get receipt 51..aa --to receipt.hproof")]
    Receipt {
        /// Id of the command (64 hexadecimal digits).
        command: Digest,
        /// Position in a session batch.
        #[arg(long, default_value_t = 0)]
        item: u32,
        #[command(flatten)]
        common: GetArgs,
    },
    /// Value of a key, or its absence.
    #[command(after_help = "Example:\n  hanse proof get value acme colour --to colour.hproof")]
    Value {
        /// The space.
        space: String,
        /// The key.
        key: String,
        #[command(flatten)]
        common: GetArgs,
    },
    /// All keys of a range, none left out.
    #[command(after_help = "Example:\n  hanse proof get range acme a b --to range.hproof")]
    Range {
        /// The space.
        space: String,
        /// First key.
        #[arg(default_value = "")]
        key: String,
        /// First key beyond; without it, the end of the space.
        range_end: Option<String>,
        #[command(flatten)]
        common: GetArgs,
    },
    /// One change of one key.
    #[command(after_help = "Example:\n  hanse proof get event 1200 0 0 --to event.hproof")]
    Event {
        /// Height of its block.
        height: u64,
        /// Position of the action in the block.
        index: u32,
        /// Position of the event in the action.
        #[arg(default_value_t = 0)]
        event: u32,
        #[command(flatten)]
        common: GetArgs,
    },
}

/// Where from and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// File to write [default: say only whether it holds].
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Runs one verb.
///
/// # Errors
/// [`Exit::Proof`] and [`Exit::Malformed`] for proofs, [`Exit::Rollback`] for one that is too old.
pub(crate) async fn run(verb: ProofVerb, home: &Home, out: Out) -> Result<(), Failure> {
    match verb {
        ProofVerb::Show { file } => {
            let proof = Proof::decode(&read(&file)?)
                .map_err(|e| Failure::new(trust::exit_of(e), format!("{}: {e}", file.display())))?;
            out.answer(&shape(&proof), pretty);
            Ok(())
        }
        ProofVerb::Verify { file, trust, max_age } => {
            let trust = TrustRoot::find(&trust, home)?;
            let verified = check(&trust, &read(&file)?)?;
            if let Some(max_age) = max_age {
                fresh(&verified, max_age, now_ms())?;
            }
            out.answer(&facts(&verified), |_| sentence(&verified));
            Ok(())
        }
        ProofVerb::Get(verb) => get(verb, home, out).await,
    }
}

/// Checks `bytes`, and says why they do not hold.
///
/// # Errors
/// [`Exit::Proof`] or [`Exit::Malformed`].
pub(crate) fn check(trust: &TrustRoot, bytes: &[u8]) -> Result<Verified, Failure> {
    trust.verify(bytes).map_err(|error| {
        let fix = "ask another member, and compare the trust root with somebody you trust";
        Failure::new(
            trust::exit_of(error),
            format!("the proof does not hold ({}): {error}", error.code()),
        )
        .fix(fix)
    })
}

/// Refuses what is older than `max_age` at `now_ms`.
fn fresh(verified: &Verified, max_age: Duration, now_ms: u64) -> Result<(), Failure> {
    let age_ms = now_ms.saturating_sub(verified.time_ms);
    if u128::from(age_ms) <= max_age.as_millis() {
        return Ok(());
    }
    let what = format!("the proof holds, but is {} old", duration::shown(age_ms));
    Err(Failure::new(Exit::Rollback, what).fix("fetch a newer one"))
}

/// What was asked, so that a proof of something else is not taken for the answer.
enum Asked {
    Receipt(Digest, u32),
    Key(Vec<u8>),
    Range(Vec<u8>, Vec<u8>),
    Event(u64, u32),
}

impl Asked {
    fn is_answered(&self, verified: &Verified) -> bool {
        match (self, &verified.claim) {
            (Self::Receipt(command, item), Claim::Receipt { receipt, .. }) => {
                receipt.command == *command && receipt.item == *item
            }
            (Self::Event(height, index), Claim::Event { event, .. }) => {
                verified.height == *height && event.index == *index
            }
            (Self::Key(key), claim) => claim.about(key).is_some(),
            (Self::Range(start, end), claim) => claim.range(start, end).is_some(),
            _ => false,
        }
    }
}

async fn get(verb: GetVerb, home: &Home, out: Out) -> Result<(), Failure> {
    let (path, asked, common) = match verb {
        GetVerb::Receipt { command, item, common } => {
            let path = format!("/v1/proofs/receipt/{command}?item={item}");
            (path, Asked::Receipt(command, item), common)
        }
        GetVerb::Value { space, key, common } => {
            let key = StateKey::Kv { space: &space, key: key.as_bytes() }.encode();
            (lookup_path(std::slice::from_ref(&key)), Asked::Key(key), common)
        }
        GetVerb::Range { space, key, range_end, common } => {
            if range_end.as_ref().is_some_and(|end| *end <= key) {
                let what = "the range ends before it begins";
                return Err(Failure::new(Exit::Usage, what).fix("write the first key first"));
            }
            let start = StateKey::Kv { space: &space, key: key.as_bytes() }.encode();
            let end = match &range_end {
                Some(end) => StateKey::Kv { space: &space, key: end.as_bytes() }.encode(),
                None => after_prefix(StateKey::prefix(1, &[&space])),
            };
            (range_path(&start, &end), Asked::Range(start, end), common)
        }
        GetVerb::Event { height, index, event, common } => {
            let path = format!("/v1/proofs/event/{height}/{index}/{event}");
            (path, Asked::Event(height, index), common)
        }
    };
    let trust = TrustRoot::find(&common.trust, home)?;
    let bytes = Client::connect(&common.connect)?.get(&path).await?;
    let verified = check(&trust, &bytes)?;
    if !asked.is_answered(&verified) {
        let what = "the member's proof holds, but is about something else than was asked";
        return Err(Failure::new(Exit::Proof, what).fix("ask another member"));
    }
    if let Some(to) = &common.to {
        home::write_public(to, &bytes)?;
    }
    out.answer(&facts(&verified), |_| sentence(&verified));
    Ok(())
}

/// Where a member answers a proof of these keys' values or absence under one root.
pub(crate) fn lookup_path(keys: &[Vec<u8>]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("key={}", hex::encode(key))).collect();
    format!("/v1/proofs/lookup?{}", keys.join("&"))
}

/// Where a member answers a proof of all keys from `start` to before `end`.
pub(crate) fn range_path(start: &[u8], end: &[u8]) -> String {
    format!("/v1/proofs/range?start={}&end={}", hex::encode(start), escape(&hex::encode(end)))
}

/// The first key that does not begin with `prefix`; empty for the end of the map.
pub(crate) fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            break;
        }
    }
    prefix
}

/// Reads a proof, not more than the largest honest one.
///
/// # Errors
/// [`Exit::Environment`] when it cannot be read, [`Exit::Malformed`] when it is too large.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let limit = hanse_proof::limits::PROOF_BYTES_MAX as u64;
    let what = || format!("could not read {}", file.display());
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .attempt(Exit::Environment, what)?;
    } else {
        let opened = std::fs::File::open(file).attempt(Exit::Environment, what)?;
        opened.take(limit + 1).read_to_end(&mut bytes).attempt(Exit::Environment, what)?;
    }
    if bytes.len() as u64 > limit {
        let what = format!("{} is larger than any honest proof", file.display());
        return Err(Failure::new(Exit::Malformed, what));
    }
    Ok(bytes)
}

fn shape(proof: &Proof) -> Value {
    let headers: Vec<Value> = proof
        .headers
        .iter()
        .map(|h| {
            json!({
                "height": h.height, "digest": h.digest().to_string(), "time_ms": h.timestamp_ms,
                "settled_height": h.settled_height, "state_root": h.state_root.to_string(),
                "receipt_root": h.receipt_root.to_string(), "event_root": h.event_root.to_string(),
            })
        })
        .collect();
    json!({
        "v": 1, "checked": false, "kind": proof.claim.kind().name(),
        "chain_id": proof.chain_id.to_string(), "anchor_epoch": proof.anchor_epoch,
        "handovers": proof.handovers.len(), "headers": headers, "claim": claim(&proof.claim),
    })
}

fn facts(verified: &Verified) -> Value {
    let quorum = &verified.quorum;
    json!({
        "v": 1, "verdict": "verified", "code": 0, "kind": verified.kind.name(),
        "chain_id": verified.chain_id.to_string(), "height": verified.height,
        "header_height": verified.header.height, "header_digest": verified.header_digest.to_string(),
        "certified_height": verified.certified_height, "time_ms": verified.time_ms,
        "quorum": { "signed": quorum.signed, "of": quorum.of, "need": quorum.need, "epoch": quorum.epoch },
        "signers": verified.signers, "claim": claim(&verified.claim),
    })
}

fn claim(claim: &Claim) -> Value {
    match claim {
        Claim::Receipt { receipt, .. } => json!({
            "command": receipt.command.to_string(), "item": receipt.item, "height": receipt.height,
            "index": receipt.index, "space": receipt.space, "revision": receipt.revision,
            "status": format!("{:?}", receipt.status),
        }),
        Claim::Event { event, key, value, .. } => json!({
            "space": event.space, "revision": event.revision, "kind": format!("{:?}", event.kind),
            "prev_mod_revision": event.prev_mod_revision, "index": event.index,
            "key": key.as_deref().map(printable), "value": value.as_deref().map(printable),
        }),
        Claim::State(one) => item(one),
        Claim::Image { items } => json!({ "items": items.iter().map(item).collect::<Vec<_>>() }),
        Claim::Range { entries } => json!({
            "from": entries.first().map(|e| printable(&e.record.key)),
            "to": entries.last().map(|e| printable(&e.record.next)),
            "entries": entries.iter().map(|e| json!({
                "key": printable(&e.record.key), "mod_revision": e.record.mod_revision,
                "value": e.value.as_deref().map(printable),
            })).collect::<Vec<_>>(),
        }),
        Claim::Handover { committee } => json!({
            "epoch": committee.epoch,
            "members": committee.members.iter().map(|m| &m.organisation).collect::<Vec<_>>(),
        }),
    }
}

fn item(item: &StateProofItem) -> Value {
    match item {
        StateProofItem::Value(entry) => json!({
            "key": printable(&entry.record.key), "present": true,
            "mod_revision": entry.record.mod_revision, "height": entry.record.height,
            "value": entry.value.as_deref().map(printable),
        }),
        StateProofItem::Absence { before, .. } => json!({
            "present": false, "nothing_after": printable(&before.key),
            "nothing_before": printable(&before.next),
        }),
    }
}

/// Bytes as text where they are printable ASCII, else as `\xNN`.
fn printable(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect()
}

fn sentence(verified: &Verified) -> String {
    let q = &verified.quorum;
    format!(
        "HOLDS {} at height {}, {}/{} members signed ({} needed): {}",
        verified.kind.name(),
        verified.height,
        q.signed,
        q.of,
        q.need,
        shown(&claim(&verified.claim).to_string()),
    )
}

fn pretty(value: &Value) -> String {
    out::shown(&serde_json::to_string_pretty(value).expect("plain data is always JSON"))
        .replace("\\n", "\n")
}
