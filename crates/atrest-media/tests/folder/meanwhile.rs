//! What others do while a run is under way, and what killed runs left.

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use atrest_engine::observe::Stop;

use super::*;

const LEFT_OVER: &str = ".atrest-0123456789abcdef.tmp";

/// Encrypts a folder of one large file; `meanwhile` runs once, when some of it was read.
fn while_read(root: &Path, meanwhile: impl Fn() + Sync) -> Report {
    fs::write(root.join("clip"), bytes(5_000_000)).unwrap();
    let done = AtomicBool::new(false);
    let options = Options {
        progress: &|progress| {
            if progress.bytes > 1_000_000 && !done.swap(true, Ordering::Relaxed) {
                meanwhile();
            }
        },
        ..Options::default()
    };
    let report = folder(root).run(Operation::Encrypt, keyring(), &options);
    assert!(done.into_inner());
    report.unwrap()
}

#[test]
fn a_file_that_grows_while_it_is_read_is_left_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip");
    let report = while_read(dir.path(), || {
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"more").unwrap();
    });
    assert_eq!(skipped(&report), [("clip", &Why::Changed)]);
    assert!(!report.is_clean());
    let mut grown = bytes(5_000_000);
    grown.extend_from_slice(b"more");
    assert_eq!(fs::read(&path).unwrap(), grown);
    assert_eq!(contents(dir.path()).len(), 1, "nothing is left over");
    assert_eq!(run(dir.path(), Operation::Encrypt).changed.files, 1);
}

#[test]
fn a_file_that_is_replaced_or_removed_meanwhile_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip");
    let report = while_read(dir.path(), || {
        fs::write(dir.path().join("new"), "new").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
    });
    assert_eq!(skipped(&report), [("clip", &Why::Changed)]);
    assert_eq!(fs::read(&path).unwrap(), b"new");

    let report = while_read(dir.path(), || fs::remove_file(&path).unwrap());
    assert_eq!(skipped(&report), [("clip", &Why::Vanished)]);
    assert!(contents(dir.path()).is_empty());
}

#[test]
fn a_new_mode_set_meanwhile_is_not_undone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip");
    let report = while_read(dir.path(), || {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    });
    assert_eq!(skipped(&report), [("clip", &Why::Changed)]);
}

#[test]
fn a_second_run_at_once_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let report = while_read(dir.path(), || {
        let error = try_run(dir.path(), Operation::Rotate).unwrap_err();
        assert!(matches!(error, FolderError::Busy { .. }));
        // The first run's temporary file is seen, and left.
        let looked = run(dir.path(), Operation::Look);
        assert_eq!(looked.clear.files, 1);
        assert_eq!(looked.skipped.len(), 1);
        assert_eq!(looked.skipped[0].why, Why::LeftOver);
    });
    assert!(report.is_clean());
    assert!(run(dir.path(), Operation::Verify).is_clean());
}

#[test]
fn a_stop_leaves_each_file_whole() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for number in 0..20 {
        fs::write(root.join(number.to_string()), bytes(300_000)).unwrap();
    }
    let before = contents(root);
    let stop = Stop::default();
    let options = Options {
        workers: 2,
        progress: &|progress| {
            if progress.bytes > 2_000_000 {
                stop.request();
            }
        },
        stop: stop.clone(),
    };
    let report = folder(root).run(Operation::Encrypt, keyring(), &options);
    let report = report.unwrap();
    assert!(report.stopped && !report.is_clean());
    assert!((1..20).contains(&report.changed.files), "{report:?}");
    assert!(contents(root).keys().eq(before.keys()));
    run(root, Operation::Decrypt);
    assert_eq!(contents(root), before);
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("sub")).unwrap();
    fs::write(root.join("sub").join(LEFT_OVER), "half of a file").unwrap();
    fs::write(root.join("clip"), "made up").unwrap();
    for operation in [Operation::Look, Operation::Verify] {
        let report = run(root, operation);
        let name = format!("sub/{LEFT_OVER}");
        assert_eq!(skipped(&report), [(&*name, &Why::LeftOver)]);
        assert!(!report.is_clean());
    }
    let report = run(root, Operation::Encrypt);
    assert_eq!((report.removed, report.changed.files), (1, 1));
    assert!(report.is_clean());
    assert_eq!(contents(root).len(), 1);
}

#[test]
fn only_regular_files_that_nobody_holds_are_taken_for_left_over() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let other = LEFT_OVER.replace('0', "f");
    std::os::unix::fs::symlink("nowhere", root.join(&other)).unwrap();
    let held = File::create(root.join(LEFT_OVER)).unwrap();
    held.lock().unwrap();
    let report = run(root, Operation::Encrypt);
    assert_eq!(report.removed, 0);
    assert_eq!(
        skipped(&report),
        [(LEFT_OVER, &Why::LeftOver), (&*other, &Why::Symlink)]
    );
    drop(held);
    assert_eq!(run(root, Operation::Encrypt).removed, 1);
    assert!(root.join(&other).is_symlink());
}
