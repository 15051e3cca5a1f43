//! HTTP/2 connections that are to be let go, by a client that writes every frame itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atrest_server::{Limits, Tls};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::*;
use crate::tls::made;

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 8;

struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    pings: usize,
    data: usize,
}

fn server() -> (Running, String, tempfile::TempDir) {
    let (folder, store) = folder();
    start(builder(store.clone())).put("a", &content(7_000_000));
    let (certificate, key) = made();
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let mut limits = Limits::default();
    limits.head = Duration::from_millis(300);
    limits.stall = Duration::from_millis(600);
    let server = start(builder(store).tls(tls).limits(limits));
    (server, certificate, folder)
}

impl Client {
    /// Connected, with this many bytes that each stream may send at first.
    fn new(server: &Running, certificate: &str, window: u32) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        roots.add(certificate).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = "localhost".try_into().unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut client = Self {
            stream: StreamOwned::new(tls, server.connect()),
            pings: 0,
            data: 0,
        };
        client
            .stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        let window = [&[0, 4][..], &window.to_be_bytes()].concat();
        client.send(SETTINGS, 0, 0, &window).unwrap();
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.stream.write_all(&[&head, payload].concat())?;
        self.stream.flush()
    }

    /// GET of the clip, on stream 1.
    fn get(&mut self) {
        let literal = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        // :method GET, :scheme https, :path, :authority, authorization (RFC 7541).
        let block = [
            &[0x82, 0x87, 0x04][..],
            &literal("/clips/a"),
            &[0x01],
            &literal("localhost"),
            &[0x0f, 23 - 15],
            &literal(&format!("Bearer {READER}")),
        ];
        self.send(1, 5, 1, &block.concat()).unwrap();
    }

    /// Reads a frame and answers what must be; false at the connection's end.
    fn frame(&mut self) -> bool {
        let mut head = [0; 9];
        if let Err(error) = self.stream.read_exact(&mut head) {
            let waited = matches!(error.kind(), std::io::ErrorKind::WouldBlock);
            assert!(!waited, "the connection stays open");
            return false;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if self.stream.read_exact(&mut payload).is_err() {
            return false;
        }
        match (head[3], head[4] & 1) {
            (SETTINGS, 0) => self.send(SETTINGS, 1, 0, &[]).is_ok(),
            (PING, 0) => {
                self.pings += 1;
                self.send(PING, 1, 0, &payload).is_ok()
            }
            (DATA, _) => {
                self.data += length;
                true
            }
            _ => true,
        }
    }

    /// Answers what must be, until the server closes the connection; for ten seconds.
    fn until_closed(&mut self) {
        let begin = Instant::now();
        while self.frame() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it stays open");
        }
    }
}

#[test]
fn a_connection_that_answers_pings_alone_is_closed() {
    let (server, certificate, _folder) = server();
    let mut client = Client::new(&server, &certificate, 65_535);
    client.until_closed();
    assert!(client.pings > 0, "it was asked, and answered");
}

#[test]
fn a_connection_whose_streams_take_nothing_is_closed() {
    let (server, certificate, _folder) = server();
    let mut client = Client::new(&server, &certificate, 0);
    client.get();
    client.until_closed();
    assert!(client.pings > 0);
    assert_eq!(client.data, 0);
}

/// Three times as long as either limit, with less than the answer's length.
#[test]
fn a_client_that_takes_a_little_at_a_time_is_served() {
    let (server, certificate, _folder) = server();
    let mut client = Client::new(&server, &certificate, 0);
    client.get();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let (had, more) = (client.data, 65_536_u32.to_be_bytes());
        for stream in [0, 1] {
            client.send(WINDOW_UPDATE, 0, stream, &more).unwrap();
        }
        while client.data < had + 65_536 {
            assert!(client.frame(), "cut after {}", client.data);
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(client.data < 7_000_000);
}
