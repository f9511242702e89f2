//! `NodeConfig`: the settings of this machine (DESIGN D11). Every field is documented in `documented.toml`; unknown keys are
//! refused; every error names file, line and key.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use hanse_crypto::{SigningKey, Suite};
use serde::{Deserialize, Serialize};

use crate::{
    exit::{Exit, Failure},
    key,
    password::{self, Password},
    trust::TrustRoot,
};

/// A configuration with every setting, its default and what it is for.
pub(crate) const DOCUMENTED: &str = include_str!("documented.toml");
/// Bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// One member's settings; the words are those of `documented.toml`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeConfig {
    pub(crate) organisation: String,
    pub(crate) trust_root: PathBuf,
    pub(crate) data: PathBuf,
    #[serde(default)]
    pub(crate) verifier_only: bool,
    #[serde(default = "snapshot_blocks")]
    pub(crate) snapshot_blocks: NonZeroU64,
    pub(crate) keys: Keys,
    #[serde(default)]
    pub(crate) http: Http,
    pub(crate) p2p: P2p,
    #[serde(default)]
    pub(crate) log: Log,
}

pub(crate) fn snapshot_blocks() -> NonZeroU64 {
    NonZeroU64::new(hanse_member::SNAPSHOT_BLOCKS).expect("a constant above zero")
}

/// Key files and their passwords' files.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) consensus: PathBuf,
    pub(crate) consensus_password_file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_password_file: Option<PathBuf>,
}

/// The REST door.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) hosts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_token_file: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8000));
        Self { listen, hosts: Vec::new(), session_token_file: None }
    }
}

/// Members among themselves.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct P2p {
    pub(crate) listen: SocketAddr,
    pub(crate) peers: BTreeMap<String, String>,
}

/// What is written about what happens.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

/// Our own words from `info` on; of the engine only what asks for attention.
const LOG_LEVEL: &str = "warn,hanse=info,commonware_runtime=error";

impl Default for Log {
    fn default() -> Self {
        Self { level: LOG_LEVEL.to_owned(), format: LogFormat::Text }
    }
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// Settings with everything they point to, read and checked.
pub(crate) struct Loaded {
    pub(crate) config: NodeConfig,
    pub(crate) trust: TrustRoot,
    pub(crate) consensus: SigningKey,
    pub(crate) gateway: Option<SigningKey>,
    pub(crate) session_token: Option<String>,
    file: PathBuf,
    text: String,
}

impl NodeConfig {
    /// Reads a file's text; `file` is for messages.
    ///
    /// # Errors
    /// [`Exit::Config`], naming file, line and key.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Failure> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            // The library says the key for a wrong value only by its place.
            let key = key_at(text, line).map_or_else(String::new, |key| format!(" (at `{key}`)"));
            let words = error.message().replace('\n', " ");
            let what = format!("{}:{line}: {words}{key}", file.display());
            Failure::new(Exit::Config, what)
                .fix("`hanse node config` prints every setting with its meaning")
        })
    }

    /// The same as text.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("tables come after plain values in every struct here")
    }
}

impl Loaded {
    /// Reads a configuration and all it names.
    ///
    /// # Errors
    /// [`Exit::Config`], naming file, line and key.
    pub(crate) fn load(file: &Path) -> Result<Self, Failure> {
        let text = crate::home::read_text(file, CONFIG_BYTES_MAX)
            .map_err(|e| Failure::new(Exit::Config, e.reason()))?;
        let mut config = NodeConfig::parse(file, &text)?;
        let base = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        resolve(&mut config, &base);
        let at = Place { file, text: &text };
        let trust = TrustRoot::load(&config.trust_root).map_err(|e| at.wrong("trust_root", &e))?;
        let consensus =
            at.key("consensus", &config.keys.consensus, &config.keys.consensus_password_file)?;
        if consensus.suite() != Suite::Ed25519 {
            return Err(at.says("consensus", "the consensus key must be ed25519"));
        }
        let gateway = match (&config.keys.gateway, &config.keys.gateway_password_file) {
            (Some(key), Some(password)) => Some(at.key("gateway", key, password)?),
            (None, None) => None,
            _ => return Err(at.says("gateway", "gateway and gateway_password_file go together")),
        };
        if gateway.as_ref().is_some_and(|g| g.public() == consensus.public()) {
            return Err(at.says("gateway", "the gateway's key must not be the consensus key"));
        }
        let session_token = match &config.http.session_token_file {
            Some(path) => Some(at.token(path)?),
            None => None,
        };
        let loaded =
            Self { trust, consensus, gateway, session_token, config, file: file.into(), text };
        loaded.check_members()?;
        Ok(loaded)
    }

    /// An error about one key of this file.
    pub(crate) fn wrong(&self, key: &str, why: &str) -> Failure {
        Place { file: &self.file, text: &self.text }.says(key, why)
    }

    fn check_members(&self) -> Result<(), Failure> {
        if let Err(error) = self.trust.file.genesis.params.check() {
            return Err(self.wrong("trust_root", &format!("the genesis is malformed: {error}")));
        }
        let founders = &self.trust.file.genesis.organisations;
        let config = &self.config;
        // Whom the genesis does not list, or with another key, gets a seat by a motion: the chain knows.
        let me = founders.iter().find(|f| f.name == config.organisation);
        if let (Some(me), Some(gateway)) = (me, &self.gateway)
            && me.consensus == gateway.public().as_bytes()
        {
            return Err(self.wrong("gateway", "the gateway's key must not be a consensus key"));
        }
        for founder in founders {
            if !config.p2p.peers.contains_key(&founder.name) {
                let why = format!("organisation {} has no entry in [p2p.peers]", founder.name);
                return Err(self.wrong("peers", &why));
            }
        }
        Ok(())
    }
}

/// A file under examination, for errors.
struct Place<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn says(&self, key: &str, why: &str) -> Failure {
        let line = self
            .text
            .lines()
            .position(|line| {
                line.trim_start()
                    .trim_start_matches(['[', '"'])
                    .split('.')
                    .next_back()
                    .is_some_and(|last| last.trim_start().starts_with(key))
            })
            .map_or(1, |line| line + 1);
        Failure::new(Exit::Config, format!("{}:{line}: `{key}`: {why}", self.file.display()))
    }

    fn wrong(&self, key: &str, failure: &Failure) -> Failure {
        let mut told = self.says(key, &failure.reason());
        if let Some(remedy) = failure.remedy() {
            told = told.fix(remedy);
        }
        told
    }

    fn key(&self, name: &str, path: &Path, password_file: &Path) -> Result<SigningKey, Failure> {
        let file = key::read(path).map_err(|e| self.wrong(name, &e))?;
        let password = self.password(&format!("{name}_password_file"), password_file)?;
        key::unlock(path, &file, &password).map_err(|e| self.wrong(name, &e))
    }

    fn password(&self, name: &str, path: &Path) -> Result<Password, Failure> {
        password::from_file(path).map_err(|e| self.wrong(name, &e))
    }

    fn token(&self, path: &Path) -> Result<String, Failure> {
        let bytes = self.password("session_token_file", path)?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| self.says("session_token_file", "the token is not text"))
    }
}

/// Makes paths relative to the file's directory.
fn resolve(config: &mut NodeConfig, base: &Path) {
    let keys = &mut config.keys;
    let optional =
        [&mut keys.gateway, &mut keys.gateway_password_file, &mut config.http.session_token_file];
    let required = [
        &mut config.trust_root,
        &mut config.data,
        &mut keys.consensus,
        &mut keys.consensus_password_file,
    ];
    for path in required.into_iter().chain(optional.into_iter().flatten()) {
        *path = base.join(&path);
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

/// The key that stands in a line.
fn key_at(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line - 1)?.split_once('=')?;
    let key = key.trim();
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests;
