//! Units and edges.

use super::*;

#[test]
fn numbers_need_a_known_unit() {
    assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(parse("2h"), Ok(Duration::from_secs(7_200)));
    assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    for bad in
        ["", "s", "5", "5 s", "-5s", "1.5h", "5w", "99999999999999999999s", "999999999999999999d"]
    {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn ages_are_shown_in_whole_units() {
    for (ms, text) in
        [(0, "0 ms"), (1_999, "1 s"), (119_000, "119 s"), (120_000, "2 min"), (7_200_000, "2 h")]
    {
        assert_eq!(shown(ms), text);
    }
}
