//! RFC 9110 section 14: ranges.

use crate::support::*;

#[test]
fn rfc9110_ranges_as_a_table() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    let clip = content(100_000);
    server.put("gate/a.webm", &clip);
    for (range, status, want, content_range) in [
        ("bytes=0-0", 206, 0..1, "bytes 0-0/100000"),
        ("bytes=0-", 206, 0..100_000, "bytes 0-99999/100000"),
        (
            "bytes=16383-16385",
            206,
            16_383..16_386,
            "bytes 16383-16385/100000",
        ),
        (
            "bytes=99999-",
            206,
            99_999..100_000,
            "bytes 99999-99999/100000",
        ),
        (
            "bytes=99999-200000",
            206,
            99_999..100_000,
            "bytes 99999-99999/100000",
        ),
        ("bytes=-1", 206, 99_999..100_000, "bytes 99999-99999/100000"),
        ("bytes=-100001", 206, 0..100_000, "bytes 0-99999/100000"),
        ("bytes=100000-", 416, 0..0, "bytes */100000"),
        ("bytes=-0", 416, 0..0, "bytes */100000"),
        ("bytes=5-4", 200, 0..100_000, ""),
        ("bytes=x-y", 200, 0..100_000, ""),
        ("lines=0-1", 200, 0..100_000, ""),
        ("bytes=0-0,-1", 200, 0..100_000, ""),
    ] {
        let answer = server.ask("GET /clips/gate/a.webm", &[("Range", range)], b"");
        assert_eq!(answer.status, status, "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
        if status == 416 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.json()["object"], "gate/a.webm");
            continue;
        }
        assert_eq!(
            answer.header("content-length"),
            want.len().to_string(),
            "{range}"
        );
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.header("content-type"), "video/webm");
        assert!(answer.body == clip[want], "{range}");
    }
}

#[test]
fn two_range_headers_are_none() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("a", b"0123456789");
    let ranges = [("Range", "bytes=0-1"), ("Range", "bytes=2-3")];
    let answer = server.ask("GET /clips/a", &ranges, b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"));
}

#[test]
fn an_empty_object_has_no_ranges() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("empty", b"");
    let ask = |range| server.ask("GET /clips/empty", &[("Range", range)], b"");
    assert_eq!(
        (
            ask("bytes=-5").status,
            ask("bytes=-5").header("content-length")
        ),
        (200, "0")
    );
    let beyond = ask("bytes=0-");
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, "bytes */0")
    );
    assert_eq!(server.get("empty").status, 200);
}

#[test]
fn head_says_what_get_would_and_sends_nothing() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("a.mp4", b"0123456789");
    let get = server.get("a.mp4");
    // Range means nothing to HEAD (RFC 9110, 14.2).
    let head = server.ask("HEAD /clips/a.mp4", &[("Range", "bytes=0-1")], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in [
        "content-length",
        "content-type",
        "etag",
        "last-modified",
        "accept-ranges",
    ] {
        assert_eq!(head.header(name), get.header(name));
        assert_ne!(head.header(name), "", "{name}");
    }
    assert_eq!(server.ask("HEAD /clips/b", &[], b"").status, 404);
}

#[test]
fn browsers_are_told_to_keep_an_object_to_themselves_and_run_nothing() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("page.html", b"<script>1</script>");
    let answer = server.get("page.html");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    assert!(
        answer
            .header("content-disposition")
            .starts_with("attachment")
    );
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("sandbox")
    );
}
