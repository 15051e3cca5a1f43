//! What an erasure reaches and what it does not: backups from before, people who never had
//! a key, keys that do not open, values whose erasure can still be taken back.

use std::fs;

use atrest_testing::{Dialect, ScratchDatabase};
use serde_json::{Value, json};

use crate::forget::place;
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
        let folder = self.folder().join("atrest-receipts");
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        files.iter().map(read).collect()
    }

    /// The ids of the keyring's keys that wrap subjects' keys, the oldest first.
    fn wrapping(&self) -> Vec<String> {
        let listed = self.run(&["key", "list", "--json"]).expect(0).json();
        let keys = listed["keys"].as_array().unwrap().iter();
        let wraps = |key: &&Value| key["purpose"] == "subjects";
        let ids = keys.filter(wraps).map(|key| key["key"].as_str().unwrap());
        ids.map(ToOwned::to_owned).collect()
    }

    fn recovery_shares(&self) -> Vec<String> {
        let export = [
            "key", "export", "--shares", "2/2", "--out", "shares", "--json",
        ];
        let made = self.run(&export).expect(0).json();
        let shares = made["shares"].as_array().unwrap().iter();
        shares.map(|it| it.as_str().unwrap().to_owned()).collect()
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

    let first = ["--backup", "first.atrest"];
    let forget = [&["forget", "anna", "--yes"][..], &first].concat();
    place
        .run(&forget)
        .expect(1)
        .says("11 rows, 10 unreadable, 0 still in clear")
        .says("first.atrest: it still brings 10 values of the subject back")
        .says("first.atrest: 2 values that open are of rows that are gone")
        .hides("second.atrest");
    let receipt = place.receipts().remove(0);
    let of_backups = receipt["receipt"]["backups"].as_array().unwrap().clone();
    let counts = |at: usize| (&of_backups[at]["readable"], &of_backups[at]["unknown"]);
    assert_eq!(of_backups.len(), 2, "{of_backups:?}");
    assert_eq!(counts(0), (&json!(10), &json!(2)));
    assert_eq!(counts(1), (&json!(0), &json!(0)));

    // What the rotation kept brings nothing of hers back.
    place.run(&["restore", "second.atrest"]).expect(1);
    place
        .run(&["verify"])
        .expect(0)
        .says("10 values of subjects that were forgotten");

    fs::remove_file(place.folder().join("first.atrest")).unwrap();
    place.run(&["forget", "anna", "--yes"]).expect(0);
    // One that the journal names, and that was moved or deleted.
    fs::rename(
        place.folder().join("second.atrest"),
        place.folder().join("elsewhere"),
    )
    .unwrap();
    place
        .run(&["forget", "anna", "--yes"])
        .expect(1)
        .says("second.atrest was not looked into to its end: it is not there any more");
    place
        .run(&["forget", "anna", "--yes", "--backup", "nowhere"])
        .expect(2)
        .says("nowhere is not there");
    place
        .run(&["forget", "anna", "--yes", "--backups-deleted"])
        .expect(0)
        .says("second.atrest: deleted, as it was said");
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
    let shares = place.recovery_shares();
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
    let shares = place.recovery_shares();
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
    let shares = place.recovery_shares();
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
