//! The parts of `cargo metadata` we look at.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    failure::{Attempt as _, Failure},
    process, repo,
};

/// Why a package is depended on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    #[default]
    Normal,
    Dev,
    Build,
}

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    #[serde(default)]
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    /// None for our own.
    pub(super) source: Option<String>,
    manifest_path: String,
    dependencies: Vec<Dependency>,
    /// Relative to the workspace; empty for others' packages.
    #[serde(skip)]
    pub(super) folder: String,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    #[serde(default)]
    kind: Option<Kind>,
    optional: bool,
    #[serde(default)]
    path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    kind: Option<Kind>,
}

impl Metadata {
    /// Describes this workspace for this machine's target, features united.
    pub(super) fn of_workspace() -> Result<Self, Failure> {
        let host = repo::host()?;
        let json = process::output(repo::cargo().args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            &host,
        ]))?;
        Self::parse(&json, repo::root())
    }

    pub(super) fn parse(json: &str, root: &Path) -> Result<Self, Failure> {
        let mut metadata: Self =
            serde_json::from_str(json).attempt(|| "cargo metadata is not as expected")?;
        for package in &mut metadata.packages {
            let manifest = Path::new(&package.manifest_path);
            if let Some(folder) =
                manifest.parent().and_then(|folder| folder.strip_prefix(root).ok())
            {
                package.folder = folder.to_string_lossy().into_owned();
            }
        }
        Ok(metadata)
    }

    /// Our own packages.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }

    /// Our packages that `from` depends on.
    pub(super) fn internal<'a>(
        &'a self,
        from: &'a Package,
    ) -> impl Iterator<Item = (&'a Package, Kind)> {
        from.dependencies.iter().filter(|on| on.path.is_some()).filter_map(|on| {
            let to = self.members().find(|member| member.name == on.name)?;
            Some((to, on.kind.unwrap_or_default()))
        })
    }

    /// Others' packages that `from` depends on itself, with kind and whether only some feature wants it, sorted.
    pub(super) fn external<'a>(&self, from: &'a Package) -> Vec<(&'a str, Kind, bool)> {
        let outside = from.dependencies.iter().filter(|on| on.path.is_none());
        let mut found: Vec<_> = outside
            .map(|on| (on.name.as_str(), on.kind.unwrap_or_default(), on.optional))
            .collect();
        found.sort_unstable();
        found
    }

    /// Pairs (user, used) of the resolved graph, by name; what only tests use is left out.
    pub(super) fn uses(&self) -> Vec<(&str, &str)> {
        let names: BTreeMap<&str, &str> = self
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect();
        let name = |id: &str| names.get(id).copied().unwrap_or_default();
        let ships = |edge: &Edge| {
            let mut kinds = edge.dep_kinds.iter().map(|reason| reason.kind.unwrap_or_default());
            kinds.any(|kind| kind != Kind::Dev)
        };
        let mut pairs = Vec::new();
        for node in &self.resolve.nodes {
            let shipped = node.deps.iter().filter(|edge| ships(edge));
            pairs.extend(shipped.map(|edge| (name(&node.id), name(&edge.pkg))));
        }
        pairs
    }
}
