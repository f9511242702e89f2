//! `hanse kv`: keys and values of a space.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use clap::{Args, Subcommand};
use hanse_types::{Action, Compare, CompareOp, CompareTarget, KvAction, KvOp};
use serde::{Deserialize, Serialize};

use crate::{
    change::{self, Author, Outcome},
    cli::{ChangeArgs, ConnectArgs},
    client::{Client, escape},
    events,
    exit::{Attempt as _, Exit, Failure},
    home::{self, Home},
    out::{self, Out, shown},
};

/// Bytes of a transaction file.
const TXN_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Verbs of `hanse kv`.
#[derive(Debug, Subcommand)]
pub(crate) enum KvVerb {
    /// Set a key.
    #[command(after_help = "\
Examples:
  hanse kv put acme colour blue
  hanse kv put acme photo --from photo.png
  hanse kv put borealis shared x --sign        (evidence: your own signature)")]
    Put {
        /// The space.
        space: String,
        /// The key.
        #[arg(id = "kv_key", value_name = "KEY")]
        key: String,
        /// The value.
        #[arg(required_unless_present = "from")]
        value: Option<String>,
        /// Read the value from a file.
        #[arg(long, value_name = "FILE", conflicts_with = "value")]
        from: Option<PathBuf>,
        #[command(flatten)]
        how: HowArgs,
    },
    /// Print the value of a key.
    #[command(after_help = "Example:\n  hanse kv get acme colour")]
    Get {
        /// The space.
        space: String,
        /// The key.
        key: String,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Remove a key, or all keys of a range.
    #[command(
        after_help = "Examples:\n  hanse kv delete acme colour\n  hanse kv delete acme a --range-end b"
    )]
    Delete {
        /// The space.
        space: String,
        /// The key, or the first of the range.
        #[arg(id = "kv_key", value_name = "KEY")]
        key: String,
        /// First key that stays.
        #[arg(long, value_name = "KEY")]
        range_end: Option<String>,
        #[command(flatten)]
        how: HowArgs,
    },
    /// List keys and values.
    #[command(
        after_help = "Examples:\n  hanse kv range acme --prefix app/\n  hanse kv range acme a b --limit 10"
    )]
    Range {
        /// The space.
        space: String,
        /// First key.
        #[arg(default_value = "")]
        key: String,
        /// First key beyond; without it, the end of the space.
        range_end: Option<String>,
        /// All keys that begin with `KEY`.
        #[arg(long, value_name = "KEY", conflicts_with_all = ["key", "range_end"])]
        prefix: Option<String>,
        /// Most keys to list.
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Follow the changes of a space, one JSON object per line.
    #[command(after_help = "Example:\n  hanse kv watch acme --prefix app/ --from 120")]
    Watch {
        /// The space.
        space: String,
        /// Only keys that begin so.
        #[arg(long, value_name = "KEY", default_value = "")]
        prefix: String,
        /// Height to begin at [default: the next].
        #[arg(long, value_name = "HEIGHT")]
        from: Option<u64>,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Compare and swap: all compares hold, then `success`, else `failure`.
    #[command(after_help = r#"Example:
  echo '{"compares":[{"key":"lock","op":"=","version":0}],"success":[{"put":{"key":"lock","value":"me"}}]}' \
    | hanse kv txn acme --file -

Each compare has one of version, create, mod (numbers) or value (text); op is one of = != > <."#)]
    Txn {
        /// The space.
        space: String,
        /// JSON; `-` reads stdin.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        how: HowArgs,
    },
}

/// By whose word a change is made.
#[derive(Debug, Args)]
pub(crate) struct HowArgs {
    /// Sign as the author, instead of relying on the member's gateway.
    #[arg(long)]
    sign: bool,
    /// Who the gateway is to say it was.
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "sign")]
    identity: String,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Deserialize, Serialize)]
struct Range {
    revision: u64,
    height: u64,
    kvs: Vec<Kv>,
    #[serde(default)]
    more: bool,
    #[serde(default)]
    count: u64,
}

#[derive(Debug, Deserialize, Serialize)]
struct Kv {
    key: String,
    value: String,
    create_revision: u64,
    mod_revision: u64,
    version: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TxnFile {
    #[serde(default)]
    compares: Vec<CompareFile>,
    #[serde(default)]
    success: Vec<OpFile>,
    #[serde(default)]
    failure: Vec<OpFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompareFile {
    key: String,
    op: String,
    version: Option<u64>,
    create: Option<u64>,
    #[serde(rename = "mod")]
    modified: Option<u64>,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OpFile {
    Put {
        key: String,
        value: String,
    },
    Delete {
        key: String,
        #[serde(default)]
        range_end: String,
    },
}

/// Runs one verb.
///
/// # Errors
/// As the client and [`change::refused`] say; [`Exit::Refused`] when `get` finds nothing.
pub(crate) async fn run(verb: KvVerb, home: &Home, out: Out) -> Result<(), Failure> {
    match verb {
        KvVerb::Put { space, key, value, from, how } => {
            let value = match from {
                Some(path) => std::fs::read(&path)
                    .attempt(Exit::Environment, || format!("could not read {}", path.display()))?,
                None => value.unwrap_or_default().into_bytes(),
            };
            let action = KvAction::Put { space, key: key.into_bytes(), value };
            change(action, how, home, out, "put").await
        }
        KvVerb::Delete { space, key, range_end, how } => {
            let range_end = range_end.unwrap_or_default().into_bytes();
            let action = KvAction::Delete { space, key: key.into_bytes(), range_end };
            change(action, how, home, out, "deleted").await
        }
        KvVerb::Txn { space, file, how } => {
            change(txn(space, &file)?, how, home, out, "transaction done").await
        }
        KvVerb::Get { space, key, connect } => get(&space, &key, &connect, out).await,
        KvVerb::Range { space, key, range_end, prefix, limit, connect } => {
            let query = match prefix {
                Some(prefix) => format!("prefix={}&limit={limit}", b64(prefix.as_bytes())),
                None if key.is_empty() && range_end.is_none() => format!("limit={limit}"),
                None => {
                    let end = range_end.map_or_else(|| b"\0".to_vec(), String::into_bytes);
                    format!("key={}&range_end={}&limit={limit}", b64(key.as_bytes()), b64(&end))
                }
            };
            let range = fetch(&space, &query, &connect).await?;
            out.answer(&range, range_text);
            Ok(())
        }
        KvVerb::Watch { space, prefix, from, connect } => {
            events::watch(&Client::connect(&connect)?, &space, prefix.as_bytes(), from).await
        }
    }
}

async fn change(
    action: KvAction,
    how: HowArgs,
    home: &Home,
    out: Out,
    done: &str,
) -> Result<(), Failure> {
    let outcome = if how.sign {
        Author::new(&how.change, home)?.change(Action::Kv(action)).await?
    } else {
        let client = Client::connect(&how.change.connect)?;
        let path = format!("/v1/spaces/{}/kv", escape(action.space()));
        let body = serde_json::json!({ "identity": how.identity, "action": as_json(&action) });
        let outcome: Outcome = client.post_json(&path, &body).await?;
        if let Some(refusal) = &outcome.refusal {
            return Err(change::refused(refusal));
        }
        outcome
    };
    change::answer(out, &outcome, &format!("{done}: revision {}", outcome.revision));
    Ok(())
}

async fn get(space: &str, key: &str, connect: &ConnectArgs, out: Out) -> Result<(), Failure> {
    let range = fetch(space, &format!("key={}", b64(key.as_bytes())), connect).await?;
    let Some(kv) = range.kvs.first() else {
        let what = format!("there is no key `{}` in space {}", shown(key), shown(space));
        return Err(Failure::new(Exit::Refused, what));
    };
    if out.is_json() {
        out.answer(&range, |_| String::new());
    } else {
        let mut value = plain(&kv.value)?;
        value.push(b'\n');
        out::raw(&value);
    }
    Ok(())
}

async fn fetch(space: &str, query: &str, connect: &ConnectArgs) -> Result<Range, Failure> {
    let path = format!("/v1/spaces/{}/kv?{query}", escape(space));
    Ok(Client::connect(connect)?.get_json(&path).await?)
}

fn range_text(range: &Range) -> String {
    let text = |field: &str| plain(field).map_or_else(|_| "?".to_owned(), |b| printable(&b));
    let rows = range.kvs.iter().map(|kv| {
        vec![text(&kv.key), kv.mod_revision.to_string(), kv.version.to_string(), text(&kv.value)]
    });
    let table = out::table(&["key", "mod revision", "version", "value"], rows);
    let more = if range.more { "\n(more keys follow; raise --limit)" } else { "" };
    format!("{table}{more}")
}

fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn plain(text: &str) -> Result<Vec<u8>, Failure> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .attempt(Exit::Malformed, || "the member's answer is not base64".to_owned())
}

fn encoded(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Base64 as part of a query.
fn b64(bytes: &[u8]) -> String {
    escape(&encoded(bytes))
}

/// The REST door's form of an action.
fn as_json(action: &KvAction) -> serde_json::Value {
    let op = |op: &KvOp| match op {
        KvOp::Put { key, value } => {
            serde_json::json!({ "put": { "key": encoded(key), "value": encoded(value) } })
        }
        KvOp::Delete { key, range_end } => {
            serde_json::json!({ "delete": { "key": encoded(key), "range_end": encoded(range_end) } })
        }
    };
    match action {
        KvAction::Put { key, value, .. } => {
            op(&KvOp::Put { key: key.clone(), value: value.clone() })
        }
        KvAction::Delete { key, range_end, .. } => {
            op(&KvOp::Delete { key: key.clone(), range_end: range_end.clone() })
        }
        KvAction::Txn { compares, success, failure, .. } => {
            let compares: Vec<_> = compares.iter().map(compare_json).collect();
            let success: Vec<_> = success.iter().map(op).collect();
            let failure: Vec<_> = failure.iter().map(op).collect();
            serde_json::json!({
                "txn": { "compares": compares, "success": success, "failure": failure }
            })
        }
    }
}

fn compare_json(compare: &Compare) -> serde_json::Value {
    let op = match compare.op {
        CompareOp::Equal => "equal",
        CompareOp::Greater => "greater",
        CompareOp::Less => "less",
        CompareOp::NotEqual => "not_equal",
    };
    let target = match &compare.target {
        CompareTarget::Version(n) => serde_json::json!({ "version": n }),
        CompareTarget::Create(n) => serde_json::json!({ "create_revision": n }),
        CompareTarget::Mod(n) => serde_json::json!({ "mod_revision": n }),
        CompareTarget::Value(value) => serde_json::json!({ "value": encoded(value) }),
    };
    serde_json::json!({ "key": encoded(&compare.key), "op": op, "target": target })
}

fn txn(space: String, file: &Path) -> Result<KvAction, Failure> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
            .attempt(Exit::Environment, || "could not read stdin".to_owned())?
    } else {
        home::read_text(file, TXN_BYTES_MAX)?
    };
    let bad = || format!("{} is not a transaction", file.display());
    let txn: TxnFile = serde_json::from_str(&text).attempt(Exit::Malformed, bad)?;
    let compares = txn.compares.into_iter().map(compare).collect::<Result<_, _>>()?;
    let ops = |ops: Vec<OpFile>| ops.into_iter().map(op).collect();
    Ok(KvAction::Txn { space, compares, success: ops(txn.success), failure: ops(txn.failure) })
}

fn op(op: OpFile) -> KvOp {
    match op {
        OpFile::Put { key, value } => {
            KvOp::Put { key: key.into_bytes(), value: value.into_bytes() }
        }
        OpFile::Delete { key, range_end } => {
            KvOp::Delete { key: key.into_bytes(), range_end: range_end.into_bytes() }
        }
    }
}

fn compare(file: CompareFile) -> Result<Compare, Failure> {
    let bad = |why: &str| {
        let what = format!("the compare of key `{}` {why}", shown(&file.key));
        Failure::new(Exit::Malformed, what)
    };
    let op = match file.op.as_str() {
        "=" => CompareOp::Equal,
        "!=" => CompareOp::NotEqual,
        ">" => CompareOp::Greater,
        "<" => CompareOp::Less,
        _ => return Err(bad("has an op other than = != > <")),
    };
    let mut targets = [
        file.version.map(CompareTarget::Version),
        file.create.map(CompareTarget::Create),
        file.modified.map(CompareTarget::Mod),
        file.value.clone().map(|v| CompareTarget::Value(v.into_bytes())),
    ]
    .into_iter()
    .flatten();
    match (targets.next(), targets.next()) {
        (Some(target), None) => Ok(Compare { key: file.key.into_bytes(), op, target }),
        _ => Err(bad("needs exactly one of version, create, mod and value")),
    }
}
