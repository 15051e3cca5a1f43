//! Exit status 2: what happened, to what, what to do. And nothing was changed.

use crate::support::{Place, ran};

/// The policy's `[keys]`, and what the error says.
const KEYS: [(&str, &[&str]); 7] = [
    (
        "primary = \"env:ABSENT\"",
        &["ABSENT is not set", "atrest key generate", "line 2"],
    ),
    ("primary = \"env:SHORT\"", &["SHORT"]),
    ("primary = \"env:EMPTY\"", &["EMPTY is empty"]),
    ("primary = \"file:absent.key\"", &["absent.key"]),
    ("primary = \"evn:KEY\"", &["did you mean `env:`"]),
    ("primary = \"env:KEY\"\nprevious = [\"env:KEY\"]", &["KEY"]),
    (
        "primry = \"env:KEY\"",
        &["line 2", "did you mean `primary`"],
    ),
];

#[tokio::test]
async fn keys_that_cannot_be_used() {
    let place = Place::sqlite(20).await;
    let before = place.db.dump().await;
    for (keys, says) in KEYS {
        place.keys(keys);
        let mut command = place.command(&["encrypt"]);
        command
            .env("SHORT", "c2hvcnQgb25lLCBub3Qgc2hvd24")
            .env("EMPTY", "");
        let mut ran = ran(command.output().unwrap())
            .expect(2)
            .says("error: ")
            .hides("c2hvcnQgb25lLCBub3Qgc2hvd24");
        for text in says {
            ran = ran.says(text);
        }
    }
    place.db.dump().await.assert_same(&before);
    assert!(place.backups().is_empty());
}

#[tokio::test]
async fn the_wrong_key_is_refused_before_the_first_row() {
    let place = Place::sqlite(50).await;
    place.run(&["encrypt", "--no-backup"]).expect(0);
    let sealed = place.db.dump().await;
    place.keys("primary = \"env:NEXT\"");
    for verb in ["encrypt", "rotate", "decrypt", "verify", "status"] {
        place.run(&[verb]).expect(2).says("not in the keyring");
    }
    place.db.dump().await.assert_same(&sealed);
    // Without its journal the values themselves give it away.
    place.db.execute("DROP TABLE atrest_journal").await;
    let sealed = place.db.dump().await;
    for verb in ["encrypt", "rotate", "decrypt"] {
        place
            .run(&[verb])
            .expect(2)
            .says("no key in the keyring opens");
    }
    place.run(&["plan"]).expect(1).says("REFUSED");
    place.run(&["verify"]).expect(1).says("undecryptable");
    place.db.dump().await.assert_same(&sealed);
}

#[tokio::test]
async fn policies_columns_and_databases_that_are_not_there() {
    let place = Place::sqlite(20).await;
    place
        .run(&["--policy", "none.toml", "plan"])
        .expect(2)
        .says("atrest init");
    place
        .run(&["plan", "--only", "people.emial"])
        .expect(2)
        .says("did you mean `people.email`?");
    let json = place
        .run(&["plan", "--only", "people.emial", "--json"])
        .expect(2)
        .json();
    assert_eq!(
        (json["command"].as_str(), json["ok"].as_bool()),
        (Some("plan"), Some(false))
    );
    assert!(json["error"].as_str().unwrap().contains("people.emial"));
    place
        .run(&["encrypt", "--bakcup", "x"])
        .expect(2)
        .says("--backup");
    place
        .run(&["encrypt", "--backup", "x", "--no-backup"])
        .expect(2);

    let head = "[keys]\nprimary = \"env:KEY\"\n[database]\n";
    place.policy(&format!("{head}url = \"sqlite:scratch.sqlite\"\n"));
    for verb in ["plan", "encrypt", "verify", "rotate", "decrypt", "status"] {
        place
            .run(&[verb])
            .expect(2)
            .says("names no columns")
            .says("atrest init");
    }
    let column = "[[column]]\ntable = \"people\"\nname = \"email\"\n";
    place.policy(&format!("{head}url = \"sqlite:absent.sqlite\"\n{column}"));
    place.run(&["plan"]).expect(2).says("absent.sqlite");
    place.policy(&format!(
        "{head}url = \"postgresql://a:hidden-word@127.0.0.1:1/b\"\n{column}"
    ));
    place
        .run(&["plan"])
        .expect(2)
        .says("127.0.0.1")
        .hides("hidden-word");
    place.policy(&format!("{head}url = \"sqlite:${{PLACE}}\"\n{column}"));
    place.run(&["plan"]).expect(2).says("${PLACE}");
    std::fs::write(place.folder().join("extra.env"), "PLACE=scratch.sqlite\n").unwrap();
    place
        .run(&["plan", "--env-file", "extra.env"])
        .expect(2)
        .says("chmod 600");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let path = place.folder().join("extra.env");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        place.run(&["plan", "--env-file", "extra.env"]).expect(0);
        std::fs::rename(&path, place.folder().join(".env")).unwrap();
        place.run(&["plan"]).expect(0);
    }
    place.policy(&format!(
        "{head}url = \"sqlite:scratch.sqlite\"\n[[column]]\ntable = \"peple\"\nname = \"email\"\n"
    ));
    place.run(&["plan"]).expect(2).says("peple");
}

#[tokio::test]
async fn a_table_without_a_key_and_a_unique_column_are_refused() {
    let place = Place::sqlite(20).await;
    place
        .db
        .execute("CREATE TABLE nokey (v TEXT); CREATE TABLE single (id INTEGER PRIMARY KEY, v TEXT UNIQUE); INSERT INTO single VALUES (1, 'clear')")
        .await;
    for (table, verb, status) in [
        ("nokey", "plan", 2),
        ("single", "plan", 1),
        ("single", "encrypt", 2),
    ] {
        place.policy(&format!(
            "[keys]\nprimary = \"env:KEY\"\n[database]\nurl = \"sqlite:scratch.sqlite\"\n\
             [[column]]\ntable = \"{table}\"\nname = \"v\"\n"
        ));
        place.run(&[verb]).expect(status);
    }
    assert_eq!(
        place.db.scalar("SELECT v FROM single").await.as_deref(),
        Some("clear")
    );
}

#[tokio::test]
async fn the_first_error_ends_the_run_and_says_what_was_done() {
    let place = Place::sqlite(20).await;
    place
        .db
        .execute("CREATE TABLE single (id INTEGER PRIMARY KEY, v TEXT UNIQUE); INSERT INTO single VALUES (1, 'clear')")
        .await;
    place.policy(
        "[keys]\nprimary = \"env:KEY\"\n[database]\nurl = \"sqlite:scratch.sqlite\"\n\
         [[column]]\ntable = \"people\"\nname = \"email\"\n\
         [[column]]\ntable = \"single\"\nname = \"v\"\n\
         [[column]]\ntable = \"people\"\nname = \"note\"\n",
    );
    place
        .run(&["encrypt"])
        .expect(2)
        .says("people.email done before; then")
        .says("single.v")
        .says("backup so far: ");
    assert_eq!(place.tokens().await, 18);
    let note = "SELECT note FROM people WHERE id = 7";
    assert_eq!(place.db.scalar(note).await.as_deref(), Some("note 7"));
    place
        .run(&["encrypt", "--only", "people.note"])
        .expect(0)
        .says("20 encrypted")
        .hides("people.email: ");
}
