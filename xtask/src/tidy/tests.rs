//! Each rule against a tree that breaks it and one that does not; and this repository against all of them.

use super::{lexer::code_only, *};

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.texts.insert((*path).to_owned(), (*text).to_owned());
    }
    tree
}

/// What a rule says of a tree, as `line what` without the path.
fn said(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    let found = rule(&tree(files));
    found.iter().map(|found| format!("{} {}", found.line, found.what)).collect()
}

#[test]
fn this_repository_keeps_its_house_rules() {
    let findings = check(crate::repo::root()).expect("the checkout is readable");
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn code_is_told_from_comments_and_literals() {
    let text = "a/*b/*c*/d*/e\"f\\\"g\"h'i'j<'k>'\\''l r#\"m\"n\"#o // p\nq br\"r\" s_r\"t\"";
    let code: String = code_only(text).chars().filter(|c| !c.is_whitespace()).collect();
    assert_eq!(code, "aehj<'k>loqs_r");
    assert_eq!(code_only(text).lines().count(), 2);
}

#[test]
fn a_file_begins_with_a_sentence_about_itself() {
    assert_eq!(said(rust::files, &[("a.rs", "fn a() {}\n")]).len(), 1);
    assert!(said(rust::files, &[("a.rs", "//! A.\n")]).is_empty());
}

#[test]
fn mod_rs_is_refused() {
    assert_eq!(said(rust::files, &[("a/mod.rs", "//! A.\n")]).len(), 1);
}

#[test]
fn long_files_are_refused_and_the_list_of_exceptions_only_shrinks() {
    let long = format!("//! A.\n{}", "\n".repeat(600));
    let with = |allow: &str| said(rust::files, &[("a.rs", &long), ("xtask/tidy.allow", allow)]);
    assert_eq!(with(""), ["601 601 lines; at most 600"]);
    assert!(with("# why\na.rs 601\n").is_empty());
    assert!(with("a.rs 600")[0].contains("may only shrink"));
    assert!(with("a.rs 650")[0].contains("write 601"));
    assert!(with("a.rs 601\nb.rs 700")[0].contains("b.rs is gone"));
}

#[test]
fn long_functions_are_refused_and_comments_in_them_are_free() {
    let function = |body: &str| format!("//! A.\nfn f(a: [u8; 3]) -> u8\nwhere\n{{\n{body}}}\n");
    let code = "    let b = \"}\";\n".repeat(71);
    let comments = "    // b\n\n".repeat(80);
    let long = said(rust::functions, &[("a.rs", &function(&code))]);
    assert_eq!(long, ["2 fn f has 71 lines; at most 70"]);
    assert!(said(rust::functions, &[("a.rs", &function(&comments))]).is_empty());
    assert!(
        said(rust::functions, &[("a.rs", "trait T { fn f(&self); }\ntype F = fn (u8);")])
            .is_empty()
    );
}

#[test]
fn stubs_and_marks_for_later_are_refused() {
    let mark = concat!("//! A.\n// FIX", "ME\n");
    assert_eq!(said(rust::unfinished, &[("a.rs", mark)]).len(), 1);
    assert_eq!(said(rust::unfinished, &[("a.rs", "fn f() { todo!() }")]).len(), 1);
    assert!(
        said(rust::unfinished, &[("a.rs", "// todo! is refused\nlet a = \"todo!\";")]).is_empty()
    );
}

#[test]
fn the_place_of_the_compiling_clone_is_refused() {
    let place = concat!("let a = env!(\"CARGO_", "MANIFEST_DIR\");");
    assert_eq!(said(rust::elsewhere, &[("a.rs", place), ("xtask/src/repo.rs", place)]).len(), 1);
}

#[test]
fn tests_inside_the_tested_file_are_refused() {
    assert_eq!(said(rust::unfinished, &[("a.rs", "#[cfg(test)]\nmod tests {\n}")]).len(), 1);
    assert_eq!(
        said(rust::unfinished, &[("a.rs", "#[cfg(test)]\n#[rustfmt::skip]\nmod x {\n}")]).len(),
        1
    );
    assert!(
        said(rust::unfinished, &[("a.rs", "#[cfg(test)]\nmod tests;\nmod wire {\n}")]).is_empty()
    );
}

#[test]
fn registry_hosts_and_paths_of_one_machine_are_refused() {
    let host = format!("see {}\n", concat!("pypi", ".org"));
    assert_eq!(said(words::forbidden, &[("docs/a.md", &host)]).len(), 1);
    assert!(said(words::forbidden, &[("Cargo.lock", &host), ("a.md", "docker.io")]).is_empty());
}

const ROOT: [(&str, &str); 3] =
    [("README.md", "# A"), ("ARCHITECTURE.md", "# B"), ("STYLE.md", "# C")];

#[test]
fn a_page_has_one_title_and_the_root_has_its_pages() {
    assert_eq!(said(docs::titles, &ROOT[1..]), ["1 is missing"]);
    let mut files = ROOT.to_vec();
    files.push(("d.md", "# D\n```\n# no title\n```\n"));
    assert!(said(docs::titles, &files).is_empty());
    files.push(("e.md", "# E\n# F\n"));
    assert_eq!(said(docs::titles, &files), ["1 2 titles; a page has one `# `"]);
}

#[test]
fn links_resolve_to_files_and_headings() {
    let page = |link: &str| {
        let text = format!("# A\n## Two words, here\n[x]({link})\n");
        said(docs::links, &[("docs/a.md", &text), ("b.md", "# B\n## `c` d\n")])
    };
    for good in ["../b.md", "a.md#two-words-here", "#a", "../b.md#c-d", "https://example.com/x"] {
        assert!(page(good).is_empty(), "{good}: {:?}", page(good));
    }
    for bad in ["b.md", "#c", "../b.md#e", "../../b.md"] {
        assert_eq!(page(bad).len(), 1, "{bad}");
    }
}

#[test]
fn a_cited_decision_must_be_written() {
    let cites = concat!("//! AD", "R-0007\n");
    assert_eq!(said(docs::citations, &[("a.rs", cites)]).len(), 1);
    assert!(
        said(docs::citations, &[("a.rs", cites), (concat!("docs/ad", "r/0007-name.md"), "# 7")])
            .is_empty()
    );
}

#[test]
fn an_invariant_names_a_test_that_exists() {
    let code = "//! A.\n#[test]\n#[should_panic]\nfn one() {}\n#[tokio::test]\nasync fn two() {}\nfn three() {}\n";
    let page = |text: &str| said(docs::invariants, &[("a.rs", code), ("ARCHITECTURE.md", text)]);
    assert!(page("# A\n- **Invariant**: x\n  y. test: `room::one`, `two`\n").is_empty());
    assert_eq!(page("# A\n**Invariant** x. test: `three`\n"), ["2 no test is called three"]);
    assert_eq!(page("# A\n**Invariant** x.\n\ntest: `one`\n").len(), 1);
    assert_eq!(page("# A\n"), ["1 states no **Invariant**"]);
}

#[test]
fn a_format_page_follows_its_source() {
    let page = |hash: &str| {
        let text = format!("# P\n<!-- source: a.rs sha256:{hash} -->\n");
        said(formats::stale, &[("docs/formats/p.md", &text), ("a.rs", "abc")])
    };
    // FIPS 180-4, the hash of "abc".
    assert!(page("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").is_empty());
    assert!(page("00")[0].contains("a.rs changed"));
    assert_eq!(said(formats::stale, &[("docs/formats/p.md", "# P\n")]).len(), 1);
}

#[test]
fn renewing_writes_the_hash_and_nothing_else() {
    let root = std::env::temp_dir().join(format!("hanse-tidy-{}", std::process::id()));
    std::fs::create_dir_all(root.join("docs/formats")).expect("the temporary folder is writable");
    std::fs::write(root.join("a.rs"), "abc").expect("written");
    let page = root.join("docs/formats/p.md");
    std::fs::write(&page, "# P\n<!-- source: a.rs sha256:00 -->\ntext\n").expect("written");
    formats::renew(&root).expect("renewed");
    let text = std::fs::read_to_string(&page).expect("still there");
    std::fs::remove_dir_all(&root).expect("ours to remove");
    assert!(
        text.starts_with("# P\n<!-- source: a.rs sha256:ba7816bf")
            && text.ends_with(" -->\ntext\n")
    );
}
