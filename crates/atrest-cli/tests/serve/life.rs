//! Signals, kills, and memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{FILES, Place, head};

#[test]
fn a_signal_lets_a_download_finish_and_a_second_one_does_not() {
    for twice in [false, true] {
        let place = Place::new(FILES);
        let mut serving = place.serve(&["--no-auth"]);
        let clip = vec![7; 48 << 20];
        assert_eq!(serving.ask("PUT /clips/a", "", &clip).0, 201);
        let (status, mut stream) = head(serving.connect("GET /clips/a", "", ""));
        assert_eq!(status, 200);
        serving.signal(Signal::INT);
        let begin = Instant::now();
        while TcpStream::connect(&serving.address).is_ok() {
            assert!(begin.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(serving.child.try_wait().unwrap(), None);
        let mut got = Vec::new();
        if twice {
            serving.signal(Signal::INT);
            assert_eq!(serving.end().0, 2);
            let _ = stream.read_to_end(&mut got);
            assert!(got.len() < clip.len());
        } else {
            stream.read_to_end(&mut got).unwrap();
            assert!(got == clip);
            assert_eq!(serving.end().0, 0);
        }
    }
}

/// Eight at a time, each of 128 MiB (1 GiB together), up and down: far less memory
/// than what goes through.
#[test]
fn memory_is_bounded_whatever_goes_through() {
    const LENGTH: usize = 128 << 20;
    let place = Place::new(FILES);
    let serving = place.serve(&["--no-auth"]);
    let block: Vec<u8> = (0..1 << 20)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (serving, block) = (&serving, &block);
            scope.spawn(move || {
                let length = format!("Content-Length: {LENGTH}\r\n");
                let mut stream = serving.connect(&format!("PUT /clips/{client}"), "", &length);
                for _ in 0..LENGTH / block.len() {
                    stream.write_all(block).unwrap();
                }
                assert_eq!(head(stream).0, 201);
            });
        }
    });
    let up = serving.peak();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (serving, block) = (&serving, &block);
            scope.spawn(move || {
                let stream = serving.connect(&format!("GET /clips/{client}"), "", "");
                let (status, mut stream) = head(stream);
                assert_eq!(status, 200);
                let mut got = vec![0; block.len()];
                for _ in 0..LENGTH / block.len() {
                    stream.read_exact(&mut got).unwrap();
                    assert!(got == *block);
                }
                assert_eq!(stream.read(&mut got).unwrap(), 0);
            });
        }
    });
    let down = serving.peak();
    eprintln!(
        "peak after uploads {} MiB, after downloads {} MiB",
        up >> 20,
        down >> 20
    );
    assert!(down < 320 << 20, "{down}");
}

#[test]
fn a_server_that_is_killed_leaves_no_half_object() {
    let place = Place::new(FILES);
    let mut serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/kept", "", b"before").0, 201);
    let length = "Content-Length: 20000000\r\n";
    let mut uploads = Vec::new();
    for name in ["kept", "new"] {
        let mut stream = serving.connect(&format!("PUT /clips/{name}"), "", length);
        stream.write_all(&vec![7; 12_000_000]).unwrap();
        uploads.push(stream);
    }
    std::thread::sleep(Duration::from_millis(300));
    serving.child.kill().unwrap();
    serving.end();
    let again = place.serve(&["--no-auth"]);
    assert_eq!(
        again.ask("GET /clips/kept", "", b""),
        (200, b"before".to_vec())
    );
    assert_eq!(again.ask("GET /clips/new", "", b"").0, 404);
    let list: Value = serde_json::from_slice(&again.ask("GET /clips", "", b"").1).unwrap();
    assert_eq!(list["clips"].as_array().unwrap().len(), 1);
}
