//! A real Docker engine: what goes in and out of it is the recorded image, or nothing.

use std::{fs, process::Command};

use serde_json::json;

use super::{engine::Engine, images::Several, network::Net, registry::Registry, user::User};

/// `hanse:secret`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "hanse:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// An engine, or none where only root could start one and we are not root. Root must get one.
fn engine(user: &mut User) -> Option<Engine> {
    if !rustix::process::geteuid().is_root() {
        super::not_run("NOT RUN: only root can start a Docker engine");
        return None;
    }
    let engine = Engine::start(&user.path("engine")).expect("root can start an engine");
    user.set("DOCKER_HOST", &engine.host);
    user.set("DOCKER_CONFIG", user.path("docker"));
    Some(engine)
}

/// A registry that wants a password.
fn guarded(user: &User) -> Registry {
    let htpasswd = user.path("htpasswd");
    fs::write(&htpasswd, HTPASSWD).unwrap();
    let auth = json!({ "htpasswd": { "realm": "here", "path": htpasswd } });
    Registry::start(&user.path("registry"), &auth, &json!({}))
}

fn docker(net: &Net, args: &[&str]) -> String {
    net.tool(true, "docker", args)
}

fn id(net: &Net, name: &str) -> String {
    docker(net, &["image", "inspect", "--format", "{{.Id}} {{.RootFS.Layers}}", name])
}

/// The engine holds nothing at all.
fn empty(net: &Net) -> bool {
    docker(net, &["image", "ls", "--all", "--quiet"]).is_empty()
}

/// Whether any process was started with this path among its arguments.
fn running(path: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands.into_iter().any(|command| String::from_utf8_lossy(&command).contains(path))
}

/// Builds `app:dev` with the engine.
fn build(net: &Net) {
    let context = net.user.path("context");
    fs::create_dir_all(&context).unwrap();
    fs::write(context.join("app"), "built by docker\n").unwrap();
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY app /app\nCMD [\"/app\"]\n").unwrap();
    let mut build = Command::new("docker");
    let built = net
        .user
        .outfit(&mut build)
        .env("DOCKER_BUILDKIT", "0")
        .args(["build", "--quiet", "--tag", "app:dev"])
        .arg(&context)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[test]
fn an_engines_image_is_recorded_and_comes_back_exactly() {
    let mut net = Net::start(1);
    let Some(_engine) = engine(&mut net.user) else { return };
    let registry = guarded(&net.user);
    build(&net);
    let name = format!("{}/acme/app:v1", registry.host);
    let push = ["image", "push", "docker-daemon:app:dev", "--as", &name, "--claim"];
    let refused = net.expect(4, &push);
    assert!(refused["remedy"].as_str().unwrap().contains("docker login"), "{refused:#}");
    docker(&net, &["login", "--username", "hanse", "--password", "secret", &registry.host]);
    let pushed = net.expect(0, &push);
    let built = id(&net, "app:dev");

    // A bare name is the engine's image of that name; nothing has changed.
    docker(&net, &["tag", "app:dev", &name]);
    let again = net.expect(0, &["image", "push", &name]);
    assert_eq!((&again["digest"], &again["verdict"]), (&pushed["digest"], &"verified".into()));
    docker(&net, &["rmi", "app:dev", &name]);
    assert!(empty(&net));

    net.expect(0, &["image", "pull", &name]);
    assert_eq!(id(&net, &name), built);
    net.expect(0, &["image", "pull", &name]);
    let saved = net.user.path("saved.tar").display().to_string();
    docker(&net, &["save", "--output", &saved, &name]);
    for place in [format!("docker-archive:{saved}"), format!("docker-daemon:{name}")] {
        let verified = net.expect(0, &["image", "verify", &place, "--as", &name, "--level", "L4"]);
        assert_eq!(verified["level"], "L4", "{place}");
    }
    let elsewhere = format!("docker-daemon:{}/mirror/app:v9", registry.host);
    net.expect(0, &["image", "pull", &name, "--to", &elsewhere]);
    assert_eq!(id(&net, elsewhere.trim_start_matches("docker-daemon:")), built);

    // What docker itself pulls is the same image by the engine's own account.
    docker(&net, &["rmi", &name, elsewhere.trim_start_matches("docker-daemon:")]);
    docker(&net, &["pull", "--quiet", &name]);
    assert_eq!(id(&net, &name), built);
}

#[test]
fn what_is_refused_leaves_nothing_in_the_engine() {
    let mut net = Net::start(1);
    let Some(engine) = engine(&mut net.user) else { return };
    let registry = Registry::open(&net.user.path("registry"));
    let image = Several::new("for docker");
    let from = image.write(&net.user.path("layout"));
    let name = format!("{}/acme/app:v1", registry.host);
    net.expect(0, &["image", "push", &from, "--as", &name, "--claim"]);
    for part in [&image.platforms[0].layer, &image.platforms[0].config] {
        let digest = super::layout::digest(part);
        registry.flip(&digest);
        let (exit, refused) = net.user.json(&["image", "pull", &name]);
        assert!(exit == 15 || exit == 17, "{refused:#}");
        assert!(empty(&net), "after {digest} was altered");
        registry.flip(&digest);
    }
    // Of an index the engine gets the image of this machine's kind.
    net.expect(0, &["image", "pull", &name]);
    let kind = docker(&net, &["image", "inspect", "--format", "{{.Architecture}}", &name]);
    assert_eq!(kind, if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    net.expect(0, &["image", "verify", &format!("docker-daemon:{name}")]);
    docker(&net, &["rmi", &name]);
    net.expect(0, &["image", "revoke", &name, "--reason", "a test", "--yes"]);
    net.expect(13, &["image", "pull", &name]);
    assert!(empty(&net));
    net.expect(10, &["image", "pull", &format!("{}/acme/app:v2", registry.host)]);

    // An engine that is named and not there is not replaced by another store of images.
    drop(engine);
    let place = net.user.path("engine").display().to_string();
    assert!(!running(&place), "the engine's end is that of all it started");
    assert!(!fs::read_to_string("/proc/mounts").unwrap().contains(&place), "and of its mounts");
    let other = format!("{}/acme/app:v3", registry.host);
    let another = Several::new("another").write(&net.user.path("another"));
    net.expect(0, &["image", "push", &another, "--as", &other]);
    let gone = net.expect(20, &["image", "pull", &other]);
    assert!(gone["reason"].as_str().unwrap().contains("docker"), "{gone:#}");
    net.user.set("DOCKER_HOST", "unix:///nowhere/docker.sock");
    net.expect(3, &["image", "pull", &other]);
    net.expect(3, &["image", "push", &other]);
}
