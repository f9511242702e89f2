//! The judgement about an image: proven facts and what a registry serves in, one verdict out. Pure: no clock, no network, no disk.

use hanse_types::{Account, AccountState, Digest, Namespace, Release, ReleaseState};

use crate::{duration, exit::Exit, org::role_word, out::shown};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// As the user wrote it, for the answer.
    pub(crate) reference: String,
    /// `registry/path`.
    pub(crate) repo: String,
    /// The tag; none when a digest is asked about.
    pub(crate) tag: Option<String>,
    /// The digest asked about.
    pub(crate) digest: Option<String>,
    /// Organisation that must have signed.
    pub(crate) signer: Option<String>,
    /// Greatest age of the proven state, milliseconds.
    pub(crate) max_age_ms: Option<u64>,
    /// The time to judge by, milliseconds since the Unix epoch.
    pub(crate) now_ms: u64,
    /// True when the proof was brought by the user: it may be older than what was seen since.
    pub(crate) offline: bool,
}

/// The block whose state a proof is about, and who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
    /// Digest of the header that carries the state root.
    pub(crate) header: Digest,
    /// Height of that header.
    pub(crate) header_height: u64,
    pub(crate) signed: usize,
    pub(crate) of: usize,
    pub(crate) need: usize,
    pub(crate) epoch: u64,
}

/// All that was proven, under one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) at: Checkpoint,
    /// The namespace that covers the repository.
    pub(crate) namespace: Option<Namespace>,
    /// The tag's newest release, or the newest one that mentions the digest; with its tag.
    pub(crate) release: Option<(String, Release)>,
    /// Standing of the release's root digest, once yanked or revoked.
    pub(crate) digest_state: Option<ReleaseState>,
    /// The account that signed the release.
    pub(crate) account: Option<Account>,
}

/// What this user has seen before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Height and digest of the newest header seen.
    pub(crate) newest: Option<(u64, Digest)>,
    /// Greatest sequence number seen of the tag.
    pub(crate) seq: Option<u64>,
}

/// What the place answered for the name, and what its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    /// Nobody was asked: `--offline`.
    NotAsked,
    /// There is no such image there.
    Missing(String),
    /// The name leads to another digest than recorded.
    Other {
        digest: String,
        /// Sequence number of an earlier release with this digest; none when it was proven that there is none.
        earlier: Option<u64>,
    },
    /// The name leads to the recorded digest, and its bytes were checked so deep.
    Matches { level: String, bytes: u64 },
    /// The name leads to the recorded digest, but the bytes are not the recorded ones.
    Differs(String),
    /// What is served breaks its format or a bound.
    Malformed(String),
    /// No answer in time.
    Unreachable(String),
    /// Credentials are missing or not enough.
    Unauthorised(String),
    /// This machine: file, permission, engine.
    Environment(String),
}

/// Why there are no facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoFacts {
    /// [`Exit::Proof`], [`Exit::Malformed`], [`Exit::Unreachable`], …
    pub(crate) exit: Exit,
    pub(crate) why: String,
}

/// The answer, in CONTRACT 3's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) exit: Exit,
    /// Empty when verified.
    pub(crate) reason: String,
    /// Empty when verified.
    pub(crate) remedy: String,
    pub(crate) reference: String,
    pub(crate) digest: Option<String>,
    pub(crate) level: Option<String>,
    /// Repository, tag and release.
    pub(crate) release: Option<(String, String, Release)>,
    pub(crate) at: Option<Checkpoint>,
    pub(crate) age_ms: Option<u64>,
    pub(crate) bytes_hashed: u64,
}

/// A finding against the image: code, reason, remedy.
type Finding = (Exit, String, String);

fn finding(exit: Exit, reason: impl Into<String>, remedy: impl Into<String>) -> Finding {
    (exit, reason.into(), remedy.into())
}

/// Decides. What is worse is said first: a state that cannot be trusted before a record that is missing, a record that is
/// withdrawn before bytes that differ.
pub(crate) fn decide(
    question: &Question,
    facts: &Result<Facts, NoFacts>,
    memory: &Memory,
    observed: &Observed,
) -> Verdict {
    let mut verdict = Verdict {
        exit: Exit::Done,
        reason: String::new(),
        remedy: String::new(),
        reference: question.reference.clone(),
        digest: question.digest.clone(),
        level: None,
        release: None,
        at: None,
        age_ms: None,
        bytes_hashed: 0,
    };
    let facts = match facts {
        Ok(facts) => facts,
        Err(no) => {
            let remedy = match no.exit {
                Exit::Unreachable => "check --endpoint, and that members run (`hanse status`)",
                _ => "ask another member, and compare the trust root with somebody you trust",
            };
            return with(verdict, finding(no.exit, no.why.clone(), remedy));
        }
    };
    verdict.age_ms = Some(question.now_ms.saturating_sub(facts.at.time_ms));
    verdict.at = Some(facts.at.clone());
    if let Some((tag, release)) = &facts.release {
        verdict.digest.get_or_insert_with(|| release.content.root.digest.clone());
        verdict.release = Some((question.repo.clone(), tag.clone(), release.clone()));
    }
    let against = state_is_old(question, facts, memory)
        .or_else(|| not_recorded(question, facts))
        .or_else(|| went_back(question, facts, memory))
        .or_else(|| wrong_signer(question, facts))
        .or_else(|| withdrawn(facts));
    if let Some(against) = against {
        return with(verdict, against);
    }
    match observed {
        Observed::NotAsked => verdict.level = Some("L1".to_owned()),
        Observed::Matches { level, bytes } => {
            verdict.level = Some(level.clone());
            verdict.bytes_hashed = *bytes;
        }
        other => return with(verdict, served(facts, other)),
    }
    verdict
}

fn with(verdict: Verdict, (exit, reason, remedy): Finding) -> Verdict {
    Verdict { exit, reason, remedy, ..verdict }
}

/// Equivocation, a state older than one seen, or older than allowed.
fn state_is_old(question: &Question, facts: &Facts, memory: &Memory) -> Option<Finding> {
    let at = &facts.at;
    if let Some((height, header)) = memory.newest {
        if at.header_height == height && at.header != header {
            let reason = format!(
                "two certified blocks of height {height} exist, {header} and {}: members contradict each other",
                at.header
            );
            return Some(finding(
                Exit::Proof,
                reason,
                "keep the evidence, and tell all organisations",
            ));
        }
        if at.header_height < height && !question.offline {
            let reason = format!(
                "the ledger was shown as of height {}, but height {height} was seen before",
                at.header_height
            );
            return Some(finding(Exit::Rollback, reason, "ask another member with --endpoint"));
        }
    }
    let age = question.now_ms.saturating_sub(at.time_ms);
    if question.max_age_ms.is_some_and(|most| age > most) {
        let most = duration::shown(question.max_age_ms.unwrap_or_default());
        let reason =
            format!("the proven state is {} old, at most {most} is allowed", duration::shown(age));
        let remedy = "ask another member, fetch a newer proof, or check this machine's clock";
        return Some(finding(Exit::Rollback, reason, remedy));
    }
    None
}

fn not_recorded(question: &Question, facts: &Facts) -> Option<Finding> {
    if facts.namespace.is_none() {
        let reason = format!("nobody has claimed a namespace that covers {}", question.repo);
        let remedy = "its owner claims it with `hanse image namespace claim`";
        return Some(finding(Exit::UnknownName, reason, remedy));
    }
    if facts.release.is_some() {
        return None;
    }
    let what = match (&question.digest, &question.tag) {
        (Some(digest), _) => format!("no release of {} mentions {digest}", question.repo),
        (None, Some(tag)) => format!("{} has no release under the tag {tag}", question.repo),
        (None, None) => format!("{} has no such release", question.repo),
    };
    let reason = format!("{what}; its absence is proven");
    Some(finding(Exit::NotSigned, reason, "its publisher records it with `hanse image sign`"))
}

fn went_back(question: &Question, facts: &Facts, memory: &Memory) -> Option<Finding> {
    let (_, release) = facts.release.as_ref()?;
    let seen = memory.seq.filter(|_| question.digest.is_none())?;
    (release.seq < seen).then(|| {
        let reason = format!(
            "the newest release shown is seq {}, but seq {seen} was seen before",
            release.seq
        );
        finding(Exit::Rollback, reason, "ask another member, or fetch a newer proof")
    })
}

fn wrong_signer(question: &Question, facts: &Facts) -> Option<Finding> {
    let (_, release) = facts.release.as_ref()?;
    let remedy = "ask the owner of the namespace; `hanse image history` lists who signed what";
    let Some(account) = &facts.account else {
        let reason = format!("the signing account {} is not registered", release.account);
        return Some(finding(Exit::WrongSigner, reason, remedy));
    };
    if account.organisation != release.organisation || account.key.id() != release.account {
        let reason = "the release names another signer than the account registry";
        return Some(finding(Exit::WrongSigner, reason, remedy));
    }
    match &question.signer {
        Some(wanted) if *wanted != release.organisation => {
            let reason =
                format!("it is signed by {}, not by {}", release.organisation, shown(wanted));
            Some(finding(Exit::WrongSigner, reason, remedy))
        }
        _ => None,
    }
}

/// Revoked, yanked, or signed by a key that was declared stolen from a height at or below the release's.
fn withdrawn(facts: &Facts) -> Option<Finding> {
    let (tag, release) = facts.release.as_ref()?;
    let newer = "use a newer release; `hanse image history` lists them";
    let say = |word: &str, reason: &str, height: u64| {
        let text = format!(
            "{} (tag {tag}, seq {}) was {word} at height {height}: {}",
            release.content.root.digest,
            release.seq,
            shown(reason)
        );
        Some(finding(Exit::Revoked, text, newer))
    };
    let states = [facts.digest_state.as_ref(), Some(&release.state)];
    for state in states.iter().flatten() {
        if let ReleaseState::Revoked { reason, height } = state {
            return say("revoked", reason, *height);
        }
    }
    if let Some(Account { state: AccountState::Compromised(from), .. }) = &facts.account
        && *from <= release.height
    {
        let reason = format!(
            "it was signed at height {} by a key declared stolen from height {from} on",
            release.height
        );
        let remedy = "its publisher signs it again with another key";
        return Some(finding(Exit::Revoked, reason, remedy));
    }
    for state in states.into_iter().flatten() {
        // A release made after the yank is an explicit act that says otherwise.
        if let ReleaseState::Yanked { reason, height } = state
            && *height >= release.height
        {
            return say("yanked", reason, *height);
        }
    }
    None
}

/// What the place serves is not the recorded image, or could not be told.
fn served(facts: &Facts, observed: &Observed) -> Finding {
    let release = facts.release.as_ref().map(|(_, release)| release);
    let recorded = release.map_or("", |r| r.content.root.digest.as_str());
    let seq = release.map_or(0, |r| r.seq);
    let by_digest = "fetch the recorded digest (`hanse image pull`), and ask who runs the registry";
    match observed {
        Observed::Other { digest, earlier: Some(old) } => finding(
            Exit::Rollback,
            format!(
                "what is served is the older release seq {old} ({digest}); seq {seq} is current ({recorded})"
            ),
            by_digest,
        ),
        Observed::Other { digest, earlier: None } => finding(
            Exit::Differs,
            format!(
                "what is served is {digest}, which was never recorded here; recorded is {recorded}"
            ),
            by_digest,
        ),
        Observed::Missing(why) => finding(
            Exit::Differs,
            format!("the recorded image {recorded} is not there: {why}"),
            "push it again, or fetch it from another place",
        ),
        Observed::Differs(why) => finding(
            Exit::Differs,
            format!("the content is not the recorded one: {why}"),
            "fetch it from another place, and ask who runs the registry",
        ),
        Observed::Malformed(why) => finding(
            Exit::Malformed,
            format!("what is served breaks its format: {why}"),
            "fetch it from another place, and ask who runs the registry",
        ),
        Observed::Unreachable(why) => {
            finding(Exit::Unreachable, why.clone(), "try again; nothing is decided")
        }
        Observed::Unauthorised(why) => finding(
            Exit::NotAuthorised,
            why.clone(),
            "log in with `docker login`; nothing is decided",
        ),
        Observed::Environment(why) => {
            finding(Exit::Environment, why.clone(), "see the cause; nothing is decided")
        }
        Observed::NotAsked | Observed::Matches { .. } => {
            finding(Exit::Internal, "a match was taken for a mismatch", "report this")
        }
    }
}

impl Verdict {
    /// `verified`, `rejected`, or `undecided` when nothing could be told.
    pub(crate) fn word(&self) -> &'static str {
        match self.exit {
            Exit::Done => "verified",
            exit if (Exit::NotSigned..=Exit::Malformed).contains(&exit) => "rejected",
            _ => "undecided",
        }
    }

    /// The object of CONTRACT 3.
    pub(crate) fn json(&self, evidence: Option<&str>) -> serde_json::Value {
        let none_if_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let release = self.release.as_ref().map(|(repo, tag, release)| {
            serde_json::json!({
                "repo": repo, "tag": tag, "seq": release.seq, "height": release.height,
                "time": time(release.time_ms),
            })
        });
        let signers: Vec<serde_json::Value> = self
            .release
            .iter()
            .map(|(_, _, release)| {
                serde_json::json!({
                    "organisation": release.organisation, "account": release.account.to_string(),
                    "role": role_word(release.role),
                })
            })
            .collect();
        let at = self.at.as_ref();
        serde_json::json!({
            "v": 1, "verdict": self.word(), "code": self.exit.code(),
            "reason": none_if_empty(&self.reason), "remedy": none_if_empty(&self.remedy),
            "ref": self.reference, "digest": self.digest, "level": self.level,
            "release": release, "signers": signers,
            "quorum": at.map(|at| serde_json::json!({
                "signed": at.signed, "of": at.of, "need": at.need, "epoch": at.epoch,
            })),
            "checkpoint": at.map(|at| serde_json::json!({
                "height": at.height, "time": time(at.time_ms),
                "age_s": self.age_ms.unwrap_or_default() / 1_000,
            })),
            "bytes_hashed": self.bytes_hashed, "evidence": evidence,
        })
    }

    /// One line: who, what, when, at which height, by how many members, at which level; or why not, and what to do.
    pub(crate) fn line(&self, evidence: Option<&str>) -> String {
        let reference = shown(&self.reference);
        match (&self.release, &self.at) {
            (Some((_, _, release)), Some(at)) if self.exit == Exit::Done => format!(
                "VERIFIED {reference} -> {} seq {}, signed by {}({}), {}/{} members, height {}, checkpoint {} old, {} {}",
                short(self.digest.as_deref().unwrap_or_default()),
                release.seq,
                release.organisation,
                role_word(release.role),
                at.signed,
                at.of,
                at.height,
                duration::shown(self.age_ms.unwrap_or_default()),
                self.level.as_deref().unwrap_or("L1"),
                bytes(self.bytes_hashed),
            ),
            _ => {
                let kept = evidence.map_or_else(String::new, |file| format!("; evidence: {file}"));
                let word = self.word().to_uppercase();
                format!(
                    "{word} {reference} because {}; to fix: {}{kept}",
                    shown(&self.reason),
                    self.remedy
                )
            }
        }
    }
}

/// RFC 3339 in UTC.
fn time(ms: u64) -> Option<String> {
    let stamp = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(format!("{stamp:.3}"))
}

/// Algorithm and the first twelve digits.
fn short(digest: &str) -> String {
    match digest.split_once(':') {
        Some((algorithm, hex)) if hex.len() > 12 => format!("{algorithm}:{}..", &hex[..12]),
        _ => digest.to_owned(),
    }
}

/// Bytes for people, decimal units as docker shows them.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{}.{} kB", n / 1_000, n % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", n / 1_000_000, n % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", n / 1_000_000_000, n % 1_000_000_000 / 100_000_000),
    }
}

#[cfg(test)]
mod tests;
