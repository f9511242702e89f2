//! Accepting connections: HTTP/1.1 with limits on heads, idle time, stalled writers and open connections.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt as _;

use crate::{
    Limits,
    door::Closing,
    limits::{HEAD_BYTES_MAX, HEADERS_MAX},
};

mod stall;
use stall::Stalling;

/// Pause after a failed accept: out of file descriptors is over only when some connection closes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection over the limit is told. Written without reading the request.
const FULL: &str = r#"{"code":"overloaded","status":503,"title":"This member has as many connections as it can bear"}"#;

/// Serves `router` on `listener` until `shutdown` resolves; then ends event streams at once and gives other requests
/// [`Limits::drain_time`] to finish.
///
/// # Errors
/// When the listener's own address cannot be told, that is, when it is no open socket.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving HTTP");
    let (close, closing) = watch::channel(false);
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut open = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
            Some(_) = open.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let connection =
                        connection(stream, peer, router.clone(), limits.clone(), closing.clone());
                    open.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(_) => turn_away(&stream),
            },
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Receivers live in the connections; with none left there is nobody to tell.
    let _nobody = close.send(true);
    let drained = timeout(limits.drain_time, async { while open.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = open.len(), "closed connections that did not finish in time");
    }
    Ok(())
}

fn turn_away(stream: &TcpStream) {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{FULL}",
        FULL.len()
    );
    // Best effort: the socket's empty buffer takes these bytes, or the peer just sees the connection close.
    let _unsent = stream.try_write(answer.as_bytes());
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    closing: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting to fill a packet only adds delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let closing_seen = Closing(closing.clone());
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(closing_seen.clone());
        router.clone().oneshot(request)
    });
    let io = TokioIo::new(Stalling::new(stream, limits.stall_time));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(io, service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = told(closing) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Resolves once the server stops.
pub(crate) async fn told(mut closing: watch::Receiver<bool>) {
    // An error means that the server is gone, which is as good as being told.
    let _gone = closing.wait_for(|stop| *stop).await;
}
