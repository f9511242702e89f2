//! Ports as the contract states them, and a network that is made once.

use super::*;

#[test]
fn ports_are_the_contracts() {
    assert_eq!(ports(None, 0).unwrap(), Ports { http: 8000, etcd: 2379, p2p: 7800 });
    assert_eq!(ports(None, 3).unwrap(), Ports { http: 8030, etcd: 2409, p2p: 7803 });
    assert_eq!(ports(Some(9000), 2).unwrap(), Ports { http: 9020, etcd: 9021, p2p: 9022 });
    assert!(ports(Some(65_530), 1).is_err());
}

#[test]
fn a_new_network_has_encrypted_keys_private_passwords_and_a_trust_root_that_parses() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let network = make(dir.path(), 2, Some(21_000)).unwrap();
    assert_eq!(Network::load(dir.path()).unwrap().unwrap(), network);
    let trust = crate::trust::TrustRoot::load(&network.trust_root).unwrap();
    assert_eq!(trust.chain_id().to_string(), network.chain_id);
    for organisation in &network.organisations {
        for path in [&organisation.key, &organisation.password_file] {
            let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    for member in &network.members {
        let loaded = crate::node::config::Loaded::load(&member.config).unwrap();
        assert_eq!(loaded.config.organisation, member.organisation);
    }
    clear(dir.path()).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_taken_port_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut network = make(dir.path(), 1, Some(21_100)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    network.members[0].p2p = format!("127.0.0.1:{port}");
    let failure = check_ports(&network).unwrap_err();
    assert_eq!(failure.exit, Exit::Environment);
    assert!(failure.reason().contains(&format!("port {port}")), "{}", failure.reason());
}
