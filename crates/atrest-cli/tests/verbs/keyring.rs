//! The life of a keyring by the command: made, rotated, rewrapped, retired, lost and
//! recovered, and what is refused.

use crate::support::{KEY, Place, ran};

const POLICY: &str = "keyring = \"atrest.keyring\"\nroot = \"env:KEY\"";

impl Place {
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).unwrap();
    }

    /// The ids of the keyring's keys for data, the newest last.
    fn ids(&self) -> Vec<String> {
        let text = self.read("atrest.keyring");
        let lines = text.lines().filter(|line| line.contains("\"data\""));
        let id = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["id"].as_str().unwrap().to_owned()
        };
        lines.map(id).collect()
    }
}

fn texts(shares: &[String]) -> Vec<&str> {
    shares.iter().map(String::as_str).collect()
}

/// From direct keys to a keyring, round its whole life, and back to clear text.
#[tokio::test]
async fn a_whole_life() {
    let place = Place::sqlite(60).await;
    let original = place.db.dump().await;
    place.run(&["encrypt"]).expect(0);

    // From a direct key: it goes on opening what it encrypted.
    place.keys("keyring = \"atrest.keyring\"\nroot = \"env:NEXT\"\nprevious = [\"env:KEY\"]");
    place.run(&["verify"]).expect(2).says("atrest key init");
    place.run(&["key", "init"]).expect(0).says("made, with key");
    place
        .run(&["key", "init"])
        .expect(2)
        .says("never overwritten");
    place.run(&["rotate"]).expect(0).says("54 rotated");
    // Without the direct key nothing can look into the backup that was written under it.
    let old = place.ids().remove(0);
    place.keys("keyring = \"atrest.keyring\"\nroot = \"env:NEXT\"");
    place.run(&["verify"]).expect(0);

    place
        .run(&["key", "rotate"])
        .expect(0)
        .says("only decrypts");
    let listed = place.run(&["key", "list"]).expect(0);
    let listed = listed.says("decrypt-only").says("54 values need it");
    listed.says("atrest.keyring");
    place
        .run(&["key", "retire", &old])
        .expect(2)
        .says("54 values need it")
        .says("cannot be looked into");
    place.run(&["rotate"]).expect(0).says("54 rotated");
    // The backup of that run holds tokens of the old key.
    place
        .run(&["key", "retire", &old])
        .expect(2)
        .says("the backup");
    for backup in place.backups() {
        std::fs::remove_file(backup).unwrap();
    }
    place
        .run(&["key", "retire", &old])
        .expect(2)
        .says("which is not there any more");
    place
        .run(&["key", "retire", &old, "--backups-deleted"])
        .expect(0)
        .says("is destroyed");
    place.run(&["key", "retire", &old]).expect(0);
    place.run(&["key", "list"]).expect(0).says("destroyed");
    let active = place.ids().pop().unwrap();
    place
        .run(&["key", "retire", &active, "--force", "--yes"])
        .expect(2)
        .says("another must take its place");
    place.run(&["verify"]).expect(0);
    place.run(&["decrypt"]).expect(0);
    place.db.dump().await.assert_same(&original);
}

#[tokio::test]
async fn rewrap_touches_the_keyring_and_one_line_of_the_policy() {
    let place = Place::sqlite(60).await;
    place.keys(&format!(
        "# the root\n{POLICY} # in the vault\nrotate_after = \"90d\""
    ));
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt"]).expect(0);
    let (rows, policy) = (place.db.dump().await, place.read("atrest.toml"));
    // A new root that does not work changes nothing.
    place
        .run(&["key", "rewrap", "--root", "env:NONE"])
        .expect(2)
        .says("NONE is not set")
        .says("nothing was changed");
    place.run(&["verify"]).expect(0);

    let rewrapped = place
        .run(&["key", "rewrap", "--root", "env:NEXT"])
        .expect(0);
    rewrapped.says("no value and no file was touched");
    place.db.dump().await.assert_same(&rows);
    assert_eq!(
        place.read("atrest.toml"),
        policy.replace("\"env:KEY\"", "\"env:NEXT\"")
    );
    place.run(&["verify"]).expect(0);

    // Ended between the keyring and the policy: it says what to write.
    place
        .run(&["key", "rewrap", "--root", "env:KEY", "--no-edit"])
        .expect(0)
        .says("root = \"env:KEY\"");
    place
        .run(&["verify"])
        .expect(2)
        .says("wrapped by `env:KEY`")
        .says("root");
    place.write(
        "atrest.toml",
        &place.read("atrest.toml").replace("env:NEXT", "env:KEY"),
    );
    place.run(&["verify"]).expect(0);
}

#[tokio::test]
async fn a_wrong_root_is_refused_before_anything_else_happens() {
    let place = Place::sqlite(20).await;
    place.keys(POLICY);
    place.run(&["key", "init"]).expect(0);
    let (rows, keyring) = (place.db.dump().await, place.read("atrest.keyring"));
    place.keys("keyring = \"atrest.keyring\"\nroot = \"env:NEXT\"");
    for verb in [
        &["encrypt"][..],
        &["key", "rotate"],
        &["key", "rewrap", "--root", "env:NEXT"],
    ] {
        place.run(verb).expect(2).says("does not open");
    }
    place.db.dump().await.assert_same(&rows);
    assert_eq!(place.read("atrest.keyring"), keyring);
    assert!(place.backups().is_empty());
}

#[tokio::test]
async fn a_lost_root_is_recovered_by_shares_and_the_drill_proves_it() {
    let place = Place::sqlite(60).await;
    place.keys(POLICY);
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--backup", "kept.atrest"]).expect(0);
    let shares = place.shares("2/3", "shares");
    let other = place.shares("2/3", "others");
    assert_eq!(shares.len(), 3);

    let keyring = place.read("atrest.keyring");
    let two = &texts(&shares)[1..];
    // No root: only the shares.
    let drill = [
        &["key", "drill", "--backup", "kept.atrest", "--shares"][..],
        two,
    ]
    .concat();
    let without_root = place.command(&drill).env_remove("KEY").output().unwrap();
    ran(without_root)
        .expect(0)
        .says("54 rows read to its end")
        .says("100 %")
        .says("open everything");
    assert_eq!(place.read("atrest.keyring"), keyring);

    let recover = |shares: &[&str]| {
        place.run(&[&["key", "recover", "--root", "env:NEXT"][..], shares].concat())
    };
    recover(&two[..1])
        .expect(2)
        .says("1 of the 2 recovery shares");
    recover(&[two[0], texts(&other)[0]])
        .expect(2)
        .says("were not made together");
    recover(&[two[0], two[0]]).expect(2).says("the same share");
    let damaged = std::fs::read_to_string(place.folder().join(two[0])).unwrap();
    place.write("damaged.share", &damaged.replacen(".2.3.", ".2.4.", 1));
    recover(&["damaged.share", two[1]])
        .expect(2)
        .says("checksum");
    recover(&["atrest.toml", two[1]])
        .expect(2)
        .says("is not a recovery share");
    assert_eq!(place.read("atrest.keyring"), keyring);
    recover(two).expect(0).says("recovered");
    place.run(&["verify"]).expect(0);

    // A new keyring key: older shares do not open it.
    place
        .run(&["key", "rewrap", "--root", "env:NEXT", "--renew-keyring-key"])
        .expect(0);
    place.run(&["verify"]).expect(0);
    recover(two).expect(2).says("do not open this keyring");
}

#[tokio::test]
async fn retire_by_force_says_what_is_lost() {
    let place = Place::sqlite(20).await;
    place.keys(POLICY);
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--no-backup"]).expect(0);
    place.run(&["key", "rotate"]).expect(0);
    let old = place.ids().remove(0);
    place
        .run(&["key", "retire", &old, "--force"])
        .expect(2)
        .says("--yes answers beforehand");
    place.run(&["verify"]).expect(0);
    place
        .run(&["key", "retire", &old, "--force", "--yes"])
        .expect(0)
        .says("will be lost: 18 values need it");
    place.run(&["verify"]).expect(1).says("undecryptable");
    place.run(&["key", "list"]).expect(0).says("they are lost");
}

/// The journal knows columns that the policy names no more.
#[tokio::test]
async fn retire_asks_for_columns_that_left_the_policy() {
    let place = Place::sqlite(20).await;
    let both = |more: &str| {
        place.policy(&format!(
            "[keys]\n{POLICY}\n\n[database]\nurl = \"{}\"\n\n[[column]]\ntable = \"people\"\nname = \"email\"\n{more}",
            place.db.url()
        ));
    };
    both("\n[[column]]\ntable = \"people\"\nname = \"note\"\n");
    place.run(&["key", "init"]).expect(0);
    place
        .run(&["encrypt", "--no-backup", "--apply-schema"])
        .expect(0);
    both("");
    place.run(&["key", "rotate"]).expect(0);
    place.run(&["rotate", "--no-backup"]).expect(0);
    let old = place.ids().remove(0);
    place
        .run(&["key", "retire", &old])
        .expect(2)
        .says("people.note, which was encrypted");
    both("\n[[column]]\ntable = \"people\"\nname = \"note\"\n");
    place.run(&["rotate", "--no-backup"]).expect(0);
    place.run(&["key", "retire", &old]).expect(0);
    place.run(&["verify"]).expect(0);
}

/// A run of another kind that ends in between is no rotation.
#[tokio::test]
async fn a_rotation_that_was_begun_is_not_forgotten() {
    let place = Place::sqlite(20).await;
    place.keys(&format!("{POLICY}\nrotate_after = \"90d\""));
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--no-backup"]).expect(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.run(&["key", "rotate"]).expect(0);
    let new = "INSERT INTO people VALUES (100, 'new@example.org', 'n')";
    place.db.execute(new).await;
    place.run(&["encrypt", "--no-backup"]).expect(0);
    place
        .run(&["rotate", "--due", "--no-backup"])
        .expect(0)
        .says("18 rotated");
}

#[tokio::test]
async fn keys_that_are_due_are_rotated_with_their_data_and_others_are_not() {
    let place = Place::sqlite(20).await;
    place.keys(POLICY);
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt"]).expect(0);
    place.run(&["key", "due"]).expect(2).says("rotate_after");
    place.keys(&format!("{POLICY}\nrotate_after = \"90d\""));
    place.run(&["key", "due"]).expect(0).says("No key is due");
    place
        .run(&["rotate", "--due"])
        .expect(0)
        .says("nothing was done");
    assert_eq!(place.ids().len(), 1);

    place.keys(&format!("{POLICY}\nrotate_after = \"1s\""));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    place
        .run(&["key", "due"])
        .expect(1)
        .says("atrest rotate --due");
    place.run(&["rotate", "--due", "--dry-run"]).expect(0);
    assert_eq!(place.ids().len(), 1, "a plan makes no key");
    place.run(&["rotate", "--due"]).expect(0).says("18 rotated");
    assert_eq!(place.ids().len(), 2);

    // A rotation that ended behind its key goes on, though no key is due any more.
    place.keys(&format!("{POLICY}\nrotate_after = \"90d\""));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.run(&["key", "rotate"]).expect(0);
    place.run(&["rotate", "--due"]).expect(0).says("18 rotated");
    place
        .run(&["rotate", "--due"])
        .expect(0)
        .says("nothing was done");
}

#[tokio::test]
async fn an_old_keyring_put_back_is_reported() {
    let place = Place::sqlite(20).await;
    place.keys(POLICY);
    place.run(&["key", "init"]).expect(0);
    let old = place.read("atrest.keyring");
    place.run(&["key", "rotate"]).expect(0);
    place.write("atrest.keyring", &old);
    place
        .run(&["verify"])
        .expect(2)
        .says("atrest.keyring.2")
        .says("--accept-older-keyring");
    place.run(&["verify", "--accept-older-keyring"]).expect(1);
    // The newest is there: it is put in its place, and not overtaken.
    place
        .run(&["key", "rotate", "--accept-older-keyring"])
        .expect(2)
        .says("put that copy in its place");
    let newest = place.read("atrest.keyring.2");
    place.write("atrest.keyring", &newest);
    place.run(&["key", "rotate"]).expect(0);
    place.run(&["verify"]).expect(1);
}

#[tokio::test]
async fn policies_name_one_form_and_verbs_say_when_there_is_no_keyring() {
    let place = Place::sqlite(20).await;
    for verb in [
        &["key", "init"][..],
        &["key", "rotate"],
        &["key", "due"],
        &["key", "rewrap", "--root", "env:NEXT"],
        &["key", "export", "--shares", "2/3", "--out", "shares"],
    ] {
        place
            .run(verb)
            .expect(2)
            .says("names no keyring")
            .says("atrest key init");
    }
    place.keys(&format!("primary = \"env:KEY\"\n{POLICY}"));
    place.run(&["verify"]).expect(2).says("only one of them");
    place.keys("root = \"env:KEY\"");
    place.run(&["verify"]).expect(2).says("without a keyring");
    place.keys("keyring = \"atrest.keyring\"");
    place.run(&["verify"]).expect(2).says("root");
    place.keys("primary = \"env:KEY\"\nrotate_after = \"90d\"");
    place.run(&["verify"]).expect(2).says("there is none");
    place.keys(&format!("{POLICY}\nrotate_after = \"soon\""));
    place.run(&["verify"]).expect(2).says("90d");
    place.keys("keyring = \"atrest.keyring\"\nroot = \"password:env:KEY?salt=AAAAAAAAAAAAAAAAAAAAAA&iterations=100000\"");
    place.run(&["key", "init"]).expect(2).says("iterations");
}

#[tokio::test]
async fn a_source_is_tried() {
    let place = Place::sqlite(20).await;
    place
        .run(&["key", "test", "env:KEY"])
        .expect(0)
        .says("delivers the key")
        .says("wrapped and unwrapped");
    place
        .run(&["key", "test", "env:NONE"])
        .expect(2)
        .says("NONE is not set");
    place.run(&["key", "test", KEY]).expect(2).hides(KEY);
    place
        .run(&["key", "test", "file:none.key"])
        .expect(2)
        .says("cannot read");
    std::fs::remove_file(place.folder().join("atrest.toml")).unwrap();
    place.run(&["key", "test", "env:NEXT"]).expect(0);
}
