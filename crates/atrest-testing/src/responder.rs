//! A loopback HTTP server that answers as a test says, for what no real server can be
//! made to answer.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// "POST /v1/auth/approle/login HTTP/1.1".
    pub line: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Received {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

type Answers = dyn Fn(&Received) -> (u16, String) + Send + Sync;

/// Answers every request with a status and a JSON body.
///
/// ```
/// use atrest_testing::Responder;
/// let server = Responder::new(|request| match request.line.starts_with("GET /up ") {
///     true => (200, r#"{"up": true}"#.to_owned()),
///     false => (404, String::new()),
/// });
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// assert!(server.received().is_empty());
/// ```
#[derive(Debug)]
pub struct Responder {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    closing: Arc<AtomicBool>,
}

impl Responder {
    /// A server that answers as `answers` says.
    pub fn new(answers: impl Fn(&Received) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let responder = Self {
            address: listener.local_addr().expect("its address"),
            received: Arc::default(),
            closing: Arc::default(),
        };
        let (received, closing) = (
            Arc::clone(&responder.received),
            Arc::clone(&responder.closing),
        );
        let answers: Arc<Answers> = Arc::new(answers);
        thread::spawn(move || {
            for client in listener.incoming() {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                let (received, answers) = (Arc::clone(&received), Arc::clone(&answers));
                // Whatever fails on one connection, its client sees it cut.
                thread::spawn(move || {
                    client.and_then(|client| answer(client, &received, &*answers))
                });
            }
        });
        responder
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests since this was last asked.
    pub fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which sees that it is over.
        let _woken = TcpStream::connect(self.address);
    }
}

/// One connection with one request.
fn answer(client: TcpStream, received: &Mutex<Vec<Received>>, answers: &Answers) -> io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let (mut first, mut headers, mut length) = (String::new(), Vec::new(), 0);
    from.read_line(&mut first)?;
    if first.is_empty() {
        return Ok(()); // closed, as clients do with what they need no more
    }
    let mut line = String::new();
    while from.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':') {
            let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
            if name == "content-length" {
                length = value.parse().map_err(io::Error::other)?;
            }
            headers.push((name, value));
        }
        line.clear();
    }
    let mut body = String::new();
    from.take(length).read_to_string(&mut body)?;
    let request = Received {
        line: first.trim().to_owned(),
        headers,
        body,
    };
    let (status, body) = answers(&request);
    received.lock().unwrap().push(request);
    write!(
        &client,
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
