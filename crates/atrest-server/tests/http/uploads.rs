//! Uploads: whole or not at all.

use std::io::Write as _;
use std::net::Shutdown;

use crate::support::*;

fn head(name: &str, length: &str) -> String {
    format!(
        "PUT /clips/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITER}\r\n{length}\r\n\r\n"
    )
}

#[test]
fn any_length_comes_back_as_it_went() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    let part = 5 << 20;
    for length in [0, 1, 16_384, part - 1, part, part + 1, 2 * part, 13_000_001] {
        let content = content(length);
        server.put("a", &content);
        let answer = server.get("a");
        assert!(answer.body == content, "{length}");
        assert_eq!(answer.header("content-length"), length.to_string());
    }
}

#[test]
fn a_chunked_upload_needs_no_length() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    let mut stream = server.connect();
    stream
        .write_all(head("a", "Transfer-Encoding: chunked\r\nConnection: close").as_bytes())
        .unwrap();
    stream
        .write_all(b"4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n")
        .unwrap();
    assert_eq!(
        Answer::read(&mut std::io::BufReader::new(stream)).status,
        201
    );
    assert_eq!(server.get("a").text(), "0123456789");
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing_and_the_object_as_it_was() {
    let (folder, store) = folder();
    let server = start(builder(store));
    server.put("kept", b"before");
    let before = files(folder.path());
    let chunk = [b"100000\r\n", content(1 << 20).as_slice(), b"\r\n"].concat();
    for name in ["kept", "new", "folder/new"] {
        for megabytes in [0, 1, 7, 12] {
            for how in ["length", "chunked", "shutdown"] {
                let length = match how {
                    "chunked" => "Transfer-Encoding: chunked",
                    _ => "Content-Length: 20000000",
                };
                let mut stream = server.connect();
                stream.write_all(head(name, length).as_bytes()).unwrap();
                for _ in 0..megabytes {
                    let bytes = if how == "chunked" {
                        &chunk[..]
                    } else {
                        &chunk[8..]
                    };
                    stream.write_all(bytes).unwrap();
                }
                if how == "shutdown" {
                    // As a client that ends in the middle of a body, but still listens.
                    stream.shutdown(Shutdown::Write).unwrap();
                }
                drop(stream);
            }
        }
    }
    // Every one of them has been noticed, and taken back.
    let interrupted = || {
        let metrics = server.ask("GET /metrics", &[], b"").text();
        metrics.contains("atrest_failures_total{kind=\"interrupted\"} 36")
    };
    until("36 broken uploads", interrupted);
    until("nothing left", || files(folder.path()) == before);
    assert_eq!(server.get("kept").text(), "before");
    assert_eq!(server.get("new").status, 404);
}

#[test]
fn two_uploads_of_one_name_leave_one_whole_object() {
    let (folder, store) = folder();
    let server = start(builder(store));
    let contents = [vec![1; 11_000_000], vec![2; 9_000_000], vec![3; 1000]];
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for content in &contents {
                scope.spawn(|| server.put("contested", content));
            }
        });
        let left = server.get("contested").body;
        assert!(contents.contains(&left));
        assert_eq!(files(folder.path()).len(), 1);
    }
}

#[test]
fn a_reader_sees_the_old_object_or_the_new_one_never_both() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    let of = |byte: u8| vec![byte; 6_000_000];
    server.put("a", &of(0));
    std::thread::scope(|scope| {
        scope.spawn(|| (1..20).for_each(|byte| drop(server.put("a", &of(byte)))));
        for _ in 0..40 {
            for range in ["bytes=5999000-", "bytes=0-"] {
                let answer = server.ask("GET /clips/a", &[("Range", range)], b"");
                assert_eq!(answer.status, 206);
                assert!(answer.body.iter().all(|byte| *byte == answer.body[0]));
                assert_eq!(
                    answer.body.len().to_string(),
                    answer.header("content-length")
                );
            }
        }
    });
}

#[test]
fn a_type_is_kept_where_the_store_keeps_types_and_guessed_elsewhere() {
    let (_folder, local) = folder();
    let memory = std::sync::Arc::new(object_store::memory::InMemory::new());
    for (store, want) in [
        (local, "application/octet-stream"),
        (memory as _, "video/x-gate"),
    ] {
        let server = start(builder(store));
        for content in [content(10), content(6 << 20)] {
            let kind = [("Content-Type", "video/x-gate")];
            let put = server.ask("PUT /clips/a", &kind, &content);
            assert!(matches!(put.status, 201 | 204));
            assert_eq!(server.get("a").header("content-type"), want);
        }
    }
}

#[test]
fn parts_of_objects_and_coded_ones_are_not_taken() {
    let (folder, store) = folder();
    let server = start(builder(store));
    let part = [("Content-Range", "bytes 0-9/100")];
    assert_eq!(server.ask("PUT /clips/a", &part, b"0123456789").status, 400);
    let coded = [("Content-Encoding", "gzip")];
    assert_eq!(
        server.ask("PUT /clips/a", &coded, b"0123456789").status,
        415
    );
    assert_eq!(files(folder.path()), []);
}
