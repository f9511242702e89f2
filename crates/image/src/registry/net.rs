//! Which addresses may be spoken to.
//!
//! A registry is hostile: it could send us on to services inside the user's network (SSRF). Address classes follow the IANA special
//! purpose registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, RequestBuilder, Response, Url};

use super::{NetworkOverride, RegistryOptions};
use crate::error::{ImageError, safe_cause};
use crate::watch::stalled;

/// How far into private networks a request may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Only addresses of the public internet.
    Public,
    /// Also private networks, but neither this machine nor link-local services.
    Private,
    /// Anything: the place the user named.
    Any,
}

impl Reach {
    /// What a peer at this address may send us on to: nothing more internal than itself.
    pub(super) fn of(address: IpAddr) -> Self {
        let address = canonical(address);
        if address.is_loopback() {
            Self::Any
        } else if is_public(address) {
            Self::Public
        } else {
            Self::Private
        }
    }

    fn allows(self, address: IpAddr) -> bool {
        let address = canonical(address);
        match self {
            Self::Any => true,
            Self::Private => is_public(address) || is_private(address),
            Self::Public => is_public(address),
        }
    }
}

/// An IPv4 address in IPv6 clothes is judged as what it is.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let segments = v6.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // ::ffff:a.b.c.d mapped, ::a.b.c.d compatible (but not :: and ::1), 64:ff9b::/96 translated.
        [0, 0, 0, 0, 0, 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => embedded(high, low),
        // 2002::/16 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        _ => address,
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64),
        IpAddr::V6(v6) => v6.segments()[0] & 0xFE00 == 0xFC00,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => public_v6(v6),
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || (a == 100 && b & 0xC0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || address.is_documentation()
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xFE == 18)
        || a >= 224;
    !special
}

fn public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Only 2000::/3 is global unicast; of it, protocol assignments (Teredo among them) and documentation are not.
    first & 0xE000 == 0x2000
        && !(first == 0x2001 && second < 0x0200)
        && !(first == 0x2001 && second == 0x0DB8)
        && !(first == 0x3FFF && second < 0x1000)
}

/// Whether a registry's host is this machine by its name alone.
pub(super) fn is_loopback_name(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(_) => literal(url).is_some_and(|address| address.is_loopback()),
        None => false,
    }
}

/// The address of an URL whose host is one.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The clients of one registry, one for each reach.
pub(super) struct Network {
    certificates: Vec<Certificate>,
    idle: Duration,
    changed: NetworkOverride,
    clients: [OnceLock<Client>; 3],
}

impl Network {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, ImageError> {
        let certificates = match &options.ca_file {
            None => Vec::new(),
            Some(path) => {
                let pem = std::fs::read(path).map_err(ImageError::file(path, "read"))?;
                let unusable = |why: String| {
                    ImageError::file(path, "used as certificates")(std::io::Error::other(why))
                };
                let parsed = Certificate::from_pem_bundle(&pem)
                    .map_err(|error| unusable(error.to_string()))?;
                if parsed.is_empty() {
                    return Err(unusable("it holds no PEM certificate".to_owned()));
                }
                parsed
            }
        };
        let clients = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        Ok(Self { certificates, idle: options.idle, changed: options.network.clone(), clients })
    }

    /// The client for the registry itself.
    pub(super) fn home(&self) -> Result<&Client, ImageError> {
        self.client(Reach::Any)
    }

    /// The client for an URL that a peer named, if it may be spoken to at all.
    ///
    /// # Errors
    /// A sentence, if the URL names an address beyond `reach`. Names are checked when they are resolved.
    pub(super) fn elsewhere(&self, url: &Url, reach: Reach) -> Result<&Client, &'static str> {
        if let Some(address) = literal(url) {
            let port = url.port_or_known_default().unwrap_or_default();
            let counted = self.changed.public.contains(&SocketAddr::new(address, port));
            if !counted && !reach.allows(address) {
                return Err("its address is not a public one");
            }
        } else if reach != Reach::Any && is_loopback_name(url) {
            return Err("its address is not a public one");
        }
        self.client(reach).map_err(|_| "no client could be built")
    }

    fn client(&self, reach: Reach) -> Result<&Client, ImageError> {
        let slot = &self.clients[reach as usize];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        // A machine without any certificates can still speak http, and https with the authorities named to us.
        let built = self.build(reach, true).or_else(|error| {
            let error = safe_cause(&error);
            tracing::warn!(%error, "this machine's certificates cannot be used");
            self.build(reach, false)
        });
        let built = built.map_err(|error| {
            let why = safe_cause(&error);
            ImageError::Environment(format!("no https client could be set up: {why}"))
        })?;
        Ok(slot.get_or_init(|| built))
    }

    fn build(&self, reach: Reach, system: bool) -> reqwest::Result<Client> {
        let resolver = Resolver { reach, changed: self.changed.clone() };
        let certificates = self.certificates.clone();
        let builder = Client::builder();
        let builder = match system {
            true => builder.tls_certs_merge(certificates),
            false => builder.tls_certs_only(certificates),
        };
        builder
            .user_agent(concat!("hanse/", env!("CARGO_PKG_VERSION")))
            // Redirects and proxies change who is spoken to: the first are followed by our rules, the second are not used.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            // Digests are over the bytes as sent.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            // One connection per blob: bounded buffers, and none of HTTP/2's ways to exhaust a client.
            .http1_only()
            .connect_timeout(self.idle)
            .dns_resolver(Arc::new(resolver))
            .build()
    }

    /// Sends a request that carries no long body.
    ///
    /// # Errors
    /// `Stalled` if there is no answer in time, `Unreachable` if there is none at all.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        who: &str,
        idle: Duration,
    ) -> Result<Response, ImageError> {
        match tokio::time::timeout(idle, request.send()).await {
            Err(_) => Err(stalled(who, idle)),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unreachable(who, idle, error)),
        }
    }
}

pub(super) fn unreachable(who: &str, idle: Duration, error: reqwest::Error) -> ImageError {
    if error.is_timeout() {
        return stalled(who, idle);
    }
    ImageError::Unreachable { what: who.to_owned(), cause: safe_cause(&error.without_url()) }
}

/// Resolves names and drops the addresses that are out of reach, so that a name cannot be rebound between check and use.
struct Resolver {
    reach: Reach,
    changed: NetworkOverride,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let reach = self.reach;
        let changed = self.changed.clone();
        Box::pin(async move {
            // The name of this machine is never asked of anyone else.
            let found: Vec<SocketAddr> = if host == "localhost" {
                vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]
            } else if let Some((_, address)) = changed.hosts.iter().find(|(name, _)| *name == host)
            {
                vec![*address]
            } else {
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect()
            };
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| changed.public.contains(address) || reach.allows(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(format!("{host} has no address that may be spoken to").into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
