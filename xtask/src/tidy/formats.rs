//! A page that describes a format carries the hash of the source it describes, so that neither changes alone.

use std::{fs, path::Path};

use sha2::{Digest as _, Sha256};

use super::{Finding, Tree};
use crate::failure::{Attempt as _, Failure};

/// Where format pages are.
const PAGES: &str = "docs/formats/";

const OPEN: &str = "<!-- source: ";
const CLOSE: &str = " -->";

/// One `<!-- source: path sha256:… -->`.
struct Tie<'a> {
    line: usize,
    path: &'a str,
    hash: &'a str,
}

fn ties(page: &str) -> impl Iterator<Item = Tie<'_>> {
    page.lines().enumerate().filter_map(|(at, line)| {
        let words = line.trim().strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
        let (path, hash) = words.split_once(" sha256:").unwrap_or((words, ""));
        Some(Tie { line: at + 1, path, hash })
    })
}

fn pages(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.ending(".md").filter(|(path, _)| path.starts_with(PAGES))
}

fn hash(source: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(source.as_bytes()) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Each format page is tied to at least one source, and each tie holds.
pub(super) fn stale(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, page) in pages(tree) {
        if ties(page).next().is_none() {
            findings.push(Finding::new(
                path,
                1,
                format!("names no source: {OPEN}path sha256:…{CLOSE}"),
            ));
        }
        for tie in ties(page) {
            match tree.texts.get(tie.path) {
                None => findings.push(Finding::new(
                    path,
                    tie.line,
                    format!("{} is not there", tie.path),
                )),
                Some(source) if hash(source) == tie.hash => {}
                Some(_) => {
                    let what = format!(
                        "{} changed: read this page again, then `cargo xtask tidy --write`",
                        tie.path
                    );
                    findings.push(Finding::new(path, tie.line, what));
                }
            }
        }
    }
    findings
}

/// Writes the present hashes into all format pages.
pub(super) fn renew(root: &Path) -> Result<(), Failure> {
    let tree = Tree::read(root)?;
    for (path, page) in pages(&tree) {
        let mut fresh = page.to_owned();
        for tie in ties(page) {
            let Some(source) = tree.texts.get(tie.path) else {
                continue;
            };
            let old = page.lines().nth(tie.line - 1).unwrap_or_default();
            let new = format!("{OPEN}{} sha256:{}{CLOSE}", tie.path, hash(source));
            fresh = fresh.replace(old, &new);
        }
        if fresh != page {
            fs::write(root.join(path), fresh).attempt(|| format!("could not write {path}"))?;
        }
    }
    Ok(())
}
