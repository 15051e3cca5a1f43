//! Clients that take too long, or too much.

use std::io::{BufReader, Read as _, Write as _};
use std::time::{Duration, Instant};

use atrest_server::Limits;

use crate::support::*;

fn short() -> Limits {
    let mut limits = Limits::default();
    limits.head = Duration::from_millis(300);
    limits.stall = Duration::from_millis(600);
    limits.upload = Some(1_000_000);
    limits.connections = 4;
    limits
}

/// How long it takes until the server closes the connection; what came before.
fn closed(mut stream: impl std::io::Read) -> (Duration, Vec<u8>) {
    let (begin, mut got) = (Instant::now(), Vec::new());
    let _ = stream.read_to_end(&mut got);
    (begin.elapsed(), got)
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let (_folder, store) = folder();
    let server = start(builder(store).limits(short()));
    for begun in ["", "GET /clips HT", "GET /healthz HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = server.connect();
        stream.write_all(begun.as_bytes()).unwrap();
        let (took, _) = closed(stream);
        assert!(took < Duration::from_secs(5), "{begun}: {took:?}");
    }
    // An idle connection does not stay either.
    let mut stream = server.connect();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let (took, got) = closed(stream);
    assert!(got.starts_with(b"HTTP/1.1 200"));
    assert!(took < Duration::from_secs(5));
}

#[test]
fn an_upload_that_stalls_leaves_nothing() {
    let (folder, store) = folder();
    let server = start(builder(store).limits(short()));
    let mut stream = server.connect();
    let head = format!(
        "PUT /clips/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITER}\r\nContent-Length: 1000\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    assert_eq!(Answer::read(&mut stream).status, 408);
    assert_eq!(files(folder.path()), []);
}

#[test]
fn a_download_that_nobody_takes_is_cut() {
    let (_folder, store) = folder();
    start(builder(store.clone())).put("a", &content(64 << 20));
    let server = start(builder(store).limits(short()));
    let mut stream = server.connect();
    let head =
        format!("GET /clips/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READER}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let open = || {
        server
            .ask("GET /metrics", &[], b"")
            .text()
            .contains("atrest_http_connections 1")
    };
    until("only the connection that asks is open", open);
    let (_, got) = closed(&mut stream);
    assert!(got.len() < 64 << 20);
}

#[test]
fn an_upload_beyond_the_limit_is_refused_before_and_while_it_comes() {
    let (folder, store) = folder();
    let server = start(builder(store).limits(short()));
    assert_eq!(
        server.ask("PUT /clips/a", &[], &content(1_000_000)).status,
        201
    );
    assert_eq!(
        server.ask("PUT /clips/b", &[], &content(1_000_001)).status,
        413
    );
    let mut stream = server.connect();
    let head = format!(
        "PUT /clips/b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITER}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"100000\r\n", content(1 << 20).as_slice(), b"\r\n"].concat();
    stream.write_all(&chunk).unwrap();
    assert_eq!(Answer::read_head(&mut BufReader::new(stream)).status, 413);
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let (_folder, store) = folder();
    let mut limits = short();
    limits.head = Duration::from_secs(2);
    let server = start(builder(store).limits(limits));
    let holding: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let mut waiting = server.connect();
    waiting
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    waiting
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert!(waiting.read(&mut [0]).is_err(), "there was no place for it");
    drop(holding);
    waiting
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(Answer::read(&mut BufReader::new(waiting)).status, 200);
}
