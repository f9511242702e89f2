//! `hanse image namespace`: who owns names, and who may record under them.

use clap::Subcommand;
use hanse_types::{Action, Digest, ImageAction, Namespace, NamespaceMember, StateKey, decode};

use super::{Changing, ask::Asker, facts::namespaces, record};
use crate::{
    change::{self, Author},
    cli::{ConnectArgs, TrustArgs},
    client::Client,
    exit::{Exit, Failure},
    home::Home,
    org::{RoleName, role_word},
    out::{self, Out, shown},
    proof::lookup_path,
    trust::TrustRoot,
};

/// Verbs of `hanse image namespace`.
#[derive(Debug, Subcommand)]
pub(crate) enum NamespaceVerb {
    /// Claim a free namespace for the signer's organisation.
    #[command(after_help = "Example:\n  hanse image namespace claim localhost:5000/acme")]
    Claim {
        /// REGISTRY/PATH; covers everything below it.
        prefix: String,
        #[command(flatten)]
        change: Changing,
    },
    /// Show who owns a name, proven.
    #[command(after_help = "Example:\n  hanse image namespace show localhost:5000/acme/app")]
    Show {
        /// REGISTRY/PATH, or a repository below it.
        prefix: String,
        #[command(flatten)]
        connect: ConnectArgs,
        #[command(flatten)]
        trust: TrustArgs,
    },
    /// Show or change who may record under a namespace, beside its owner's admins.
    #[command(after_help = "\
Examples:
  hanse image namespace policy localhost:5000/acme
  hanse image namespace policy localhost:5000/acme --add 5f0c..9a=release --remove 81aa..03")]
    Policy {
        /// REGISTRY/PATH as it was claimed.
        prefix: String,
        /// Let an account act in a role.
        #[arg(long, value_name = "ACCOUNT=ROLE", value_parser = member)]
        add: Vec<NamespaceMember>,
        /// Take all roles from an account.
        #[arg(long, value_name = "ACCOUNT")]
        remove: Vec<Digest>,
        #[command(flatten)]
        change: Changing,
    },
}

impl NamespaceVerb {
    /// What it is about.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Claim { prefix, .. }
            | Self::Show { prefix, .. }
            | Self::Policy { prefix, .. } => prefix,
        }
    }
}

fn member(text: &str) -> Result<NamespaceMember, String> {
    let form = || "write it as ACCOUNT=ROLE with a role of admin, release, ci, security".to_owned();
    let (account, role) = text.split_once('=').ok_or_else(form)?;
    let role = <RoleName as clap::ValueEnum>::from_str(role, false).map_err(|_| form())?;
    let account = account.parse().map_err(|error| format!("{error}"))?;
    Ok(NamespaceMember { account, role: role.into() })
}

/// Runs one verb.
///
/// # Errors
/// As the asker and [`change::refused`] say.
pub(crate) async fn run(verb: NamespaceVerb, home: &Home, out: Out) -> Result<Exit, Failure> {
    match verb {
        NamespaceVerb::Claim { prefix, change } => {
            let author = Author::new(&change, home)?;
            let outcome = record::claim(&author, &prefix).await?;
            change::answer(out, &outcome, &format!("claimed {}", shown(&prefix)));
        }
        NamespaceVerb::Show { prefix, connect, trust } => {
            let trust = TrustRoot::find(&trust, home)?;
            let asker = Asker { client: Client::connect(&connect)?, trust: &trust, home };
            tell(out, &owner(&asker, &prefix).await?);
        }
        NamespaceVerb::Policy { prefix, add, remove, change } => {
            let trust = TrustRoot::find(&change.trust, home)?;
            let asker = Asker { client: Client::connect(&change.connect)?, trust: &trust, home };
            let namespace = owner(&asker, &prefix).await?;
            if add.is_empty() && remove.is_empty() {
                tell(out, &namespace);
                return Ok(Exit::Done);
            }
            let mut members = namespace.members;
            members.retain(|m| !remove.contains(&m.account));
            members.extend(add);
            members.sort_unstable();
            members.dedup();
            let author = Author::new(&change, home)?;
            let (prefix, version) = (namespace.prefix, namespace.version);
            let action = ImageAction::SetMembers { prefix, members, version };
            let outcome = author.change(Action::Image(action)).await?;
            change::answer(out, &outcome, "policy changed");
        }
    }
    Ok(Exit::Done)
}

/// The namespace that covers `name`, proven.
async fn owner(asker: &Asker<'_>, name: &str) -> Result<Namespace, Failure> {
    let candidates = namespaces(name);
    if candidates.is_empty() {
        let what = format!("`{}` is no REGISTRY/PATH", shown(name));
        return Err(Failure::new(Exit::Usage, what).fix("write it like localhost:5000/acme"));
    }
    let keys: Vec<Vec<u8>> =
        candidates.iter().map(|prefix| StateKey::Namespace(prefix).encode()).collect();
    let (verified, _) = asker.fetch(&lookup_path(&keys)).await?;
    for key in &keys {
        match verified.claim.about(key) {
            Some(Some(entry)) => {
                let value = entry.value.as_deref().and_then(|bytes| decode(bytes).ok());
                return value.ok_or_else(|| {
                    Failure::new(Exit::Malformed, "the namespace on the ledger cannot be read")
                });
            }
            Some(None) => {}
            None => {
                let what = "the member's proof leaves out what was asked";
                return Err(Failure::new(Exit::Proof, what).fix("ask another member"));
            }
        }
    }
    let what = format!("nobody has claimed a namespace that covers {}", shown(name));
    Err(Failure::new(Exit::UnknownName, what).fix("`hanse image namespace claim` claims it"))
}

fn tell(out: Out, namespace: &Namespace) {
    let members: Vec<serde_json::Value> = namespace
        .members
        .iter()
        .map(|m| serde_json::json!({ "account": m.account.to_string(), "role": role_word(m.role) }))
        .collect();
    let answer = serde_json::json!({
        "v": 1, "verdict": "verified", "code": 0, "prefix": namespace.prefix,
        "organisation": namespace.organisation, "version": namespace.version, "members": members,
    });
    out.answer(&answer, |_| {
        let rows = namespace
            .members
            .iter()
            .map(|m| vec![role_word(m.role).to_owned(), m.account.to_string()]);
        let head = format!(
            "{} is owned by {}; its admins may record",
            namespace.prefix, namespace.organisation
        );
        if namespace.members.is_empty() {
            return head;
        }
        format!("{head}, and:\n{}", out::table(&["role", "account"], rows))
    });
}
