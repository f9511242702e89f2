//! `trust-root.json`: a trust root as people hand it to each other.

extern crate std;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::collections::BTreeMap;

use hanse_crypto::Digest;
use hanse_types::{Committee, CommitteeMember, Genesis, Height, decode, encode};
use serde::{Deserialize, Serialize};

use crate::trust::{Pinned, TrustRoot, is_committee};

#[cfg(test)]
mod tests;

/// A trust root with what people want to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustFile {
    /// What the network is called.
    pub name: String,
    /// The first block's content; its hash is the chain.
    pub genesis: Genesis,
    /// What proofs are checked against.
    pub root: TrustRoot,
    /// Milliseconds after which a verified time is too old for its owner; for whoever has a clock.
    pub max_age_ms: Option<u64>,
}

/// Why a file is not a usable trust root.
#[derive(Debug, thiserror::Error)]
pub enum TrustFileError {
    /// Not JSON of this shape, an unknown field, or a version other than 1.
    #[error("the trust root file is not valid")]
    Json(#[source] serde_json::Error),
    /// A version other than 1.
    #[error("the trust root file has version {0}, this program knows 1")]
    Version(u64),
    /// A field that should be lower-case hexadecimal of some length is not.
    #[error("the trust root's {0} is not hexadecimal of the right length")]
    Hex(&'static str),
    /// The genesis is not the encoding of one.
    #[error("the trust root's genesis is not a genesis")]
    Genesis,
    /// The chain id is not the hash of the genesis.
    #[error("the trust root's chain id is not the hash of its genesis")]
    Chain,
    /// The committee of epoch 0 is not the one in the genesis, or a later one is empty, too large or
    /// not in strict key order.
    #[error("the trust root's committee is not one")]
    Committee,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileJson {
    v: u64,
    chain_id: String,
    name: String,
    genesis: String,
    committee: CommitteeJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinned: Option<PinnedJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitteeJson {
    epoch: u64,
    members: Vec<MemberJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberJson {
    organisation: String,
    consensus: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinnedJson {
    height: Height,
    digest: String,
}

impl TrustFile {
    /// Trust in the founders.
    pub fn from_genesis(genesis: Genesis) -> Self {
        let root = TrustRoot::from_genesis(&genesis);
        Self { name: genesis.name.clone(), genesis, root, max_age_ms: None }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`TrustFileError`], naming what is wrong.
    pub fn parse(text: &str) -> Result<Self, TrustFileError> {
        let file: FileJson = serde_json::from_str(text).map_err(TrustFileError::Json)?;
        if file.v != 1 {
            return Err(TrustFileError::Version(file.v));
        }
        let genesis = hex::decode(&file.genesis).map_err(|_| TrustFileError::Hex("genesis"))?;
        let genesis: Genesis = decode(&genesis).map_err(|_| TrustFileError::Genesis)?;
        let chain_id = digest(&file.chain_id, "chain_id")?;
        if chain_id != genesis.chain_id() {
            return Err(TrustFileError::Chain);
        }
        let committee = committee(&file.committee)?;
        let founders = committee.epoch != 0 || committee == genesis.committee();
        if !founders || !is_committee(&committee) || genesis.params.epoch_blocks == 0 {
            return Err(TrustFileError::Committee);
        }
        let pinned = match file.pinned {
            Some(pin) => {
                Some(Pinned { height: pin.height, digest: digest(&pin.digest, "pinned digest")? })
            }
            None => None,
        };
        let epoch_blocks = genesis.params.epoch_blocks;
        let root = TrustRoot { chain_id, committee, epoch_blocks, pinned };
        Ok(Self { name: file.name, genesis, root, max_age_ms: file.max_age_ms })
    }

    /// The file's text, with a line break at its end.
    pub fn to_json(&self) -> String {
        let members = self.root.committee.members.iter().map(|member| MemberJson {
            organisation: member.organisation.clone(),
            consensus: hex::encode(member.consensus),
        });
        let file = FileJson {
            v: 1,
            chain_id: self.root.chain_id.to_string(),
            name: self.name.clone(),
            genesis: hex::encode(encode(&self.genesis)),
            committee: CommitteeJson {
                epoch: self.root.committee.epoch,
                members: members.collect(),
            },
            pinned: self
                .root
                .pinned
                .map(|pin| PinnedJson { height: pin.height, digest: pin.digest.to_string() }),
            max_age_ms: self.max_age_ms,
        };
        let mut text = serde_json::to_string_pretty(&file).expect("plain data is always JSON");
        text.push('\n');
        text
    }
}

fn committee(json: &CommitteeJson) -> Result<Committee, TrustFileError> {
    let mut members = BTreeMap::new();
    for member in &json.members {
        let consensus = digest(&member.consensus, "consensus key")?.0;
        let organisation = member.organisation.clone();
        // A key given twice must not become two seats.
        if members.insert(consensus, CommitteeMember { consensus, organisation }).is_some() {
            return Err(TrustFileError::Committee);
        }
    }
    Ok(Committee { epoch: json.epoch, members: members.into_values().collect() })
}

fn digest(text: &str, field: &'static str) -> Result<Digest, TrustFileError> {
    text.parse().map_err(|_| TrustFileError::Hex(field))
}
