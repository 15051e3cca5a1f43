//! A server on a loopback socket, and a client that writes every byte itself.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use atrest_core::object::ObjectBind;
use atrest_core::{Key, Keyring};
use atrest_media::store::SealedStore;
use atrest_server::{Ended, Role, Server, ServerBuilder, TokenHash, Tokens};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The tokens of [`builder`].
pub(crate) const READER: &str = "reader-token-8cf1e3a0";
pub(crate) const WRITER: &str = "writer-token-51d27b9c";

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Ended>,
}

pub(crate) fn builder(store: Arc<dyn ObjectStore>) -> ServerBuilder {
    Server::builder(store).tokens(Tokens::new(vec![
        TokenHash::of(Role::Read, READER),
        TokenHash::of(Role::Write, WRITER),
    ]))
}

/// The key of [`folder`].
pub(crate) const KEY: [u8; 32] = [7; 32];

/// A folder of encrypted files, as it is had in service.
pub(crate) fn folder() -> (TempDir, Arc<dyn ObjectStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = sealed(folder.path(), KEY);
    (folder, Arc::new(store))
}

/// That folder under a key.
pub(crate) fn sealed(folder: &Path, key: [u8; 32]) -> SealedStore<LocalFileSystem> {
    let inner = LocalFileSystem::new_with_prefix(folder).unwrap();
    let keyring = Keyring::new(Key::from_bytes(key), vec![]).unwrap();
    SealedStore::new(inner, Arc::new(keyring), ObjectBind::Path)
}

pub(crate) fn start(builder: ServerBuilder) -> Running {
    let server = builder.build().unwrap();
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let stop = async { stopped.await.unwrap_or_default() };
            server.serve(listener, stop).await.unwrap()
        })
    });
    Running {
        address: told.recv().unwrap(),
        stop,
        thread,
    }
}

impl Running {
    /// Tells the server to stop.
    pub(crate) fn stop(self) -> JoinHandle<Ended> {
        let _ = self.stop.send(());
        self.thread
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// One request with the token that may write.
    pub(crate) fn ask(&self, what: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {WRITER}");
        let headers = [headers, &[("Authorization", &bearer)]].concat();
        self.ask_as_is(what, &headers, body)
    }

    /// One request: `what` is "METHOD target".
    pub(crate) fn ask_as_is(&self, what: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let host = self.address;
        let mut head = format!("{what} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        if what.starts_with("PUT") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        // An answer may come before all of the body was sent.
        let _ = stream.write_all(body);
        Answer::read(&mut BufReader::new(stream))
    }

    pub(crate) fn put(&self, name: &str, content: &[u8]) -> Answer {
        let answer = self.ask(&format!("PUT /clips/{name}"), &[], content);
        assert!(matches!(answer.status, 201 | 204), "{answer:?}");
        answer
    }

    pub(crate) fn get(&self, name: &str) -> Answer {
        self.ask(&format!("GET /clips/{name}"), &[], b"")
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: Vec<(String, String)>,
    /// All that came until the server closed the connection.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read(stream: &mut impl std::io::BufRead) -> Self {
        let mut answer = Self::read_head(stream);
        // A connection that is cut gives an error or an early end: both show in the length.
        let _ = stream.read_to_end(&mut answer.body);
        answer
    }

    pub(crate) fn read_head(stream: &mut impl std::io::BufRead) -> Self {
        let mut lines = BufRead::lines(&mut *stream).map(Result::unwrap);
        let first = lines.next().expect("an answer");
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let head = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        Self {
            status,
            head: head.collect(),
            body: Vec::new(),
        }
    }

    /// A header; "" if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Bytes that repeat nowhere near.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

/// All files below a folder, with their lengths.
pub(crate) fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            let length = entry.metadata().unwrap().len();
            found.push((entry.path().display().to_string(), length));
        }
    }
    found.sort();
    found
}

/// Asks again until it is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not come about in ten seconds");
}

/// Reads exactly this many bytes.
pub(crate) fn exactly(stream: &mut impl std::io::Read, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}
