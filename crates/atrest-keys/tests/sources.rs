//! What every source accepts, and what it says about everything else.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;
use std::path::Path;

use atrest_core::{Key, KeyId};
use atrest_keys::{Environment, FileAccess, KeySource, KeySourceError, Settings, source};

/// Three keys by their bytes; no real ones.
const URLSAFE: &str = "-_-_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw=";
const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn id(text: &str) -> KeyId {
    Key::parse(text).unwrap().id()
}

fn env(value: &str) -> Environment {
    Environment::new([("ENCRYPTION_KEY".to_owned(), value.to_owned())])
}

fn read(uri: &str, env: &Environment, base: &Path) -> Result<Vec<KeyId>, KeySourceError> {
    let source = source::parse(uri, &Settings::new(base))?;
    Ok(source.keys(env)?.iter().map(Key::id).collect())
}

fn from_env(value: &str) -> Result<Vec<KeyId>, KeySourceError> {
    read("env:ENCRYPTION_KEY", &env(value), Path::new("."))
}

#[test]
fn a_variable_holds_one_key_or_a_list_in_every_notation() {
    let (a, b, c) = (id(URLSAFE), id(HEX), id(OTHER));
    let cases = [
        // A1: what Fernet.generate_key() prints, also as pasted from a prompt (C1).
        (URLSAFE.to_owned(), vec![a]),
        (format!("b'{URLSAFE}'"), vec![a]),
        (format!("  \"{URLSAFE}\"\n"), vec![a]),
        // B1: 64 hex digits.
        (HEX.to_owned(), vec![b]),
        (HEX.to_uppercase(), vec![b]),
        // C1: lists, the first is primary.
        (format!("{URLSAFE},{HEX}"), vec![a, b]),
        (format!("{URLSAFE} , b'{OTHER}', {HEX}"), vec![a, c, b]),
        (format!("[\"{URLSAFE}\", \"{HEX}\"]"), vec![a, b]),
        (format!("['{URLSAFE}', b'{OTHER}',]"), vec![a, c]),
        (format!("[\n  \"{URLSAFE}\",\n  \"{HEX}\"\n]"), vec![a, b]),
        (format!("[b\"{URLSAFE}\"]"), vec![a]),
        // A list whose quotes a .env parser has taken away.
        (format!("[{URLSAFE},{HEX}]"), vec![a, b]),
    ];
    for (value, want) in cases {
        assert_eq!(from_env(&value).unwrap(), want, "{value}");
    }
}

#[test]
fn errors_of_a_variable_name_it_and_what_to_do_and_never_the_value() {
    let short = &HEX[..63];
    let cases = [
        (String::new(), vec!["ENCRYPTION_KEY is empty"]),
        ("  ".to_owned(), vec!["ENCRYPTION_KEY is empty"]),
        ("[]".to_owned(), vec!["ENCRYPTION_KEY is empty"]),
        (short.to_owned(), vec!["ENCRYPTION_KEY: ", "63", "64"]),
        (
            format!("{URLSAFE},{short}"),
            vec!["ENCRYPTION_KEY, key 2 of 2: ", "63"],
        ),
        (
            format!("{URLSAFE},,{HEX}"),
            vec!["ENCRYPTION_KEY, key 2 of 3: ", "empty"],
        ),
        (
            format!("{URLSAFE},"),
            vec!["ENCRYPTION_KEY, key 2 of 2: ", "empty"],
        ),
        (
            format!("[\"{URLSAFE}\""),
            vec!["ENCRYPTION_KEY: ", "no `]`"],
        ),
        (
            format!("'{URLSAFE}"),
            vec!["ENCRYPTION_KEY: ", "neither base64 nor hex"],
        ),
        (
            URLSAFE[..24].to_owned(),
            vec!["ENCRYPTION_KEY: ", "32 bytes"],
        ),
        (
            "correct horse battery staple".to_owned(),
            vec!["ENCRYPTION_KEY: "],
        ),
    ];
    for (value, want) in cases {
        let error = from_env(&value).unwrap_err();
        let message = error.to_string();
        for part in want {
            assert!(message.contains(part), "{message} does not say {part}");
        }
        assert!(message.contains("atrest key generate"), "{message}");
        for shown in [message, format!("{error:?}")] {
            for secret in [URLSAFE, &URLSAFE[..16], short, "staple"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
    let unset = read("env:BIOMETRIC_ENCRYPTION_KEY", &env(HEX), Path::new(".")).unwrap_err();
    let message = unset.to_string();
    assert!(
        message.starts_with("BIOMETRIC_ENCRYPTION_KEY is not set; "),
        "{message}"
    );
    assert!(message.contains("atrest key generate"), "{message}");
}

#[test]
fn a_key_in_the_place_of_a_source_is_never_repeated() {
    let uris = [
        URLSAFE.to_owned(),
        HEX.to_owned(),
        format!("env:{URLSAFE}"),
        format!("env:{HEX}"),
        format!("file:{HEX}"),
        format!("password:env:{HEX}"),
        format!("password:{HEX}"),
        format!("{HEX}:x"),
        format!("key:{HEX}"),
    ];
    for uri in uris {
        let error = source::parse(&uri, &Settings::new(".")).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains(HEX) && !shown.contains(URLSAFE), "{shown}");
        }
    }
}

#[test]
fn an_unknown_scheme_names_the_nearest() {
    for (uri, want) in [
        ("fiel:key", Some("`file:`")),
        ("ENV:KEY", Some("`env:`")),
        ("passwrd:env:X", Some("`password:`")),
        ("consul:kv/app", None),
        ("env", None),
        ("env:", None),
        ("file:", None),
        ("env:MY KEY", None),
        ("env:A=B", None),
    ] {
        let message = source::parse(uri, &Settings::new("."))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("env:NAME") || message.contains("file:PATH"),
            "{message}"
        );
        assert_eq!(
            message.contains("did you mean"),
            want.is_some(),
            "{message}"
        );
        assert!(message.contains(want.unwrap_or_default()), "{message}");
    }
}

#[test]
fn a_file_holds_one_key_a_line_with_comments() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (format!("{URLSAFE}\n"), vec![id(URLSAFE)]),
        (format!("\u{feff}{URLSAFE}"), vec![id(URLSAFE)]),
        (
            format!("# made in March\r\n{URLSAFE}\r\n\r\n  {HEX}  # the old one\r\n"),
            vec![id(URLSAFE), id(HEX)],
        ),
        (
            format!("{URLSAFE},{HEX}\n{OTHER}\n"),
            vec![id(URLSAFE), id(HEX), id(OTHER)],
        ),
        (
            format!("[ # two\n '{URLSAFE}',\n b'{HEX}',\n]\n"),
            vec![id(URLSAFE), id(HEX)],
        ),
    ];
    for (text, want) in cases {
        private(folder.path(), "atrest.key", text.as_bytes());
        let got = read("file:atrest.key", &Environment::default(), folder.path()).unwrap();
        assert_eq!(got, want, "{text}");
    }
}

/// Writes a file that only its owner can read.
fn private(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    mode(&path, 0o600);
}

fn mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

#[test]
fn errors_of_a_file_name_it_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    private(folder.path(), "empty", b"# nothing but a comment\n");
    private(folder.path(), "binary", &[0xff, 0xfe, 0x80]);
    private(folder.path(), "long", &vec![b'a'; 70_000]);
    private(
        folder.path(),
        "second",
        format!("{URLSAFE}\nhello\n").as_bytes(),
    );
    fs::create_dir(folder.path().join("folder")).unwrap();
    for (name, want) in [
        ("empty", "is empty"),
        ("binary", "is not text"),
        ("long", "longer than 65536 bytes"),
        ("second", "second, key 2 of 2: "),
        ("folder", "is not a regular file"),
        ("missing", "cannot read"),
    ] {
        let error = read(
            &format!("file:{name}"),
            &Environment::default(),
            folder.path(),
        );
        let message = error.unwrap_err().to_string();
        assert!(message.contains(want), "{message}");
        assert!(
            message.contains(&folder.path().join(name).display().to_string()),
            "{message}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_use_is_refused_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    private(folder.path(), "my key", URLSAFE.as_bytes());
    let path = folder.path().join("my key");
    for bits in [0o400, 0o600, 0o700] {
        mode(&path, bits);
        assert!(
            read("file:my key", &Environment::default(), folder.path()).is_ok(),
            "{bits:o}"
        );
    }
    for bits in [0o644, 0o640, 0o604, 0o660, 0o620, 0o601, 0o444] {
        mode(&path, bits);
        let error = read("file:my key", &Environment::default(), folder.path()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&format!("mode {bits:04o}")), "{message}");
        assert!(
            message.contains(&format!("`chmod 600 '{}'`", path.display())),
            "{message}"
        );
        let told = source::parse(
            "file:my key",
            &Settings::new(folder.path()).with_access(FileAccess::AllowReadable),
        )
        .unwrap();
        assert_eq!(told.keys(&Environment::default()).unwrap().len(), 1);
    }
    // A mounted secret is a link to a file; what counts is the file.
    mode(&path, 0o600);
    std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
    assert!(read("file:link", &Environment::default(), folder.path()).is_ok());
}

#[cfg(unix)]
#[test]
fn a_device_is_refused_before_it_is_opened() {
    let error = read("file:/dev/null", &Environment::default(), Path::new(".")).unwrap_err();
    assert!(matches!(error, KeySourceError::NotAFile { .. }), "{error}");
}

#[test]
fn a_parsed_source_shows_its_place_only() {
    let source: Box<dyn KeySource> =
        source::parse("env:ENCRYPTION_KEY", &Settings::new(".")).unwrap();
    assert_eq!(source.name(), "ENCRYPTION_KEY");
    assert_eq!(source.weakness(), None);
    assert!(format!("{:?}", env(HEX)).contains("1 variables"));
}

proptest::proptest! {
    /// Whatever a variable holds: a key or an error, no panic, and no value shown.
    #[test]
    fn any_value_is_read_or_refused_without_being_shown(
        value in r#"(\[|b?['"])?[ -~é\n]{10,80}(['"]|,|\])?"#,
        list in "[a-zA-Z0-9_=-]{20,50}(,[a-zA-Z0-9_=-]{20,50}){0,3}",
    ) {
        for value in [value, list] {
            if let Err(error) = from_env(&value) {
                proptest::prop_assert!(!error.to_string().contains(&value));
                let debug = format!("{error:?}");
                proptest::prop_assert!(!debug.contains(value.trim()));
            }
        }
    }

    /// Whatever stands in the policy: a source or an error, no panic.
    #[test]
    fn any_uri_is_read_or_refused(uri in "(env:|file:|password:|password:env:N\\?|password:env:N\\?kdf=argon2id&|secret:|os-keyring:|pkcs11:|pkcs11:token=t;object=o\\?)?[ -~é]{0,40}") {
        let _ = source::parse(&uri, &Settings::new("/nonexistent"));
    }
}
