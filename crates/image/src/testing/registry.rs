//! A registry on loopback that does what it is told, lies included.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

use super::image::{Made, sha256};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// How many requests with the same method and path came before.
    pub(crate) before: usize,
}

impl Seen {
    pub(crate) fn is(&self, method: Method, part: &str) -> bool {
        self.method == method && self.uri.path().contains(part)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

type Lie = Box<dyn Fn(&Seen) -> Option<Response<Body>> + Send + Sync>;

#[derive(Default)]
pub(crate) struct Content {
    /// `repo:tag` and `repo@digest` to media type and bytes.
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// `repo@digest` to bytes.
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, Vec<u8>>,
    opened: usize,
}

/// The registry; it goes away with the test's runtime.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    pub(crate) content: Mutex<Content>,
    lies: Mutex<Vec<Lie>>,
    seen: Mutex<Vec<Seen>>,
}

/// Certificates under `fixtures/tls`, accepted by a client that trusts `Tls::ca`.
pub(crate) struct Tls;

impl Tls {
    pub(crate) fn ca() -> std::path::PathBuf {
        // Cargo says where the crate is when it runs this; where it was when this was compiled may be another clone.
        let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
        std::path::Path::new(&here).join("fixtures/tls/ca.pem")
    }

    fn acceptor() -> tokio_rustls::TlsAcceptor {
        use rustls::pki_types::pem::PemObject as _;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let certificate = include_bytes!("../../fixtures/tls/server.pem");
        let key = include_bytes!("../../fixtures/tls/server.key");
        let chain = CertificateDer::pem_slice_iter(certificate).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = tokio_rustls::server::TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Fake {
    pub(crate) async fn start() -> Arc<Self> {
        Self::bind(false).await
    }

    pub(crate) async fn start_tls() -> Arc<Self> {
        Self::bind(true).await
    }

    async fn bind(tls: bool) -> Arc<Self> {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let fake = Arc::new(Self {
            address,
            content: Mutex::default(),
            lies: Mutex::default(),
            seen: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&fake));
        if tls {
            let listener = TlsListener { tcp, acceptor: Tls::acceptor() };
            tokio::spawn(async move { axum::serve(listener, router).await });
        } else {
            tokio::spawn(async move { axum::serve(tcp, router).await });
        }
        fake
    }

    /// Serves an image under `repo:tag` and by digest.
    pub(crate) fn serve(&self, repo: &str, tag: &str, made: &Made) {
        let mut content = self.content.lock();
        let root = (made.media_type.clone(), made.bytes.clone());
        content.manifests.insert(format!("{repo}:{tag}"), root.clone());
        content.manifests.insert(format!("{repo}@{}", made.digest), root);
        for (digest, document) in &made.documents {
            content.manifests.insert(format!("{repo}@{digest}"), document.clone());
        }
        for (digest, bytes) in &made.blobs {
            content.blobs.insert(format!("{repo}@{digest}"), bytes.clone());
        }
    }

    /// Answers some requests otherwise.
    pub(crate) fn lie(
        &self,
        lie: impl Fn(&Seen) -> Option<Response<Body>> + Send + Sync + 'static,
    ) {
        self.lies.lock().push(Box::new(lie));
    }

    /// A reference to something here.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    pub(crate) fn count(&self, method: &Method, part: &str) -> usize {
        self.seen.lock().iter().filter(|seen| seen.is(method.clone(), part)).count()
    }
}

pub(crate) fn text_answer(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

/// A body that begins and then never goes on.
pub(crate) fn stalling(start: Vec<u8>) -> Body {
    let start = futures::stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(start)) });
    Body::from_stream(start.chain(futures::stream::pending()))
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
    let seen = {
        let mut all = fake.seen.lock();
        let same = |seen: &&Seen| seen.method == method && seen.uri.path() == uri.path();
        let before = all.iter().filter(same).count();
        let seen = Seen { method, uri, headers, before };
        all.push(seen.clone());
        seen
    };
    let lie = fake.lies.lock().iter().find_map(|lie| lie(&seen));
    if let Some(lie) = lie {
        return lie;
    }
    // The body is read only by who needs it, as real registries do.
    let body = match seen.method {
        Method::PUT | Method::PATCH | Method::POST => axum::body::to_bytes(body, usize::MAX).await,
        _ => Ok(Bytes::new()),
    };
    match body {
        Ok(body) => honest(&fake, &seen, body),
        Err(_) => text_answer(400, &[], "broken off"),
    }
}

fn honest(fake: &Fake, seen: &Seen, body: Bytes) -> Response<Body> {
    let path = seen.uri.path();
    let Some(rest) = path.strip_prefix("/v2/") else {
        return not_found();
    };
    if rest.is_empty() {
        return text_answer(200, &[], "{}");
    }
    if let Some((repo, _)) = rest.split_once("/blobs/uploads/") {
        return upload(fake, seen, repo, body);
    }
    let mut content = fake.content.lock();
    if let Some((repo, digest)) = rest.split_once("/blobs/") {
        return match content.blobs.get(&format!("{repo}@{digest}")) {
            Some(bytes) => {
                let kind = ("content-type", "application/octet-stream");
                let length = bytes.len().to_string();
                let headers = [kind, ("content-length", length.as_str())];
                text_answer(200, &headers, bytes.clone())
            }
            None => not_found(),
        };
    }
    let Some((repo, selector)) = rest.split_once("/manifests/") else {
        return not_found();
    };
    let joint = if selector.contains(':') { '@' } else { ':' };
    let key = format!("{repo}{joint}{selector}");
    if seen.method == Method::PUT {
        let media_type = seen.header("content-type").unwrap_or_default().to_owned();
        let by_digest = format!("{repo}@{}", sha256(&body));
        content.manifests.insert(by_digest, (media_type.clone(), body.to_vec()));
        content.manifests.insert(key, (media_type, body.to_vec()));
        return text_answer(201, &[], "");
    }
    match content.manifests.get(&key) {
        Some((media_type, bytes)) => {
            // A header nobody should believe.
            let digest = format!("sha256:{}", "0".repeat(64));
            let headers =
                [("content-type", media_type.as_str()), ("docker-content-digest", &digest)];
            text_answer(200, &headers, bytes.clone())
        }
        None => not_found(),
    }
}

fn upload(fake: &Fake, seen: &Seen, repo: &str, body: Bytes) -> Response<Body> {
    let query: BTreeMap<String, String> =
        reqwest::Url::parse(&format!("http://x/?{}", seen.uri.query().unwrap_or_default()))
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect();
    let mut content = fake.content.lock();
    if seen.method == Method::POST {
        if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from"))
            && let Some(bytes) = content.blobs.get(&format!("{from}@{digest}")).cloned()
        {
            content.blobs.insert(format!("{repo}@{digest}"), bytes);
            return text_answer(201, &[("location", "/")], "");
        }
        content.opened += 1;
        let id = content.opened.to_string();
        content.uploads.insert(id.clone(), Vec::new());
        return text_answer(
            202,
            &[("location", &format!("/v2/{repo}/blobs/uploads/{id}?state=x"))],
            "",
        );
    }
    let id = seen.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let Some(data) = content.uploads.get_mut(&id) else {
        return not_found();
    };
    data.extend_from_slice(&body);
    if seen.method == Method::PATCH {
        return text_answer(
            202,
            &[("location", &format!("/v2/{repo}/blobs/uploads/{id}?state=y"))],
            "",
        );
    }
    let data = content.uploads.remove(&id).unwrap();
    let digest = query.get("digest").cloned().unwrap_or_default();
    if digest
        .parse()
        .is_ok_and(|digest: crate::Digest| crate::Digest::of(digest.algorithm(), &data) == digest)
    {
        content.blobs.insert(format!("{repo}@{digest}"), data);
        return text_answer(201, &[], "");
    }
    text_answer(400, &[], r#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#)
}

fn not_found() -> Response<Body> {
    let mut response = text_answer(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
