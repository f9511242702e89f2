//! containers-storage, as podman, buildah and skopeo keep images, through skopeo.

use std::{fs, process::Command};

use super::{layout::Made, network::Net, registry::Registry};

/// A storage of this user's own, which skopeo finds by the environment.
fn storage(net: &mut Net) {
    let folder = |name: &str| net.user.path("storage").join(name).display().to_string();
    let text = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
        folder("root"),
        folder("run")
    );
    let file = net.user.path("storage.conf");
    fs::write(&file, text).unwrap();
    net.user.set("CONTAINERS_STORAGE_CONF", &file);
}

/// Whether the storage has an image of this name.
fn has(net: &Net, name: &str) -> bool {
    let mut skopeo = Command::new("skopeo");
    let place = format!("containers-storage:{name}");
    let looked = net.user.outfit(&mut skopeo).args(["inspect", "--raw", &place]).output().unwrap();
    looked.status.success()
}

#[test]
fn containers_storage_is_pulled_to_verified_and_pushed_from() {
    if !rustix::process::geteuid().is_root() {
        super::not_run("NOT RUN: containers-storage of others than root needs user namespaces");
        return;
    }
    let mut net = Net::start(1);
    storage(&mut net);
    let registry = Registry::open(&net.user.path("registry"));
    let image = Made::new("for podman\n");
    let layout = net.user.path("layout");
    image.write(&layout, "app").unwrap();
    let from = format!("oci:{}:app", layout.display());
    let name = format!("{}/acme/app:v1", registry.host);
    let place = format!("containers-storage:{name}");
    net.expect(0, &["image", "push", &from, "--as", &name, "--claim"]);

    let missing = net.expect(3, &["image", "verify", &place]);
    assert_eq!(missing["verdict"], "undecided", "{missing:#}");
    let layer = super::layout::digest(&image.layer);
    registry.flip(&layer);
    net.expect(15, &["image", "pull", &name, "--to", &place]);
    assert!(!has(&net, &name), "a refused pull leaves nothing");
    registry.flip(&layer);

    net.expect(0, &["image", "pull", &name, "--to", &place]);
    assert!(has(&net, &name));
    let saved = net.user.path("saved.tar").display().to_string();
    let archive = format!("docker-archive:{saved}");
    net.tool(true, "skopeo", &["copy", "--insecure-policy", &place, &archive]);
    for place in [&place, &archive] {
        net.expect(0, &["image", "verify", place, "--as", &name, "--level", "L4"]);
    }

    // On from the storage, under another name.
    let other = format!("{}/acme/other:v1", registry.host);
    net.expect(0, &["image", "push", &place, "--as", &other]);
    net.expect(0, &["image", "verify", &other]);
    net.expect(0, &["image", "verify", &place, "--as", &other]);

    // Somebody puts another image there under the name.
    let evil = net.user.path("evil");
    Made::new("not for podman\n").write(&evil, "app").unwrap();
    let evil = format!("oci:{}:app", evil.display());
    net.tool(true, "skopeo", &["copy", "--insecure-policy", &evil, &place]);
    net.expect(15, &["image", "verify", &place]);
    net.expect(0, &["image", "pull", &name, "--to", &place]);
    net.expect(0, &["image", "verify", &place]);
}
