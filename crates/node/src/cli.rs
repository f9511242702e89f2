//! The command line: one noun, one verb; what several verbs share stands here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    bench_client, bench_desk, bench_hash, demo, down, gateway, image, key, kv, node, org,
    out::Format, password::PasswordArgs, proof, seat, snapshot, space, status, up,
};

/// A ledger that several organisations run together, and that existing tools use as they are.
#[derive(Debug, Parser)]
#[command(name = "hanse", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  hanse up                                    start four organisations on this machine
  hanse image push localhost:5000/acme/app:v1 push, sign and record an image
  hanse image verify localhost:5000/acme/app:v1
  hanse status                                heights of all members

Exit codes: 0 done; 1 internal error; 2 usage; 3 environment; 4 not authorised; 5 refused by the ledger;
  10 not signed; 11 unknown name; 12 wrong signer; 13 revoked, yanked or compromised; 14 rollback or stale;
  15 content differs; 16 quorum or proof; 17 malformed; 20 nobody answered;
  members: 70 storage; 71 votes lost; 72 next protocol unknown; 78 configuration.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Form of the answer on stdout.
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Format,
    /// Directory of keys and of what was seen [default: $XDG_DATA_HOME/hanse].
    #[arg(long, global = true, env = "HANSE_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start a network of several organisations on this machine, or go on with it.
    Up(up::UpArgs),
    /// Stop the network that `up` started.
    Down(down::DownArgs),
    /// Heights, committee and newest certificate.
    Status(status::StatusArgs),
    /// Record, verify and fetch container images.
    #[command(subcommand)]
    Image(image::ImageVerb),
    /// Secret keys of this user.
    #[command(subcommand)]
    Key(key::KeyVerb),
    /// Organisations and their accounts.
    #[command(subcommand)]
    Org(org::OrgVerb),
    /// Keys with which an organisation's gateways sign for their clients.
    #[command(subcommand)]
    Gateway(gateway::GatewayVerb),
    /// Spaces: who owns a keyspace and who else may write it.
    #[command(subcommand)]
    Space(space::SpaceVerb),
    /// Seats of the committee, and the motions that change them.
    #[command(subcommand)]
    Seat(seat::SeatVerb),
    /// Keys and values of a space.
    #[command(subcommand)]
    Kv(kv::KvVerb),
    /// Get, show and check proofs.
    #[command(subcommand)]
    Proof(proof::ProofVerb),
    /// Whole states: save, check, and begin with one.
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotVerb),
    /// One member of a network.
    #[command(subcommand)]
    Node(node::NodeVerb),
    /// See a registry's operator attack an image and be caught.
    Demo(demo::DemoArgs),
    /// Load for `cargo xtask bench`.
    #[command(hide = true)]
    BenchClient(bench_client::BenchArgs),
    /// A member under load for `cargo xtask bench`.
    #[command(hide = true)]
    BenchDesk(bench_desk::DeskArgs),
    /// Hashing for `cargo xtask bench`.
    #[command(hide = true)]
    BenchHash(bench_hash::HashArgs),
    /// Print completions for a shell.
    #[command(
        after_help = "Example:\n  hanse completions bash > ~/.local/share/bash-completion/completions/hanse"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Version of this program and of what it understands.
    Version,
}

/// Which members to ask.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConnectArgs {
    /// Members to ask, in this order; the next is asked when one does not answer
    /// [default: those of the local network].
    #[arg(long, env = "HANSE_ENDPOINT", value_name = "URL[,URL]", value_delimiter = ',')]
    pub(crate) endpoint: Vec<String>,
}

/// What answers are checked against.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TrustArgs {
    /// Pinned trust root of the chain [default: trust-root.json in the home directory, else that of the
    /// local network].
    #[arg(long, env = "HANSE_TRUST_ROOT", value_name = "FILE")]
    pub(crate) trust_root: Option<PathBuf>,
}

/// Who signs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SignArgs {
    /// Key that signs: a name of `hanse key list`, or a key file [default: the only key there is].
    #[arg(long, env = "HANSE_KEY", value_name = "NAME|FILE")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// All a verb needs that asks the ledger for a change.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
}

#[cfg(test)]
mod tests;
