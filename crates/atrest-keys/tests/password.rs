//! Keys from passwords: today's parameters for new keys, older ones for reading.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

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

fn argon2id(m: u64, t: u64, p: u64) -> String {
    format!("password:env:APP_PASSWORD?kdf=argon2id&salt={SALT}&m={m}&t={t}&p={p}")
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

/// The values are `Argon2id(salt, length=32, iterations=t, lanes=p, memory_cost=m)` of
/// pyca/cryptography 50.0.2, which is OpenSSL's implementation.
#[test]
fn argon2id_gives_the_key_that_pyca_derives() {
    for (uri, want) in [
        (
            argon2id(65_536, 3, 4),
            "853b272a44db1421c02962669a55eb0994f3cab385ed1c4c79253eee19bab49e",
        ),
        (
            argon2id(19_456, 2, 1),
            "818259b6310026a8e0dbac5d2e6927abcfdb07b32258fac4f61b18b80f929085",
        ),
    ] {
        assert_eq!(hex(&key(&uri).unwrap()), want);
        // The order of the parameters does not matter.
        let (place, query) = uri.split_once('?').unwrap();
        let mut parameters: Vec<&str> = query.split('&').collect();
        parameters.reverse();
        let turned = format!("{place}?{}", parameters.join("&"));
        assert_eq!(hex(&key(&turned).unwrap()), want);
    }
}

/// Against pyca/cryptography as it is here: cases that are new in each run.
#[test]
fn argon2id_agrees_with_pyca_on_random_cases() {
    const CASES: usize = 12;
    let mut random = vec![0; CASES * 48];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let mut lines = String::new();
    let mut cases = Vec::new();
    for bytes in random.chunks_exact(48) {
        let m = 19_456 + u64::from(bytes[0]) * 17;
        let (t, p) = (2 + u64::from(bytes[1] % 3), 1 + u64::from(bytes[2] % 16));
        let salt = &bytes[8..8 + 16 + usize::from(bytes[3] % 8)];
        let password: String = bytes[32..].iter().map(|b| char::from(*b)).collect();
        let password = password.replace('\0', "0");
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        lines += &format!("{m} {t} {p} {} {}\n", hex(salt), hex(password.as_bytes()));
        let salt = base64_simd::URL_SAFE_NO_PAD.encode_to_string(salt);
        let uri = format!("password:env:P?kdf=argon2id&salt={salt}&m={m}&t={t}&p={p}");
        cases.push((uri, password));
    }
    let wanted = pyca_argon2id(&lines);
    assert_eq!(wanted.len(), CASES);
    for ((uri, password), want) in cases.into_iter().zip(wanted) {
        let env = Environment::new([("P".to_owned(), password)]);
        let source = source::parse(&uri, &Settings::new(".")).unwrap();
        let keys = source.keys(&env).unwrap();
        assert_eq!(hex(&keys[0]), want, "{uri}\nof\n{lines}");
    }
}

/// A line of "m t p salt password" for each case, the last two in hex.
fn pyca_argon2id(lines: &str) -> Vec<String> {
    const PROGRAM: &str = "\
import sys
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
for line in sys.stdin:
    m, t, p, salt, password = line.split()
    kdf = Argon2id(salt=bytes.fromhex(salt), length=32, iterations=int(t), lanes=int(p), memory_cost=int(m))
    print(kdf.derive(bytes.fromhex(password)).hex())
";
    let python = std::env::var("ATREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut child = Command::new(python)
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a Python with cryptography; scripts/test installs one and sets ATREST_PYTHON");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(
        out.status.success(),
        "a Python with cryptography; scripts/test installs one and sets ATREST_PYTHON"
    );
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
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
    let short_too = short.clone();
    for (weak, warning, says) in [
        (uri(SALT, "599999"), few, "599999 iterations"),
        (uri("AAECAwQFBgc", "600000"), short, "salt of 8 bytes"),
        (
            argon2id(65_536, 3, 4).replace(SALT, "AAECAwQFBgc"),
            short_too,
            "salt of 8 bytes",
        ),
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
            "none of `kdf`, `salt`, `m`, `t`, `p` and `iterations`",
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
            "`password:env:APP_PASSWORD?kdf=argon2id&salt=",
        ),
        (argon2id(19_455, 2, 1), "`m` goes from 19456 to 1048576"),
        (argon2id(1_048_577, 2, 1), "`m` goes from 19456 to 1048576"),
        (argon2id(19_456, 1, 1), "`t` goes from 2 to 64"),
        (argon2id(19_456, 65, 1), "`t` goes from 2 to 64"),
        (argon2id(19_456, 2, 0), "`p` goes from 1 to 16"),
        (argon2id(19_456, 2, 17), "`p` goes from 1 to 16"),
        (
            argon2id(1_048_576, 5, 1),
            "`m` times `t` goes up to 4194304",
        ),
        (argon2id(u64::MAX, 2, 1), "`m` goes from"),
        (
            argon2id(65_536, 3, 4).replace("m=65536", "m=64MiB"),
            "`m` is not a whole number",
        ),
        (
            argon2id(65_536, 3, 4).replace("&p=4", ""),
            "its cost written down",
        ),
        (
            argon2id(65_536, 3, 4).replace(SALT, "AAECAwQFBg"),
            "has 7 bytes",
        ),
        (
            argon2id(65_536, 3, 4).replace("argon2id", "argon2d"),
            "something else than argon2id",
        ),
        (
            argon2id(65_536, 3, 4).replace("kdf=argon2id&", ""),
            "need `kdf=argon2id`",
        ),
        (
            format!("{}&iterations=600000", argon2id(65_536, 3, 4)),
            "PBKDF2's",
        ),
        (
            format!("{}&kdf=pbkdf2", uri(SALT, "600000")),
            "written without it",
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
    let source = source::parse(&argon2id(65_536, 3, 4), &Settings::new(".")).unwrap();
    assert_eq!(
        format!("{source:?}"),
        "Password(APP_PASSWORD, argon2id m=65536&t=3&p=4)"
    );
}
