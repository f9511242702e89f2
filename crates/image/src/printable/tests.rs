//! Tests of foreign text.

use super::printable;

#[test]
fn escape_sequences_from_a_registry_never_reach_the_terminal() {
    let hostile = "\x1b]0;owned\x07\x1b[2Jok\r\n\u{9b}31m\u{202e}evil\u{2066}\u{7f}\u{200b}";
    let shown = printable(hostile);
    assert!(shown.chars().all(|c| !c.is_control()), "{shown}");
    assert!(!shown.contains('\u{202e}') && !shown.contains('\u{200b}'), "{shown}");
    assert!(shown.contains("\\u{1b}]0;owned\\u{7}"), "{shown}");
}

#[test]
fn ordinary_text_stays_and_long_text_is_cut() {
    assert_eq!(printable("层 déjà vu"), "层 déjà vu");
    let long = "x".repeat(10_000);
    assert!(printable(&long).chars().count() <= 513);
    assert!(printable(&long).ends_with('…'));
}
