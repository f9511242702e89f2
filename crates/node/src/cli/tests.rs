//! The tree is sound, and every verb shows an example.

use clap::CommandFactory as _;

use super::Cli;

#[test]
fn the_tree_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_that_does_something_shows_an_example() {
    fn visit(command: &clap::Command, path: &str, missing: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        let children: Vec<_> = command.get_subcommands().filter(|c| !c.is_hide_set()).collect();
        if children.is_empty() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !help.contains("Example") && command.get_arguments().count() > 0 {
                missing.push(path.clone());
            }
        }
        for child in children {
            visit(child, &path, missing);
        }
    }
    let mut missing = Vec::new();
    visit(&Cli::command(), "", &mut missing);
    assert!(missing.is_empty(), "no example in --help of{missing:?}");
}
