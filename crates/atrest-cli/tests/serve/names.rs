//! What clients may name.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{FILES, Place};

/// `rotate` and `status` look at what the policy means alone.
#[test]
fn what_the_policy_leaves_out_cannot_be_put() {
    let globs = "include = [\"*.mp4\"]\nexclude = [\"cache/\"]\n";
    let place = Place::new(&format!("{FILES}{globs}"));
    let serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/gate/a.mp4", "", b"1").0, 201);
    for name in ["a.txt", "cache/a.mp4", "gate/cache/b/a.mp4"] {
        let (status, said) = serving.ask(&format!("PUT /clips/{name}"), "", b"1");
        let said = String::from_utf8(said).unwrap();
        assert_eq!(status, 403, "{name} {said}");
        assert!(said.contains("left out"), "{said}");
        assert!(!place.path("clips").join(name).exists(), "{name}");
    }
}

#[test]
fn backups_are_neither_given_nor_replaced_nor_deleted() {
    let place = Place::new(FILES);
    let name = "atrest-backup-20260102-030405.atrest";
    let file = place.path("clips").join(name);
    fs::write(&file, "a backup").unwrap();
    let serving = place.serve(&["--no-auth"]);
    for (method, want) in [("GET", 404), ("HEAD", 404), ("PUT", 403), ("DELETE", 404)] {
        let status = serving.ask(&format!("{method} /clips/{name}"), "", b"").0;
        assert_eq!(status, want, "{method}");
    }
    assert_eq!(fs::read(file).unwrap(), b"a backup");
}

#[test]
fn no_link_leads_to_a_file_of_atrests_own() {
    let place = Place::new(FILES);
    std::os::unix::fs::symlink("..", place.path("clips/up")).unwrap();
    std::os::unix::fs::symlink("../atrest.toml", place.path("clips/soft")).unwrap();
    fs::hard_link(place.path("atrest.toml"), place.path("clips/hard")).unwrap();
    let serving = place.serve(&["--no-auth"]);
    for name in ["up/atrest.toml", "soft", "hard"] {
        for (method, want) in [("GET", 404), ("PUT", 409), ("DELETE", 404)] {
            let status = serving.ask(&format!("{method} /clips/{name}"), "", b"x").0;
            assert_eq!(status, want, "{method} {name}");
        }
    }
    assert_eq!(
        fs::read_to_string(place.path("atrest.toml")).unwrap(),
        FILES
    );
}

/// Who opens a pipe that nobody writes to waits for ever.
#[test]
fn a_pipe_in_the_folder_holds_nobody_up() {
    let place = Place::new(FILES);
    let pipe = place.path("clips/pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("pipe", place.path("clips/link")).unwrap();
    let serving = place.serve(&["--no-auth"]);
    for name in ["pipe", "link"] {
        for (method, want) in [("GET", 404), ("HEAD", 404), ("PUT", 409), ("DELETE", 404)] {
            let status = serving.ask(&format!("{method} /clips/{name}"), "", b"").0;
            assert_eq!(status, want, "{method} {name}");
        }
    }
    let list: Value = serde_json::from_slice(&serving.ask("GET /clips", "", b"").1).unwrap();
    assert_eq!(list["clips"], serde_json::json!([]));
    // As a blocking thread would have been held, this tells by its end.
    serving.signal(Signal::TERM);
    let mut serving = serving;
    assert_eq!(serving.end().0, 0);
}

#[test]
fn a_folder_whose_last_object_was_deleted_is_in_no_name_s_way() {
    let place = Place::new(FILES);
    let serving = place.serve(&["--no-auth"]);
    assert_eq!(serving.ask("PUT /clips/d/e/x", "", b"1").0, 201);
    assert_eq!(serving.ask("DELETE /clips/d/e/x", "", b"").0, 204);
    assert_eq!(serving.ask("PUT /clips/d", "", b"2").0, 201);
    assert_eq!(serving.ask("DELETE /clips/d", "", b"").0, 204);
    assert!(place.path("clips").is_dir(), "the location itself stays");
}

/// A folder may be removed at the moment when an upload wants to write to it.
#[test]
fn uploads_and_deletions_in_one_folder_do_not_fail_each_other() {
    let place = Place::new(FILES);
    let serving = place.serve(&["--no-auth"]);
    std::thread::scope(|scope| {
        for client in 0..6 {
            let serving = &serving;
            scope.spawn(move || {
                let target = format!("/clips/d/e/{client}");
                for round in 0..60 {
                    let put = serving.ask(&format!("PUT {target}"), "", b"1").0;
                    assert_eq!(put, 201, "round {round}");
                    let deleted = serving.ask(&format!("DELETE {target}"), "", b"").0;
                    assert_eq!(deleted, 204, "round {round}");
                }
            });
        }
    });
}
