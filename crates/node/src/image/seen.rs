//! What this user has seen of each chain, so that no member can show an older state or release again.

use std::{collections::BTreeMap, fs::File, path::PathBuf};

use hanse_types::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    exit::{Attempt as _, Exit, Failure},
    home::{self, Home},
    verdict::{Checkpoint, Memory},
};

/// Bytes of the file: room for some 100,000 tags.
const SEEN_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct SeenFile {
    v: u8,
    chains: BTreeMap<String, Chain>,
}

/// One chain.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Chain {
    /// Newest header seen: height and digest.
    height: u64,
    header: String,
    /// `registry/path:tag` to the greatest sequence number.
    tags: BTreeMap<String, u64>,
}

/// The memory of one chain.
pub(crate) struct Seen {
    path: PathBuf,
    chain_id: Digest,
}

impl Seen {
    pub(crate) fn new(home: &Home, chain_id: Digest) -> Self {
        Self { path: home.seen(), chain_id }
    }

    /// What is remembered of the chain, and of one tag.
    ///
    /// # Errors
    /// When the file is damaged: forgetting silently would let anyone roll this user back.
    pub(crate) fn recall(&self, repo: &str, tag: Option<&str>) -> Result<Memory, Failure> {
        let file = self.load()?;
        let Some(chain) = file.chains.get(&self.chain_id.to_string()) else {
            return Ok(Memory::default());
        };
        let seq = tag.and_then(|tag| chain.tags.get(&format!("{repo}:{tag}")).copied());
        let newest = chain.header.parse().ok().map(|header| (chain.height, header));
        Ok(Memory { newest, seq })
    }

    /// Remembers a verified checkpoint and, if given, a tag's sequence number. Never goes back.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn remember(
        &self,
        at: &Checkpoint,
        tag: Option<(&str, &str, u64)>,
    ) -> Result<(), Failure> {
        if let Some(parent) = self.path.parent() {
            home::private_dir(parent)?;
        }
        let what = || format!("could not lock {}", self.path.display());
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.with_extension("lock"))
            .attempt(Exit::Environment, what)?;
        lock.lock().attempt(Exit::Environment, what)?;
        let before = self.load()?;
        let mut file = before.clone();
        file.v = 1;
        let chain = file.chains.entry(self.chain_id.to_string()).or_default();
        if at.header_height >= chain.height || chain.header.is_empty() {
            chain.height = at.header_height;
            chain.header = at.header.to_string();
        }
        if let Some((repo, tag, seq)) = tag {
            let newest = chain.tags.entry(format!("{repo}:{tag}")).or_default();
            *newest = seq.max(*newest);
        }
        if file == before {
            return Ok(());
        }
        let text = serde_json::to_string(&file).expect("texts and numbers serialise");
        home::write_private(&self.path, text.as_bytes())
    }

    fn load(&self) -> Result<SeenFile, Failure> {
        if !self.path.exists() {
            return Ok(SeenFile::default());
        }
        let text = home::read_text(&self.path, SEEN_BYTES_MAX)?;
        serde_json::from_str(&text)
            .attempt(Exit::Malformed, || format!("{} is damaged", self.path.display()))
            .map_err(|f| f.fix("restore it from a backup; removing it forgets what was seen"))
    }
}

#[cfg(test)]
mod tests;
