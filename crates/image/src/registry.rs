//! A client of the OCI distribution API that trusts nothing it is told.
//!
//! Protocol: OCI distribution spec 1.1; token authentication as in distribution's `docs/spec/auth/token.md`. Why it is our own and not a
//! library's: docs/adr/0010-own-registry-client.md.

mod auth;
mod challenge;
mod net;
pub mod push;
mod send;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::{Method, Response, StatusCode, Url};

use crate::digest::{Algorithm, Digest};
use crate::error::{ImageError, safe_cause};
use crate::limits::{IDLE_LIMIT, MAX_ANSWER_BYTES, MAX_DOCUMENT_BYTES};
use crate::manifest::{ACCEPTED, Descriptor, Malformed, is_document, parse_document};
use crate::printable;
use crate::reference::RegistryName;
use crate::source::Resolved;
use crate::watch::Window;
use auth::Session;
use net::Network;
use send::{Body, Call};

/// Where Docker Hub's API really is.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// Where credentials come from. They are sent only to the registry and to the token server it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Docker's `config.json` (`DOCKER_CONFIG` or `~/.docker`), with its credential helpers; podman's `auth.json` after that.
    #[default]
    DockerConfig,
    /// This file, of the same form.
    ConfigFile(PathBuf),
    /// None.
    Anonymous,
}

/// How to talk to a registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Further certificates to trust, PEM. `SSL_CERT_FILE` is honoured beside it.
    pub ca_file: Option<PathBuf>,
    /// Speak http. Loopback registries are tried without TLS even so; all others never.
    pub plain_http: bool,
    /// How long a peer may make no progress.
    pub idle: Duration,
    /// Where credentials come from.
    pub credentials: Credentials,
    /// Leave it at its default.
    pub network: NetworkOverride,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            ca_file: None,
            plain_http: false,
            idle: IDLE_LIMIT,
            credentials: Credentials::default(),
            network: NetworkOverride::default(),
        }
    }
}

impl RegistryOptions {
    /// The same with other credentials.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// The same, trusting further certificates.
    #[must_use]
    pub fn with_ca_file(self, ca_file: Option<PathBuf>) -> Self {
        Self { ca_file, ..self }
    }

    /// The same, over http or not.
    #[must_use]
    pub fn with_plain_http(self, plain_http: bool) -> Self {
        Self { plain_http, ..self }
    }
}

/// Names that resolve to given addresses, and addresses that count as public. Only the tests of this crate can fill it: they have no
/// other network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkOverride {
    pub(crate) hosts: Vec<(String, SocketAddr)>,
    pub(crate) public: Vec<SocketAddr>,
}

/// A registry and what was learnt about it.
pub struct RegistryClient {
    registry: String,
    origin: Url,
    network: Network,
    session: Session,
    idle: Duration,
}

impl std::fmt::Debug for RegistryClient {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "RegistryClient({})", self.origin)
    }
}

impl RegistryClient {
    /// Prepares to talk to `registry` (a host with optional port, as in [`RegistryName::registry`]). For loopback hosts this settles
    /// between http and https; all others get https, or http if the options say so, and are not contacted yet.
    ///
    /// # Errors
    /// `File` if the CA file cannot be used; `Unreachable` or `Stalled` if a loopback registry does not answer.
    pub async fn connect(registry: &str, options: &RegistryOptions) -> Result<Self, ImageError> {
        let host = if registry == "docker.io" { DOCKER_HUB_HOST } else { registry };
        let network = Network::new(options)?;
        let scheme = if options.plain_http { "http" } else { "https" };
        let origin = origin(scheme, host)?;
        let session = Session::new(registry, options.credentials.clone());
        let registry = registry.to_owned();
        let mut client = Self { registry, origin, network, session, idle: options.idle };
        // A named authority says that TLS is wanted.
        let open = !options.plain_http && options.ca_file.is_none();
        if open && net::is_loopback_name(&client.origin) {
            client.settle_scheme().await?;
        }
        Ok(client)
    }

    /// On loopback nobody listens in, so http is asked first: a server of TLS refuses that at once, while one of http may wait for the
    /// rest of a TLS greeting for ever.
    async fn settle_scheme(&mut self) -> Result<(), ImageError> {
        let secure = self.origin.clone();
        self.origin = origin("http", &host_and_port(&secure))?;
        match self.ping().await {
            // What servers of TLS say to http: a bad request, or to come back with https.
            Ok(status) if status == StatusCode::BAD_REQUEST || status.is_redirection() => {}
            Ok(_) => return Ok(()),
            Err(error @ ImageError::Stalled { .. }) => return Err(error),
            Err(_) => {}
        }
        self.origin = secure;
        // If nobody is there at all, this says so too.
        self.ping().await.map(drop)
    }

    async fn ping(&self) -> Result<StatusCode, ImageError> {
        let url = self.url("");
        let response =
            self.network.send(self.network.home()?.get(url), &self.registry, self.idle).await?;
        Ok(response.status())
    }

    /// Host as in names.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(&format!("/v2/{path}"));
        url
    }

    /// Reads the manifest a name leads to. The digest is computed; what the registry says about it in headers is not read.
    ///
    /// # Errors
    /// `NotFound`, `Differs` if the name has a digest, `Malformed` for any media type but the four accepted, and all of the network's.
    pub async fn resolve(&self, name: &RegistryName) -> Result<Resolved, ImageError> {
        let selector = name.selector();
        let (bytes, media_type) = self.manifest(name, &selector, None).await?;
        let algorithm = name.digest().map_or(Algorithm::Sha256, Digest::algorithm);
        let found = Digest::of(algorithm, &bytes);
        let what = format!("{selector} in {}", name.repository());
        if let Some(expected) = name.digest()
            && found != *expected
        {
            return Err(ImageError::Differs { what, expected: expected.clone(), found });
        }
        let (_, media_type) =
            parse_document(&bytes, media_type.as_deref()).map_err(ImageError::malformed(what))?;
        Ok(Resolved { digest: found, media_type, bytes })
    }

    pub(crate) async fn document(
        &self,
        name: &RegistryName,
        descriptor: &Descriptor,
    ) -> Result<Resolved, ImageError> {
        let selector = descriptor.digest.to_string();
        let (bytes, media_type) = self.manifest(name, &selector, Some(descriptor.size)).await?;
        let found = Digest::of(descriptor.digest.algorithm(), &bytes);
        let resolved = Resolved::checked(descriptor, bytes, found, &name.repository())?;
        match media_type {
            Some(announced) if announced != descriptor.media_type => {
                let own = descriptor.media_type.clone();
                let cause = Malformed::MediaTypeDiffers { announced: printable(&announced), own };
                Err(ImageError::Malformed { what: selector, cause })
            }
            _ => Ok(resolved),
        }
    }

    async fn manifest(
        &self,
        name: &RegistryName,
        selector: &str,
        size: Option<u64>,
    ) -> Result<(Vec<u8>, Option<String>), ImageError> {
        let what = format!("{selector} of {}", name.repository());
        let url = self.url(&format!("{}/manifests/{selector}", name.repo()));
        let call = Call::new(Method::GET, url, &what, pull_scope(name));
        let call = Call { accept: Some(ACCEPTED), ..call };
        let response = self.send(call, Body::Empty).await?;
        let media_type = content_type(&response, &what)?;
        let bytes =
            self.read(response, &what, MAX_DOCUMENT_BYTES).await.map_err(|error| match error {
                // A child that is longer than announced differs; a root that is too long is no manifest at all.
                ImageError::TooLarge { .. } if size.is_none() => {
                    let cause = Malformed::TooLarge { limit: MAX_DOCUMENT_BYTES };
                    ImageError::Malformed { what, cause }
                }
                ImageError::TooLarge { what, limit } => {
                    ImageError::Size { what, expected: size.unwrap_or_default(), found: limit + 1 }
                }
                error => error,
            })?;
        Ok((bytes, media_type))
    }

    pub(crate) async fn small_blob(
        &self,
        name: &RegistryName,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, ImageError> {
        let what = format!("{} in {}", descriptor.digest, name.repository());
        if descriptor.size > MAX_DOCUMENT_BYTES as u64 {
            let cause = Malformed::TooLarge { limit: MAX_DOCUMENT_BYTES };
            return Err(ImageError::Malformed { what, cause });
        }
        let mut stream = self.blob(name, descriptor).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() as u64 > descriptor.size {
                let (expected, found) = (descriptor.size, bytes.len() as u64);
                return Err(ImageError::Size { what, expected, found });
            }
        }
        let found = Digest::of(descriptor.digest.algorithm(), &bytes);
        Resolved::checked(descriptor, bytes, found, &name.repository())
            .map(|resolved| resolved.bytes)
    }

    /// Streams a blob. Foreign layers are asked of the registry as any other, never of the URLs in their descriptor.
    pub(crate) async fn blob(
        &self,
        name: &RegistryName,
        descriptor: &Descriptor,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        let what = format!("{} of {}", descriptor.digest, name.repository());
        let url = self.url(&format!("{}/blobs/{}", name.repo(), descriptor.digest));
        let call = Call::new(Method::GET, url, &what, pull_scope(name));
        let response = match self.send(call, Body::Empty).await {
            Err(ImageError::NotFound { what, place }) if descriptor.foreign => {
                let what =
                    format!("{what} (a foreign layer, which is never fetched from its own URLs)");
                return Err(ImageError::NotFound { what, place });
            }
            response => response?,
        };
        Ok(watched(response, self.registry.clone(), self.idle))
    }

    /// Reads an answer whole.
    async fn read(
        &self,
        response: Response,
        what: &str,
        limit: usize,
    ) -> Result<Vec<u8>, ImageError> {
        let mut stream = watched(response, self.registry.clone(), self.idle);
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            if bytes.len() + piece.len() > limit {
                return Err(ImageError::TooLarge { what: what.to_owned(), limit: limit as u64 });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// What a registry gives as the reason of a refusal (distribution spec, "Error Codes"), made safe to show.
    async fn explanation(&self, response: Response) -> String {
        let bytes =
            self.read(response, "an error answer", MAX_ANSWER_BYTES).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let parsed = crate::json::parse_object(&bytes).ok();
        let message = parsed.as_ref().and_then(challenge::error_message);
        let text = printable(message.as_deref().unwrap_or(&text).trim());
        if text.is_empty() { "no reason given".to_owned() } else { text }
    }

    /// Whether the registry says it has a blob. Only ever used to save an upload.
    async fn has_blob(&self, name: &RegistryName, digest: &Digest) -> Result<bool, ImageError> {
        let what = format!("{digest} of {}", name.repository());
        let url = self.url(&format!("{}/blobs/{digest}", name.repo()));
        let call = Call::new(Method::HEAD, url, &what, push_scope(name));
        match self.send(call, Body::Empty).await {
            Ok(response) => Ok(response.status() == StatusCode::OK),
            Err(ImageError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// See [`crate::fuzz::registry_answer`].
pub(crate) fn fuzz_answer(bytes: &[u8]) {
    let _ = challenge::parse_challenges(std::iter::once(bytes));
    if let Ok(object) = crate::json::parse_object(bytes) {
        let _ = challenge::error_message(&object);
    }
}

fn origin(scheme: &str, host: &str) -> Result<Url, ImageError> {
    Url::parse(&format!("{scheme}://{host}/"))
        .map_err(|_| ImageError::Environment(format!("`{}` is not a host", printable(host))))
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn pull_scope(name: &RegistryName) -> String {
    format!("repository:{}:pull", name.repo())
}

fn push_scope(name: &RegistryName) -> String {
    format!("repository:{}:pull,push", name.repo())
}

/// The media type of an answer, without parameters. Another than the accepted ones is refused before the body is looked at.
fn content_type(response: &Response, what: &str) -> Result<Option<String>, ImageError> {
    let Some(value) = response.headers().get(reqwest::header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let media_type = value.split(';').next().unwrap_or_default().trim().to_owned();
    let refuse = |cause| Err(ImageError::Malformed { what: what.to_owned(), cause });
    if media_type.starts_with("application/vnd.docker.distribution.manifest.v1+") {
        return refuse(Malformed::Schema1);
    }
    if !is_document(&media_type) {
        return refuse(Malformed::UnknownMediaType { found: printable(&media_type) });
    }
    Ok(Some(media_type))
}

/// The body of an answer, given up if it stalls.
fn watched(
    response: Response,
    who: String,
    idle: Duration,
) -> BoxStream<'static, Result<Bytes, ImageError>> {
    let body = Box::pin(response.bytes_stream());
    let state = Some((body, Window::new(idle), who));
    Box::pin(futures::stream::unfold(state, |state| async move {
        let (mut body, mut window, who) = state?;
        match window.next(&who, &mut body).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => {
                window.progress(piece.len() as u64);
                Some((Ok(piece), Some((body, window, who))))
            }
            Ok(Some(Err(cause))) => {
                let cause = safe_cause(&cause.without_url());
                Some((Err(ImageError::Unreachable { what: who, cause }), None))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

#[cfg(test)]
mod tests;
