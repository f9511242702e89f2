//! Registries that want to know who asks: passwords, tokens, certificates, and where none of them may go.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::{
    http::{Answer, Server},
    layout::{Made, digest},
    network::Net,
    registry::Registry,
    tokens::{Algorithm, Tokens, openssl},
};

/// `hanse:secret`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "hanse:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
/// Base64 of hanse:secret, hanse:wrong and reader:secret.
const RIGHT: &str = "aGFuc2U6c2VjcmV0";
const WRONG: &str = "aGFuc2U6d3Jvbmc=";
const READER: &str = "cmVhZGVyOnNlY3JldA==";

/// Writes Docker's config.json with one entry.
fn log_in(net: &mut Net, registry: &str, auth: &str) {
    let dir = net.user.path("docker");
    fs::create_dir_all(&dir).unwrap();
    let config = json!({ "auths": { registry: { "auth": auth } } });
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    net.user.set("DOCKER_CONFIG", &dir);
}

/// An image in a layout: the reference to it.
fn layout(net: &Net, text: &str) -> (Made, String) {
    let made = Made::new(text);
    let dir = net.user.path(&format!("layout-{}", &made.digest()[7..15]));
    made.write(&dir, "app").unwrap();
    (made, format!("oci:{}:app", dir.display()))
}

/// An authority, and a certificate of it for 127.0.0.1.
fn certify(dir: &Path) -> [String; 3] {
    let file = |name: &str| dir.join(name).display().to_string();
    let [ca, ca_key] = ["ca.pem", "ca.key"].map(file);
    let [pem, key, request] = ["tls.pem", "tls.key", "tls.csr"].map(file);
    let extensions = file("tls.ext");
    fs::write(&extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=ours", "-keyout", &ca_key];
    openssl(&[&authority[..], &ec, &["-out", &ca]].concat());
    let ask = ["req", "-subj", "/CN=registry", "-keyout", &key, "-out", &request];
    openssl(&[&ask[..], &ec].concat());
    let sign = ["x509", "-req", "-days", "2", "-in", &request, "-CA", &ca, "-CAkey", &ca_key];
    openssl(&[&sign[..], &["-CAcreateserial", "-extfile", &extensions, "-out", &pem]].concat());
    [ca, pem, key]
}

#[test]
fn a_password_goes_to_a_registry_whose_own_authority_is_named() {
    let mut net = Net::start(1);
    let [ca, pem, key] = certify(net.user.dir.path());
    let htpasswd = net.user.path("htpasswd");
    fs::write(&htpasswd, HTPASSWD).unwrap();
    let auth = json!({ "htpasswd": { "realm": "here", "path": htpasswd } });
    let tls = json!({ "certificate": pem, "key": key });
    let registry = Registry::start(&net.user.path("registry"), &auth, &tls);
    let (_, image) = layout(&net, "behind a password\n");
    let name = format!("{}/acme/app:v1", registry.host);
    let push = ["image", "push", &image, "--as", &name, "--claim"];
    let with_ca = [&push[..], &["--registry-ca", &ca]].concat();

    let unknown = net.expect(20, &push);
    assert_eq!(unknown["verdict"], "undecided", "an authority nobody named: {unknown:#}");
    net.expect(4, &with_ca);
    log_in(&mut net, "registry.example", RIGHT);
    let refused = net.expect(4, &with_ca);
    assert!(refused.to_string().contains("docker login"), "{refused:#}");
    log_in(&mut net, &registry.host, WRONG);
    let refused = net.expect(4, &with_ca);
    assert!(!refused.to_string().contains("wrong"), "no password is shown: {refused:#}");
    let login = ["login", "--username", "hanse", "--password", "secret", "--cert-dir"];
    let certificates = net.user.path("certificates");
    fs::create_dir_all(&certificates).unwrap();
    fs::copy(&ca, certificates.join("ca.crt")).unwrap();
    // The file that other people's tools write.
    let config = net.user.path("docker/config.json").display().to_string();
    let certificates = certificates.display().to_string();
    let rest = [certificates.as_str(), "--authfile", config.as_str(), registry.host.as_str()];
    net.tool(true, "skopeo", &[&login[..], &rest].concat());
    net.expect(0, &with_ca);
    net.expect(0, &["image", "verify", &name, "--registry-ca", &ca]);
    // A reader's word for trusting an authority everywhere.
    net.user.set("SSL_CERT_FILE", &ca);
    net.expect(0, &["image", "verify", &name]);
    net.user.unset("SSL_CERT_FILE");
    let [other, ..] = certify(&net.user.path("certificates"));
    net.expect(20, &["image", "verify", &name, "--registry-ca", &other]);
    fs::write(net.user.path("none.pem"), "no certificate").unwrap();
    let none = net.user.path("none.pem").display().to_string();
    net.expect(3, &["image", "verify", &name, "--registry-ca", &none]);
}

#[test]
fn tokens_are_got_where_the_registry_says_and_bound_to_what_is_done() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let mut net = Net::start(1);
        let tokens = Tokens::start(&net.user.path("tokens"), algorithm);
        let registry = Registry::start(&net.user.path("registry"), &tokens.auth(), &json!({}));
        let (_, image) = layout(&net, "behind a token\n");
        let name = format!("{}/acme/private/app:v1", registry.host);
        let public = format!("{}/acme/public/app:v1", registry.host);
        let push = ["image", "push", &image, "--as", &name, "--claim"];
        net.expect(4, &push);
        for wrong in [WRONG, READER] {
            log_in(&mut net, &registry.host, wrong);
            net.expect(4, &push);
        }
        log_in(&mut net, &registry.host, RIGHT);
        net.expect(0, &push);
        net.expect(0, &["image", "push", &image, "--as", &public, "--claim"]);
        net.expect(0, &["image", "sign", &name]);
        log_in(&mut net, &registry.host, READER);
        net.expect(0, &["image", "verify", &name]);
        fs::remove_dir_all(net.user.path("docker")).unwrap();
        net.expect(0, &["image", "verify", &public]);
        net.expect(4, &["image", "verify", &name]);
        let seen = tokens.server.seen();
        let pushes = seen.iter().filter(|s| s.query("scope").iter().any(|s| s.contains("push")));
        assert!(pushes.count() > 0, "the scope says what is to be done");
        assert!(seen.iter().all(|seen| seen.method == "GET"), "{seen:?}");
    }
}

#[test]
fn credentials_and_requests_go_nowhere_else() {
    let mut net = Net::start(1);
    let thief = Server::start(|_| Answer::Say("200 OK", Vec::new(), "stolen".to_owned()));
    let htpasswd = net.user.path("htpasswd");
    fs::write(&htpasswd, HTPASSWD).unwrap();
    let auth = json!({ "htpasswd": { "realm": "here", "path": htpasswd } });
    let registry = Registry::start(&net.user.path("registry"), &auth, &json!({}));
    let (made, image) = layout(&net, "sent on\n");
    let layer = digest(&made.layer);

    // A front that sends requests for the layer elsewhere; by `?direct` it answers itself.
    let places = [
        (format!("http://{}/layer", thief.address), 20),
        (format!("http://localhost:{}/layer", thief.address.port()), 20),
        ("http://169.254.169.254/latest/meta-data".to_owned(), 20),
        ("https://127.0.0.1:1/layer".to_owned(), 20),
        ("file:///etc/passwd".to_owned(), 20),
        ("?direct".to_owned(), 0),
    ];
    for (target, exit) in places {
        let (upstream, to, path) =
            (registry.host.clone(), target.clone(), format!("/blobs/{layer}"));
        let front = Server::start(move |seen| {
            if seen.method == "GET" && seen.target.ends_with(&path) {
                return Answer::Say(
                    "307 Temporary Redirect",
                    vec![("Location", to.clone())],
                    String::new(),
                );
            }
            Answer::Pass(upstream.clone())
        });
        let host = front.address.to_string();
        log_in(&mut net, &host, RIGHT);
        let name = format!("{host}/acme/app:v1");
        net.expect(0, &["image", "push", &image, "--as", &name, "--claim"]);
        let verdict = net.expect(exit, &["image", "verify", &name]);
        if exit != 0 {
            assert!(verdict["reason"].as_str().unwrap().contains("refused"), "{verdict:#}");
        }
    }

    // A token server elsewhere gets no request, so no password either.
    let realm = format!("Bearer realm=\"http://localhost:{}/token\"", thief.address.port());
    let asking = Server::start(move |_| {
        Answer::Say("401 Unauthorized", vec![("WWW-Authenticate", realm.clone())], String::new())
    });
    let host = asking.address.to_string();
    log_in(&mut net, &host, RIGHT);
    net.expect(20, &["image", "sign", &format!("{host}/acme/app:v1"), "--claim"]);
    assert!(thief.seen().is_empty(), "{:?}", thief.seen());
}

#[test]
fn a_helper_that_docker_names_gives_the_credentials() {
    let mut net = Net::start(1);
    let htpasswd = net.user.path("htpasswd");
    fs::write(&htpasswd, HTPASSWD).unwrap();
    let auth = json!({ "htpasswd": { "realm": "here", "path": htpasswd } });
    let registry = Registry::start(&net.user.path("registry"), &auth, &json!({}));
    let bin = net.user.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let helper = bin.join("docker-credential-test");
    let script = net.user.path("script");
    // It reads what it is asked first, as the protocol of helpers says: who writes to one that is already gone gets EPIPE.
    let says = "#!/bin/sh\ncat >/dev/null\necho '{\"Username\":\"hanse\",\"Secret\":\"secret\"}'\n";
    fs::write(&script, says).unwrap();
    // Put in place by another process: a child that another test forks meanwhile would hold our file open for writing, and
    // what is open for writing cannot be run.
    let installed = Command::new("install").args(["-m", "755"]).args([&script, &helper]).status();
    assert!(installed.unwrap().success());
    let docker = net.user.path("docker");
    fs::create_dir_all(&docker).unwrap();
    let config = json!({ "credHelpers": { &registry.host: "test" } });
    fs::write(docker.join("config.json"), config.to_string()).unwrap();
    net.user.set("DOCKER_CONFIG", &docker);
    let (_, image) = layout(&net, "by a helper\n");
    let name = format!("{}/acme/app:v1", registry.host);
    let mut push = net.user.command(&["image", "push", &image, "--as", &name, "--claim"]);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let pushed = push.env("PATH", path).output().unwrap();
    assert_eq!(pushed.status.code(), Some(0), "{}", String::from_utf8_lossy(&pushed.stderr));
    let mut verify: Command = net.user.command(&["image", "verify", &name]);
    let nowhere = verify.env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(4), "{}", String::from_utf8_lossy(&nowhere.stdout));
}
