//! A desk with one organisation, blocks made on demand, and a router before it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, header, request::Builder},
};
use hanse_crypto::{SigningKey, Suite};
use hanse_ledger::{Config, Ledger};
use hanse_types::{
    Action, COMMAND_DOMAIN, ChainParams, Command, Genesis, GenesisOrganisation, Height, Place,
    SignedCommand, SignedPayload, Threshold, encode,
};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::{Check, DoorConfig, EngineView, Limits, Metrics, router};

/// Time of the genesis block.
pub(crate) const BEGAN_MS: u64 = 1_700_000_000_000;
/// Blocks made for one request before a test is given up: an answer takes one or two.
const BLOCKS_PER_REQUEST_MAX: usize = 1_000;

pub(crate) struct Bench {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) config: DoorConfig,
    pub(crate) admin: SigningKey,
    nonce: AtomicU64,
}

/// An answer as a client has it.
pub(crate) struct Heard {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The problem's code; checks that the answer is a whole problem.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{json}");
        assert_eq!(json["status"], self.status.as_u16(), "{json}");
        for field in ["type", "title", "detail", "remedy"] {
            assert!(json[field].as_str().is_some_and(|t| !t.is_empty()), "{field}: {json}");
        }
        json["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }
}

pub(crate) fn genesis(admin: &SigningKey, gateway: &SigningKey) -> Genesis {
    Genesis {
        version: 1,
        name: "bench".to_owned(),
        created_ms: BEGAN_MS,
        params: ChainParams {
            protocol_version: 1,
            heartbeat_ms: 500,
            leader_timeout_ms: 1_000,
            certification_timeout_ms: 2_000,
            clock_ahead_max_ms: 500,
            epoch_blocks: 10_000,
            spaces_per_organisation: 8,
            motion: Threshold::TWO_THIRDS,
            motion_high: Threshold::ALL,
        },
        organisations: vec![GenesisOrganisation {
            name: "acme".to_owned(),
            admin: admin.public(),
            consensus: [3; 32],
            gateways: vec![gateway.public()],
        }],
    }
}

impl Bench {
    /// Ready, with default limits.
    pub(crate) fn new() -> Self {
        let bench = Self::replaying();
        bench.ledger.set_ready();
        bench.ledger.set_live();
        bench
    }

    /// A desk that does not take commands yet.
    pub(crate) fn replaying() -> Self {
        let admin = SigningKey::from_seed(Suite::Ed25519, [1; 32]);
        let gateway = SigningKey::from_seed(Suite::Ed25519, [2; 32]);
        let genesis = genesis(&admin, &gateway);
        let gossip = Box::new(|_, _| {});
        let ledger = Ledger::new(Config { genesis, gateway: Some(gateway), gossip });
        let config = DoorConfig {
            hosts: vec!["Hanse.Example".to_owned()],
            session_token: Some("sesame".to_owned()),
            version: "0.1.0-test".to_owned(),
            engine: Arc::new(EngineView::default),
            checks: Arc::new(|| vec![Check { name: "storage", result: Ok(()) }]),
            alive: Arc::new(|| Ok(())),
            metrics: Metrics::new("0.1.0-test"),
            snapshots: crate::Snapshots::default(),
            limits: Limits::default(),
        };
        Self { ledger, config, admin, nonce: AtomicU64::new(0) }
    }

    pub(crate) fn router(&self) -> Router {
        router(self.ledger.clone(), self.config.clone())
    }

    /// Makes and commits one block of whatever waits.
    pub(crate) fn block(&self) -> Height {
        let tip = self.ledger.snapshot();
        let view = tip.header.height + 1;
        let parent_view = tip.header.height;
        let epoch = self.ledger.genesis().params.epoch_of(view);
        let place = Place { epoch, view, leader: [3; 32], parent_view };
        let now = tip.header.timestamp_ms + 1;
        let block = self.ledger.build(place, tip.digest, now).expect("the tip is known");
        self.ledger.commit(&block, block.header.digest(), None);
        let height = self.ledger.snapshot().header.height;
        assert_eq!(height, tip.header.height + 1, "{:?}", self.ledger.status().diverged);
        height
    }

    pub(crate) fn sign(&self, action: Action) -> Command {
        self.sign_until(action, self.ledger.snapshot().header.timestamp_ms + 60_000)
    }

    pub(crate) fn sign_until(&self, action: Action, valid_until_ms: u64) -> Command {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let payload = SignedPayload {
            chain_id: self.ledger.genesis().chain_id(),
            key: self.admin.public(),
            nonce,
            valid_until_ms,
            action,
        };
        let signature = self.admin.sign(COMMAND_DOMAIN, &encode(&payload));
        Command::signed(&SignedCommand { payload, signature })
    }

    /// Sends a request that needs no block.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Heard {
        ask(&self.router(), request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Heard {
        self.ask(local("GET", path).body(Body::empty()).expect("a request")).await
    }

    /// Sends a request and makes blocks until it is answered.
    pub(crate) async fn drive(&self, request: Request<Body>) -> Heard {
        let blocks = async {
            for _ in 0..BLOCKS_PER_REQUEST_MAX {
                tokio::task::yield_now().await;
                self.block();
            }
        };
        let router = self.router();
        tokio::select! {
            biased;
            heard = ask(&router, request) => heard,
            () = blocks => panic!("no answer"),
        }
    }

    /// Submits a command and makes blocks until its outcome is there.
    pub(crate) async fn submit(&self, command: &Command) -> Heard {
        self.drive(octets("/v1/commands", encode(command))).await
    }

    /// Submits an action of the admin that must be done.
    pub(crate) async fn done(&self, action: Action) -> Value {
        let outcome = self.submit(&self.sign(action)).await.ok();
        assert_eq!(outcome["status"], "done", "{outcome}");
        outcome
    }

    /// Writes as a session client of this machine.
    pub(crate) async fn write(&self, space: &str, action: Value) -> Heard {
        let body = serde_json::json!({ "action": action });
        self.drive(json(&format!("/v1/spaces/{space}/kv"), &body)).await
    }
}

pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Heard {
    let response = router.clone().oneshot(request).await.expect("a router never fails");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
    Heard { status: parts.status, headers: parts.headers, bytes }
}

/// A request of a program on this machine.
pub(crate) fn local(method: &str, path: &str) -> Builder {
    let peer: SocketAddr = "127.0.0.1:50000".parse().expect("an address");
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1:8000")
        .extension(ConnectInfo(peer))
}

pub(crate) fn octets(path: &str, bytes: Vec<u8>) -> Request<Body> {
    let request = local("POST", path).header(header::CONTENT_TYPE, "application/octet-stream");
    request.body(Body::from(bytes)).expect("a request")
}

pub(crate) fn json(path: &str, body: &Value) -> Request<Body> {
    let request = local("POST", path).header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).expect("a request")
}
