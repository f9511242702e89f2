//! Who may come in: this door must not be driven by a web page, nor by a stranger who found it open.
//!
//! A browser on the member's machine reaches loopback for any page it shows. Three checks keep such pages out: the host
//! name must be ours (a page can rebind its own name to 127.0.0.1), the origin must be this door itself, and there are
//! no CORS headers, so a page reads nothing even where it may send.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, Method, Uri, header, request::Parts, uri::Authority},
    middleware::Next,
    response::Response,
};
use hanse_crypto::sha256;

use crate::{
    door::Door,
    limits::QUERY_BYTES_MAX,
    problem::{Code, Problem},
};

/// Probes come from kubelets and load balancers, which address a member by whatever IP it has; they tell nothing.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// Headers by which proxies say that the client is somebody else: loopback proves nothing then.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/// Refuses foreign hosts, foreign origins and over-long queries.
pub(crate) async fn guard(
    State(door): State<Door>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !PROBES.contains(&request.uri().path()) {
        let authority = authority(request.uri(), request.headers())
            .ok_or_else(|| Problem::new(Code::HostNotAllowed, "the request names no host"))?;
        if !door.answers_to(authority.host()) {
            let detail = format!("it was addressed as {:?}", authority.host());
            return Err(Problem::new(Code::HostNotAllowed, detail));
        }
        check_origin(request.method(), request.headers(), &authority)?;
    }
    if request.uri().query().is_some_and(|q| q.len() > QUERY_BYTES_MAX) {
        let detail = format!("at most {QUERY_BYTES_MAX} bytes are taken");
        return Err(Problem::new(Code::QueryTooLong, detail));
    }
    Ok(next.run(request).await)
}

/// Whom the request is for. The target's own authority counts before the header (RFC 9112 section 3.2.2).
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let authority = match uri.authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = headers.get_all(header::HOST).iter();
            let (only, more) = (hosts.next()?, hosts.next());
            if more.is_some() {
                return None;
            }
            only.to_str().ok()?.parse().ok()?
        }
    };
    // User information is not part of a host, and only ever there to deceive; what follows the host is a port or nothing.
    let plain = authority.port_u16().is_some() || authority.as_str() == authority.host();
    (plain && !authority.as_str().contains('@')).then_some(authority)
}

fn check_origin(
    method: &Method,
    headers: &HeaderMap,
    authority: &Authority,
) -> Result<(), Problem> {
    let refuse = |what: &str| Err(Problem::new(Code::OriginNotAllowed, what.to_owned()));
    for origin in headers.get_all(header::ORIGIN) {
        let host = origin
            .to_str()
            .ok()
            .and_then(|o| o.strip_prefix("http://").or_else(|| o.strip_prefix("https://")));
        if !host.is_some_and(|h| h.eq_ignore_ascii_case(authority.as_str())) {
            return refuse("the Origin header names another origin");
        }
    }
    // A link from another site may be followed to a page of ours; only what changes something is refused.
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    let site = headers.get("sec-fetch-site").map(|v| v.as_bytes());
    match site {
        Some(b"same-origin" | b"none") | None => Ok(()),
        Some(_) if changes => refuse("the browser says the request comes from another site"),
        Some(_) => Ok(()),
    }
}

/// Proof that the caller may write as a session client: it is on this machine, or it knows the token.
pub(crate) struct SessionCaller {
    /// What the gateway claims when the client does not say who it is.
    pub(crate) identity: String,
}

impl FromRequestParts<Door> for SessionCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        if let Some(token) = bearer(&parts.headers) {
            if door.token == Some(sha256(token)) {
                return Ok(Self { identity: "http/token".to_owned() });
            }
            return Err(Problem::new(
                Code::SessionNotAllowed,
                "the bearer token is not the one set",
            ));
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let local = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
        let proxied = PROXY_HEADERS.iter().any(|h| parts.headers.contains_key(*h));
        if local && !proxied {
            return Ok(Self { identity: "http/loopback".to_owned() });
        }
        let detail = "the client is not on this machine and sent no bearer token";
        Err(Problem::new(Code::SessionNotAllowed, detail))
    }
}

/// RFC 6750 section 2.1; the scheme's name is case-insensitive.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
