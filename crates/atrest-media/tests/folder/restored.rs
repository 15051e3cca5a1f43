//! A copy of the folder, put back: what of the copy cannot be read is said.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use atrest_engine::restore::RestoreMode;
use atrest_media::folder::Restored;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use super::*;

/// A sealed folder, and a copy of it.
fn sealed_and_copied(names: &[&str]) -> (tempfile::TempDir, tempfile::TempDir) {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let put = |root: &Path, name: &str, content: &[u8]| {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), content).unwrap();
    };
    for name in names {
        put(dir.path(), name, name.as_bytes());
    }
    assert!(run(dir.path(), Operation::Encrypt).is_clean());
    for name in names {
        put(copy.path(), name, &fs::read(dir.path().join(name)).unwrap());
    }
    (dir, copy)
}

fn restored(folder: &Folder, copy: &Path, mode: RestoreMode) -> Restored {
    let options = Options::default();
    folder.restore(copy, mode, keyring(), &options).unwrap()
}

/// Name and reason of all that was skipped.
fn skipped(done: &Restored) -> Vec<(String, String)> {
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let skipped = done.skipped.iter();
    skipped
        .map(|it| (name(&it.name), it.why.to_string()))
        .collect()
}

#[test]
fn what_is_no_file_in_the_copy_where_one_is_due_is_told() {
    let names = ["file", "gate/in a folder", "pipe", "socket", "whole"];
    let (dir, copy) = sealed_and_copied(&names);
    let path = |name| copy.path().join(name);
    for name in ["file", "pipe", "socket"] {
        fs::remove_file(path(name)).unwrap();
    }
    // As `cp -s` makes them.
    symlink(dir.path().join("file"), path("file")).unwrap();
    let mode = Mode::from_bits_truncate(0o600);
    rustix::fs::mkfifoat(CWD, path("pipe"), mode).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    fs::remove_dir_all(path("gate")).unwrap();
    symlink(dir.path().join("gate"), path("gate")).unwrap();

    for globs in [vec![], vec!["*file".into(), "pipe".into(), "in a*".into()]] {
        let folder = Folder::new(dir.path(), &globs, &[], ObjectBind::Path).unwrap();
        for mode in [RestoreMode::Compare, RestoreMode::Restore] {
            let done = restored(&folder, copy.path(), mode);
            assert!(!done.is_clean());
            let told = skipped(&done);
            let told: Vec<_> = told.iter().map(|(name, why)| (&**name, &**why)).collect();
            let link = "the copy of it is a symbolic link, which is not followed; it is as it was";
            let other = "the copy of it is no regular file; it is as it was";
            let all = [
                ("file", link),
                ("gate", link),
                ("pipe", other),
                ("socket", other),
            ];
            assert_eq!(told, all[..told.len().max(3)]);
            assert_eq!(told.len(), if globs.is_empty() { 4 } else { 3 });
            assert_eq!(done.entries, u64::from(globs.is_empty()));
        }
    }
}

#[test]
fn links_that_are_links_in_the_folder_too_lack_nothing() {
    let (dir, copy) = sealed_and_copied(&["file"]);
    for root in [dir.path(), copy.path()] {
        symlink("file", root.join("link")).unwrap();
    }
    // Nothing of the folder has these names.
    symlink("nowhere", copy.path().join("only here")).unwrap();
    let _socket = UnixListener::bind(copy.path().join("socket")).unwrap();
    let done = restored(&folder(dir.path()), copy.path(), RestoreMode::Compare);
    assert!(done.is_clean(), "{done:?}");
    assert_eq!((done.entries, done.same), (1, 1));
}

/// A folder whose path is too long for the system, which not even root can read by it.
#[test]
fn a_folder_of_the_copy_that_cannot_be_read_is_told() {
    let (dir, copy) = sealed_and_copied(&["file"]);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = openat(CWD, copy.path(), flags, Mode::empty()).unwrap();
    for _ in 0..20 {
        let name = "d".repeat(250);
        mkdirat(&at, &name, Mode::from_bits_truncate(0o700)).unwrap();
        at = openat(&at, &name, flags, Mode::empty()).unwrap();
    }
    for mode in [RestoreMode::Compare, RestoreMode::Restore] {
        let done = restored(&folder(dir.path()), copy.path(), mode);
        assert!(!done.is_clean());
        assert_eq!((done.entries, done.same), (1, 1));
        let [(name, why)] = &skipped(&done)[..] else {
            panic!("{done:?}")
        };
        assert!(name.starts_with("dddd"), "{name}");
        assert!(
            why.starts_with("the copy of it cannot be read: reading the folder failed: "),
            "{why}"
        );
    }
}
