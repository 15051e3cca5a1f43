//! Who may do what.

use crate::support::*;
use atrest_server::{ServeError, Server};

#[test]
fn each_role_may_do_what_it_may() {
    let (folder, store) = folder();
    let server = start(builder(store));
    server.put("a", b"1");
    let reader = format!("Bearer {READER}");
    let writer = format!("bearer  {WRITER}");
    let unknown = format!("Bearer {READER}x");
    let basic = "Basic cmVhZGVyOnJlYWRlcg==".to_owned();
    let (bare, none) = (READER.to_owned(), String::new());
    let cases = [(&reader, [200, 403]), (&writer, [200, 204])];
    let refused = [&unknown, &basic, &bare, &none].map(|who| (who, [401, 401]));
    for (who, [reading, writing]) in cases.into_iter().chain(refused) {
        let ask = |what| server.ask_as_is(what, &[("Authorization", who)], b"2");
        for what in [
            "GET /clips",
            "GET /clips/a",
            "HEAD /clips/a",
            "GET /metrics",
        ] {
            assert_eq!(ask(what).status, reading, "{who} {what}");
        }
        let put = ask("PUT /clips/a");
        assert_eq!(put.status, writing, "{who}");
        match writing {
            401 => assert!(put.header("www-authenticate").starts_with("Bearer realm=")),
            403 => assert!(
                put.header("www-authenticate")
                    .contains("insufficient_scope")
            ),
            _ => {}
        }
    }
    for (who, status) in [(&unknown, 401), (&reader, 403), (&writer, 204)] {
        let answer = server.ask_as_is("DELETE /clips/a", &[("Authorization", who)], b"");
        assert_eq!(answer.status, status, "{who}");
    }
    assert_eq!(files(folder.path()), []);
}

#[test]
fn no_token_is_told_nothing_about_names() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    server.put("there", b"1");
    for name in ["there", "not-there", "..", "a%00"] {
        assert_eq!(
            server
                .ask_as_is(&format!("GET /clips/{name}"), &[], b"")
                .status,
            401
        );
    }
}

#[test]
fn two_authorizations_are_none() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    let (one, two) = (format!("Bearer {READER}"), format!("Bearer {WRITER}"));
    let both = [("Authorization", one.as_str()), ("Authorization", &two)];
    assert_eq!(server.ask_as_is("GET /clips", &both, b"").status, 401);
}

#[test]
fn health_is_for_everybody_and_metrics_when_told() {
    let (_folder, store) = folder();
    let server = start(builder(store.clone()));
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(
            server.ask_as_is(&format!("GET {path}"), &[], b"").status,
            200,
            "{path}"
        );
    }
    assert_eq!(server.ask_as_is("GET /metrics", &[], b"").status, 401);
    let open = start(builder(store).open_metrics());
    assert_eq!(open.ask_as_is("GET /metrics", &[], b"").status, 200);
    assert_eq!(open.ask_as_is("GET /clips", &[], b"").status, 401);
}

#[test]
fn without_tokens_it_does_not_start_unless_told_and_on_loopback() {
    let (_folder, store) = folder();
    let none = Server::builder(store.clone()).build();
    assert!(matches!(none, Err(ServeError::NoTokens)));
    let open = Server::builder(store.clone()).no_auth().build().unwrap();
    let (here, everywhere) = (
        "127.0.0.1:80".parse().unwrap(),
        "0.0.0.0:80".parse().unwrap(),
    );
    assert!(open.may_listen(here).is_ok());
    assert!(open.may_listen("[::1]:80".parse().unwrap()).is_ok());
    let error = open.may_listen(everywhere).unwrap_err();
    assert!(
        matches!(error, ServeError::OpenBeyondLoopback(_)),
        "{error}"
    );
    // Even behind a proxy that speaks TLS.
    let plain = Server::builder(store.clone())
        .no_auth()
        .plain_http()
        .build()
        .unwrap();
    assert!(plain.may_listen(everywhere).is_err());

    let error = builder(store.clone())
        .build()
        .unwrap()
        .may_listen(everywhere)
        .unwrap_err();
    assert!(
        matches!(error, ServeError::PlainBeyondLoopback(_)),
        "{error}"
    );
    let allowed = builder(store.clone()).plain_http().build().unwrap();
    assert!(allowed.may_listen(everywhere).is_ok());

    let server = start(Server::builder(store).no_auth());
    assert_eq!(server.ask_as_is("PUT /clips/a", &[], b"1").status, 201);
    assert_eq!(server.ask_as_is("GET /clips/a", &[], b"").text(), "1");
}

fn status(server: &Running, request: &str) -> u16 {
    use std::io::Write as _;
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read_head(&mut std::io::BufReader::new(stream)).status
}

/// A page whose name leads to 127.0.0.1 (DNS rebinding) sends its own name as Host.
#[test]
fn without_tokens_only_requests_for_this_machine_are_answered() {
    let (files, store) = folder();
    let server = start(Server::builder(store).no_auth());
    let port = server.address.port();
    for (host, want) in [
        ("localhost".to_owned(), 201),
        (format!("localhost:{port}"), 204),
        (format!("127.0.0.1:{port}"), 204),
        (format!("[::1]:{port}"), 204),
        (format!("rebound.example:{port}"), 421),
        ("127.0.0.1.example".to_owned(), 421),
        ("192.168.0.7".to_owned(), 421),
        (String::new(), 421),
    ] {
        for target in ["/clips/a", "/clips", "/healthz"] {
            let method = if target == "/clips/a" { "PUT" } else { "GET" };
            let request =
                format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
            let got = status(&server, &request);
            let want = if method == "GET" && want < 300 {
                200
            } else {
                want
            };
            assert_eq!(got, want, "{method} {target} for {host}");
        }
    }
    // The target's host counts too.
    let request = "GET http://rebound.example/clips HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(status(&server, request), 421);
    assert_eq!(status(&server, "GET /clips HTTP/1.0\r\n\r\n"), 421);
    assert_eq!(crate::support::files(files.path()).len(), 1);
}

#[test]
fn a_request_names_its_host_once() {
    let (_folder, store) = folder();
    let server = start(builder(store));
    for (head, want) in [
        ("HTTP/1.1\r\n", 400),
        ("HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        ("HTTP/1.1\r\nHost: clips.example\r\n", 200),
        ("HTTP/1.0\r\n", 200),
    ] {
        assert_eq!(
            status(&server, &format!("GET /healthz {head}\r\n")),
            want,
            "{head}"
        );
    }
}
