//! `.env` files: what they add, and what is wrong with them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;
use std::path::PathBuf;

use atrest_keys::{Environment, FileAccess, KeySourceError, Settings, source};

struct EnvFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn env_file(text: &str, mode: u32) -> EnvFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = mode;
    EnvFile {
        _folder: folder,
        path,
    }
}

fn overlay(text: &str) -> Result<Environment, KeySourceError> {
    let file = env_file(text, 0o600);
    Environment::new([("SET".to_owned(), "from the environment".to_owned())])
        .with_env_file(&file.path, FileAccess::OwnerOnly)
}

#[test]
fn the_environment_wins_over_the_file() {
    let env = overlay("\u{feff}# settings\nSET=from the file\nexport OTHER='pa$$ word'\nEMPTY=\n");
    // An unquoted value with a space is a mistake, not half a value.
    assert!(
        matches!(env, Err(KeySourceError::EnvFileLine { line: 2, .. })),
        "{env:?}"
    );

    let env =
        overlay("\u{feff}# settings\nSET='from the file'\nexport OTHER='pa$$ word'\nEMPTY=\n")
            .unwrap();
    assert_eq!(env.get("SET"), Some("from the environment"));
    assert_eq!(env.describe("SET"), "SET");
    assert_eq!(env.get("OTHER"), Some("pa$$ word"));
    assert!(
        env.describe("OTHER").starts_with("OTHER (in /"),
        "{}",
        env.describe("OTHER")
    );
    assert_eq!(env.get("EMPTY"), Some(""));
    assert_eq!(env.get("ABSENT"), None);
}

#[test]
fn a_bad_line_is_named_by_number_and_never_shown() {
    let error = overlay("A=1\n\n# x\nTOP SECRET VALUE\n").unwrap_err();
    let message = error.to_string();
    assert!(message.contains(".env, line 4: "), "{message}");
    assert!(
        !message.contains("SECRET") && !format!("{error:?}").contains("SECRET"),
        "{error:?}"
    );
}

#[test]
fn two_values_for_one_variable_are_refused_and_one_value_twice_is_not() {
    let message = overlay("KEY=abc\nKEY=abd\n").unwrap_err().to_string();
    assert!(
        message.contains("gives KEY two different values") && !message.contains("abd"),
        "{message}"
    );
    assert_eq!(
        overlay("KEY=abc\nKEY=abc\n").unwrap().get("KEY"),
        Some("abc")
    );
}

#[test]
fn a_missing_file_says_so() {
    let error = Environment::default().with_env_file("/nonexistent/.env", FileAccess::OwnerOnly);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("cannot read /nonexistent/.env")
    );
}

#[cfg(unix)]
#[test]
fn a_readable_file_is_refused_unless_told() {
    let file = env_file("KEY=abc\n", 0o644);
    let error = Environment::default()
        .with_env_file(&file.path, FileAccess::OwnerOnly)
        .unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
    let env = Environment::default()
        .with_env_file(&file.path, FileAccess::AllowReadable)
        .unwrap();
    assert_eq!(env.get("KEY"), Some("abc"));
}

#[test]
fn an_error_of_a_key_names_the_file_that_it_came_from() {
    let env = overlay("ENCRYPTION_KEY=abc\n").unwrap();
    let source = source::parse("env:ENCRYPTION_KEY", &Settings::new("")).unwrap();
    let message = source.keys(&env).unwrap_err().to_string();
    assert!(
        message.starts_with("ENCRYPTION_KEY (in ") && message.contains(".env): "),
        "{message}"
    );
}
