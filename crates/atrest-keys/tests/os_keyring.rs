//! A key in the keyring of the desktop: GNOME Keyring on a D-Bus session of its own.
//!
//! The library finds the session through its process's environment. So each test runs
//! in a process of its own, with a session and an empty keyring: this program again.
#![cfg(all(feature = "os-keyring", target_os = "linux"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use atrest_core::Key;
use atrest_keys::{
    Environment, KeySourceError, NewKey, RemoteProblem, Settings, generate_in, load_keyring, source,
};

/// Starts the keyring, unlocked, then what follows.
const UNLOCKED: &str =
    "printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1 && \"$@\"";
/// Starts a keyring that was there and is locked.
const LOCKED: &str = "gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1 && \"$@\"";

/// Runs a test of `within` in a process of its own, on a session where `start` ran.
fn on_a_session(home: &Path, start: &str, name: &str) {
    let run = home.join("run");
    std::fs::create_dir_all(&run).unwrap();
    let out = Command::new("dbus-run-session")
        .args(["--", "sh", "-c", start, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg(format!("within::{name}"))
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_RUNTIME_DIR", &run)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .expect("dbus-run-session and gnome-keyring-daemon, which scripts/test installs");
    assert_passed(&out);
}

fn assert_passed(out: &std::process::Output) {
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Runs a test of `within` where the session's bus is this address.
fn on_a_bus(address: &str, name: &str) {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg(format!("within::{name}"))
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .output()
        .unwrap();
    assert_passed(&out);
}

/// Puts any text there, as a person with GNOME's own program would.
fn put(service: &str, account: &str, text: &str) {
    let mut child = Command::new("secret-tool")
        .args(["store", "--label=atrest test"])
        .args(["service", service, "username", account])
        .stdin(Stdio::piped())
        .spawn()
        .expect("secret-tool, which scripts/test installs");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

fn keys(uri: &str) -> Result<Vec<Key>, KeySourceError> {
    source::parse(uri, &Settings::new("/"))?.keys(&Environment::default())
}

fn problem<T: std::fmt::Debug>(result: Result<T, KeySourceError>) -> (RemoteProblem, String) {
    let error = result.unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("os-keyring:app/key: "), "{message}");
    match error {
        KeySourceError::Remote { problem, .. } => (problem, message),
        other => panic!("{other}"),
    }
}

#[test]
fn a_new_key_is_kept_and_read_back_and_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    on_a_session(home.path(), UNLOCKED, "generate");
    // Another session of the same user, later: the keyring is on disk.
    on_a_session(home.path(), UNLOCKED, "still_there");
}

#[test]
fn what_is_not_a_key_is_refused_and_not_shown() {
    let home = tempfile::tempdir().unwrap();
    on_a_session(home.path(), UNLOCKED, "wrong_entries");
}

#[test]
fn a_locked_keyring_that_nobody_unlocks_is_an_error_in_time() {
    let home = tempfile::tempdir().unwrap();
    on_a_session(home.path(), UNLOCKED, "generate");
    on_a_session(home.path(), LOCKED, "locked");
}

#[test]
fn no_session_is_an_error_that_says_what_to_do() {
    on_a_bus("unix:path=/no/such/bus", "no_bus");
}

/// A bus that takes the connection and says nothing.
#[test]
fn a_bus_that_hangs_costs_no_more_than_the_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("bus");
    let _listener = UnixListener::bind(&socket).unwrap();
    on_a_bus(&format!("unix:path={}", socket.display()), "hangs");
}

#[test]
fn uris() {
    let key = "07".repeat(32);
    let name =
        |uri: &str| source::parse(uri, &Settings::new("/")).map(|source| source.name().to_owned());
    assert_eq!(name("os-keyring:app/key").unwrap(), "os-keyring:app/key");
    assert_eq!(name("os-keyring:a%2Fb/c").unwrap(), "os-keyring:a%2Fb/c");
    for (uri, want) in [
        ("os-keyring:app", "not two names"),
        ("os-keyring:a/b/c", "not two names"),
        ("os-keyring:/b", "a name is empty"),
        ("os-keyring:a/", "a name is empty"),
        ("os-keyring:a/%ff", "holds what no name can"),
        ("os-keyring:a/%00", "holds what no name can"),
        (&*format!("os-keyring:{key}"), "no place for a key"),
        (&*format!("os-keyring:app/{key}"), "no place for a key"),
    ] {
        let message = name(uri).unwrap_err().to_string();
        assert!(message.contains(want), "{message}");
        assert!(
            message.contains("write os-keyring:SERVICE/ACCOUNT"),
            "{message}"
        );
        assert!(!message.contains(&key), "{message}");
    }
}

mod within {
    use super::*;

    const URI: &str = "os-keyring:app/key";

    #[test]
    #[ignore = "run on a session of its own"]
    fn generate() {
        let (kind, message) = problem(keys(URI));
        assert_eq!(kind, RemoteProblem::NotFound);
        assert!(
            message.contains("atrest key generate --in os-keyring:"),
            "{message}"
        );

        let settings = Settings::new("/");
        let env = Environment::default();
        let NewKey::Delivered { origin, id } = generate_in(URI, &env, &settings).unwrap() else {
            panic!("it delivers");
        };
        assert_eq!(origin, URI);
        let loaded = load_keyring(URI, &[], &env, &settings).unwrap();
        assert_eq!(loaded.keyring.primary().id(), id);
        assert_eq!(loaded.origins, [(id, URI.to_owned())]);

        let (kind, message) = problem(generate_in(URI, &env, &settings));
        assert_eq!(kind, RemoteProblem::Refused);
        assert!(message.contains("never overwritten"), "{message}");
        assert_eq!(keys(URI).unwrap()[0].id(), id);
        let home = std::env::var("HOME").unwrap();
        std::fs::write(Path::new(&home).join("id"), id.to_string()).unwrap();

        // Names of two entries do not run together.
        generate_in("os-keyring:app/key2", &env, &settings).unwrap();
        generate_in("os-keyring:a%2Fpp/key", &env, &settings).unwrap();
        assert_eq!(keys(URI).unwrap()[0].id(), id);

        // On a runtime too, where blocking calls of zbus itself would panic.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { assert_eq!(keys(URI).unwrap()[0].id(), id) });
    }

    #[test]
    #[ignore = "run on a session of its own"]
    fn still_there() {
        let home = std::env::var("HOME").unwrap();
        let id = std::fs::read_to_string(Path::new(&home).join("id")).unwrap();
        assert_eq!(keys(URI).unwrap()[0].id().to_string(), id);
    }

    #[test]
    #[ignore = "run on a session of its own"]
    fn wrong_entries() {
        let two = format!("{}\n{}\n", "01".repeat(32), "02".repeat(32));
        put("app", "list", &two);
        assert_eq!(keys("os-keyring:app/list").unwrap().len(), 2);

        put("app", "text", "correct horse battery staple");
        put("app", "short", &"03".repeat(31));
        put("app", "empty", "");
        for name in ["text", "short", "empty"] {
            let error = keys(&format!("os-keyring:app/{name}")).unwrap_err();
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(
                    !shown.contains("staple") && !shown.contains("0303"),
                    "{shown}"
                );
            }
            let message = error.to_string();
            assert!(
                message.starts_with(&format!("os-keyring:app/{name}")),
                "{message}"
            );
            assert!(message.contains("atrest key generate"), "{message}");
        }
    }

    #[test]
    #[ignore = "run on a session of its own"]
    fn locked() {
        let settings = Settings {
            timeout: Duration::from_secs(3),
            ..Settings::new("/")
        };
        let source = source::parse(URI, &settings).unwrap();
        let begin = Instant::now();
        let (kind, message) = problem(source.keys(&Environment::default()));
        assert!(begin.elapsed() < Duration::from_secs(6), "{message}");
        assert_eq!(kind, RemoteProblem::Denied, "{message}");
        assert!(message.contains("unlock the keyring"), "{message}");
    }

    #[test]
    #[ignore = "run on a session of its own"]
    fn no_bus() {
        let (kind, message) = problem(keys(URI));
        assert_eq!(kind, RemoteProblem::Unreachable, "{message}");
        assert!(message.contains("start a Secret Service"), "{message}");
    }

    #[test]
    #[ignore = "run on a session of its own"]
    fn hangs() {
        let settings = Settings {
            timeout: Duration::from_millis(700),
            ..Settings::new("/")
        };
        let source = source::parse(URI, &settings).unwrap();
        let begin = Instant::now();
        let (kind, message) = problem(source.keys(&Environment::default()));
        assert!(begin.elapsed() < Duration::from_secs(3), "{message}");
        assert_eq!(kind, RemoteProblem::TimedOut, "{message}");
    }
}
