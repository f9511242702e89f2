//! Keys and values of a space, in etcd's words.

use hanse_ledger::Entry;
use hanse_types::{Action, Compare, CompareOp, CompareTarget, KvAction, KvOp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Base64;

/// A session write.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Write)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteAsked {
    /// Who the gateway is to say it was; at most 256 bytes.
    pub(crate) identity: Option<String>,
    /// What is asked.
    pub(crate) action: KvActionAsked,
}

/// What a session write asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = KvAction)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum KvActionAsked {
    /// Sets one key.
    Put {
        /// The key.
        key: Base64,
        /// The value.
        value: Base64,
    },
    /// Removes one key, or the half-open range `[key, range_end)`.
    Delete {
        /// First key.
        key: Base64,
        /// Empty for a single key; one zero byte for "to the end".
        #[serde(default)]
        range_end: Base64,
    },
    /// If all compares hold does `success`, else `failure`: one revision in all.
    Txn {
        /// All must hold.
        #[serde(default)]
        compares: Vec<CompareAsked>,
        /// Done when they do.
        #[serde(default)]
        success: Vec<KvOpAsked>,
        /// Done when one does not.
        #[serde(default)]
        failure: Vec<KvOpAsked>,
    },
}

/// A change inside a transaction.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = KvOp)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum KvOpAsked {
    /// Sets one key.
    Put {
        /// The key.
        key: Base64,
        /// The value.
        value: Base64,
    },
    /// Removes one key or a range.
    Delete {
        /// First key.
        key: Base64,
        /// Empty for a single key; one zero byte for "to the end".
        #[serde(default)]
        range_end: Base64,
    },
}

/// One condition on one key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Compare)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompareAsked {
    key: Base64,
    op: CompareOpAsked,
    target: TargetAsked,
}

/// Relation "stored `op` given".
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CompareOp)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CompareOpAsked {
    Equal,
    Greater,
    Less,
    NotEqual,
}

/// What the stored side is compared with.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Target)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetAsked {
    /// Puts since the key was created; 0 for an absent key.
    Version(u64),
    /// Revision of creation; 0 for an absent key.
    CreateRevision(u64),
    /// Revision of the last change; 0 for an absent key.
    ModRevision(u64),
    /// The value; an absent key equals none.
    Value(Base64),
}

impl KvActionAsked {
    /// In `space`.
    pub(crate) fn action(self, space: &str) -> Action {
        let space = space.to_owned();
        Action::Kv(match self {
            Self::Put { key, value } => KvAction::Put { space, key: key.0, value: value.0 },
            Self::Delete { key, range_end } => {
                KvAction::Delete { space, key: key.0, range_end: range_end.0 }
            }
            Self::Txn { compares, success, failure } => KvAction::Txn {
                space,
                compares: compares.into_iter().map(Compare::from).collect(),
                success: success.into_iter().map(KvOp::from).collect(),
                failure: failure.into_iter().map(KvOp::from).collect(),
            },
        })
    }
}

impl From<KvOpAsked> for KvOp {
    fn from(op: KvOpAsked) -> Self {
        match op {
            KvOpAsked::Put { key, value } => Self::Put { key: key.0, value: value.0 },
            KvOpAsked::Delete { key, range_end } => {
                Self::Delete { key: key.0, range_end: range_end.0 }
            }
        }
    }
}

impl From<CompareAsked> for Compare {
    fn from(compare: CompareAsked) -> Self {
        let op = match compare.op {
            CompareOpAsked::Equal => CompareOp::Equal,
            CompareOpAsked::Greater => CompareOp::Greater,
            CompareOpAsked::Less => CompareOp::Less,
            CompareOpAsked::NotEqual => CompareOp::NotEqual,
        };
        let target = match compare.target {
            TargetAsked::Version(n) => CompareTarget::Version(n),
            TargetAsked::CreateRevision(n) => CompareTarget::Create(n),
            TargetAsked::ModRevision(n) => CompareTarget::Mod(n),
            TargetAsked::Value(bytes) => CompareTarget::Value(bytes.0),
        };
        Self { key: compare.key.0, op, target }
    }
}

/// Which keys to read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RangeQuery {
    /// First key, in base64; without key and prefix all keys are meant.
    #[param(inline)]
    pub(crate) key: Option<Base64>,
    /// End of the half-open range, in base64; one zero byte for "to the end". Without it `key` alone is meant.
    #[param(inline)]
    pub(crate) range_end: Option<Base64>,
    /// All keys that begin with these bytes, in base64. Not together with `key`.
    #[param(inline)]
    pub(crate) prefix: Option<Base64>,
    /// Keys on the page, 1 to 1000.
    pub(crate) limit: Option<usize>,
}

/// The keys of a range.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Range)]
pub(crate) struct RangeShown {
    /// The space's revision.
    pub(crate) revision: u64,
    /// The block this is the state after.
    pub(crate) height: u64,
    /// In byte order.
    pub(crate) kvs: Vec<KvShown>,
    /// True when there are more keys in the range: ask again from the last key and a zero byte on.
    pub(crate) more: bool,
    /// Keys in the range; a lower bound when `count_is_exact` is false.
    pub(crate) count: u64,
    /// False when the range has more keys than one request counts (100000).
    pub(crate) count_is_exact: bool,
}

/// A key and what stands there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Kv)]
pub(crate) struct KvShown {
    key: Base64,
    value: Base64,
    /// Revision of creation.
    create_revision: u64,
    /// Revision of the last change.
    mod_revision: u64,
    /// Puts since creation.
    version: u64,
}

impl KvShown {
    pub(crate) fn new(key: &[u8], entry: &Entry) -> Self {
        Self {
            key: Base64(key.to_vec()),
            value: Base64(entry.value.to_vec()),
            create_revision: entry.create_revision,
            mod_revision: entry.mod_revision,
            version: entry.version,
        }
    }
}
