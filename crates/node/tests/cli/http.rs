//! A server of HTTP/1.1 in a thread: it answers what a function says, or passes on to another server.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A request as it came, without its body.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    head: String,
}

impl Seen {
    fn parse(head: &str) -> Option<Self> {
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Self { method, target, head: head.to_owned() })
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// All values of a parameter of the query, with %XX resolved.
    pub(crate) fn query(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| decoded(value)).collect()
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// What to do with a request.
pub(crate) enum Answer {
    /// Status and reason, headers, body.
    Say(&'static str, Vec<(&'static str, String)>, String),
    /// Let this server answer it.
    Pass(String),
}

/// A server; it ends with the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (list, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (list, answer) = (Arc::clone(&list), Arc::clone(&answer));
                // A connection that fails is the client's to notice.
                std::thread::spawn(move || serve(client, &list, &*answer).ok());
            }
        });
        Self { address, seen }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request; the connection ends with its answer.
fn serve(
    mut client: TcpStream,
    list: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> Answer,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(at) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        let mut piece = [0; 4096];
        let got = client.read(&mut piece)?;
        let is_http = piece.first().is_some_and(u8::is_ascii_uppercase) || !head.is_empty();
        if got == 0 || !is_http || head.len() > HEAD_BYTES_MAX {
            return Ok(());
        }
        head.extend_from_slice(&piece[..got]);
    };
    let text = String::from_utf8_lossy(&head[..end]).into_owned();
    let Some(seen) = Seen::parse(&text) else { return Ok(()) };
    list.lock().unwrap().push(seen.clone());
    match answer(&seen) {
        Answer::Say(status, headers, body) => {
            let mut said = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
            for (name, value) in headers {
                said.push_str(&format!("{name}: {value}\r\n"));
            }
            said.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
            client.write_all(said.as_bytes())
        }
        Answer::Pass(upstream) => {
            let mut lines: Vec<&str> = text.trim_end().split("\r\n").collect();
            lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
            lines.push("Connection: close");
            let mut server = TcpStream::connect(upstream)?;
            server.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())?;
            server.write_all(&head[end..])?;
            let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
            std::thread::spawn(move || std::io::copy(&mut from, &mut to).ok());
            std::io::copy(&mut server, &mut client)?;
            client.shutdown(std::net::Shutdown::Both)
        }
    }
}
