//! Proofs of every kind: fetched, shown, checked, and refused where they do not hold or are about something else.

use std::fs;

use serde_json::Value;

use super::{network::Net, user::code};

/// Fetches a proof into a file, shows it, and checks it in every way.
struct Kind<'a> {
    net: &'a Net,
    other_root: String,
}

impl Kind<'_> {
    fn all(&self, name: &str, kind: &str, args: &[&str]) -> Value {
        let file = self.net.user.path(&format!("{name}.hproof"));
        let path = file.display().to_string();
        let got = self.net.expect(0, &[&["proof", "get"][..], args, &["--to", &path]].concat());
        assert_eq!((&got["verdict"], &got["kind"]), (&"verified".into(), &kind.into()));
        let shown = self.net.expect(0, &["proof", "show", &path]);
        assert_eq!((&shown["checked"], &shown["kind"]), (&false.into(), &kind.into()));
        assert_eq!(shown["claim"], got["claim"]);
        let held = self.net.expect(0, &["proof", "verify", &path, "--max-age", "1h"]);
        assert_eq!(held, got);
        assert_eq!(got["quorum"]["need"], 3, "{got:#}");
        // Another chain's committee, an age nothing has, a changed byte, a missing end.
        let root = ["--trust-root", &self.other_root];
        self.net.expect(16, &[&["proof", "verify", &path][..], &root].concat());
        self.net.expect(14, &["proof", "verify", &path, "--max-age", "0s"]);
        let bytes = fs::read(&file).unwrap();
        let changed = self.net.user.path("changed.hproof");
        let changed_path = changed.display().to_string();
        let mut flipped = bytes.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        for bytes in [&flipped[..], &bytes[..last]] {
            fs::write(&changed, bytes).unwrap();
            let (exit, said) = self.net.user.json(&["proof", "verify", &changed_path]);
            assert!(exit == 16 || exit == 17, "{said:#}");
        }
        got
    }
}

#[test]
fn each_kind_is_fetched_shown_and_checked() {
    let net = Net::start(4);
    // The trust root of a network nobody started.
    let founder = net.user.path("founder").display().to_string();
    let init = ["node", "init", "--organisation", "acme", "--dir", &founder];
    assert_eq!(code(&net.user.run(&init)), 0);
    let other_root = net.user.path("other-root.json").display().to_string();
    let founder = format!("{founder}/founder.json");
    net.expect(0, &["node", "genesis", "--name", "x", "--to", &other_root, &founder]);
    let kind = Kind { net: &net, other_root };

    let put = net.expect(0, &["kv", "put", "acme", "colour", "blue", "--sign"]);
    let session = net.expect(0, &["kv", "put", "acme", "shape", "round"]);
    net.expect(5, &["space", "create", "acme"]);
    let command = put["command"].as_str().unwrap();
    let receipt = kind.all("receipt", "receipt", &["receipt", command]);
    assert_eq!(receipt["claim"]["command"], command);
    let batch = session["command"].as_str().unwrap();
    kind.all("batch", "receipt", &["receipt", batch, "--item", "0"]);
    let value = kind.all("value", "value", &["value", "acme", "colour"]);
    assert_eq!(value["claim"]["value"].as_str(), Some("blue"));
    assert_eq!(value["claim"]["present"], true);
    let absence = kind.all("absence", "absence", &["value", "acme", "taste"]);
    assert_eq!(absence["claim"]["present"], false);
    let range = kind.all("range", "range", &["range", "acme", "a", "z"]);
    assert!(range["claim"].to_string().contains("round"), "{range:#}");
    kind.all("whole", "range", &["range", "acme"]);
    let (height, index) = (put["height"].to_string(), put["index"].to_string());
    let event = kind.all("event", "event", &["event", &height, &index]);
    assert_eq!(event["claim"]["value"].as_str(), Some("blue"));

    // What there is none of, and what is no question.
    let none = "0".repeat(64);
    for args in [
        &["receipt", none.as_str()][..],
        &["receipt", command, "--item", "7"],
        &["event", height.as_str(), "99"],
        &["event", "99999999", "0"],
    ] {
        net.expect(5, &[&["proof", "get"][..], args].concat());
    }
    net.expect(2, &["proof", "get", "receipt", "nothex"]);
    net.expect(2, &["proof", "get", "event", "one", "0"]);
    net.expect(2, &["proof", "get", "range", "acme", "z", "a"]);
    net.expect(3, &["proof", "verify", "/nonexistent"]);
    net.expect(3, &["proof", "get", "value", "acme", "colour", "--to", "/nonexistent/p"]);
}
