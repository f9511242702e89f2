//! `hanse status`: heights, committee and newest certificate, as one member sees them.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    cli::ConnectArgs,
    client::Client,
    exit::Failure,
    out::{self, Out, shown},
};

/// Arguments of `hanse status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  hanse status --endpoint http://127.0.0.1:8010 -o json

What a member says of itself is not proven; `hanse proof get` is. Exit 20 when no member answers.")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    connect: ConnectArgs,
}

/// CONTRACT 2; further fields of the member are left out.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Status {
    #[serde(default = "one")]
    v: u8,
    chain_id: String,
    pub(crate) height: u64,
    epoch: u64,
    committee: Vec<Seat>,
    certificate: Certificate,
    #[serde(default)]
    settled_height: u64,
    #[serde(default)]
    version: String,
}

impl Status {
    /// Whether height 1 is certified on the member that says so.
    pub(crate) fn is_certified(&self) -> bool {
        self.height >= 1 && self.certificate.height >= 1
    }
}

fn one() -> u8 {
    1
}

#[derive(Debug, Deserialize, Serialize)]
struct Seat {
    organisation: String,
    member: String,
    state: String,
    height: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Certificate {
    height: u64,
    signed: u64,
    of: u64,
    need: u64,
}

/// Asks and shows.
///
/// # Errors
/// [`crate::exit::Exit::Unreachable`] when no member answers.
pub(crate) async fn run(args: StatusArgs, out: Out) -> Result<(), Failure> {
    let client = Client::connect(&args.connect)?;
    let status: Status = client.get_json("/v1/status").await?;
    out.answer(&status, text);
    Ok(())
}

fn text(status: &Status) -> String {
    let Certificate { height, signed, of, need } = &status.certificate;
    let rows = status.committee.iter().map(|seat| {
        let height = seat.height.map_or_else(|| "-".to_owned(), |h| h.to_string());
        vec![seat.organisation.clone(), seat.state.clone(), height, seat.member.clone()]
    });
    format!(
        "chain        {}\nheight       {} (settled {})\ncertificate  height {height}: {signed} of {of} signed, {need} needed\nepoch        {}\n\n{}",
        shown(&status.chain_id),
        status.height,
        status.settled_height,
        status.epoch,
        out::table(&["organisation", "state", "height", "member"], rows),
    )
}
