//! `hanse image revoke` and `yank`: taking a release back, with a reason, for everybody.

use std::io::IsTerminal as _;

use clap::Args;
use hanse_types::{Action, ImageAction};

use super::{
    Changing, Named, PlaceArgs,
    ask::{Asker, AtLeast},
    facts::Subject,
};
use crate::{
    change::{self, Author},
    exit::{Attempt as _, Exit, Failure},
    home::Home,
    out::{self, Out, shown},
    trust::TrustRoot,
};

/// Arguments of `hanse image revoke` and `yank`.
#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// REPO@sha256:…, or REPO:TAG for its newest release.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Name of the record, for a place that carries none.
    #[arg(long = "as", value_name = "REGISTRY/REPO:TAG")]
    name: Option<String>,
    /// Why, shown to everybody who meets the image.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Ask nothing on the terminal.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    change: Changing,
    #[command(flatten)]
    _place: PlaceArgs,
}

/// Marks the digest and all releases that mention it.
///
/// # Errors
/// [`Exit::NotSigned`] when nothing mentions it, and what the ledger refuses.
pub(crate) async fn run(
    args: WithdrawArgs,
    for_good: bool,
    home: &Home,
    out: Out,
) -> Result<Exit, Failure> {
    let named = Named::parse(&args.reference, args.name.as_deref())?;
    let author = Author::new(&args.change, home)?;
    let repo = named.repo();
    let digest = match named.name.digest() {
        Some(digest) => digest.to_string(),
        None => {
            let trust = TrustRoot::find(&args.change.trust, home)?;
            let asker = Asker { client: author.client.clone(), trust: &trust, home };
            let tag = named.name.tag().unwrap_or("latest");
            let facts = asker.about(&repo, Subject::Tag(tag), AtLeast::default()).await?.facts;
            let (_, release) = facts.release.ok_or_else(|| {
                let what =
                    format!("{repo} has no release under the tag {tag}; its absence is proven");
                Failure::new(Exit::NotSigned, what)
            })?;
            release.content.root.digest
        }
    };
    if for_good && !args.yes {
        confirm(&format!("Revoke {digest} in {repo} for good?"))?;
    }
    let (reason, subject) = (args.reason, digest.clone());
    let action = if for_good {
        ImageAction::Revoke { repo: repo.clone(), digest: subject, reason }
    } else {
        ImageAction::Yank { repo: repo.clone(), digest: subject, reason }
    };
    let outcome = author.submit(Action::Image(action)).await?;
    match outcome.refusal.as_deref() {
        None => {}
        Some("not_found") => {
            let what = format!("no release of {repo} mentions {digest}, or nobody owns that name");
            return Err(Failure::new(Exit::NotSigned, what).fix("see `hanse image history`"));
        }
        Some(other) => return Err(change::refused(other)),
    }
    let done = if for_good { "revoked" } else { "yanked" };
    let answer = serde_json::json!({
        "v": 1, "verdict": done, "code": 0, "reason": null, "remedy": null, "ref": args.reference,
        "digest": digest, "height": outcome.height, "command": outcome.command,
        "changed": outcome.status == "done",
    });
    out.answer(&answer, |_| {
        let already = if outcome.status == "done" { "" } else { " already" };
        let word = done.to_uppercase();
        format!("{word}{already} {} {digest}, height {}", shown(&args.reference), outcome.height)
    });
    Ok(Exit::Done)
}

/// Asks, when there is somebody to ask.
fn confirm(question: &str) -> Result<(), Failure> {
    let term = console::Term::stderr();
    if !term.is_term() || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    out::note(format_args!("{} [y/N]", shown(question)));
    let what = || "could not ask".to_owned();
    let answer = term.read_line().attempt(Exit::Environment, what)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "not confirmed, nothing was done"))
}
