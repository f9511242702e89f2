//! What `deny.toml` forbids. The file is cargo-deny's own format; we check the parts that keep our shape with what is
//! on every machine, so that no tool has to be compiled first.

use serde::Deserialize;

use super::{licence, metadata::Metadata};
use crate::failure::{Attempt as _, Failure};

#[derive(Deserialize)]
struct Deny {
    bans: Bans,
    licenses: Licences,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Fence>,
}

/// A package that only `wrappers` may use directly; nobody, if there are none.
#[derive(Deserialize)]
struct Fence {
    name: String,
    #[serde(default)]
    wrappers: Vec<String>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

/// Fences crossed, licences not allowed, packages that come from elsewhere than the registry.
pub(super) fn check(metadata: &Metadata, deny: &str) -> Result<Vec<String>, Failure> {
    let deny: Deny = toml::from_str(deny).attempt(|| "could not read deny.toml")?;
    let mut findings = Vec::new();
    for (user, used) in metadata.uses() {
        let fence = deny.bans.deny.iter().find(|fence| fence.name == used);
        if let Some(fence) =
            fence.filter(|fence| !fence.wrappers.iter().any(|wrapper| wrapper == user))
        {
            findings
                .push(format!("{user} uses {used}, which deny.toml fences off: {}", fence.reason));
        }
    }
    for package in &metadata.packages {
        let Some(source) = &package.source else {
            continue;
        };
        let name = format!("{} {}", package.name, package.version);
        if !source.starts_with("registry+") {
            findings.push(format!("{name} comes from {source}, not from the registry"));
        }
        match &package.license {
            Some(licence) if licence::meets(licence, &deny.licenses.allow) => {}
            Some(licence) => findings
                .push(format!("{name} is licensed {licence}, which deny.toml does not allow")),
            None => findings.push(format!("{name} names no licence")),
        }
    }
    Ok(findings)
}
