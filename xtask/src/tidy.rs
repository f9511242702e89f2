//! The house rules that a compiler does not know. Each rule is a function from the tree to findings.

mod docs;
mod formats;
mod lexer;
mod rust;
mod tree;
mod words;

use std::path::Path;

use self::tree::Tree;
use crate::{failure::Failure, repo};

/// One place where the tree breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

/// Checks this checkout; with `write`, first renews the source hashes in `docs/formats`. Findings read
/// `path:line: what`.
///
/// # Errors
/// When the tree cannot be read or written.
pub fn task(write: bool) -> Result<Vec<String>, Failure> {
    if write {
        formats::renew(repo::root())?;
    }
    check(repo::root())
}

fn check(root: &Path) -> Result<Vec<String>, Failure> {
    let tree = Tree::read(root)?;
    let mut findings = judge(&tree);
    findings.sort();
    Ok(findings
        .into_iter()
        .map(|found| format!("{}:{}: {}", found.path, found.line, found.what))
        .collect())
}

fn judge(tree: &Tree) -> Vec<Finding> {
    let rules: [fn(&Tree) -> Vec<Finding>; 9] = [
        rust::files,
        rust::functions,
        rust::unfinished,
        rust::elsewhere,
        words::forbidden,
        docs::titles,
        docs::links,
        docs::citations,
        formats::stale,
    ];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(tree)).collect();
    findings.extend(docs::invariants(tree));
    findings
}

#[cfg(test)]
mod tests;
