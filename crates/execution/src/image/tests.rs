//! Names have owners, tags have one sequence, and a stolen or withdrawn image stays withdrawn.

use hanse_types::{
    AccountState, Action, Descriptor, ImageContent, OrganisationAction, Platform, PlatformImage,
    Status,
};

use super::*;
use crate::testkit::{Kit, acme, borealis, key};

const REPO: &str = "registry.example/acme/app";

fn digest(n: u8) -> String {
    format!("sha256:{}", hanse_types::Digest([n; 32]))
}

fn descriptor(n: u8) -> Descriptor {
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    Descriptor { digest: digest(n), size: 100, media_type }
}

fn content(n: u8) -> ImageContent {
    let platform =
        Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
    let image = PlatformImage {
        platform,
        manifest: descriptor(n),
        config: descriptor(100),
        diff_ids: vec![digest(101)],
        layers: vec![descriptor(102)],
    };
    ImageContent { root: descriptor(n), platforms: vec![image], attestations: Vec::new() }
}

fn record(n: u8, seq: u64) -> Action {
    record_as(n, seq, false, "")
}

fn record_as(n: u8, seq: u64, rollback: bool, reason: &str) -> Action {
    Action::Image(ImageAction::Record {
        repo: REPO.to_owned(),
        tag: "v1".to_owned(),
        content: content(n),
        seq,
        rollback,
        reason: reason.to_owned(),
    })
}

fn claim(prefix: &str) -> Action {
    Action::Image(ImageAction::Claim { prefix: prefix.to_owned() })
}

fn claimed() -> Kit {
    let mut kit = Kit::new();
    assert_eq!(kit.act(&acme(), claim("registry.example/acme")), Status::Done);
    kit
}

fn tag(kit: &Kit) -> Tag {
    kit.world.read(&StateKey::Tag { repo: REPO, tag: "v1" }).expect("recorded")
}

#[test]
fn a_name_has_one_owner_above_and_below() {
    let mut kit = claimed();
    for taken in ["registry.example/acme", "registry.example/acme/app"] {
        assert_eq!(kit.act(&borealis(), claim(taken)), Status::Refused(Refusal::Exists), "{taken}");
    }
    assert_eq!(kit.act(&borealis(), claim("registry.example/acmes")), Status::Done);
    // Nothing above somebody's name can be taken either.
    assert_eq!(kit.act(&borealis(), claim("registry.example/deep/er")), Status::Done);
    assert_eq!(kit.act(&acme(), claim("registry.example/deep")), Status::Refused(Refusal::Exists));
    for bad in ["", "nohost", "h//a", "h/A", "h/a/", "h/a b", "h/..", "H/a"] {
        assert_eq!(kit.act(&acme(), claim(bad)), Status::Refused(Refusal::Malformed), "{bad}");
    }
}

#[test]
fn defect_4b_10_sequence_is_monotone_and_history_stays() {
    let mut kit = claimed();
    assert_eq!(kit.act(&acme(), record(1, 1)), Status::Done);
    assert_eq!(kit.act(&acme(), record(1, 2)), Status::Unchanged, "saying it again is no release");
    assert_eq!(kit.act(&acme(), record(2, 1)), Status::Refused(Refusal::Conflict));
    assert_eq!(kit.act(&acme(), record(2, 3)), Status::Refused(Refusal::Conflict));
    assert_eq!(kit.act(&acme(), record(2, 2)), Status::Done);
    assert_eq!(tag(&kit).current.seq, 2);
    let first: Release = kit
        .world
        .read(&StateKey::Release { repo: REPO, tag: "v1", seq: 1 })
        .expect("history stays");
    assert_eq!(first.content, content(1));
}

#[test]
fn going_back_must_be_said() {
    let mut kit = claimed();
    kit.act(&acme(), record(1, 1));
    kit.act(&acme(), record(2, 2));
    assert_eq!(kit.act(&acme(), record(1, 3)), Status::Refused(Refusal::Rollback));
    assert_eq!(kit.act(&acme(), record_as(1, 3, true, " ")), Status::Refused(Refusal::Malformed));
    assert_eq!(kit.act(&acme(), record_as(3, 3, true, "why")), Status::Refused(Refusal::Malformed));
    assert_eq!(kit.act(&acme(), record_as(1, 3, true, "v2 leaks")), Status::Done);
    assert!(tag(&kit).current.rollback);
}

#[test]
fn only_the_owner_and_its_members_release() {
    let mut kit = claimed();
    assert_eq!(kit.act(&borealis(), record(1, 1)), Status::Refused(Refusal::NotAuthorised));
    let members = vec![NamespaceMember { account: borealis().public().id(), role: Role::Ci }];
    let set = |version| {
        let (prefix, members) = ("registry.example/acme".to_owned(), members.clone());
        Action::Image(ImageAction::SetMembers { prefix, members, version })
    };
    assert_eq!(kit.act(&acme(), set(7)), Status::Refused(Refusal::Conflict));
    assert_eq!(kit.act(&borealis(), set(1)), Status::Refused(Refusal::NotAuthorised));
    assert_eq!(kit.act(&acme(), set(1)), Status::Done);
    assert_eq!(kit.act(&borealis(), record(1, 1)), Status::Done);
    let current = tag(&kit).current;
    assert_eq!((current.organisation.as_str(), current.role), ("borealis", Role::Ci));
    // A build machine's role does not withdraw images.
    let (repo, digest, reason) = (REPO.to_owned(), digest(1), "bad".to_owned());
    let revoke = Action::Image(ImageAction::Revoke { repo, digest, reason });
    assert_eq!(kit.act(&borealis(), revoke), Status::Refused(Refusal::NotAuthorised));
}

#[test]
fn unclaimed_names_cannot_be_recorded() {
    let mut kit = Kit::new();
    assert_eq!(kit.act(&acme(), record(1, 1)), Status::Refused(Refusal::NotFound));
}

#[test]
fn revocation_marks_every_release_and_is_never_taken_back() {
    let mut kit = claimed();
    kit.act(&acme(), record(1, 1));
    kit.act(&acme(), record(2, 2));
    let mark = |n: u8, revoke: bool, reason: &str| {
        let (repo, digest, reason) = (REPO.to_owned(), digest(n), reason.to_owned());
        Action::Image(if revoke {
            ImageAction::Revoke { repo, digest, reason }
        } else {
            ImageAction::Yank { repo, digest, reason }
        })
    };
    assert_eq!(kit.act(&acme(), mark(9, true, "no")), Status::Refused(Refusal::NotFound));
    assert_eq!(kit.act(&acme(), mark(2, true, "")), Status::Refused(Refusal::Malformed));
    assert_eq!(kit.act(&acme(), mark(2, false, "broken")), Status::Done);
    assert!(matches!(tag(&kit).current.state, ReleaseState::Yanked { .. }));
    assert_eq!(kit.act(&acme(), mark(2, true, "stolen")), Status::Done);
    assert!(matches!(tag(&kit).current.state, ReleaseState::Revoked { .. }));
    assert_eq!(kit.act(&acme(), mark(2, false, "milder")), Status::Unchanged);
    assert_eq!(kit.act(&acme(), record_as(2, 3, true, "again")), Status::Refused(Refusal::Revoked));
}

#[test]
fn defect_4b_10_a_stolen_key_signs_nothing_more() {
    let mut kit = claimed();
    let ci = key(50);
    let proof = ci.sign("hanse/possession/v1", b"acme");
    let add = OrganisationAction::AddAccount { key: ci.public(), roles: vec![Role::Ci], proof };
    let stolen_proof =
        OrganisationAction::AddAccount { key: key(51).public(), roles: vec![Role::Ci], proof };
    assert_eq!(
        kit.act(&acme(), Action::Organisation(stolen_proof)),
        Status::Refused(Refusal::NotAuthorised),
        "a key is registered only with its holder's consent"
    );
    assert_eq!(kit.act(&acme(), Action::Organisation(add)), Status::Done);
    let account = ci.public().id();
    let members = vec![NamespaceMember { account, role: Role::Ci }];
    let prefix = "registry.example/acme".to_owned();
    kit.act(&acme(), Action::Image(ImageAction::SetMembers { prefix, members, version: 1 }));
    assert_eq!(kit.act(&ci, record(1, 1)), Status::Done);
    let bad = OrganisationAction::CompromiseAccount { account, from_height: 2 };
    assert_eq!(kit.act(&acme(), Action::Organisation(bad)), Status::Done);
    assert_eq!(kit.act(&ci, record(2, 2)), Status::Refused(Refusal::UnknownSigner));
    let known: hanse_types::Account = kit.world.read(&StateKey::Account(account)).expect("kept");
    assert_eq!(known.state, AccountState::Compromised(2));
}

#[test]
fn unsound_content_is_refused() {
    let mut kit = claimed();
    let mut bad: Vec<ImageContent> = Vec::new();
    let mut change = |f: fn(&mut ImageContent)| {
        let mut c = content(1);
        f(&mut c);
        bad.push(c);
    };
    change(|c| c.root.digest = "md5:00".into());
    change(|c| c.root.digest = c.root.digest.to_uppercase());
    change(|c| c.root.size = u64::MAX);
    change(|c| c.root.media_type.clear());
    change(|c| c.platforms.clear());
    change(|c| c.platforms.push(c.platforms[0].clone()));
    change(|c| c.platforms[0].diff_ids = vec!["sha256:..".into()]);
    change(|c| c.platforms[0].layers = vec![descriptor(5); 257]);
    change(|c| c.platforms[0].platform.os = "x".repeat(65));
    for content in bad {
        let (repo, tag) = (REPO.to_owned(), "v1".to_owned());
        let action = ImageAction::Record {
            repo,
            tag,
            content,
            seq: 1,
            rollback: false,
            reason: String::new(),
        };
        assert_eq!(kit.act(&acme(), Action::Image(action)), Status::Refused(Refusal::Malformed));
    }
    for bad in ["", ".a", "-a", "a b", &"a".repeat(129)] {
        assert!(!names::is_tag(bad), "{bad}");
    }
}
