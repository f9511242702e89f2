//! A lying front before a registry: answers some clients with another image than others.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::exit::{Attempt as _, Exit, Failure};

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A front that passes everything on, until told to lie.
pub(super) struct Front {
    /// Host and port, as in image names.
    pub(super) host: String,
    lying: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Front {
    /// Listens before `upstream`. While it lies, requests for `honest` are answered as if for `false_path`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub(super) async fn start(
        upstream: String,
        honest: String,
        false_path: String,
    ) -> Result<Self, Failure> {
        let what = || "could not start the front".to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.attempt(Exit::Environment, what)?;
        let host = listener.local_addr().attempt(Exit::Environment, what)?.to_string();
        let lying = Arc::new(AtomicBool::new(false));
        let lie = lying.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let swap =
                    lie.load(Ordering::Relaxed).then(|| (honest.clone(), false_path.clone()));
                let upstream = upstream.clone();
                // A connection that fails is the client's to notice.
                tokio::spawn(async move {
                    let _ended = pass(client, &upstream, swap).await;
                });
            }
        });
        Ok(Self { host, lying, task })
    }

    /// From now on, one answer for some and another for others.
    pub(super) fn lie(&self, lying: bool) {
        self.lying.store(lying, Ordering::Relaxed);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes one request on; the connection ends with its answer.
async fn pass(
    mut client: TcpStream,
    upstream: &str,
    swap: Option<(String, String)>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(at) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        // Also ends what is no HTTP, such as the first bytes of TLS.
        let is_http = head.first().is_none_or(u8::is_ascii_uppercase);
        if head.len() > HEAD_BYTES_MAX || !is_http || client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&head[..end]).into_owned();
    let mut lines: Vec<String> = text.trim_end().split("\r\n").map(str::to_owned).collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    if let (Some((honest, other)), Some(first)) = (swap, lines.first_mut()) {
        *first = first.replace(&honest, &other);
    }
    lines.push("Connection: close".to_owned());
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await?;
    server.write_all(&head[end..]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
