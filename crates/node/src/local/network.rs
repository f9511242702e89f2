//! `network.json`: what scripts may know of a local network (CONTRACT 1).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    exit::{Attempt as _, Exit, Failure},
    home,
};

/// Bytes of the file; one with 13 members has about 8 KiB.
const NETWORK_BYTES_MAX: u64 = 1024 * 1024;

/// A local network.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) v: u8,
    pub(crate) chain_id: String,
    pub(crate) trust_root: PathBuf,
    /// The `hanse up` that watches the members; 0 when none does.
    #[serde(default)]
    pub(crate) supervisor: u32,
    pub(crate) organisations: Vec<LocalOrganisation>,
    pub(crate) members: Vec<LocalMember>,
}

/// An organisation with its admin key.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct LocalOrganisation {
    pub(crate) name: String,
    pub(crate) key: PathBuf,
    pub(crate) password_file: PathBuf,
}

/// A member and where it is.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct LocalMember {
    pub(crate) organisation: String,
    /// 0 when it does not run.
    pub(crate) pid: u32,
    /// URL of the REST door.
    pub(crate) http: String,
    /// URL kept for the etcd door.
    pub(crate) etcd: String,
    /// Address for the other members.
    pub(crate) p2p: String,
    pub(crate) config: PathBuf,
    pub(crate) data: PathBuf,
    /// What the member wrote about what happened.
    pub(crate) log: PathBuf,
}

impl Network {
    fn file(dir: &Path) -> PathBuf {
        dir.join("network.json")
    }

    /// The network in `dir`, if there is one.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, Failure> {
        let file = Self::file(dir);
        if !file.exists() {
            return Ok(None);
        }
        let text = home::read_text(&file, NETWORK_BYTES_MAX)?;
        let network = serde_json::from_str(&text).attempt(Exit::Malformed, || {
            format!("{} is not what `hanse up` wrote", file.display())
        })?;
        Ok(Some(network))
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).expect("texts and numbers serialise");
        home::write_public(&Self::file(dir), format!("{text}\n").as_bytes())
    }
}
