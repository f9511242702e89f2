//! Who depends on whom: the edges between our crates, what the pure ones bring in, and the fences around others.

mod fences;
mod licence;
mod metadata;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use self::metadata::{Kind, Metadata};
use crate::{
    failure::{Attempt as _, Failure},
    process, repo,
};

/// The reviewed copy.
const GOLDEN: &str = "docs/floors.out";

/// Crates whose outside dependencies are part of what a reviewer must see: what two honest members compute, and what
/// a sceptic runs, depends on them.
const PURE: &[&str] = &["hanse-crypto", "hanse-types", "hanse-proof", "hanse-execution"];

/// Crates whose whole closure is listed: all that someone who trusts none of us has to read.
const SCEPTIC: &[&str] = &["hanse-proof"];

/// What must not be in a sceptic's closure: runtimes, sockets, the engine.
const NOT_FOR_SCEPTICS: &[&str] =
    &["tokio", "mio", "socket2", "hyper", "reqwest", "commonware-runtime"];

/// Where a crate stands: its floor and its place in the list of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// None is beside the house: may use every floor, and nobody may use it.
    floor: Option<u8>,
    order: usize,
}

/// Compares this workspace with the golden file, the floors and the fences; with `write`, renews the golden file.
///
/// # Errors
/// When cargo cannot describe the workspace or a file cannot be read or written.
pub fn task(write: bool) -> Result<Vec<String>, Failure> {
    let root = repo::root();
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).attempt(|| format!("could not read {path}"))
    };
    let metadata = Metadata::of_workspace()?;
    let plan = floor_plan(&read("Cargo.toml")?);
    let mut findings = crossings(&metadata, &plan);
    findings.extend(fences::check(&metadata, &read("deny.toml")?)?);
    let mut closures = BTreeMap::new();
    for name in SCEPTIC {
        let closure = closure(name)?;
        for unwelcome in NOT_FOR_SCEPTICS.iter().filter(|name| closure.contains(**name)) {
            findings.push(format!(
                "{name} brings in {unwelcome}, which a sceptic should not have to read"
            ));
        }
        closures.insert((*name).to_owned(), closure);
    }
    let fresh = render(&metadata, &plan, &closures);
    if write {
        fs::write(root.join(GOLDEN), &fresh).attempt(|| format!("could not write {GOLDEN}"))?;
    }
    findings.extend(difference(&read(GOLDEN).unwrap_or_default(), &fresh));
    Ok(findings)
}

/// Reads the floors off the comments of the member list: `# 2 judgement …` begins floor 2, `# beside` the rest.
/// Keys are the members' folders.
fn floor_plan(manifest: &str) -> BTreeMap<String, Place> {
    let mut plan = BTreeMap::new();
    let mut floor = None;
    let list = manifest.split_once("members = [").map_or("", |(_, rest)| rest);
    for line in list.lines().map(str::trim).take_while(|line| *line != "]") {
        if let Some(comment) = line.strip_prefix('#') {
            let word = comment.split_whitespace().next().unwrap_or_default();
            floor = word.parse().ok();
        } else if let Some(folder) = line.strip_prefix('"').and_then(|rest| rest.split('"').next())
        {
            let order = plan.len();
            plan.insert(folder.to_owned(), Place { floor, order });
        }
    }
    plan
}

/// Edges that do not lead to a lower floor, those of tests left out: a test may look up, and the golden file shows it. On the ground floor, which has no lower one, they lead to a crate listed
/// earlier.
fn crossings(metadata: &Metadata, plan: &BTreeMap<String, Place>) -> Vec<String> {
    let mut findings = Vec::new();
    for from in metadata.members() {
        let Some(here) = plan.get(&from.folder) else {
            findings.push(format!("{} stands on no floor: list it in Cargo.toml", from.name));
            continue;
        };
        for (to, _) in metadata.internal(from).filter(|(_, kind)| *kind != Kind::Dev) {
            let Some(there) = plan.get(&to.folder) else {
                continue;
            };
            let fine = match (here.floor, there.floor) {
                (Some(0), Some(0)) => there.order < here.order,
                (Some(here), Some(there)) => there < here,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if !fine {
                findings.push(format!(
                    "{} depends on {}, which is on no lower floor",
                    from.name, to.name
                ));
            }
        }
    }
    findings
}

/// Names of all packages a crate brings in by itself, as cargo resolves it alone, tests left out.
fn closure(name: &str) -> Result<BTreeSet<String>, Failure> {
    let tree = process::output(repo::cargo().args([
        "tree",
        "--package",
        name,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--locked",
    ]))?;
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|found| *found != name).map(str::to_owned).collect())
}

fn render(
    metadata: &Metadata,
    plan: &BTreeMap<String, Place>,
    closures: &BTreeMap<String, BTreeSet<String>>,
) -> String {
    let mut members: Vec<_> = metadata.members().collect();
    members.sort_by_key(|member| plan.get(&member.folder).map_or(usize::MAX, |place| place.order));
    let mut text = String::from(
        "# Written by `cargo xtask floors --write`. A new line here is a new edge: review it as one.\n",
    );
    text.push_str("\n## Edges between our crates\n");
    for member in &members {
        let place = plan.get(&member.folder);
        let floor = place
            .and_then(|place| place.floor)
            .map_or_else(|| "-".to_owned(), |floor| floor.to_string());
        line(&mut text, format_args!("{floor} {}", member.name));
        let edges: BTreeSet<_> =
            metadata.internal(member).map(|(to, kind)| (&to.name, kind)).collect();
        for (to, kind) in edges {
            line(&mut text, format_args!("    {to}{}", kind.mark()));
        }
    }
    text.push_str("\n## What the pure crates take from outside\n");
    for member in members.iter().filter(|member| PURE.contains(&member.name.as_str())) {
        line(&mut text, format_args!("{}", member.name));
        for (name, kind, optional) in metadata.external(member) {
            let optional = if optional { " (optional)" } else { "" };
            line(&mut text, format_args!("    {name}{}{optional}", kind.mark()));
        }
    }
    text.push_str("\n## All that a sceptic runs\n");
    for (name, closure) in closures {
        line(&mut text, format_args!("{name}: {} packages", closure.len()));
        for package in closure {
            line(&mut text, format_args!("    {package}"));
        }
    }
    text
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("writing to a String does not fail");
}

impl Kind {
    fn mark(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::Dev => " (dev)",
            Self::Build => " (build)",
        }
    }
}

/// Lines only one side has, with the line above which they stand, `+` for new edges.
fn difference(golden: &str, fresh: &str) -> Vec<String> {
    let (old, new) = (paths(golden), paths(fresh));
    let gone = old.difference(&new).map(|line| format!("{GOLDEN}: - {line}"));
    let come = new.difference(&old).map(|line| format!("{GOLDEN}: + {line}"));
    let mut found: Vec<String> = gone.chain(come).collect();
    if found.is_empty() && golden != fresh {
        found.push(format!("{GOLDEN} differs in order only"));
    }
    if !found.is_empty() {
        found.push(
            "if that is meant: cargo xtask floors --write, and say why in the commit".to_owned(),
        );
    }
    found
}

/// Each line with the headings it stands under, so that lines can be compared as sets.
fn paths(text: &str) -> BTreeSet<String> {
    let (mut section, mut name) = ("", "");
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            if line.starts_with('#') {
                (section, name) = (line.trim_start_matches(['#', ' ']), "");
                return section.to_owned();
            }
            if !line.starts_with(' ') {
                name = line;
                return format!("{section}: {name}");
            }
            format!("{section}: {name}: {}", line.trim())
        })
        .collect()
}

#[cfg(test)]
mod tests;
