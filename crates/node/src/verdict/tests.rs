//! Every reason once, alone, and in the order in which reasons outweigh each other.

use hanse_crypto::{SigningKey, Suite};
use hanse_types::{Descriptor, ImageContent, Role};

use super::*;

const RECORDED: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const NOW: u64 = 1_800_000_000_000;

fn key() -> hanse_types::PublicKey {
    SigningKey::from_seed(Suite::Ed25519, [7; 32]).public()
}

fn question() -> Question {
    Question {
        reference: "localhost:5000/acme/app:v1".into(),
        repo: "localhost:5000/acme/app".into(),
        tag: Some("v1".into()),
        now_ms: NOW,
        max_age_ms: Some(600_000),
        ..Question::default()
    }
}

fn release() -> Release {
    let root = Descriptor { digest: RECORDED.into(), size: 500, media_type: "m".into() };
    Release {
        seq: 3,
        content: ImageContent { root, platforms: Vec::new(), attestations: Vec::new() },
        account: key().id(),
        organisation: "acme".into(),
        role: Role::Admin,
        height: 10,
        time_ms: NOW - 60_000,
        rollback: false,
        reason: String::new(),
        state: ReleaseState::Active,
    }
}

fn facts() -> Facts {
    Facts {
        at: Checkpoint {
            height: 12,
            time_ms: NOW - 2_000,
            header: Digest([1; 32]),
            header_height: 13,
            signed: 3,
            of: 4,
            need: 3,
            epoch: 0,
        },
        namespace: Some(Namespace {
            prefix: "localhost:5000/acme".into(),
            organisation: "acme".into(),
            members: Vec::new(),
            version: 1,
        }),
        release: Some(("v1".into(), release())),
        digest_state: None,
        account: Some(Account {
            key: key(),
            organisation: "acme".into(),
            roles: vec![Role::Admin],
            height: 0,
            state: AccountState::Active,
        }),
    }
}

fn matches() -> Observed {
    Observed::Matches { level: "L3".into(), bytes: 4_200_000 }
}

fn judge(change: impl FnOnce(&mut Question, &mut Facts, &mut Memory, &mut Observed)) -> Verdict {
    let (mut q, mut f, mut m, mut o) = (question(), facts(), Memory::default(), matches());
    change(&mut q, &mut f, &mut m, &mut o);
    decide(&q, &Ok(f), &m, &o)
}

fn revoked() -> ReleaseState {
    ReleaseState::Revoked { reason: "hole".into(), height: 11 }
}

fn yanked(height: u64) -> ReleaseState {
    ReleaseState::Yanked { reason: "bad build".into(), height }
}

fn release_of(facts: &mut Facts) -> &mut Release {
    &mut facts.release.as_mut().unwrap().1
}

#[test]
fn a_good_image_is_verified_in_one_line() {
    let verdict = judge(|_, _, _, _| {});
    assert_eq!(
        verdict.line(None),
        "VERIFIED localhost:5000/acme/app:v1 -> sha256:aaaaaaaaaaaa.. seq 3, signed by acme(admin), \
         3/4 members, height 12, checkpoint 2 s old, L3 4.2 MB"
    );
    let json = verdict.json(None);
    assert_eq!(json["verdict"], "verified");
    assert_eq!(json["code"], 0);
    assert_eq!(json["release"]["seq"], 3);
    assert_eq!(json["quorum"]["need"], 3);
    assert_eq!(json["checkpoint"]["age_s"], 2);
}

#[test]
fn the_json_has_exactly_the_contracts_fields_whatever_happens() {
    let names = [
        "v",
        "verdict",
        "code",
        "reason",
        "remedy",
        "ref",
        "digest",
        "level",
        "release",
        "signers",
        "quorum",
        "checkpoint",
        "bytes_hashed",
        "evidence",
    ];
    let none = Err(NoFacts { exit: Exit::Unreachable, why: "x".into() });
    let nothing = decide(&question(), &none, &Memory::default(), &matches());
    for verdict in [judge(|_, _, _, _| {}), nothing] {
        let json = verdict.json(Some("e"));
        let mut found: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut wanted = names.to_vec();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }
}

/// One change, the exit it must give.
type Case = (&'static str, Exit, fn(&mut Question, &mut Facts, &mut Memory, &mut Observed));

/// Single causes, the weightiest first.
const CASES: &[Case] = &[
    ("equivocation", Exit::Proof, |_, _, m, _| m.newest = Some((13, Digest([2; 32])))),
    ("older than seen", Exit::Rollback, |_, _, m, _| m.newest = Some((14, Digest([2; 32])))),
    ("too old", Exit::Rollback, |_, f, _, _| f.at.time_ms = NOW - 600_001),
    ("no namespace", Exit::UnknownName, |_, f, _, _| f.namespace = None),
    ("no release", Exit::NotSigned, |_, f, _, _| f.release = None),
    ("older seq than seen", Exit::Rollback, |_, _, m, _| m.seq = Some(4)),
    ("unregistered signer", Exit::WrongSigner, |_, f, _, _| f.account = None),
    ("other organisation", Exit::WrongSigner, |_, f, _, _| {
        f.account.as_mut().unwrap().organisation = "evil".into();
    }),
    ("unexpected signer", Exit::WrongSigner, |q, _, _, _| q.signer = Some("borealis".into())),
    ("revoked digest", Exit::Revoked, |_, f, _, _| f.digest_state = Some(revoked())),
    ("revoked release", Exit::Revoked, |_, f, _, _| release_of(f).state = revoked()),
    ("stolen key", Exit::Revoked, |_, f, _, _| {
        f.account.as_mut().unwrap().state = AccountState::Compromised(10);
    }),
    ("yanked digest", Exit::Revoked, |_, f, _, _| f.digest_state = Some(yanked(11))),
    ("yanked release", Exit::Revoked, |_, f, _, _| release_of(f).state = yanked(11)),
    ("older release served", Exit::Rollback, |_, _, _, o| {
        *o = Observed::Other { digest: OTHER.into(), earlier: Some(2) };
    }),
    ("unrecorded served", Exit::Differs, |_, _, _, o| {
        *o = Observed::Other { digest: OTHER.into(), earlier: None };
    }),
    ("gone", Exit::Differs, |_, _, _, o| *o = Observed::Missing("404".into())),
    ("altered layer", Exit::Differs, |_, _, _, o| *o = Observed::Differs("layer".into())),
    ("malformed", Exit::Malformed, |_, _, _, o| *o = Observed::Malformed("json".into())),
    ("no answer", Exit::Unreachable, |_, _, _, o| *o = Observed::Unreachable("gone".into())),
    ("no credentials", Exit::NotAuthorised, |_, _, _, o| *o = Observed::Unauthorised("401".into())),
    ("no engine", Exit::Environment, |_, _, _, o| *o = Observed::Environment("none".into())),
];

#[test]
fn every_single_cause_has_its_code_reason_and_remedy() {
    for (name, exit, change) in CASES {
        let verdict = judge(change);
        assert_eq!(verdict.exit, *exit, "{name}: {}", verdict.reason);
        assert!(!verdict.reason.is_empty() && !verdict.remedy.is_empty(), "{name}");
        assert!(!verdict.line(None).starts_with("VERIFIED"), "{name}");
        let word = if *exit >= Exit::NotSigned && *exit <= Exit::Malformed {
            "rejected"
        } else {
            "undecided"
        };
        assert_eq!(verdict.word(), word, "{name}");
    }
}

#[test]
fn of_any_two_causes_the_weightier_one_is_told() {
    for (i, (first, exit, heavy)) in CASES.iter().enumerate() {
        for (second, _, light) in &CASES[i + 1..] {
            // Two of these overwrite one another, or need what the other removes.
            let verdict = judge(|q, f, m, o| {
                light(q, f, m, o);
                if f.account.is_some() && f.release.is_some() {
                    heavy(q, f, m, o);
                }
            });
            assert_ne!(verdict.exit, Exit::Done, "{first} + {second}");
            if *exit == Exit::Proof && facts_are_whole(second) {
                assert_eq!(verdict.exit, Exit::Proof, "{first} + {second}: {}", verdict.reason);
            }
        }
    }
}

/// Cases that leave the memory of the equivocation alone.
fn facts_are_whole(name: &str) -> bool {
    !matches!(name, "unregistered signer" | "no release")
}

#[test]
fn no_facts_keep_their_own_code() {
    for exit in [Exit::Proof, Exit::Malformed, Exit::Unreachable] {
        let none = Err(NoFacts { exit, why: "because".into() });
        let verdict = decide(&question(), &none, &Memory::default(), &matches());
        assert_eq!((verdict.exit, verdict.reason.as_str()), (exit, "because"));
    }
}

#[test]
fn what_was_signed_before_a_theft_or_retirement_stays_good() {
    for state in [AccountState::Compromised(11), AccountState::Retired(10)] {
        let verdict = judge(|_, f, _, _| f.account.as_mut().unwrap().state = state);
        assert_eq!(verdict.exit, Exit::Done, "{state:?}");
    }
}

#[test]
fn a_release_made_after_a_yank_is_good_after_a_revocation_never() {
    assert_eq!(judge(|_, f, _, _| f.digest_state = Some(yanked(9))).exit, Exit::Done);
    let early = ReleaseState::Revoked { reason: "x".into(), height: 1 };
    assert_eq!(judge(|_, f, _, _| f.digest_state = Some(early)).exit, Exit::Revoked);
}

#[test]
fn a_saved_proof_may_be_older_than_what_was_seen_but_not_than_a_release_that_was() {
    let verdict = judge(|q, _, m, o| {
        q.offline = true;
        m.newest = Some((99, Digest([9; 32])));
        *o = Observed::NotAsked;
    });
    assert_eq!((verdict.exit, verdict.level.as_deref()), (Exit::Done, Some("L1")));
    let verdict = judge(|q, _, m, _| {
        q.offline = true;
        m.seq = Some(4);
    });
    assert_eq!(verdict.exit, Exit::Rollback);
}

#[test]
fn without_a_greatest_age_nothing_is_too_old() {
    let verdict = judge(|q, f, _, _| {
        q.max_age_ms = None;
        f.at.time_ms = 0;
    });
    assert_eq!(verdict.exit, Exit::Done);
}

#[test]
fn an_older_release_asked_for_by_digest_is_no_rollback() {
    let verdict = judge(|q, _, m, _| {
        q.tag = None;
        q.digest = Some(RECORDED.into());
        m.seq = Some(4);
    });
    assert_eq!(verdict.exit, Exit::Done);
}

#[test]
fn foreign_text_cannot_drive_the_terminal() {
    let verdict = judge(|_, f, _, _| {
        f.digest_state = Some(ReleaseState::Revoked { reason: "a\u{1b}[2Jb".into(), height: 11 });
    });
    assert!(!verdict.line(None).contains('\u{1b}'));
}
