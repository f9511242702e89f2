//! Tests of which addresses may be spoken to.

use std::net::IpAddr;

use reqwest::Url;

use super::{Network, Reach, is_loopback_name};
use crate::registry::RegistryOptions;

#[test]
fn only_the_public_internet_is_public() {
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "2002:808:808::1",
    ];
    let other = [
        "0.0.0.0",
        "10.0.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "fec0::1",
        "2001:db8::1",
        "2001::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "3fff::1",
        "100::1",
    ];
    for text in public {
        let address: IpAddr = text.parse().unwrap();
        assert!(Reach::Public.allows(address), "{text}");
    }
    for text in other {
        let address: IpAddr = text.parse().unwrap();
        assert!(!Reach::Public.allows(address), "{text}");
        assert!(Reach::Any.allows(address), "{text}");
    }
}

#[test]
fn private_reach_leaves_out_this_machine_and_link_local_services() {
    for text in ["10.0.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "8.8.8.8", "::ffff:10.0.0.1"] {
        assert!(Reach::Private.allows(text.parse().unwrap()), "{text}");
    }
    for text in
        ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:169.254.169.254"]
    {
        assert!(!Reach::Private.allows(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn a_peer_leads_to_nothing_more_internal_than_itself() {
    let cases = [
        ("8.8.8.8", Reach::Public),
        ("10.1.1.1", Reach::Private),
        ("127.0.0.1", Reach::Any),
        ("::1", Reach::Any),
    ];
    for (peer, reach) in cases {
        assert_eq!(Reach::of(peer.parse().unwrap()), reach, "{peer}");
    }
}

#[test]
fn addresses_in_urls_are_checked_in_every_spelling() {
    let network = Network::new(&RegistryOptions::default()).unwrap();
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://10.0.0.1:8443/x",
        "https://169.254.169.254/latest",
        "https://0/",
        "https://[fe80::1]/",
        "https://LOCALHOST/",
        "https://localhost./",
    ] {
        let url = Url::parse(url).unwrap();
        // A name with a final dot is only known when it is resolved.
        let by_name = url.host_str() == Some("localhost.");
        assert_eq!(network.elsewhere(&url, Reach::Public).is_err(), !by_name, "{url}");
    }
    assert!(network.elsewhere(&Url::parse("https://1.1.1.1/").unwrap(), Reach::Public).is_ok());
}

#[test]
fn loopback_is_known_by_name() {
    for (url, expected) in [
        ("https://localhost:5000/", true),
        ("https://127.0.0.1/", true),
        ("https://127.8.8.8/", true),
        ("https://[::1]:5000/", true),
        ("https://localhost.example/", false),
        ("https://10.0.0.1/", false),
    ] {
        assert_eq!(is_loopback_name(&Url::parse(url).unwrap()), expected, "{url}");
    }
}
