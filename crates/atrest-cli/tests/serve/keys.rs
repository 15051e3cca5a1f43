//! Keys that become others while the server runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use atrest_testing::{Fault, HttpProxy, server};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{KEY, Place, Serving, head};

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
        let before = self.reads(result);
        self.signal(Signal::HUP);
        self.reads_more(result, before);
    }

    /// How often the keys were read again with this result.
    fn reads(&self, result: &str) -> u64 {
        let line = format!("atrest_key_reads_total{{result=\"{result}\"}}");
        self.metric(&line).unwrap() as u64
    }

    fn reads_more(&self, result: &str, than: u64) {
        let more = || self.reads(result) > than;
        within_a_minute(result, more);
    }

    /// What the metric of this name and labels says.
    fn metric(&self, name: &str) -> Option<f64> {
        let metrics = self.metrics();
        let mut lines = metrics.lines();
        let value = lines.find_map(|it| it.strip_prefix(name)?.strip_prefix(' '))?;
        Some(value.parse().unwrap())
    }
}

#[track_caller]
fn within_a_minute(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
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
    // Also by themselves, where it took longer than files are left alone.
    assert!(
        log.matches("the keys were read again").count() >= 2,
        "{log}"
    );
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

/// A mounted secret that its container's runtime swaps: a new folder, and the symbolic
/// link `..data` to it.
#[test]
fn a_mounted_secret_that_changes_is_read_again_by_itself() {
    let place = with_key_files();
    let mount = place.path("mount");
    let version = |name: &str, keys: &[&str]| {
        let folder = mount.join(name);
        fs::create_dir_all(&folder).unwrap();
        let keys = keys
            .iter()
            .map(|key| fs::read_to_string(place.path(key)).unwrap());
        let file = folder.join("key");
        fs::write(&file, keys.collect::<String>()).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        let link = mount.join("..new");
        std::os::unix::fs::symlink(name, &link).unwrap();
        fs::rename(link, mount.join("..data")).unwrap();
    };
    version("..1", &["old.key"]);
    std::os::unix::fs::symlink("..data/key", mount.join("key")).unwrap();
    let policy = format!(
        "[keys]\nprimary = \"secret:{}\"\n[[files]]\nlocation = \"clips\"\n",
        mount.join("key").display()
    );
    fs::write(place.path("atrest.toml"), policy).unwrap();
    let serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/a", "", b"before").0, 201);
    version("..2", &["new.key", "old.key"]);
    serving.reads_more("used", 0);
    assert_eq!(serving.ask("PUT /clips/b", "", b"after").0, 201);
    assert_ne!(place.key_of("a"), place.key_of("b"));
    assert_eq!(serving.ask("GET /clips/a", "", b"").1, b"before");
    // A mistake: what is in force stays.
    fs::write(mount.join("..2/key"), "no key").unwrap();
    serving.reads_more("refused", 0);
    assert_eq!(serving.ask("GET /clips/a", "", b"").1, b"before");
    assert_eq!(serving.ask("GET /readyz", "", b"").0, 200);
}

/// Writes a secret into the real server's store; gives what a policy reads it by.
fn in_vault(key: &str) -> (String, String) {
    let mut url = url::Url::parse(&server::vault()).unwrap();
    let token = url.username().to_owned();
    url.set_username("").unwrap();
    let name = format!("atrest-serve-{}", std::process::id());
    let put = std::process::Command::new("curl")
        .args(["-sS", "--fail", "-X", "POST", "-H"])
        .arg(format!("X-Vault-Token: {token}"))
        .args(["-d", &format!("{{\"data\":{{\"key\":\"{key}\"}}}}")])
        .arg(format!("{url}v1/secret/data/{name}"))
        .output()
        .unwrap();
    assert!(put.status.success(), "{put:?}");
    (format!("vault:secret/{name}?field=key"), token)
}

/// While the server of keys is down, what it gave is used for `grace`; then nothing is
/// served until it is back.
#[test]
fn keys_whose_source_is_down_are_let_go_of_after_grace() {
    let (source, token) = in_vault(KEY);
    let mut url = url::Url::parse(&server::vault()).unwrap();
    url.set_username("").unwrap();
    let proxy = HttpProxy::to(url.as_str());
    let place = Place::new(&format!(
        "[keys]\nprimary = \"{source}\"\ncache = \"1s\"\ngrace = \"4s\"\ntimeout = \"1s\"\n\
         [[files]]\nlocation = \"clips\"\n"
    ));
    let mut command = place.command(&["serve", "--json", "--listen", "127.0.0.1:0", "--no-auth"]);
    command
        .env("VAULT_ADDR", proxy.url().trim_end_matches('/'))
        .env("VAULT_TOKEN", token);
    let serving = place.serve_with(command);
    let up = format!("atrest_key_source_up{{source=\"{source}\"}}");
    assert_eq!(serving.ask("PUT /clips/a", "", b"content").0, 201);
    within_a_minute("it is asked again", || serving.metric(&up) == Some(1.0));

    proxy.fail(usize::MAX, "GET", Fault::Answer(503));
    within_a_minute("it is seen to be down", || serving.metric(&up) == Some(0.0));
    assert_eq!(serving.ask("GET /clips/a", "", b"").1, b"content", "grace");
    within_a_minute("grace is over", || {
        serving.ask("GET /clips/a", "", b"").0 == 503
    });
    assert_eq!(serving.ask("PUT /clips/b", "", b"content").0, 503);
    assert_eq!(serving.ask("GET /clips", "", b"").0, 503);
    within_a_minute("it is not ready", || {
        serving.ask("GET /readyz", "", b"").0 == 503
    });
    assert_eq!(serving.ask("GET /healthz", "", b"").0, 200);

    proxy.fail_no_more();
    within_a_minute("it is back", || {
        serving.ask("GET /clips/a", "", b"").0 == 200
    });
    assert_eq!(serving.metric(&up), Some(1.0));

    // Said plainly that it may not be had: at once.
    proxy.fail(usize::MAX, "GET", Fault::Answer(403));
    within_a_minute("refused", || serving.ask("GET /clips/a", "", b"").0 == 503);
}

#[test]
fn metrics_have_the_age_of_a_keyrings_keys() {
    let place = Place::new(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n[[files]]\nlocation = \"clips\"\n",
    );
    let made = place.run(&["key", "init"]);
    assert!(made.status.success(), "{made:?}");
    let serving = place.serve(&["--no-auth"]);
    let metrics = serving.metrics();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("atrest_key_created_timestamp_seconds{key="))
        .unwrap();
    let created: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((0.0..120.0).contains(&(now - created)), "{line}");
}

/// A keyring in the database is asked for again, and while the database is gone what it
/// gave is used for `grace`.
#[test]
fn a_keyring_in_the_database_is_followed() {
    let place = Place::new(
        "[keys]\nkeyring = \"database\"\nroot = \"env:KEY\"\ncache = \"1s\"\ngrace = \"3s\"\n\
         [database]\nurl = \"sqlite:app.db\"\n[[files]]\nlocation = \"clips\"\n",
    );
    fs::write(place.path("app.db"), "").unwrap();
    let run = |arguments: &[&str]| {
        let ran = place.run(arguments);
        assert!(ran.status.success(), "{ran:?}");
    };
    run(&["key", "init"]);
    let serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/a", "", b"before").0, 201);
    run(&["key", "rotate"]);
    within_a_minute("the new key is taken", || {
        assert_eq!(serving.ask("PUT /clips/b", "", b"after").0 / 100, 2);
        place.key_of("a") != place.key_of("b")
    });
    run(&["rotate"]);
    assert_eq!(serving.ask("GET /clips/a", "", b"").1, b"before");

    fs::rename(place.path("app.db"), place.path("aside.db")).unwrap();
    within_a_minute("grace is over", || {
        serving.ask("GET /clips/a", "", b"").0 == 503
    });
    fs::rename(place.path("aside.db"), place.path("app.db")).unwrap();
    within_a_minute("it is back", || {
        serving.ask("GET /clips/a", "", b"").1 == b"before"
    });
}
