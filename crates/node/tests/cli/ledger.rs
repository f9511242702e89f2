//! Keys, spaces, organisations, gateways: every verb that asks the ledger for a change or shows what it holds.

use std::fs;

use super::{
    network::Net,
    user::{code, err, out},
};

/// The same arguments with those of a signer behind them.
fn by<'a>(args: &[&'a str], signer: &'a [String; 4]) -> Vec<&'a str> {
    args.iter().copied().chain(signer.iter().map(String::as_str)).collect()
}

fn revision(value: &serde_json::Value) -> u64 {
    value["revision"].as_u64().unwrap()
}

#[test]
fn values_are_put_read_listed_and_deleted() {
    let net = Net::start(1);
    let put = net.expect(0, &["kv", "put", "acme", "a", "one"]);
    assert_eq!((&put["v"], &put["status"]), (&1.into(), &"done".into()));
    let signed = net.expect(0, &["kv", "put", "acme", "b", "two", "--sign"]);
    assert_eq!(revision(&signed), revision(&put) + 1, "revisions are dense");
    let file = net.user.path("value");
    fs::write(&file, [0, 159, 146, 150]).unwrap();
    let path = file.display().to_string();
    net.expect(0, &["kv", "put", "acme", "c", "--from", &path, "--sign"]);
    let raw = net.user.run(&["kv", "get", "acme", "c"]);
    assert_eq!(raw.stdout, [0, 159, 146, 150, b'\n']);
    assert_eq!(out(&net.user.run(&["kv", "get", "acme", "b"])), "two\n");
    net.expect(3, &["kv", "put", "acme", "c", "--from", "/nonexistent"]);
    net.expect(2, &["kv", "put", "acme", "c"]);
    net.expect(2, &["kv", "put", "acme", "c", "x", "--sign", "--identity", "me"]);
    net.expect(5, &["kv", "put", "nowhere", "a", "x", "--sign"]);
    net.expect(5, &["kv", "get", "acme", "absent"]);

    let all = net.expect(0, &["kv", "range", "acme"]);
    assert_eq!(all["kvs"].as_array().unwrap().len(), 3);
    let one = net.expect(0, &["kv", "range", "acme", "a", "c", "--limit", "1"]);
    assert_eq!((one["kvs"].as_array().unwrap().len(), &one["more"]), (1, &true.into()));
    let none = net.expect(0, &["kv", "range", "acme", "--prefix", "zz"]);
    assert!(none["kvs"].as_array().unwrap().is_empty());

    let gone = net.expect(0, &["kv", "delete", "acme", "a"]);
    assert_eq!(gone["status"], "done");
    let again = net.expect(0, &["kv", "delete", "acme", "a"]);
    assert_eq!((&again["status"], revision(&again)), (&"unchanged".into(), revision(&gone)));
    net.expect(5, &["kv", "get", "acme", "a"]);
    let range = net.expect(0, &["kv", "delete", "acme", "a", "--range-end", "z", "--sign"]);
    assert_eq!(range["status"], "done");
    assert!(net.expect(0, &["kv", "range", "acme"])["kvs"].as_array().unwrap().is_empty());
    let text = net.user.run(&["kv", "delete", "acme", "a"]);
    assert!(out(&text).contains("nothing changed"), "{} {}", out(&text), err(&text));
}

#[test]
fn a_transaction_compares_and_then_does_one_thing_or_the_other() {
    let net = Net::start(1);
    let file = net.user.path("txn.json");
    let path = file.display().to_string();
    let txn = |text: &str, exit: i32, sign: bool| {
        fs::write(&file, text).unwrap();
        let mut args = vec!["kv", "txn", "acme", "--file", &path];
        args.extend(sign.then_some("--sign"));
        net.expect(exit, &args)
    };
    let lock = r#"{"compares":[{"key":"lock","op":"=","version":0}],
        "success":[{"put":{"key":"lock","value":"me"}}],"failure":[{"put":{"key":"late","value":"1"}}]}"#;
    assert_eq!(txn(lock, 0, false)["status"], "done");
    assert_eq!(out(&net.user.run(&["kv", "get", "acme", "lock"])), "me\n");
    net.expect(5, &["kv", "get", "acme", "late"]);
    txn(lock, 0, true);
    assert_eq!(out(&net.user.run(&["kv", "get", "acme", "late"])), "1\n");
    let value = r#"{"compares":[{"key":"lock","op":"=","value":"me"},{"key":"late","op":">","mod":0}],
        "success":[{"delete":{"key":"lock"}},{"delete":{"key":"late","range_end":"latf"}}]}"#;
    assert_eq!(txn(value, 0, false)["status"], "done");
    assert!(net.expect(0, &["kv", "range", "acme"])["kvs"].as_array().unwrap().is_empty());
    assert_eq!(txn(value, 0, true)["status"], "unchanged", "there is no failure branch");
    let bad = [
        "nonsense",
        "{}x",
        r#"{"compare":[]}"#,
        r#"{"compares":[{"key":"a","op":"=="}]}"#,
        r#"{"compares":[{"key":"a","op":"="}]}"#,
        r#"{"compares":[{"key":"a","op":"=","version":0,"mod":1}]}"#,
        r#"{"compares":[{"key":"a","op":"=","version":-1}]}"#,
        r#"{"success":[{"put":{"key":"a"}}]}"#,
        r#"{"success":[{"rename":{"key":"a"}}]}"#,
    ];
    for text in bad {
        for sign in [false, true] {
            let said = txn(text, 17, sign);
            assert_eq!(said["code"], 17, "{text}");
        }
    }
    net.expect(3, &["kv", "txn", "acme", "--file", "/nonexistent"]);
    net.expect(2, &["kv", "txn", "acme"]);
    let mut piped = net.user.command(&["kv", "txn", "acme", "--file", "-"]);
    piped.stdin(fs::File::open(net.user.path("txn.json")).unwrap());
    assert_eq!(piped.output().unwrap().status.code(), Some(17));
}

#[test]
fn a_space_is_written_by_whom_its_owner_lets_and_as_the_owner_asks() {
    let net = Net::start(2);
    let borealis = net.signed_by(1);
    net.expect(0, &["space", "create", "orders"]);
    net.expect(5, &["space", "create", "orders"]);
    net.expect(17, &["space", "create", "Orders!"]);
    let listed = net.expect(0, &["space", "list"]);
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|s| &s["name"]).collect();
    assert!(names.iter().any(|name| **name == "orders"), "{listed:#}");
    let put = ["kv", "put", "orders", "a", "1", "--sign"];
    net.expect(4, &by(&put, &borealis));
    net.expect(4, &by(&["space", "grant", "orders", "borealis=signed"], &borealis));
    net.expect(2, &["space", "grant", "orders"]);
    net.expect(2, &["space", "grant", "orders", "borealis"]);
    net.expect(2, &["space", "grant", "orders", "borealis=root"]);
    net.expect(2, &["space", "grant", "orders", "borealis=signed", "borealis=session"]);
    net.expect(2, &["space", "grant", "orders", "--none", "borealis=signed"]);
    net.expect(5, &["space", "grant", "nothere", "borealis=signed"]);
    net.expect(0, &["space", "grant", "orders", "borealis=signed"]);
    net.expect(0, &by(&put, &borealis));
    // The word of the other organisation's gateway is less than was asked for.
    let endpoint = net.network["members"][1]["http"].as_str().unwrap();
    let session = ["kv", "put", "orders", "b", "2", "--endpoint", endpoint];
    let refused = net.expect(4, &session);
    assert!(refused["reason"].as_str().unwrap().contains("evidence"), "{refused:#}");
    net.expect(0, &["space", "grant", "orders", "borealis=session"]);
    net.expect(0, &session);
    net.expect(0, &["space", "grant", "orders", "--none"]);
    net.expect(4, &session);
    net.expect(4, &by(&put, &borealis));
}

#[test]
fn organisations_accounts_and_gateways_are_shown_added_and_ended() {
    let net = Net::start(2);
    let (user, borealis) = (&net.user, net.signed_by(1));
    let organisations = net.expect(0, &["org", "list"]);
    assert_eq!(organisations["items"].as_array().unwrap().len(), 2);
    assert_eq!(net.expect(0, &["org", "show", "borealis"])["name"], "borealis");
    let missing = net.expect(5, &["org", "show", "nobody"]);
    assert!(missing["reason"].as_str().unwrap().contains("nobody"));

    let password = user.password();
    let made = net.expect(0, &["key", "create", "ci", "--password-file", &password]);
    let account = made["account"].as_str().unwrap();
    let ours = ["--key", "ci", "--password-file", &password];
    let put = [&["kv", "put", "acme", "a", "1", "--sign"][..], &ours].concat();
    net.expect(4, &put);
    let consent = |organisation: &str| {
        let args = ["key", "consent", "ci", "--organisation", organisation];
        let said = user.run(&[&args[..], &["--password-file", &password]].concat());
        assert_eq!(code(&said), 0, "{}", err(&said));
        let path = user.path(&format!("consent-{organisation}.json"));
        fs::write(&path, said.stdout).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (consent("acme"), consent("borealis"));
    let add = |consent: &str| {
        ["org", "account", "add", "--consent", consent, "--role", "ci"].map(str::to_owned)
    };
    let words = |args: &[String; 7]| args.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let run = |exit: i32, args: &[String; 7]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        net.expect(exit, &args)
    };
    let refused = run(4, &add(&wrong));
    assert!(refused["reason"].as_str().is_some(), "{}", words(&add(&wrong)));
    run(3, &add("/nonexistent"));
    fs::write(user.path("bad.json"), "{}").unwrap();
    run(17, &add(&user.path("bad.json").display().to_string()));
    run(0, &add(&right));
    run(5, &add(&right));
    let accounts = net.expect(0, &["org", "account", "list", "acme"]);
    assert!(accounts.to_string().contains(account), "{accounts:#}");
    net.expect(0, &put);
    net.expect(2, &["org", "account", "retire", "nothex"]);
    net.expect(4, &by(&["org", "account", "retire", account], &borealis));
    net.expect(0, &["org", "account", "retire", account]);
    net.expect(4, &put);
    net.expect(5, &["org", "account", "retire", account]);
    let status = net.expect(0, &["status"]);
    let height = status["height"].as_u64().unwrap();
    let from = height.to_string();
    net.expect(0, &["org", "account", "compromise", account, "--from-height", &from]);
    net.expect(5, &["org", "account", "compromise", &"0".repeat(64), "--from-height", &from]);

    let key = made["public"].as_str().unwrap();
    net.expect(0, &["gateway", "add", key]);
    net.expect(5, &["gateway", "add", key]);
    net.expect(2, &["gateway", "add", "ed25519:00"]);
    let weak = format!("ed25519:01{}", "0".repeat(62));
    let refused = net.expect(17, &["gateway", "add", &weak]);
    assert!(refused["reason"].as_str().unwrap().contains("weak_key"), "{refused:#}");
    assert!(net.expect(0, &["gateway", "list"]).to_string().contains(key));
    net.expect(4, &by(&["gateway", "revoke", key], &borealis));
    net.expect(0, &["gateway", "revoke", key]);
    net.expect(5, &["gateway", "revoke", &format!("ed25519:{}", "9".repeat(64))]);
    assert!(net.expect(0, &["gateway", "list"]).to_string().contains("false"));
}

#[test]
fn namespaces_are_claimed_shown_and_shared() {
    let net = Net::start(2);
    let borealis = net.signed_by(1);
    net.expect(11, &["image", "namespace", "show", "registry.example/acme"]);
    net.expect(0, &["image", "namespace", "claim", "registry.example/acme"]);
    net.expect(4, &by(&["image", "namespace", "claim", "registry.example/acme/app"], &borealis));
    net.expect(17, &["image", "namespace", "claim", "Registry!/x"]);
    net.expect(2, &["image", "namespace", "show", "nothing"]);
    let shown = net.expect(0, &["image", "namespace", "show", "registry.example/acme/app"]);
    assert_eq!(
        (&shown["prefix"], &shown["organisation"]),
        (&"registry.example/acme".into(), &"acme".into())
    );
    let list = net.expect(0, &["org", "account", "list", "borealis"]);
    let account = list["items"][0]["account"].as_str().or(list["items"][0]["id"].as_str()).unwrap();
    let policy = ["image", "namespace", "policy", "registry.example/acme"];
    let add = format!("{account}=release");
    net.expect(4, &by(&[&policy[..], &["--add", &add]].concat(), &borealis));
    net.expect(2, &[&policy[..], &["--add", "x=release"]].concat());
    net.expect(2, &[&policy[..], &["--add", &format!("{account}=king")]].concat());
    net.expect(0, &[&policy[..], &["--add", &add]].concat());
    let shown = net.expect(0, &policy);
    assert_eq!(shown["members"][0]["account"], account);
    net.expect(0, &[&policy[..], &["--remove", account]].concat());
    assert!(net.expect(0, &policy)["members"].as_array().unwrap().is_empty());
}
