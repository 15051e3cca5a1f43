//! Tricks in names get 400 and touch nothing.

use crate::support::*;

#[test]
fn path_tricks_touch_nothing() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(outer.path().join("secret"), "outside").unwrap();
    let server = start(builder(std::sync::Arc::new(sealed(&inner, KEY))));
    server.put("kept", b"kept");
    let before = files(outer.path());

    let long_part = "a".repeat(256);
    let long_name = "abcdefg/".repeat(128) + "h";
    let very_long = "a/".repeat(20_000) + "b";
    for name in [
        "",
        "/",
        "/etc/passwd",
        "//etc/passwd",
        "../secret",
        "..",
        ".",
        "a/../../secret",
        "%2e%2e/secret",
        "%2E%2e/secret",
        "..%2fsecret",
        "..%2Fsecret",
        "%2e%2e%2fsecret",
        "%2fetc%2fpasswd",
        "a%2fb",
        "..%5csecret",
        "..\\secret",
        "a%00",
        "kept%00.webm",
        "a%0a",
        "a%7f",
        "a//b",
        "a/",
        "kept/",
        "%ff%fe",
        "kept#1",
        ".atrest-0123456789abcdef.tmp",
        "gate/.atrest-0123456789abcdef.tmp",
        &long_part,
        &long_name,
        &very_long,
    ] {
        // A number sign begins a fragment; a client that means one encodes it.
        let name = name.replace('#', "%23");
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let answer = server.ask(&format!("{method} /clips/{name}"), &[], b"tricked");
            let shown: String = name.chars().take(40).collect();
            assert_eq!(answer.status, 400, "{method} {shown}");
        }
    }
    assert_eq!(files(outer.path()), before);
}

#[test]
fn prefixes_of_lists_lead_nowhere_either() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    for prefix in ["../", "a/../", "/", "/etc/", "a//b", "%2e%2e%2f", "..%2fx"] {
        let answer = server.ask(&format!("GET /clips?prefix={prefix}"), &[], b"");
        assert_eq!(answer.status, 400, "{prefix}");
    }
    let answer = server.ask("GET /clips?prefix=..&after=../../etc", &[], b"");
    assert_eq!(
        (
            answer.status,
            answer.json()["clips"].as_array().unwrap().len()
        ),
        (200, 0)
    );
}

#[test]
fn names_that_are_merely_odd_work() {
    let (folder, store) = folder();
    let server = start(builder(store));
    for (raw, stored) in [
        ("T%C3%BCr%201.webm", "Tür 1.webm"),
        ("deep/er/still/x", "deep/er/still/x"),
        ("...", "..."),
        ("%252e%252e%252fx", "%2e%2e%2fx"),
        ("a+b=c&d%3Fe", "a+b=c&d?e"),
        ("%25", "%"),
    ] {
        server.put(raw, stored.as_bytes());
        assert_eq!(server.get(raw).text(), stored);
        let list = server.ask("GET /clips", &[], b"").json();
        let names = list["clips"].as_array().unwrap().iter();
        assert!(
            names.map(|clip| &clip["name"]).any(|name| name == stored),
            "{list}"
        );
        assert_eq!(
            server.ask(&format!("DELETE /clips/{raw}"), &[], b"").status,
            204
        );
    }
    assert_eq!(files(folder.path()), []);
}

/// The next run in place removes them: nobody is to take them for objects.
#[test]
fn temporary_files_of_atrest_are_not_listed() {
    let (folder, store) = folder();
    let server = start(builder(store));
    server.put("a", b"1");
    let temporary = folder.path().join(".atrest-0123456789abcdef.tmp");
    std::fs::copy(folder.path().join("a"), temporary).unwrap();
    let list = server.ask("GET /clips", &[], b"").json();
    assert_eq!(list["clips"].as_array().unwrap().len(), 1, "{list}");
}

#[test]
fn names_that_are_left_out_cannot_be_put() {
    let (folder, store) = folder();
    let server = start(builder(store).accepts(|name| !name.ends_with(".txt")));
    for name in ["a.txt", "b/c.txt"] {
        let answer = server.ask(&format!("PUT /clips/{name}"), &[], b"1");
        assert_eq!(answer.status, 403, "{name}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.text().contains("left out"), "{answer:?}");
    }
    assert_eq!(files(folder.path()), []);
    server.put("a.webm", b"1");
}

#[test]
fn a_name_in_the_way_of_others_is_a_conflict() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("a/b", b"1");
    assert_eq!(server.ask("PUT /clips/a", &[], b"2").status, 409);
    assert_eq!(server.ask("PUT /clips/a/b/c", &[], b"2").status, 409);
    for missing in ["a", "a/b/c"] {
        assert_eq!(server.get(missing).status, 404, "{missing}");
    }
    assert_eq!(server.get("a/b").text(), "1");
}

#[test]
fn what_cannot_be_done_says_what_can() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    for (what, allow) in [
        ("BREW /clips/a", "GET,HEAD,PUT,DELETE"),
        ("POST /clips/a", "GET,HEAD,PUT,DELETE"),
        ("DELETE /clips", "GET,HEAD"),
    ] {
        let answer = server.ask(what, &[], b"");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, allow),
            "{what}"
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(server.ask("GET /elsewhere", &[], b"").status, 404);
}
