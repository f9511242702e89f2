//! The rules against small workspaces, and this workspace against its golden file.

use std::path::Path;

use serde_json::json;

use super::*;

#[test]
fn this_workspace_is_as_its_golden_file_says() {
    let findings = task(false).expect("cargo describes the workspace");
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

const MANIFEST: &str = "[workspace]\nmembers = [\n    # 0 ground  words\n    \"a\",\n    \"b\",\n    # 1 memory\n    \"c\", # why\n    # beside\n    \"x\",\n]\n\"z\"\n";

const OURS: [&str; 4] = ["a", "b", "c", "x"];

/// A workspace of the four crates of [`MANIFEST`] with these edges, `kind` each, and packages from outside.
fn workspace_of(
    edges: &[(&str, &str)],
    kind: Option<&str>,
    outside: &[(&str, &str, &str)],
) -> Metadata {
    let mut packages = Vec::new();
    for name in OURS {
        let on = edges.iter().filter(|(from, _)| *from == name).map(|(_, to)| {
            let path = OURS.contains(to).then(|| format!("/w/{to}"));
            json!({"name": to, "kind": kind, "optional": false, "path": path})
        });
        let on: Vec<_> = on.collect();
        packages.push(
            json!({"id": name, "name": name, "version": "0.1.0", "license": null, "source": null,
            "manifest_path": format!("/w/{name}/Cargo.toml"), "dependencies": on}),
        );
    }
    for (name, source, licence) in outside {
        packages.push(json!({"id": name, "name": name, "version": "1.0.0", "license": licence,
            "source": source, "manifest_path": "/r/Cargo.toml", "dependencies": []}));
    }
    let node = |(from, to): &(&str, &str)| json!({"id": from, "deps": [{"pkg": to, "dep_kinds": [{"kind": kind}]}]});
    let nodes: Vec<_> = edges.iter().map(node).collect();
    let text = json!({"packages": packages, "resolve": {"nodes": nodes}}).to_string();
    Metadata::parse(&text, Path::new("/w")).expect("made as cargo makes it")
}

fn workspace(edges: &[(&str, &str)], outside: &[(&str, &str, &str)]) -> Metadata {
    workspace_of(edges, None, outside)
}

fn crossed(edges: &[(&str, &str)]) -> usize {
    crossings(&workspace(edges, &[]), &floor_plan(MANIFEST)).len()
}

#[test]
fn the_plan_is_read_off_the_comments() {
    let plan = floor_plan(MANIFEST);
    let floors: Vec<_> = plan.iter().map(|(name, place)| (name.as_str(), place.floor)).collect();
    assert_eq!(floors, [("a", Some(0)), ("b", Some(0)), ("c", Some(1)), ("x", None)]);
}

#[test]
fn edges_lead_down() {
    assert_eq!(crossed(&[("c", "a"), ("b", "a"), ("x", "c"), ("x", "a")]), 0);
    for up in [("a", "c"), ("a", "b"), ("a", "x"), ("c", "x")] {
        assert_eq!(crossed(&[up]), 1, "{up:?}");
    }
}

#[test]
fn tests_may_look_up_and_over_fences() {
    let edges = [("a", "c"), ("a", "engine")];
    let metadata = workspace_of(&edges, Some("dev"), &[("engine", REGISTRY, "MIT")]);
    assert!(crossings(&metadata, &floor_plan(MANIFEST)).is_empty());
    assert!(fences::check(&metadata, DENY).expect("readable").is_empty());
}

#[test]
fn a_crate_on_no_floor_is_found() {
    let plan = floor_plan("members = [\n# 0 ground\n\"a\",\n\"b\",\n\"c\",\n]");
    assert_eq!(crossings(&workspace(&[], &[]), &plan).len(), 1);
}

const DENY: &str = "[bans]\ndeny = [{ name = \"engine\", wrappers = [\"c\"], reason = \"one room\" }, { name = \"bad\" }]\n[licenses]\nallow = [\"MIT\"]\n";
const REGISTRY: &str = "registry+index";

#[test]
fn fences_hold_for_all_but_their_wrappers() {
    let outside = [("engine", REGISTRY, "MIT"), ("bad", REGISTRY, "MIT")];
    let findings = |edges: &[(&str, &str)]| {
        fences::check(&workspace(edges, &outside), DENY).expect("readable")
    };
    assert!(findings(&[("c", "engine")]).is_empty());
    assert_eq!(
        findings(&[("a", "engine")]),
        ["a uses engine, which deny.toml fences off: one room"]
    );
    assert_eq!(findings(&[("c", "bad")]).len(), 1);
}

#[test]
fn sources_and_licences_are_checked() {
    let findings = |outside| fences::check(&workspace(&[], &[outside]), DENY).expect("readable");
    assert!(findings(("p", REGISTRY, "MIT")).is_empty());
    assert_eq!(findings(("p", "git+https://example.com/p", "MIT")).len(), 1);
    assert_eq!(findings(("p", REGISTRY, "GPL-3.0")).len(), 1);
}

#[test]
fn licence_expressions_are_read_with_their_precedence() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/GPL-3.0",
        "ISC AND (MIT OR GPL-3.0)",
        "MIT+",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(licence::meets(met, &allowed), "{met}");
    }
    for unmet in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "GPL-3.0 OR MIT AND Zlib",
        "(MIT",
        "MIT)",
        "MIT MIT",
        "Apache-2.0",
    ] {
        assert!(!licence::meets(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn a_new_edge_is_shown_under_its_crate() {
    let golden = "## Edges\n0 a\n1 c\n    a\n";
    let found = difference(golden, "## Edges\n0 a\n1 c\n    a\n    b\n");
    assert_eq!(found[0], "docs/floors.out: + Edges: 1 c: b");
    assert!(difference(golden, golden).is_empty());
    assert!(!difference(golden, "## Edges\n1 c\n    a\n0 a\n").is_empty());
}
