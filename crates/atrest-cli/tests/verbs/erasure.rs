//! What an erasure reaches and what it does not: backups from before, people who never had
//! a key, keys that do not open, values whose erasure can still be taken back.

use std::fs;

use atrest_testing::{Dialect, ScratchDatabase};
use serde_json::{Value, json};

use crate::forget::{place, receipts};
use crate::support::Place;

/// `people` of 30 rows, of which 12 are anna's, under a keyring.
async fn people(db: ScratchDatabase) -> Place {
    let place = Place::new(db, 30).await;
    let hers = "UPDATE people SET note = 'anna' WHERE id <= 12";
    place.db.execute(hers).await;
    place
}

impl Place {
    /// The policy, with `more` lines for the column.
    fn people(&self, subjects: &str, more: &str) {
        self.policy(&format!(
            "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n{subjects}\n\
             [[column]]\ntable = \"people\"\nname = \"email\"\n{more}\n",
            self.db.url()
        ));
    }

    fn receipts(&self) -> Vec<Value> {
        let read = |file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        receipts(self).iter().map(read).collect()
    }

    /// The ids of the keyring's keys that wrap subjects' keys, the oldest first.
    fn wrapping(&self) -> Vec<String> {
        let listed = self.run(&["key", "list", "--json"]).expect(0).json();
        let keys = listed["keys"].as_array().unwrap().iter();
        let wraps = |key: &&Value| key["purpose"] == "subjects";
        let ids = keys.filter(wraps).map(|key| key["key"].as_str().unwrap());
        ids.map(ToOwned::to_owned).collect()
    }

    fn drill(&self, shares: &[String], backup: &str, status: i32) -> Value {
        let mut drill = vec!["key", "drill", "--json", "--backup", backup, "--shares"];
        drill.extend(shares.iter().map(String::as_str));
        let drilled = self.run(&drill).expect(status).json();
        drilled["drilled"][0].clone()
    }
}

async fn backups_from_before_there_were_subjects(db: ScratchDatabase) {
    let place = people(db).await;
    place.people("", "");
    place.run(&["key", "init"]).expect(0);
    place
        .run(&["encrypt", "--apply-schema", "--backup", "first.atrest"])
        .expect(0);
    place.people("", "subject = \"note\"");
    place
        .run(&["rotate", "--backup", "second.atrest"])
        .expect(0);
    place
        .run(&["verify", "--against", "first.atrest"])
        .expect(0);
    place
        .run(&["verify", "--against", "second.atrest"])
        .expect(0);
    // Of two rows nobody knows any more whose they were.
    place
        .db
        .execute("DELETE FROM people WHERE id IN (2, 22)")
        .await;

    // What is misspelt is told before anything is destroyed.
    place
        .run(&["forget", "anna", "--yes", "--backup", "nowhere"])
        .expect(2)
        .says("nowhere is not there");
    place
        .run(&["subject", "show", "anna"])
        .expect(0)
        .hides("destroyed");
    // Both are known: the journal keeps what runs before the last one wrote.
    place
        .run(&["forget", "anna", "--yes"])
        .expect(1)
        .says("11 rows, 10 unreadable, 0 still in clear")
        .says("first.atrest: it still brings 10 values of the subject back")
        .says("first.atrest: of 2 values it cannot be told")
        .hides("second.atrest");
    let receipt = place.receipts().remove(0);
    let of_backups = receipt["receipt"]["backups"].as_array().unwrap().clone();
    let counts = |at: usize| (&of_backups[at]["readable"], &of_backups[at]["unknown"]);
    assert_eq!(of_backups.len(), 2, "{of_backups:?}");
    assert_eq!(counts(0), (&json!(10), &json!(2)));
    assert_eq!(counts(1), (&json!(0), &json!(0)));

    // What the rotation kept brings nothing of hers back.
    place
        .run(&["restore", "second.atrest", "--force", "--yes"])
        .expect(1)
        .says("10 entries are of subjects that were forgotten");
    place
        .run(&["verify"])
        .expect(0)
        .says("10 values of subjects that were forgotten");

    // The journal names both. One is only moved, and another file has its name now.
    let elsewhere = place.folder().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(place.folder().join("first.atrest"), elsewhere.join("1")).unwrap();
    fs::rename(
        place.folder().join("second.atrest"),
        place.folder().join("first.atrest"),
    )
    .unwrap();
    place
        .run(&["forget", "anna", "--yes"])
        .expect(1)
        .says("first.atrest was not looked into to its end: it is not there any more");
    // A copy from before its end is not the backup.
    let whole = fs::read(elsewhere.join("1")).unwrap();
    fs::write(elsewhere.join("1"), &whole[..whole.len() - 1]).unwrap();
    place
        .run(&["forget", "anna", "--yes", "--backup", "elsewhere"])
        .expect(1)
        .says("first.atrest was not looked into to its end: it is not there any more");
    fs::write(elsewhere.join("1"), whole).unwrap();
    fs::remove_file(place.folder().join("first.atrest")).unwrap();
    place
        .run(&["forget", "anna", "--yes", "--backup", "elsewhere"])
        .expect(1)
        .says("elsewhere/1: it still brings 10 values of the subject back")
        .hides("first.atrest")
        .says("second.atrest was not looked into to its end");
    fs::remove_file(elsewhere.join("1")).unwrap();
    place
        .run(&["forget", "anna", "--yes", "--backups-deleted"])
        .expect(0)
        .says("first.atrest: deleted, as it was said");
    // It is not asked for again.
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .hides("first.atrest");
}

async fn people_without_a_key(db: ScratchDatabase) {
    let place = people(db).await;
    place
        .db
        .execute("ALTER TABLE people ADD COLUMN hash VARCHAR(20)")
        .await;
    place.db.execute("UPDATE people SET hash = 'h'").await;
    let hashes = "SELECT count(hash) FROM people";
    let column = "subject = \"note\"\nforget_empties = [\"hash\"]";
    place.people("[subjects]\nundo = \"7d\"\n", column);
    place.run(&["key", "init"]).expect(0);

    // Nothing is encrypted: there is no key, and there are rows.
    place
        .run(&["forget", "Anna", "--yes"])
        .expect(2)
        .says("no keys are kept");
    place
        .run(&["forget", "note 13", "--legal-hold", "case 1"])
        .expect(0);
    place
        .run(&["forget", "note 13", "--now", "--yes"])
        .expect(2)
        .says("case 1");
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .says("is to be forgotten");
    assert!(place.receipts().is_empty());
    assert_eq!(place.db.scalar(hashes).await.as_deref(), Some("30"));
    // While it can be taken back nothing is sealed that nobody would open.
    place
        .run(&["encrypt", "--yes", "--apply-schema"])
        .expect(1)
        .says("11 values in clear are not encrypted");
    place.run(&["forget", "anna", "--undo"]).expect(0);
    place.run(&["encrypt", "--yes", "--apply-schema"]).expect(0);
    place.run(&["verify"]).expect(0);

    place.run(&["decrypt", "--yes"]).expect(0);
    let nobody = "DELETE FROM atrest_keys WHERE name LIKE 'subject:%'";
    place.db.execute(nobody).await;
    place
        .run(&["forget", "anna", "--now", "--yes", "--backups-deleted"])
        .expect(1)
        .says("12 rows, 0 unreadable, 11 still in clear");
    assert_eq!(place.receipts().len(), 1);
    assert_eq!(place.receipts()[0]["receipt"]["keys"], json!([]));
    assert_eq!(place.db.scalar(hashes).await.as_deref(), Some("18"));
}

async fn keys_that_do_not_open(db: ScratchDatabase) {
    let place = place(db, "").await;
    let shares = place.shares("2/2", "shares");
    place
        .run(&["key", "rotate", "--purpose", "subjects"])
        .expect(0);
    let with_new = "INSERT INTO people VALUES (40, 'user40@example.org', 'late')";
    place.db.execute(with_new).await;
    place.run(&["encrypt", "--backup", "late.atrest"]).expect(0);
    let lost = place.wrapping().remove(0);
    place
        .run(&["key", "retire", &lost, "--force", "--yes"])
        .expect(0);

    let closed = format!("27 values are under keys of subjects that are wrapped under key {lost}");
    for verb in ["verify", "plan"] {
        let ran = place.run(&[verb, "--json"]);
        let column = &ran.json()["columns"][0];
        assert_eq!(column["undecryptable"], 27, "{column}");
        assert_eq!(column["sealed_by_subject"], 1);
        assert_eq!(column["unknown_keys"], json!({}));
        assert!(column["notes"].to_string().contains(&closed), "{column}");
    }
    place.run(&["verify"]).expect(1).says(&closed);
    place.run(&["status"]).expect(1).says(&closed);
    let drilled = place.drill(&shares, "late.atrest", 1);
    assert_eq!(drilled["of_subjects"], 1, "{drilled}");

    // Nothing is sealed for who has keys that do not open; for others it is.
    for (id, whose) in [(41, "anna"), (42, "new")] {
        let row = format!("INSERT INTO people VALUES ({id}, 'user{id}@example.org', '{whose}')");
        place.db.execute(&row).await;
    }
    place
        .run(&["encrypt"])
        .expect(1)
        .says("1 values in clear are not encrypted");
    let clear = "SELECT id FROM people WHERE email LIKE '%@%'";
    assert_eq!(place.db.scalar(clear).await.as_deref(), Some("41"));
    place
        .run(&["rotate", "--json"])
        .expect(1)
        .says("\"subjects_closed\"");
    place.run(&["decrypt", "--yes"]).expect(1).says(&closed);
    let clear = "SELECT count(*) FROM people WHERE email LIKE '%@%'";
    assert_eq!(place.db.scalar(clear).await.as_deref(), Some("3"));
    // What does not open can be erased all the same.
    place.run(&["forget", "anna", "--yes"]).expect(1);
    place
        .run(&["verify"])
        .expect(1)
        .says("11 values of subjects that were forgotten");
}

async fn what_can_be_taken_back_is_not_gone(db: ScratchDatabase) {
    let place = place(db, "[subjects]\nundo = \"7d\"\n").await;
    let shares = place.shares("2/2", "shares");
    place.run(&["rotate", "--backup", "kept.atrest"]).expect(0);
    place.run(&["forget", "anna", "--yes"]).expect(0);
    let found = place.run(&["verify", "--json"]).expect(0).json();
    let column = &found["columns"][0];
    assert_eq!(
        (&column["to_be_forgotten"], &column["forgotten"]),
        (&json!(11), &json!(0))
    );
    place
        .run(&["verify"])
        .says("11 values of subjects that are to be forgotten")
        .hides("no key opens any more");
    let looked = place.run(&["inspect", "people", "3", "--json"]);
    assert_eq!(looked.json()["columns"][0]["state"], "to-be-forgotten");
    place
        .run(&["subject", "export", "anna"])
        .expect(1)
        .says("11 are to be forgotten");
    let backup = place.backups().remove(0);
    let drilled = place.drill(&shares, backup.to_str().unwrap(), 0);
    assert_eq!(
        (&drilled["to_be_forgotten"], &drilled["forgotten"]),
        (&json!(11), &json!(0))
    );

    place
        .run(&["decrypt", "--yes", "--apply-schema"])
        .expect(1)
        .says("11 values of subjects that are to be forgotten")
        .hides("is clear again");
    assert_eq!(place.tokens().await, 11);
    place.run(&["forget", "anna", "--undo"]).expect(0);
    place
        .run(&["decrypt", "--yes", "--apply-schema"])
        .expect(0)
        .says("Every value is clear again");
    assert_eq!(place.tokens().await, 0);
    let clear = "SELECT count(*) FROM people WHERE email LIKE 'user%@example.org'";
    assert_eq!(place.db.scalar(clear).await.as_deref(), Some("27"));
}

/// A column of its own type does not get it back while tokens stand in it; SQLite's columns
/// take any value.
async fn what_is_gone_keeps_the_column_wide(db: ScratchDatabase) {
    let told = match db.dialect() {
        Dialect::Sqlite => "those of subjects that were forgotten stay as they are",
        _ => "12 values of subjects that were forgotten stand in it as tokens",
    };
    let place = people(db).await;
    place
        .db
        .execute("ALTER TABLE people ADD COLUMN age INTEGER")
        .await;
    place.db.execute("UPDATE people SET age = id").await;
    place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
         [[column]]\ntable = \"people\"\nname = \"age\"\nsubject = \"note\"\n",
        place.db.url()
    ));
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--apply-schema"]).expect(0);
    place.run(&["forget", "anna", "--yes"]).expect(0);
    place
        .run(&["decrypt", "--yes", "--apply-schema"])
        .expect(0)
        .says(told);
    place
        .db
        .execute("UPDATE people SET age = NULL WHERE note = 'anna'")
        .await;
    place.run(&["decrypt", "--yes", "--apply-schema"]).expect(0);
    let sum = "SELECT sum(age) FROM people";
    assert_eq!(place.db.scalar(sum).await.as_deref(), Some("387"));
}

macro_rules! on {
    ($($kind:ident),*) => {$(
        mod $kind {
            use atrest_testing::ScratchDatabase;

            #[tokio::test(flavor = "multi_thread")]
            async fn backups_from_before_there_were_subjects() {
                super::backups_from_before_there_were_subjects(ScratchDatabase::$kind().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn people_without_a_key() {
                super::people_without_a_key(ScratchDatabase::$kind().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn keys_that_do_not_open() {
                super::keys_that_do_not_open(ScratchDatabase::$kind().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_can_be_taken_back_is_not_gone() {
                super::what_can_be_taken_back_is_not_gone(ScratchDatabase::$kind().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_is_gone_keeps_the_column_wide() {
                super::what_is_gone_keeps_the_column_wide(ScratchDatabase::$kind().await).await;
            }
        }
    )*};
}

on!(sqlite, postgres, mariadb);

/// Fernet's tokens name no key; what a backup keeps of them does.
#[tokio::test(flavor = "multi_thread")]
async fn backups_of_fernet_columns_can_be_drilled() {
    let place = people(ScratchDatabase::sqlite().await).await;
    place.people("", "subject = \"note\"\nsuite = \"fernet\"");
    place.run(&["key", "init"]).expect(0);
    let shares = place.shares("2/2", "shares");
    for (verb, backup) in [
        ("encrypt", "e.atrest"),
        ("decrypt", "d.atrest"),
        ("encrypt", "f.atrest"),
    ] {
        place
            .run(&[verb, "--yes", "--apply-schema", "--backup", backup])
            .expect(0);
        let drilled = place.drill(&shares, backup, 0);
        assert_eq!(drilled["of_subjects"], 27, "{drilled}");
    }
    place.run(&["verify", "--against", "f.atrest"]).expect(0);
    place.run(&["forget", "anna", "--yes"]).expect(0);
    for backup in ["e.atrest", "d.atrest", "f.atrest"] {
        let drilled = place.drill(&shares, backup, 0);
        assert_eq!(
            (&drilled["forgotten"], &drilled["of_subjects"]),
            (&json!(11), &json!(16)),
            "{drilled}"
        );
    }
}

/// What a rotation kept of values under an older shared key opens under their subjects'
/// keys, and of rows that are nobody's under the active one.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_rotation_to_subjects_keys() {
    let place = people(ScratchDatabase::sqlite().await).await;
    let owner = "ALTER TABLE people ADD COLUMN owner TEXT";
    place.db.execute(owner).await;
    place.db.execute("UPDATE people SET owner = note").await;
    place.people("", "");
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--no-backup"]).expect(0);
    let shared = |place: &Place| {
        let listed = place.run(&["key", "list", "--json"]).expect(0).json();
        let keys = listed["keys"].as_array().unwrap().iter();
        let mut of_data = keys.filter(|key| key["purpose"] == "data");
        of_data.next().unwrap()["key"].as_str().unwrap().to_owned()
    };
    let old = shared(&place);
    place.run(&["key", "rotate"]).expect(0);
    place.people("", "subject = \"owner\"");
    place.run(&["rotate", "--backup", "kept.atrest"]).expect(0);
    let shares = place.shares("2/2", "shares");
    let drilled = place.drill(&shares, "kept.atrest", 0);
    assert_eq!(drilled["of_subjects"], 27, "{drilled}");
    place.run(&["key", "retire", &old, "--yes"]).expect(0);
    place.run(&["verify", "--against", "kept.atrest"]).expect(0);
    place
        .run(&["restore", "kept.atrest", "--force", "--yes"])
        .expect(0);
    place.run(&["verify"]).expect(0);

    // The same with rows that are nobody's.
    place.run(&["decrypt", "--no-backup", "--yes"]).expect(0);
    place.people("", "");
    place.run(&["encrypt", "--no-backup"]).expect(0);
    let old = place.run(&["status", "--json"]).json()["keys"][0]["key"].clone();
    place.run(&["key", "rotate"]).expect(0);
    place
        .db
        .execute("UPDATE people SET owner = NULL WHERE id = 1")
        .await;
    place.people("", "subject = \"owner\"");
    place.run(&["rotate", "--backup", "more.atrest"]).expect(0);
    // What it kept of that row opens under the key that it was written under.
    fs::remove_file(place.folder().join("kept.atrest")).unwrap();
    let old = old.as_str().unwrap();
    place
        .run(&["key", "retire", old, "--yes", "--backups-deleted"])
        .expect(0);
    place.run(&["verify", "--against", "more.atrest"]).expect(0);
    place
        .run(&["restore", "more.atrest", "--force", "--yes"])
        .expect(0);
    place.run(&["verify"]).expect(0);
}

/// Other software's tokens name no key: that they do not open proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_other_software_are_not_gone() {
    let place = place(ScratchDatabase::sqlite().await, "").await;
    place
        .run(&["exit", "--yes", "--to-key", "env:NEXT"])
        .expect(0);
    place.run(&["forget", "anna", "--yes"]).expect(1).says(
        "12 rows, 0 unreadable, 0 still in clear, 0 still under a shared key, 11 undecryptable",
    );
}

/// The name of who is to be forgotten is sealed under a key for data.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_whose_key_is_lost_is_asked_for() {
    let db = ScratchDatabase::sqlite().await;
    let place = place(db, "[subjects]\nundo = \"1s\"\n").await;
    place.run(&["forget", "anna", "--yes"]).expect(0);
    let listed = place.run(&["key", "list", "--json"]).expect(0).json();
    let keys = listed["keys"].as_array().unwrap();
    let old = keys.iter().find(|key| key["purpose"] == "data").unwrap();
    let old = old["key"].as_str().unwrap();
    place.run(&["key", "rotate"]).expect(0);
    place
        .run(&["key", "retire", old, "--force", "--yes"])
        .expect(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place
        .run(&["forget", "--due", "--yes"])
        .expect(2)
        .says("finish it by its name: atrest forget SUBJECT");
    place.run(&["forget", "anna", "--yes"]).expect(0);
}
