//! Images of several platforms in a real registry, brought there by skopeo and by ourselves.

use super::{images::Several, layout::digest, network::Net, registry::Registry};

#[test]
fn every_platform_and_attestation_of_an_index_is_read_and_one_altered_byte_is_found() {
    let net = Net::start(1);
    let registry = Registry::open(&net.user.path("registry"));
    let image = Several::new("several");
    let from = image.write(&net.user.path("several"));
    let name = format!("{}/acme/app:v1", registry.host);

    // Somebody else's client brings it there, we record what is there.
    let to = format!("docker://{name}");
    // Without this it writes the index anew, in an order of its own.
    let keep = "--preserve-digests";
    let copy = ["copy", "--insecure-policy", "--all", keep, "--dest-tls-verify=false", &from, &to];
    net.tool(true, "skopeo", &copy);
    net.expect(11, &["image", "verify", &name]);
    let signed = net.expect(0, &["image", "sign", &name, "--claim"]);
    assert_eq!(signed["digest"], image.digest());
    let bytes: usize = image.index.len() + image.blobs().iter().map(|b| b.len()).sum::<usize>();
    let verified = net.expect(0, &["image", "verify", &name]);
    assert_eq!(verified["bytes_hashed"], bytes, "each byte of each platform, once");
    assert_eq!(verified["release"]["seq"], 1);

    // Whatever part is altered, whichever platform it belongs to.
    for blob in image.blobs() {
        let digest = digest(blob);
        registry.flip(&digest);
        let (exit, found) = net.user.json(&["image", "verify", &name]);
        // A flipped bit may also break a document's form.
        assert!(exit == 15 || exit == 17, "{digest}: {found:#}");
        let into = net.user.path("refused");
        let to = format!("oci:{}", into.display());
        let (exit, found) = net.user.json(&["image", "pull", &name, "--to", &to]);
        assert!(exit == 15 || exit == 17, "{digest}: {found:#}");
        assert!(!into.exists(), "a refused pull leaves nothing");
        registry.flip(&digest);
    }
    let layer = digest(&image.platforms[1].layer);
    registry.flip(&layer);
    let found = net.expect(15, &["image", "verify", &name]);
    assert!(found["reason"].as_str().unwrap().contains(&layer), "{found:#}");
    registry.flip(&layer);

    // One platform of it can be asked about by its digest.
    let one = format!("{}/acme/app@{}", registry.host, image.platforms[1].digest());
    let verified = net.expect(0, &["image", "verify", &one]);
    assert_eq!(verified["digest"], image.platforms[1].digest());

    // The whole of it arrives, and can be pushed on under another name by ourselves.
    let copy = format!("oci:{}:app", net.user.path("copy").display());
    net.expect(0, &["image", "pull", &name, "--to", &copy]);
    let other = format!("{}/acme/other:v1", registry.host);
    let pushed = net.expect(0, &["image", "push", &copy, "--as", &other]);
    assert_eq!(pushed["digest"], image.digest());
    let verified = net.expect(0, &["image", "verify", &other, "--level", "L4"]);
    assert_eq!((&verified["digest"], &verified["level"]), (&pushed["digest"], &"L4".into()));
    let raw = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{other}")];
    assert_eq!(net.tool(true, "skopeo", &raw).into_bytes(), image.index);
    assert_eq!(registry.read(&image.digest()), image.index);
}
