//! A key that is lost for good, with an older copy of its keyring at hand; and a keyring
//! that is another system's.

use std::fs;

use atrest_testing::ScratchDatabase;

use crate::support::Place;

const KEYRING: &str = "keyring = \"atrest.keyring\"\nroot = \"env:KEY\"";

/// 30 people, encrypted; then one more under a new key, which an older copy of the keyring
/// lacks. Gives the shares of the older one.
async fn with_a_lost_key(db: ScratchDatabase) -> (Place, Vec<String>, String) {
    let place = Place::new(db, 30).await;
    place.keys(KEYRING);
    place.run(&["key", "init"]).expect(0);
    let shares = place.shares("2/3", "shares");
    let first = ["encrypt", "--backup", "first.atrest", "--apply-schema"];
    place.run(&first).expect(0);
    let kept = place.folder().join("kept");
    fs::copy(place.folder().join("atrest.keyring"), &kept).unwrap();

    let rotated = place.run(&["key", "rotate", "--json"]).expect(0).json();
    let new = rotated["key"].as_str().unwrap().to_owned();
    place
        .db
        .execute("INSERT INTO people VALUES (50, 'new@example.org', 'new')")
        .await;
    place.run(&["encrypt", "--no-backup", "--yes"]).expect(0);
    (place, shares, new)
}

/// The newest keyring is lost with all its copies, and the older one is put back.
fn put_back(place: &Place) {
    for entry in fs::read_dir(place.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("atrest.keyring") {
            fs::remove_file(path).unwrap();
        }
    }
    let keyring = place.folder().join("atrest.keyring");
    fs::copy(place.folder().join("kept"), keyring).unwrap();
}

async fn what_an_older_keyring_opens_comes_back(db: ScratchDatabase) {
    let (place, shares, new) = with_a_lost_key(db).await;
    let before = place.db.dump().await;
    let mut drill = vec!["key", "drill", "--keyring", "kept"];
    drill.extend(["--backup", "first.atrest", "--shares"]);
    drill.extend(shares[..2].iter().map(String::as_str));
    place
        .run(&drill)
        .expect(1)
        .says("first.atrest\": 27 rows read to its end")
        .says("These shares do not open everything");

    put_back(&place);
    for verb in ["verify", "status"] {
        place
            .run(&[verb])
            .expect(1)
            .says(&format!("under key {new}"))
            .says(&format!("atrest key retire {new} --force"));
    }
    let counts = place.run(&["verify", "--json"]).expect(1).json();
    let column = &counts["columns"][0];
    assert_eq!(
        (&column["total"], &column["undecryptable"]),
        (&31.into(), &1.into())
    );
    place.run(&["key", "list"]).expect(0);
    place
        .run(&["inspect", "people", "1", "--reveal"])
        .expect(0)
        .says("user1@example.org");
    place
        .run(&["verify", "--against", "first.atrest"])
        .expect(0);
    place.db.dump().await.assert_same(&before);

    // What changes values waits for the operator's word.
    for verb in [&["decrypt", "--yes"][..], &["encrypt"], &["plan"]] {
        place.run(verb).expect(2).says(&format!("key retire {new}"));
    }
    place
        .run(&["key", "retire", "00000001", "--force", "--yes"])
        .expect(2)
        .says("no key 00000001");
    place
        .run(&["key", "retire", &new])
        .expect(2)
        .says("nothing was changed")
        .says("of people.email");
    place
        .run(&["key", "retire", &new, "--force"])
        .expect(2)
        .says("--yes answers beforehand");
    place.run(&["decrypt", "--yes"]).expect(2);
    let lost = ["key", "retire", &new, "--force", "--yes", "--json"];
    let told = place.run(&lost).expect(0).json();
    assert!(!told["lost"].as_array().unwrap().is_empty(), "{told}");
    place
        .run(&["verify"])
        .expect(1)
        .hides("key retire")
        .says("undecryptable");
    place.run(&["encrypt", "--no-backup", "--yes"]).expect(1);
    place.run(&["decrypt", "--yes"]).expect(1);
    place.run(&["restore", "first.atrest"]).expect(0);
    let clear = "SELECT count(*) FROM people WHERE email LIKE 'user%@example.org'";
    assert_eq!(place.db.scalar(clear).await.as_deref(), Some("27"));
    let left = "SELECT count(*) FROM people WHERE email LIKE 'ar1.%'";
    assert_eq!(place.db.scalar(left).await.as_deref(), Some("1"));
}

macro_rules! on {
    ($($kind:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $kind() {
            what_an_older_keyring_opens_comes_back(ScratchDatabase::$kind().await).await;
        }
    )*};
}

on!(sqlite, postgres, mariadb);

/// The same with keys that the policy names: a key that is there is no keyring's.
#[tokio::test]
async fn a_lost_key_of_the_policy() {
    let place = Place::sqlite(30).await;
    place.run(&["encrypt", "--no-backup", "--yes"]).expect(0);
    place.keys("primary = \"env:NEXT\"\nprevious = [\"env:KEY\"]");
    place.run(&["rotate", "--no-backup", "--yes"]).expect(0);
    let keys = place.run(&["key", "list", "--json"]).expect(0).json();
    let id = |origin: &str| {
        let keys = keys["keys"].as_array().unwrap().iter();
        let mut found = keys.filter(|key| key["source"].to_string().contains(origin));
        found.next().unwrap()["key"].as_str().unwrap().to_owned()
    };
    place
        .run(&["key", "retire", &id("KEY")])
        .expect(2)
        .says("take that out of [keys]");
    let new = id("NEXT");
    place.keys("primary = \"env:KEY\"");
    place
        .run(&["encrypt", "--no-backup", "--yes"])
        .expect(2)
        .says(&format!("atrest key retire {new} --force"));
    place
        .run(&["verify"])
        .expect(2)
        .says(&format!("atrest key retire {new} --force"));
    place
        .run(&["key", "retire", &new, "--force", "--yes"])
        .expect(0);
    // The column's own tokens still say that the key is the wrong one.
    place
        .run(&["encrypt", "--no-backup", "--yes"])
        .expect(2)
        .says("no key in the keyring opens");
}

/// A journal of before, as of a database that was put back, names a key that was destroyed.
#[tokio::test]
async fn a_destroyed_key_that_a_journal_names() {
    let place = Place::sqlite(30).await;
    place.keys(KEYRING);
    let made = place.run(&["key", "init", "--json"]).expect(0).json();
    let old = made["key"].as_str().unwrap().to_owned();
    place.run(&["encrypt", "--no-backup", "--yes"]).expect(0);
    let copy = "CREATE TABLE copied AS SELECT * FROM atrest_journal";
    place.db.execute(copy).await;
    place.run(&["key", "rotate"]).expect(0);
    place.run(&["rotate", "--no-backup", "--yes"]).expect(0);
    place.run(&["key", "retire", &old, "--yes"]).expect(0);
    place.db.execute("DELETE FROM atrest_journal").await;
    let back = "INSERT INTO atrest_journal SELECT * FROM copied";
    place.db.execute(back).await;

    let advice = format!("atrest key retire {old} --force");
    place
        .run(&["encrypt", "--no-backup", "--yes"])
        .expect(2)
        .says(&advice);
    place.run(&["status"]).expect(1).says(&advice);
    let told = place.run(&["status", "--json"]).expect(1).json();
    assert_eq!(told["lost_keys"], serde_json::json!([old]));
    place
        .run(&["key", "retire", &old])
        .expect(2)
        .says("--force");
    place
        .run(&["key", "retire", &old, "--force", "--yes"])
        .expect(0);
    place.run(&["encrypt", "--no-backup", "--yes"]).expect(0);
    place.run(&["status"]).expect(0);
    place.run(&["key", "retire", &old]).expect(0);
}

/// Both under one root, as two applications of one key of a KMS may be.
#[tokio::test]
async fn a_keyring_of_another_system_is_refused() {
    let (place, other) = (Place::sqlite(5).await, Place::sqlite(5).await);
    for place in [&place, &other] {
        place.keys(KEYRING);
        place.run(&["key", "init"]).expect(0);
    }
    for _ in 0..3 {
        other.run(&["key", "rotate"]).expect(0);
    }
    let keyring = place.folder().join("atrest.keyring");
    let own = fs::read(&keyring).unwrap();
    fs::copy(other.folder().join("atrest.keyring"), &keyring).unwrap();
    let files = || fs::read_dir(place.folder()).unwrap().count();
    let before = files();
    for verb in [
        &["verify"][..],
        &["encrypt", "--no-backup", "--yes"],
        &["key", "rotate"],
        &["key", "due"],
        &["--accept-older-keyring", "key", "rotate"],
    ] {
        place
            .run(verb)
            .expect(2)
            .says("is another keyring than the copies of it beside it");
    }
    assert_eq!(files(), before);
    fs::write(&keyring, own).unwrap();
    place.run(&["key", "rotate"]).expect(0);
}

#[tokio::test]
async fn a_damaged_backup_does_not_keep_the_drill_from_the_rest() {
    let place = Place::sqlite(30).await;
    place.keys(KEYRING);
    place.run(&["key", "init"]).expect(0);
    let shares = place.shares("2/3", "shares");
    place.run(&["encrypt", "--backup", "kept.atrest"]).expect(0);
    let backup = place.folder().join("kept.atrest");
    let mut bytes = fs::read(&backup).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&backup, bytes).unwrap();
    let mut drill = vec!["key", "drill", "--backup", "kept.atrest", "--shares"];
    drill.extend(shares[..2].iter().map(String::as_str));
    place
        .run(&drill)
        .expect(1)
        .says("does not authenticate")
        .says("people.email");
    drill.push("--json");
    let told = place.run(&drill).expect(1).json();
    let problem = told["drilled"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("does not authenticate"), "{told}");
    assert_eq!(told["columns"][0]["undecryptable"], 0);
    drill.retain(|it| *it != "--json");
    drill[3] = "nofile.atrest";
    place.run(&drill).expect(2).says("nofile.atrest");
}
