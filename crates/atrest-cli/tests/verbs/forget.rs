//! A person is forgotten: asked for, undone, held, done; the receipt; old copies that
//! come back.

use std::path::PathBuf;
use std::process::Stdio;

use atrest_testing::ScratchDatabase;

use crate::support::{Place, ran};

/// `people(id, email, note)` whose rows belong to whom `note` names, under a keyring.
pub(crate) async fn place(db: ScratchDatabase, subjects: &str) -> Place {
    let place = Place::new(db, 30).await;
    place
        .db
        .execute("UPDATE people SET note = 'anna' WHERE id <= 12")
        .await;
    place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n{subjects}\n\
         [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"note\"\n",
        place.db.url()
    ));
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--yes", "--apply-schema"]).expect(0);
    place
        .run(&["verify"])
        .expect(0)
        .says("27 values under keys of their subjects");
    place
}

pub(crate) fn receipts(place: &Place) -> Vec<PathBuf> {
    let folder = place.folder().join("atrest-receipts");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

async fn asked_for_undone_held_and_done(db: ScratchDatabase) {
    let subjects = "[subjects]\nundo = \"7d\"\nretention = \"35d\"\n";
    let place = place(db, subjects).await;
    let shown = place.run(&["subject", "export", "anna"]).expect(0);
    assert_eq!(shown.out.lines().count(), 12);
    assert!(shown.out.contains("user3@example.org"), "{}", shown.out);
    assert!(!shown.out.contains("user13@example.org"), "{}", shown.out);

    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .says("is to be forgotten")
        .hides("Receipt");
    place
        .run(&["verify"])
        .expect(0)
        .says("11 values of subjects that are to be forgotten");
    place
        .run(&["inspect", "people", "3", "--reveal"])
        .hides("user3@");
    place.run(&["forget", "--due"]).expect(0);
    assert!(receipts(&place).is_empty(), "the time to undo is not over");
    place.run(&["forget", "anna", "--undo"]).expect(0);
    place.run(&["verify"]).expect(0).hides("forgotten");

    place
        .run(&["forget", "anna", "--legal-hold", "case 12/2026"])
        .expect(0);
    place
        .run(&["forget", "anna", "--now", "--yes"])
        .expect(2)
        .says("case 12/2026");
    place.run(&["forget", "anna", "--release-hold"]).expect(0);
    place
        .run(&["forget", "nobody", "--yes"])
        .expect(2)
        .says("no keys are kept");

    place
        .run(&["forget", "anna", "--now", "--yes"])
        .expect(0)
        .says("12 rows, 11 unreadable, 0 still in clear")
        .says("no known backup can bring a key back")
        .hides("anna");
    let files = receipts(&place);
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files[0].to_str().unwrap();
    let receipt = std::fs::read_to_string(file).unwrap();
    assert!(!receipt.contains("anna"), "{receipt}");
    place
        .run(&["receipt", "verify", file])
        .expect(0)
        .says("signature is good");
    let key = place.run(&["receipt", "public-key"]).expect(0).out;
    place
        .run(&["receipt", "verify", file, "--public-key", key.trim()])
        .expect(0);
    let edited = receipt.replacen("\"rows\": 12", "\"rows\": 11", 1);
    assert_ne!(edited, receipt);
    std::fs::write(place.folder().join("edited.json"), edited).unwrap();
    place
        .run(&["receipt", "verify", "edited.json"])
        .expect(2)
        .says("something else");

    place
        .run(&["verify"])
        .expect(0)
        .says("11 values of subjects that were forgotten");
    let json = place.run(&["verify", "--json"]).expect(0).json();
    assert_eq!(json["columns"][0]["forgotten"], 11);
    assert_eq!(json["columns"][0]["sealed_by_subject"], 16);
    assert_eq!(json["subjects_back"], serde_json::json!([]));
    let shown = place.run(&["subject", "export", "anna"]).expect(0);
    assert!(!shown.out.contains("example.org"), "{}", shown.out);
    place.run(&["decrypt", "--yes"]).expect(0);
    let left = "SELECT count(*) FROM people WHERE email LIKE 'ar1.%'";
    assert_eq!(place.db.scalar(left).await.as_deref(), Some("11"));
}

async fn old_copies_are_told(db: ScratchDatabase) {
    let place = place(db, "").await;
    let keyring = place.folder().join("atrest.keyring");
    let old = std::fs::read(&keyring).unwrap();
    place
        .db
        .execute("CREATE TABLE copied AS SELECT * FROM atrest_keys")
        .await;
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .says("Receipt");

    // The table of keys from an old backup.
    place.db.execute("DELETE FROM atrest_keys").await;
    place
        .db
        .execute("INSERT INTO atrest_keys SELECT * FROM copied")
        .await;
    place
        .run(&["verify"])
        .expect(1)
        .says("are back")
        .says("11 values of subjects that were forgotten");
    place
        .run(&["status"])
        .expect(1)
        .says("an old copy was put back");
    let told = place.run(&["status", "--json"]).expect(1).json();
    assert_eq!(told["subjects_back"].as_array().unwrap().len(), 1);
    place
        .run(&["inspect", "people", "3", "--reveal"])
        .hides("user3@");
    place
        .run(&["forget", "--due"])
        .expect(0)
        .says("had come back");
    place.run(&["verify"]).expect(0);

    // The keyring from an old backup: without the tombstone.
    std::fs::write(&keyring, old).unwrap();
    for entry in std::fs::read_dir(place.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("atrest.keyring.") {
            std::fs::remove_file(path).unwrap();
        }
    }
    place
        .run(&["verify"])
        .expect(2)
        .says("an old copy of the keyring was put back");
    place
        .run(&["verify", "--accept-older-keyring"])
        .expect(0)
        .says("an old copy of the keyring was put back")
        .says("11 values of subjects that were forgotten");
}

macro_rules! on {
    ($($kind:ident),*) => {$(
        mod $kind {
            use atrest_testing::ScratchDatabase;

            #[tokio::test(flavor = "multi_thread")]
            async fn asked_for_undone_held_and_done() {
                super::asked_for_undone_held_and_done(ScratchDatabase::$kind().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_cannot_be_emptied_is_refused() {
                super::what_cannot_be_emptied_is_refused(ScratchDatabase::$kind().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn old_copies_are_told() {
                super::old_copies_are_told(ScratchDatabase::$kind().await).await;
            }
        }
    )*};
}

on!(sqlite, postgres, mariadb);

/// What a killed `forget` leaves is finished by the same command.
#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_without_the_rest_is_finished() {
    let place = place(ScratchDatabase::sqlite().await, "").await;
    place
        .db
        .execute("CREATE TABLE copied AS SELECT * FROM atrest_keys")
        .await;
    place.run(&["forget", "anna", "--yes"]).expect(0);
    // As if it had been killed behind the tombstone.
    place.db.execute("DELETE FROM atrest_keys").await;
    place
        .db
        .execute("INSERT INTO atrest_keys SELECT * FROM copied")
        .await;
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .says("11 unreadable");
    assert_eq!(receipts(&place).len(), 2);
    place.run(&["verify"]).expect(0);
    // And as if before the receipt.
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .says("Receipt");
    assert_eq!(receipts(&place).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_confirm_a_guess_is_emptied() {
    let place = Place::sqlite(20).await;
    place
        .db
        .execute("ALTER TABLE people ADD COLUMN email_hash TEXT")
        .await;
    place
        .db
        .execute("UPDATE people SET email_hash = 'hash ' || id")
        .await;
    place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
         [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"id\"\nforget_empties = [\"email_hash\"]\n",
        place.db.url()
    ));
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--yes", "--apply-schema"]).expect(0);
    place
        .run(&["forget", "7", "--yes"])
        .expect(0)
        .says("email_hash was emptied");
    let left = "SELECT count(*) FROM people WHERE email_hash IS NOT NULL";
    assert_eq!(place.db.scalar(left).await.as_deref(), Some("19"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_with_subjects_is_checked() {
    let place = Place::sqlite(3).await;
    let with = |keys: &str, column: &str| {
        place.policy(&format!(
            "[keys]\n{keys}\n\n[database]\nurl = \"{}\"\n\n[[column]]\ntable = \"people\"\nname = \"email\"\n{column}\n",
            place.db.url()
        ));
        place.run(&["plan"]).expect(2)
    };
    let ring = "keyring = \"atrest.keyring\"\nroot = \"env:KEY\"";
    with("primary = \"env:KEY\"", "subject = \"id\"").says("needs a keyring");
    with(ring, "subject = \"email\"").says("is the column itself");
    let both = "subject = \"note\"\n\n[[column]]\ntable = \"people\"\nname = \"note\"";
    with(ring, both).says("is to be encrypted itself");
    with(ring, "subject = \"id\"\n\n[subjects]\nundo = \"soon\"").says("not a duration");
    with(ring, "subject = \"nobody\"").says("key init");
    place.run(&["key", "init"]).expect(0);
    with(ring, "subject = \"nobody\"").says("nobody");
}

/// Whether it can be done turns out before anything is sealed, and before an erasure has
/// begun that nothing takes back.
async fn what_cannot_be_emptied_is_refused(db: ScratchDatabase) {
    let place = Place::new(db, 3).await;
    place
        .db
        .execute("ALTER TABLE people ADD COLUMN must VARCHAR(20) NOT NULL DEFAULT ''")
        .await;
    let policy = |empties: &str| {
        place.policy(&format!(
            "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
             [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"note\"\n{empties}\n",
            place.db.url()
        ));
    };
    policy("");
    place.run(&["key", "init"]).expect(0);
    place.db.execute("UPDATE people SET note = 'anna'").await;
    place.run(&["encrypt", "--yes", "--apply-schema"]).expect(0);
    for (name, why) in [
        ("must", "is NOT NULL"),
        ("nosuch", "does not have"),
        ("id", "part of the primary key"),
        ("note", "whose a row is"),
    ] {
        policy(&format!("forget_empties = [\"{name}\"]"));
        for verb in [&["plan"][..], &["forget", "anna", "--yes"]] {
            let refused = place.run(verb).expect(2).says("forget_empties").says(why);
            refused.says(name);
        }
    }
    policy("");
    let shown = place.run(&["subject", "show", "anna"]).expect(0);
    shown.hides("destroyed").hides("forgotten");
}

/// The keyring itself in the database, and two that change it at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_in_the_database() {
    for db in [
        ScratchDatabase::sqlite().await,
        ScratchDatabase::postgres().await,
        ScratchDatabase::mariadb().await,
    ] {
        let place = Place::new(db, 20).await;
        place.policy(&format!(
            "[keys]\nkeyring = \"database\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
             [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"id\"\n",
            place.db.url()
        ));
        place.run(&["verify"]).expect(2).says("key init");
        place.run(&["key", "init"]).expect(0);
        place.run(&["key", "init"]).expect(2).says("there already");
        place.run(&["encrypt", "--yes", "--apply-schema"]).expect(0);
        place.run(&["key", "rotate"]).expect(0);
        place.run(&["rotate", "--yes"]).expect(0);
        place
            .run(&["forget", "7", "--yes"])
            .expect(0)
            .says("1 unreadable");
        place
            .run(&["verify"])
            .expect(0)
            .says("17 values under keys of their subjects");
        let rotating: Vec<_> = (0..3)
            .map(|_| {
                let mut rotate = place.command(&["key", "rotate"]);
                rotate.stdout(Stdio::piped()).stderr(Stdio::piped());
                rotate.spawn().unwrap()
            })
            .collect();
        let ended = rotating.into_iter();
        let ended = ended.map(|one| ran(one.wait_with_output().unwrap()));
        let (done, late): (Vec<_>, Vec<_>) = ended.partition(|one| one.status == 0);
        assert!(!done.is_empty(), "of several that rotate at once one wins");
        for one in late {
            one.says("was changed by somebody else just now");
        }
        place
            .run(&["key", "rewrap", "--root", "env:NEXT"])
            .expect(0);
        place.run(&["verify"]).expect(0);
        assert!(!place.folder().join("atrest.keyring").exists());
    }
}

/// What has begun is neither taken back nor held, and stays open until its receipt is
/// there; what is wrong with one keeps nobody else waiting.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_has_begun_is_finished() {
    let place = place(
        ScratchDatabase::sqlite().await,
        "[subjects]\nundo = \"1s\"\n",
    )
    .await;
    place.run(&["forget", "anna", "--yes"]).expect(0);
    place.run(&["forget", "note 13", "--yes"]).expect(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let in_the_way = place.folder().join("atrest-receipts");
    std::fs::write(&in_the_way, "").unwrap();
    place
        .run(&["forget", "--due", "--yes"])
        .expect(2)
        .says("0 were forgotten, and not all");
    place
        .run(&["forget", "anna", "--undo"])
        .expect(2)
        .says("has begun");
    place
        .run(&["forget", "anna", "--legal-hold", "case 12/2026"])
        .expect(2)
        .says("has begun");
    for verb in ["verify", "status"] {
        place.run(&[verb]).expect(1).says("is not finished");
        let told = place.run(&[verb, "--json"]).expect(1).json();
        assert_eq!(told["subjects_begun"].as_array().unwrap().len(), 2);
    }
    std::fs::remove_file(&in_the_way).unwrap();
    place.run(&["forget", "--due", "--yes"]).expect(0);
    place.run(&["verify"]).expect(0);
    assert_eq!(receipts(&place).len(), 2);
    place.run(&["forget", "--due", "--yes"]).expect(0);
    assert_eq!(receipts(&place).len(), 2);
    place
        .run(&["subject", "export", "anna"])
        .expect(0)
        .says("11 were forgotten");
}
