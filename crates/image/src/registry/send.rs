//! One request: authenticated once, redirected within bounds, given up in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::time::Instant;

use super::RegistryClient;
use super::net::{Reach, unreachable};
use crate::error::ImageError;
use crate::limits::{MAX_REDIRECTS, MIN_PROGRESS_BYTES};
use crate::printable;
use crate::watch::stalled;

/// How often an upload's progress is looked at within the idle limit.
const TICKS: u32 = 10;

/// What goes with a request.
pub(super) enum Body {
    Empty,
    /// Can be sent again.
    Whole(Bytes, &'static str),
    /// Can be sent once.
    Stream(Upload),
}

/// A long body of known length.
pub(super) struct Upload {
    pub(super) length: u64,
    pub(super) stream: BoxStream<'static, Result<Bytes, std::io::Error>>,
    /// Bytes that were handed to the connection.
    pub(super) sent: Arc<AtomicU64>,
}

/// A request to the registry.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    /// What is asked for, for messages.
    pub(super) what: String,
    pub(super) scope: String,
    pub(super) accept: Option<&'static str>,
    pub(super) headers: Vec<(HeaderName, String)>,
}

impl Call {
    pub(super) fn new(method: Method, url: Url, what: &str, scope: String) -> Self {
        Self { method, url, what: what.to_owned(), scope, accept: None, headers: Vec::new() }
    }
}

impl RegistryClient {
    /// Sends a call and returns a successful answer.
    ///
    /// # Errors
    /// `NotFound` for 404, `Unauthorized` for 401 and 403, `Answer` for every other refusal, `Redirect` for one that may not be followed,
    /// `Stalled` and `Unreachable`.
    pub(super) async fn send(&self, call: Call, body: Body) -> Result<Response, ImageError> {
        let mut body = body;
        let mut authenticated = false;
        loop {
            let (now, again) = match body {
                Body::Empty => (Body::Empty, Some(Body::Empty)),
                Body::Whole(bytes, kind) => {
                    (Body::Whole(bytes.clone(), kind), Some(Body::Whole(bytes, kind)))
                }
                Body::Stream(upload) => (Body::Stream(upload), None),
            };
            let response = self.once(self.network.home()?, &call, &call.url, true, now).await?;
            if response.status() == StatusCode::UNAUTHORIZED
                && !authenticated
                && let Some(again) = again
            {
                self.authenticate(&response, &call.scope, &call.what).await?;
                (authenticated, body) = (true, again);
                continue;
            }
            let response = if response.status().is_redirection() {
                self.follow(&call, response).await?
            } else {
                response
            };
            return self.judge(&call, response).await;
        }
    }

    /// Follows redirects of reading requests. Once away from the registry, no credentials go with them, and only the public internet may
    /// be reached, only by https.
    async fn follow(&self, call: &Call, first: Response) -> Result<Response, ImageError> {
        let mut response = first;
        let mut from = call.url.clone();
        let mut place = self.registry.clone();
        for _ in 0..MAX_REDIRECTS {
            let target = location(&from, &response);
            let refuse = |target: &Url, why| {
                let target = printable(target.as_str());
                Err(ImageError::Redirect { place: place.clone(), target, why })
            };
            let Some(target) = target else {
                return refuse(&from, "it names no usable address");
            };
            if !matches!(call.method, Method::GET | Method::HEAD) {
                return refuse(&target, "only reading may be redirected");
            }
            let at_home = target.origin() == self.origin.origin();
            let client = if at_home {
                self.network.home()?
            } else if target.scheme() != "https" {
                return refuse(&target, "it is neither the same registry nor https");
            } else {
                match self.network.elsewhere(&target, Reach::Public) {
                    Ok(client) => client,
                    Err(why) => return refuse(&target, why),
                }
            };
            response = self.once(client, call, &target, at_home, Body::Empty).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            place = target.host_str().map(printable).unwrap_or_default();
            from = target;
        }
        let (target, why) = (printable(from.as_str()), "it is an endless chain");
        Err(ImageError::Redirect { place, target, why })
    }

    async fn once(
        &self,
        client: &Client,
        call: &Call,
        url: &Url,
        with_credentials: bool,
        body: Body,
    ) -> Result<Response, ImageError> {
        let mut request = client.request(call.method.clone(), url.clone());
        if let Some(accept) = call.accept {
            request = request.header(ACCEPT, accept);
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if with_credentials && let Some(header) = self.session.header(&call.scope).await {
            request = request.header(AUTHORIZATION, header);
        }
        let who = url.host_str().map_or_else(|| self.registry.clone(), printable);
        match body {
            Body::Empty if call.method == Method::POST || call.method == Method::PUT => {
                self.network.send(request.header(CONTENT_LENGTH, 0), &who, self.idle).await
            }
            Body::Empty => self.network.send(request, &who, self.idle).await,
            Body::Whole(bytes, kind) => {
                let request = request.header(CONTENT_TYPE, kind).body(bytes);
                self.network.send(request, &who, self.idle).await
            }
            Body::Stream(upload) => self.upload(request, upload, &who).await,
        }
    }

    /// Sends a long body; the peer must keep taking it, and answer in time once it has all.
    async fn upload(
        &self,
        request: RequestBuilder,
        upload: Upload,
        who: &str,
    ) -> Result<Response, ImageError> {
        let sent = upload.sent;
        let request = request
            .header(CONTENT_LENGTH, upload.length)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(reqwest::Body::wrap_stream(upload.stream));
        let mut sending = std::pin::pin!(request.send());
        let (mut before, mut since) = (0, Instant::now());
        loop {
            match tokio::time::timeout(self.idle / TICKS, &mut sending).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(unreachable(who, self.idle, error)),
                Err(_) => {}
            }
            let now = sent.load(Ordering::Relaxed);
            if now >= before + MIN_PROGRESS_BYTES {
                (before, since) = (now, Instant::now());
            } else if since.elapsed() >= self.idle {
                return Err(stalled(who, self.idle));
            }
        }
    }

    async fn judge(&self, call: &Call, response: Response) -> Result<Response, ImageError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let (place, what) = (self.registry.clone(), call.what.clone());
        Err(match status {
            StatusCode::NOT_FOUND => ImageError::NotFound { what, place },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.unauthorized_now(&what).await,
            status => {
                let text = self.explanation(response).await;
                ImageError::Answer { place, status: status.as_u16(), what, text }
            }
        })
    }
}

/// Where a redirect leads, without user name and fragment; none if it says nothing usable.
pub(super) fn location(from: &Url, response: &Response) -> Option<Url> {
    let text = response.headers().get(LOCATION)?.to_str().ok()?;
    let mut target = from.join(text).ok()?;
    let plain = target.username().is_empty() && target.password().is_none();
    target.set_fragment(None);
    (plain && matches!(target.scheme(), "http" | "https") && target.has_host()).then_some(target)
}
