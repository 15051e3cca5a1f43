//! Keys from passwords: today's parameters for new keys, older ones for reading.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use atrest_core::Key;
use atrest_keys::{Environment, KeySourceError, Password, Settings, Warning, load_keyring, source};

const SALT: &str = "AAECAwQFBgcICQoLDA0ODw"; // 16 bytes, 0 to 15
const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn env() -> Environment {
    Environment::new([
        (
            "APP_PASSWORD".to_owned(),
            "correct horse battery staple".to_owned(),
        ),
        ("NO_PASSWORD".to_owned(), String::new()),
        ("KEY".to_owned(), OTHER_KEY.to_owned()),
    ])
}

fn uri(salt: &str, iterations: &str) -> String {
    format!("password:env:APP_PASSWORD?salt={salt}&iterations={iterations}")
}

fn key(uri: &str) -> Result<Key, KeySourceError> {
    let source = source::parse(uri, &Settings::new("."))?;
    let mut keys = source.keys(&env())?;
    assert_eq!(keys.len(), 1);
    Ok(keys.remove(0))
}

fn hex(key: &Key) -> String {
    key.expose_secret()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// D1; the values are hashlib.pbkdf2_hmac("sha256", b"correct horse battery staple",
/// bytes(range(16)), n, 32) of CPython.
#[test]
fn a_password_gives_the_key_that_python_derives() {
    for (iterations, want) in [
        (
            "100000",
            "49d49c25f597846209f0d92e7770ab64e1c75e94b4ce6c509265ee67175d2a1e",
        ),
        (
            "600000",
            "ef177144eec9420cbc1093d2a8b344a92bc506d0d4ec9c028dd19f8324d8c1e6",
        ),
    ] {
        assert_eq!(hex(&key(&uri(SALT, iterations)).unwrap()), want);
    }
    let padded = format!("{SALT}==");
    assert_eq!(
        hex(&key(&uri(&padded, "100000")).unwrap()),
        "49d49c25f597846209f0d92e7770ab64e1c75e94b4ce6c509265ee67175d2a1e"
    );
}

#[test]
fn a_file_gives_the_same_key_without_its_last_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("what?");
    for end in ["", "\n", "\r\n"] {
        std::fs::write(&path, format!("correct horse battery staple{end}")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let uri = format!("password:file:what??iterations=100000&salt={SALT}");
        let source = source::parse(&uri, &Settings::new(folder.path())).unwrap();
        assert_eq!(
            hex(&source.keys(&env()).unwrap()[0]),
            "49d49c25f597846209f0d92e7770ab64e1c75e94b4ce6c509265ee67175d2a1e",
            "{end:?}"
        );
    }
}

#[test]
fn a_new_uri_has_a_fresh_salt_and_makes_a_primary_key() {
    let uri = Password::new_uri("env:APP_PASSWORD").unwrap();
    assert_ne!(uri, Password::new_uri("env:APP_PASSWORD").unwrap());
    let loaded = load_keyring(&uri, &[], &env(), &Settings::new(".")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        loaded.origins,
        [(loaded.keyring.primary().id(), "APP_PASSWORD".to_owned())]
    );
    assert!(Password::new_uri("APP_PASSWORD").is_err());
}

#[test]
fn weak_parameters_open_old_data_and_never_seal() {
    let few = Warning::FewIterations {
        origin: "APP_PASSWORD".to_owned(),
        iterations: 599_999,
    };
    let short = Warning::ShortSalt {
        origin: "APP_PASSWORD".to_owned(),
        bytes: 8,
    };
    for (weak, warning, says) in [
        (uri(SALT, "599999"), few, "599999 iterations"),
        (uri("AAECAwQFBgc", "600000"), short, "salt of 8 bytes"),
    ] {
        let load = |primary: &str, previous: &[String]| {
            load_keyring(primary, previous, &env(), &Settings::new("."))
        };
        let refused = load(&weak, &[]).unwrap_err();
        assert!(matches!(&refused, KeySourceError::WeakPrimary { warning: w } if *w == warning));
        let message = refused.to_string();
        assert!(
            message.contains(says) && message.contains("`previous`"),
            "{message}"
        );

        let loaded = load("env:KEY", std::slice::from_ref(&weak)).unwrap();
        assert_eq!(loaded.warnings, [warning]);
        assert!(loaded.warnings[0].to_string().contains("rotate away"));
        assert_eq!(loaded.keyring.keys().count(), 2);
    }
}

#[test]
fn what_is_not_acceptable_is_refused_with_what_is() {
    for (uri, want) in [
        (
            uri(SALT, "99999"),
            "99999 iterations of PBKDF2 are not accepted",
        ),
        (uri(SALT, "0"), "not accepted; new keys use 600000"),
        (uri(SALT, "10000001"), "up to 10000000"),
        (uri(SALT, "99999999999999999999"), "not accepted"),
        (uri(SALT, "+600000"), "not a whole number"),
        (uri(SALT, ""), "not a whole number"),
        (uri("AAECAwQFBg", "600000"), "has 7 bytes, fewer than 8"),
        (uri("", "600000"), "has 0 bytes"),
        (uri("AAECAwQFBgcICQoLDA0ODx", "600000"), "not base64url"),
        (uri("AAEC+wQFBgcICQoLDA0ODw", "600000"), "not base64url"),
        (uri(&"A".repeat(1400), "600000"), "more than 1024"),
        (
            format!("{}&salt={SALT}", uri(SALT, "600000")),
            "stands twice",
        ),
        (
            format!("{}&hash=sha512", uri(SALT, "600000")),
            "neither `salt` nor `iterations`",
        ),
        (
            uri(SALT, "600000").replace("APP_", "APQ_"),
            "APQ_PASSWORD is not set; put the password",
        ),
        (
            uri(SALT, "600000").replace("APP_", "NO_"),
            "NO_PASSWORD is empty",
        ),
        ("password:hunter2".to_owned(), "neither `env:` nor `file:`"),
        (
            "password:env:APP_PASSWORD".to_owned(),
            "`password:env:APP_PASSWORD?salt=",
        ),
        (
            format!("password:env:APP_PASSWORD?salt={SALT}"),
            "for an old one the salt",
        ),
    ] {
        let message = key(&uri).unwrap_err().to_string();
        assert!(message.contains(want), "{message} does not say {want}");
        assert!(
            !message.contains("hunter2") && !message.contains("staple"),
            "{message}"
        );
    }
}

#[test]
fn debug_shows_the_place_only() {
    let source = source::parse(&uri(SALT, "600000"), &Settings::new(".")).unwrap();
    assert_eq!(
        format!("{source:?}"),
        "Password(APP_PASSWORD, 600000 iterations)"
    );
}
