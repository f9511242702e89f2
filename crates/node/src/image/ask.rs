//! Getting proven facts: from members, whose word counts for nothing, or from a saved proof.

use std::{path::Path, time::Duration};

use hanse_proof::Verified;
use hanse_types::{Release, StateKey, decode};

use super::facts::{self, NotYet, Subject};
use crate::{
    client::{Client, ClientError},
    exit::{Exit, Failure},
    home::{self, Home},
    out::{note, shown},
    proof::{self, after_prefix, lookup_path, range_path},
    trust::{self, TrustRoot},
    verdict::{Facts, NoFacts},
};

/// Rounds of "this key too": tag, then account and standing; one more for a tag that changed in between.
const ROUNDS_MAX: usize = 6;
/// How often an answer that is older than what is known is asked for again; a lagging member catches up in a second.
const PATIENCE: u32 = 20;
/// Time between two such questions.
const PAUSE: Duration = Duration::from_millis(500);
/// Releases that mention one digest and are looked at; the newest of them are.
const USES_MAX: usize = 16;

/// Facts with the proof they rest on.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) facts: Facts,
    /// Bytes of the `.hproof`.
    pub(crate) proof: Vec<u8>,
}

/// How new an answer must be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtLeast {
    /// Height of the header that carries the state root.
    pub(crate) header: u64,
    /// Height the state is that of.
    pub(crate) state: u64,
}

/// Somebody who asks members and believes proofs.
pub(crate) struct Asker<'a> {
    pub(crate) client: Client,
    pub(crate) trust: &'a TrustRoot,
    pub(crate) home: &'a Home,
}

/// Why there is no answer, and the file that shows it.
#[derive(Clone, Debug)]
pub(crate) struct NoAnswer {
    pub(crate) no: NoFacts,
    pub(crate) evidence: Option<String>,
}

impl NoAnswer {
    fn new(exit: Exit, why: impl Into<String>) -> Self {
        Self { no: NoFacts { exit, why: why.into() }, evidence: None }
    }
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self::new(failure.exit, failure.reason())
    }
}

impl From<NoAnswer> for Failure {
    fn from(no: NoAnswer) -> Self {
        let kept = no.evidence.map_or_else(String::new, |file| format!(" (evidence: {file})"));
        Self::new(no.no.exit, format!("{}{kept}", no.no.why))
    }
}

impl Asker<'_> {
    /// The newest facts about `subject`, at least as new as `least` if any member has them.
    ///
    /// # Errors
    /// [`Exit::Proof`] when no member gives a proof that holds, [`Exit::Unreachable`] when none answers.
    pub(crate) async fn about(
        &self,
        repo: &str,
        subject: Subject<'_>,
        least: AtLeast,
    ) -> Result<Answer, NoAnswer> {
        let mut newest: Option<Answer> = None;
        for attempt in 0..PATIENCE {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let answer = self.once(repo, subject).await?;
            let at = &answer.facts.at;
            if at.header_height >= least.header && at.height >= least.state {
                return Ok(answer);
            }
            newest = Some(answer);
        }
        newest.ok_or_else(|| NoAnswer::new(Exit::Unreachable, "no member answered"))
    }

    async fn once(&self, repo: &str, subject: Subject<'_>) -> Result<Answer, NoAnswer> {
        let uses = match subject {
            Subject::Tag(_) => Vec::new(),
            Subject::Digest(digest) => self.uses(repo, digest).await?,
        };
        let mut keys = facts::first_keys(repo, subject, &uses);
        for _ in 0..ROUNDS_MAX {
            let (verified, proof) = self.fetch(&lookup_path(&keys)).await?;
            match facts::read(&verified, repo, subject) {
                Ok(facts) => return Ok(Answer { facts, proof }),
                Err(NotYet::Missing(more)) if more.iter().any(|key| !keys.contains(key)) => {
                    keys.extend(more);
                }
                Err(NotYet::Missing(_)) => {
                    let why = "the member's proof leaves out what was asked";
                    return Err(self.evidence(&proof, Exit::Proof, why));
                }
                Err(NotYet::Unreadable(what)) => {
                    let why = format!("the ledger's record of a {what} is of a later version");
                    return Err(NoAnswer::new(Exit::Malformed, why));
                }
            }
        }
        Err(NoAnswer::new(Exit::Unreachable, "the record changes faster than it can be read"))
    }

    /// Releases that mention `digest`, completely or the newest of each tag; proven.
    async fn uses(&self, repo: &str, digest: &str) -> Result<Vec<(String, u64)>, NoAnswer> {
        let prefix = StateKey::prefix(9, &[repo, digest]);
        let keys = self.keys(&prefix).await?;
        let found = keys.iter().filter_map(|key| facts::tag_and_seq(&key[prefix.len()..]));
        let mut uses: Vec<(String, u64)> = found.collect();
        uses.sort_by_key(|(_, seq)| std::cmp::Reverse(*seq));
        uses.truncate(USES_MAX);
        Ok(uses)
    }

    /// The newest release of `tag` whose root was `digest`; none when it is proven that there is none.
    ///
    /// # Errors
    /// As [`Self::about`].
    pub(crate) async fn earlier(
        &self,
        repo: &str,
        tag: &str,
        digest: &str,
    ) -> Result<Option<u64>, NoAnswer> {
        let prefix = StateKey::prefix(9, &[repo, digest, tag]);
        let keys = self.keys(&prefix).await?;
        let seqs = keys.iter().filter_map(|key| key.get(prefix.len()..)?.try_into().ok());
        Ok(seqs.map(u64::from_be_bytes).max())
    }

    /// All releases of a tag, or of all tags, oldest first; complete, as proven.
    ///
    /// # Errors
    /// As [`Self::about`].
    pub(crate) async fn releases(
        &self,
        repo: &str,
        tag: Option<&str>,
    ) -> Result<(Verified, Vec<(String, Release)>, Vec<u8>), NoAnswer> {
        let all = StateKey::prefix(8, &[repo]);
        let prefix = tag.map_or_else(|| all.clone(), |tag| StateKey::prefix(8, &[repo, tag]));
        let path = range_path(&prefix, &after_prefix(prefix.clone()));
        let (verified, proof) = self.fetch(&path).await?;
        let mut releases = Vec::new();
        for (key, value) in entries(&verified, &prefix)? {
            let release = value.and_then(|bytes| decode(bytes).ok());
            let tag = facts::tag_and_seq(key.get(all.len()..).unwrap_or_default());
            let (Some(release), Some((tag, _))) = (release, tag) else {
                return Err(NoAnswer::new(
                    Exit::Malformed,
                    "a release on the ledger cannot be read",
                ));
            };
            releases.push((tag, release));
        }
        Ok((verified, releases, proof))
    }

    async fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, NoAnswer> {
        let path = range_path(prefix, &after_prefix(prefix.to_vec()));
        let (verified, _) = self.fetch(&path).await?;
        Ok(entries(&verified, prefix)?.into_iter().map(|(key, _)| key.to_vec()).collect())
    }

    /// A proof that holds, from the first member that gives one. Those that do not hold are kept as evidence.
    pub(crate) async fn fetch(&self, path: &str) -> Result<(Verified, Vec<u8>), NoAnswer> {
        let mut client = self.client.clone();
        let mut worst: Option<NoAnswer> = None;
        for _ in 0..self.client.endpoints().count() {
            match client.get(path).await {
                Ok(bytes) => match self.trust.verify(&bytes) {
                    Ok(verified) => return Ok((verified, bytes)),
                    Err(error) => {
                        let whose = client.endpoints().next().unwrap_or_default();
                        let why = format!(
                            "the proof from {whose} does not hold ({}): {error}",
                            error.code()
                        );
                        let no = self.evidence(&bytes, trust::exit_of(error), &why);
                        note(format_args!("warning: {}", shown(&no.no.why)));
                        worst = Some(no);
                    }
                },
                Err(ClientError::Unreachable(why)) if worst.is_none() => {
                    return Err(NoAnswer::new(
                        Exit::Unreachable,
                        format!("no member answered: {why}"),
                    ));
                }
                Err(ClientError::Unreachable(_)) => break,
                Err(other) => {
                    let failure = Failure::from(other);
                    worst.get_or_insert_with(|| NoAnswer::from(failure));
                }
            }
            client = client.rotated();
        }
        Err(worst.unwrap_or_else(|| NoAnswer::new(Exit::Unreachable, "no member answered")))
    }

    /// Keeps what does not hold where it can be shown to others.
    pub(crate) fn evidence(&self, proof: &[u8], exit: Exit, why: &str) -> NoAnswer {
        let evidence = keep(self.home, proof);
        NoAnswer { no: NoFacts { exit, why: why.to_owned() }, evidence }
    }
}

/// Keeps bytes as evidence; a full disk is no reason to hide the verdict.
pub(crate) fn keep(home: &Home, bytes: &[u8]) -> Option<String> {
    let dir = home.evidence();
    let name = format!("{}.hproof", &hanse_crypto::sha256(bytes).to_string()[..16]);
    let path = dir.join(name);
    let kept = home::private_dir(&dir).and_then(|()| home::write_private(&path, bytes));
    match kept {
        Ok(()) => Some(path.display().to_string()),
        Err(failure) => {
            note(format_args!("warning: the evidence could not be kept: {}", failure.reason()));
            None
        }
    }
}

/// Facts from a saved proof. Nobody is asked.
///
/// # Errors
/// [`Exit::Proof`] and [`Exit::Malformed`] for the proof, [`Exit::NotSigned`] is never concluded from a proof about something else.
pub(crate) fn saved(
    pack: &Path,
    trust: &TrustRoot,
    repo: &str,
    subject: Subject<'_>,
) -> Result<Answer, NoAnswer> {
    let proof = proof::read(pack)?;
    let verified = trust.verify(&proof).map_err(|error| NoAnswer {
        no: NoFacts {
            exit: trust::exit_of(error),
            why: format!("the saved proof does not hold ({}): {error}", error.code()),
        },
        evidence: Some(pack.display().to_string()),
    })?;
    match facts::read(&verified, repo, subject) {
        Ok(facts) if facts.release.is_some() || matches!(subject, Subject::Tag(_)) => {
            Ok(Answer { facts, proof })
        }
        Ok(_) | Err(NotYet::Missing(_)) => {
            let why = "the saved proof is about something else than what is asked";
            Err(NoAnswer::new(Exit::Proof, why))
        }
        Err(NotYet::Unreadable(what)) => Err(NoAnswer::new(
            Exit::Malformed,
            format!("the record of a {what} is of a later version"),
        )),
    }
}

/// Key and disclosed value.
type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// The entries of a range proof, which must cover all keys with `prefix`: a member might prove another range.
fn entries<'a>(verified: &'a Verified, prefix: &[u8]) -> Result<Vec<Entry<'a>>, NoAnswer> {
    let entries =
        verified.claim.range(prefix, &after_prefix(prefix.to_vec())).ok_or_else(|| {
            NoAnswer::new(Exit::Proof, "the member proved another range than was asked")
        })?;
    Ok(entries.iter().map(|e| (e.record.key.as_slice(), e.value.as_deref())).collect())
}
