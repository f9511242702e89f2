//! Verbs that need no network.

use std::os::unix::fs::PermissionsExt as _;

use super::user::{User, code, err, out};

#[test]
fn keys_are_made_listed_exported_and_imported() {
    let user = User::new();
    let password = user.password();
    for suite in ["ed25519", "p256", "secp256k1"] {
        let pw = ["--password-file", password.as_str()];
        let (exit, made) = user.json(&["key", "create", suite, "--suite", suite, pw[0], pw[1]]);
        assert_eq!(exit, 0, "{made}");
        let file = made["file"].as_str().unwrap();
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let pem = user.path("key.pem").display().to_string();
        assert_eq!(code(&user.run(&["key", "export", suite, "--to", &pem, pw[0], pw[1]])), 0);
        let mode = std::fs::metadata(&pem).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let copy = format!("{suite}-copy");
        let (exit, imported) = user.json(&["key", "import", &copy, "--from", &pem, pw[0], pw[1]]);
        assert_eq!((exit, &imported["public"]), (0, &made["public"]));
    }
    let (_, list) = user.json(&["key", "list"]);
    assert_eq!(list["keys"].as_array().unwrap().len(), 6);
    let again = user.run(&["key", "create", "p256", "--password-file", &password]);
    assert_eq!(code(&again), 3, "{}", err(&again));
}

#[test]
fn a_password_is_never_taken_from_a_file_others_read_or_from_nowhere() {
    let user = User::new();
    let password = user.password();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = user.run(&["key", "create", "a", "--password-file", &password]);
    assert_eq!(code(&refused), 3);
    assert!(err(&refused).contains("chmod 600"), "{}", err(&refused));
    let nowhere = user.run(&["key", "create", "a"]);
    assert_eq!(code(&nowhere), 2);
    assert!(err(&nowhere).contains("--password-file"), "{}", err(&nowhere));
    assert_eq!(code(&user.run(&["key", "create", "a", "--password", "x"])), 2);
    // No password at all is none, also in a file.
    for nothing in ["", "\n", "\r\n"] {
        let password = user.password();
        std::fs::write(&password, nothing).unwrap();
        let refused = user.run(&["key", "create", "a", "--password-file", &password]);
        assert_eq!(code(&refused), 3);
        assert!(err(&refused).contains("empty"), "{}", err(&refused));
        assert!(!user.path("home/keys/a.json").exists());
    }
}

#[test]
fn a_wrong_password_is_told_from_a_changed_file() {
    let user = User::new();
    let password = user.password();
    let (_, made) = user.json(&["key", "create", "a", "--password-file", &password]);
    let file = made["file"].as_str().unwrap();
    let other = user.path("other");
    std::fs::write(&other, "wrong").unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
    let other = other.display().to_string();
    let args = ["key", "export", "a", "--to", "-", "--password-file"];
    assert_eq!(code(&user.run(&[&args[..], &[&other]].concat())), 4);
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replacen("argon2id", "argon2i", 1)).unwrap();
    assert_eq!(code(&user.run(&[&args[..], &[&password]].concat())), 17);
}

#[test]
fn usage_is_exit_2_and_one_object_with_json() {
    let user = User::new();
    assert_eq!(code(&user.run(&["image", "verify"])), 2);
    let (exit, said) = user.json(&["image", "verify"]);
    assert_eq!((exit, &said["code"], &said["verdict"]), (2, &2.into(), &"undecided".into()));
    let (exit, said) = user.json(&["status", "--endpoint", "nowhere"]);
    assert_eq!((exit, &said["code"]), (2, &2.into()));
    for args in [["image", "--help"], ["node", "--help"]] {
        assert_eq!(code(&user.run(&args)), 0);
    }
}

#[test]
fn nobody_there_is_exit_20() {
    let user = User::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (exit, said) = user.json(&["status", "--endpoint", &url]);
    assert_eq!((exit, &said["code"]), (20, &20.into()));
}

#[test]
fn a_wrong_configuration_is_exit_78_with_file_line_and_key() {
    let user = User::new();
    let documented = out(&user.run(&["node", "config"]));
    let file = user.path("c.toml");
    std::fs::write(&file, documented.replacen("verifier_only", "verifer_only", 1)).unwrap();
    let path = file.display().to_string();
    let output = user.run(&["node", "run", "--config", &path]);
    assert_eq!(code(&output), 78);
    let said = err(&output);
    let line = documented.lines().position(|l| l.starts_with("verifier_only")).unwrap() + 1;
    assert!(said.contains(&format!("{path}:{line}:")) && said.contains("verifer_only"), "{said}");
    // All as documented, but the files it names are not there.
    std::fs::write(&file, documented).unwrap();
    let output = user.run(&["node", "run", "--config", &path]);
    assert_eq!(code(&output), 78);
    assert!(err(&output).contains("trust_root"), "{}", err(&output));
}

/// Seeds defect 4B-7: there, a trailing blank in a setting made it be ignored.
#[test]
fn defect_4b_7_no_setting_is_ignored() {
    let user = User::new();
    let documented = out(&user.run(&["node", "config"]));
    let file = user.path("c.toml");
    let path = file.display().to_string();
    // In a value, in a key, in a section; a number as text; a setting twice.
    let listen = documented.lines().find(|line| line.starts_with("listen = ")).unwrap();
    let blank = format!("{} \"", listen.trim_end_matches('"'));
    let twice = format!("{listen}\n{listen}");
    let changes = [
        (listen, blank.as_str()),
        (listen, twice.as_str()),
        ("verifier_only", "\"verifier_only \""),
        ("[http]", "[\"http \"]"),
        ("verifier_only = false", "verifier_only = \"false\""),
    ];
    for (from, to) in changes {
        assert!(documented.contains(from), "{from}");
        std::fs::write(&file, documented.replacen(from, to, 1)).unwrap();
        let output = user.run(&["node", "run", "--config", &path]);
        assert_eq!(code(&output), 78, "{to}: {}", err(&output));
        // Of a key that stands twice either line may be named.
        let line = documented.lines().position(|line| line.contains(from)).unwrap() + 1;
        let said = err(&output);
        let named = [line, line + 1].iter().any(|line| said.contains(&format!("{path}:{line}:")));
        assert!(named, "{to}: {said}");
    }
    // The same of the environment: an address with a blank inside is not passed over for another.
    let mut user = User::new();
    user.set("HANSE_ENDPOINT", "http://127.0.0.1:1 /");
    assert_eq!(user.json(&["status"]).0, 2);
    user.set("HANSE_TRUST_ROOT", "/nonexistent ");
    user.set("HANSE_ENDPOINT", "http://127.0.0.1:1");
    assert_eq!(user.json(&["image", "history", "localhost:5000/a/b"]).0, 3);
}

#[test]
fn founders_make_a_network_whose_members_load_their_configuration() {
    let user = User::new();
    let mut founders = Vec::new();
    for name in ["acme", "borealis"] {
        let dir = user.path(name).display().to_string();
        let made = user.run(&["node", "init", "--organisation", name, "--dir", &dir]);
        assert_eq!(code(&made), 0, "{}", err(&made));
        founders.push(format!("{dir}/founder.json"));
        assert_eq!(code(&user.run(&["node", "init", "--organisation", name, "--dir", &dir])), 3);
    }
    let to = user.path("trust-root.json").display().to_string();
    let args = ["node", "genesis", "--name", "friends", "--to", &to, &founders[0], &founders[1]];
    let (exit, said) = user.json(&args);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(said["chain_id"].as_str().unwrap().len(), 64);
    let (exit, _) = user.json(&args);
    assert_eq!(exit, 3, "an existing trust root is not replaced");
    let twice = ["node", "genesis", "--name", "x", "--to", "y", &founders[0], &founders[0]];
    assert_eq!(user.json(&twice).0, 17);
}

#[test]
fn what_is_no_proof_is_exit_17() {
    let user = User::new();
    let file = user.path("p.hproof");
    std::fs::write(&file, b"nonsense").unwrap();
    let path = file.display().to_string();
    assert_eq!(user.json(&["proof", "show", &path]).0, 17);
    let dir = user.path("acme").display().to_string();
    assert_eq!(code(&user.run(&["node", "init", "--organisation", "acme", "--dir", &dir])), 0);
    let to = user.path("t.json").display().to_string();
    let founder = format!("{dir}/founder.json");
    assert_eq!(user.json(&["node", "genesis", "--name", "x", "--to", &to, &founder]).0, 0);
    assert_eq!(user.json(&["proof", "verify", &path, "--trust-root", &to]).0, 17);
}

#[test]
fn completions_are_for_every_shell() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = user.run(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(out(&output).contains("hanse"));
    }
}
