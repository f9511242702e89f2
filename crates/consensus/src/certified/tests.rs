//! Runs against a plain set.

use std::collections::BTreeSet;

use super::Runs;

#[test]
fn runs_hold_what_a_set_holds_and_grow_only_with_gaps() {
    let mut runs = Runs::default();
    let mut set = BTreeSet::new();
    // A full cycle of 97 in a scattered order, each height twice, the multiples of five left out.
    for step in 0..2 * 97u64 {
        let height = step * 35 % 97;
        if height % 5 != 0 {
            runs.add(height);
            set.insert(height);
        }
        for from in 0..100 {
            assert_eq!(runs.next(from), set.range(from..).next().copied(), "from {from}");
        }
    }
    assert_eq!(runs.0.len(), 20, "one run between two gaps");
    runs.add(u64::MAX);
    assert_eq!(runs.next(u64::MAX), Some(u64::MAX));
    let mut long = Runs::default();
    (1..=100_000).for_each(|height| long.add(height));
    assert_eq!((long.0.len(), long.next(70_000), long.next(100_001)), (1, Some(70_000), None));
}
