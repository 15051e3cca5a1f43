//! RFC 9110 section 13: conditional requests.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use object_store::memory::InMemory;

use crate::support::*;

const OLD: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
const NEWER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";
const OLDER: &str = "Sun, 09 Sep 2001 01:46:39 GMT";

#[test]
fn rfc9110_conditions_as_a_table() {
    let (folder, store) = folder();
    let server = start(builder(store));
    server.put("a", b"0123456789");
    let file = File::options()
        .write(true)
        .open(folder.path().join("a"))
        .unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .unwrap();
    let whole = server.get("a");
    let etag = whole.header("etag");
    assert_eq!(whole.header("last-modified"), OLD);
    assert!(
        etag.starts_with('"') && etag.ends_with('"'),
        "strong: {etag}"
    );
    let weak = &format!("W/{etag}");
    let listed = &format!("\"x\" , {etag}");
    let (range, part) = (("Range", "bytes=2-3"), 206);
    for (headers, status) in [
        (vec![("If-None-Match", etag)], 304),
        (vec![("If-None-Match", weak)], 304),
        (vec![("If-None-Match", listed)], 304),
        (vec![("If-None-Match", "*")], 304),
        (vec![("If-None-Match", "\"x\"")], 200),
        (vec![("If-None-Match", "x")], 200),
        (vec![("If-Match", etag)], 200),
        (vec![("If-Match", listed)], 200),
        (vec![("If-Match", "*")], 200),
        (vec![("If-Match", weak)], 412),
        (vec![("If-Match", "\"x\"")], 412),
        (vec![("If-Modified-Since", OLD)], 304),
        (vec![("If-Modified-Since", NEWER)], 304),
        (vec![("If-Modified-Since", OLDER)], 200),
        (vec![("If-Modified-Since", "yesterday")], 200),
        (vec![("If-Unmodified-Since", OLD)], 200),
        (vec![("If-Unmodified-Since", OLDER)], 412),
        (vec![("If-Unmodified-Since", "yesterday")], 200),
        // The tag goes before the date.
        (
            vec![("If-None-Match", "\"x\""), ("If-Modified-Since", NEWER)],
            200,
        ),
        (
            vec![("If-Match", etag), ("If-Unmodified-Since", OLDER)],
            200,
        ),
        // If-Match goes before If-None-Match.
        (vec![("If-Match", "\"x\""), ("If-None-Match", etag)], 412),
        (vec![("If-Match", etag), ("If-None-Match", etag)], 304),
        // Conditions go before ranges.
        (vec![range, ("If-None-Match", etag)], 304),
        (vec![range, ("If-Match", etag)], part),
        (vec![("Range", "bytes=99-"), ("If-None-Match", etag)], 304),
        (vec![range, ("If-Range", etag)], part),
        (vec![range, ("If-Range", OLD)], part),
        (vec![range, ("If-Range", weak)], 200),
        (vec![range, ("If-Range", "\"x\"")], 200),
        (vec![range, ("If-Range", NEWER)], 200),
        (vec![range, ("If-Range", OLDER)], 200),
        (vec![("Range", "bytes=99-"), ("If-Range", "\"x\"")], 200),
        (vec![("Range", "bytes=99-"), ("If-Range", etag)], 416),
        (vec![("If-Range", etag)], 200),
    ] {
        let answer = server.ask("GET /clips/a", &headers, b"");
        assert_eq!(answer.status, status, "{headers:?}");
        let want: &[u8] = match status {
            200 => b"0123456789",
            206 => b"23",
            304 => b"",
            _ => continue,
        };
        assert_eq!(answer.body, want, "{headers:?}");
        assert_eq!(answer.header("etag"), etag);
        if !headers.iter().any(|(name, _)| name.contains("ange")) {
            let head = server.ask("HEAD /clips/a", &headers, b"");
            assert_eq!(head.status, status, "HEAD {headers:?}");
        }
    }
}

#[test]
fn a_date_is_no_strong_validator_while_its_second_lasts() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("a", b"0123456789");
    let modified = server.get("a").header("last-modified").to_owned();
    let headers = [("Range", "bytes=0-0"), ("If-Range", modified.as_str())];
    assert_eq!(server.ask("GET /clips/a", &headers, b"").status, 200);
}

/// Conditions of PUT and DELETE, on a store that has conditional puts and on one that
/// has not: what is asked holds on both.
#[test]
fn changes_keep_their_conditions_on_every_store() {
    let (_folder, local) = folder();
    for store in [local, Arc::new(InMemory::new())] {
        let server = start(builder(store));
        let put =
            |headers: &[(&str, &str)], content: &[u8]| server.ask("PUT /clips/a", headers, content);
        let delete = |headers: &[(&str, &str)]| server.ask("DELETE /clips/a", headers, b"");
        // More than one part: what no store puts under a condition in one request.
        let (small, large) = (content(10), content(6 << 20));

        assert_eq!(put(&[("If-Match", "*")], &small).status, 412);
        assert_eq!(server.get("a").status, 404);
        let first = put(&[("If-None-Match", "*")], &small);
        assert_eq!(first.status, 201);
        let etag = first.header("etag");
        assert_eq!(server.get("a").header("etag"), etag);
        for content in [&small, &large] {
            assert_eq!(put(&[("If-None-Match", "*")], content).status, 412);
            assert_eq!(put(&[("If-Match", "\"x\"")], content).status, 412);
        }
        let second = put(&[("If-Match", etag)], &large);
        assert_eq!(second.status, 204);
        assert!(server.get("a").body == large);
        assert_eq!(put(&[("If-Match", etag)], &small).status, 412);
        assert_eq!(delete(&[("If-Match", etag)]).status, 412);
        assert!(server.get("a").body == large);
        assert_eq!(delete(&[("If-Match", second.header("etag"))]).status, 204);
        assert_eq!(delete(&[]).status, 404);
        assert_eq!(put(&[("If-None-Match", "*")], &large).status, 201);
    }
}

#[test]
fn of_many_that_create_one_name_exactly_one_does() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    for length in [100, 5 << 20] {
        let content = content(length);
        let name = format!("PUT /clips/race-{length}");
        let put = || {
            server
                .ask(&name, &[("If-None-Match", "*")], &content)
                .status
        };
        let mut statuses = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(put)).collect();
            all.into_iter()
                .map(|one| one.join().unwrap())
                .collect::<Vec<_>>()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 412, 412, 412, 412, 412, 412, 412]);
    }
}
