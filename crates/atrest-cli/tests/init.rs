//! `atrest init` as a person runs it: what it takes, what it writes, and what it
//! never writes. Values are made up.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use atrest_engine::policy::Policy;
use atrest_testing::ScratchDatabase;

/// A shop like the Chinook sample database, with what makes `init` hesitate.
const SHOP: &str = "
    CREATE TABLE customer (
        customer_id INTEGER PRIMARY KEY, first_name VARCHAR(40) NOT NULL, last_name VARCHAR(20) NOT NULL,
        company VARCHAR(80), city VARCHAR(40), phone VARCHAR(24), email VARCHAR(60) NOT NULL,
        password VARCHAR(100), comments VARCHAR(200));
    CREATE TABLE artist (artist_id INTEGER PRIMARY KEY, name VARCHAR(120));
    CREATE TABLE genre (genre_id INTEGER PRIMARY KEY, name VARCHAR(120));
    CREATE TABLE login (email VARCHAR(60) PRIMARY KEY, seen VARCHAR(30));
    CREATE TABLE visitor_log (phone VARCHAR(24), page VARCHAR(100));
    CREATE TABLE account (id INTEGER PRIMARY KEY, email VARCHAR(60) UNIQUE);
    INSERT INTO customer VALUES
        (1, 'Zorith', 'Vexova', 'Example AG', 'Brimtown', '+49 30 5550100', 'zorith@example.org', 'hunter2', 'x'),
        (2, 'Quilella', 'Tarnek', NULL, 'Fenport', '+49 30 5550101', 'quilella@example.org', 'pass', NULL);
    INSERT INTO artist VALUES (1, 'The Inventions');
    INSERT INTO genre VALUES (1, 'Jazz');
    INSERT INTO login VALUES ('zorith@example.org', 'today');
    INSERT INTO visitor_log VALUES ('+49 30 5550100', '/');
    INSERT INTO account VALUES (1, 'zorith@example.org');";

/// The columns of [`SHOP`] that `--yes` takes.
const TAKEN: [&str; 5] = [
    "customer.first_name",
    "customer.last_name",
    "customer.city",
    "customer.phone",
    "customer.email",
];

fn atrest(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atrest"));
    command
        .current_dir(folder)
        .env_remove("DATABASE_URL")
        .env_remove("ATREST_POLICY")
        .env_remove("ATREST_DATABASE_PASSWORD");
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs `init`, which must succeed.
fn init(folder: &Path, arguments: &[&str]) -> String {
    let output = atrest(folder).arg("init").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    said(&output)
}

/// Runs `init`, which must refuse.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = atrest(folder).arg("init").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    said(&output)
}

fn columns(policy: &Path) -> Vec<String> {
    let policy = Policy::load(policy).unwrap();
    policy.columns.iter().map(|column| column.id()).collect()
}

async fn shop() -> ScratchDatabase {
    let db = ScratchDatabase::sqlite().await;
    db.execute(SHOP).await;
    db
}

#[tokio::test]
async fn yes_takes_what_is_likely_and_says_why() {
    let db = shop().await;
    let before = db.dump().await;
    let words = init(db.folder(), &["--url", "sqlite:scratch.sqlite", "--yes"]);
    db.dump().await.assert_same(&before);

    let path = db.folder().join("atrest.toml");
    assert_eq!(columns(&path), TAKEN);
    let policy = Policy::load(&path).unwrap();
    for column in &policy.columns {
        assert_eq!(column.context.as_deref(), Some(column.id().as_str()));
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("url = \"sqlite:scratch.sqlite\""), "{text}");
    assert!(text.contains("primary = \"file:atrest.key\""), "{text}");
    assert!(
        text.contains("# high confidence: name contains “email”"),
        "{text}"
    );
    // Of low confidence: there to be taken in by taking the `#` away.
    let wanted = text.replace(
        "# [[column]]\n# table = \"customer\"\n# name = \"comments\"\n# suite",
        "[[column]]\ntable = \"customer\"\nname = \"comments\"\nsuite",
    );
    assert_ne!(wanted, text);
    assert!(
        Policy::parse(&wanted, "atrest.toml")
            .unwrap()
            .column("customer.comments")
            .is_some()
    );
    // What cannot be, or should not, is explained.
    for why in [
        "customer.password: a password: hash it",
        "login.email: not possible: it is part of the primary key",
        "visitor_log.phone: not possible: its table has no primary key",
    ] {
        assert!(text.contains(why), "{why} is not in:\n{text}");
    }
    assert!(
        text.contains("# account.email: "),
        "a unique column is left out:\n{text}"
    );
    assert!(
        words.contains("atrest plan") && words.contains("atrest encrypt"),
        "{words}"
    );
    for secret in ["zorith@", "hunter2", "5550100", "Vexova"] {
        assert!(
            !words.contains(secret) && !text.contains(secret),
            "{secret}"
        );
    }
    // Every later command can go on from it.
    atrest(db.folder()).arg("plan").assert().code(0);
    atrest(db.folder())
        .args(["encrypt", "--yes"])
        .assert()
        .code(0);
    atrest(db.folder()).arg("verify").assert().code(0);
}

#[tokio::test]
async fn the_key_is_for_its_owner_alone_and_never_shown() {
    let db = shop().await;
    let words = init(db.folder(), &["--url", "sqlite:scratch.sqlite", "--yes"]);
    let path = db.folder().join("atrest.key");
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let key = atrest_core::Key::parse(&text).unwrap();
    assert!(words.contains(&key.id().to_string()), "{words}");
    assert!(!words.contains(text.trim()), "the key was printed");
}

/// With a keyring every later command can go on, too.
#[tokio::test]
async fn a_keyring_is_made_where_it_is_asked_for() {
    let db = shop().await;
    let arguments = ["--url", "sqlite:scratch.sqlite", "--yes", "--keyring"];
    // One is there, or was: neither it nor its copies are overwritten.
    for name in ["atrest.keyring", "atrest.keyring.3"] {
        let path = db.folder().join(name);
        fs::write(&path, "mine").unwrap();
        let words = refused(db.folder(), &arguments);
        assert!(words.contains("overwrites nothing"), "{words}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(&path).unwrap();
        assert!(!db.folder().join("atrest.key").exists());
    }
    let words = init(db.folder(), &arguments);
    let path = db.folder().join("atrest.toml");
    assert_eq!(columns(&path), TAKEN);
    let text = fs::read_to_string(&path).unwrap();
    for line in ["keyring = \"atrest.keyring\"", "root = \"file:atrest.key\""] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("primary ="), "{text}");
    for name in ["atrest.key", "atrest.keyring"] {
        let mode = fs::metadata(db.folder().join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600, "{name}");
        assert!(words.contains(name), "{words}");
    }
    let root = fs::read_to_string(db.folder().join("atrest.key")).unwrap();
    assert!(!words.contains(root.trim()), "the root was printed");
    for verb in [&["key", "rotate"][..], &["encrypt", "--yes"], &["verify"]] {
        atrest(db.folder()).args(verb).assert().code(0);
    }
    // The line that it offers for rotation is taken as it stands.
    let due = text.replace("# rotate_after", "rotate_after");
    fs::write(&path, due).unwrap();
    atrest(db.folder()).args(["key", "due"]).assert().code(0);
}

#[tokio::test]
async fn a_keyring_lies_beside_its_policy() {
    let db = shop().await;
    let below = db.folder().join("conf");
    fs::create_dir(&below).unwrap();
    let url = format!("sqlite:{}", db.folder().join("scratch.sqlite").display());
    let policy = "conf/atrest.toml";
    let arguments = ["--policy", policy, "--url", &url, "--yes", "--keyring"];
    let words = init(db.folder(), &arguments);
    assert!(words.contains("conf/atrest.keyring"), "{words}");
    let encrypt = ["--policy", policy, "encrypt", "--yes"];
    atrest(db.folder()).args(encrypt).assert().code(0);
}

#[tokio::test]
async fn nothing_is_overwritten_and_nothing_half_written() {
    let db = shop().await;
    let arguments = ["--url", "sqlite:scratch.sqlite", "--yes"];
    for name in ["atrest.toml", "atrest.key"] {
        let path = db.folder().join(name);
        fs::write(&path, "mine").unwrap();
        let words = refused(db.folder(), &arguments);
        assert!(
            words.contains(name) && words.contains("overwrites nothing"),
            "{words}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(&path).unwrap();
        let other = if name == "atrest.key" {
            "atrest.toml"
        } else {
            "atrest.key"
        };
        assert!(!db.folder().join(other).exists(), "{other} was written");
    }
    // A link to nowhere is somebody's, too.
    std::os::unix::fs::symlink("nowhere", db.folder().join("atrest.key")).unwrap();
    refused(db.folder(), &arguments);
    assert!(!db.folder().join("nowhere").exists());
}

#[tokio::test]
async fn nobody_to_ask_is_said() {
    let db = shop().await;
    let words = refused(db.folder(), &["--url", "sqlite:scratch.sqlite"]);
    assert!(words.contains("--yes"), "{words}");
    let words = refused(db.folder(), &["--yes"]);
    assert!(
        words.contains("--url") && words.contains("DATABASE_URL"),
        "{words}"
    );
    assert!(!db.folder().join("atrest.toml").exists());
    assert!(!db.folder().join("atrest.key").exists());
}

#[tokio::test]
async fn files_and_suite_can_be_chosen() {
    let db = shop().await;
    fs::create_dir(db.folder().join("conf")).unwrap();
    init(
        db.folder(),
        &[
            "--url",
            "sqlite:scratch.sqlite",
            "--yes",
            "--suite",
            "fernet",
            "--policy",
            "conf/shop.toml",
            "--key-file",
            "secret.key",
        ],
    );
    let policy = Policy::load(db.folder().join("conf/shop.toml")).unwrap();
    assert!(
        policy
            .columns
            .iter()
            .all(|c| c.suite == atrest_core::Suite::Fernet)
    );
    assert!(db.folder().join("secret.key").exists());
    // Paths lead from the policy's folder, or from anywhere.
    atrest(db.folder())
        .args(["encrypt", "--yes", "--policy", "conf/shop.toml"])
        .assert()
        .code(0);
    assert_eq!(
        db.scalar("SELECT substr(email, 1, 6) FROM customer WHERE customer_id = 1")
            .await
            .as_deref(),
        Some("gAAAAA")
    );
}

#[tokio::test]
async fn a_url_from_the_environment_or_the_env_file_stays_there() {
    let db = shop().await;
    let url = db.url().to_owned();
    let output = atrest(db.folder())
        .args(["init", "--yes"])
        .env("DATABASE_URL", &url)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let policy = db.folder().join("atrest.toml");
    let text = fs::read_to_string(&policy).unwrap();
    assert!(
        text.contains("url = \"${DATABASE_URL}\"") && !text.contains(&url),
        "{text}"
    );
    fs::remove_file(&policy).unwrap();
    fs::remove_file(db.folder().join("atrest.key")).unwrap();

    let env_file = db.folder().join(".env");
    fs::write(&env_file, format!("DATABASE_URL={url}\n")).unwrap();
    fs::set_permissions(&env_file, fs::Permissions::from_mode(0o600)).unwrap();
    init(db.folder(), &["--yes"]);
    assert_eq!(columns(&policy), TAKEN);
    atrest(db.folder()).arg("plan").assert().code(0);
}

#[tokio::test]
async fn json_says_what_was_chosen() {
    let db = shop().await;
    let output = atrest(db.folder())
        .args(["init", "--url", "sqlite:scratch.sqlite", "--yes", "--json"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(json["command"], "init");
    assert_eq!(json["ok"], true);
    let chosen: Vec<String> = json["columns"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["chosen"] == true)
        .map(|c| {
            format!(
                "{}.{}",
                c["table"].as_str().unwrap(),
                c["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(chosen, TAKEN);
}

#[tokio::test]
async fn postgres_password_is_written_nowhere() {
    let db = ScratchDatabase::postgres().await;
    db.execute(SHOP).await;
    // A role of its own, so that the password is the one looked for.
    let role = format!("{}_role", db.name());
    let password = "s3cret%2Fw0rd";
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 's3cret/w0rd'; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    ))
    .await;
    let place = db.url().split_once("://").unwrap().1;
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let url = format!("postgresql://{role}:{password}@{place}");
    let words = init(db.folder(), &["--url", &url, "--yes"]);
    let text = fs::read_to_string(db.folder().join("atrest.toml")).unwrap();
    let written = format!("postgresql://{role}:${{ATREST_DATABASE_PASSWORD}}@{place}");
    assert!(text.contains(&written), "{text}");
    assert!(
        words.contains("export ATREST_DATABASE_PASSWORD="),
        "{words}"
    );
    for entry in fs::read_dir(db.folder()).unwrap() {
        let content = fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("s3cret"));
    }
    assert!(!words.contains("s3cret"), "{words}");
    assert_eq!(columns(&db.folder().join("atrest.toml")), TAKEN);

    // Too narrow for tokens: said where the column stands.
    assert!(text.contains("--apply-schema"), "{text}");
    // It works with the variable set, and says so without it.
    let plan = |set: bool| {
        let mut command = atrest(db.folder());
        if set {
            command.env("ATREST_DATABASE_PASSWORD", password);
        }
        let output = command.args(["plan", "--json"]).output().unwrap();
        (output.status.code(), said(&output))
    };
    let (code, words) = plan(false);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("ATREST_DATABASE_PASSWORD"), "{words}");
    let (code, words) = plan(true);
    assert_ne!(code, Some(2), "{words}");
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}
