//! The documented file is the truth; every mistake is named by file, line and key.

use super::*;

fn parse(text: &str) -> Result<NodeConfig, Failure> {
    NodeConfig::parse(Path::new("c.toml"), text)
}

#[test]
fn the_documented_file_parses_and_states_the_defaults() {
    let config = parse(DOCUMENTED).unwrap();
    assert_eq!(config.http, Http::default());
    assert_eq!(config.log, Log::default());
    assert!(!config.verifier_only);
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
}

#[test]
fn every_setting_is_documented() {
    let config = NodeConfig {
        http: Http { session_token_file: Some("t".into()), ..Http::default() },
        ..parse(DOCUMENTED).unwrap()
    };
    for line in config.to_toml().lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        assert!(key.is_empty() || DOCUMENTED.contains(key), "{key}");
    }
}

#[test]
fn unknown_and_wrong_keys_are_named_with_their_line() {
    let cases = [
        ("verifier_only = false", "verifer_only = false", "verifer_only"),
        ("verifier_only = false", "verifier_only = 3", "verifier_only"),
        ("snapshot_blocks = 4096", "snapshot_blocks = 0", "snapshot_blocks"),
        ("listen = \"127.0.0.1:8000\"", "listen = \"8000\"", "listen"),
        ("format = \"text\"", "format = \"xml\"", "xml"),
    ];
    for (old, new, key) in cases {
        let text = DOCUMENTED.replacen(old, new, 1);
        let line = text.lines().position(|l| l == new).unwrap() + 1;
        let failure = parse(&text).unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        let reason = failure.reason();
        assert!(reason.starts_with(&format!("c.toml:{line}: ")), "{reason}");
        assert!(reason.contains(key), "{reason}");
    }
}

#[test]
fn a_missing_key_is_named() {
    let text = DOCUMENTED.replacen("organisation = \"acme\"", "", 1);
    assert!(parse(&text).unwrap_err().reason().contains("organisation"));
}
