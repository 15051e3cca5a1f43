//! A loopback link to an HTTP server on which chosen requests go wrong.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is taken whole and answered with this status; the server never sees it.
    Answer(u16),
    /// The connection is cut when so many bytes of its body have been passed on.
    CutRequest(u64),
    /// The connection is cut when so many bytes of the answer have been passed back.
    CutAnswer(u64),
    /// The server does it, and the connection is cut before any answer.
    LoseAnswer,
    /// Nothing happens for so long, then the connection is cut.
    Stall(Duration),
}

/// Passes HTTP requests on to a server, but for those that a test wants to go wrong.
///
/// ```no_run
/// use atrest_testing::{Fault, HttpProxy, server};
/// let proxy = HttpProxy::to(&server::s3());
/// proxy.fail(2, "PUT clip.mp4", Fault::Answer(503)); // the next two of them
/// let url = proxy.url(); // give this to the code under test
/// assert!(proxy.requests().is_empty()); // none so far
/// ```
#[derive(Debug)]
pub struct HttpProxy {
    state: Arc<State>,
    address: SocketAddr,
    url: String,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    closing: AtomicBool,
    /// How many more, of which requests, and how.
    faults: Mutex<Vec<(usize, String, Fault)>>,
    requests: Mutex<Vec<String>>,
}

impl HttpProxy {
    /// A proxy before the server of this URL.
    pub fn to(url: &str) -> Self {
        let mut url = url::Url::parse(url).expect("the server's URL");
        let server = url.socket_addrs(|| Some(80)).expect("the server's address")[0];
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("its address");
        url.set_host(Some("127.0.0.1")).expect("a host can be set");
        url.set_port(Some(address.port()))
            .expect("a port can be set");
        let state = Arc::new(State {
            server,
            closing: AtomicBool::new(false),
            faults: Mutex::default(),
            requests: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.closing.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&accepting);
                // Whatever fails on one connection, its client sees it cut.
                thread::spawn(move || client.and_then(|client| pass(client, &state)));
            }
        });
        Self {
            state,
            address,
            url: url.into(),
        }
    }

    /// The server's URL through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next `times` requests whose first line ("PUT /bucket/key?query HTTP/1.1")
    /// contains all words of `what` go wrong.
    pub fn fail(&self, times: usize, what: &str, fault: Fault) {
        let mut faults = self.state.faults.lock().unwrap();
        faults.push((times, what.to_owned(), fault));
    }

    /// Nothing goes wrong any more.
    pub fn fail_no_more(&self) {
        self.state.faults.lock().unwrap().clear();
    }

    /// The first lines of all requests since this was last asked.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which sees that it is over.
        let _woken = TcpStream::connect(self.address);
    }
}

impl State {
    fn fault(&self, line: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let (left, _, fault) = faults
            .iter_mut()
            .find(|(left, what, _)| *left > 0 && what.split(' ').all(|word| line.contains(word)))?;
        *left -= 1;
        Some(*fault)
    }
}

/// One connection with one request.
fn pass(client: TcpStream, state: &State) -> io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let (mut head, mut length, mut line) = (String::new(), 0, String::new());
    while from.read_line(&mut line)? > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if lower.starts_with("expect:") {
            (&client).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        } else if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
        line.clear();
    }
    let first = head.lines().next().unwrap_or_default().to_owned();
    if first.is_empty() {
        return Ok(()); // closed, as clients do with what they need no more
    }
    let fault = state.fault(&first);
    state.requests.lock().unwrap().push(first);
    let mut body = from.take(length);
    match fault {
        Some(Fault::Answer(status)) => {
            io::copy(&mut body, &mut io::sink())?;
            return write!(
                &client,
                "HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Some(Fault::Stall(time)) => {
            thread::sleep(time);
            return client.shutdown(Shutdown::Both);
        }
        _ => {}
    }
    let mut server = TcpStream::connect(state.server)?;
    write!(server, "{head}Connection: close\r\n\r\n")?;
    if let Some(Fault::CutRequest(bytes)) = fault {
        io::copy(&mut body.take(bytes), &mut server)?;
        server.shutdown(Shutdown::Both)?;
        return client.shutdown(Shutdown::Both);
    }
    io::copy(&mut body, &mut server)?;
    let most = match fault {
        Some(Fault::CutAnswer(bytes)) => bytes,
        _ => u64::MAX,
    };
    if fault == Some(Fault::LoseAnswer) {
        io::copy(&mut server, &mut io::sink())?;
    } else {
        io::copy(&mut server.take(most), &mut &client)?;
    }
    client.shutdown(Shutdown::Both)
}
