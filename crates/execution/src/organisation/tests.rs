//! Who may be registered.

use hanse_types::{
    Action, OrganisationAction, PublicKey, Refusal, Role, Signature, StateKey, Status,
};

use crate::testkit::{Kit, acme, key};

/// The point of order 1, the same in an encoding that is not canonical, and a point of order 8.
fn weak_keys() -> [PublicKey; 3] {
    [
        "ed25519:0100000000000000000000000000000000000000000000000000000000000000",
        "ed25519:0100000000000000000000000000000000000000000000000000000000000080",
        "ed25519:26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ]
    .map(|text| text.parse().expect("a constant"))
}

/// Seeds defect 4A-5: for a key of small order the proof of possession can be made without possessing anything.
#[test]
fn seed_4a_5_a_key_anybody_can_sign_with_is_not_registered() {
    let mut kit = Kit::new();
    // R is the point of order 1 and s is zero: under ZIP-215 this is such a key's signature of everything.
    let mut forged = [0; 64];
    forged[0] = 1;
    let proof = Signature::Ed25519(forged);
    for key in weak_keys() {
        assert!(key.verify("hanse/possession/v1", b"acme", &proof), "the forgery is one");
        let account = OrganisationAction::AddAccount { key, roles: vec![Role::Release], proof };
        let gateway = OrganisationAction::AddGateway { key };
        for action in [account, gateway] {
            let status = kit.act(&acme(), Action::Organisation(action));
            assert_eq!(status, Status::Refused(Refusal::WeakKey), "{key}");
        }
        assert!(kit.world.get(&StateKey::Account(key.id()).encode()).is_none());
        assert!(kit.world.get(&StateKey::Gateway(key.id()).encode()).is_none());
    }
    // What is no key at all cannot be a gateway's either.
    let no_point = OrganisationAction::AddGateway { key: PublicKey::P256([9; 33]) };
    let status = kit.act(&acme(), Action::Organisation(no_point));
    assert_eq!(status, Status::Refused(Refusal::WeakKey));
    let sound = OrganisationAction::AddGateway { key: key(60).public() };
    assert_eq!(kit.act(&acme(), Action::Organisation(sound)), Status::Done);
}
