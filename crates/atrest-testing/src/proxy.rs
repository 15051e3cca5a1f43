//! A loopback link between a client and a server that a test can cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes bytes between its own port and a server's, until told otherwise.
///
/// ```no_run
/// use atrest_testing::{CutProxy, server};
/// let proxy = CutProxy::to(&server::postgres());
/// let url = proxy.url(); // give this to the code under test
/// proxy.cut_after(100_000); // in the middle of whatever is sent then
/// ```
#[derive(Debug)]
pub struct CutProxy {
    state: Arc<State>,
    address: SocketAddr,
    url: String,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    closing: AtomicBool,
    refusing: AtomicBool,
    deaf: AtomicBool,
    /// Bytes that clients may still send before everything is cut; below 0: no end.
    budget: AtomicI64,
    /// Both ends of every open connection, with its number.
    links: Mutex<Vec<(u64, TcpStream, TcpStream)>>,
}

/// No end of the bytes that clients may send.
const NEVER: i64 = -1;

impl CutProxy {
    /// A proxy before the server of this URL.
    pub fn to(url: &str) -> Self {
        let mut url = url::Url::parse(url).expect("the server's URL");
        let port = url.port().or(match url.scheme() {
            "mysql" | "mariadb" => Some(3306),
            _ => Some(5432),
        });
        let host = url.host_str().expect("the URL names a host").to_owned();
        let server = std::net::ToSocketAddrs::to_socket_addrs(&(host, port.unwrap()))
            .ok()
            .and_then(|mut found| found.next())
            .expect("the server's address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("its address");
        url.set_host(Some("127.0.0.1")).expect("a host can be set");
        url.set_port(Some(address.port()))
            .expect("a port can be set");
        let state = Arc::new(State {
            server,
            closing: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            budget: AtomicI64::new(NEVER),
            links: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &accepting));
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

    /// Cuts every connection now. New ones are taken.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Cuts every connection once clients have sent `bytes` more, after passing
    /// exactly these on. New ones are taken.
    pub fn cut_after(&self, bytes: u32) {
        self.state.budget.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// Forgets a [`Self::cut_after`] that has not come to pass.
    pub fn cut_no_more(&self) {
        self.state.budget.store(NEVER, Ordering::SeqCst);
    }

    /// Refuses new connections (and cuts the present ones), or takes them again.
    pub fn refuse(&self, refuse: bool) {
        self.state.refusing.store(refuse, Ordering::SeqCst);
        if refuse {
            self.state.cut();
        }
    }

    /// Passes on what clients send but drops every answer, so that a statement is
    /// executed and its sender never learns of it; then [`Self::cut`].
    pub fn lose_answers(&self, lose: bool) {
        self.state.deaf.store(lose, Ordering::SeqCst);
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.state.links.lock().unwrap().len()
    }
}

impl Drop for CutProxy {
    fn drop(&mut self) {
        self.state.closing.store(true, Ordering::SeqCst);
        self.state.cut();
        // Wakes the accepting thread, which sees that it is over.
        let _woken = TcpStream::connect(self.address);
    }
}

impl State {
    fn cut(&self) {
        for (_, client, server) in self.links.lock().unwrap().drain(..) {
            let _cut_already = (
                client.shutdown(Shutdown::Both),
                server.shutdown(Shutdown::Both),
            );
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for (number, client) in (0..).zip(listener.incoming()) {
        if state.closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let Ok(server) = TcpStream::connect(state.server) else {
            continue;
        };
        let _slower_is_fine = (client.set_nodelay(true), server.set_nodelay(true));
        {
            let mut links = state.links.lock().unwrap();
            // Asked under the lock, so that no connection slips past a cut.
            if state.refusing.load(Ordering::SeqCst) {
                continue;
            }
            let copy = |s: &TcpStream| s.try_clone().expect("a second handle");
            links.push((number, copy(&client), copy(&server)));
        }
        let pair = (client.try_clone(), server.try_clone());
        let (Ok(client_too), Ok(server_too)) = pair else {
            continue;
        };
        let (up, down) = (Arc::clone(state), Arc::clone(state));
        thread::spawn(move || pass(client, server, &up, number, true));
        thread::spawn(move || pass(server_too, client_too, &down, number, false));
    }
}

/// Copies one direction until its end, then ends both.
fn pass(mut from: TcpStream, mut to: TcpStream, state: &State, number: u64, from_client: bool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => n,
        };
        if !from_client {
            if state.deaf.load(Ordering::SeqCst) {
                continue;
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
            continue;
        }
        let (allowed, cut) = spend(&state.budget, read);
        if to.write_all(&buffer[..allowed]).is_err() {
            break;
        }
        if cut {
            state.cut();
            break;
        }
    }
    let _cut_already = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    state.links.lock().unwrap().retain(|(n, _, _)| *n != number);
}

/// Takes up to `wanted` bytes from the budget; says whether it is used up now.
fn spend(budget: &AtomicI64, wanted: usize) -> (usize, bool) {
    let wanted_signed = i64::try_from(wanted).expect("a buffer's length");
    let mut outcome = (wanted, false);
    let _updated = budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        if left < 0 {
            outcome = (wanted, false);
            return None;
        }
        if wanted_signed < left {
            outcome = (wanted, false);
            return Some(left - wanted_signed);
        }
        outcome = (
            usize::try_from(left).expect("a count that is not negative"),
            true,
        );
        Some(-1)
    });
    outcome
}
