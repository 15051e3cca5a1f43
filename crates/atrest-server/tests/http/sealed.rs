//! Objects that do not open: refused at the start, cut in the middle, never released.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::support::*;

/// Where clear byte `at` lies in a sealed file: 72 bytes, then 16 KiB a chunk with 16
/// bytes of tag each.
fn sealed_at(at: u64) -> u64 {
    72 + at / 16_384 * 16_400 + at % 16_384
}

fn flip(file: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn nothing_lies_in_clear_and_what_lies_there_opens_elsewhere() {
    let (folder, store) = folder();
    let server = start(builder(store));
    let clip = content(6_000_000);
    server.put("gate/a", &clip);
    let file = fs::read(folder.path().join("gate/a")).unwrap();
    assert_eq!(&file[..6], b"ATREST");
    assert!(!file.windows(64).any(|window| window == &clip[..64]));
    let keyring = atrest_core::Keyring::new(atrest_core::Key::from_bytes(KEY), vec![]).unwrap();
    let mut clear = Vec::new();
    atrest_media::open(&file[..], &mut clear, &keyring, b"gate/a", 1, &|_| {}).unwrap();
    assert!(clear == clip);
}

#[test]
fn what_does_not_open_from_the_start_is_refused_by_name() {
    let (folder, store) = folder();
    let server = start(builder(store));
    let path = |name: &str| folder.path().join(name);
    for name in [
        "changed",
        "commitment",
        "cut",
        "longer",
        "one",
        "two",
        "whole",
    ] {
        server.put(name, &content(100_000));
    }
    flip(&path("changed"), sealed_at(5));
    flip(&path("commitment"), 50);
    File::options()
        .write(true)
        .open(path("cut"))
        .unwrap()
        .set_len(80)
        .unwrap();
    File::options()
        .write(true)
        .open(path("longer"))
        .unwrap()
        .set_len(102_000)
        .unwrap();
    fs::rename(path("one"), path("aside")).unwrap();
    fs::rename(path("two"), path("one")).unwrap();
    fs::rename(path("aside"), path("two")).unwrap();
    fs::write(path("clear"), "never encrypted").unwrap();
    let other = start(builder(Arc::new(sealed(folder.path(), [8; 32]))));
    other.put("foreign", b"under another key");
    for name in [
        "changed",
        "commitment",
        "cut",
        "longer",
        "one",
        "two",
        "clear",
        "foreign",
    ] {
        for headers in [vec![], vec![("Range", "bytes=0-9")]] {
            let answer = server.ask(&format!("GET /clips/{name}"), &headers, b"");
            if name == "longer" && !headers.is_empty() {
                // Its beginning is its own; only the end tells.
                assert!((answer.status, &answer.body[..]) == (206, &content(10)));
                continue;
            }
            assert_eq!(answer.status, 500, "{name} {headers:?}");
            let problem = answer.json();
            assert_eq!(
                (&problem["object"], &problem["status"]),
                (&name.into(), &500.into())
            );
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                detail.starts_with("the object does not open: it"),
                "{name}: {detail}"
            );
        }
    }
    assert_eq!(server.get("whole").status, 200);
    let metrics = server.ask("GET /metrics", &[], b"").text();
    assert!(
        metrics.contains("atrest_failures_total{kind=\"refused\"} 15"),
        "{metrics}"
    );

    // They can be listed, replaced and deleted.
    let list = server.ask("GET /clips", &[], b"").json();
    assert_eq!(list["clips"].as_array().unwrap().len(), 9);
    assert_eq!(
        server
            .ask("PUT /clips/clear", &[("If-None-Match", "*")], b"x")
            .status,
        412
    );
    server.put("clear", b"encrypted now");
    assert_eq!(server.get("clear").text(), "encrypted now");
    for name in [
        "changed",
        "commitment",
        "cut",
        "longer",
        "one",
        "two",
        "foreign",
    ] {
        assert_eq!(
            server
                .ask(&format!("DELETE /clips/{name}"), &[], b"")
                .status,
            204,
            "{name}"
        );
    }
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn what_does_not_open_in_the_middle_is_cut_before_it() {
    let (folder, store) = folder();
    let server = start(builder(store));
    let clip = content(30_000_000);
    server.put("a", &clip);
    flip(&folder.path().join("a"), sealed_at(20_000_000));
    let answer = server.get("a");
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "30000000")
    );
    let got = answer.body.len();
    assert!(got <= 20_000_000 / 16_384 * 16_384, "{got}");
    assert!(answer.body == clip[..got]);

    // What is whole of it can be had.
    let whole = server.ask("GET /clips/a", &[("Range", "bytes=25000000-25000009")], b"");
    assert_eq!(
        (whole.status, &whole.body[..]),
        (206, &clip[25_000_000..25_000_010])
    );
    let metrics = server.ask("GET /metrics", &[], b"").text();
    assert!(
        metrics.contains("atrest_failures_total{kind=\"refused\"} 1"),
        "{metrics}"
    );
}

#[test]
fn an_object_that_lost_its_end_never_seems_whole() {
    let (folder, store) = folder();
    let server = start(builder(store));
    server.put("a", &content(10 * 16_384 + 5));
    let file = File::options()
        .write(true)
        .open(folder.path().join("a"))
        .unwrap();
    for chunks in (1..=10).rev() {
        // At a border of chunks: every chunk that is left opens.
        file.set_len(72 + chunks * 16_400).unwrap();
        let answer = server.get("a");
        let whole = answer.body.len().to_string() == answer.header("content-length");
        assert!(answer.status == 500 || !whole, "{chunks} chunks");
        let end = server.ask("GET /clips/a", &[("Range", "bytes=-5")], b"");
        assert_eq!(end.status, 500, "{chunks} chunks");
    }
}
