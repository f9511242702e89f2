//! `hanse image verify`: proven facts, what the place serves, one verdict.

use clap::Args;
use hanse_image::ImageRef;

use super::{
    BeliefArgs, Named, PlaceArgs,
    ask::{self, Answer, Asker, AtLeast, NoAnswer},
    facts::Subject,
    now, observe,
    observe::Comparison,
    seen::Seen,
    tell,
};
use crate::{
    client::Client,
    exit::{Exit, Failure},
    home::{self, Home},
    out::Out,
    trust::TrustRoot,
    verdict::{self, Facts, Memory, NoFacts, Observed, Question, Verdict},
};

/// Arguments of `hanse image verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Image, by one of skopeo's transports; without one, a registry's.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Name of the record, for a place that carries none.
    #[arg(long = "as", value_name = "REGISTRY/REPO:TAG")]
    name: Option<String>,
    #[command(flatten)]
    pub(crate) belief: BeliefArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What is known before any byte of the image is read.
pub(crate) struct Inquiry<'a> {
    pub(crate) question: Question,
    pub(crate) memory: Memory,
    pub(crate) answer: Result<Answer, NoAnswer>,
    /// None when offline.
    asker: Option<Asker<'a>>,
}

/// Verifies, tells, and gives the verdict's exit code.
///
/// # Errors
/// For usage and this machine; everything about the image is a verdict.
pub(crate) async fn run(args: VerifyArgs, home: &Home, out: Out) -> Result<Exit, Failure> {
    let named = Named::parse(&args.reference, args.name.as_deref())?;
    let trust = TrustRoot::find(&args.belief.trust, home)?;
    let inquiry = inquire(&named, &args.belief, &trust, home).await?;
    let offline = args.belief.offline.is_some();
    let observed = match &inquiry.answer {
        Ok(answer) if !(offline && matches!(named.place, ImageRef::Registry(_))) => {
            inquiry.look(&named, &answer.facts, &args.belief, &args.place).await?
        }
        _ => Observed::NotAsked,
    };
    conclude(inquiry, &observed, &args.belief, home, out)
}

/// Gets the facts, and remembers them.
///
/// # Errors
/// For this machine: the memory cannot be read, no members are named.
pub(crate) async fn inquire<'a>(
    named: &Named,
    belief: &BeliefArgs,
    trust: &'a TrustRoot,
    home: &'a Home,
) -> Result<Inquiry<'a>, Failure> {
    let digest = named.name.digest().map(ToString::to_string);
    let tag = if digest.is_some() { None } else { named.name.tag().map(str::to_owned) };
    let question = Question {
        reference: named.text.clone(),
        repo: named.repo(),
        tag,
        digest,
        signer: belief.signer.clone(),
        max_age_ms: belief
            .max_age_ms()
            .or(trust.file.max_age_ms.filter(|_| belief.offline.is_none())),
        now_ms: now(),
        offline: belief.offline.is_some(),
    };
    let seen = Seen::new(home, trust.chain_id());
    let memory = seen.recall(&question.repo, question.tag.as_deref())?;
    let tag = question.tag.as_deref().unwrap_or("latest");
    let subject = question.digest.as_deref().map_or(Subject::Tag(tag), Subject::Digest);
    let (asker, answer) = match &belief.offline {
        Some(pack) => (None, ask::saved(pack, trust, &question.repo, subject)),
        None => {
            let asker = Asker { client: Client::connect(&belief.connect)?, trust, home };
            let header = memory.newest.map_or(0, |(height, _)| height);
            let answer = asker.about(&question.repo, subject, AtLeast { header, state: 0 }).await;
            (Some(asker), answer)
        }
    };
    if let Ok(Answer { facts, .. }) = &answer {
        let known = facts.release.as_ref().filter(|_| question.tag.is_some());
        let known = known.map(|(tag, release)| (question.repo.as_str(), tag.as_str(), release.seq));
        // Not before it is judged against what was seen: a second block of one height must not replace the first.
        let contradicts = memory.newest.is_some_and(|(height, header)| {
            height == facts.at.header_height && header != facts.at.header
        });
        if !contradicts {
            seen.remember(&facts.at, known)?;
        }
    }
    // Waiting for facts takes time; their age is judged when they are there.
    let question = Question { now_ms: now(), ..question };
    Ok(Inquiry { question, memory, answer, asker })
}

impl Inquiry<'_> {
    /// Looks at the place, unless the facts alone already decide.
    ///
    /// # Errors
    /// When the record holds a malformed digest.
    async fn look(
        &self,
        named: &Named,
        facts: &Facts,
        belief: &BeliefArgs,
        how: &PlaceArgs,
    ) -> Result<Observed, Failure> {
        let before =
            verdict::decide(&self.question, &Ok(facts.clone()), &self.memory, &Observed::NotAsked);
        let Some((_, release)) = facts.release.as_ref().filter(|_| before.exit == Exit::Done)
        else {
            return Ok(Observed::NotAsked);
        };
        let expected = observe::expected(release, self.question.digest.as_deref())?;
        let place = &named.place;
        let comparison = Comparison { place, expected, level: belief.level, how };
        Ok(self.date(facts, observe::observe(&comparison).await).await)
    }

    /// Says of another digest than the recorded one whether it was recorded earlier.
    async fn date(&self, facts: &Facts, observed: Observed) -> Observed {
        let Observed::Other { digest, .. } = observed else {
            return observed;
        };
        let tag = facts.release.as_ref().map(|(tag, _)| tag.as_str());
        match (&self.asker, tag) {
            (Some(asker), Some(tag)) => {
                match asker.earlier(&self.question.repo, tag, &digest).await {
                    Ok(earlier) => Observed::Other { digest, earlier },
                    // It is another image all the same.
                    Err(no) => Observed::Differs(format!(
                        "it is {digest}; whether that was recorded earlier could not be told: {}",
                        no.no.why
                    )),
                }
            }
            _ => Observed::Differs(format!("it is {digest}")),
        }
    }
}

/// Decides, keeps proof or evidence, and tells.
///
/// # Errors
/// When the proof cannot be saved.
pub(crate) fn conclude(
    inquiry: Inquiry<'_>,
    observed: &Observed,
    belief: &BeliefArgs,
    home: &Home,
    out: Out,
) -> Result<Exit, Failure> {
    let Inquiry { question, memory, answer, .. } = inquiry;
    let (facts, proof, mut evidence): (Result<Facts, NoFacts>, _, _) = match answer {
        Ok(Answer { facts, proof }) => (Ok(facts), Some(proof), None),
        Err(NoAnswer { no, evidence }) => (Err(no), None, evidence),
    };
    let verdict: Verdict = verdict::decide(&question, &facts, &memory, observed);
    if let (Some(path), Some(proof)) = (&belief.save_proof, &proof) {
        home::write_public(path, proof)?;
    }
    if verdict.exit == Exit::Proof && evidence.is_none() {
        evidence = proof.as_deref().and_then(|proof| ask::keep(home, proof));
    }
    Ok(tell(out, &verdict, evidence.as_deref()))
}
