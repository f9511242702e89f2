//! The door on a real socket: what only shows there.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::bench::Bench;
use crate::{Limits, limits::HEAD_BYTES_MAX, serve};

/// Time after which half requests are given up in these tests. Only closing is waited for, never the clock.
const SOON: Duration = Duration::from_millis(20);

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

async fn served(bench: &Bench) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _gone = stopped.await;
    };
    let serving = serve(listener, bench.router(), bench.config.limits.clone(), shutdown);
    Served { address, stop, ended: tokio::spawn(serving) }
}

/// A bench with these limits. Only what the test waits for is short: on a busy machine a whole request may come late too.
fn limited(limits: Limits) -> Bench {
    let mut bench = Bench::new();
    bench.config.limits = limits;
    bench
}

/// Sends `request` and reads until the member closes.
async fn talk(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A member that closes with our bytes unread resets the connection; what it said before counts.
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const STATUS: &str = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered_and_its_client_known_by_address() {
    let bench = Bench::new();
    let served = served(&bench).await;
    let answer = talk(served.address, STATUS.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("x-content-type-options: nosniff")
            && answer.contains("cache-control: no-store")
    );
    let body = r#"{"action":{"put":{"key":"YQ","value":"MQ"}}}"#;
    let write = format!(
        "POST /v1/spaces/acme/kv?timeout_ms=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = talk(served.address, write.as_bytes()).await;
    assert!(answer.contains("outcome_unknown"), "taken as a session client's: {answer}");
    served.stop.send(()).unwrap();
    served.ended.await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn bytes_that_are_no_http_end_the_connection_and_nothing_else() {
    let bench = Bench::new();
    let served = served(&bench).await;
    let huge = format!(
        "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(HEAD_BYTES_MAX)
    );
    let many =
        format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(200));
    let cases: [(&[u8], &str); 8] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""),
        (b"NONSENSE\r\n\r\n", "HTTP/1.1 400"),
        (b"GET / HTTP/9.9\r\n\r\n", "HTTP/1.1 400"),
        (b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400"),
        (b"POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 400"),
        (b"GET /v1/status HTTP/1.1\r\n\r\n", "HTTP/1.1 421"),
        (huge.as_bytes(), "HTTP/1.1 431"),
        (many.as_bytes(), "HTTP/1.1 431"),
    ];
    for (request, expected) in cases {
        let answer = talk(served.address, request).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        assert!(answer.starts_with(expected), "{shown}: {answer}");
    }
    assert!(talk(served.address, STATUS.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn half_requests_are_given_up() {
    let bench = limited(Limits { head_time: SOON, ..Limits::default() });
    let hasty = served(&bench).await;
    // Nothing at all, half a line, headers without an end: closed without an answer.
    for half in ["", "GET /v1/st", "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n"] {
        assert_eq!(talk(hasty.address, half.as_bytes()).await, "", "{half:?}");
    }
    let bench = limited(Limits { body_time: SOON, ..Limits::default() });
    let served = served(&bench).await;
    // A body that does not come: told so.
    let body = "POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n\
        Content-Length: 100\r\n\r\nabc";
    let answer = talk(served.address, body.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("slow_body"), "{answer}");
    let chunked = "POST /v1/commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    assert!(talk(served.address, chunked.as_bytes()).await.contains("slow_body"));
}

#[tokio::test]
async fn a_connection_too_many_is_turned_away_with_words() {
    let mut bench = Bench::new();
    bench.config.limits.connections = 1;
    bench.config.limits.head_time = Duration::from_secs(3_600);
    let served = served(&bench).await;
    let mut held = TcpStream::connect(served.address).await.unwrap();
    held.write_all(STATUS.replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
    let mut first = [0; 12];
    held.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let mut turned = TcpStream::connect(served.address).await.unwrap();
    let mut answer = String::new();
    turned.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 503")
            && head.contains(&format!("content-length: {}", body.len()))
    );
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "overloaded");
}

#[tokio::test]
async fn stopping_ends_streams_and_lets_answers_finish() {
    let mut bench = Bench::new();
    bench.config.limits.drain_time = Duration::from_secs(3_600);
    let served = served(&bench).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    served.stop.send(()).unwrap();
    // Draining would last an hour if the stream did not end.
    served.ended.await.unwrap().unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "ended in good order: {rest}");
}
