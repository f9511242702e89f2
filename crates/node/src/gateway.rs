//! `hanse gateway`: keys with which an organisation's gateways sign for their clients.

use clap::Subcommand;
use hanse_crypto::PublicKey;
use hanse_types::{Action, OrganisationAction};

use crate::{
    change::{self, Author},
    cli::{ChangeArgs, ConnectArgs},
    client::Client,
    exit::Failure,
    home::Home,
    out::Out,
    show,
};

/// Verbs of `hanse gateway`.
#[derive(Debug, Subcommand)]
pub(crate) enum GatewayVerb {
    /// Register a gateway's key for the signer's organisation.
    #[command(after_help = "Example:\n  hanse gateway add ed25519:8f..01 --key acme-admin")]
    Add {
        /// Public key, `<suite>:<hex>`; never a consensus key.
        gateway: PublicKey,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// End a gateway's key at once.
    #[command(after_help = "Example:\n  hanse gateway revoke ed25519:8f..01 --key acme-admin")]
    Revoke {
        /// Public key, `<suite>:<hex>`.
        gateway: PublicKey,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// List all gateways' keys.
    #[command(after_help = "Example:\n  hanse gateway list")]
    List {
        #[command(flatten)]
        connect: ConnectArgs,
    },
}

/// Runs one verb.
///
/// # Errors
/// As the client and [`change::refused`] say.
pub(crate) async fn run(verb: GatewayVerb, home: &Home, out: Out) -> Result<(), Failure> {
    let (change, action, done) = match verb {
        GatewayVerb::List { connect } => {
            return show::list(&Client::connect(&connect)?, "/v1/gateways", out).await;
        }
        GatewayVerb::Add { gateway, change } => {
            (change, OrganisationAction::AddGateway { key: gateway }, "gateway added")
        }
        GatewayVerb::Revoke { gateway, change } => {
            (change, OrganisationAction::RevokeGateway { key: gateway }, "gateway revoked")
        }
    };
    let author = Author::new(&change, home)?;
    let outcome = author.change(Action::Organisation(action)).await?;
    change::answer(out, &outcome, done);
    Ok(())
}
