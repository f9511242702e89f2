//! `hanse space`: who owns a keyspace and who else may write it.

use std::collections::BTreeMap;

use clap::Subcommand;
use hanse_types::{Action, Evidence, Grant, SpaceAction};

use crate::{
    change::{self, Author},
    cli::{ChangeArgs, ConnectArgs},
    client::Client,
    exit::{Exit, Failure},
    home::Home,
    out::{Out, shown},
    show,
};

/// Verbs of `hanse space`.
#[derive(Debug, Subcommand)]
pub(crate) enum SpaceVerb {
    /// Create a space owned by the signer's organisation.
    #[command(after_help = "Example:\n  hanse space create orders --key acme-admin")]
    Create {
        /// Unused name: lower-case letters, digits and inner hyphens.
        name: String,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// List the spaces.
    #[command(after_help = "Example:\n  hanse space list -o json")]
    List {
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Replace the list of other organisations that may write a space.
    #[command(after_help = "\
Examples:
  hanse space grant orders borealis=signed cumulus=session --key acme-admin
  hanse space grant orders --none --key acme-admin

`signed` asks for each author's own signature. `session` takes the word of that organisation's gateways,
which means: all of that organisation is trusted.")]
    Grant {
        /// The space.
        name: String,
        /// Who, and the least evidence asked of them.
        #[arg(value_name = "ORGANISATION=signed|session", required_unless_present = "none")]
        grants: Vec<String>,
        /// Nobody else may write.
        #[arg(long, conflicts_with = "grants")]
        none: bool,
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// Runs one verb.
///
/// # Errors
/// As the client and [`change::refused`] say.
pub(crate) async fn run(verb: SpaceVerb, home: &Home, out: Out) -> Result<(), Failure> {
    let (change, action, done) = match verb {
        SpaceVerb::List { connect } => {
            return show::list(&Client::connect(&connect)?, "/v1/spaces", out).await;
        }
        SpaceVerb::Create { name, change } => {
            (change, SpaceAction::Create { name }, "space created")
        }
        SpaceVerb::Grant { name, grants, change, .. } => {
            let grants = parse(&grants)?;
            (change, SpaceAction::SetGrants { name, grants }, "grants replaced")
        }
    };
    let author = Author::new(&change, home)?;
    let outcome = author.change(Action::Space(action)).await?;
    change::answer(out, &outcome, done);
    Ok(())
}

fn parse(grants: &[String]) -> Result<Vec<Grant>, Failure> {
    let mut sorted = BTreeMap::new();
    for text in grants {
        let least = match text.split_once('=') {
            Some((_, "signed")) => Evidence::Signed,
            Some((_, "session")) => Evidence::Session,
            _ => {
                let what = format!("`{}` is not ORGANISATION=signed|session", shown(text));
                return Err(Failure::new(Exit::Usage, what));
            }
        };
        let organisation = text.split('=').next().unwrap_or_default().to_owned();
        if sorted.insert(organisation, least).is_some() {
            return Err(Failure::new(Exit::Usage, "an organisation is named twice"));
        }
    }
    let grants = sorted.into_iter().map(|(organisation, least)| Grant { organisation, least });
    Ok(grants.collect())
}
