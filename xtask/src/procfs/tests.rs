//! Parsing against lines as the kernel prints them, and this very process.

use super::*;

const STAT: &str = "77 (a (odd) name) S 1 77 77 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 0 0";
const IO: &str = "rchar: 1\nwchar: 9000\nsyscr: 3\nsyscw: 12\nread_bytes: 0\nwrite_bytes: 8192\n";

#[test]
fn a_name_with_brackets_does_not_shift_the_fields() {
    let usage = parse(STAT, IO, "VmRSS:\t  64 kB\n").expect("all fields are there");
    assert_eq!(usage.user_us, 2_500_000);
    assert_eq!(usage.system_us, 500_000);
    assert_eq!(usage.written_bytes, 8192);
    assert_eq!(usage.write_calls, 12);
    assert_eq!(usage.resident_bytes, 65_536);
}

#[test]
fn a_missing_field_is_no_zero() {
    assert_eq!(parse(STAT, "wchar: 1\n", ""), None);
    assert_eq!(parse("77 (short) S 1", IO, ""), None);
}

#[test]
fn differences_never_go_below_zero() {
    let later = parse(STAT, IO, "").expect("all fields are there");
    assert_eq!(later.since(later).cpu(), Duration::ZERO);
    assert_eq!(Usage::default().since(later).written_bytes, 0);
}

#[test]
fn this_process_is_in_its_own_family_and_has_a_usage() {
    let me = std::process::id();
    assert_eq!(family(me)[0], me);
    assert!(usage(me).expect("our own entry is readable").resident_bytes > 0);
}
