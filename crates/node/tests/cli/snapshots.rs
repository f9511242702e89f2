//! Whole states, with real processes: saved, checked, restored, and taken over from other members.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    user::{code, err},
    votes::Net,
};

impl Net {
    fn height(&self, i: u16) -> u64 {
        self.status(i, |_| true)["height"].as_u64().unwrap()
    }

    fn epoch(&self, i: u16) -> u64 {
        self.status(i, |_| true)["epoch"].as_u64().unwrap()
    }

    /// Goes to the next epoch, which is more blocks than a state has to be worth.
    fn hurry(&self) {
        let epoch = self.epoch(0);
        self.signed(&self.organisation(0), &["seat", "hurry"]);
        self.status(0, |status| status["epoch"].as_u64().unwrap() > epoch);
    }

    fn save(&self, name: &str) -> (String, u64) {
        let file = self.user.path(name).display().to_string();
        let (exit, saved) = self.user.json(&["snapshot", "save", &file]);
        assert_eq!((exit, &saved["verdict"]), (0, &"saved".into()), "{saved}");
        (file, saved["height"].as_u64().unwrap())
    }

    fn verify(&self, file: &str) -> (i32, Value) {
        self.user.json(&["snapshot", "verify", file])
    }

    /// What a member answers for a key, read from its own state, once a block was certified since it started.
    fn get(&self, i: usize, key: &str) -> Value {
        let endpoint = self.member(i)["http"].as_str().unwrap().to_owned();
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let (exit, got) = self.user.json(&["kv", "get", "acme", key, "--endpoint", &endpoint]);
            if exit == 0 {
                return got;
            }
            assert!(exit == 20 && Instant::now() < end, "{got}");
        }
    }

    fn wipe(&self, i: usize) {
        fs::remove_dir_all(self.path(i, "data")).unwrap();
    }
}

fn log_says(log: &Path, words: &str) -> bool {
    fs::read_to_string(log).unwrap().contains(words)
}

#[test]
fn defect_4a_20_a_saved_state_is_checked_offline_and_restored() {
    let mut net = Net::up();
    for i in 0..20 {
        net.put(&format!("key-{i}"));
    }
    let (file, height) = net.save("backup.hsnap");
    let (exit, held) = net.verify(&file);
    assert_eq!((exit, &held["verdict"]), (0, &"verified".into()), "{held}");
    assert_eq!((&held["height"], &held["quorum"]["need"]), (&height.into(), &3.into()));
    assert!(held["records"].as_u64().unwrap() > 20, "{held}");
    assert!(held["signers"].as_array().unwrap().len() >= 3);
    damaged_files_are_refused(&net, &file);

    // A directory that holds anything is not restored into.
    let config = net.path(3, "config").display().to_string();
    let restore = ["snapshot", "restore", file.as_str(), "--config", config.as_str()];
    net.kill(3);
    let output = net.user.run(&restore);
    assert_eq!(code(&output), 3, "{}", err(&output));
    net.wipe(3);
    let (exit, restored) = net.user.json(&restore);
    assert_eq!((exit, &restored["verdict"]), (0, &"restored".into()), "{restored}");
    assert_eq!(restored["state_root"], held["state_root"]);

    // It goes on from there, serves, and votes again from the next epoch on.
    net.put("meanwhile");
    let log = net.start_logged(3, &["--verifier-only"]);
    let height = net.height(0);
    net.status(3, |status| status["height"].as_u64().unwrap() >= height);
    assert!(!log_says(&log, "taking over a state"));
    assert_eq!(net.get(3, "key-7"), net.get(0, "key-7"));
    assert_eq!(net.get(3, "meanwhile"), net.get(0, "meanwhile"));
    net.hurry();
    let epoch = net.epoch(0);
    net.status(3, |status| status["epoch"].as_u64().unwrap() >= epoch);
    net.kill(2);
    net.put("with-its-vote-again");
}

fn damaged_files_are_refused(net: &Net, file: &str) {
    let good = fs::read(file).unwrap();
    let bad = net.user.path("bad.hsnap");
    let path = bad.display().to_string();
    let head = 12 + u32::from_le_bytes(good[8..12].try_into().unwrap()) as usize;
    // In what says what it is, in the proof, in the data, at its end.
    for at in [0, 200, head + 100, good.len() - 1] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        fs::write(&bad, changed).unwrap();
        let (exit, said) = net.verify(&path);
        assert!(exit == 16 || exit == 17, "byte {at}: {said}");
    }
    for length in [0, 11, 100, head, good.len() - 1] {
        fs::write(&bad, &good[..length]).unwrap();
        let (exit, said) = net.verify(&path);
        assert!(exit == 16 || exit == 17, "{length} bytes: {said}");
    }
    fs::write(&bad, [&good[..], b"x"].concat()).unwrap();
    assert_eq!(net.verify(&path).0, 17, "more than it says");
    // Another chain's founders.
    let founder = net.user.path("founder").display().to_string();
    let init = ["node", "init", "--organisation", "acme", "--dir", &founder];
    assert_eq!(code(&net.user.run(&init)), 0);
    let (root, founder) =
        (net.user.path("other.json").display().to_string(), format!("{founder}/founder.json"));
    let genesis = ["node", "genesis", "--name", "x", "--to", &root, &founder];
    assert_eq!(code(&net.user.run(&genesis)), 0);
    let (exit, said) = net.user.json(&["snapshot", "verify", file, "--trust-root", &root]);
    assert_eq!(exit, 16, "{said}");
    let (exit, said) = net.verify(&net.user.path("none.hsnap").display().to_string());
    assert_eq!(exit, 3, "{said}");
}

#[test]
fn a_wiped_member_takes_over_the_state_of_another() {
    let mut net = Net::up();
    for i in 0..10 {
        net.put(&format!("key-{i}"));
    }
    net.hurry();
    net.put("late");
    let (_, height) = net.save("backup.hsnap");
    assert!(height > 200, "{height}");
    net.kill(3);
    net.wipe(3);
    net.put("meanwhile");
    let log = net.start_logged(3, &["--verifier-only"]);
    let newest = net.height(0);
    net.status(3, |status| status["height"].as_u64().unwrap() >= newest);
    assert!(log_says(&log, "taking over a state"), "{}", fs::read_to_string(&log).unwrap());
    for key in ["key-7", "late", "meanwhile"] {
        assert_eq!(net.get(3, key), net.get(0, key));
    }
    // It hands out what it took over, and starts from it the next time.
    let endpoint = net.member(3)["http"].as_str().unwrap().to_owned();
    let file = net.user.path("second.hsnap").display().to_string();
    let (exit, saved) = net.user.json(&["snapshot", "save", &file, "--endpoint", &endpoint]);
    assert_eq!(exit, 0, "{saved}");
    assert_eq!(net.verify(&file).0, 0);
    net.end_last();
    net.put("again-meanwhile");
    let log = net.start_logged(3, &["--verifier-only"]);
    let newest = net.height(0);
    net.status(3, |status| status["height"].as_u64().unwrap() >= newest);
    assert!(!log_says(&log, "taking over a state"));
    assert_eq!(net.get(3, "again-meanwhile"), net.get(0, "again-meanwhile"));
}
