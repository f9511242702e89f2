//! The template is right.

use super::*;

#[test]
fn a_bar_can_be_made_and_moved() {
    Bar::new("hashing").update(Snapshot { done: 1, total: 2, bytes_per_second: 3 });
}
