//! What clients ask for.

use hanse_crypto::sha256;
use hanse_types::{
    Action, Compare, CompareOp, CompareTarget, Descriptor, Evidence, Grant, ImageAction,
    ImageContent, KvAction, KvOp, Platform, PlatformImage, SpaceAction,
};

use crate::{MEMBERS, dice::Dice, genesis::name};

/// The space everybody writes.
pub(crate) const COMMON: &str = "common";
/// Keys in use: few, so that clients meet.
const KEYS: u64 = 200;
/// The publisher's prefix and repository.
const PREFIX: &str = "registry.example/org0";
const REPO: &str = "registry.example/org0/app";

/// One question.
pub(crate) struct Work {
    pub(crate) signed: bool,
    pub(crate) action: Action,
    /// What it puts and nothing else does.
    pub(crate) value: Option<Vec<u8>>,
}

/// The space of one organisation.
pub(crate) fn own(member: usize) -> String {
    format!("own-{}", name(member))
}

/// What has to be there before clients start: who asks for what.
pub(crate) fn stage() -> Vec<(usize, Action)> {
    let mut actions = vec![(0, create(COMMON.to_owned()))];
    let grants =
        (1..MEMBERS).map(|member| Grant { organisation: name(member), least: Evidence::Session });
    let grants = SpaceAction::SetGrants { name: COMMON.to_owned(), grants: grants.collect() };
    actions.push((0, Action::Space(grants)));
    actions.extend((0..MEMBERS).map(|member| (member, create(own(member)))));
    let claim = ImageAction::Claim { prefix: PREFIX.to_owned() };
    actions.push((0, Action::Image(claim)));
    actions
}

fn create(name: String) -> Action {
    Action::Space(SpaceAction::Create { name })
}

fn key(dice: &mut Dice) -> Vec<u8> {
    format!("key/{:04}", dice.below(KEYS)).into_bytes()
}

/// The `turn`th question of a client. Client 0 publishes images, the others write keys.
pub(crate) fn next(dice: &mut Dice, client: u32, home: usize, turn: u64) -> Work {
    if client == 0 {
        let action = Action::Image(publish(dice, turn));
        return Work { signed: true, action, value: None };
    }
    // Some write where they may not: refusals have receipts too.
    let space = match dice.below(20) {
        0 => own((home + 1) % MEMBERS),
        1..8 => own(home),
        _ => COMMON.to_owned(),
    };
    let mut value = format!("{client}/{turn}/").into_bytes();
    let length = 20 + usize::try_from(dice.below(236)).expect("small");
    value.extend(dice.bytes(length));
    let signed = dice.chance(300);
    let (kv, value) = match dice.below(10) {
        0 => {
            let range_end = if dice.chance(200) { b"key/0009".to_vec() } else { Vec::new() };
            (KvAction::Delete { space, key: key(dice), range_end }, None)
        }
        1 | 2 => {
            let key = key(dice);
            let target = CompareTarget::Version(dice.below(3));
            let compares = vec![Compare { key: key.clone(), op: CompareOp::Equal, target }];
            let success = vec![KvOp::Put { key: key.clone(), value: value.clone() }];
            let failure = vec![KvOp::Delete { key, range_end: Vec::new() }];
            (KvAction::Txn { space, compares, success, failure }, Some(value))
        }
        _ => (KvAction::Put { space, key: key(dice), value: value.clone() }, Some(value)),
    };
    Work { signed, action: Action::Kv(kv), value }
}

fn digest(of: &str) -> String {
    format!("sha256:{}", sha256(of.as_bytes()))
}

fn descriptor(of: &str, media_type: &str) -> Descriptor {
    let (digest, size) = (digest(of), 1_000);
    Descriptor { digest, size, media_type: media_type.to_owned() }
}

/// A release of one of three tags, now and then with a wrong number, now and then a yank.
fn publish(dice: &mut Dice, turn: u64) -> ImageAction {
    let repo = REPO.to_owned();
    if turn > 10 && dice.chance(50) {
        let digest = digest(&format!("manifest {}", turn - 5));
        return ImageAction::Yank { repo, digest, reason: "simulated".to_owned() };
    }
    let manifest =
        descriptor(&format!("manifest {turn}"), "application/vnd.oci.image.manifest.v1+json");
    let platform = PlatformImage {
        platform: Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: String::new(),
        },
        manifest: manifest.clone(),
        config: descriptor(&format!("config {turn}"), "application/vnd.oci.image.config.v1+json"),
        diff_ids: vec![digest(&format!("diff {turn}"))],
        layers: vec![descriptor(
            &format!("layer {turn}"),
            "application/vnd.oci.image.layer.v1.tar+gzip",
        )],
    };
    let content =
        ImageContent { root: manifest, platforms: vec![platform], attestations: Vec::new() };
    // Each turn is a release of its own tag, so that the number is known without asking.
    let seq = if dice.chance(100) { 2 } else { 1 };
    let tag = format!("v{turn}");
    ImageAction::Record { repo, tag, content, seq, rollback: false, reason: String::new() }
}
