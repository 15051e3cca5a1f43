//! What proves that a key can go, where keys are subjects', files are changed just now,
//! or not everything was counted.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use atrest_testing::ScratchDatabase;

use crate::forget::place;
use crate::support::Place;

impl Place {
    /// The id of the keyring's oldest key for data.
    fn oldest(&self) -> String {
        let text = fs::read_to_string(self.folder().join("atrest.keyring")).unwrap();
        let line = text.lines().find(|line| line.contains("\"data\"")).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["id"].as_str().unwrap().to_owned()
    }
}

async fn backups_of_subjects(db: ScratchDatabase) {
    let place = place(db, "").await;
    let old = place.oldest();
    place.run(&["key", "rotate"]).expect(0);
    place.run(&["rotate", "--backup", "r.atrest"]).expect(0);
    // Its originals are tokens under keys of subjects, and of subjects only.
    let decrypt = ["decrypt", "--backup", "kept.atrest"];
    place.run(&decrypt).expect(0);
    place.run(&["encrypt", "--no-backup"]).expect(0);
    for backup in place.backups() {
        if !backup.ends_with("kept.atrest") {
            fs::remove_file(backup).unwrap();
        }
    }
    let shares = place.shares("2/2", "shares");
    let shares: Vec<&str> = shares.iter().map(String::as_str).collect();
    let drill = |status| {
        let drill = [
            "key",
            "drill",
            "--json",
            "--backup",
            "kept.atrest",
            "--shares",
        ];
        let drilled = place.run(&[&drill[..], &shares].concat());
        drilled.expect(status).json()["drilled"][0].clone()
    };
    let drilled = drill(0);
    assert_eq!(drilled["of_subjects"], 27, "{drilled}");
    assert_eq!(drilled["undecryptable"], 0);
    assert_eq!(drilled["missing_keys"], serde_json::json!([]));

    // What was forgotten is meant to be gone from the backup, too.
    place
        .run(&["forget", "anna", "--yes", "--backups-deleted"])
        .expect(0);
    let drilled = drill(0);
    assert_eq!(drilled["of_subjects"], 16, "{drilled}");
    assert_eq!(drilled["forgotten"], 11);

    place
        .run(&["key", "retire", &old, "--backups-deleted"])
        .expect(0)
        .says("is destroyed");
    place.run(&["verify"]).expect(0);

    // A key that no record of a subject has is still one that is missing.
    let records = "DELETE FROM atrest_keys WHERE name LIKE 'subject:%'";
    place.db.execute(records).await;
    let drilled = drill(1);
    assert_eq!(drilled["undecryptable"], 27, "{drilled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    backups_of_subjects(ScratchDatabase::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    backups_of_subjects(ScratchDatabase::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb() {
    backups_of_subjects(ScratchDatabase::mariadb().await).await;
}

/// A run that is stopped half-way; it goes on, and ends, when this is dropped.
struct Stopped(Child);

impl Stopped {
    fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([name, &self.0.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
        self.0.wait().unwrap();
    }
}

/// A run over files may seal under the key that it began with.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_while_a_run_over_files_goes_on() {
    let place = Place::sqlite(1).await;
    place.policy(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[[files]]\nlocation = \"clips\"\n",
    );
    place.run(&["key", "init"]).expect(0);
    let clips = place.folder().join("clips");
    fs::create_dir(&clips).unwrap();
    let large = fs::File::create(clips.join("large")).unwrap();
    large.set_len(64 << 20).unwrap();
    let encrypt = place.command(&["encrypt", "--workers", "1"]).spawn();
    let begun = Instant::now();
    let running = Stopped(encrypt.unwrap());
    while fs::read_dir(&clips).unwrap().count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    running.signal("-STOP");
    let old = place.oldest();
    place.run(&["key", "rotate"]).expect(0);
    place
        .run(&["key", "retire", &old])
        .expect(2)
        .says("the run over clips, which is going on");
    drop(running);
    place
        .run(&["key", "retire", &old])
        .expect(2)
        .says("1 files need it");
    place.run(&["rotate"]).expect(0);
    place.run(&["key", "retire", &old]).expect(0);
    place.run(&["verify"]).expect(0);
}

/// Values of what was not looked at may need it.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_policy_does_not_free_a_key() {
    let place = Place::sqlite(20).await;
    place.policy(&format!(
        "[keys]\nkeyring = \"atrest.keyring\"\nroot = \"env:KEY\"\n\n[database]\nurl = \"{}\"\n\n\
         [[column]]\ntable = \"people\"\nname = \"email\"\n\n\
         [[column]]\ntable = \"people\"\nname = \"note\"\n\n\
         [[files]]\nlocation = \"clips\"\nsubject = \"{{subject}}/**\"\n",
        place.db.url()
    ));
    fs::create_dir(place.folder().join("clips")).unwrap();
    place.run(&["key", "init"]).expect(0);
    place.run(&["encrypt", "--apply-schema"]).expect(0);
    let old = place.oldest();
    place.run(&["key", "rotate"]).expect(0);
    place.run(&["rotate", "--only", "people.email"]).expect(0);
    let can_retire = |arguments: &[&str]| {
        let listed = place.run(&[arguments, &["--json"]].concat());
        let listed = listed.expect(0).json();
        let keys = listed["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["key"] == *old).unwrap().clone();
        key["can_retire"].clone()
    };
    for verb in [&["key", "list"][..], &["status"]] {
        assert_eq!(can_retire(verb), false, "{verb:?}");
        let only = [verb, &["--only", "people.email"]].concat();
        assert_eq!(can_retire(&only), serde_json::Value::Null, "{verb:?}");
    }
    place.run(&["rotate"]).expect(0);
    assert_eq!(can_retire(&["key", "list"]), true);
}
