//! What an application sees: every suite and form, mixed columns, and errors that
//! name the field and never the value.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use atrest::{Environment, FieldError, Fields, Key, OpenError, Policy, Suite, Value};

const NEW: &str = "-_-_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw=";
const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn fields(keys: &str, column: &str) -> Fields {
    let text = format!(
        "[keys]\nprimary = \"env:K\"\n[database]\nurl = \"sqlite:a\"\n[[column]]\ntable = \"t\"\nname = \"c\"\n{column}\n"
    );
    let environment = Environment::new([("K".to_owned(), keys.to_owned())]);
    Fields::from_policy(Policy::parse(&text, "atrest.toml").unwrap(), environment).unwrap()
}

#[test]
fn every_suite_goes_there_and_back_in_both_forms() {
    for suite in Suite::ALL {
        let field = fields(NEW, &format!("suite = \"{suite}\""))
            .field("t.c")
            .unwrap();
        for clear in ["", "ada@example.org", "ar1.hello", "é"] {
            let token = field.seal_str(clear).unwrap();
            assert_ne!(token, field.seal_str(clear).unwrap());
            assert_eq!(field.open_str(&token).unwrap(), clear);
            assert_eq!(
                field.read_str(&token).unwrap(),
                Value::Opened(clear.to_owned())
            );
            let token = field.seal_bytes(clear.as_bytes()).unwrap();
            assert_eq!(field.open_bytes(&token).unwrap(), clear.as_bytes());
            assert_eq!(
                field.read_bytes(&token).unwrap().into_inner(),
                clear.as_bytes()
            );
        }
        let token = field.seal_json(&("a", 1)).unwrap();
        assert_eq!(
            field.read_json::<(String, u8)>(&token).unwrap(),
            Value::Opened(("a".to_owned(), 1))
        );
    }
}

#[test]
fn a_mixed_column_is_read_and_a_damaged_token_is_never_a_value() {
    let field = fields(NEW, "").field("t.c").unwrap();
    assert_eq!(
        field.read_str("still in clear").unwrap(),
        Value::InClear("still in clear".to_owned())
    );
    assert_eq!(field.read_json::<u8>("7").unwrap(), Value::InClear(7));
    assert!(matches!(
        field.open_str("still in clear"),
        Err(FieldError::Open {
            source: OpenError::NotAToken,
            ..
        })
    ));

    let mut token = field.seal_str("secret").unwrap();
    token.pop();
    assert!(matches!(
        field.read_str(&token),
        Err(FieldError::Open {
            source: OpenError::Failed,
            ..
        })
    ));

    let theirs = fields(OLD, "")
        .field("t.c")
        .unwrap()
        .seal_str("secret")
        .unwrap();
    let error = field.read_str(&theirs).unwrap_err();
    let id = Key::parse(OLD).unwrap().id();
    assert!(
        matches!(error, FieldError::Open { source: OpenError::UnknownKey { id: named }, .. } if named == id)
    );
    // With the old key as a previous one it opens; sealing takes the new one.
    let both = fields(&format!("{NEW},{OLD}"), "").field("t.c").unwrap();
    assert_eq!(both.open_str(&theirs).unwrap(), "secret");
    assert_eq!(field.open_str(&both.seal_str("x").unwrap()).unwrap(), "x");
}

#[test]
fn a_row_is_asked_for_exactly_when_it_counts() {
    let bound = fields(NEW, "bind = \"row\"").field("t.c").unwrap();
    assert!(matches!(
        bound.seal_str("x"),
        Err(FieldError::NeedsRow { .. })
    ));
    assert!(matches!(
        bound.open_str("x"),
        Err(FieldError::NeedsRow { .. })
    ));
    assert!(matches!(
        bound.row(Vec::<String>::new()),
        Err(FieldError::NeedsRow { .. })
    ));
    let token = bound.row(["1", "a"]).unwrap().seal_str("x").unwrap();
    assert_eq!(
        bound.row(["1", "a"]).unwrap().open_str(&token).unwrap(),
        "x"
    );
    assert!(bound.row(["1a"]).unwrap().open_str(&token).is_err());
    assert!(
        bound
            .row(["1", "a"])
            .unwrap()
            .row(["2"])
            .unwrap()
            .open_str(&token)
            .is_err()
    );

    let free = fields(NEW, "").field("t.c").unwrap();
    assert!(matches!(
        free.row(["1"]),
        Err(FieldError::NotBoundToRows { .. })
    ));
}

#[test]
fn errors_name_the_field_and_never_the_value() {
    let fields = fields(NEW, "");
    let field = fields.field("t.c").unwrap();
    let json = field
        .open_json::<u8>(&field.seal_json(&"topsecret").unwrap())
        .unwrap_err();
    let token = field.seal_bytes(b"\xfftopsecret").unwrap();
    assert_eq!(field.open_bytes(&token).unwrap(), b"\xfftopsecret");
    for error in [json, field.open_str("topsecret").unwrap_err()] {
        assert!(error.to_string().starts_with("t.c: "), "{error}");
        assert!(
            !error.to_string().contains("topsecret") && !format!("{error:?}").contains("topsecret")
        );
    }
    let error = fields.field("t.d").unwrap_err().to_string();
    assert!(error.contains("did you mean `t.c`?"), "{error}");
    assert!(!format!("{fields:?} {field:?}").contains(NEW));
}

#[test]
fn keys_come_from_the_env_file_beside_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atrest.toml");
    std::fs::write(
        &path,
        "[keys]\nprimary = \"env:K\"\nenv_file = \".env\"\n[database]\nurl = \"sqlite:a\"\n",
    )
    .unwrap();
    let env = folder.path().join(".env");
    std::fs::write(&env, format!("K={NEW}\n")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&env, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let fields = Fields::load(&path, Environment::default()).unwrap();
    assert_eq!(
        fields.keyring().primary().id(),
        Key::parse(NEW).unwrap().id()
    );
    assert_eq!(fields.warnings(), []);
}

#[test]
fn a_keyring_file_in_place_of_a_primary_key() {
    use atrest_keys::keyring::{KeyringFile, OpenKeyring};
    let folder = tempfile::tempdir().unwrap();
    let environment = || Environment::new([("K".to_owned(), NEW.to_owned())]);
    let path = folder.path().join("atrest.toml");
    let text = "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:K\"\n[database]\nurl = \"sqlite:a\"\n\
                [[column]]\ntable = \"t\"\nname = \"c\"\n";
    std::fs::write(&path, text).unwrap();
    let missing = Fields::load(&path, environment()).unwrap_err().to_string();
    assert!(missing.contains("atrest key init"), "{missing}");

    let settings = atrest_keys::Settings::new(folder.path());
    let root = atrest_keys::source::parse("env:K", &settings).unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let made = OpenKeyring::create(&*root, "env:K", &environment(), now, &[]).unwrap();
    let file = KeyringFile::new(folder.path().join("atrest.keyring"));
    file.write(made.expected(), made.text()).unwrap();
    let field = Fields::load(&path, environment()).unwrap();
    let token = field.field("t.c").unwrap().seal_str("made up").unwrap();
    let again = Fields::load(&path, environment()).unwrap();
    assert_eq!(
        again.field("t.c").unwrap().open_str(&token).unwrap(),
        "made up"
    );

    let other = Environment::new([("K".to_owned(), OLD.to_owned())]);
    let refused = Fields::load(&path, other).unwrap_err().to_string();
    assert!(refused.contains("does not open"), "{refused}");
}
