//! `hanse node run`: one member with its door, until a signal or a failure.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use base64::Engine as _;
use hanse_crypto::SigningKey;
use hanse_gateway_http::{DoorConfig, Limits, Metrics, Snapshots, router, serve};
use hanse_member::{
    ConsensusKey, MemberConfig, MemberError, Peer, PeerAddress,
    real::{Member, RealSettings, run as run_member},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use zeroize::Zeroizing;

use super::{
    birth,
    config::{Loaded, LogFormat},
    view::View,
};
use crate::{
    exit::{Attempt as _, Exit, Failure},
    home,
};

/// How long the member may take to write down what it has. With the door's ten seconds this stays within the 25 s that
/// CONTRACT 1 and Kubernetes' default leave.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of a PKCS#8 ed25519 key (RFC 8410 section 7, without a public key); its last 32 are the seed.
const ED25519_DER_BYTES: usize = 48;

/// Runs the member that `config` describes.
///
/// # Errors
/// [`Exit::Config`], [`Exit::Storage`], [`Exit::Votes`] or [`Exit::Protocol`], as CONTRACT 2 says.
pub(super) fn run(
    config: &Path,
    verifier_only: bool,
    stop_with_parent: bool,
) -> Result<(), Failure> {
    let mut loaded = Loaded::load(config)?;
    loaded.config.verifier_only |= verifier_only;
    log(&loaded)?;
    home::private_dir(&loaded.config.data)?;
    let _lock = lock(&loaded)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("hanse-door")
        .enable_all()
        .build()
        .attempt(Exit::Environment, || "could not start the runtime".to_owned())?;
    let done = runtime.block_on(live(loaded, stop_with_parent));
    // Requests that do not end must not hold up the process.
    runtime.shutdown_background();
    done
}

async fn live(loaded: Loaded, stop_with_parent: bool) -> Result<(), Failure> {
    let stop = stop_signal(stop_with_parent)?;
    let door = bind(&loaded, "listen", loaded.config.http.listen)?;
    drop(bind(&loaded, "listen", loaded.config.p2p.listen)?);
    let (config, settings) = describe(&loaded)?;
    let me = config.consensus.public();
    tracing::info!(consensus = %config.memory_bound(), "memory that queues may take");
    let started = tokio::select! {
        started = run_member(config, settings) => started,
        () = asked(stop.clone()) => return Ok(()),
    };
    let mut member = started.map_err(|error| failure(&error))?;
    if !loaded.config.verifier_only {
        birth::withdraw(&loaded.config.data)?;
    }
    tracing::info!(
        organisation = loaded.config.organisation,
        height = member.ledger.status().height,
        votes = member.report.votes_seen(),
        fresh = member.report.fresh,
        "the member runs"
    );
    if !member.ledger.committee().members.iter().any(|seat| seat.consensus == me) {
        // A mistyped key file looks like a newcomer, whose seat comes by a motion.
        tracing::warn!(
            consensus = hanse_types::Digest(me).to_string(),
            "this key holds no seat in the present committee: the node follows and does not vote (`hanse seat list`)"
        );
    }
    let view = View::start(&loaded.trust.file.genesis, me, &member);
    let listener = tokio::net::TcpListener::from_std(door)
        .attempt(Exit::Environment, || "could not serve HTTP".to_owned())?;
    let ended = member.ended();
    let failed = ended.clone();
    // The door closes when the member is told to stop, and when it has failed.
    let closing = {
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = asked(stop) => {}
                _ = failed => {}
            }
        }
    };
    let router = router(member.ledger.clone(), door_config(&loaded, &member, &view));
    serve(listener, router, Limits::default(), closing)
        .await
        .attempt(Exit::Environment, || "could not serve HTTP".to_owned())?;
    member.stop();
    match timeout(STOP_LIMIT, ended).await {
        Ok(Ok(())) => {
            tracing::info!("the member has stopped");
            Ok(())
        }
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => {
            // Everything acknowledged is in the log; only what replay makes again is lost.
            tracing::warn!("the member did not write down its state in time; replay will");
            Ok(())
        }
    }
}

/// What a member's failure means to who runs it.
fn failure(error: &Arc<MemberError>) -> Failure {
    let exit = match &**error {
        MemberError::Log(_)
        | MemberError::State(_)
        | MemberError::Snapshot(_)
        | MemberError::Start(_)
        | MemberError::Storage(_)
        | MemberError::Diverged(_) => Exit::Storage,
        MemberError::Votes(_) => Exit::Votes,
        MemberError::Protocol(_) => Exit::Protocol,
        MemberError::Network(_) => Exit::Config,
        _ => Exit::Internal,
    };
    let remedy = match exit {
        Exit::Storage => {
            "check the disk; with a damaged log, start anew with an empty data directory and --verifier-only"
        }
        Exit::Votes => {
            "start it with --verifier-only: it then follows and serves, and votes again from the next epoch on; in this one \
             it could sign against itself. If this key votes elsewhere, stop that member first"
        }
        Exit::Protocol => "install a release that knows this protocol version; nothing was lost",
        Exit::Config => "check [p2p] in the configuration",
        _ => "see the log",
    };
    Failure::new(exit, "the member ended").caused_by(error.clone()).fix(remedy)
}

fn log(loaded: &Loaded) -> Result<(), Failure> {
    use tracing_subscriber::EnvFilter;
    let filter = match std::env::var("RUST_LOG") {
        Ok(set) if !set.is_empty() => {
            EnvFilter::try_new(set).attempt(Exit::Usage, || "RUST_LOG is no filter".to_owned())?
        }
        _ => EnvFilter::try_new(&loaded.config.log.level)
            .map_err(|error| loaded.wrong("level", &error.to_string()))?,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match loaded.config.log.format {
        LogFormat::Text => builder.with_ansi(console::colors_enabled_stderr()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    done.attempt(Exit::Internal, || "could not start logging".to_owned())
}

/// One process per data directory: two would vote against each other.
pub(crate) fn lock(loaded: &Loaded) -> Result<File, Failure> {
    let path = loaded.config.data.with_extension("lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|error| loaded.wrong("data", &error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(loaded.wrong("data", "another process runs on this directory")),
    }
}

fn bind(loaded: &Loaded, key: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| loaded.wrong(key, &format!("{address} cannot be used: {error}")))
}

pub(crate) fn describe(loaded: &Loaded) -> Result<(MemberConfig, RealSettings), Failure> {
    let config = &loaded.config;
    let genesis = loaded.trust.file.genesis.clone();
    let mut peers = Vec::new();
    for founder in &genesis.organisations {
        // `Loaded` has checked that every founder has an entry.
        let text = config.p2p.peers.get(&founder.name).map_or("", String::as_str);
        let address = PeerAddress::parse(text).ok_or_else(|| {
            loaded.wrong(&founder.name, "expected an address or a name, a colon and a port")
        })?;
        let organisation = founder.name.clone();
        peers.push(Peer { key: founder.consensus, organisation, address });
    }
    let member = MemberConfig {
        genesis,
        consensus: ConsensusKey::from_seed_bytes(*seed(&loaded.consensus)?),
        gateway: loaded.gateway.clone(),
        verifier_only: config.verifier_only,
        first_start: birth::is_vouched(&config.data, &loaded.consensus.public().to_string()),
        snapshot_blocks: config.snapshot_blocks.get(),
    };
    let settings = RealSettings { data: config.data.clone(), listen: config.p2p.listen, peers };
    Ok((member, settings))
}

/// The seed of an ed25519 key, which the engine wants raw; taken from the key's exchange form.
fn seed(key: &SigningKey) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let pem = key.to_pkcs8_pem();
    let body: Zeroizing<String> =
        Zeroizing::new(pem.lines().filter(|line| !line.starts_with("-----")).collect());
    let der = base64::engine::general_purpose::STANDARD.decode(body.as_bytes());
    let der = Zeroizing::new(der.unwrap_or_default());
    let tail: Option<[u8; 32]> = (der.len() == ED25519_DER_BYTES)
        .then(|| der[ED25519_DER_BYTES - 32..].try_into().ok())
        .flatten();
    tail.map(Zeroizing::new)
        .ok_or_else(|| Failure::new(Exit::Config, "the consensus key has no ed25519 seed"))
}

/// What the door hands out of the member's snapshots.
fn snapshots(member: &Member) -> Snapshots {
    let (newest, chunk, make) = (member.shelf.clone(), member.shelf.clone(), member.shelf.clone());
    Snapshots {
        newest: Arc::new(move || {
            let shelf = newest.clone();
            Box::pin(async move { shelf.newest().await })
        }),
        chunk: Arc::new(move |height, index| {
            let shelf = chunk.clone();
            Box::pin(async move { shelf.chunk(height, index).await })
        }),
        make: Arc::new(move || make.make()),
    }
}

fn door_config(loaded: &Loaded, member: &Member, view: &View) -> DoorConfig {
    let version = env!("CARGO_PKG_VERSION");
    let metrics = Metrics::new(version);
    view.measure(&metrics, member);
    DoorConfig {
        hosts: loaded.config.http.hosts.clone(),
        session_token: loaded.session_token.clone(),
        version: version.to_owned(),
        engine: view.engine(),
        checks: view.checks(),
        alive: view.alive(),
        metrics,
        snapshots: snapshots(member),
        limits: Limits::default(),
    }
}

/// Turns true at the first SIGTERM, SIGINT or end of the parent; a second signal ends the process at once.
fn stop_signal(with_parent: bool) -> Result<watch::Receiver<bool>, Failure> {
    let listen = |kind| {
        signal(kind).attempt(Exit::Environment, || "could not listen for signals".to_owned())
    };
    let (mut term, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (say, stop) = watch::channel(false);
    let parent = say.clone();
    tokio::spawn(async move {
        let mut signals = 0;
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            signals += 1;
            if signals > 1 {
                tracing::warn!("a second signal: ending at once");
                std::process::exit(i32::from(Exit::Done.code()));
            }
            tracing::info!("asked to stop; draining");
            say.send_replace(true);
        }
    });
    if with_parent {
        // A thread of its own: reading stdin cannot be cancelled, and must not keep the runtime from ending.
        std::thread::spawn(move || {
            let _ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            parent.send_replace(true);
        });
    }
    Ok(stop)
}

async fn asked(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|asked| *asked).await.is_err() {
        // Nobody can ask any more, so this never comes to pass.
        std::future::pending::<()>().await;
    }
}
