//! The policy: what it accepts, and for everything else the line, what is wrong
//! there and what to do.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use atrest_core::Suite;
use atrest_engine::policy::{Bind, KeyringPlace, Policy, PolicyError, PrimaryKeys};

const DESIGN: &str = r#"
[keys]
primary  = "env:BIOMETRIC_ENCRYPTION_KEY"
previous = ["env:BIOMETRIC_ENCRYPTION_KEY_BACKUP"]   # decrypt only

[database]
url = "postgresql://localhost/attendance"            # ${VAR} allowed

[[column]]
table = "peopleeventlog"
name  = "peventlogextras"
suite = "fernet"                                     # default xaes-256-gcm
context = "attendance.extras"
bind = "column"
"#;

/// A policy whose `[keys]` and `[database]` are right, and then this.
fn with(columns: &str) -> String {
    format!("[keys]\nprimary = \"env:K\"\n[database]\nurl = \"sqlite:app.db\"\n{columns}")
}

fn error(text: &str) -> String {
    match Policy::parse(text, "atrest.toml") {
        Ok(policy) => panic!("accepted: {policy:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_policy_of_the_design_is_read() {
    let policy = Policy::parse(DESIGN, "conf/atrest.toml").unwrap();
    assert_eq!(policy.keys.root_source(), "env:BIOMETRIC_ENCRYPTION_KEY");
    assert_eq!(
        policy.keys.previous,
        ["env:BIOMETRIC_ENCRYPTION_KEY_BACKUP"]
    );
    assert_eq!(policy.keys.line, 3);
    assert!(!policy.keys.allow_readable_files);
    assert_eq!(policy.directory(), std::path::Path::new("conf"));
    let [column] = policy.columns.as_slice() else {
        panic!("one column")
    };
    assert_eq!(column.id(), "peopleeventlog.peventlogextras");
    assert_eq!(column.suite, Suite::Fernet);
    assert_eq!(column.context(), "attendance.extras");
    assert_eq!(column.bind, Bind::Column);
    assert_eq!(column.line, 9);
}

#[test]
fn defaults_stand_where_nothing_is_written() {
    let policy = Policy::parse(
        &with("[[column]]\ntable = 'audit.\"odd.name\"'\nname = 'e.mail'\n"),
        "atrest.toml",
    )
    .unwrap();
    let column = &policy.columns[0];
    assert_eq!(
        (column.suite, column.bind),
        (Suite::Xaes256Gcm, Bind::Column)
    );
    assert_eq!(column.table.schema.as_deref(), Some("audit"));
    assert_eq!(column.id(), r#"audit."odd.name"."e.mail""#);
    assert_eq!(column.context(), column.id());
    assert_eq!(policy.directory(), std::path::Path::new("."));
    assert_eq!(policy.env_file(), None);
}

#[test]
fn keys_may_name_an_env_file_and_readable_files() {
    let text = with("").replace(
        "[database]",
        "env_file = \".env\"\nallow_readable_files = true\n[database]",
    );
    let policy = Policy::parse(&text, "/srv/app/atrest.toml").unwrap();
    assert_eq!(
        policy.env_file().unwrap(),
        std::path::Path::new("/srv/app/.env")
    );
    assert!(policy.keys.allow_readable_files);
}

#[test]
fn every_mistake_names_its_line_and_what_to_do() {
    // (policy, what its message must say)
    let column = "[[column]]\ntable = \"people\"\nname = \"email\"\n";
    let cases: &[(String, &[&str])] = &[
        (
            with(&format!("{column}sufix = \"x\"\n")),
            &["atrest.toml, line 8", "`sufix`", "did you mean `suite`"],
        ),
        (
            with(&format!("{column}sute = \"fernet\"\n")),
            &["line 8", "did you mean `suite`?"],
        ),
        (
            with(&format!("{column}qqqq = 1\n")),
            &["line 8", "`table`, `name`, `suite`, `context`, `bind`"],
        ),
        (with("[colum]\n"), &["line 5", "did you mean `column`?"]),
        (
            with("").replace("primary", "primery"),
            &["line 2", "did you mean `primary`?"],
        ),
        (
            with("").replace("url =", "URL ="),
            &["line 4", "did you mean `url`?"],
        ),
        (
            with(&format!("{column}suite = \"xaes-256\"\n")),
            &["line 8", "`xaes-256`", "did you mean `xaes-256-gcm`?"],
        ),
        (
            with(&format!("{column}suite = \"rot13\"\n")),
            &["line 8", "`fernet`", "`a256cbc-hs512`"],
        ),
        (
            with(&format!("{column}bind = \"rows\"\n")),
            &["line 8", "did you mean `row`?"],
        ),
        (
            with(&format!("{column}suite = \"fernet\"\nbind = \"row\"\n")),
            &["line 9", "fernet token binds to nothing"],
        ),
        (
            with(&format!("{column}context = \"\"\n")),
            &["line 8", "`context` is empty"],
        ),
        (
            with(&format!("{column}\n{column}")),
            &["line 9", "people.email", "already at line 5"],
        ),
        (
            with("[[column]]\nname = \"email\"\n"),
            &["line 5", "[[column]] has no `table`", "table = \"people\""],
        ),
        (
            with("[[column]]\ntable = \"people\"\n"),
            &["line 5", "has no `name`"],
        ),
        (
            with("[[column]]\ntable = \"\"\nname = \"x\"\n"),
            &["line 6", "`table` is empty"],
        ),
        (
            with("[[column]]\ntable = \"a.b.c\"\nname = \"x\"\n"),
            &["line 6", "a.b.c", "schema.table"],
        ),
        (
            format!("column = [3]\n{}", with("")),
            &["line 1", "holds an integer"],
        ),
        (
            with("[[column]]\ntable = 3\nname = \"x\"\n"),
            &["line 6", "an integer, not a string"],
        ),
        (
            with("[[column]]\ntable = \"t\"\nname = \"a\\u0000b\"\n"),
            &["line 7", "NUL"],
        ),
        (
            with("[column]\ntable = \"t\"\nname = \"x\"\n"),
            &["line 5", "[[column]]", "double brackets"],
        ),
        (
            format!("column = 3\n{}", with("")),
            &["line 1", "an integer, not a list of tables", "[[column]]"],
        ),
        (
            "[keys]\nprimary = \"env:K\"\n[[column]]\ntable = \"t\"\nname = \"c\"\n".to_owned(),
            &["line 6", "[database]", "url = "],
        ),
        (
            "[database]\nurl = \"sqlite:a\"\n".to_owned(),
            &["[keys]", "primary = "],
        ),
        (
            with("").replace("primary = \"env:K\"", ""),
            &["line 1", "no `primary`"],
        ),
        (
            with("").replace("[database]", "previous = \"env:OLD\"\n[database]"),
            &["line 3", "a string, not a list", "previous = ["],
        ),
        (
            with("").replace("[database]", "previous = [\"env:OLD\", 3]\n[database]"),
            &["line 3", "not a key source"],
        ),
        (
            with("").replace("[database]", "allow_readable_files = \"yes\"\n[database]"),
            &["line 3", "`true` or `false`"],
        ),
        (
            with("").replace("sqlite:app.db", "oracle://h/x"),
            &["line 4", "`oracle`", "sqlite:app.db"],
        ),
        (
            with("").replace("sqlite:app.db", "postgre://h/x"),
            &["line 4", "did you mean `postgres`?"],
        ),
        (
            with("").replace("sqlite:app.db", "app.db"),
            &["line 4", "does not start with a database's scheme"],
        ),
        (
            with("").replace("sqlite:app.db", "mysql://${PW"),
            &["line 4", "without its `}`"],
        ),
        (
            with("").replace("sqlite:app.db", "mysql://${P W}"),
            &["line 4", "no variable's name"],
        ),
        (with("[[column]\n"), &["line 5", "not valid TOML"]),
        (
            with("a = 1\na = 2\n"),
            &["line 6", "not valid TOML", "duplicate"],
        ),
    ];
    for (text, expected) in cases {
        let message = error(text);
        for part in *expected {
            assert!(
                message.contains(part),
                "{message}\n  does not say {part:?}, for\n{text}"
            );
        }
        assert!(message.starts_with("atrest.toml, line "), "{message}");
    }
}

#[test]
fn no_message_and_no_debug_shows_a_password_or_a_pasted_key() {
    let secret = "hunter2-Zm9vYmFy";
    let texts = [
        with("").replace("sqlite:app.db", &format!("oracle://u:{secret}@h/x")),
        with("").replace("sqlite:app.db", secret),
        with("").replace("sqlite:app.db", &format!("mysql://u:{secret}@h/${{")),
        with("").replace("\"sqlite:app.db\"", &format!("\"mysql://u:{secret}@h/")),
        with("").replace("\"env:K\"", &format!("{secret}\"")),
        with("").replace("\"sqlite:app.db\"", &format!("[\"{secret}\"]")),
    ];
    for text in texts {
        let error = Policy::parse(&text, "atrest.toml").unwrap_err();
        assert!(!error.to_string().contains(secret), "{error}");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    for url in [
        format!("mysql://u:{secret}@h/x"),
        format!("mysql://u:{secret}/a@h/x?y=z"),
        format!("postgresql://h/x?user=u&password={secret}"),
    ] {
        let text = with("")
            .replace("sqlite:app.db", &url)
            .replace("env:K", secret);
        let policy = Policy::parse(&text, "atrest.toml").unwrap();
        assert!(!format!("{policy:?}").contains(secret), "{policy:?}");
        assert!(
            policy
                .database_url()
                .unwrap()
                .to_string()
                .starts_with(url.split(':').next().unwrap())
        );
    }
}

#[test]
fn a_policy_of_keys_alone_has_no_database() {
    let policy = Policy::parse("[keys]\nprimary = \"env:K\"\n", "atrest.toml").unwrap();
    assert!(policy.database.is_none());
    let error = policy.database_url().unwrap_err().to_string();
    assert!(
        error.starts_with("atrest.toml, line 3: the policy has no `[database]`"),
        "{error}"
    );
}

#[test]
fn variables_of_the_url_are_replaced_and_an_unset_one_is_an_error() {
    let text = with("").replace("sqlite:app.db", "mysql://${USER_1}:${PW}@h/$${x}$y");
    let policy = Policy::parse(&text, "atrest.toml").unwrap();
    let vars = |name: &str| match name {
        "USER_1" => Some("app".to_owned()),
        "PW" => Some("${PW}".to_owned()),
        _ => None,
    };
    // What a variable holds is not read again.
    assert_eq!(
        *policy.database_url().unwrap().resolve(&vars).unwrap(),
        "mysql://app:${PW}@h/${x}$y"
    );
    let error = policy
        .database_url()
        .unwrap()
        .resolve(&|name| vars(name).filter(|_| name != "PW"))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("atrest.toml, line 4: the database URL uses ${PW}, which is not set"),
        "{error}"
    );

    let whole = Policy::parse(
        &with("").replace("sqlite:app.db", "${DATABASE_URL}"),
        "atrest.toml",
    )
    .unwrap();
    assert_eq!(
        *whole
            .database_url()
            .unwrap()
            .resolve(&|_| Some("SQLITE:x.db".to_owned()))
            .unwrap(),
        "SQLITE:x.db"
    );
    let error = whole
        .database_url()
        .unwrap()
        .resolve(&|_| Some("top-secret".to_owned()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 4") && !error.contains("top-secret"),
        "{error}"
    );
}

#[test]
fn only_selects_in_the_order_of_the_policy_and_names_the_nearest() {
    let text = with(
        "[[column]]\ntable='people'\nname='email'\n[[column]]\ntable='people'\nname='phone'\n",
    );
    let policy = Policy::parse(&text, "atrest.toml").unwrap();
    let ids = |only: &[&str]| -> Result<Vec<String>, PolicyError> {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        Ok(policy
            .select(&only)?
            .columns
            .iter()
            .map(|c| c.id())
            .collect())
    };
    assert_eq!(ids(&[]).unwrap(), ["people.email", "people.phone"]);
    assert_eq!(
        ids(&["people.phone", "people.email", "people.phone"]).unwrap(),
        ["people.email", "people.phone"]
    );
    let error = ids(&["people.fone"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "atrest.toml has no column and no files `people.fone`; did you mean `people.phone`?"
    );
}

#[test]
fn a_missing_policy_says_how_to_get_one() {
    let error = Policy::load("/nonexistent/atrest.toml")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/nonexistent/atrest.toml") && error.contains("atrest init"),
        "{error}"
    );
}

#[test]
fn a_keyring_stands_in_place_of_a_primary_source() {
    let parse = |keys: &str| Policy::parse(&format!("[keys]\n{keys}\n"), "atrest.toml");
    let policy = parse(
        "keyring = \"atrest.keyring\"\nroot = \"env:ROOT\"\nprevious = [\"env:OLD\"]\n\
         rotate_after = \"90d\"\ntimeout = \"2s\"\ncache = \"5m\"\ngrace = \"12h\"",
    )
    .unwrap();
    let keys = &policy.keys;
    assert_eq!(keys.root_source(), "env:ROOT");
    assert_eq!(
        keys.primary,
        PrimaryKeys::Keyring {
            place: KeyringPlace::File("atrest.keyring".into()),
            root: "env:ROOT".to_owned()
        }
    );
    let seconds = |duration: Option<std::time::Duration>| duration.map(|d| d.as_secs());
    assert_eq!(seconds(keys.rotate_after), Some(90 * 86_400));
    assert_eq!(
        [keys.timeout, keys.cache, keys.grace].map(seconds),
        [Some(2), Some(300), Some(43_200)]
    );
    let policy = parse("keyring = \"database\"\nroot = \"env:ROOT\"").unwrap();
    assert!(matches!(
        policy.keys.primary,
        PrimaryKeys::Keyring {
            place: KeyringPlace::Database,
            ..
        }
    ));

    for (keys, says) in [
        ("keyring = \"k\"", "root"),
        ("root = \"env:R\"", "without a keyring"),
        (
            "keyring = \"k\"\nroot = \"env:R\"\nprimary = \"env:P\"",
            "only one of them",
        ),
        (
            "primary = \"env:P\"\nrotate_after = \"1d\"",
            "there is none",
        ),
        (
            "keyring = \"k\"\nroot = \"env:R\"\ngrace = \"1 day\"",
            "not a duration",
        ),
        (
            "keyring = \"k\"\nroot = \"env:R\"\ncache = 5",
            "not a string",
        ),
        (
            "keyring = \"k\"\nroot = \"env:R\"\nrotate = \"9d\"",
            "rotate_after",
        ),
    ] {
        let error = parse(keys).unwrap_err().to_string();
        assert!(error.contains(says), "{keys}: {error}");
    }
    // Somebody may have pasted a key in place of a source.
    let pasted = parse("keyring = \"k\"\nroot = \"a-secret\"").unwrap();
    assert!(!format!("{pasted:?}").contains("a-secret"));
}

#[test]
fn a_new_root_is_written_and_all_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("atrest.toml");
    for text in [
        "# keys\n[keys]\nkeyring = \"k\" # beside\nroot    = \"env:A\"  # the root\n",
        "[keys]\r\nkeyring = \"k\"\r\nroot = 'env:A'\r\n",
        "keys = { keyring = \"k\", root = \"env:A\" }\n",
    ] {
        std::fs::write(&path, text).unwrap();
        Policy::write_root(&path, "vault:a#\"b\"").unwrap();
        let edited = std::fs::read_to_string(&path).unwrap();
        let policy = Policy::parse(&edited, "atrest.toml").unwrap();
        assert_eq!(policy.keys.root_source(), "vault:a#\"b\"");
        Policy::write_root(&path, "env:A").unwrap();
        let back = std::fs::read_to_string(&path).unwrap();
        assert_eq!(back, text.replace('\'', "\""));
    }
}
