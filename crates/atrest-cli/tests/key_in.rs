//! `atrest key generate --in`: a key made where it stays.
#![cfg(all(unix, feature = "pkcs11"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const PIN: &str = "314159";

/// A folder where SoftHSM has one token, `atrest`.
fn token() -> (TempDir, String) {
    let module = std::env::var("ATREST_TEST_PKCS11")
        .unwrap_or_else(|_| "/usr/lib/softhsm/libsofthsm2.so".to_owned());
    assert!(
        Path::new(&module).is_file(),
        "no PKCS#11 module at {module}: `scripts/test` installs SoftHSM2, or name its library in ATREST_TEST_PKCS11"
    );
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let conf = folder.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&conf, text).unwrap();
    let out = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "atrest"])
        .args(["--pin", PIN, "--so-pin", "12345678", "--module", &module])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .expect("softhsm2-util, which scripts/test installs");
    assert!(out.status.success(), "{out:?}");
    let uri =
        format!("pkcs11:token=atrest;object=root?module-path={module}&pin-source=env:HSM_PIN");
    (folder, uri)
}

/// The exit status, and what was printed on standard output and standard error.
fn atrest(folder: &Path, pin: Option<&str>, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atrest"));
    command
        .current_dir(folder)
        .env("SOFTHSM2_CONF", folder.join("softhsm2.conf"))
        .args(args);
    if let Some(pin) = pin {
        command.env("HSM_PIN", pin);
    }
    let out = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        out.status.code().unwrap(),
        text(out.stdout),
        text(out.stderr),
    )
}

#[test]
fn a_root_key_is_made_in_the_token_once_and_is_the_root_of_a_keyring() {
    let (folder, uri) = token();
    let generate = ["key", "generate", "--in", &uri];
    let (status, out, err) = atrest(folder.path(), Some(PIN), &generate);
    assert_eq!((status, &*out), (0, ""), "{err}");
    assert!(
        err.starts_with("root key in pkcs11:token=atrest;object=root: it never leaves the token"),
        "{err}"
    );
    let (status, _, err) = atrest(folder.path(), Some(PIN), &generate);
    assert_eq!(status, 2);
    assert!(err.contains("never overwritten"), "{err}");

    let (status, out, err) = atrest(folder.path(), Some(PIN), &["key", "test", &uri]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("wraps keys, and shows none"), "{out}");

    let policy = format!("[keys]\nkeyring = \"atrest.keyring\"\nroot = \"{uri}\"\n");
    std::fs::write(folder.path().join("atrest.toml"), policy).unwrap();
    let (status, _, err) = atrest(folder.path(), Some(PIN), &["key", "init"]);
    assert_eq!(status, 0, "{err}");
    let (status, out, err) = atrest(folder.path(), Some(PIN), &["key", "list"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("atrest.keyring"), "{out}");
    let (status, _, err) = atrest(folder.path(), Some("271828"), &["key", "list"]);
    assert_eq!(status, 2);
    assert!(err.contains("the PIN is wrong"), "{err}");
}

#[test]
fn the_pin_comes_from_the_env_file_too_and_is_never_printed() {
    let (folder, uri) = token();
    let generate = ["key", "generate", "--in", &uri];
    let (status, _, err) = atrest(folder.path(), None, &generate);
    assert_eq!(status, 2);
    assert!(err.contains("HSM_PIN is not set"), "{err}");
    let (status, _, err) = atrest(folder.path(), Some("271828"), &generate);
    assert_eq!(status, 2);
    assert!(
        err.contains("the PIN is wrong") && !err.contains("271828"),
        "{err}"
    );
    let file = folder.path().join("pin.env");
    std::fs::write(&file, format!("HSM_PIN={PIN}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let with_file = ["--env-file", "pin.env", "key", "generate", "--in", &uri];
    let (status, _, err) = atrest(folder.path(), None, &with_file);
    assert_eq!(status, 0, "{err}");
}

#[test]
fn a_place_where_no_key_is_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (place, and, want) in [
        (
            "env:KEY",
            None,
            "a key is not made in KEY; `atrest key generate` without `--in` prints one",
        ),
        ("fiel:key", None, "did you mean `file:`?"),
        (
            "os-keyring:a/b",
            Some(["--out", "x"]),
            "cannot be used with",
        ),
    ] {
        let mut args = vec!["key", "generate", "--in", place];
        args.extend(and.iter().flatten());
        let (status, out, err) = atrest(folder.path(), None, &args);
        assert_eq!((status, &*out), (2, ""), "{err}");
        assert!(err.contains(want), "{err}");
    }
}
