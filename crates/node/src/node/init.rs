//! Making members and networks: keys under passwords, configuration, founders, trust root.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use hanse_crypto::{PublicKey, SigningKey, Suite, keystore::Cost};
use hanse_proof::TrustFile;
use hanse_types::{ChainParams, Genesis, GenesisOrganisation, Threshold, check_name};
use serde::{Deserialize, Serialize};

use super::{
    birth,
    config::{Http, Keys, Log, NodeConfig, P2p},
};
use crate::{
    change::now_ms,
    exit::{Attempt as _, Exit, Failure},
    home, key,
    out::{self, Out, shown},
    password,
};

/// A member's data directory, beside its configuration.
const DATA: &str = "data";
/// Bytes of a founder file; one has about 500.
const FOUNDER_BYTES_MAX: u64 = 16 * 1024;
/// Silence after which an empty block is proposed: short enough that leases and time move, long enough to idle cheaply.
const HEARTBEAT_MS: u32 = 2_000;
/// A leader's time to propose; must exceed the heartbeat.
const LEADER_TIMEOUT_MS: u32 = 3_000;
/// A proposal's time to be notarized; must exceed the leader's, and holds four times the largest block's execution.
const CERTIFICATION_TIMEOUT_MS: u32 = 4_000;
/// How far a block's time may be ahead of a member's clock: what NTP keeps with room.
const CLOCK_AHEAD_MAX_MS: u32 = 500;
/// Heights of one epoch: an idle network passes it in nine minutes, and in seconds when other seats wait at its end.
const EPOCH_BLOCKS: u64 = 256;
/// Spaces one organisation may own.
const SPACES_PER_ORGANISATION: u32 = 1_000;

/// What the others need to know of a founding organisation.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Founder {
    v: u8,
    pub(crate) organisation: String,
    admin: String,
    consensus: String,
    gateway: String,
    pub(crate) p2p: String,
}

/// A key file with the file of its password.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    pub(crate) key: PathBuf,
    pub(crate) password_file: PathBuf,
}

/// Settings of a new network. `ChainParams` have no defaults (DESIGN D11): this is what `genesis` and `up` write down.
pub(crate) fn params() -> ChainParams {
    ChainParams {
        protocol_version: 1,
        heartbeat_ms: HEARTBEAT_MS,
        leader_timeout_ms: LEADER_TIMEOUT_MS,
        certification_timeout_ms: CERTIFICATION_TIMEOUT_MS,
        clock_ahead_max_ms: CLOCK_AHEAD_MAX_MS,
        epoch_blocks: EPOCH_BLOCKS,
        spaces_per_organisation: SPACES_PER_ORGANISATION,
        motion: Threshold::TWO_THIRDS,
        motion_high: Threshold::ALL,
    }
}

/// Makes `NAME.key` under a random password in `NAME.password`.
///
/// # Errors
/// When one of the files exists already or cannot be written.
pub(crate) fn make_key(
    dir: &Path,
    name: &str,
    cost: Cost,
) -> Result<(KeyPair, PublicKey), Failure> {
    let pair = KeyPair {
        key: dir.join(format!("{name}.key")),
        password_file: dir.join(format!("{name}.password")),
    };
    let signing = SigningKey::generate(Suite::Ed25519);
    let password = password::random()?;
    key::store(&signing, password.as_bytes(), &pair.key, cost)?;
    home::write_private(&pair.password_file, format!("{}\n", *password).as_bytes())?;
    Ok((pair, signing.public()))
}

/// Makes a member's keys and its data directory, and tells the public halves.
///
/// # Errors
/// As [`make_key`].
pub(crate) fn make_member(
    dir: &Path,
    organisation: &str,
    admin: PublicKey,
    p2p: SocketAddr,
    cost: Cost,
) -> Result<Founder, Failure> {
    let (_, consensus) = make_key(dir, "consensus", cost)?;
    let (_, gateway) = make_key(dir, "gateway", cost)?;
    birth::vouch(&dir.join(DATA), &consensus.to_string())?;
    Ok(Founder {
        v: 1,
        organisation: organisation.to_owned(),
        admin: admin.to_string(),
        consensus: consensus.to_string(),
        gateway: gateway.to_string(),
        p2p: p2p.to_string(),
    })
}

/// A member's configuration, with the files of [`make_member`].
pub(crate) fn configuration(
    organisation: &str,
    trust_root: PathBuf,
    http: SocketAddr,
    p2p: SocketAddr,
    peers: BTreeMap<String, String>,
) -> NodeConfig {
    NodeConfig {
        organisation: organisation.to_owned(),
        trust_root,
        data: DATA.into(),
        verifier_only: false,
        snapshot_blocks: super::config::snapshot_blocks(),
        keys: Keys {
            consensus: "consensus.key".into(),
            consensus_password_file: "consensus.password".into(),
            gateway: Some("gateway.key".into()),
            gateway_password_file: Some("gateway.password".into()),
        },
        http: Http { listen: http, ..Http::default() },
        p2p: P2p { listen: p2p, peers },
        log: Log::default(),
    }
}

/// The first block's content for these founders.
///
/// # Errors
/// [`Exit::Malformed`] when a founder's keys are none, or a name or key occurs twice.
pub(crate) fn found(name: &str, founders: &[Founder]) -> Result<Genesis, Failure> {
    let mut organisations = Vec::new();
    for founder in founders {
        let bad = || format!("the founder {} is malformed", shown(&founder.organisation));
        check_name(&founder.organisation).attempt(Exit::Malformed, bad)?;
        let key = |text: &str| {
            let key = text.parse::<PublicKey>().attempt(Exit::Malformed, bad)?;
            let weak = || {
                Failure::new(Exit::Malformed, bad())
                    .fix("it names a key that anybody can sign with")
            };
            if key.is_sound() { Ok(key) } else { Err(weak()) }
        };
        let PublicKey::Ed25519(consensus) = key(&founder.consensus)? else {
            return Err(Failure::new(Exit::Malformed, bad()).fix("a consensus key is ed25519"));
        };
        organisations.push(GenesisOrganisation {
            name: founder.organisation.clone(),
            admin: key(&founder.admin)?,
            consensus,
            gateways: vec![key(&founder.gateway)?],
        });
    }
    organisations.sort_by(|a, b| a.name.cmp(&b.name));
    let keys = organisations.iter().flat_map(|o| {
        [PublicKey::Ed25519(o.consensus), o.admin].into_iter().chain(o.gateways.iter().copied())
    });
    let mut keys: Vec<PublicKey> = keys.collect();
    keys.sort_unstable();
    let twice = organisations.windows(2).any(|pair| pair[0].name == pair[1].name)
        || keys.windows(2).any(|pair| pair[0] == pair[1]);
    if twice {
        let what = "two founders have the same name, or a key stands for two things";
        return Err(Failure::new(Exit::Malformed, what));
    }
    Ok(Genesis {
        version: 1,
        name: name.to_owned(),
        created_ms: now_ms(),
        params: params(),
        organisations,
    })
}

/// `hanse node init`.
///
/// # Errors
/// [`Exit::Environment`] when files exist already or cannot be written, [`Exit::Usage`] for a bad name.
pub(crate) fn init(
    organisation: &str,
    dir: &Path,
    http: SocketAddr,
    p2p: SocketAddr,
    out: Out,
) -> Result<(), Failure> {
    check_name(organisation)
        .attempt(Exit::Usage, || format!("`{}` cannot be an organisation", shown(organisation)))?;
    let config = dir.join("config.toml");
    if config.exists() {
        let what = format!("{} exists already", config.display());
        return Err(Failure::new(Exit::Environment, what).fix("choose another --dir"));
    }
    home::private_dir(dir)?;
    let (admin, public) = make_key(dir, "admin", Cost::default())?;
    let founder = make_member(dir, organisation, public, p2p, Cost::default())?;
    let peers = BTreeMap::from([(organisation.to_owned(), p2p.to_string())]);
    // The address others dial may be a router's; the socket listens on all of this machine's.
    let any = std::net::Ipv4Addr::UNSPECIFIED.into();
    let listen = if p2p.ip().is_loopback() { p2p } else { SocketAddr::new(any, p2p.port()) };
    let settings = configuration(organisation, "trust-root.json".into(), http, listen, peers);
    home::write_private(&config, settings.to_toml().as_bytes())?;
    let founder_file = dir.join("founder.json");
    let text = serde_json::to_string_pretty(&founder).expect("texts serialise");
    home::write_public(&founder_file, format!("{text}\n").as_bytes())?;
    let answer = serde_json::json!({
        "v": 1, "config": config, "founder": founder_file, "admin": admin.key,
    });
    out.answer(&answer, |_| {
        format!(
            "made {}\nnext: send {} to whoever founds the network, put the trust-root.json you get back beside it,\n\
             and enter the other organisations in [p2p.peers]; move {} with its password off this machine",
            config.display(),
            founder_file.display(),
            admin.key.display(),
        )
    });
    Ok(())
}

/// `hanse node genesis`.
///
/// # Errors
/// [`Exit::Malformed`] for founders that are none, [`Exit::Environment`] for files.
pub(crate) fn genesis(
    name: &str,
    to: &Path,
    founders: &[PathBuf],
    out: Out,
) -> Result<(), Failure> {
    let mut read = Vec::new();
    for path in founders {
        let text = home::read_text(path, FOUNDER_BYTES_MAX)?;
        let founder: Founder = serde_json::from_str(&text)
            .attempt(Exit::Malformed, || format!("{} is not a founder", path.display()))?;
        read.push(founder);
    }
    let genesis = found(name, &read)?;
    if to.exists() {
        let what = format!("{} exists already", to.display());
        return Err(Failure::new(Exit::Environment, what).fix("choose another --to"));
    }
    let file = TrustFile::from_genesis(genesis);
    home::write_public(to, file.to_json().as_bytes())?;
    if read.len() < 4 {
        out::note(format_args!(
            "note: {} members tolerate no lying one; 4 tolerate one",
            read.len()
        ));
    }
    let answer = serde_json::json!({
        "v": 1, "chain_id": file.root.chain_id.to_string(), "trust_root": to,
    });
    let peers: Vec<String> =
        read.iter().map(|f| format!("{} = \"{}\"", f.organisation, shown(&f.p2p))).collect();
    out.answer(&answer, |_| {
        format!(
            "chain {}\nwrote {}\n\n[p2p.peers]\n{}",
            file.root.chain_id,
            to.display(),
            peers.join("\n")
        )
    });
    Ok(())
}
