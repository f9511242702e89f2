//! `hanse up`: several organisations on this machine, started, watched, and stopped together (CONTRACT 1).

use std::path::PathBuf;

use clap::Args;

use crate::{
    exit::{Exit, Failure},
    home,
    local::{
        layout::{self, NAMES},
        network::Network,
        process,
        supervise::{self, Lock},
    },
};

/// Arguments of `hanse up`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  hanse up                          four organisations; Ctrl-C stops them
  hanse up --detach                 return when they are ready; `hanse down` stops them
  hanse up --fresh --members 7 --base-port 9000 --dir /tmp/seven

Prints `READY http://127.0.0.1:8000` once height 1 is certified on every member. The directory holds network.json and
trust-root.json; keys there are for local use. Exit 3: a port is taken (it is named), nothing is left running.")]
pub(crate) struct UpArgs {
    /// Directory of the network [default: $XDG_STATE_HOME/hanse/local].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Begin anew: remove the data of an earlier network.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Organisations with one member each [default: 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=NAMES.len() as i64))]
    pub(crate) members: Option<u16>,
    /// Member i gets B+10i for HTTP, +1 for etcd, +2 for the other members
    /// [default: 8000+10i, 2379+10i, 7800+i].
    #[arg(long, value_name = "B")]
    pub(crate) base_port: Option<u16>,
    /// Return when the network is ready.
    #[arg(long)]
    pub(crate) detach: bool,
    /// This is the background half of `--detach`.
    #[arg(long, hide = true)]
    pub(crate) background: bool,
}

/// Default number of members: the least that tolerate one that lies.
const MEMBERS: u16 = 4;

/// Starts the network and stays until told to stop.
///
/// # Errors
/// [`Exit::Environment`] for ports and files; a member's own exit code when it ends before the network is ready.
pub(crate) async fn run(args: UpArgs) -> Result<(), Failure> {
    let dir = supervise::directory(args.dir.clone().map_or_else(home::local_network, Ok)?);
    home::private_dir(&dir)?;
    if args.detach && !args.background {
        return supervise::detach(&args, &dir).await;
    }
    let lock = Lock::take(&dir)?.ok_or_else(|| {
        let what = format!("the network in {} runs already", dir.display());
        Failure::new(Exit::Environment, what).fix("`hanse down` stops it; or choose another --dir")
    })?;
    let network = prepare(&args, &dir)?;
    supervise::run(&dir, network, lock).await
}

/// Makes the network or finds it again, with nothing of it running and its ports free.
fn prepare(args: &UpArgs, dir: &std::path::Path) -> Result<Network, Failure> {
    let mut found = Network::load(dir)?;
    if let Some(network) = &mut found {
        process::end_leftovers(network);
        supervise::forget_pids(dir, network)?;
    }
    if args.fresh || found.is_none() {
        layout::clear(dir)?;
        found = None;
    }
    let network = match found {
        Some(mut network) => {
            let there = network.members.len();
            if args.members.is_some_and(|wanted| usize::from(wanted) != there) {
                let what = format!("the network in {} has {there} members", dir.display());
                return Err(
                    Failure::new(Exit::Usage, what).fix("--fresh begins anew, without its data")
                );
            }
            if args.base_port.is_some() {
                layout::place(dir, &mut network, args.base_port)?;
                network.save(dir)?;
            }
            network
        }
        None => {
            // Asked before anything is written: a network on taken ports is of no use.
            layout::make(dir, args.members.unwrap_or(MEMBERS), args.base_port)?
        }
    };
    layout::check_ports(&network)?;
    Ok(network)
}
