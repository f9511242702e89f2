//! `hanse image pull`: the recorded digest is fetched, verified, and only then named.

use std::sync::Arc;

use clap::Args;
use hanse_image::{CopyOptions, ImageRef, Purpose, RegistryName, Source, Target, copy};

use super::{BeliefArgs, Named, PlaceArgs, content, observe, progress, tell, verify};
use crate::{
    exit::{Exit, Failure},
    home::Home,
    out::{Out, note},
    trust::TrustRoot,
    verdict::{self, Observed},
};

/// Arguments of `hanse image pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Image in a registry.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Where to put it: oci:DIR[:tag], oci-archive:F, docker-archive:F, docker-daemon:NAME or
    /// containers-storage:NAME [default: the local engine].
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
    #[command(flatten)]
    belief: BeliefArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Fetches, verifies and names.
///
/// # Errors
/// For usage and this machine; everything about the image is a verdict.
pub(crate) async fn run(args: PullArgs, home: &Home, out: Out) -> Result<Exit, Failure> {
    let named = Named::parse(&args.reference, None)?;
    let ImageRef::Registry(name) = &named.place else {
        let what = "only a registry can be pulled from";
        return Err(
            Failure::new(Exit::Usage, what).fix("leave out the transport, or use docker://")
        );
    };
    if args.belief.offline.is_some() {
        let what = "--offline opens no socket, and a registry is behind one";
        return Err(
            Failure::new(Exit::Usage, what).fix("leave out --offline, or verify a local copy")
        );
    }
    let target = target(args.to.as_deref(), name)?;
    let trust = TrustRoot::find(&args.belief.trust, home)?;
    let inquiry = verify::inquire(&named, &args.belief, &trust, home).await?;
    let facts = inquiry.answer.as_ref().map(|a| a.facts.clone()).map_err(|no| no.no.clone());
    let before = verdict::decide(&inquiry.question, &facts, &inquiry.memory, &Observed::NotAsked);
    if before.exit != Exit::Done {
        return verify::conclude(inquiry, &Observed::NotAsked, &args.belief, home, out);
    }
    let digest = before.digest.clone().unwrap_or_default();
    let observed = fetch(&args, name, &digest, &target).await?;
    if let Observed::Environment(why) = &observed {
        let verdict = verdict::decide(&inquiry.question, &facts, &inquiry.memory, &observed);
        note(format_args!("nothing was named: {why}"));
        return Ok(tell(out, &verdict, None));
    }
    verify::conclude(inquiry, &observed, &args.belief, home, out)
}

/// The engine by default, under the name that was asked for.
fn target(to: Option<&str>, name: &RegistryName) -> Result<Target, Failure> {
    match to {
        None => Ok(Target::LocalEngine(name.tagged())),
        Some(text) => match text.parse() {
            Ok(ImageRef::Registry(_)) => {
                let what = "--to names a registry";
                Err(Failure::new(Exit::Usage, what).fix("name a transport, such as oci:DIR:tag"))
            }
            Ok(place) => Ok(Target::Place(place)),
            Err(error) => {
                Err(Failure::new(Exit::Usage, "--to is no place for an image").caused_by(error))
            }
        },
    }
}

async fn fetch(
    args: &PullArgs,
    name: &RegistryName,
    digest: &str,
    target: &Target,
) -> Result<Observed, Failure> {
    let root = content::digest(digest)?;
    let pinned = ImageRef::Registry(name.with_digest(root.clone()));
    let options = CopyOptions {
        level: args.belief.level,
        max_unpacked: args.place.max_unpacked(),
        name: Some(name.tagged()),
        progress: progress("fetching"),
        ..CopyOptions::default()
    };
    let copied = async {
        let source = Source::open(&pinned, &args.place.source(Purpose::Copy)).await?;
        copy(&Arc::new(source), &root, target, &options).await
    };
    Ok(match copied.await {
        Ok(copied) => {
            note(format_args!("stored as {}", copied.place));
            let level = args.belief.level.max(hanse_image::Level::L3);
            Observed::Matches { level: level.to_string(), bytes: copied.bytes_hashed }
        }
        Err(error) => observe::from_error(&error, &pinned),
    })
}
