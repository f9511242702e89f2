//! Edges of what is shown.

use super::shown;

#[test]
fn control_and_reordering_characters_are_made_visible() {
    assert_eq!(shown("a\u{1b}[31mb\u{202e}c\r\n"), "a\\u{1b}[31mb\\u{202e}c\\r\\n");
    assert_eq!(shown("plain ü 好"), "plain ü 好");
}
