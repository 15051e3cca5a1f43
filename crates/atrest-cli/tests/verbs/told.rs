//! What somebody is told who asks for an erasure, or finds keys missing: what is so, and
//! what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use atrest_testing::ScratchDatabase;
use serde_json::{Value, json};

use crate::forget::{place, receipts};
use crate::pty::Terminal;
use crate::support::{KEY, Place};

async fn on_sqlite(subjects: &str) -> Place {
    place(ScratchDatabase::sqlite().await, subjects).await
}

/// 19 subjects' keys are gone with their table: it is named, and not each key.
async fn a_lost_table_of_keys(db: ScratchDatabase) {
    let place = place(db, "").await;
    place.copy_keys().await;
    place.db.execute("DROP TABLE atrest_keys").await;
    for verb in ["verify", "status"] {
        let told = place.run(&[verb]).expect(1).says("more keys that are");
        let told = told.says("27 values in rows of subjects name keys that are neither");
        assert!(told.out.lines().count() < 40, "{}", told.out);
        told.says("put the table atrest_keys back");
    }
    let all = place.run(&["verify", "--json"]).expect(1).json();
    let column = &all["columns"][0];
    let (named, notes) = (column["unknown_keys"].as_object(), &column["notes"]);
    assert!(named.unwrap().len() > 10, "{column}");
    assert!(notes.to_string().contains("atrest_keys"), "{column}");
    place
        .run(&["encrypt", "--yes"])
        .expect(2)
        .says("and 12 more)")
        .says("nothing was changed: put the table atrest_keys back");
    place
        .run(&["rotate"])
        .says("put the table atrest_keys back");
}

macro_rules! on {
    ($test:ident: $($kind:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $kind() {
            $test(ScratchDatabase::$kind().await).await;
        }
    )*};
}

on!(a_lost_table_of_keys: sqlite, postgres, mariadb);

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_given_to_somebody_else() {
    let place = on_sqlite("").await;
    let given = "UPDATE people SET note = 'otto' WHERE id = 3";
    place.db.execute(given).await;
    place
        .run(&["verify"])
        .expect(1)
        .says("where a row was given to another subject, give it back");
    place
        .db
        .execute("UPDATE people SET note = 'anna' WHERE id = 3")
        .await;
    place.run(&["verify"]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_name_that_is_misspelt() {
    let place = on_sqlite("").await;
    place
        .run(&["subject", "export", "anna ", "--out", "anna.jsonl"])
        .expect(2)
        .says("nothing is kept of this subject")
        .hides("anna ");
    assert!(!place.folder().join("anna.jsonl").exists());
    // Somebody without a key has rows all the same.
    let new = "INSERT INTO people VALUES (50, 'new@example.org', 'new')";
    place.db.execute(new).await;
    place
        .run(&["subject", "export", "new"])
        .expect(0)
        .says("new@example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_has_a_reason_and_what_is_for_ever_is_agreed_to() {
    let place = on_sqlite("").await;
    for empty in ["", "  "] {
        place
            .run(&["forget", "anna", "--legal-hold", empty])
            .expect(2)
            .says("it is empty");
    }
    for now in [&["forget", "anna"][..], &["forget", "anna", "--json"]] {
        place.run(now).expect(2).says("--yes answers beforehand");
    }
    place
        .run(&["subject", "show", "anna"])
        .expect(0)
        .hides("destroyed")
        .hides("held");
    place.run(&["forget", "anna", "--yes"]).expect(0);
    place
        .run(&["verify"])
        .expect(0)
        .says("but for what is of subjects that were or are to be forgotten")
        .hides("every value is encrypted and opens");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_time_to_undo_ends_in_the_past() {
    let place = on_sqlite("[subjects]\nundo = \"1s\"\n").await;
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .says("brings them back");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place
        .run(&["subject", "show", "anna"])
        .expect(0)
        .says("the time to undo that ended")
        .hides("can be undone");
}

/// The key that finds subjects' records stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_index_key_is_never_destroyed() {
    let place = on_sqlite("").await;
    let listed = place.run(&["key", "list", "--json"]).expect(0).json();
    let mut keys = listed["keys"].as_array().unwrap().iter();
    let index = keys.find(|key| key["purpose"] == "index").unwrap();
    let id = index["key"].as_str().unwrap();
    place
        .run(&["key", "retire", id, "--force", "--yes"])
        .expect(2)
        .says("neither rotated nor destroyed")
        .hides("key rotate");
}

/// What a killed run left is looked into like any other backup.
#[tokio::test(flavor = "multi_thread")]
async fn the_backup_of_a_killed_run() {
    let place = on_sqlite("").await;
    let file = place.backups().remove(0);
    let name = file.file_name().unwrap().to_str().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    // The mark of a file that was never closed (spec/formats.md, "Backup file").
    bytes[48..96].fill(0);
    fs::write(&file, &bytes).unwrap();
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .hides(name);
    // And where its last page was cut off.
    bytes.extend([0, 0, 1, 0, 7]);
    fs::write(&file, &bytes).unwrap();
    place
        .run(&["forget", "anna", "--yes"])
        .expect(1)
        .says("killed while it wrote the last page")
        .says("or delete it");
}

/// A backup from before its column had a `subject` knows of nobody who was forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_before_brings_people_back() {
    let place = Place::sqlite(30).await;
    let hers = "UPDATE people SET note = 'anna' WHERE id <= 12";
    place.db.execute(hers).await;
    let keys = "keyring = \"atrest.keyring\"\nroot = \"env:KEY\"";
    place.keys(keys);
    place.run(&["key", "init"]).expect(0);
    place
        .run(&["encrypt", "--backup", "before.atrest"])
        .expect(0);
    let policy = fs::read_to_string(place.folder().join("atrest.toml")).unwrap();
    place.policy(&format!("{policy}subject = \"note\"\n"));
    place.run(&["rotate"]).expect(0);
    place.run(&["forget", "anna", "--yes"]).expect(1);
    place
        .run(&["restore", "before.atrest", "--force", "--yes"])
        .expect(1)
        .says("11 entries of subjects that were forgotten are back");
    place.run(&["encrypt", "--yes"]).expect(0);
    fs::remove_file(place.folder().join("before.atrest")).unwrap();
    place
        .run(&["forget", "anna", "--yes", "--backups-deleted"])
        .expect(0)
        .says("11 unreadable");
}

/// Keys are rotated while somebody thinks about the question: the erasure goes on with
/// those of then.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_rotated_meanwhile() {
    let place = on_sqlite("").await;
    let mut terminal = Terminal::start(place.command(&["forget", "anna"]));
    terminal.wait_for("for ever?");
    place.run(&["key", "rotate"]).expect(0);
    place.run(&["rotate"]).expect(0);
    terminal.press("y");
    let (status, shown) = terminal.end();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(receipts(&place).len(), 1, "{shown}");
    place
        .run(&["verify"])
        .expect(0)
        .says("11 values of subjects that were forgotten");
}

/// A source is approved for what a policy takes it for.
#[tokio::test]
async fn what_a_source_can_be() {
    let place = Place::sqlite(3).await;
    let twice = place.folder().join("twice.key");
    fs::write(&twice, format!("{KEY}\n{KEY}\n")).unwrap();
    fs::set_permissions(&twice, fs::Permissions::from_mode(0o600)).unwrap();
    place
        .run(&["key", "test", "file:twice.key"])
        .expect(2)
        .says("one key twice");
    let uses = |source: &str| -> Value {
        let tried = place.run(&["key", "test", source, "--json"]).expect(0);
        tried.json()["use_as"].clone()
    };
    assert_eq!(uses("env:KEY"), json!(["primary", "previous", "root"]));
    let old = "password:env:KEY?salt=AAAAAAAAAAAAAAAAAAAAAA&iterations=100000";
    assert_eq!(uses(old), json!(["previous"]));
    place.keys(&format!("primary = \"{old}\""));
    place.run(&["verify"]).expect(2).says("iterations");
    place
        .run(&["key", "test", "nosuch:place"])
        .expect(2)
        .says("secret:, aws-kms:")
        .says("pkcs11:, vault:");
    place
        .run(&["key", "generate", "--out", "no/folder/new.key"])
        .expect(2)
        .says("make that folder first");
}

#[tokio::test]
async fn where_the_keyring_is() {
    let place = Place::sqlite(3).await;
    place.keys("keyring = \"database\"\nroot = \"env:KEY\"");
    place
        .run(&["key", "init"])
        .expect(0)
        .says("Without this table");
}

/// What is wrong with the command is told before anything is asked for, and an erasure
/// that nobody began is told once it cannot be undone any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_due_is_told() {
    let place = on_sqlite("[subjects]\nundo = \"1s\"\n").await;
    let now = ["forget", "anna", "--now", "--yes"];
    place
        .run(&[&now[..], &["--backup", "nofile"]].concat())
        .expect(2)
        .says("the backup nofile is not there");
    place
        .run(&["subject", "show", "anna"])
        .expect(0)
        .hides("forgotten");
    place.run(&["forget", "anna", "--yes"]).expect(0);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    for verb in ["verify", "status"] {
        place
            .run(&[verb])
            .expect(1)
            .says("the time to undo that is over")
            .says("atrest forget --due")
            .hides("see what was skipped");
        let told = place.run(&[verb, "--json"]).expect(1).json();
        assert_eq!(told["subjects_due"].as_array().unwrap().len(), 1, "{told}");
    }
    // A hold is why it waits.
    let hold = ["forget", "anna", "--legal-hold", "case 12/2026"];
    place.run(&hold).expect(0);
    place.run(&["verify"]).expect(0);
    place
        .run(&["forget", "anna", "--yes"])
        .expect(2)
        .says("`atrest forget SUBJECT --release-hold`");
    place.run(&["forget", "anna", "--release-hold"]).expect(0);
    place.run(&["forget", "--due"]).expect(0);
    place.run(&["verify"]).expect(0);
}

/// Verbs that read make no keys, and write nothing to the keyring or to the database.
#[tokio::test(flavor = "multi_thread")]
async fn looking_changes_nothing() {
    for keyring in ["atrest.keyring", "database"] {
        let place = Place::sqlite(30).await;
        place.policy(&format!(
            "[keys]\nkeyring = \"{keyring}\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
             [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"note\"\n",
            place.db.url()
        ));
        place.run(&["key", "init"]).expect(0);
        let files = || {
            let entries = fs::read_dir(place.folder()).unwrap();
            let entries = entries.map(|entry| entry.unwrap().path());
            let files = entries.filter(|path| path.is_file());
            let mut files: Vec<_> = files.map(|path| (fs::read(&path).unwrap(), path)).collect();
            files.sort_by(|a, b| a.1.cmp(&b.1));
            files
        };
        let before = files();
        for (verb, status) in [
            (&["plan"][..], 0),
            (&["encrypt", "--dry-run"], 0),
            (&["verify"], 1),
            (&["status"], 1),
            (&["inspect", "people", "1"], 1),
        ] {
            place.run(verb).expect(status);
            assert!(files() == before, "{verb:?} changed something");
        }
        place.run(&["encrypt", "--no-backup", "--yes"]).expect(0);
        place.run(&["verify"]).expect(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipts_json_is_the_one_that_is_documented() {
    let place = on_sqlite("").await;
    place.run(&["forget", "anna", "--yes"]).expect(0);
    let key = place.run(&["receipt", "public-key"]).expect(0).out;
    let told = place.run(&["receipt", "public-key", "--json"]).expect(0);
    let told = told.json();
    assert_eq!(told["command"], "receipt public-key");
    assert_eq!(told["public_key"], key.trim());
    let missing = place.run(&["receipt", "verify", "none", "--json"]);
    assert_eq!(missing.expect(2).json()["command"], "receipt verify");
}

/// A person of one column is no number, and no UUID, of another.
async fn people_of_columns_of_different_types(db: ScratchDatabase) {
    let place = Place::new(db, 30).await;
    let logins = "CREATE TABLE logins (id INTEGER NOT NULL PRIMARY KEY, login VARCHAR(20), \
                  ip VARCHAR(200))";
    place.db.execute(logins).await;
    let login = "INSERT INTO logins VALUES (1, 'anna', '10.0.0.1')";
    place.db.execute(login).await;
    place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
         [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"id\"\n\n\
         [[column]]\ntable = \"logins\"\nname = \"ip\"\nsubject = \"login\"\n",
        place.db.url()
    ));
    place.run(&["key", "init"]).expect(0);
    let encrypt = ["encrypt", "--yes", "--apply-schema", "--no-backup"];
    place.run(&encrypt).expect(0);
    place
        .run(&["subject", "export", "anna"])
        .expect(0)
        .says("10.0.0.1");
    place.run(&["forget", "anna", "--yes"]).expect(0);
    place
        .run(&["subject", "export", "3"])
        .expect(0)
        .says("user3@");
    place.run(&["forget", "3", "--yes"]).expect(0);
    // More than the type holds.
    place
        .run(&["forget", "30000000000", "--yes"])
        .expect(2)
        .says("no keys are kept");
    let left = place.run(&["verify", "--json"]).expect(0).json();
    assert_eq!(left["columns"][0]["forgotten"], 1, "{left}");
    assert_eq!(left["columns"][1]["forgotten"], 1, "{left}");
}

mod types {
    use super::*;

    on!(people_of_columns_of_different_types: sqlite, postgres, mariadb);
}
