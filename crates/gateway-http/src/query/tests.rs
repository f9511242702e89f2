//! Bounds of ranges.

use super::*;

#[test]
fn the_end_of_a_prefix_is_the_next_string_of_its_length() {
    assert_eq!(after_prefix(b"ab"), b"ac");
    assert_eq!(after_prefix(&[1, 0xff, 0xff]), [2]);
    assert_eq!(after_prefix(&[0xff]), b"");
    assert_eq!(after_prefix(b""), b"");
}

#[test]
fn the_range_of_one_key_holds_only_it() {
    assert_eq!(after_key(b"a"), b"a\0");
}
