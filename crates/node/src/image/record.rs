//! `hanse image push` and `sign`: what an image is, said once by its publisher, for everybody.

use std::sync::Arc;

use clap::Args;
use hanse_image::{
    CheckOptions, Description, EngineName, Expected, ImageRef, Level, Purpose, PushOptions, Source,
    check, describe,
};
use hanse_types::{Action, ImageAction, ImageContent, ReleaseState};

use super::{
    Changing, Named, PlaceArgs,
    ask::{Asker, AtLeast},
    content,
    facts::Subject,
    now, progress,
    seen::Seen,
    tell, unreadable,
};
use crate::{
    change::{self, Author, Outcome},
    exit::{Exit, Failure},
    home::{self, Home},
    out::{Out, note},
    trust::TrustRoot,
    verdict::{self, Facts, Observed, Question},
};

/// How often a record is tried again when somebody else recorded at the same time.
const CONFLICTS_MAX: u32 = 5;

/// Arguments of `hanse image push` and `sign`.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Image, by one of skopeo's transports. For `push`, a bare name is the local engine's image of that name.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Name to push to and to record under.
    #[arg(long = "as", value_name = "REGISTRY/REPO:TAG")]
    name: Option<String>,
    /// Claim a free namespace on first use.
    #[arg(long)]
    claim: bool,
    /// Go back to content that was released under this tag before; needs --reason.
    #[arg(long, requires = "reason")]
    rollback: bool,
    /// Why, kept with the release.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// How deep to check what is signed: L3 every blob, L4 every layer unpacked.
    #[arg(long, default_value = "L3", value_parser = super::level)]
    level: Level,
    /// Save the proof the verdict rests on.
    #[arg(long, value_name = "FILE")]
    save_proof: Option<std::path::PathBuf>,
    /// Ask nothing on the terminal.
    #[arg(long = "yes", short = 'y')]
    _yes: bool,
    #[command(flatten)]
    change: Changing,
    #[command(flatten)]
    place: PlaceArgs,
}

/// `push`: to the registry, then the record.
///
/// # Errors
/// When the image cannot be read or pushed, or the ledger refuses the record.
pub(crate) async fn push(args: RecordArgs, home: &Home, out: Out) -> Result<Exit, Failure> {
    let named = Named::parse(&args.reference, args.name.as_deref())?;
    let to = named.name.tagged();
    // Asked before anything is sent: an image pushed without a record helps nobody.
    let author = Author::new(&args.change, home)?;
    let from = match (&named.place, &args.name) {
        (ImageRef::Registry(name), None) => ImageRef::DockerDaemon(EngineName::Name(name.clone())),
        (place, _) => place.clone(),
    };
    let opened = Source::open(&from, &args.place.source(Purpose::Copy)).await;
    let source = opened.map_err(|error| {
        let failure = unreadable(&error);
        match (&named.place, &args.name) {
            (ImageRef::Registry(_), None) => failure.fix(
                "build it in the local engine, name another place (oci:DIR --as NAME), or record what the \
                 registry holds with `hanse image sign`",
            ),
            _ => failure,
        }
    })?;
    let source = Arc::new(source);
    let description = describe(&source).await.map_err(|e| unreadable(&e))?;
    may_be_recorded(&args, &author, &to, &description.root.digest.to_string(), home).await?;
    let options = PushOptions { registry: args.place.registry(), progress: progress("pushing") };
    let pushed = hanse_image::push(&source, &to, &options).await.map_err(|e| unreadable(&e))?;
    let bytes = pushed.uploaded + pushed.reused;
    note(format_args!(
        "pushed {to}: {} sent, {} there already",
        verdict::bytes(pushed.uploaded),
        verdict::bytes(pushed.reused)
    ));
    let named = Named { name: to, ..named };
    finish(&args, &named, &pushed.description, Level::L3, bytes, &author, home, out).await
}

/// Asked before anything is sent: a tag that is moved in the registry without a record would be taken for an attack.
async fn may_be_recorded(
    args: &RecordArgs,
    author: &Author,
    to: &hanse_image::RegistryName,
    digest: &str,
    home: &Home,
) -> Result<(), Failure> {
    let trust = TrustRoot::find(&args.change.trust, home)?;
    let asker = Asker { client: author.client.clone(), trust: &trust, home };
    let (repo, tag) = (to.repository(), to.tag().unwrap_or("latest"));
    let facts = asker.about(&repo, Subject::Tag(tag), AtLeast::default()).await?.facts;
    if facts.namespace.is_none() && !args.claim {
        return Err(unclaimed(&repo));
    }
    let Some((_, current)) = facts.release else { return Ok(()) };
    let of_digest = asker.about(&repo, Subject::Digest(digest), AtLeast::default()).await?.facts;
    if matches!(of_digest.digest_state, Some(ReleaseState::Revoked { .. })) {
        return Err(change::refused("revoked"));
    }
    if current.content.root.digest == digest || args.rollback {
        return Ok(());
    }
    if asker.earlier(&repo, tag, digest).await?.is_none() {
        return Ok(());
    }
    // Mentioned before, but perhaps only as one platform of an index: only a root counts as released.
    let (_, releases, _) = asker.releases(&repo, Some(tag)).await?;
    if releases.iter().any(|(_, release)| release.content.root.digest == digest) {
        return Err(change::refused("rollback"));
    }
    Ok(())
}

fn unclaimed(repo: &str) -> Failure {
    let what = format!("nobody has claimed a namespace that covers {repo}");
    let fix = format!("--claim claims {} for the signer's organisation", default_prefix(repo));
    Failure::new(Exit::UnknownName, what).fix(fix)
}

/// `sign`: the record alone, of what the place holds.
///
/// # Errors
/// As [`push`].
pub(crate) async fn sign(args: RecordArgs, home: &Home, out: Out) -> Result<Exit, Failure> {
    let named = Named::parse(&args.reference, args.name.as_deref())?;
    let author = Author::new(&args.change, home)?;
    let level = args.level.max(Level::L3);
    let source_options = args.place.source(Purpose::Check(level));
    let source = Source::open(&named.place, &source_options).await.map_err(|e| unreadable(&e))?;
    let description = describe(&source).await.map_err(|e| unreadable(&e))?;
    let expected = Expected::from(&description);
    let source = match &named.place {
        // By digest from here on: what is hashed is what was described.
        ImageRef::Registry(name) => {
            let pinned = ImageRef::Registry(name.with_digest(description.root.digest.clone()));
            Source::open(&pinned, &source_options).await.map_err(|e| unreadable(&e))?
        }
        _ => source,
    };
    let checking = CheckOptions {
        level,
        max_unpacked: args.place.max_unpacked(),
        progress: progress("hashing"),
    };
    let checked =
        check(&Arc::new(source), &expected, &checking).await.map_err(|e| unreadable(&e))?;
    let named = Named { name: named.name.tagged(), ..named };
    finish(&args, &named, &description, checked.level, checked.bytes_hashed, &author, home, out)
        .await
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call from each of two verbs, all of different types"
)]
async fn finish(
    args: &RecordArgs,
    named: &Named,
    description: &Description,
    level: Level,
    bytes: u64,
    author: &Author,
    home: &Home,
    out: Out,
) -> Result<Exit, Failure> {
    let content = content::record(description)?;
    let trust = TrustRoot::find(&args.change.trust, home)?;
    let asker = Asker { client: author.client.clone(), trust: &trust, home };
    let repo = named.repo();
    let tag = named.name.tag().unwrap_or("latest");
    let outcome = record(args, &asker, author, &repo, tag, &content).await?;
    let least = AtLeast { header: 0, state: outcome.height };
    let answer = asker.about(&repo, Subject::Tag(tag), least).await?;
    let facts = answer.facts;
    if let Some((_, release)) = &facts.release {
        Seen::new(home, trust.chain_id()).remember(&facts.at, Some((&repo, tag, release.seq)))?;
    }
    if let Some(path) = &args.save_proof {
        home::write_public(path, &answer.proof)?;
    }
    let question = Question {
        reference: named.name.to_string(),
        repo,
        tag: Some(tag.to_owned()),
        now_ms: now(),
        ..Question::default()
    };
    let observed = said(&facts, &content, level, bytes);
    let verdict = verdict::decide(&question, &Ok(facts), &verdict::Memory::default(), &observed);
    Ok(tell(out, &verdict, None))
}

/// What is recorded now must be what was just pushed; somebody else may have recorded since.
fn said(facts: &Facts, content: &ImageContent, level: Level, bytes: u64) -> Observed {
    match &facts.release {
        Some((_, release)) if release.content == *content => {
            Observed::Matches { level: level.to_string(), bytes }
        }
        _ => Observed::Differs("somebody else recorded another image since".to_owned()),
    }
}

async fn record(
    args: &RecordArgs,
    asker: &Asker<'_>,
    author: &Author,
    repo: &str,
    tag: &str,
    content: &ImageContent,
) -> Result<Outcome, Failure> {
    let mut least = AtLeast::default();
    let mut claimed = false;
    for _ in 0..CONFLICTS_MAX {
        let facts = asker.about(repo, Subject::Tag(tag), least).await?.facts;
        if facts.namespace.is_none() && !claimed {
            if !args.claim {
                return Err(unclaimed(repo));
            }
            claim(author, default_prefix(repo)).await?;
            claimed = true;
        }
        let seq = facts.release.as_ref().map_or(1, |(_, release)| release.seq + 1);
        let action = Action::Image(ImageAction::Record {
            repo: repo.to_owned(),
            tag: tag.to_owned(),
            content: content.clone(),
            seq,
            rollback: args.rollback,
            reason: args.reason.clone(),
        });
        let outcome = author.submit(action).await?;
        match outcome.refusal.as_deref() {
            None => return Ok(outcome),
            Some("conflict") => least.state = outcome.height,
            Some("not_found") => return Err(unclaimed(repo)),
            Some("malformed") if args.rollback => {
                let what =
                    "--rollback is given, but this content was never released under this tag";
                return Err(Failure::new(Exit::Malformed, what).fix("leave out --rollback"));
            }
            Some(other) => return Err(change::refused(other)),
        }
    }
    Err(Failure::new(Exit::Refused, "others record under this tag all the time").fix("try again"))
}

/// Claims a namespace for the author's organisation.
///
/// # Errors
/// [`Exit::NotAuthorised`] when it is taken or the author is no admin.
pub(crate) async fn claim(author: &Author, prefix: &str) -> Result<Outcome, Failure> {
    let action = Action::Image(ImageAction::Claim { prefix: prefix.to_owned() });
    let outcome = author.submit(action).await?;
    match outcome.refusal.as_deref() {
        None => Ok(outcome),
        Some("exists") => {
            let what =
                format!("the namespace {prefix}, or one above or below it, is claimed already");
            let fix = "see `hanse image namespace show`; its owner can let you record there";
            Err(Failure::new(Exit::NotAuthorised, what).fix(fix))
        }
        Some(other) => Err(change::refused(other)),
    }
}

/// What `--claim` claims: everything beside the repository, or itself when it stands alone below its registry.
fn default_prefix(repo: &str) -> &str {
    match repo.rsplit_once('/') {
        Some((above, _)) if above.contains('/') => above,
        _ => repo,
    }
}
