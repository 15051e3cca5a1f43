//! An old copy of the keyring: what goes on with it, what does not, and how it is made
//! the newest again without bringing anybody back.

use std::fs;
use std::path::PathBuf;

use atrest_testing::ScratchDatabase;
use serde_json::Value;

use crate::forget::place;
use crate::support::Place;

impl Place {
    fn keyring(&self) -> PathBuf {
        self.folder().join("atrest.keyring")
    }

    /// The copies beside it go, as they are not where a backup of the file is put back.
    fn without_copies(&self) {
        for entry in fs::read_dir(self.folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_str().unwrap().contains("atrest.keyring.") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    fn generation(&self) -> u64 {
        let text = fs::read_to_string(self.keyring()).unwrap();
        let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        header["generation"].as_u64().unwrap()
    }

    fn tombstones(&self) -> usize {
        let text = fs::read_to_string(self.keyring()).unwrap();
        let is_one = |line: &&str| line.starts_with("{\"forgotten\"");
        text.lines().filter(is_one).count()
    }

    /// The table of keys as it is now, to be put back later.
    pub(crate) async fn copy_keys(&self) {
        let copy = "CREATE TABLE copied AS SELECT * FROM atrest_keys";
        self.db.execute(copy).await;
    }

    pub(crate) async fn put_keys_back(&self) {
        self.db.execute("DELETE FROM atrest_keys").await;
        let back = "INSERT INTO atrest_keys SELECT * FROM copied";
        self.db.execute(back).await;
    }
}

/// A place where anna was forgotten, with the keyring of before in the newest one's place.
async fn put_back(db: ScratchDatabase) -> Place {
    let place = place(db, "").await;
    place.copy_keys().await;
    let old = fs::read(place.keyring()).unwrap();
    place
        .run(&["forget", "anna", "--yes"])
        .expect(0)
        .says("Receipt");
    assert_eq!(place.tombstones(), 1);
    fs::write(place.keyring(), old).unwrap();
    place.without_copies();
    place
}

/// Nothing else ran since the change: the database knows of it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_keyring_is_told_at_once() {
    let place = put_back(ScratchDatabase::sqlite().await).await;
    place
        .run(&["verify"])
        .expect(2)
        .says("an old copy of the keyring was put back");
}

/// A change of an old keyring would bring it to the generation of the newest.
#[tokio::test(flavor = "multi_thread")]
async fn no_change_makes_an_old_keyring_normal() {
    let place = put_back(ScratchDatabase::sqlite().await).await;
    let before = fs::read(place.keyring()).unwrap();
    for change in [
        &["key", "rotate"][..],
        &["key", "rotate", "--purpose", "subjects"],
        &["key", "rewrap", "--root", "env:NEXT"],
        &["forget", "note 13", "--yes"],
    ] {
        place
            .run(change)
            .expect(2)
            .says("an old copy of the keyring was put back");
        assert_eq!(fs::read(place.keyring()).unwrap(), before, "{change:?}");
    }
}

async fn an_accepted_change_takes_the_tombstones_over(db: ScratchDatabase) {
    let place = put_back(db).await;
    let newest = place.generation() + 1;
    place
        .run(&["key", "rotate", "--accept-older-keyring"])
        .expect(0);
    assert_eq!(place.tombstones(), 1);
    assert!(place.generation() > newest);
    place.run(&["verify"]).expect(0);

    // An old copy of the table, too: anna does not come back unnoticed.
    place.put_keys_back().await;
    place.run(&["verify"]).expect(1).says("are back");
    place
        .run(&["inspect", "people", "3", "--reveal"])
        .hides("user3@");
}

macro_rules! on {
    ($($kind:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $kind() {
            an_accepted_change_takes_the_tombstones_over(ScratchDatabase::$kind().await).await;
        }
    )*};
}

mod an_accepted_change_takes_the_tombstones_over {
    use super::{ScratchDatabase, an_accepted_change_takes_the_tombstones_over};
    on!(sqlite, postgres, mariadb);
}

/// Recovery shares and another root are changes as any other.
#[tokio::test(flavor = "multi_thread")]
async fn recovery_takes_the_tombstones_over() {
    let place = place(ScratchDatabase::sqlite().await, "").await;
    let shares = place.shares("2/2", "shares");
    let shares: Vec<&str> = shares.iter().map(String::as_str).collect();
    let old = fs::read(place.keyring()).unwrap();
    place.run(&["forget", "anna", "--yes"]).expect(0);
    fs::write(place.keyring(), old).unwrap();
    place.without_copies();
    let recover = [&["key", "recover", "--root", "env:NEXT"][..], &shares].concat();
    place
        .run(&recover)
        .expect(2)
        .says("an old copy of the keyring was put back");
    place
        .run(&[&recover[..], &["--accept-older-keyring"]].concat())
        .expect(0);
    assert_eq!(place.tombstones(), 1);
    place.run(&["verify"]).expect(0);
}

/// The newest lies beside it: that is the one to use.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_newer_copy_beside_it_nothing_is_changed() {
    let place = place(ScratchDatabase::sqlite().await, "").await;
    let old = fs::read(place.keyring()).unwrap();
    place.run(&["forget", "anna", "--yes"]).expect(0);
    fs::write(place.keyring(), &old).unwrap();
    place
        .run(&["verify", "--accept-older-keyring"])
        .expect(0)
        .says("an old copy of the keyring was put back");
    for change in [
        &["key", "rotate", "--accept-older-keyring"][..],
        &["forget", "note 13", "--yes", "--accept-older-keyring"],
    ] {
        place.run(change).expect(2).says("put that copy");
        assert_eq!(fs::read(place.keyring()).unwrap(), old, "{change:?}");
    }
}

/// What an older keyring seals would be lost with the newest one back.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sealed_with_an_older_keyring() {
    let place = put_back(ScratchDatabase::sqlite().await).await;
    place
        .db
        .execute("INSERT INTO people VALUES (99, 'user99@example.org', 'carl')")
        .await;
    for verb in [&["encrypt"][..], &["rotate"], &["decrypt"], &["serve"]] {
        place
            .run(&[verb, &["--accept-older-keyring"]].concat())
            .expect(2)
            .says("does not go with --accept-older-keyring");
    }
    let clear = "SELECT email FROM people WHERE id = 99";
    let email = place.db.scalar(clear).await;
    assert_eq!(email.as_deref(), Some("user99@example.org"));
}

/// What a drill could change: the database, the keyring and what lies beside it.
fn everything(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(place.folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        // Made and removed by who merely reads the database.
        .filter(|path| !path.to_str().unwrap().ends_with("-shm"))
        .collect();
    files.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(&path).unwrap());
    files.into_iter().map(read).collect()
}

/// A drill is of the keyring that is in the backups: an older one.
#[tokio::test(flavor = "multi_thread")]
async fn a_drill_takes_an_older_copy_and_writes_nothing() {
    let place = place(ScratchDatabase::sqlite().await, "").await;
    let shares = place.shares("2/2", "shares");
    let shares: Vec<&str> = shares.iter().map(String::as_str).collect();
    let safe = place.folder().join("safe");
    fs::create_dir(&safe).unwrap();
    fs::copy(place.keyring(), safe.join("atrest.keyring")).unwrap();
    let drill = |keyring: &str| {
        let drill = ["key", "drill", "--keyring", keyring, "--shares"];
        place.run(&[&drill[..], &shares].concat())
    };
    // The same keyring, newer than the database knows so far.
    let unseen = "DELETE FROM atrest_keys WHERE name = 'newest keyring'";
    place.db.execute(unseen).await;
    let before = everything(&place);
    drill("safe/atrest.keyring").expect(0).hides("generation");
    assert_eq!(everything(&place), before);

    place.run(&["forget", "anna", "--yes"]).expect(0);
    let before = everything(&place);
    drill("safe/atrest.keyring")
        .expect(0)
        .says("generation 3, and the keyring in use generation 4")
        .says("11 values of subjects that were forgotten")
        .says("Nothing was written");
    assert_eq!(everything(&place), before);
    let newest = place.generation();

    // The newest is lost.
    fs::remove_file(place.keyring()).unwrap();
    place.without_copies();
    drill("safe/atrest.keyring")
        .expect(0)
        .says(&format!("generation {newest}"));

    // A copy of before there were keys of subjects opens nothing of theirs.
    let fresh = Place::sqlite(10).await;
    fresh.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
         [[column]]\ntable = \"people\"\nname = \"email\"\nsubject = \"note\"\n",
        fresh.db.url()
    ));
    fresh.run(&["key", "init"]).expect(0);
    let shares = fresh.shares("2/2", "shares");
    let drill = ["key", "drill", "--shares", &shares[0], &shares[1]];
    let before = everything(&fresh);
    fresh
        .run(&drill)
        .expect(2)
        .says("has no key for subjects yet");
    assert_eq!(everything(&fresh), before);
}
