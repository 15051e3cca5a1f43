//! `[serve]` of the policy: what it accepts, and for everything else the line, what is
//! wrong there and what to do.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::path::PathBuf;

use atrest_engine::policy::{Policy, ServePolicy, TokenRole};

const HASH: &str = "9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A policy whose `[serve]` begins at line 5.
fn with(serve: &str) -> Result<ServePolicy, String> {
    let text =
        format!("[keys]\nprimary = \"env:K\"\n[[files]]\nlocation = \"clips\"\n[serve]\n{serve}");
    let policy = Policy::parse(&text, "atrest.toml").map_err(|error| error.to_string())?;
    Ok(policy.serve.unwrap())
}

#[test]
fn all_of_serve_is_read() {
    let serve = with(&format!(
        "listen = \"[::1]:443\"\nlocation = \"clips\"\n\
         tls_certificate = \"tls/cert.pem\"\ntls_key = \"/etc/key.pem\"\n\
         tokens = [\n{{ role = \"read\", sha256 = \"{HASH}\" }},\n\
         {{ role = \"write\", sha256 = \"{HASH}\" }} ]\n"
    ))
    .unwrap();
    assert_eq!(serve.listen, "[::1]:443".parse().unwrap());
    assert_eq!(serve.location.as_deref(), Some("clips"));
    let tls = (PathBuf::from("tls/cert.pem"), PathBuf::from("/etc/key.pem"));
    assert_eq!(serve.tls, Some(tls));
    let roles: Vec<_> = serve.tokens.iter().map(|token| token.role).collect();
    assert_eq!(roles, [TokenRole::Read, TokenRole::Write]);
    assert_eq!((serve.tokens[0].sha256.as_str(), serve.line), (HASH, 5));
}

#[test]
fn an_empty_serve_is_loopback_without_tokens() {
    let serve = with("").unwrap();
    assert_eq!(serve.listen, "127.0.0.1:8080".parse().unwrap());
    assert!(serve.tokens.is_empty() && serve.tls.is_none() && serve.location.is_none());
    let without = Policy::parse("[keys]\nprimary = \"env:K\"\n", "atrest.toml").unwrap();
    assert_eq!(without.serve, None);
}

#[test]
fn what_cannot_stand_is_refused_with_its_line() {
    for (serve, want) in [
        (
            "listn = \"x\"",
            "line 6: unknown key `listn` in [serve]; did you mean `listen`?",
        ),
        (
            "listen = \"localhost\"",
            "line 6: `listen` is `localhost`, which is not an address",
        ),
        (
            "listen = 8080",
            "line 6: `listen` is an integer, not a string",
        ),
        (
            "location = \"clip\"",
            "line 6: `location` is `clip`, which is no location of a [[files]]; did you mean `clips`?",
        ),
        (
            "tls_key = \"k\"",
            "line 6: `tls_key` stands without its certificate",
        ),
        (
            "\ntls_certificate = \"c\"",
            "line 7: `tls_certificate` stands without its key",
        ),
        ("tokens = \"x\"", "line 6: `tokens` is a string, not a list"),
        ("tokens = [\"x\"]", "line 6: `tokens` holds a string"),
        (
            "tokens = [{ sha256 = \"x\" }]",
            "line 6: a token of [serve] has no `role`",
        ),
        (
            "tokens = [{ role = \"read\" }]",
            "line 6: a token of [serve] has no `sha256`",
        ),
        (
            "tokens = [{ role = \"rad\" }]",
            "line 6: `role` is `rad`, which is not a role; did you mean `read`?",
        ),
        (
            "tokens = [{ rle = \"read\" }]",
            "line 6: unknown key `rle` in a token of [serve]",
        ),
    ] {
        let error = with(serve).unwrap_err();
        assert!(error.contains(want), "{serve}\n{error}");
    }
    let text = "serve = 1\n[keys]\nprimary = \"env:K\"\n";
    let error = Policy::parse(text, "atrest.toml").unwrap_err().to_string();
    assert!(
        error.contains("line 1: `serve` is an integer, not a table"),
        "{error}"
    );
}

#[test]
fn a_token_in_place_of_its_hash_is_not_repeated() {
    for wrong in ["hunter2-the-token", &HASH[1..], &format!("g{}", &HASH[1..])] {
        let error = with(&format!(
            "tokens = [{{ role = \"read\", sha256 = \"{wrong}\" }}]"
        ));
        let error = error.unwrap_err();
        assert!(
            error.contains("`sha256` is not the 64 hex digits"),
            "{error}"
        );
        assert!(!error.contains(wrong), "{error}");
    }
}
