//! `hanse seat`: who votes, and the motions that change it.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use hanse_crypto::{Digest, PublicKey, Signature, SigningKey};
use hanse_types::{
    Action, MembershipAction, POSSESSION_DOMAIN, READY_DOMAIN, SeatChange, check_address,
    possession_message, ready_message,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    change::{self, Author},
    cli::{ChangeArgs, ConnectArgs, TrustArgs},
    client::{Client, escape},
    duration,
    exit::{Attempt as _, Exit, Failure},
    home::{self, Home},
    key,
    out::{self, Out, shown},
    password::PasswordArgs,
    show,
    trust::TrustRoot,
};

/// Bytes of a consent file; one has about 450.
const CONSENT_BYTES_MAX: u64 = 4_096;

/// Verbs of `hanse seat`.
#[derive(Debug, Subcommand)]
pub(crate) enum SeatVerb {
    /// Who votes in this epoch, who will, who applies and who left.
    #[command(after_help = "Example:\n  hanse seat list")]
    List {
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// List the motions about seats.
    #[command(after_help = "Example:\n  hanse seat motions -o json")]
    Motions {
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Show one motion.
    #[command(after_help = "Example:\n  hanse seat motion 4f9c…")]
    Motion {
        /// Id of the motion: that of the command that proposed it.
        id: Digest,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Print that the holder of a consensus key agrees to vote with it for an organisation.
    #[command(
        after_help = "Example:\n  hanse seat consent /etc/hanse/consensus.key --organisation epsilon > seat.json"
    )]
    Consent {
        /// Name, or a key file: the member's consensus key.
        name: String,
        /// The organisation.
        #[arg(long, value_name = "NAME")]
        organisation: String,
        #[command(flatten)]
        trust: TrustArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Propose that an organisation gets a seat.
    #[command(after_help = "\
Example:
  hanse seat add --consent seat.json --address epsilon.example:7800 --admin ed25519:… --key acme-admin

--admin and --gateway are for an organisation that the ledger does not know yet.")]
    Add {
        /// What `hanse seat consent` printed: organisation, key, and that its holder agrees.
        #[arg(long, value_name = "FILE")]
        consent: PathBuf,
        /// Where the member is reached; without it, as the operators configure.
        #[arg(long, value_name = "HOST:PORT", default_value = "")]
        address: String,
        /// Public key of its first account.
        #[arg(long, value_name = "KEY")]
        admin: Option<PublicKey>,
        /// Public key of a gateway; may be given several times.
        #[arg(long = "gateway", value_name = "KEY", requires = "admin")]
        gateways: Vec<PublicKey>,
        #[command(flatten)]
        motion: MotionArgs,
    },
    /// Say that an applicant's node follows the chain: from the next epoch on it votes.
    #[command(after_help = "\
Example, where the new member runs:
  hanse seat ready --consensus /etc/hanse/consensus.key --consensus-password-file /etc/hanse/consensus.password \\
    --endpoint http://127.0.0.1:8000 --key epsilon-admin

The endpoint should be the new member's own: that it knows the newest block is what is shown.")]
    Ready {
        /// Name, or a key file: the new member's consensus key.
        #[arg(long, value_name = "KEY")]
        consensus: String,
        /// File with its password, readable by its owner alone; else it is asked for on a terminal.
        #[arg(long, value_name = "FILE")]
        consensus_password_file: Option<PathBuf>,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Propose that an organisation loses its seat, or its application.
    #[command(after_help = "Example:\n  hanse seat remove dorado --key acme-admin")]
    Remove {
        /// The organisation.
        organisation: String,
        #[command(flatten)]
        motion: MotionArgs,
    },
    /// Propose another address for a seat.
    #[command(after_help = "Example:\n  hanse seat move dorado d2.example:7800 --key acme-admin")]
    Move {
        /// The organisation.
        organisation: String,
        /// Where its member is reached.
        #[arg(value_name = "HOST:PORT")]
        address: String,
        #[command(flatten)]
        motion: MotionArgs,
    },
    /// Propose another consensus key for a seat.
    #[command(after_help = "Example:\n  hanse seat rotate --consent seat.json --key acme-admin")]
    Rotate {
        /// What `hanse seat consent` printed: organisation, key, and that its holder agrees.
        #[arg(long, value_name = "FILE")]
        consent: PathBuf,
        #[command(flatten)]
        motion: MotionArgs,
    },
    /// End this epoch at full speed: a member that lost its votes votes again in the next.
    #[command(
        after_help = "Example:\n  hanse seat hurry --key acme-admin\n\nAt most once a minute."
    )]
    Hurry {
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Agree to a motion.
    #[command(after_help = "Example:\n  hanse seat approve 4f9c… --key borealis-admin")]
    Approve {
        /// Id of the motion.
        id: Digest,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Take a motion of the signer's organisation back.
    #[command(after_help = "Example:\n  hanse seat withdraw 4f9c… --key acme-admin")]
    Withdraw {
        /// Id of the motion.
        id: Digest,
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// What every proposal needs.
#[derive(Clone, Debug, Args)]
pub(crate) struct MotionArgs {
    /// How long others may approve it.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration::parse)]
    open_for: Duration,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What [`SeatVerb::Consent`] prints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    v: u8,
    chain_id: String,
    organisation: String,
    consensus: String,
    possession: String,
}

/// A consent that was read and holds.
struct Consented {
    organisation: String,
    consensus: [u8; 32],
    possession: Signature,
}

/// Runs one verb.
///
/// # Errors
/// As the client and [`change::refused`] say; [`Exit::Malformed`] for a consent that does not hold.
pub(crate) async fn run(verb: SeatVerb, home: &Home, out: Out) -> Result<(), Failure> {
    match verb {
        SeatVerb::List { connect } => list(&Client::connect(&connect)?, out).await,
        SeatVerb::Motions { connect } => {
            show::list(&Client::connect(&connect)?, "/v1/motions", out).await
        }
        SeatVerb::Motion { id, connect } => {
            let path = format!("/v1/motions/{}", escape(&id.to_string()));
            let motion: Value = Client::connect(&connect)?.get_json(&path).await?;
            out.answer(&motion, show::record);
            Ok(())
        }
        SeatVerb::Consent { name, organisation, trust, password } => {
            let chain_id = TrustRoot::find(&trust, home)?.chain_id();
            let key = key::open(&key::path_of(home, &name)?, &password)?;
            let consent = consent(&key, chain_id, organisation)?;
            out::line(serde_json::to_string(&consent).expect("texts serialise"));
            Ok(())
        }
        SeatVerb::Add { consent, address, admin, gateways, motion } => {
            let author = Author::new(&motion.change, home)?;
            let Consented { organisation, consensus, possession } = read(&consent, &author)?;
            let address = checked(address)?;
            let change =
                SeatChange::Add { organisation, admin, gateways, consensus, address, possession };
            propose(&author, change, motion.open_for, out).await
        }
        SeatVerb::Remove { organisation, motion } => {
            let author = Author::new(&motion.change, home)?;
            propose(&author, SeatChange::Remove { organisation }, motion.open_for, out).await
        }
        SeatVerb::Move { organisation, address, motion } => {
            let author = Author::new(&motion.change, home)?;
            let change = SeatChange::Address { organisation, address: checked(address)? };
            propose(&author, change, motion.open_for, out).await
        }
        SeatVerb::Rotate { consent, motion } => {
            let author = Author::new(&motion.change, home)?;
            let Consented { organisation, consensus, possession } = read(&consent, &author)?;
            let change = SeatChange::Rotate { organisation, consensus, possession };
            propose(&author, change, motion.open_for, out).await
        }
        SeatVerb::Ready { consensus, consensus_password_file, change } => {
            let password = PasswordArgs { password_file: consensus_password_file };
            let key = key::open(&key::path_of(home, &consensus)?, &password)?;
            let author = Author::new(&change, home)?;
            let action = ready(&key, &author).await?;
            ask(&author, action, "ready: it votes from the next epoch on", out).await
        }
        SeatVerb::Hurry { change } => {
            let author = Author::new(&change, home)?;
            ask(&author, MembershipAction::Hurry, "the epoch ends soon", out).await
        }
        SeatVerb::Approve { id, change } => {
            let action = MembershipAction::Approve { motion: id };
            ask(&Author::new(&change, home)?, action, "approved", out).await
        }
        SeatVerb::Withdraw { id, change } => {
            let action = MembershipAction::Withdraw { motion: id };
            ask(&Author::new(&change, home)?, action, "withdrawn", out).await
        }
    }
}

/// What an applicant's key says of the newest block its node has.
async fn ready(key: &SigningKey, author: &Author) -> Result<MembershipAction, Failure> {
    let consensus = raw(key)?;
    let status: Value = author.client.get_json("/v1/status").await?;
    let height = status["height"].as_u64().unwrap_or_default();
    let block: Value = author.client.get_json(&format!("/v1/blocks/{height}")).await?;
    let digest = block["digest"].as_str().unwrap_or_default();
    let digest: Digest = digest
        .parse()
        .attempt(Exit::Malformed, || format!("block {height} was answered without its digest"))?;
    let proof = key.sign(READY_DOMAIN, &ready_message(&author.chain_id, height, &digest));
    Ok(MembershipAction::Ready { consensus, height, digest, proof })
}

/// The public half of a consensus key, as seats name it.
fn raw(key: &SigningKey) -> Result<[u8; 32], Failure> {
    match key.public() {
        PublicKey::Ed25519(raw) => Ok(raw),
        _ => Err(Failure::new(Exit::Malformed, "consensus keys are ed25519 keys")
            .fix("make one with `hanse node init`")),
    }
}

async fn propose(
    author: &Author,
    change: SeatChange,
    open_for: Duration,
    out: Out,
) -> Result<(), Failure> {
    let open_ms = u64::try_from(open_for.as_millis()).unwrap_or(u64::MAX);
    let expires_ms = change::now_ms().saturating_add(open_ms);
    let action = MembershipAction::Propose { change, expires_ms };
    // The id of the motion is the command's, which the answer names.
    ask(author, action, "proposed", out).await
}

async fn ask(
    author: &Author,
    action: MembershipAction,
    done: &str,
    out: Out,
) -> Result<(), Failure> {
    let outcome = author.change(Action::Membership(action)).await?;
    change::answer(out, &outcome, done);
    Ok(())
}

async fn list(client: &Client, out: Out) -> Result<(), Failure> {
    let seats: Value = client.get_json("/v1/seats").await?;
    out.answer(&seats, |seats| {
        let voters = seats["committee"].as_array().into_iter().flatten();
        let voter = |seat: &Value| voters.clone().any(|v| v["consensus"] == seat["consensus"]);
        let mut rows = Vec::new();
        for (kind, state) in [("members", "seat"), ("applicants", "applies"), ("leaving", "left")] {
            for seat in seats[kind].as_array().into_iter().flatten() {
                let text = |field: &str| shown(seat[field].as_str().unwrap_or_default());
                let votes = if voter(seat) { "yes" } else { "no" };
                let (name, key, address) =
                    (text("organisation"), text("consensus"), text("address"));
                rows.push(vec![name, state.to_owned(), votes.to_owned(), key, address]);
            }
        }
        let table =
            out::table(&["organisation", "state", "votes now", "consensus", "address"], rows);
        format!("epoch {}\n{table}", seats["epoch"])
    });
    Ok(())
}

fn consent(key: &SigningKey, chain_id: Digest, organisation: String) -> Result<Consent, Failure> {
    let raw = raw(key)?;
    let message = possession_message(&chain_id, &organisation, &raw);
    Ok(Consent {
        v: 1,
        chain_id: chain_id.to_string(),
        consensus: key.public().to_string(),
        possession: key.sign(POSSESSION_DOMAIN, &message).to_string(),
        organisation,
    })
}

fn read(path: &std::path::Path, author: &Author) -> Result<Consented, Failure> {
    let what = || format!("{} is not what `hanse seat consent` prints", path.display());
    let text = home::read_text(path, CONSENT_BYTES_MAX)?;
    let consent: Consent = serde_json::from_str(&text).attempt(Exit::Malformed, what)?;
    let key: PublicKey = consent.consensus.parse().attempt(Exit::Malformed, what)?;
    let possession: Signature = consent.possession.parse().attempt(Exit::Malformed, what)?;
    let organisation = consent.organisation;
    if let PublicKey::Ed25519(consensus) = key {
        let message = possession_message(&author.chain_id, &organisation, &consensus);
        if key.verify(POSSESSION_DOMAIN, &message, &possession) {
            return Ok(Consented { organisation, consensus, possession });
        }
    }
    let what = format!("{} does not hold for this chain", path.display());
    Err(Failure::new(Exit::Malformed, what).fix("ask the key's holder for a new one"))
}

fn checked(address: String) -> Result<String, Failure> {
    let what = || format!("`{}` is not HOST:PORT", shown(&address));
    check_address(&address).attempt(Exit::Usage, what)?;
    Ok(address)
}
