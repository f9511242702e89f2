//! Rules about Rust files: their first line, their length, their functions, where tests live.

use super::{Finding, Tree, lexer::code_only};

/// Lines of a file. Beyond it a room has a second subject.
const FILE_LINES: usize = 600;

/// Lines of code in a function's body, as Clippy counts them (blank lines and comments are free); here also for code
/// that this build's features leave out.
const FUNCTION_LINES: usize = 70;

/// Files longer than [`FILE_LINES`], each with the length it had when it was listed. May only shrink.
const ALLOW: &str = "xtask/tidy.allow";

/// First line, length, no `mod.rs`.
pub(super) fn files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs") {
        if !text.starts_with("//! ") {
            findings.push(Finding::new(
                path,
                1,
                "the first line is no `//! ` sentence about this file",
            ));
        }
        if path.ends_with("/mod.rs") {
            findings.push(Finding::new(path, 1, "write foo.rs beside foo/, not foo/mod.rs"));
        }
        findings.extend(length(tree, path, text.lines().count()));
    }
    for (line, path, _) in allowed(tree) {
        if !tree.texts.contains_key(path) {
            findings.push(Finding::new(ALLOW, line, format!("{path} is gone; drop its line")));
        }
    }
    findings
}

fn length(tree: &Tree, path: &str, lines: usize) -> Option<Finding> {
    let entry = allowed(tree).find(|(_, allowed, _)| *allowed == path);
    match entry {
        None if lines > FILE_LINES => {
            Some(Finding::new(path, lines, format!("{lines} lines; at most {FILE_LINES}")))
        }
        Some((_, _, most)) if lines > most => Some(Finding::new(
            path,
            lines,
            format!("{lines} lines; {ALLOW} has {most}, which may only shrink"),
        )),
        Some((at, _, most)) if lines < most => {
            let now =
                if lines > FILE_LINES { format!("write {lines}") } else { "drop it".to_owned() };
            Some(Finding::new(ALLOW, at, format!("{path} shrank to {lines} lines; {now}")))
        }
        _ => None,
    }
}

/// `path lines` per line; `#` begins a comment.
fn allowed(tree: &Tree) -> impl Iterator<Item = (usize, &str, usize)> {
    let text = tree.texts.get(ALLOW).map_or("", String::as_str);
    text.lines().enumerate().filter_map(|(at, line)| {
        let (path, lines) = line.split('#').next()?.trim().split_once(' ')?;
        Some((at + 1, path, lines.trim().parse().ok()?))
    })
}

/// No function body longer than a screen.
pub(super) fn functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs") {
        let code = code_only(text);
        for (at, _) in code.match_indices("fn ") {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let Some(body) = body(&code[at..]) else {
                continue;
            };
            let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            // The two lines that hold nothing but a brace are no code of the body.
            let lines = lines.saturating_sub(usize::from(lines > 1) * 2);
            if lines > FUNCTION_LINES {
                let name: String = code[at + 3..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let line = code[..at].matches('\n').count() + 1;
                findings.push(Finding::new(
                    path,
                    line,
                    format!("fn {name} has {lines} lines; at most {FUNCTION_LINES}"),
                ));
            }
        }
    }
    findings
}

/// From the first brace outside the signature's brackets to its partner; none for a declaration.
fn body(from: &str) -> Option<&str> {
    let mut brackets = 0_i32;
    let mut open = None;
    let mut braces = 0_i32;
    for (at, c) in from.char_indices() {
        match c {
            '(' | '[' if open.is_none() => brackets += 1,
            ')' | ']' if open.is_none() => brackets -= 1,
            ';' if open.is_none() && brackets == 0 => return None,
            '{' if brackets == 0 => {
                open = open.or(Some(at));
                braces += 1;
            }
            '}' if open.is_some() => {
                braces -= 1;
                if braces == 0 {
                    return open.map(|open| &from[open..=at]);
                }
            }
            _ => {}
        }
    }
    None
}

/// Nothing left for later inside the code, and no tests in the file they test.
pub(super) fn unfinished(tree: &Tree) -> Vec<Finding> {
    // Put together here so that this file does not find itself.
    let mark = concat!("FIX", "ME");
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs") {
        for (at, line) in text.lines().enumerate() {
            if line.contains(mark) {
                findings.push(Finding::new(
                    path,
                    at + 1,
                    format!("{mark}: do it, or write an issue"),
                ));
            }
        }
        let code = code_only(text);
        let mut testing = false;
        for (at, line) in code.lines().enumerate() {
            if line.contains("todo!") || line.contains("unimplemented!") {
                findings.push(Finding::new(path, at + 1, "a stub is not called done"));
            }
            let words = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let inline = words.starts_with("mod ") && words.contains('{');
            if inline && (testing || words.starts_with("mod tests")) {
                findings.push(Finding::new(
                    path,
                    at + 1,
                    "tests live in a sibling file: `mod tests;`",
                ));
            }
            if !words.is_empty() {
                testing = words.contains("#[cfg(test)]") || (testing && words.starts_with("#["));
            }
        }
    }
    findings
}

/// Where a crate stands is asked of cargo when the program runs: a clone that reuses another's target folder would find the
/// other's files, or none.
pub(super) fn elsewhere(tree: &Tree) -> Vec<Finding> {
    let place = concat!("env!(\"CARGO_", "MANIFEST_DIR\")");
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs").filter(|(path, _)| *path != "xtask/src/repo.rs") {
        for (at, _) in text.lines().enumerate().filter(|(_, line)| line.contains(place)) {
            let what = "ask `std::env::var_os(\"CARGO_MANIFEST_DIR\")`: this names the clone that compiled it";
            findings.push(Finding::new(path, at + 1, what));
        }
    }
    findings
}

/// The names of all functions that a test attribute stands above.
pub(super) fn tests(tree: &Tree) -> Vec<String> {
    let mut names = Vec::new();
    for (_, text) in tree.ending(".rs") {
        let mut marked = false;
        for line in code_only(text).lines().map(str::trim) {
            let words = line.trim_start_matches("pub ").trim_start_matches("async ");
            if let Some(rest) = words.strip_prefix("fn ") {
                let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if marked {
                    names.push(name);
                }
            }
            let attribute = line.starts_with("#[");
            marked = (marked && (attribute || line.is_empty())) || (attribute && is_test(line));
        }
    }
    names
}

/// `#[test]`, `#[tokio::test]`, `#[test_traced]`, `#[test_collect_traces(…)]`, but not `#[cfg(test)]`.
fn is_test(attribute: &str) -> bool {
    let path = attribute.trim_start_matches("#[");
    let path = path.split(['(', ']']).next().unwrap_or_default();
    let last = path.rsplit("::").next().unwrap_or_default();
    last == "test" || last.starts_with("test_")
}
