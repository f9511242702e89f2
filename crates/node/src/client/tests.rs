//! What members may do to a client: fail over, give up in time, never send twice what must not be.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

/// A member that answers every request with the same bytes, and says how often it was asked.
async fn member(answer: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, questions) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 4096];
            let n = stream.read(&mut buffer).await.unwrap_or(0);
            let _ = asked.send(String::from_utf8_lossy(&buffer[..n]).into_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, questions)
}

/// A port where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const BUSY: &str =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const CUT: &str = "";

#[tokio::test]
async fn the_next_member_is_asked_when_one_is_away_or_not_ready() {
    let (busy, _busy) = member(BUSY).await;
    let (fine, mut asked) = member(FINE).await;
    let client = Client::new(&[nobody().await, busy, fine]).unwrap();
    let value: serde_json::Value = client.get_json("/v1/status").await.unwrap();
    assert_eq!(value, serde_json::json!({}));
    assert!(asked.recv().await.unwrap().starts_with("GET /v1/status "));
}

#[tokio::test]
async fn nobody_there_is_exit_20_and_names_everybody() {
    let (one, two) = (nobody().await, nobody().await);
    let client = Client::new(&[one.clone(), two.clone()]).unwrap();
    let failure = Failure::from(client.get("/v1/status").await.unwrap_err());
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.reason().contains(&one) && failure.reason().contains(&two));
}

#[tokio::test]
async fn a_change_that_must_not_happen_twice_is_not_sent_twice() {
    let (cut, _cut) = member(CUT).await;
    let (fine, mut asked) = member(FINE).await;
    let client = Client::new(&[cut, fine]).unwrap();
    let change = serde_json::json!({});
    let answer: Result<serde_json::Value, _> = client.post_json("/v1/spaces/a/kv", &change).await;
    assert!(matches!(answer, Err(ClientError::Problem(Problem { status: 504, .. }))));
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn a_problem_is_told_with_its_code_and_without_control_characters() {
    const PROBLEM: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 46\r\nconnection: close\r\n\r\n\
        {\"code\":\"malformed\",\"detail\":\"x\\u001b[31mred\"} ";
    let (url, _asked) = member(PROBLEM).await;
    let failure = Failure::from(Client::new(&[url]).unwrap().get("/x").await.unwrap_err());
    assert_eq!(failure.exit, Exit::Malformed);
    assert!(failure.reason().contains("malformed"), "{}", failure.reason());
    assert!(!failure.reason().contains('\u{1b}'));
}

#[test]
fn urls_are_checked_before_anything_is_sent() {
    for bad in ["", "127.0.0.1:8000", "ftp://a", "http://"] {
        let failure = Client::new(&[bad.to_owned()]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{bad}");
    }
}

#[test]
fn parts_of_a_path_are_escaped() {
    assert_eq!(escape("localhost:5000/a b?c"), "localhost%3A5000%2Fa%20b%3Fc");
}
