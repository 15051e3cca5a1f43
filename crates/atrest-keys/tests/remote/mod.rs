//! What the tests of sources behind servers share.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fmt::Debug;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use atrest_core::{Context, Key};
use atrest_keys::{
    Environment, Health, KeySource, KeySourceError, RemoteProblem, Settings, source,
};

/// A name that no other test has, also of other runs on the same server.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("atrest-{what}-{}-{count}", std::process::id())
}

pub(crate) fn env(variables: &[(&str, &str)]) -> Environment {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment::new(variables.iter().map(own))
}

/// Patience for servers that are there.
pub(crate) fn settings() -> Settings {
    Settings::new(".")
}

/// Little patience, for servers that are not.
pub(crate) fn hasty() -> Settings {
    Settings {
        timeout: Duration::from_secs(2),
        ..Settings::new(".")
    }
}

pub(crate) fn open(uri: &str) -> Box<dyn KeySource> {
    source::parse(uri, &settings()).unwrap()
}

/// What went wrong, and all that anybody is shown of it. The source is named, and no
/// `secret` is there.
pub(crate) fn failure<T: Debug>(
    uri: &str,
    result: Result<T, KeySourceError>,
    secrets: &[&str],
) -> (RemoteProblem, String) {
    let error = result.unwrap_err();
    let message = error.to_string();
    let shown = format!("{message}\n{error:?}");
    assert!(message.starts_with(uri), "{message} does not name {uri}");
    for secret in secrets {
        assert!(!shown.contains(secret), "a secret is in: {shown}");
    }
    let problem = match error {
        KeySourceError::Remote { problem, next, .. } => {
            assert!(!next.is_empty(), "{message}");
            problem
        }
        KeySourceError::Malformed { .. }
        | KeySourceError::Empty { .. }
        | KeySourceError::UnclosedList { .. } => RemoteProblem::Format,
        other => panic!("{other}"),
    };
    (problem, message)
}

/// [`failure`] of that kind, and its message says all of `words`.
pub(crate) fn fails<T: Debug>(
    uri: &str,
    result: Result<T, KeySourceError>,
    want: RemoteProblem,
    words: &[&str],
    secrets: &[&str],
) {
    let (problem, message) = failure(uri, result, secrets);
    assert_eq!(problem, want, "{message}");
    for word in words {
        assert!(message.contains(word), "{message} does not say {word}");
    }
}

/// Nobody listens: it fails soon, and a server that takes the connection and says
/// nothing costs no more than the time limit.
pub(crate) fn unreachable_fails_in_time(uri_of: impl Fn(&str) -> (String, Environment)) {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, kinds) in [
        (closed, vec![RemoteProblem::Unreachable]),
        (
            silent.local_addr().unwrap(),
            vec![RemoteProblem::TimedOut, RemoteProblem::Unreachable],
        ),
    ] {
        let (uri, env) = uri_of(&format!("http://{address}"));
        let source = source::parse(&uri, &hasty()).unwrap();
        let begin = Instant::now();
        let result = if source.delivers() {
            source.keys(&env).map(|_| ())
        } else {
            let key = Key::from_bytes([1; 32]);
            source.wrap_key(&key, &place(), &env).map(|_| ())
        };
        assert!(begin.elapsed() < Duration::from_secs(4), "{uri}");
        let (problem, message) = failure(&uri, result, &[]);
        assert!(kinds.contains(&problem), "{message}");
        let failed = Health {
            failed: 1,
            ..Health::default()
        };
        assert_eq!(source.health(), Some(failed));
    }
}

pub(crate) fn place() -> Context {
    Context::new("keyring")
}

pub(crate) fn elsewhere() -> Context {
    Context::new("elsewhere")
}

/// A key of the test's own, and its spelling.
pub(crate) fn key() -> (Key, String) {
    let key = Key::generate().unwrap();
    let text = key.to_base64url().to_string();
    (key, text)
}

/// Runs a future to its end.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
