//! `hanse snapshot`: a member's whole state as a file that anybody can check, and that a member can begin with.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Subcommand;
use hanse_ledger::Checked;
use hanse_member::{
    SnapshotError,
    real::{Restored, restore, verify},
};
use hanse_snapshot::{Listing, head};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{ConnectArgs, TrustArgs},
    client::Client,
    exit::{Attempt as _, Exit, Failure},
    home::Home,
    image::bar::Bar,
    node::{config::Loaded, run::lock},
    out::{self, Out},
    trust::TrustRoot,
};

/// How long a member may take to make a snapshot: it writes out all of its state.
const MADE_LIMIT: Duration = Duration::from_secs(300);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How often a save starts over because the snapshot was replaced meanwhile.
const STARTS_MAX: u32 = 5;

/// Verbs of `hanse snapshot`.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotVerb {
    /// Save the newest settled state of a member that runs.
    #[command(after_help = "\
Example:
  hanse snapshot save backup.hsnap --endpoint http://127.0.0.1:8000

The member goes on meanwhile. What it sends is checked against the trust root as far as that is possible without
building the state; `hanse snapshot verify` checks all of it. On the member's own machine only, unless the state was
saved before.")]
    Save {
        /// File to write.
        file: PathBuf,
        #[command(flatten)]
        connect: ConnectArgs,
        #[command(flatten)]
        trust: TrustArgs,
    },
    /// Check a saved state: who vouches for it, every chunk, every record. No network.
    #[command(after_help = "\
Example:
  hanse snapshot verify backup.hsnap --trust-root trust-root.json

Exit: 0 all of it holds; 16 it does not; 17 it is no snapshot.")]
    Verify {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
    },
    /// Make a saved state what a member begins with. Its data directory must be empty.
    #[command(after_help = "\
Example:
  hanse snapshot restore backup.hsnap --config /etc/hanse/config.toml
  hanse node run --config /etc/hanse/config.toml --verifier-only

All of the file is checked first, against the trust root that the configuration names. The member then fetches what came
after from the others; it votes again from the epoch on that follows theirs.")]
    Restore {
        /// The file.
        file: PathBuf,
        /// The member's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// What a snapshot is, for people and programs.
#[derive(Debug, Serialize)]
struct Facts {
    v: u8,
    verdict: &'static str,
    height: u64,
    epoch: u64,
    time_ms: u64,
    state_root: String,
    signers: Vec<String>,
    quorum: QuorumFacts,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct QuorumFacts {
    signed: usize,
    of: usize,
    need: usize,
    epoch: u64,
}

/// What `GET /v1/status` says that matters here.
#[derive(Debug, Deserialize)]
struct Settled {
    settled_height: u64,
}

/// Runs one verb.
///
/// # Errors
/// [`Exit::Proof`] for a state that does not hold, [`Exit::Malformed`] for a file that is none, [`Exit::Environment`] for the
/// disk, and as [`Client`] says.
pub(crate) async fn run(verb: SnapshotVerb, home: &Home, out: Out) -> Result<(), Failure> {
    match verb {
        SnapshotVerb::Save { file, connect, trust } => {
            let trust = TrustRoot::find(&trust, home)?;
            let client = Client::connect(&connect)?;
            save(&client, &trust, &file, out).await
        }
        SnapshotVerb::Verify { file, trust } => {
            let trust = TrustRoot::find(&trust, home)?;
            let scratch = scratch(&file)?;
            let genesis = trust.file.genesis.clone();
            let bar = bar("checking");
            let checked = verify(genesis, &file, scratch.path(), Box::new(bar));
            let restored = checked.map_err(|error| refused(&file, error))?;
            tell(&restored, "verified", out);
            Ok(())
        }
        SnapshotVerb::Restore { file, config } => {
            let loaded = Loaded::load(&config)?;
            let data = &loaded.config.data;
            crate::home::private_dir(data)?;
            let _lock = lock(&loaded)?;
            if let Some(what) = occupant(data)? {
                let what = format!("{} is not empty: it holds {what}", data.display());
                return Err(Failure::new(Exit::Environment, what)
                    .fix("move what is there away first; a member's votes are in it"));
            }
            let genesis = loaded.trust.file.genesis.clone();
            let restored = restore(genesis, &file, data, Box::new(bar("restoring")));
            let restored = restored.map_err(|error| refused(&file, error))?;
            tell(&restored, "restored", out);
            if !out.is_json() {
                out::note(format_args!(
                    "next: hanse node run --config {} --verifier-only",
                    config.display()
                ));
            }
            Ok(())
        }
    }
}

/// The first thing in a data directory that a member has left there.
fn occupant(data: &Path) -> Result<Option<String>, Failure> {
    let listed = std::fs::read_dir(data)
        .attempt(Exit::Environment, || format!("could not read {}", data.display()))?;
    let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.into_iter().min())
}

/// Room for the check, beside the file, which has room for one more of its size if anything has.
fn scratch(file: &Path) -> Result<tempfile::TempDir, Failure> {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".hanse-snapshot-")
        .tempdir_in(parent)
        .attempt(Exit::Environment, || {
            format!("could not make a directory in {} to check in", parent.display())
        })
}

fn refused(file: &Path, error: SnapshotError) -> Failure {
    let exit = match &error {
        SnapshotError::Disk(_) | SnapshotError::File(_) => Exit::Environment,
        SnapshotError::Listing(_) => Exit::Malformed,
        _ => Exit::Proof,
    };
    let fix = match exit {
        Exit::Environment => "check the path, permissions and free space",
        _ => "save it again, from another member if this one's do not hold",
    };
    Failure::new(exit, format!("{}", file.display())).caused_by(error).fix(fix)
}

fn facts(checked: &Checked, verdict: &'static str, records: Option<u64>, bytes: u64) -> Facts {
    let verified = &checked.verified;
    let quorum = &verified.quorum;
    Facts {
        v: 1,
        verdict,
        height: checked.header.height,
        epoch: checked.header.place.epoch,
        time_ms: checked.header.timestamp_ms,
        state_root: checked.root.to_string(),
        signers: verified.signers.clone(),
        quorum: QuorumFacts {
            signed: quorum.signed,
            of: quorum.of,
            need: quorum.need,
            epoch: quorum.epoch,
        },
        records,
        bytes,
    }
}

fn tell(restored: &Restored, verdict: &'static str, out: Out) {
    let Restored { checked, records, bytes } = restored;
    let facts = facts(checked, verdict, Some(*records), *bytes);
    out.answer(&facts, |facts| {
        format!(
            "{verdict}: the state after block {}, {} records in {} bytes, signed by {} of {} members ({}), epoch {}",
            facts.height,
            records,
            facts.bytes,
            facts.quorum.signed,
            facts.quorum.of,
            out::shown(&facts.signers.join(", ")),
            facts.quorum.epoch,
        )
    });
}

/// A progress bar as the member's functions want it.
fn bar(what: &'static str) -> impl FnMut(u64, u64) + Send + 'static {
    let bar = out::progress_wanted().then(|| Bar::new(what));
    move |done, total| {
        if let Some(bar) = &bar {
            bar.set(done, total);
        }
    }
}

/// Asks one member after the other, and keeps to the one that answers.
async fn save(client: &Client, trust: &TrustRoot, file: &Path, out: Out) -> Result<(), Failure> {
    let mut why = Failure::new(Exit::Unreachable, "no member was asked");
    for endpoint in client.endpoints() {
        let one = Client::new(&[endpoint])?;
        for _ in 0..STARTS_MAX {
            match save_from(&one, trust, file, out).await {
                Ok(()) => return Ok(()),
                Err(Stop::Here(failure)) => return Err(failure),
                Err(Stop::Replaced(failure)) => why = failure,
                Err(Stop::Next(failure)) => {
                    why = failure;
                    break;
                }
            }
        }
    }
    Err(why)
}

/// Why one attempt came to nothing.
enum Stop {
    /// Nobody else does better.
    Here(Failure),
    /// The same member does, with its next snapshot.
    Replaced(Failure),
    /// Another member may.
    Next(Failure),
}

async fn save_from(client: &Client, trust: &TrustRoot, file: &Path, out: Out) -> Result<(), Stop> {
    let listing = newest(client).await.map_err(Stop::Next)?;
    let genesis = &trust.file.genesis;
    listing.manifest.check_proof(genesis).map_err(|e| Stop::Next(refused(file, e.into())))?;
    let here = |error: std::io::Error| Stop::Here(refused(file, SnapshotError::File(error)));
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut place = tempfile::NamedTempFile::with_prefix_in(".hanse-", parent).map_err(here)?;
    place.write_all(&head(&listing)).map_err(here)?;
    let mut bar = bar("saving");
    let mut done = 0;
    for index in 0..listing.chunks.len() as u32 {
        let path = format!("/v1/snapshots/{}/chunks/{index}", listing.height());
        let chunk = client.get(&path).await.map_err(|e| Stop::Replaced(e.into()))?;
        if !listing.is_chunk(index, &chunk) {
            return Err(Stop::Next(refused(file, SnapshotError::Chunk(index))));
        }
        place.write_all(&chunk).map_err(here)?;
        done += chunk.len() as u64;
        bar(done, listing.bytes());
    }
    place.as_file().sync_all().map_err(here)?;
    place.persist(file).map_err(|error| here(error.error))?;
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(here)?;
    let (height, bytes) = (listing.height(), listing.bytes());
    let answer = serde_json::json!({
        "v": 1, "verdict": "saved", "height": height, "bytes": bytes, "file": file,
    });
    out.answer(&answer, |_| {
        format!(
            "saved: the state after block {height}, {bytes} bytes; `hanse snapshot verify {}` checks all of it",
            file.display()
        )
    });
    Ok(())
}

/// The listing of a snapshot that is not older than the newest settled state; has one made if there is none.
async fn newest(client: &Client) -> Result<Listing, Failure> {
    let settled: Settled = client.get_json("/v1/status").await?;
    let mut asked = false;
    let began = Instant::now();
    loop {
        let listing = match client.get("/v1/snapshots/newest").await {
            Ok(bytes) => Some(Listing::decode(&bytes).map_err(|error| {
                let what = "the member's listing of its snapshot cannot be used";
                Failure::new(Exit::Malformed, what).caused_by(error)
            })?),
            Err(crate::client::ClientError::Problem(problem))
                if problem.code == "unknown_snapshot" =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(listing) = listing.filter(|l| l.height() >= settled.settled_height) {
            return Ok(listing);
        }
        if !asked {
            client.post_empty("/v1/snapshots").await?;
            asked = true;
        }
        if began.elapsed() > MADE_LIMIT {
            let what = format!("the member made no snapshot within {} s", MADE_LIMIT.as_secs());
            return Err(Failure::new(Exit::Unreachable, what).fix("see its log"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
