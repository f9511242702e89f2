//! `hanse demo` with real parts: every command of it ends as it says it will.

use super::user::User;

#[test]
fn every_attack_is_caught_with_its_own_code() {
    let user = User::new();
    let output = user.command(&["demo", "--json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    let steps = report["steps"].as_array().unwrap();
    for step in steps {
        assert_eq!(step["exit"], step["expected"], "{step:#}");
    }
    assert_eq!(report["ok"], true, "{report:#}");
    // The set-up installs everything; only an engine cannot be had by everybody.
    let missing = report["not_available"].as_array().unwrap();
    assert_eq!(missing.len(), usize::from(!rustix::process::geteuid().is_root()), "{missing:?}");
    assert_eq!(output.status.code(), Some(0));
    let mut codes: Vec<i64> = steps.iter().filter_map(|step| step["expected"].as_i64()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes, [0, 1, 13, 14, 15, 17, 20]);
}
