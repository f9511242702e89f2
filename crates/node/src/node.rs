//! `hanse node`: one member of a network.

use std::{net::SocketAddr, path::PathBuf};

use clap::Subcommand;

use crate::{
    exit::Failure,
    out::{self, Out},
};

mod birth;
pub(crate) mod config;
pub(crate) mod init;
pub(crate) mod run;
mod view;

/// Verbs of `hanse node`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// Run a member until it is told to stop.
    #[command(after_help = "\
Example:
  hanse node run --config /etc/hanse/config.toml

SIGTERM and SIGINT drain and stop within 25 s; a second one stops at once.
Exit: 0 stopped; 70 storage failed; 71 votes lost or rolled back; 72 next protocol version unknown;
  78 configuration (file, line and key are named).")]
    Run {
        /// Configuration file; `hanse node config` prints a documented one.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Follow and serve, and vote only from the next epoch on: for a member whose votes are lost or rolled back.
        #[arg(long)]
        verifier_only: bool,
        /// Stop when stdin closes: `hanse up` ends its members so even if it is killed.
        #[arg(long, hide = true)]
        stop_with_parent: bool,
    },
    /// Make keys and configuration of a member, and what the others need to know of it.
    #[command(after_help = "\
Example:
  hanse node init --organisation acme --dir /etc/hanse --http 0.0.0.0:8000 --p2p 203.0.113.4:7800
Then every organisation sends its founder.json to one, who runs `hanse node genesis`.")]
    Init {
        /// The organisation.
        #[arg(long, value_name = "NAME")]
        organisation: String,
        /// Directory to make it in.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Address of the REST door.
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
        http: SocketAddr,
        /// Address the other members reach this one at.
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7800")]
        p2p: SocketAddr,
    },
    /// Make the trust root of a new network from its founders, and tell their members of each other.
    #[command(after_help = "\
Example:
  hanse node genesis --name friends --to trust-root.json acme.json borealis.json cumulus.json delta.json")]
    Genesis {
        /// What people call the network.
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// What `hanse node init` wrote for each founder.
        #[arg(required = true, value_name = "FOUNDER")]
        founders: Vec<PathBuf>,
    },
    /// Print a configuration with every setting, its default and what it is for.
    #[command(after_help = "Example:\n  hanse node config > config.toml")]
    Config,
}

/// Runs one verb.
///
/// # Errors
/// As each of them says.
pub(crate) fn run(verb: NodeVerb, out: Out) -> Result<(), Failure> {
    match verb {
        NodeVerb::Run { config, verifier_only, stop_with_parent } => {
            run::run(&config, verifier_only, stop_with_parent)
        }
        NodeVerb::Init { organisation, dir, http, p2p } => {
            init::init(&organisation, &dir, http, p2p, out)
        }
        NodeVerb::Genesis { name, to, founders } => init::genesis(&name, &to, &founders, out),
        NodeVerb::Config => {
            out::raw(config::DOCUMENTED.as_bytes());
            Ok(())
        }
    }
}
