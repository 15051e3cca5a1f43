//! Told to stop, a server finishes what is under way, within its limit.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use atrest_server::Limits;

use crate::support::*;

/// Much more than sockets hold between two who do not read.
const LONG: usize = 64 << 20;

fn slow(server: &Running) -> BufReader<TcpStream> {
    let mut stream = server.connect();
    let head =
        format!("GET /clips/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READER}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let answer = Answer::read_head(&mut stream);
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "67108864")
    );
    stream
}

fn limits(grace: u64) -> Limits {
    let mut limits = Limits::default();
    limits.grace = Duration::from_secs(grace);
    limits
}

#[test]
fn a_download_that_is_under_way_is_finished_and_nobody_new_comes_in() {
    let (_folder, store) = folder();
    let server = start(builder(store).limits(limits(30)));
    let clip = content(LONG);
    server.put("a", &clip);
    let mut stream = slow(&server);
    let mut got = exactly(&mut stream, 1000);
    let (address, idle) = (server.address, server.connect());
    let thread = server.stop();
    until("no new connections", || {
        TcpStream::connect(address).is_err()
    });
    assert!(!thread.is_finished());
    stream.read_to_end(&mut got).unwrap();
    assert!(got == clip);
    assert_eq!(thread.join().unwrap().cut, 0);
    drop(idle);
}

#[test]
fn an_upload_that_is_under_way_is_finished() {
    let (folder, store) = folder();
    let server = start(builder(store.clone()).limits(limits(30)));
    let clip = content(8 << 20);
    let mut stream = server.connect();
    let length = clip.len();
    let head = format!(
        "PUT /clips/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITER}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&clip[..6 << 20]).unwrap();
    until("an upload begun", || !files(folder.path()).is_empty());
    let address = server.address;
    let thread = server.stop();
    until("no new connections", || {
        TcpStream::connect(address).is_err()
    });
    stream.write_all(&clip[6 << 20..]).unwrap();
    assert_eq!(Answer::read_head(&mut BufReader::new(&stream)).status, 201);
    assert_eq!(thread.join().unwrap().cut, 0);
    let again = start(builder(store));
    assert!(again.get("a").body == clip);
}

#[test]
fn what_does_not_end_in_time_is_cut_and_counted() {
    let (folder, store) = folder();
    let server = start(builder(store).limits(limits(1)));
    server.put("a", &content(LONG));
    let mut stalled = slow(&server);
    let mut upload = server.connect();
    let head = format!(
        "PUT /clips/b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITER}\r\nContent-Length: 9000000\r\n\r\n"
    );
    upload.write_all(head.as_bytes()).unwrap();
    upload.write_all(&content(6 << 20)).unwrap();
    until("an upload begun", || files(folder.path()).len() == 2);
    let begin = Instant::now();
    let ended = server.stop().join().unwrap();
    assert_eq!(ended.cut, 2);
    assert!(begin.elapsed() < Duration::from_secs(10));
    // The client can tell that it does not have all.
    let mut got = Vec::new();
    let _ = stalled.read_to_end(&mut got);
    assert!(got.len() < LONG);
    assert_eq!(files(folder.path()).len(), 1, "nothing of the upload stays");
}
