//! Who is let in, and what is not served at all.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{FILES, KEY, Place};

#[test]
fn tokens_of_the_policy_and_of_the_environment_let_in() {
    let place = Place::new("");
    let (reader, read) = place.token("read");
    let (writer, write) = place.token("write");
    let policy = format!(
        "{FILES}[serve]\nlisten = \"127.0.0.1:0\"\ntokens = [{{ role = \"read\", sha256 = \"{read}\" }}]\n"
    );
    fs::write(place.path("atrest.toml"), policy).unwrap();
    let mut command = place.command(&["serve", "--json"]);
    command.env("ATREST_SERVE_TOKENS", format!("write:{write}"));
    let mut serving = place.serve_with(command);
    assert_eq!(serving.ask("PUT /clips/a", &reader, b"x").0, 403);
    assert_eq!(
        serving.ask("PUT /clips/a", &writer, b"clear content").0,
        201
    );
    assert_eq!(
        serving.ask("GET /clips/a", &reader, b""),
        (200, b"clear content".to_vec())
    );
    assert_eq!(
        serving.ask("GET /clips/a", &write, b"").0,
        401,
        "the hash is no token"
    );
    assert_eq!(serving.ask("GET /readyz", "", b"").0, 200);
    let metrics = String::from_utf8(serving.ask("GET /metrics", &reader, b"").1).unwrap();
    assert!(
        metrics.contains("atrest_sealed_bytes_total 13\n"),
        "{metrics}"
    );
    assert!(metrics.contains("role=\"primary\"} 1\n"), "{metrics}");
    serving.signal(Signal::TERM);
    let (status, log) = serving.end();
    assert_eq!(status, 0);
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}"));
    }
    assert!(log.contains("/clips/a"));
    for secret in [
        &reader,
        &writer,
        &KEY.to_owned(),
        &"clear content".to_owned(),
    ] {
        assert!(!log.contains(secret.as_str()), "{secret}");
    }

    // What was uploaded is an object like any other.
    let file = fs::read(place.path("clips/a")).unwrap();
    assert_eq!(&file[..6], b"ATREST");
    let keys = "[keys]\nprimary = \"env:KEY\"\n";
    fs::write(place.path("atrest.toml"), keys).unwrap();
    let opened = place.run(&["file", "open", "--id", "a", "clips/a"]);
    assert_eq!(opened.stdout, b"clear content");
}

#[test]
fn what_must_not_be_served_is_refused_with_what_to_do() {
    let hash = "0".repeat(64);
    let tokens = format!("read:{hash}");
    let two = format!("{FILES}[[files]]\nlocation = \"photos\"\n");
    let gone = FILES.replace("clips", "gone");
    for (policy, arguments, says) in [
        (FILES, vec![], "no tokens are configured"),
        (
            FILES,
            vec!["--no-auth", "--listen", "0.0.0.0:0"],
            "configure tokens, or listen on 127.0.0.1",
        ),
        (
            FILES,
            vec!["--listen", "0.0.0.0:0", "--tokens", &tokens],
            "--allow-plain-http",
        ),
        (
            FILES,
            vec!["--tokens", "read:the-token-itself"],
            "64 hex digits",
        ),
        (
            FILES,
            vec!["--no-auth", "--location", "x"],
            "no [[files]] with the location `x`",
        ),
        (
            FILES,
            vec!["--no-auth", "--tls-cert", "none", "--tls-key", "none"],
            "cannot read none",
        ),
        (
            FILES,
            vec![
                "--no-auth",
                "--tls-cert",
                "atrest.toml",
                "--tls-key",
                "atrest.toml",
            ],
            "no certificate could be read",
        ),
        (FILES, vec!["--no-auth", "--tls-cert", "x"], "--tls-key"),
        (
            FILES,
            vec!["--no-auth", "--listen", "localhost"],
            "invalid socket address",
        ),
        (
            FILES,
            vec!["--generate-token", "admin"],
            "`read` or `write`",
        ),
        (&two, vec!["--no-auth"], "name one with --location"),
        (&gone, vec!["--no-auth"], "make the folder, or name another"),
        (
            "[keys]\nprimary = \"env:KEY\"\n",
            vec!["--no-auth"],
            "names no files",
        ),
    ] {
        let place = Place::new(policy);
        let ran = place.run(&[&["serve"], &arguments[..]].concat());
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}\n{said}");
        assert!(said.contains(says), "{arguments:?}\n{said}");
        assert!(!said.contains("the-token-itself"));
    }
}

/// A client that may write could otherwise replace the policy, with its keys.
#[test]
fn a_folder_that_holds_a_file_of_atrests_own_is_not_served() {
    const DOT: &str = "[keys]\nprimary = \"env:KEY\"\n[[files]]\nlocation = \".\"\n";
    let key_file = FILES.replace("env:KEY", "file:clips/the.key");
    let database = format!("{FILES}[database]\nurl = \"sqlite:clips/app.db\"\n");
    let env_file = FILES.replace("[[files]]", "env_file = \"clips/.env\"\n[[files]]");
    let tls = "[serve]\ntls_certificate = \"clips/cert.pem\"\ntls_key = \"key.pem\"\n";
    let tls = format!("{FILES}{tls}");
    for (policy, file) in [
        (DOT, "atrest.toml"),
        (&*key_file, "clips/the.key"),
        (&*database, "clips/app.db"),
        (&*env_file, "clips/.env"),
        (&*tls, "clips/cert.pem"),
        (FILES, "clips/linked.toml"),
    ] {
        let place = Place::new(policy);
        let owner = |path: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(place.path(path), mode).unwrap();
        };
        match file {
            "atrest.toml" | "clips/app.db" => {}
            "clips/linked.toml" => {
                fs::rename(place.path("atrest.toml"), place.path(file)).unwrap();
                std::os::unix::fs::symlink(file, place.path("atrest.toml")).unwrap();
            }
            "clips/.env" => {
                fs::write(place.path(file), "A=1\n").unwrap();
                owner(file);
            }
            _ => {
                fs::write(place.path(file), KEY).unwrap();
                owner(file);
            }
        }
        let ran = place.run(&["serve", "--no-auth", "--listen", "127.0.0.1:0"]);
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{file}\n{said}");
        assert!(
            said.contains("serve a folder that holds none"),
            "{file}\n{said}"
        );
        assert!(said.contains(file), "{file}\n{said}");
    }
}

#[test]
fn a_port_that_is_taken_is_said() {
    let place = Place::new(FILES);
    let serving = place.serve(&["--no-auth"]);
    let ran = place.run(&["serve", "--no-auth", "--listen", &serving.address]);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(said.contains("choose another with --listen"), "{said}");
}
