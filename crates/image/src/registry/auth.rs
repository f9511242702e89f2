//! Credentials and tokens, and whom they may be shown to.

use std::collections::BTreeMap;
use std::fs::File;

use base64::Engine as _;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::challenge::{Challenge, parse_challenges};
use super::net::Reach;
use super::{Credentials, RegistryClient, host_and_port};
use crate::error::ImageError;
use crate::json::{Value, parse_object};
use crate::limits::{MAX_ANSWER_BYTES, MAX_REDIRECTS, MAX_TOKEN_BYTES};
use crate::printable;
use crate::watch::stalled;

/// The key under which Docker's tools file credentials for Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Tokens by scope, and credentials once looked up.
pub(super) struct Session {
    registry: String,
    source: Credentials,
    headers: Mutex<BTreeMap<String, HeaderValue>>,
    found: Mutex<Option<Looked>>,
}

#[derive(Clone)]
struct Looked {
    secret: Option<Secret>,
    /// How the search ended, for the error message.
    hint: String,
}

/// Never printed.
#[derive(Clone)]
enum Secret {
    Password { user: String, password: String },
    Identity(String),
}

impl Session {
    pub(super) fn new(registry: &str, source: Credentials) -> Self {
        Self {
            registry: registry.to_owned(),
            source,
            headers: Mutex::new(BTreeMap::new()),
            found: Mutex::new(None),
        }
    }

    /// What to send with a request of this scope.
    pub(super) async fn header(&self, scope: &str) -> Option<HeaderValue> {
        self.headers.lock().await.get(scope).cloned()
    }

    async fn look_up(&self, idle: std::time::Duration) -> Result<Looked, ImageError> {
        let mut found = self.found.lock().await;
        if let Some(looked) = &*found {
            return Ok(looked.clone());
        }
        let (registry, source) = (self.registry.clone(), self.source.clone());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // A thread of its own: the runtime would wait for a helper that hangs when it shuts down.
        std::thread::spawn(move || {
            // Nobody listens any more if the helper took too long.
            let _ = sender.send(look_up(&registry, &source));
        });
        // A credential helper is a foreign program: it gets as long as any peer.
        let looked = match tokio::time::timeout(idle, receiver).await {
            Ok(Ok(looked)) => looked,
            Ok(Err(_)) | Err(_) => return Err(stalled("the credential helper", idle)),
        };
        *found = Some(looked.clone());
        Ok(looked)
    }
}

fn look_up(registry: &str, source: &Credentials) -> Looked {
    let key = if registry == "docker.io" { DOCKER_HUB_KEY } else { registry };
    let result = match source {
        Credentials::Anonymous => {
            return Looked { secret: None, hint: "no credentials were to be used".to_owned() };
        }
        Credentials::DockerConfig => docker_credential::get_credential(key)
            .or_else(|error| docker_credential::get_podman_credential(key).map_err(|_| error)),
        Credentials::ConfigFile(path) => match File::open(path) {
            Ok(file) => docker_credential::get_credential_from_reader(file, key),
            Err(_) => Err(CredentialRetrievalError::ConfigReadError),
        },
    };
    match result {
        Ok(DockerCredential::UsernamePassword(user, password)) => Looked {
            hint: format!("the credentials of {} were not accepted", printable(&user)),
            secret: Some(Secret::Password { user, password }),
        },
        Ok(DockerCredential::IdentityToken(token)) => Looked {
            hint: "the identity token of docker's configuration was not accepted".to_owned(),
            secret: Some(Secret::Identity(token)),
        },
        Err(error) => Looked { secret: None, hint: hint(registry, &error) },
    }
}

/// Says why there are no credentials without repeating anything a helper printed, which may be a secret.
fn hint(registry: &str, error: &CredentialRetrievalError) -> String {
    match error {
        CredentialRetrievalError::HelperFailure { helper, .. } => {
            format!("{} has no credentials for {registry}", printable(helper))
        }
        CredentialRetrievalError::HelperCommunicationError
        | CredentialRetrievalError::MalformedHelperResponse => {
            "the credential helper of docker's configuration could not be used".to_owned()
        }
        CredentialRetrievalError::CredentialDecodingError
        | CredentialRetrievalError::CredentialMismatchError => {
            format!("the entry for {registry} in docker's configuration is not readable")
        }
        _ => format!("log in first with `docker login {registry}`"),
    }
}

impl RegistryClient {
    /// Answers a 401: gets a header for `scope` and keeps it.
    ///
    /// # Errors
    /// `Unauthorized` if there is nothing to answer with, or the token server refuses; `Redirect` if the realm is out of bounds.
    pub(super) async fn authenticate(
        &self,
        refused: &Response,
        scope: &str,
        what: &str,
    ) -> Result<(), ImageError> {
        let headers = refused.headers().get_all(WWW_AUTHENTICATE);
        let challenge = parse_challenges(headers.iter().map(HeaderValue::as_bytes));
        let looked = self.session.look_up(self.idle).await?;
        let unauthorized = || self.unauthorized(what, &looked.hint);
        let header = match (challenge, &looked.secret) {
            (Some(Challenge::Basic), Some(Secret::Password { user, password })) => {
                basic(user, password).ok_or_else(unauthorized)?
            }
            (Some(Challenge::Bearer { realm, service }), secret) => {
                let reach =
                    refused.remote_addr().map_or(Reach::Public, |peer| Reach::of(peer.ip()));
                let realm = self.realm(&realm, reach)?;
                let token = self.token(realm, service.as_deref(), scope, secret.as_ref()).await;
                let token = token?.ok_or_else(unauthorized)?;
                secret_header(&format!("Bearer {token}")).ok_or_else(unauthorized)?
            }
            _ => return Err(unauthorized()),
        };
        self.session.headers.lock().await.insert(scope.to_owned(), header);
        Ok(())
    }

    pub(super) async fn unauthorized_now(&self, what: &str) -> ImageError {
        match self.session.look_up(self.idle).await {
            Ok(looked) => self.unauthorized(what, &looked.hint),
            Err(error) => error,
        }
    }

    fn unauthorized(&self, what: &str, hint: &str) -> ImageError {
        let (place, what, hint) = (self.registry.clone(), what.to_owned(), hint.to_owned());
        ImageError::Unauthorized { place, what, hint }
    }

    /// The token server may be elsewhere, but over https and nowhere more internal than the registry itself. Over http it may only be the
    /// registry's own host, and only if the registry itself is spoken to over http.
    fn realm(&self, realm: &str, reach: Reach) -> Result<(Url, &Client), ImageError> {
        let refuse = |why| ImageError::Redirect {
            place: self.registry.clone(),
            target: printable(realm),
            why,
        };
        let url = Url::parse(realm).map_err(|_| refuse("it is not an URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it carries a user name"));
        }
        let same_host = url.host_str() == self.origin.host_str();
        match url.scheme() {
            "https" if same_host => Ok((url, self.network.home()?)),
            "http" if same_host && self.origin.scheme() == "http" => {
                Ok((url, self.network.home()?))
            }
            "https" => {
                let client = self.network.elsewhere(&url, reach).map_err(refuse)?;
                Ok((url, client))
            }
            _ => Err(refuse("a token server must be reached by https")),
        }
    }

    /// Asks for a token; none if the server refuses.
    async fn token(
        &self,
        (realm, client): (Url, &Client),
        service: Option<&str>,
        scope: &str,
        secret: Option<&Secret>,
    ) -> Result<Option<String>, ImageError> {
        let who = format!("the token server {}", host_and_port(&realm));
        let mut url = realm.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = token_request(client, &url, service, scope, secret);
            let response = self.network.send(request, &who, self.idle).await?;
            if response.status().is_redirection() {
                // Credentials go with the request, so it may not leave the server the registry named.
                url = self.token_redirect(&realm, &url, &response)?;
                continue;
            }
            return match response.status() {
                StatusCode::OK => {
                    let bytes = self.read(response, &who, MAX_ANSWER_BYTES).await?;
                    token_of(&bytes).map(Some).ok_or_else(|| {
                        ImageError::container(format!("the answer of {who}"), "it holds no token")
                    })
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(None),
                status => {
                    let (what, text) =
                        (format!("a token for {scope}"), self.explanation(response).await);
                    Err(ImageError::Answer { place: who, status: status.as_u16(), what, text })
                }
            };
        }
        let why = "it is an endless chain";
        Err(ImageError::Redirect { place: who, target: printable(url.as_str()), why })
    }

    fn token_redirect(
        &self,
        realm: &Url,
        from: &Url,
        response: &Response,
    ) -> Result<Url, ImageError> {
        let location = super::send::location(from, response);
        let refuse = |target: String, why| ImageError::Redirect {
            place: format!("the token server {}", host_and_port(realm)),
            target,
            why,
        };
        let target =
            location.ok_or_else(|| refuse("nowhere".to_owned(), "it names no usable address"))?;
        if target.origin() != realm.origin() {
            let why = "a token server may not send credentials on";
            return Err(refuse(printable(target.as_str()), why));
        }
        Ok(target)
    }
}

/// `GET` with the password in the header; an identity token goes by the OAuth2 form (distribution's `docs/spec/auth/oauth.md`).
fn token_request(
    client: &Client,
    url: &Url,
    service: Option<&str>,
    scope: &str,
    secret: Option<&Secret>,
) -> reqwest::RequestBuilder {
    let service = service.unwrap_or_default();
    if let Some(Secret::Identity(token)) = secret {
        let mut form = Url::parse("form:").expect("a constant URL");
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", token)
            .append_pair("client_id", "hanse")
            .append_pair("service", service)
            .append_pair("scope", scope);
        let body = form.query().unwrap_or_default().to_owned();
        let request = client.post(url.clone());
        return request.header("Content-Type", "application/x-www-form-urlencoded").body(body);
    }
    let mut url = url.clone();
    if url.query_pairs().all(|(key, _)| key != "scope") {
        let mut query = url.query_pairs_mut();
        if !service.is_empty() {
            query.append_pair("service", service);
        }
        for scope in scope.split(' ') {
            query.append_pair("scope", scope);
        }
    }
    let request = client.get(url);
    match secret {
        Some(Secret::Password { user, password }) => match basic(user, password) {
            Some(header) => request.header(AUTHORIZATION, header),
            None => request,
        },
        _ => request,
    }
}

fn token_of(bytes: &[u8]) -> Option<String> {
    let object = parse_object(bytes).ok()?;
    let token = [object.get("token"), object.get("access_token")].into_iter().flatten().next()?;
    match token {
        Value::String(token) if !token.is_empty() && token.len() <= MAX_TOKEN_BYTES => {
            Some(token.clone())
        }
        _ => None,
    }
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    secret_header(&format!("Basic {pair}"))
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}
