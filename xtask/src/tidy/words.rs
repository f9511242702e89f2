//! Words that have no business in the tree: hosts of package registries, and paths of one machine.

use super::{Finding, Tree};

/// Lock files name the registry they were resolved from; their tools write them.
const EXEMPT: &[&str] = &["Cargo.lock", "package-lock.json"];

/// Put together here so that this file does not find itself.
const FORBIDDEN: &[&str] = &[
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("files.pythonhosted", ".org"),
    concat!("repo1.maven", ".org"),
    concat!("repo.maven.apache", ".org"),
    concat!("deb.debian", ".org"),
    concat!("/work/", "main"),
    concat!("/work/", "shared"),
    concat!("/work/", "."),
    concat!("/tmp/", "team"),
];

/// Finds each forbidden word.
pub(super) fn forbidden(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &tree.texts {
        if EXEMPT.iter().any(|exempt| path.ends_with(exempt)) {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            if let Some(word) = FORBIDDEN.iter().find(|word| line.contains(**word)) {
                let what = format!("{word:?} is true on one machine only, or a registry's host");
                findings.push(Finding::new(path, at + 1, what));
            }
        }
    }
    findings
}
