//! Units and edges.

use super::parse;

#[test]
fn numbers_may_have_a_unit() {
    assert_eq!(parse("12"), Ok(12));
    assert_eq!(parse("2MB"), Ok(2_000_000));
    assert_eq!(parse("64GiB"), Ok(64 << 30));
    for bad in ["", "MB", "1.5GB", "-1", "3XB", "99999999999TiB"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
