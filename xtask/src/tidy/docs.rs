//! Rules about documents: one title, links that resolve, decisions and tests that exist.

use super::{Finding, Tree, rust};

/// Documents without which the repository does not explain itself.
const REQUIRED: &[&str] = &["README.md", "ARCHITECTURE.md", "STYLE.md"];

const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Lines of a document with their numbers, those inside code fences left out.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((at + 1, line))
    })
}

/// Every Markdown file has exactly one title, and the required ones exist.
pub(super) fn titles(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = REQUIRED
        .iter()
        .filter(|path| !tree.holds(path))
        .map(|path| Finding::new(path, 1, "is missing"))
        .collect();
    for (path, text) in tree.ending(".md") {
        let titles = prose(text).filter(|(_, line)| line.starts_with("# ")).count();
        if titles != 1 {
            findings.push(Finding::new(path, 1, format!("{titles} titles; a page has one `# `")));
        }
    }
    findings
}

/// Links to files of this repository and to headings in them resolve.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md") {
        for (line, words) in prose(text) {
            for target in targets(words) {
                if let Some(what) = broken(tree, path, text, target) {
                    findings.push(Finding::new(path, line, what));
                }
            }
        }
    }
    findings
}

/// What stands in the round brackets of `[…](…)`, outside inline code.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("](") {
        let in_code = line[..at].matches('`').count() % 2 == 1 && line[at..].contains('`');
        if let (false, Some(end)) = (in_code, line[at + 2..].find(')')) {
            let target = &line[at + 2..at + 2 + end];
            found.push(target.split(' ').next().unwrap_or_default());
        }
    }
    found
}

fn broken(tree: &Tree, from: &str, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => from.to_owned(),
        file => match resolve(from, file) {
            Some(path) if path.is_empty() || tree.holds(&path) => path,
            _ => return Some(format!("links to {target}, which is not there")),
        },
    };
    let text =
        if file.is_empty() { text } else { tree.texts.get(&path).map_or("", String::as_str) };
    let headed =
        anchor.is_empty() || !path.ends_with(".md") || headings(text).any(|slug| slug == anchor);
    (!headed).then(|| format!("links to {target}; {path} has no such heading"))
}

/// `file` as seen from the folder of `from`; none if it leaves the repository.
fn resolve(from: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The anchors that hosts of Markdown give to headings: lower case, punctuation dropped, blanks to dashes.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim();
        title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .flat_map(|c| if c == ' ' { '-' } else { c }.to_lowercase())
            .collect()
    })
}

/// Every decision record cited exists.
pub(super) fn citations(tree: &Tree) -> Vec<Finding> {
    let marks = [concat!("AD", "R-"), concat!("docs/ad", "r/")];
    let mut findings = Vec::new();
    for (path, text) in &tree.texts {
        for (at, line) in text.lines().enumerate() {
            for (from, mark) in marks.iter().flat_map(|mark| line.match_indices(mark)) {
                let number: String = line[from + mark.len()..].chars().take(4).collect();
                let cited = number.len() == 4 && number.chars().all(|c| c.is_ascii_digit());
                let page = format!("{}{number}-", marks[1]);
                if cited && !tree.texts.keys().any(|path| path.starts_with(&page)) {
                    findings.push(Finding::new(
                        path,
                        at + 1,
                        format!("cites decision {number}, which is not written"),
                    ));
                }
            }
        }
    }
    findings
}

/// Every paragraph of ARCHITECTURE.md that begins with `**Invariant` names tests that exist: ``test: `name` ``.
pub(super) fn invariants(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.texts.get(ARCHITECTURE) else {
        return Vec::new(); // `titles` says that it is missing.
    };
    let tests = rust::tests(tree);
    let mut findings = Vec::new();
    let mut count = 0;
    let lines: Vec<(usize, &str)> = prose(text).collect();
    for (at, (line, words)) in lines.iter().enumerate() {
        if !is_invariant(words) {
            continue;
        }
        count += 1;
        let mut paragraph = (*words).to_owned();
        for (_, more) in lines[at + 1..].iter().take_while(|(_, more)| !ends_paragraph(more)) {
            paragraph.push(' ');
            paragraph.push_str(more.trim());
        }
        let named = named_tests(&paragraph);
        if named.is_empty() {
            findings.push(Finding::new(
                ARCHITECTURE,
                *line,
                "an invariant without ``test: `name` ``",
            ));
        }
        for name in named.iter().filter(|name| !tests.contains(name)) {
            findings.push(Finding::new(ARCHITECTURE, *line, format!("no test is called {name}")));
        }
    }
    if count == 0 {
        findings.push(Finding::new(ARCHITECTURE, 1, "states no **Invariant**"));
    }
    findings
}

fn is_invariant(line: &str) -> bool {
    line.trim_start().trim_start_matches("- ").starts_with("**Invariant")
}

fn ends_paragraph(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line.starts_with("- ") || line.starts_with("**")
}

/// All names in backticks after `test:` or `tests:`; of a path the last part.
fn named_tests(paragraph: &str) -> Vec<String> {
    let Some((_, after)) =
        paragraph.split_once("test: ").or_else(|| paragraph.split_once("tests: "))
    else {
        return Vec::new();
    };
    after
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|path| path.rsplit("::").next().unwrap_or(path).to_owned())
        .collect()
}
