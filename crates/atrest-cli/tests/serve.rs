//! `atrest serve` as it is run: the policy, tokens, what is refused, signals, the log,
//! and memory that does not grow with what goes through.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
#![cfg(unix)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const FILES: &str = "[keys]\nprimary = \"env:KEY\"\n[[files]]\nlocation = \"clips\"\n";

/// A folder with a policy and a folder of clips.
struct Place(tempfile::TempDir);

impl Place {
    fn new(policy: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("clips")).unwrap();
        fs::write(place.path("atrest.toml"), policy).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atrest"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("KEY", KEY);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A token and its hash.
    fn token(&self, role: &str) -> (String, String) {
        let made = self.run(&["serve", "--generate-token", role]);
        assert!(made.status.success());
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let said = String::from_utf8(made.stderr).unwrap();
        assert!(!said.contains(&token));
        let hash = said.split("sha256 = \"").nth(1).unwrap()[..64].to_owned();
        assert!(said.contains(&format!("ATREST_SERVE_TOKENS={role}:{hash}")));
        (token, hash)
    }

    fn serve(&self, arguments: &[&str]) -> Serving {
        self.serve_with(
            self.command(&[&["serve", "--json", "--listen", "127.0.0.1:0"], arguments].concat()),
        )
    }

    fn serve_with(&self, mut command: Command) -> Serving {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        log.read_line(&mut first).unwrap();
        let first: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{first}"));
        assert_eq!(first["fields"]["message"], "listening");
        let url = first["fields"]["url"].as_str().unwrap();
        let address = url.split("//").nth(1).unwrap().to_owned();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        });
        Serving {
            child,
            address,
            log: Some(log),
        }
    }
}

struct Serving {
    child: Child,
    address: String,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Serving {
    fn connect(&self, what: &str, token: &str, more: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let head = format!(
            "{what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    /// The status and the body.
    fn ask(&self, what: &str, token: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut stream = self.connect(
            what,
            token,
            if what.starts_with("PUT") { &length } else { "" },
        );
        stream.write_all(body).unwrap();
        let (status, mut stream) = head(stream);
        let mut body = Vec::new();
        stream.read_to_end(&mut body).unwrap();
        (status, body)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// The exit status and the log.
    fn end(&mut self) -> (i32, String) {
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        (status.code().unwrap_or(-1), log)
    }

    /// Resident memory in bytes: the greatest so far.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads an answer's head.
fn head(stream: TcpStream) -> (u16, BufReader<TcpStream>) {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line == "\r\n" {
            return (status, stream);
        }
    }
}

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

/// A place whose keys are files, with objects under the first.
fn with_key_files() -> Place {
    let place = Place::new("");
    let made = |name: &str| {
        let made = place.run(&["key", "generate", "--out", name]);
        assert!(made.status.success(), "{made:?}");
    };
    made("old.key");
    made("new.key");
    place
}

impl Place {
    fn key_files(&self, primary: &str, previous: &[&str]) {
        let previous: Vec<_> = previous.iter().map(|it| format!("\"file:{it}\"")).collect();
        let keys = format!(
            "[keys]\nprimary = \"file:{primary}\"\nprevious = [{}]\n",
            previous.join(", ")
        );
        let files = "[[files]]\nlocation = \"clips\"\n";
        fs::write(self.path("atrest.toml"), keys + files).unwrap();
    }

    /// The id of the key that a file is sealed under.
    fn key_of(&self, name: &str) -> Vec<u8> {
        fs::read(self.path("clips").join(name)).unwrap()[8..12].to_vec()
    }
}

impl Serving {
    fn metrics(&self) -> String {
        String::from_utf8(self.ask("GET /metrics", "", b"").1).unwrap()
    }

    /// Has it read its keys again, and waits until it has.
    fn reads_keys_again(&self, result: &str) {
        let count = |metrics: &str| {
            let line = format!("atrest_key_reads_total{{result=\"{result}\"}} ");
            let line = metrics.lines().find_map(|it| it.strip_prefix(&line));
            line.unwrap_or_else(|| panic!("{metrics}"))
                .parse::<u64>()
                .unwrap()
        };
        let before = count(&self.metrics());
        self.signal(Signal::HUP);
        let begin = Instant::now();
        while count(&self.metrics()) == before {
            assert!(begin.elapsed() < Duration::from_secs(60), "{result}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn sighup_takes_other_keys_so_that_rotating_needs_no_restart() {
    let place = with_key_files();
    place.key_files("old.key", &[]);
    let mut serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/a", "", b"before").0, 201);
    let old = place.key_of("a");

    place.key_files("new.key", &["old.key"]);
    serving.reads_keys_again("used");
    assert_eq!(serving.ask("PUT /clips/b", "", b"after").0, 201);
    assert_ne!(place.key_of("b"), old);
    let rotated = place.run(&["rotate"]);
    assert!(rotated.status.success(), "{rotated:?}");
    assert_eq!(place.key_of("a"), place.key_of("b"));

    place.key_files("new.key", &[]);
    serving.reads_keys_again("used");
    for (name, content) in [("a", "before"), ("b", "after")] {
        let got = serving.ask(&format!("GET /clips/{name}"), "", b"");
        assert_eq!(got, (200, content.into()), "{name}");
    }
    let metrics = serving.metrics();
    let hex = |id: &[u8]| id.iter().map(|it| format!("{it:02x}")).collect::<String>();
    for (id, role, value) in [
        (&old, "primary", 0),
        (&old, "previous", 0),
        (&place.key_of("b"), "primary", 1),
    ] {
        let line = format!(
            "atrest_key_info{{key=\"{}\",role=\"{role}\"}} {value}\n",
            hex(id)
        );
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert_eq!(serving.ask("GET /readyz", "", b"").0, 200);
    serving.signal(Signal::TERM);
    let (status, log) = serving.end();
    assert_eq!(status, 0);
    assert_eq!(log.matches("the keys were read again").count(), 2, "{log}");
    for name in ["old.key", "new.key"] {
        let secret = fs::read_to_string(place.path(name)).unwrap();
        assert!(!log.contains(secret.trim()), "{name}");
    }
}

#[test]
fn keys_that_cannot_be_used_leave_those_in_force() {
    let place = with_key_files();
    place.key_files("old.key", &[]);
    let mut serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/a", "", b"before").0, 201);
    let mut said = Vec::new();
    let mut is_refused = |why: &'static str| {
        serving.reads_keys_again("refused");
        assert_eq!(serving.ask("GET /clips/a", "", b"").1, b"before", "{why}");
        assert_eq!(serving.ask("PUT /clips/b", "", b"after").0 / 100, 2);
        assert_eq!(place.key_of("b"), place.key_of("a"), "{why}");
        fs::remove_file(place.path("clips/b")).unwrap();
        said.push(why);
    };
    place.key_files("gone.key", &["old.key"]);
    is_refused("gone.key");
    fs::write(place.path("atrest.toml"), "[keys]\nprimary = 7\n").unwrap();
    is_refused("atrest.toml");
    fs::remove_file(place.path("atrest.toml")).unwrap();
    is_refused("atrest.toml");
    // What it sealed would not open.
    place.key_files("new.key", &[]);
    is_refused("put that key into keys.previous");
    // Clients could replace it.
    fs::rename(place.path("new.key"), place.path("clips/new.key")).unwrap();
    place.key_files("clips/new.key", &["old.key"]);
    is_refused("serve a folder that holds none of atrest's files");
    serving.signal(Signal::TERM);
    let (status, log) = serving.end();
    assert_eq!(status, 0);
    let errors: Vec<_> = log.lines().filter(|it| it.contains("\"ERROR\"")).collect();
    assert_eq!(errors.len(), said.len(), "{log}");
    for (line, said) in errors.iter().zip(said) {
        let line: Value = serde_json::from_str(line).unwrap();
        let why = line["fields"]["why"].as_str().unwrap();
        assert!(why.contains(said), "{said}: {why}");
    }
}

/// What was begun goes on with the keys that it was begun with.
#[test]
fn requests_under_way_keep_their_keys() {
    let place = with_key_files();
    place.key_files("old.key", &[]);
    let serving = place.serve(&["--no-auth"]);
    let long: Vec<u8> = (0..40_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(serving.ask("PUT /clips/long", "", &long).0, 201);
    let old = place.key_of("long");

    // More than the sockets hold.
    let (status, mut reading) = head(serving.connect("GET /clips/long", "", ""));
    assert_eq!(status, 200);
    let (first, second) = long.split_at(20_000_000);
    let length = format!("Content-Length: {}\r\n", long.len());
    let mut writing = serving.connect("PUT /clips/upload", "", &length);
    writing.write_all(first).unwrap();

    place.key_files("new.key", &["old.key"]);
    serving.reads_keys_again("used");
    assert_eq!(serving.ask("PUT /clips/a", "", b"after").0, 201);
    place.key_files("new.key", &[]);
    serving.reads_keys_again("used");
    assert_eq!(serving.ask("GET /clips/long", "", b"").0, 500);

    let mut body = Vec::new();
    reading.read_to_end(&mut body).unwrap();
    assert!(body == long);
    writing.write_all(second).unwrap();
    assert_eq!(head(writing).0, 201);
    assert_eq!(place.key_of("upload"), old);
    assert_ne!(place.key_of("a"), old);
}

/// `rotate` and `status` look at what the policy means alone.
#[test]
fn what_the_policy_leaves_out_cannot_be_put() {
    let globs = "include = [\"*.mp4\"]\nexclude = [\"cache/\"]\n";
    let place = Place::new(&format!("{FILES}{globs}"));
    let serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/gate/a.mp4", "", b"1").0, 201);
    for name in ["a.txt", "cache/a.mp4", "gate/cache/b/a.mp4"] {
        let (status, said) = serving.ask(&format!("PUT /clips/{name}"), "", b"1");
        let said = String::from_utf8(said).unwrap();
        assert_eq!(status, 403, "{name} {said}");
        assert!(said.contains("left out"), "{said}");
        assert!(!place.path("clips").join(name).exists(), "{name}");
    }
}

#[test]
fn backups_are_neither_given_nor_replaced_nor_deleted() {
    let place = Place::new(FILES);
    let name = "atrest-backup-20260102-030405.atrest";
    let file = place.path("clips").join(name);
    fs::write(&file, "a backup").unwrap();
    let serving = place.serve(&["--no-auth"]);
    for (method, want) in [("GET", 404), ("HEAD", 404), ("PUT", 403), ("DELETE", 404)] {
        let status = serving.ask(&format!("{method} /clips/{name}"), "", b"").0;
        assert_eq!(status, want, "{method}");
    }
    assert_eq!(fs::read(file).unwrap(), b"a backup");
}

#[test]
fn no_link_leads_to_a_file_of_atrests_own() {
    let place = Place::new(FILES);
    std::os::unix::fs::symlink("..", place.path("clips/up")).unwrap();
    std::os::unix::fs::symlink("../atrest.toml", place.path("clips/soft")).unwrap();
    fs::hard_link(place.path("atrest.toml"), place.path("clips/hard")).unwrap();
    let serving = place.serve(&["--no-auth"]);
    for name in ["up/atrest.toml", "soft", "hard"] {
        for (method, want) in [("GET", 404), ("PUT", 409), ("DELETE", 404)] {
            let status = serving.ask(&format!("{method} /clips/{name}"), "", b"x").0;
            assert_eq!(status, want, "{method} {name}");
        }
    }
    assert_eq!(
        fs::read_to_string(place.path("atrest.toml")).unwrap(),
        FILES
    );
}

/// Who opens a pipe that nobody writes to waits for ever.
#[test]
fn a_pipe_in_the_folder_holds_nobody_up() {
    let place = Place::new(FILES);
    let pipe = place.path("clips/pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("pipe", place.path("clips/link")).unwrap();
    let serving = place.serve(&["--no-auth"]);
    for name in ["pipe", "link"] {
        for (method, want) in [("GET", 404), ("HEAD", 404), ("PUT", 409), ("DELETE", 404)] {
            let status = serving.ask(&format!("{method} /clips/{name}"), "", b"").0;
            assert_eq!(status, want, "{method} {name}");
        }
    }
    let list: Value = serde_json::from_slice(&serving.ask("GET /clips", "", b"").1).unwrap();
    assert_eq!(list["clips"], serde_json::json!([]));
    // As a blocking thread would have been held, this tells by its end.
    serving.signal(Signal::TERM);
    let mut serving = serving;
    assert_eq!(serving.end().0, 0);
}

#[test]
fn a_folder_whose_last_object_was_deleted_is_in_no_name_s_way() {
    let place = Place::new(FILES);
    let serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/d/e/x", "", b"1").0, 201);
    assert_eq!(serving.ask("DELETE /clips/d/e/x", "", b"").0, 204);
    assert_eq!(serving.ask("PUT /clips/d", "", b"2").0, 201);
    assert_eq!(serving.ask("DELETE /clips/d", "", b"").0, 204);
    assert!(place.path("clips").is_dir(), "the location itself stays");
}

/// A folder may be removed at the moment when an upload wants to write to it.
#[test]
fn uploads_and_deletions_in_one_folder_do_not_fail_each_other() {
    let place = Place::new(FILES);
    let serving = place.serve(&["--no-auth"]);
    std::thread::scope(|scope| {
        for client in 0..6 {
            let serving = &serving;
            scope.spawn(move || {
                let target = format!("/clips/d/e/{client}");
                for round in 0..60 {
                    let put = serving.ask(&format!("PUT {target}"), "", b"1").0;
                    assert_eq!(put, 201, "round {round}");
                    let deleted = serving.ask(&format!("DELETE {target}"), "", b"").0;
                    assert_eq!(deleted, 204, "round {round}");
                }
            });
        }
    });
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
