//! `hanse org`: organisations and their accounts.

use std::path::PathBuf;

use clap::Subcommand;
use hanse_crypto::{Digest, PublicKey, Signature};
use hanse_types::{Action, OrganisationAction, Role};

use crate::{
    change::{self, Author},
    cli::{ChangeArgs, ConnectArgs},
    client::{Client, escape},
    exit::{Attempt as _, Exit, Failure},
    home::{self, Home},
    key::Consent,
    out::Out,
    show,
};

/// Bytes of a consent file; one has about 400.
const CONSENT_BYTES_MAX: u64 = 4_096;

/// Verbs of `hanse org`.
#[derive(Debug, Subcommand)]
pub(crate) enum OrgVerb {
    /// List the organisations.
    #[command(after_help = "Example:\n  hanse org list -o json")]
    List {
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Show one organisation.
    #[command(after_help = "Example:\n  hanse org show acme")]
    Show {
        /// The organisation.
        name: String,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Accounts of an organisation: keys and what they may do.
    #[command(subcommand)]
    Account(AccountVerb),
}

/// Verbs of `hanse org account`.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountVerb {
    /// Register a key as an account of the signer's organisation.
    #[command(after_help = "\
Example:
  hanse key consent ci --organisation acme > consent.json
  hanse org account add --consent consent.json --role ci --key acme-admin")]
    Add {
        /// What `hanse key consent` printed: the key, and that its holder agrees.
        #[arg(long, value_name = "FILE")]
        consent: PathBuf,
        /// What the account may do; may be given several times.
        #[arg(long = "role", required = true, value_enum, value_name = "ROLE")]
        roles: Vec<RoleName>,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// End an account in good standing: what it signed stays good.
    #[command(after_help = "Example:\n  hanse org account retire 5f0c..9a --key acme-admin")]
    Retire {
        /// The account (64 hexadecimal digits).
        account: Digest,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Declare a key stolen: what it signed from a height on is bad.
    #[command(
        after_help = "Example:\n  hanse org account compromise 5f0c..9a --from-height 1200 --key acme-admin"
    )]
    Compromise {
        /// The account (64 hexadecimal digits).
        account: Digest,
        /// First bad height; may be in the past.
        #[arg(long, visible_alias = "from", value_name = "HEIGHT")]
        from_height: u64,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// List the accounts of an organisation.
    #[command(after_help = "Example:\n  hanse org account list acme")]
    List {
        /// The organisation.
        organisation: String,
        #[command(flatten)]
        connect: ConnectArgs,
    },
}

/// A role, as written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum RoleName {
    /// Everything, and saying who may.
    Admin,
    /// Record releases.
    Release,
    /// Record releases from a build machine.
    Ci,
    /// Yank and revoke.
    Security,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Release => Self::Release,
            RoleName::Ci => Self::Ci,
            RoleName::Security => Self::Security,
        }
    }
}

/// A role in our words.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Release => "release",
        Role::Ci => "ci",
        Role::Security => "security",
    }
}

/// Runs one verb.
///
/// # Errors
/// As the client and [`change::refused`] say.
pub(crate) async fn run(verb: OrgVerb, home: &Home, out: Out) -> Result<(), Failure> {
    match verb {
        OrgVerb::List { connect } => {
            show::list(&Client::connect(&connect)?, "/v1/organisations", out).await
        }
        OrgVerb::Show { name, connect } => {
            let client = Client::connect(&connect)?;
            show::one_of(&client, "/v1/organisations", "name", &name, out).await
        }
        OrgVerb::Account(verb) => account(verb, home, out).await,
    }
}

async fn account(verb: AccountVerb, home: &Home, out: Out) -> Result<(), Failure> {
    let (change, action, done) = match verb {
        AccountVerb::List { organisation, connect } => {
            let path = format!("/v1/accounts?organisation={}", escape(&organisation));
            return show::list(&Client::connect(&connect)?, &path, out).await;
        }
        AccountVerb::Add { consent, roles, change } => {
            let action = add(&consent, roles)?;
            (change, action, "account added")
        }
        AccountVerb::Retire { account, change } => {
            (change, OrganisationAction::RetireAccount { account }, "account retired")
        }
        AccountVerb::Compromise { account, from_height, change } => {
            let action = OrganisationAction::CompromiseAccount { account, from_height };
            (change, action, "account declared compromised")
        }
    };
    let author = Author::new(&change, home)?;
    let outcome = author.change(Action::Organisation(action)).await?;
    change::answer(out, &outcome, done);
    Ok(())
}

fn add(path: &std::path::Path, roles: Vec<RoleName>) -> Result<OrganisationAction, Failure> {
    let what = || format!("{} is not what `hanse key consent` prints", path.display());
    let text = home::read_text(path, CONSENT_BYTES_MAX)?;
    let consent: Consent = serde_json::from_str(&text).attempt(Exit::Malformed, what)?;
    let key: PublicKey = consent.key.parse().attempt(Exit::Malformed, what)?;
    let proof: Signature = consent.proof.parse().attempt(Exit::Malformed, what)?;
    if !key.verify(crate::key::POSSESSION_DOMAIN, consent.organisation.as_bytes(), &proof) {
        return Err(Failure::new(Exit::Malformed, what()).fix("ask the key's holder for a new one"));
    }
    let mut roles: Vec<Role> = roles.into_iter().map(Role::from).collect();
    roles.sort_unstable();
    roles.dedup();
    Ok(OrganisationAction::AddAccount { key, roles, proof })
}
