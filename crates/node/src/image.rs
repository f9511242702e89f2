//! `hanse image`: record, verify and fetch container images. What is proven comes from the ledger, bytes from anywhere.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, Subcommand};
use hanse_image::{
    Credentials, EngineOptions, ImageRef, Level, Progress, RegistryName, RegistryOptions, Silent,
    SourceOptions,
};

use crate::{
    change::now_ms,
    cli::{ChangeArgs, ConnectArgs, TrustArgs},
    duration,
    exit::{Exit, Failure},
    home::Home,
    out::{self, Out},
    verdict::Verdict,
};

mod ask;
pub(crate) mod bar;
mod content;
mod facts;
mod history;
mod namespace;
mod observe;
mod pull;
mod record;
mod seen;
mod size;
mod verify;
mod withdraw;

/// Age at which a proven state is too old when a live member is asked and nothing else is said. A member that shows an
/// old state for ever is found out by this; an honest one is seconds behind.
const LIVE_MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Verbs of `hanse image`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageVerb {
    /// Push an image to its registry, sign it, and record it as the tag's newest release.
    #[command(after_help = "\
Examples:
  hanse image push localhost:5000/acme/app:v1                        the local engine's image of that name
  hanse image push oci:build:v1 --as localhost:5000/acme/app:v1 --claim
  hanse image push docker-daemon:app:dev --as registry.example/acme/app:v2
  hanse image push oci:old --as localhost:5000/acme/app:v1 --rollback --reason 'v2 loses mail'")]
    Push(record::RecordArgs),
    /// Sign and record an image that is in its registry already, or one that is nowhere yet.
    #[command(after_help = "\
Examples:
  hanse image sign localhost:5000/acme/app:v1
  hanse image sign oci:build:v1 --as localhost:5000/acme/app:v1")]
    Sign(record::RecordArgs),
    /// Say whether an image is the one its publisher recorded as current.
    #[command(after_help = "\
Examples:
  hanse image verify localhost:5000/acme/app:v1
  hanse image verify localhost:5000/acme/app@sha256:9f..  --level L4 -o json
  hanse image verify oci:app --as localhost:5000/acme/app:v1 --offline app.hproof --max-age 7d

Exit: 0 verified; 10 not signed; 11 unknown name; 12 wrong signer; 13 revoked, yanked or compromised;
  14 rollback or stale; 15 content differs; 16 quorum or proof; 17 malformed; 20 no answer, nothing decided.")]
    Verify(verify::VerifyArgs),
    /// Fetch the recorded image, verify it, and only then give it its name.
    #[command(after_help = "\
Examples:
  hanse image pull localhost:5000/acme/app:v1                        into the local engine
  hanse image pull localhost:5000/acme/app:v1 --to oci:app:v1
  hanse image pull registry.example/acme/app:v1 --registry-ca our-ca.pem --to containers-storage:app:v1

On refusal nothing is left in any of these places. DOCKER_HOST names another engine; credentials come from Docker's
config.json (DOCKER_CONFIG), as `docker login` writes it, and go to the registry and its token server alone.")]
    Pull(pull::PullArgs),
    /// List the releases of a repository or tag: signers, rollbacks, revocations.
    #[command(after_help = "Example:\n  hanse image history localhost:5000/acme/app:v1")]
    History(history::HistoryArgs),
    /// Say "stop running it"; this cannot be taken back.
    #[command(
        after_help = "Example:\n  hanse image revoke localhost:5000/acme/app:v1 --reason 'key leaked into layer 3'"
    )]
    Revoke(withdraw::WithdrawArgs),
    /// Say "do not start new ones".
    #[command(
        after_help = "Example:\n  hanse image yank localhost:5000/acme/app@sha256:9f.. --reason 'crashes on arm64'"
    )]
    Yank(withdraw::WithdrawArgs),
    /// Who owns names, and who may record under them.
    #[command(subcommand)]
    Namespace(namespace::NamespaceVerb),
}

/// How to talk to registries and engines.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlaceArgs {
    /// Further certificates to trust for registries, PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_ca: Option<PathBuf>,
    /// Speak http to the registry; loopback registries are tried so without it.
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// Unpacked bytes allowed for all layers together, such as 64GiB.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) max_unpacked: Option<u64>,
}

impl PlaceArgs {
    pub(crate) fn registry(&self) -> RegistryOptions {
        RegistryOptions {
            ca_file: self.registry_ca.clone(),
            plain_http: self.plain_http,
            credentials: Credentials::DockerConfig,
            ..RegistryOptions::default()
        }
    }

    pub(crate) fn source(&self, purpose: hanse_image::Purpose) -> SourceOptions {
        SourceOptions {
            registry: self.registry(),
            engine: EngineOptions::default(),
            purpose,
            max_unpacked: self.max_unpacked(),
        }
    }

    pub(crate) fn max_unpacked(&self) -> u64 {
        self.max_unpacked.unwrap_or(hanse_image::limits::DEFAULT_MAX_UNPACKED)
    }
}

/// How much to ask for before believing.
#[derive(Clone, Debug, Args)]
pub(crate) struct BeliefArgs {
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Organisation that must have signed.
    #[arg(long, value_name = "ORGANISATION")]
    pub(crate) signer: Option<String>,
    /// Greatest age of the proven state [default: 10m, and none with --offline].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_age: Option<Duration>,
    /// Judge by this saved proof; no member is asked.
    #[arg(long, value_name = "PACK")]
    pub(crate) offline: Option<PathBuf>,
    /// Save the proof the verdict rests on.
    #[arg(long, value_name = "FILE")]
    pub(crate) save_proof: Option<PathBuf>,
    /// How deep to check: L1 the name, L2 manifests, L3 every blob, L4 every layer unpacked.
    #[arg(long, default_value = "L3", value_parser = level)]
    pub(crate) level: Level,
    /// Ask nothing on the terminal.
    #[arg(long = "yes", short = 'y')]
    pub(crate) _yes: bool,
}

impl BeliefArgs {
    fn max_age_ms(&self) -> Option<u64> {
        let live = self.offline.is_none().then_some(LIVE_MAX_AGE);
        self.max_age.or(live).map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }
}

fn level(text: &str) -> Result<Level, String> {
    text.parse().map_err(|error: hanse_image::hashing::LevelError| error.to_string())
}

/// A reference and the registry name the record goes by.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// As the user wrote it.
    pub(crate) text: String,
    pub(crate) place: ImageRef,
    pub(crate) name: RegistryName,
}

impl Named {
    /// Reads REF and `--as`.
    ///
    /// # Errors
    /// [`Exit::Usage`] when one is malformed, or the place carries no registry name and none is given.
    pub(crate) fn parse(text: &str, name: Option<&str>) -> Result<Self, Failure> {
        let bad = |error: hanse_image::ReferenceError| {
            Failure::new(Exit::Usage, format!("`{}` is no image reference", out::shown(text)))
                .caused_by(error)
        };
        let place: ImageRef = text.parse().map_err(bad)?;
        let given: Option<RegistryName> = match name {
            Some(name) => {
                Some(name.strip_prefix("docker://").unwrap_or(name).parse().map_err(bad)?)
            }
            None => None,
        };
        let name = given.or_else(|| place.registry_name().cloned()).ok_or_else(|| {
            let what = format!("{} does not say which record is meant", out::shown(text));
            Failure::new(Exit::Usage, what).fix("name it with --as REGISTRY/REPO:TAG")
        })?;
        Ok(Self { text: text.to_owned(), place, name })
    }

    /// `registry/path`, as the ledger records it.
    pub(crate) fn repo(&self) -> String {
        self.name.repository()
    }
}

/// Runs one verb; whatever happens, one object or line says what came of it.
///
/// # Errors
/// None reach the caller unsaid: a failure is told here in the form of a verdict.
pub(crate) async fn run(verb: ImageVerb, home: &Home, out: Out) -> Result<Exit, Failure> {
    let (reference, done) = match verb {
        ImageVerb::Push(args) => (args.reference.clone(), record::push(args, home, out).await),
        ImageVerb::Sign(args) => (args.reference.clone(), record::sign(args, home, out).await),
        ImageVerb::Verify(args) => (args.reference.clone(), verify::run(args, home, out).await),
        ImageVerb::Pull(args) => (args.reference.clone(), pull::run(args, home, out).await),
        ImageVerb::History(args) => (args.reference.clone(), history::run(args, home, out).await),
        ImageVerb::Revoke(args) => {
            (args.reference.clone(), withdraw::run(args, true, home, out).await)
        }
        ImageVerb::Yank(args) => {
            (args.reference.clone(), withdraw::run(args, false, home, out).await)
        }
        ImageVerb::Namespace(verb) => {
            (verb.prefix().to_owned(), namespace::run(verb, home, out).await)
        }
    };
    match done {
        Ok(exit) => Ok(exit),
        Err(failure) => {
            if out.is_json() {
                out::line(failed(&reference, &failure).json(None));
            } else {
                out.failed(&failure);
            }
            Ok(failure.exit)
        }
    }
}

/// A failure in the form of a verdict.
pub(crate) fn failed(reference: &str, failure: &Failure) -> Verdict {
    Verdict {
        exit: failure.exit,
        reason: failure.reason(),
        remedy: failure.remedy().unwrap_or_default().to_owned(),
        reference: reference.to_owned(),
        digest: None,
        level: None,
        release: None,
        at: None,
        age_ms: None,
        bytes_hashed: 0,
    }
}

/// Tells a verdict, and gives its exit code.
pub(crate) fn tell(out: Out, verdict: &Verdict, evidence: Option<&str>) -> Exit {
    if out.is_json() {
        out::line(verdict.json(evidence));
    } else {
        let line = verdict.line(evidence);
        let style = console::Style::new().for_stdout();
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let style = if verdict.exit == Exit::Done { style.green() } else { style.red() };
        out::line(format_args!("{} {rest}", style.bold().apply_to(word)));
    }
    verdict.exit
}

/// A progress display when there is a terminal for it.
pub(crate) fn progress(what: &str) -> Arc<dyn Progress> {
    if out::progress_wanted() { Arc::new(bar::Bar::new(what)) } else { Arc::new(Silent) }
}

/// An image error with all its causes, in one line.
pub(crate) fn chain(error: &hanse_image::ImageError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// An image error where no verdict is due: what was to be recorded could not be read.
pub(crate) fn unreadable(error: &hanse_image::ImageError) -> Failure {
    use hanse_image::Kind;
    let (exit, fix) = match error.kind() {
        Kind::NotFound => (Exit::Environment, "check the reference"),
        Kind::Differs => {
            (Exit::Differs, "the place serves something else than it says; look into it")
        }
        Kind::Malformed => (Exit::Malformed, "build the image again"),
        Kind::Unreachable => (Exit::Unreachable, "check the address, then try again"),
        Kind::Unauthorized => (Exit::NotAuthorised, "log in with `docker login`"),
        Kind::Environment => (Exit::Environment, "see the cause"),
    };
    Failure::new(exit, chain(error)).fix(fix)
}

/// Arguments every change of image records has.
pub(crate) type Changing = ChangeArgs;

/// The time verdicts are judged by.
pub(crate) fn now() -> u64 {
    now_ms()
}
