//! `hanse up` and `down` with real processes: ready, killed, started again with the same data.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::user::{User, base_port, code, err, out};

fn network(dir: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(dir.join("network.json")).unwrap()).unwrap()
}

fn pids(dir: &Path) -> Vec<u64> {
    let network = network(dir);
    let members = network["members"].as_array().unwrap();
    members.iter().map(|m| m["pid"].as_u64().unwrap()).filter(|pid| *pid != 0).collect()
}

fn kill_9(pid: u64) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Ends a network also when its test fails: nothing else would.
struct Ended(std::path::PathBuf);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut down = Command::new(env!("CARGO_BIN_EXE_hanse"));
        // The test says itself whether `down` works.
        let _ended = down.args(["down", "--dir"]).arg(&self.0).output();
    }
}

fn up(user: &User, dir: &str, base: &str) {
    let output = user.run(&["up", "--detach", "--dir", dir, "--base-port", base]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(out(&output), format!("READY http://127.0.0.1:{base}\n"));
}

#[test]
fn what_was_acknowledged_survives_the_death_of_everything() {
    let mut user = User::new();
    let net = user.path("net");
    let dir = net.display().to_string();
    let base = base_port(4).to_string();
    let _ended = Ended(net.clone());
    up(&user, &dir, &base);
    user.set("HANSE_TRUST_ROOT", net.join("trust-root.json"));
    let endpoint = format!("http://127.0.0.1:{base}");
    user.set("HANSE_ENDPOINT", &endpoint);

    let (exit, status) = user.json(&["status"]);
    assert_eq!(exit, 0);
    assert!(status["height"].as_u64().unwrap() >= 1, "{status}");
    assert_eq!(status["committee"].as_array().unwrap().len(), 4);
    assert_eq!(status["chain_id"], network(&net)["chain_id"]);
    let (exit, put) = user.json(&["kv", "put", "acme", "colour", "blue"]);
    assert_eq!(exit, 0, "{put}");

    // A member, then all of them and their `up`.
    kill_9(pids(&net)[1]);
    let (exit, put) = user.json(&["kv", "put", "acme", "shape", "round"]);
    assert_eq!(exit, 0, "three of four go on: {put}");
    let supervisor = network(&net)["supervisor"].as_u64().unwrap();
    kill_9(supervisor);
    for pid in pids(&net) {
        let _maybe_gone =
            Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
    }
    up(&user, &dir, &base);
    for (key, value) in [("colour", "blue\n"), ("shape", "round\n")] {
        let got = user.run(&["kv", "get", "acme", key]);
        assert_eq!(out(&got), value, "{}", err(&got));
    }
    let file = user.path("colour.hproof").display().to_string();
    let (exit, proof) = user.json(&["proof", "get", "value", "acme", "colour", "--to", &file]);
    assert_eq!(exit, 0, "{proof}");
    let (exit, _) = user.json(&["proof", "verify", &file]);
    assert_eq!(exit, 0);

    let second = user.run(&["up", "--dir", &dir]);
    assert_eq!(code(&second), 3, "a second `up` in the same directory: {}", err(&second));
    assert_eq!(code(&user.run(&["down", "--dir", &dir])), 0);
    assert!(pids(&net).is_empty());
    assert_eq!(code(&user.run(&["down", "--dir", &dir])), 0, "nothing runs, and that is fine");
    let (exit, _) = user.json(&["proof", "verify", &file]);
    assert_eq!(exit, 0, "a proof needs no network");
    assert_eq!(user.json(&["status"]).0, 20);
}

#[test]
fn a_taken_port_is_named_and_nothing_is_left_running() {
    let user = User::new();
    let net = user.path("net");
    let dir = net.display().to_string();
    let base = base_port(4);
    let taken = TcpListener::bind(("127.0.0.1", base + 12)).unwrap();
    let base = base.to_string();
    for detach in [&[][..], &["--detach"][..]] {
        let args = [&["up", "--dir", &dir, "--base-port", &base][..], detach].concat();
        let output = user.run(&args);
        assert_eq!(code(&output), 3, "{}", err(&output));
        let port = taken.local_addr().unwrap().port().to_string();
        assert!(err(&output).contains(&port), "{}", err(&output));
        assert!(pids(&net).is_empty());
    }
}

/// Seeds defect 4B-8: there, a node asked a server far away for its own address before it started.
#[test]
fn defect_4b_8_a_network_starts_where_there_is_no_other() {
    if !rustix::process::geteuid().is_root() {
        super::not_run("NOT RUN: only root can make an empty network");
        return;
    }
    let user = User::new();
    let hanse = env!("CARGO_BIN_EXE_hanse");
    // Loopback alone: no route, no name server, no other interface. One shell, for the network ends with it.
    let script = format!(
        "ip link set lo up && test -z \"$(ip route)\" && {hanse} up --detach --dir net && {hanse} status && {hanse} down --dir net"
    );
    let mut shell = Command::new("unshare");
    shell.args(["--net", "sh", "-ec", &script]).current_dir(user.dir.path());
    let network = user.path("net").join("network.json");
    let output =
        user.outfit(&mut shell).env("HANSE_ENDPOINT", "http://127.0.0.1:8000").output().unwrap();
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).starts_with("READY http://127.0.0.1:8000\n"), "{}", out(&output));
    assert!(network.is_file());
}
