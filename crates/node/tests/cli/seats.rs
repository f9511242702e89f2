//! Seats that change in a running network: real processes, and nothing but what operators have.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    user::{base_port, code, err},
    votes::Net,
};

/// How long an idle network may take to the end of its epoch when other seats wait there, on a busy machine.
const SOON: Duration = Duration::from_secs(300);

pub(crate) struct Keys {
    key: String,
    password: String,
}

impl Net {
    pub(crate) fn organisation(&self, i: usize) -> Keys {
        let entry = self.network()["organisations"][i].clone();
        let text = |field: &str| entry[field].as_str().unwrap().to_owned();
        Keys { key: text("key"), password: text("password_file") }
    }

    pub(crate) fn signed(&self, keys: &Keys, args: &[&str]) -> Value {
        let by = ["--key", &keys.key, "--password-file", &keys.password];
        let (exit, value) = self.user.json(&[args, &by].concat());
        assert_eq!(exit, 0, "{args:?}: {value}");
        value
    }

    /// Proposes as the first and approves as the others.
    fn decide(&self, voters: &[&Keys], args: &[&str]) {
        let motion = self.signed(voters[0], args)["command"].as_str().unwrap().to_owned();
        for voter in &voters[1..] {
            self.signed(voter, &["seat", "approve", &motion]);
        }
        let (exit, shown) = self.user.json(&["seat", "motion", &motion]);
        assert_eq!((exit, &shown["state"]), (0, &"passed".into()), "{shown}");
    }

    /// Waits until the committee that votes has `size` members.
    fn committee(&self, size: usize) -> Vec<String> {
        let end = Instant::now() + SOON;
        loop {
            let (exit, seats) = self.user.json(&["seat", "list"]);
            let committee = seats["committee"].as_array().cloned().unwrap_or_default();
            if exit == 0 && committee.len() == size {
                let name = |seat: &Value| seat["organisation"].as_str().unwrap().to_owned();
                return committee.iter().map(name).collect();
            }
            assert!(Instant::now() < end, "{seats}");
        }
    }
}

/// An organisation that the network does not know yet.
struct Newcomer {
    dir: PathBuf,
    http: String,
    p2p: String,
}

impl Newcomer {
    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// Makes keys and configuration as an operator does, with the founders' addresses.
    fn new(net: &Net) -> Self {
        let (dir, base) = (net.user.path("epsilon"), base_port(1));
        let (http, p2p) = (format!("127.0.0.1:{base}"), format!("127.0.0.1:{}", base + 2));
        let new = Self { dir, http, p2p };
        let to = new.dir.display().to_string();
        let init = ["node", "init", "--organisation", "epsilon", "--dir", &to];
        let made = net.user.run(&[&init[..], &["--http", &new.http, "--p2p", &new.p2p]].concat());
        assert_eq!(code(&made), 0, "{}", err(&made));
        std::fs::copy(net.dir.join("trust-root.json"), new.dir.join("trust-root.json")).unwrap();
        let peer = |i| {
            let (name, p2p) = (net.member(i)["organisation"].clone(), net.member(i)["p2p"].clone());
            format!("{} = {p2p}\n", name.as_str().unwrap())
        };
        let peers: String = (0..4).map(peer).collect();
        let config = std::fs::read_to_string(new.dir.join("config.toml")).unwrap();
        let config = config.replace("[p2p.peers]\n", &format!("[p2p.peers]\n{peers}"));
        std::fs::write(new.dir.join("config.toml"), config).unwrap();
        new
    }

    /// What the holder of its consensus key agrees to, in a file.
    fn consent(&self, net: &Net) -> String {
        let consent = net.user.path("consent.json");
        let password = self.file("consensus.password");
        let key = self.file("consensus.key");
        let agree = ["seat", "consent", &key, "--organisation", "epsilon"];
        let said = net.user.run(&[&agree[..], &["--password-file", &password]].concat());
        assert_eq!(code(&said), 0, "{}", err(&said));
        std::fs::write(&consent, &said.stdout).unwrap();
        consent.display().to_string()
    }

    fn admin(&self) -> Keys {
        Keys { key: self.file("admin.key"), password: self.file("admin.password") }
    }

    /// Starts its node, waits until it has caught up, and says so.
    fn join(&self, net: &mut Net) {
        net.start_config(&self.file("config.toml"));
        let endpoint = format!("http://{}", self.http);
        let height = net.user.json(&["status"]).1["height"].as_u64().unwrap();
        net.status_at(&endpoint, |status| status["height"].as_u64() >= Some(height));
        let (key, password) = (self.file("consensus.key"), self.file("consensus.password"));
        let by = ["--consensus", &key, "--consensus-password-file", &password];
        let at = ["--endpoint", &endpoint];
        net.signed(&self.admin(), &[&["seat", "ready"][..], &by, &at].concat());
    }
}

#[test]
fn a_fifth_member_gets_a_seat_and_votes_and_another_loses_its_own() {
    let mut net = Net::up();
    let new = Newcomer::new(&net);
    let founder = std::fs::read(new.dir.join("founder.json")).unwrap();
    let founder: Value = serde_json::from_slice(&founder).unwrap();
    let public = |what: &str| founder[what].as_str().unwrap();
    let founders: Vec<Keys> = (0..4).map(|i| net.organisation(i)).collect();
    let voters: Vec<&Keys> = founders.iter().take(3).collect();
    let consent = new.consent(&net);
    let keys = ["--admin", public("admin"), "--gateway", public("gateway")];
    let add = ["seat", "add", "--consent", &consent, "--address", &new.p2p];
    net.decide(&voters, &[&add[..], &keys].concat());
    new.join(&mut net);
    assert!(net.committee(5).contains(&"epsilon".to_owned()));

    // Four of five certify: without one of the founders nothing happens but with its vote.
    net.kill(3);
    net.put("with-its-vote");

    // What is dead is taken out, and then a second one may go.
    let gone = net.network()["organisations"][3]["name"].as_str().unwrap().to_owned();
    let epsilon = new.admin();
    let voters = [&founders[0], &founders[1], &founders[2], &epsilon];
    net.decide(&voters, &["seat", "remove", &gone]);
    assert!(!net.committee(4).contains(&gone));
    net.kill(2);
    net.put("three-of-four");

    // A proof from the founders over both changes.
    let file = net.user.path("late.hproof").display().to_string();
    let (exit, got) =
        net.user.json(&["proof", "get", "value", "acme", "three-of-four", "--to", &file]);
    assert_eq!(exit, 0, "{got}");
    let (exit, verdict) = net.user.json(&["proof", "verify", &file]);
    assert_eq!(exit, 0, "{verdict}");
}
