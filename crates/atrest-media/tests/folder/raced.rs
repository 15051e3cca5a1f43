//! Writers that come in the last moment, between the look at the old file and the
//! exchange. Each has a process of its own, in which nothing else comes to that step.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use atrest_media::failpoints::{self, Point};

use super::*;

/// Whether this is the process of its own; if it is not, there was one, and it passed.
fn alone(name: &str) -> bool {
    const ALONE: &str = "ATREST_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("raced::{name}"), "--exact"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    false
}

/// As a program does that writes whole files.
fn put(root: &Path, content: &str) {
    fs::write(root.join("new"), content).unwrap();
    fs::rename(root.join("new"), root.join("clip")).unwrap();
}

/// Encrypts a folder of one file; `last` happens when that was found unchanged.
fn in_the_last_moment(last: impl FnOnce(&Path) + Send + 'static) -> (tempfile::TempDir, Why) {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "old");
    let root = dir.path().to_owned();
    failpoints::at(Point::Checked, 0, move || last(&root));
    let report = run(dir.path(), Operation::Encrypt);
    let [it] = &report.skipped[..] else {
        panic!("{report:?}")
    };
    assert_eq!((report.changed.files, &it.name[..]), (0, &b"clip"[..]));
    (dir, it.why.clone())
}

#[test]
fn a_file_replaced_in_the_last_moment_is_not_lost() {
    if alone("a_file_replaced_in_the_last_moment_is_not_lost") {
        let (dir, why) = in_the_last_moment(|root| put(root, "new"));
        assert_eq!(why, Why::Changed);
        assert_eq!(fs::read(dir.path().join("clip")).unwrap(), b"new");
        assert_eq!(contents(dir.path()).len(), 1, "nothing is left over");
        assert_eq!(run(dir.path(), Operation::Encrypt).changed.files, 1);
    }
}

#[test]
fn of_two_that_replace_it_the_later_one_stays() {
    if alone("of_two_that_replace_it_the_later_one_stays") {
        let (dir, why) = in_the_last_moment(|root| {
            put(root, "new");
            let root = root.to_owned();
            failpoints::at(Point::Exchanged, 0, move || put(&root, "newer"));
        });
        assert_eq!(why, Why::Changed);
        assert_eq!(fs::read(dir.path().join("clip")).unwrap(), b"newer");
        assert_eq!(contents(dir.path()).len(), 1, "nothing is left over");
    }
}

#[test]
fn a_file_removed_in_the_last_moment_stays_so() {
    if alone("a_file_removed_in_the_last_moment_stays_so") {
        let (dir, why) = in_the_last_moment(|root| fs::remove_file(root.join("clip")).unwrap());
        assert_eq!(why, Why::Vanished);
        assert!(contents(dir.path()).is_empty());
    }
}

#[test]
fn a_file_replaced_and_then_removed_stays_removed() {
    if alone("a_file_replaced_and_then_removed_stays_removed") {
        let (dir, why) = in_the_last_moment(|root| {
            put(root, "new");
            let clip = root.join("clip");
            failpoints::at(Point::Exchanged, 0, move || fs::remove_file(clip).unwrap());
        });
        assert_eq!(why, Why::Vanished);
        assert!(contents(dir.path()).is_empty());
    }
}

#[test]
fn bytes_and_modes_that_change_in_the_last_moment_are_not_undone() {
    if alone("bytes_and_modes_that_change_in_the_last_moment_are_not_undone") {
        let (dir, why) = in_the_last_moment(|root| fs::write(root.join("clip"), "longer").unwrap());
        assert_eq!(why, Why::Changed);
        assert_eq!(fs::read(dir.path().join("clip")).unwrap(), b"longer");
        let mode = fs::Permissions::from_mode(0o640);
        let new = mode.clone();
        let (dir, why) = in_the_last_moment(move |root| {
            fs::set_permissions(root.join("clip"), new).unwrap();
        });
        assert_eq!(why, Why::Changed);
        let now = fs::metadata(dir.path().join("clip")).unwrap().permissions();
        assert_eq!(now.mode() & 0o777, mode.mode());
    }
}

#[test]
fn a_folder_that_takes_its_place_in_the_last_moment_stays() {
    if alone("a_folder_that_takes_its_place_in_the_last_moment_stays") {
        let (dir, why) = in_the_last_moment(|root| {
            fs::remove_file(root.join("clip")).unwrap();
            fs::create_dir(root.join("clip")).unwrap();
            fs::write(root.join("clip/inside"), "kept").unwrap();
        });
        assert_eq!(why, Why::Changed);
        assert_eq!(fs::read(dir.path().join("clip/inside")).unwrap(), b"kept");
        assert_eq!(contents(dir.path()).len(), 1, "nothing is left over");
    }
}
