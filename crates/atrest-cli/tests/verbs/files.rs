//! `[[files]]` of a policy under the verbs, beside columns and alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atrest_testing::earlier::aes_256_cbc;
use serde_json::{Value, json};

use crate::support::{Place, Ran, ran};

const FILES: &str = "[[files]]\nlocation = \"clips\"\n";
const BOTH: &str = "primary = \"env:NEXT\"\nprevious = [\"env:KEY\"]";

/// `clips/` with files of odd lengths, and a policy of the column and them.
async fn place() -> Place {
    let place = Place::sqlite(20).await;
    for (name, length) in [
        ("a.mp4", 100_000),
        ("gate/b.mp4", 16_384),
        ("gate/c.jpg", 1),
        ("gate/empty", 0),
    ] {
        let path = place.folder().join("clips").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
        fs::write(path, bytes).unwrap();
    }
    policy(&place, "primary = \"env:KEY\"", FILES);
    place
}

/// The policy of `people.email` with these keys, and more.
fn policy(place: &Place, keys: &str, more: &str) {
    place.policy(&format!(
        "[keys]\n{keys}\n[database]\nurl = \"{}\"\n[[column]]\ntable = \"people\"\nname = \"email\"\n{more}",
        place.db.url()
    ));
}

/// Every file below the folder, by its path there.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let below = path.strip_prefix(root).unwrap().to_owned();
                found.insert(below, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

fn clips(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    tree(&place.folder().join("clips"))
}

fn sealed(place: &Place) -> usize {
    let clips = clips(place);
    clips
        .values()
        .filter(|bytes| bytes.starts_with(b"ATREST"))
        .count()
}

#[track_caller]
fn json_of(place: &Place, arguments: &[&str], status: i32) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    place.run(&arguments).expect(status).json()
}

#[tokio::test]
async fn columns_and_files_live_one_life_under_one_report() {
    let place = place().await;
    let (rows, files) = (place.db.dump().await, clips(&place));

    let plan = json_of(&place, &["plan"], 0);
    assert_eq!(
        (&plan["columns"][0]["due"], &plan["files"][0]["due"]),
        (&json!(18), &json!(4))
    );
    assert_eq!(plan["files"][0]["due_bytes"], 116_385);
    place
        .run(&["encrypt", "--dry-run"])
        .expect(0)
        .says("18 values and 4 files to encrypt");
    assert_eq!(clips(&place), files, "a plan changes nothing");

    let done = json_of(&place, &["encrypt"], 0);
    assert_eq!(
        (&done["columns"][0]["changed"], &done["files"][0]["changed"]),
        (&json!(18), &json!(4))
    );
    assert_eq!((place.tokens().await, sealed(&place)), (18, 4));
    let verified = json_of(&place, &["verify"], 0);
    assert_eq!(
        verified["files"][0]["sealed"]
            .as_object()
            .unwrap()
            .values()
            .next(),
        Some(&json!(4))
    );
    assert_eq!(verified["files"][0]["bytes"], 116_385);

    policy(&place, BOTH, FILES);
    let keys = json_of(&place, &["key", "list"], 0);
    let old = &keys["keys"][1];
    assert_eq!(
        (&old["values"], &old["files"], &old["can_retire"]),
        (&json!(18), &json!(4), &json!(false))
    );
    place.run(&["rotate", "--only", "people.email"]).expect(0);
    let keys = json_of(&place, &["key", "list"], 0);
    let old = &keys["keys"][1];
    assert_eq!(
        (&old["values"], &old["files"], &old["can_retire"]),
        (&json!(0), &json!(4), &json!(false))
    );
    assert!(
        old["reason"]
            .as_str()
            .unwrap()
            .contains("4 files need it: run atrest rotate")
    );
    place.run(&["rotate"]).expect(0).says("4 files rotated");
    assert_eq!(
        json_of(&place, &["status"], 0)["keys"][1]["can_retire"],
        true
    );

    policy(&place, "primary = \"env:NEXT\"", FILES);
    place
        .run(&["verify"])
        .expect(0)
        .says("Clean: every value and every file");
    place
        .run(&["decrypt"])
        .expect(0)
        .says("Every value and every file is clear again.");
    assert!(clips(&place) == files && place.db.dump().await == rows);
}

#[tokio::test]
async fn a_policy_of_files_alone_needs_no_database() {
    let place = place().await;
    let before = clips(&place);
    place.policy(&format!("[keys]\nprimary = \"env:KEY\"\n{FILES}"));
    for (arguments, says) in [
        (&["plan"][..], "4 files to encrypt"),
        (&["encrypt"], "clips: 4 files encrypted"),
        (&["verify"], "Clean"),
        (&["status"], "it encrypts new values"),
        (&["key", "list"], "it encrypts new values"),
        (&["decrypt"], "clips: 4 files decrypted"),
    ] {
        place.run(arguments).expect(0).says(says);
    }
    assert_eq!(clips(&place), before);
    place
        .run(&["restore", "x.atrest"])
        .expect(2)
        .says("this is about columns");
    assert!(place.backups().is_empty());
}

#[tokio::test]
async fn only_takes_a_location() {
    let place = place().await;
    place
        .run(&["encrypt", "--only", "clips"])
        .expect(0)
        .hides("people.email");
    assert_eq!((place.tokens().await, sealed(&place)), (0, 4));
    place.run(&["verify"]).expect(1).says("Not clean");
    place
        .run(&["encrypt", "--only", "people.email"])
        .expect(0)
        .hides("clips");
    place.run(&["verify"]).expect(0);
    place
        .run(&["verify", "--only", "clip"])
        .expect(2)
        .says("atrest.toml has no column and no files `clip`; did you mean `clips`?");
}

/// A folder that is not there is told before the columns are changed, and a clear file
/// is never called clean.
#[tokio::test]
async fn what_is_wrong_with_a_folder_is_said_first() {
    let place = place().await;
    policy(
        &place,
        "primary = \"env:KEY\"",
        "[[files]]\nlocation = \"none\"\n",
    );
    let missing = place.run(&["encrypt"]).expect(2);
    missing.says("cannot open the folder ").says("none");
    assert_eq!(place.tokens().await, 0);
    place
        .run(&["key", "list"])
        .expect(0)
        .says("values and files were not counted");

    policy(&place, "primary = \"env:KEY\"", FILES);
    place.run(&["encrypt"]).expect(0);
    fs::write(place.folder().join("clips/new.mp4"), "clear").unwrap();
    place.run(&["verify"]).expect(1).says("Not clean");
    place.run(&["status"]).expect(1);
    place
        .run(&["inspect", "clips", "new.mp4"])
        .expect(1)
        .says("plaintext")
        .hides("key: ");
    place.run(&["encrypt"]).expect(0).says("1 files encrypted");
    place.run(&["verify"]).expect(0);
}

/// The location is the policy's own folder: what atrest and the database live on stays.
#[tokio::test]
async fn atrests_own_files_below_a_location_stay_as_they_are() {
    let place = place().await;
    let here = place.folder().to_owned();
    place
        .run(&["key", "generate", "--out", "old.key"])
        .expect(0);
    fs::write(here.join(".env"), "SOME=thing\n").unwrap();
    #[cfg(unix)]
    fs::set_permissions(
        here.join(".env"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    policy(
        &place,
        "primary = \"env:KEY\"\nprevious = [\"file:old.key\"]",
        "[[files]]\nlocation = \".\"\n",
    );
    for arguments in [
        &["encrypt"][..],
        &["encrypt", "--backup", "mine.atrest"],
        &["verify"],
    ] {
        place.run(arguments).expect(0);
    }
    assert_eq!((place.tokens().await, sealed(&place)), (18, 4));
    for name in ["atrest.toml", ".env", "old.key"] {
        assert!(
            !fs::read(here.join(name)).unwrap().starts_with(b"ATREST"),
            "{name}"
        );
    }
    let backup = place.backups().remove(0);
    place
        .run(&["verify", "--against", backup.to_str().unwrap()])
        .expect(0);
    place.run(&["decrypt"]).expect(0);
    assert_eq!((place.tokens().await, sealed(&place)), (0, 0));
}

#[tokio::test]
async fn two_clips_that_were_swapped_are_told() {
    let place = place().await;
    place.run(&["encrypt"]).expect(0);
    let path = |name: &str| place.folder().join("clips").join(name);
    for (from, to) in [("a.mp4", "x"), ("gate/b.mp4", "a.mp4"), ("x", "gate/b.mp4")] {
        fs::rename(path(from), path(to)).unwrap();
    }
    let found = json_of(&place, &["verify"], 1);
    let named = found["files"][0]["undecryptable_files"].as_array().unwrap();
    let names: Vec<_> = named
        .iter()
        .map(|one| one["file"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a.mp4", "gate/b.mp4"]);
    let before = clips(&place);
    place
        .run(&["decrypt"])
        .expect(1)
        .says("does not belong here");
    assert_eq!(
        clips(&place)[Path::new("a.mp4")],
        before[Path::new("a.mp4")]
    );
    place
        .run(&["inspect", "clips", "a.mp4"])
        .expect(1)
        .says("undecryptable");
    // Back in their places they open.
    for (from, to) in [("a.mp4", "x"), ("gate/b.mp4", "a.mp4"), ("x", "gate/b.mp4")] {
        fs::rename(path(from), path(to)).unwrap();
    }
    place.run(&["decrypt"]).expect(0);
    assert_eq!(sealed(&place), 0);
}

#[tokio::test]
async fn one_file_of_a_location() {
    let place = place().await;
    let clear = clips(&place)[Path::new("gate/b.mp4")].clone();
    place.run(&["encrypt"]).expect(0);
    let says = place.run(&["inspect", "clips", "gate/b.mp4"]).expect(0);
    says.says("sealed, 16.0 KiB clear").says("bind:   path");
    place
        .run(&["inspect", "clips", "gate/none"])
        .expect(2)
        .says("there is no file gate/none in clips");
    place
        .run(&["inspect", "clips", "../atrest.toml"])
        .expect(1)
        .says("skipped")
        .hides("KEY");
    place
        .run(&["inspect", "clips", "a.mp4", "--reveal"])
        .expect(2)
        .says("atrest file cat clips/a.mp4");
    // The name that it is bound to is the policy's affair, from any folder.
    let cat = |arguments: &[&str], folder: &Path| {
        let mut command = place.command(arguments);
        command.current_dir(folder).output().unwrap()
    };
    let output = cat(&["file", "cat", "clips/gate/b.mp4"], place.folder());
    assert!(output.stdout == clear, "{output:?}");
    let gate = place.folder().join("clips/gate");
    let output = cat(
        &["file", "cat", "b.mp4", "--policy", "../../atrest.toml"],
        &gate,
    );
    assert!(output.stdout == clear, "{output:?}");
    let refused = ran(cat(
        &["file", "cat", "clips/gate/b.mp4", "--id", ""],
        place.folder(),
    ));
    refused.expect(2).says("does not belong here");

    place
        .run(&["file", "mv", "clips/gate/b.mp4", "clips/a.mp4"])
        .expect(2)
        .says("exists");
    place
        .run(&["file", "mv", "clips/gate/b.mp4", "clips/moved.mp4"])
        .expect(0);
    place.run(&["verify"]).expect(0);
    let output = cat(&["file", "cat", "clips/moved.mp4"], place.folder());
    assert!(output.stdout == clear && !gate.join("b.mp4").exists());
    // Out of the location it is bound to nothing.
    place
        .run(&["file", "mv", "clips/moved.mp4", "out"])
        .expect(0);
    let opened = ran(cat(&["file", "verify", "out", "--id", ""], place.folder()));
    opened.expect(0);
    place
        .run(&["file", "mv", "atrest.toml", "x"])
        .expect(2)
        .says("left it as it is");
    // A clear file that is sealed into the location is bound to its place there.
    fs::write(place.folder().join("in.mp4"), &clear).unwrap();
    place
        .run(&["file", "seal", "in.mp4", "clips/in.mp4"])
        .expect(0);
    place.run(&["verify"]).expect(0);
}

/// A copy of the encrypted folder is a backup: what no longer opens comes back from it,
/// and nothing that is newer is overwritten unasked.
#[tokio::test]
async fn damaged_files_come_back_from_a_copy() {
    let place = place().await;
    let clear = clips(&place);
    place.run(&["encrypt", "--only", "clips"]).expect(0);
    let copy = place.folder().join("copy");
    for (name, bytes) in clips(&place) {
        fs::create_dir_all(copy.join(&name).parent().unwrap()).unwrap();
        fs::write(copy.join(&name), bytes).unwrap();
    }
    let only = ["--only", "clips"];
    let run = |verb: &[&str]| place.run(&[verb, &only[..]].concat());
    run(&["verify", "--against", "copy"])
        .expect(0)
        .says("holds the same");

    let folder = place.folder().join("clips");
    let mut damaged = fs::read(folder.join("a.mp4")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(folder.join("a.mp4"), damaged).unwrap();
    fs::write(folder.join("gate/b.mp4"), "newer").unwrap();
    fs::remove_file(folder.join("gate/c.jpg")).unwrap();
    let mut bad = fs::read(copy.join("gate/empty")).unwrap();
    bad[80] ^= 1;
    fs::write(copy.join("gate/empty"), bad).unwrap();

    let json = json_of(
        &place,
        &["verify", "--against", "copy", "--only", "clips"],
        1,
    );
    let report = &json["files"][0];
    let counts = [
        "entries",
        "same",
        "changed_since",
        "missing",
        "undecryptable",
        "skipped",
    ];
    let counts: Vec<_> = counts
        .iter()
        .map(|name| report[name].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [3, 0, 1, 1, 1, 1]);
    run(&["restore", "copy"])
        .expect(1)
        .says("clips/gate/c.jpg: it is gone")
        .says("the copy of it does not open");
    assert_eq!(fs::read(folder.join("gate/b.mp4")).unwrap(), b"newer");
    assert!(!folder.join("gate/c.jpg").exists());
    let output = place
        .command(&["file", "cat", "clips/a.mp4"])
        .output()
        .unwrap();
    assert!(output.stdout == clear[Path::new("a.mp4")]);

    // What another key seals is newer for all that is known: it stays.
    policy(&place, BOTH, FILES);
    place.run(&["rotate", "--only", "clips"]).expect(1);
    policy(&place, "primary = \"env:KEY\"", FILES);
    let rotated = fs::read(folder.join("a.mp4")).unwrap();
    run(&["restore", "copy"])
        .expect(1)
        .says("add that key to keys.previous");
    assert!(fs::read(folder.join("a.mp4")).unwrap() == rotated);
    policy(&place, BOTH, FILES);

    run(&["restore", "copy", "--force"]).expect(1);
    let output = place
        .command(&["file", "cat", "clips/gate/b.mp4"])
        .output()
        .unwrap();
    assert!(output.stdout == clear[Path::new("gate/b.mp4")]);
    fs::copy(copy.join("gate/c.jpg"), folder.join("gate/c.jpg")).unwrap();
    // A copy of links holds nothing.
    fs::rename(copy.join("a.mp4"), place.folder().join("kept")).unwrap();
    std::os::unix::fs::symlink(folder.join("a.mp4"), copy.join("a.mp4")).unwrap();
    run(&["verify", "--against", "copy"])
        .expect(1)
        .says("clips/a.mp4: the copy of it is a symbolic link");
    fs::rename(place.folder().join("kept"), copy.join("a.mp4")).unwrap();
    fs::copy(folder.join("gate/empty"), copy.join("gate/empty")).unwrap();
    run(&["restore", "copy"]).expect(0);
    run(&["decrypt"]).expect(0);
    assert!(clips(&place) == clear);
    place
        .run(&["restore", "copy", "--only", "people.email"])
        .expect(2)
        .says("name that location with --only");
}

/// Killed at any moment, each file is clear or sealed, and the same command ends it.
#[tokio::test]
async fn killed_again_and_again_every_file_stays_whole() {
    let place = place().await;
    let folder = place.folder().join("clips/many");
    fs::create_dir_all(&folder).unwrap();
    for n in 0..400u32 {
        fs::write(folder.join(n.to_string()), n.to_le_bytes().repeat(5_000)).unwrap();
    }
    let before = clips(&place);
    for verb in ["encrypt", "decrypt"] {
        let mut kills = 0;
        for wait in (0u64..).map(|n| Duration::from_millis(20 + n * 13 % 90)) {
            let mut child = place.command(&[verb, "--only", "clips"]).spawn().unwrap();
            std::thread::sleep(wait);
            let done = child.try_wait().unwrap().is_some();
            let _ = child.kill();
            child.wait().unwrap();
            if done || kills == 30 {
                break;
            }
            kills += 1;
        }
        assert!(kills > 0, "{verb} was never killed");
        let last: Ran = place.run(&[verb, "--only", "clips"]).expect(0);
        drop(last);
        let verified = place.run(&["verify", "--only", "clips"]);
        verified.expect(i32::from(verb == "decrypt"));
    }
    assert!(
        clips(&place) == before,
        "every byte is back, and nothing more"
    );
}

/// What an earlier system wrote is taken over whole, or not at all, and can be had back.
#[tokio::test]
async fn files_of_an_earlier_system_are_taken_over() {
    let place = place().await;
    let clear = clips(&place);
    let folder = place.folder().join("clips");
    for (name, bytes) in &clear {
        fs::write(folder.join(name), aes_256_cbc(&[0x22; 32], bytes)).unwrap();
    }
    let old = clips(&place);
    let key = "2222222222222222222222222222222222222222222222222222222222222222";
    let run = |arguments: &[&str], key: &str| {
        let mut command =
            place.command(&[&["encrypt", "--from", "aes-256-cbc"], arguments].concat());
        ran(command.env("OLD", key).output().unwrap())
    };
    let key_of = ["--only", "clips", "--from-key", "env:OLD"];
    let with = |more: &[&'static str]| [&key_of[..], more].concat();

    run(&key_of, key).expect(2).says("--originals");
    run(&["--from-key", "env:OLD", "--originals", "kept"], key)
        .expect(2)
        .says("--only");
    run(&with(&["--originals", "clips/kept"]), key)
        .expect(2)
        .says("lies in clips");
    // Under another key none opens; beside one that is clear, none is changed.
    let wrong = key.replace('2', "3");
    run(&with(&["--originals", "kept"]), &wrong)
        .expect(1)
        .says("check the key");
    fs::write(folder.join("stray"), "no such file").unwrap();
    let refused = run(&with(&["--originals", "kept"]), key).expect(1);
    refused.says("clips/stray").says("0 files encrypted");
    run(&with(&["--originals", "kept", "--dry-run"]), key)
        .expect(1)
        .says("clips/stray")
        .says("Refused as it stands");
    fs::remove_file(folder.join("stray")).unwrap();
    run(&with(&["--originals", "kept", "--dry-run"]), key)
        .expect(0)
        .says("4 files to encrypt");
    assert_eq!(clips(&place), old);
    assert!(!place.folder().join("kept").exists(), "nothing was changed");

    let done = run(&with(&["--originals", "kept"]), key).expect(0);
    done.says("has no MAC").says("4 files encrypted (113.7 KiB");
    assert_eq!(tree(&place.folder().join("kept")), old);
    // Again: nothing is left to take over.
    run(&with(&["--originals", "kept"]), key)
        .expect(0)
        .says("0 files encrypted");
    place.run(&["decrypt", "--only", "clips"]).expect(0);
    assert!(clips(&place) == clear);
}

/// Ctrl-C ends it soon, and says how to go on.
#[tokio::test]
async fn ctrl_c_leaves_each_file_whole() {
    let place = place().await;
    let large = vec![7; 100_000_000];
    fs::write(place.folder().join("clips/large"), &large).unwrap();
    let child = place
        .command(&["encrypt", "--only", "clips", "--workers", "1"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(120));
    let pid = i32::try_from(child.id()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let stopped = ran(child.wait_with_output().unwrap());
    if stopped.status == 2 {
        stopped
            .says("stopped in clips")
            .says("run the same command again");
    }
    place.run(&["encrypt", "--only", "clips"]).expect(0);
    place.run(&["decrypt", "--only", "clips"]).expect(0);
    assert!(clips(&place)[Path::new("large")] == large);
}

/// A file that takes the name meanwhile is somebody's newer one.
#[tokio::test]
async fn file_mv_removes_nothing_but_what_it_moved() {
    let place = place().await;
    let folder = place.folder().join("clips");
    fs::write(folder.join("large"), vec![7; 60_000_000]).unwrap();
    place.run(&["encrypt", "--only", "clips"]).expect(0);
    fs::write(place.folder().join("newer"), "newer").unwrap();
    let mut command = place.command(&["file", "mv", "clips/large", "clips/new/large"]);
    let command = command.stdout(std::process::Stdio::piped());
    let child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It has begun when its temporary file is there.
    let begun = || fs::read_dir(folder.join("new")).is_ok_and(|mut names| names.next().is_some());
    while !begun() {
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::rename(place.folder().join("newer"), folder.join("large")).unwrap();
    let moved = ran(child.wait_with_output().unwrap());
    assert_eq!(fs::read(folder.join("large")).unwrap(), b"newer");
    moved
        .expect(2)
        .says("changed or replaced meanwhile, so it was left");
    place.run(&["file", "verify", "clips/new/large"]).expect(0);
}

/// Who may not give files away changes none that is another's: the new file would be
/// the runner's own, and shut others out.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_of_somebody_else_is_left_by_who_may_not_give_it_away() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can make a file of somebody else's");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let open =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_atrest"), path("atrest")).unwrap();
    fs::create_dir(path("clips")).unwrap();
    open(place.path(), 0o755);
    open(&path("clips"), 0o777);
    fs::write(path("clips/root's"), "clip").unwrap();
    open(&path("clips/root's"), 0o644);
    fs::write(
        path("atrest.toml"),
        format!("[keys]\nprimary = \"env:KEY\"\n{FILES}"),
    )
    .unwrap();
    let mut command = std::process::Command::new(path("atrest"));
    command.arg("encrypt").current_dir(place.path()).env_clear();
    command
        .env("KEY", crate::support::KEY)
        .uid(65_534)
        .gid(65_534);
    let left = ran(command.output().unwrap());
    left.expect(1)
        .says("it belongs to user 0, group 0, and only root may give a file away");
    assert_eq!(fs::read(path("clips/root's")).unwrap(), b"clip");
    assert_eq!(fs::metadata(path("clips/root's")).unwrap().uid(), 0);
    assert_eq!(tree(&path("clips")).len(), 1);
}
