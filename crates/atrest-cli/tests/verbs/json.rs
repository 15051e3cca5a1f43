//! `docs/json.md` and what `--json` prints: the same members, no more and no fewer.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Place;

const DOCUMENTED: &str = include_str!("../../../../docs/json.md");

/// The members that the tables below this heading list.
fn section(heading: &str) -> BTreeSet<String> {
    let text = DOCUMENTED
        .split("\n## ")
        .find(|section| section.lines().next() == Some(heading))
        .unwrap_or_else(|| panic!("docs/json.md has no section \"{heading}\""));
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[track_caller]
fn members(object: &Value) -> BTreeSet<String> {
    let object = object.as_object().unwrap_or_else(|| panic!("{object}"));
    object.keys().cloned().collect()
}

/// The first object of an array is documented in this section, member for member.
#[track_caller]
fn first(json: &Value, array: &str, heading: &str) {
    let listed = json[array].as_array().unwrap();
    assert!(!listed.is_empty(), "{array} of {json}");
    for object in listed {
        assert_eq!(members(object), section(heading), "{array}: {heading}");
    }
}

/// The envelope with these members more, each of them named in the documentation.
#[track_caller]
fn envelope(json: &Value, command: &str, more: &[&str]) {
    let mut want = section("The envelope");
    want.extend(more.iter().map(ToString::to_string));
    assert_eq!(members(json), want, "{command}");
    assert_eq!(json["command"], command);
    mentioned(json);
}

/// Every member, however deep, stands somewhere in the documentation. (Below
/// `sealed`, `unknown_keys` and `journal` the names are data.)
#[track_caller]
fn mentioned(json: &Value) {
    match json {
        Value::Array(list) => list.iter().for_each(mentioned),
        Value::Object(object) => {
            for (name, value) in object {
                assert!(
                    DOCUMENTED.contains(&format!("`{name}`")),
                    "{name} is not in docs/json.md"
                );
                match (name.as_str(), value) {
                    ("sealed" | "unknown_keys", _) => {}
                    ("journal", Value::Object(columns)) => columns.values().for_each(mentioned),
                    _ => mentioned(value),
                }
            }
        }
        _ => {}
    }
}

const COLUMN: &str = "A column: encrypt, rotate, decrypt, verify, status, bench";
const FOLLOWED: &str = "A column: restore, verify --against";

#[tokio::test]
async fn every_verb_prints_what_the_documentation_lists() {
    let place = Place::sqlite(20).await;
    let run = |arguments: &[&str], status| {
        let arguments = [arguments, &["--json"]].concat();
        place.run(&arguments).expect(status).json()
    };

    for arguments in [&["plan"][..], &["encrypt", "--dry-run"]] {
        let json = run(arguments, 0);
        envelope(&json, "plan", &["operation", "backup"]);
        let all: BTreeSet<_> = section(COLUMN)
            .union(&section("A column: plan"))
            .cloned()
            .collect();
        assert_eq!(members(&json["columns"][0]), all);
        mentioned(&json["backup"]);
    }
    let json = run(&["encrypt", "--backup", "kept.atrest"], 0);
    envelope(&json, "encrypt", &[]);
    first(&json, "columns", COLUMN);
    assert!(
        json["backups"][0]
            .as_str()
            .unwrap()
            .ends_with("kept.atrest")
    );
    let json = run(&["verify"], 0);
    let more = ["subjects_back", "subjects_begun", "subjects_due"];
    envelope(&json, "verify", &more);
    first(&json, "columns", COLUMN);

    let json = run(&["verify", "--against", "kept.atrest"], 0);
    envelope(&json, "verify", &["against"]);
    first(&json, "columns", FOLLOWED);
    assert_eq!(json["against"], "kept.atrest");
    let json = run(&["restore", "kept.atrest"], 0);
    envelope(&json, "restore", &["from"]);
    first(&json, "columns", FOLLOWED);
    assert_eq!(json["columns"][0]["changed"], 18);

    let json = run(&["encrypt", "--backup", "kept.atrest"], 0);
    envelope(&json, "encrypt", &[]);
    let json = run(&["status"], 0);
    let more = [
        "open_runs",
        "lost_keys",
        "subjects_back",
        "subjects_begun",
        "subjects_due",
        "keys",
        "journal",
    ];
    envelope(&json, "status", &more);
    first(&json, "columns", COLUMN);
    first(&json, "keys", "A key");
    assert!(json["journal"]["people.email"]["last_run"].is_object());
    let json = run(&["key", "list"], 0);
    envelope(&json, "key list", &["policy", "keys"]);
    first(&json, "keys", "A key");
    let json = run(&["inspect", "people", "7"], 0);
    envelope(&json, "inspect", &[]);
    first(&json, "columns", "A column: inspect");
    let json = run(&["bench", "--seconds", "0.01"], 0);
    envelope(&json, "bench", &["figures"]);
    first(&json, "columns", COLUMN);
    first(&json, "figures", "A figure");

    place.keys("primary = \"env:NEXT\"\nprevious = [\"env:KEY\"]");
    for (verb, more) in [
        ("rotate", &["subjects_rewrapped", "subjects_closed"][..]),
        ("decrypt", &[]),
    ] {
        let json = run(&[verb], 0);
        envelope(&json, verb, more);
        first(&json, "columns", COLUMN);
    }
}

#[tokio::test]
async fn every_verb_of_a_keyring_prints_what_the_documentation_lists() {
    let place = Place::sqlite(20).await;
    place.keys("keyring = \"atrest.keyring\"\nroot = \"env:KEY\"\nrotate_after = \"90d\"");
    let run = |command: &str, arguments: &[&str], more: &[&str]| {
        let verb: Vec<&str> = command.split(' ').collect();
        let arguments = [&verb[..], arguments, &["--json"]].concat();
        let json = place.run(&arguments).expect(0).json();
        envelope(&json, command, more);
        json
    };
    let first_key = run("key init", &[], &["keyring", "generation", "key"]);
    run("encrypt", &["--backup", "kept.atrest"], &[]);
    run(
        "rotate",
        &["--due"],
        &[
            "due",
            "key",
            "subjects_key",
            "subjects_rewrapped",
            "subjects_closed",
        ],
    );
    let rotated = ["keyring", "generation", "key", "previous_key"];
    run("key rotate", &[], &rotated);
    run("key rotate", &["--purpose", "subjects"], &rotated);
    run(
        "rotate",
        &["--no-backup"],
        &["subjects_rewrapped", "subjects_closed"],
    );
    let made = run(
        "key export",
        &["--shares", "2/2", "--out", "shares"],
        &["keyring", "set", "needed", "shares"],
    );
    let shares: Vec<&str> = made["shares"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| share.as_str().unwrap())
        .collect();
    let drill = [&["--backup", "kept.atrest", "--shares"][..], &shares].concat();
    let drilled = run("key drill", &drill, &["keyring", "drilled"]);
    first(&drilled, "columns", COLUMN);
    let moved = ["keyring", "generation", "root", "policy"];
    run("key rewrap", &["--root", "env:NEXT"], &moved);
    run("key recover", &shares, &moved);
    let due = run("key due", &[], &["keyring", "keys"]);
    first(&due, "keys", "A key");
    run(
        "key test",
        &["env:KEY"],
        &["source", "kind", "key_ids", "use_as"],
    );
    std::fs::remove_file(place.folder().join("kept.atrest")).unwrap();
    let id = first_key["key"].as_str().unwrap();
    run(
        "key retire",
        &[id, "--backups-deleted"],
        &["keyring", "generation", "key", "lost"],
    );
    let listed = run("key list", &[], &["policy", "keys"]);
    first(&listed, "keys", "A key");
    assert_eq!(listed["keys"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn every_verb_prints_of_files_what_the_documentation_lists() {
    let place = Place::sqlite(20).await;
    std::fs::create_dir(place.folder().join("clips")).unwrap();
    std::fs::write(place.folder().join("clips/a.mp4"), "made up").unwrap();
    let policy = |keys: &str| {
        let files = "[[files]]\nlocation = \"clips\"";
        place.policy(&format!("[keys]\n{keys}\n{files}\n"));
    };
    policy("primary = \"env:KEY\"");
    let run = |arguments: &[&str]| {
        let json = place
            .run(&[arguments, &["--json"]].concat())
            .expect(0)
            .json();
        mentioned(&json);
        json
    };
    const FILES: &str = "Files: encrypt, rotate, decrypt, verify, status";
    let plan = run(&["plan"]);
    let all = section(FILES)
        .union(&section("Files: plan"))
        .cloned()
        .collect();
    assert_eq!(members(&plan["files"][0]), all);
    for verb in ["encrypt", "verify", "status"] {
        first(&run(&[verb]), "files", FILES);
    }
    first(&run(&["inspect", "clips", "a.mp4"]), "files", "A file");
    first(&run(&["key", "list"]), "keys", "A key");
    let moved = run(&["file", "mv", "clips/a.mp4", "clips/b.mp4"]);
    envelope(&moved, "file mv", &[]);
    first(&moved, "files", "A file");
    std::fs::create_dir(place.folder().join("copy")).unwrap();
    let (clip, copy) = ("clips/b.mp4", "copy/b.mp4");
    std::fs::copy(place.folder().join(clip), place.folder().join(copy)).unwrap();
    let restored = "Files: restore, verify --against";
    let against = run(&["verify", "--against", "copy"]);
    envelope(&against, "verify", &["against"]);
    first(&against, "files", restored);
    let from = run(&["restore", "copy"]);
    envelope(&from, "restore", &["from"]);
    first(&from, "files", restored);
    policy("primary = \"env:NEXT\"\nprevious = [\"env:KEY\"]");
    for verb in ["rotate", "decrypt"] {
        first(&run(&[verb]), "files", FILES);
    }
}

#[tokio::test]
async fn init_and_what_could_not_run() {
    let place = Place::sqlite(20).await;
    let exists = place
        .run(&["init", "--url", place.db.url(), "--yes", "--json"])
        .expect(2)
        .json();
    assert_eq!(
        members(&exists),
        ["command", "error", "ok"].map(String::from).into()
    );
    std::fs::remove_file(place.folder().join("atrest.toml")).unwrap();
    let json = place
        .run(&["init", "--url", place.db.url(), "--yes", "--json"])
        .expect(0)
        .json();
    let more = [
        "policy",
        "keyring",
        "key_file",
        "key_id",
        "password_variable",
        "notes",
    ];
    envelope(&json, "init", &more);
    first(&json, "columns", "A column: init");

    for (arguments, command) in [
        (&["demo", "--json"][..], "demo"),
        (
            &["key", "list", "--json", "--policy", "none.toml"],
            "key list",
        ),
    ] {
        let json = place.run(arguments).expect(2).json();
        assert_eq!(json["command"], command);
        assert_eq!(json["ok"], false);
        assert!(DOCUMENTED.contains(&format!("`{command}`")));
    }
}
