//! Files and ports of a local network: made once, then kept.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use hanse_crypto::keystore::Cost;
use hanse_proof::TrustFile;

use super::network::{LocalMember, LocalOrganisation, Network};
use crate::{
    exit::{Attempt as _, Exit, Failure},
    home,
    node::init::{self, configuration, make_key, make_member},
};

/// Names of the organisations, in order. Most members a local network has.
pub(crate) const NAMES: [&str; 13] = [
    "acme", "borealis", "cumulus", "delta", "ember", "fjord", "granite", "harbor", "indigo",
    "juniper", "krypton", "lumen", "meridian",
];
/// Memory and passes for keys whose password lies beside them: the least that key files allow.
const LOCAL_COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// Everything `up` makes in its directory; `--fresh` removes exactly this.
const OURS: [&str; 4] = ["members", "organisations", "network.json", "trust-root.json"];

/// Where one member listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) etcd: u16,
    pub(crate) p2p: u16,
}

/// Ports of member `i` (CONTRACT 1).
///
/// # Errors
/// When they would be beyond 65535.
pub(crate) fn ports(base: Option<u16>, i: u16) -> Result<Ports, Failure> {
    let all = match base {
        Some(base) => (base.checked_add(10 * i)).and_then(|http| {
            Some(Ports { http, etcd: http.checked_add(1)?, p2p: http.checked_add(2)? })
        }),
        None => Some(Ports { http: 8000 + 10 * i, etcd: 2379 + 10 * i, p2p: 7800 + i }),
    };
    all.ok_or_else(|| Failure::new(Exit::Usage, "--base-port is too high for so many members"))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Makes a new network in `dir`.
///
/// # Errors
/// When files cannot be written.
pub(crate) fn make(dir: &Path, members: u16, base: Option<u16>) -> Result<Network, Failure> {
    let (m, t, p) = LOCAL_COST;
    let cost = Cost::new(m, t, p).expect("these are the least that are allowed");
    let (mut founders, mut organisations) = (Vec::new(), Vec::new());
    for (i, name) in (0..members).zip(NAMES) {
        let (admin, public) = make_key(&dir.join("organisations").join(name), "admin", cost)?;
        let p2p = local(ports(base, i)?.p2p);
        let member = dir.join("members").join(name);
        founders.push(make_member(&member, name, public, p2p, cost)?);
        let (key, password_file) = (admin.key, admin.password_file);
        organisations.push(LocalOrganisation { name: name.to_owned(), key, password_file });
    }
    let file = TrustFile::from_genesis(init::found("local", &founders)?);
    let trust_root = dir.join("trust-root.json");
    home::write_public(&trust_root, file.to_json().as_bytes())?;
    let mut network = Network {
        v: 1,
        chain_id: file.root.chain_id.to_string(),
        trust_root,
        supervisor: 0,
        organisations,
        members: Vec::new(),
    };
    place(dir, &mut network, base)?;
    // Last: a directory without this file is not yet a network, and is made anew.
    network.save(dir)?;
    Ok(network)
}

/// Gives every member its ports and writes its configuration.
///
/// # Errors
/// When files cannot be written.
pub(crate) fn place(dir: &Path, network: &mut Network, base: Option<u16>) -> Result<(), Failure> {
    let names: Vec<String> = network.organisations.iter().map(|o| o.name.clone()).collect();
    let mut peers = BTreeMap::new();
    for (i, name) in (0..).zip(&names) {
        peers.insert(name.clone(), local(ports(base, i)?.p2p).to_string());
    }
    network.members.clear();
    for (i, name) in (0..).zip(&names) {
        let Ports { http, etcd, p2p } = ports(base, i)?;
        let member = dir.join("members").join(name);
        let config = member.join("config.toml");
        let settings = configuration(
            name,
            PathBuf::from("../../trust-root.json"),
            local(http),
            local(p2p),
            peers.clone(),
        );
        home::write_private(&config, settings.to_toml().as_bytes())?;
        network.members.push(LocalMember {
            organisation: name.clone(),
            pid: 0,
            http: format!("http://127.0.0.1:{http}"),
            etcd: format!("http://127.0.0.1:{etcd}"),
            p2p: format!("127.0.0.1:{p2p}"),
            config,
            data: member.join("data"),
            log: member.join("log"),
        });
    }
    Ok(())
}

/// Removes what `up` made in `dir`, and nothing else.
///
/// # Errors
/// When something cannot be removed.
pub(crate) fn clear(dir: &Path) -> Result<(), Failure> {
    for name in OURS {
        let path = dir.join(name);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else if path.exists() {
            std::fs::remove_file(&path)
        } else {
            continue;
        };
        removed.attempt(Exit::Environment, || format!("could not remove {}", path.display()))?;
    }
    Ok(())
}

/// Makes sure that every port the members will listen on is free.
///
/// # Errors
/// [`Exit::Environment`], naming the first that is taken.
pub(crate) fn check_ports(network: &Network) -> Result<(), Failure> {
    for member in &network.members {
        let http = member.http.trim_start_matches("http://");
        for (what, address) in [("http", http), ("p2p", member.p2p.as_str())] {
            let listener = TcpListener::bind(address);
            listener
                .attempt(Exit::Environment, || {
                    let port = address.rsplit(':').next().unwrap_or(address);
                    format!("port {port} ({what} of {}) cannot be used", member.organisation)
                })
                .map_err(|f| f.fix("stop what listens there, or choose others with --base-port"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
