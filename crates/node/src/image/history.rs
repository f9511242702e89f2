//! `hanse image history`: all releases, proven to be all.

use clap::Args;
use hanse_types::{Release, ReleaseState};
use serde_json::{Value, json};

use super::{Named, ask::Asker};
use crate::{
    cli::{ConnectArgs, TrustArgs},
    client::Client,
    exit::{Exit, Failure},
    home::{self, Home},
    org::role_word,
    out::{self, Out},
    trust::TrustRoot,
};

/// Arguments of `hanse image history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// REGISTRY/REPO for all tags, or REGISTRY/REPO:TAG.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Save the proof that these are all.
    #[arg(long, value_name = "FILE")]
    save_proof: Option<std::path::PathBuf>,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Fetches and shows.
///
/// # Errors
/// [`Exit::NotSigned`] when there is no release.
pub(crate) async fn run(args: HistoryArgs, home: &Home, out: Out) -> Result<Exit, Failure> {
    let named = Named::parse(&args.reference, None)?;
    // A tag that is not written stands for all of them.
    let last = args.reference.rsplit('/').next().unwrap_or(&args.reference);
    let tag = named.name.tag().filter(|_| last.contains(':'));
    let trust = TrustRoot::find(&args.trust, home)?;
    let asker = Asker { client: Client::connect(&args.connect)?, trust: &trust, home };
    let repo = named.repo();
    let (verified, releases, proof) = asker.releases(&repo, tag).await?;
    if let Some(path) = &args.save_proof {
        home::write_public(path, &proof)?;
    }
    if releases.is_empty() {
        let what = format!("there is no release of {repo}; its absence is proven");
        return Err(Failure::new(Exit::NotSigned, what).fix("check the name"));
    }
    let quorum = &verified.quorum;
    let answer = json!({
        "v": 1, "verdict": "verified", "code": 0, "reason": null, "remedy": null,
        "ref": args.reference, "repo": repo, "height": verified.height,
        "quorum": { "signed": quorum.signed, "of": quorum.of, "need": quorum.need, "epoch": quorum.epoch },
        "releases": releases.iter().map(|(tag, release)| shown(tag, release)).collect::<Vec<_>>(),
    });
    out.answer(&answer, |_| text(&releases));
    Ok(Exit::Done)
}

fn shown(tag: &str, release: &Release) -> Value {
    let (state, why, since) = standing(&release.state);
    json!({
        "tag": tag, "seq": release.seq, "digest": release.content.root.digest,
        "organisation": release.organisation, "account": release.account.to_string(),
        "role": role_word(release.role), "height": release.height, "time_ms": release.time_ms,
        "rollback": release.rollback, "reason": release.reason, "state": state,
        "state_reason": why, "state_height": since,
    })
}

fn standing(state: &ReleaseState) -> (&'static str, Option<&str>, Option<u64>) {
    match state {
        ReleaseState::Active => ("active", None, None),
        ReleaseState::Yanked { reason, height } => ("yanked", Some(reason), Some(*height)),
        ReleaseState::Revoked { reason, height } => ("revoked", Some(reason), Some(*height)),
    }
}

fn text(releases: &[(String, Release)]) -> String {
    let rows = releases.iter().rev().map(|(tag, release)| {
        let (state, why, _) = standing(&release.state);
        let back = if release.rollback {
            format!("rollback: {}", release.reason)
        } else {
            release.reason.clone()
        };
        let notes = why.map_or(back, |why| format!("{state}: {why}"));
        vec![
            tag.clone(),
            release.seq.to_string(),
            release.content.root.digest.clone(),
            format!("{}({})", release.organisation, role_word(release.role)),
            release.height.to_string(),
            state.to_owned(),
            notes,
        ]
    });
    out::table(&["tag", "seq", "digest", "signed by", "height", "state", "note"], rows)
}
