use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

#[test]
fn links_and_pipes_are_reported_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(outside.path().join("other"), "not below").unwrap();
    symlink(outside.path(), root.join("to a folder")).unwrap();
    symlink(outside.path().join("other"), root.join("to a file")).unwrap();
    symlink("nowhere", root.join("to nothing")).unwrap();
    fs::write(root.join("one"), "two names").unwrap();
    fs::hard_link(root.join("one"), root.join("two")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();

    for operation in [Operation::Encrypt, Operation::Verify] {
        let report = run(root, operation);
        assert_eq!(
            skipped(&report),
            [
                ("one", &Why::HardLinked),
                ("socket", &Why::Special),
                ("to a file", &Why::Symlink),
                ("to a folder", &Why::Symlink),
                ("to nothing", &Why::Symlink),
                ("two", &Why::HardLinked),
            ]
        );
        assert!(!report.is_clean());
        assert_eq!(report.total, 0);
    }
    assert_eq!(fs::read(root.join("two")).unwrap(), b"two names");
    assert_eq!(
        fs::read(outside.path().join("other")).unwrap(),
        b"not below"
    );

    fs::remove_file(root.join("two")).unwrap();
    let report = run(root, Operation::Encrypt);
    assert!(report.is_clean(), "links and sockets hold nothing");
    assert_eq!(report.changed.files, 1);
}

#[test]
fn a_sealed_file_with_two_names_is_not_decrypted_under_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("one"), "made up").unwrap();
    run(dir.path(), Operation::Encrypt);
    let other = tempfile::tempdir_in(dir.path().parent().unwrap()).unwrap();
    fs::hard_link(dir.path().join("one"), other.path().join("two")).unwrap();
    assert!(run(dir.path(), Operation::Verify).is_clean());
    let report = run(dir.path(), Operation::Decrypt);
    assert_eq!(skipped(&report), [("one", &Why::HardLinked)]);
}

#[test]
fn what_cannot_be_read_is_reported_and_the_rest_done() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["a", "b", "c"] {
        fs::write(root.join(name), name).unwrap();
    }
    fs::create_dir(root.join("closed")).unwrap();
    let mode = |mode| {
        fs::set_permissions(root.join("b"), Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(root.join("closed"), Permissions::from_mode(mode)).unwrap();
    };
    mode(0o000);
    if File::open(root.join("b")).is_ok() {
        eprintln!("skipped: root reads everything");
        return;
    }
    let report = run(root, Operation::Encrypt);
    mode(0o700);
    assert_eq!(report.changed.files, 2);
    let names: Vec<_> = skipped(&report).iter().map(|it| it.0).collect();
    assert_eq!(names, ["b", "closed"]);
    assert!(!report.is_clean());
}

#[test]
fn what_atrest_needs_stays_clear() {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("atrest.toml");
    fs::write(&policy, "[keys]").unwrap();
    fs::write(dir.path().join("clip"), "made up").unwrap();
    let mut all = folder(dir.path());
    all.keep(&policy).unwrap();
    all.keep(&dir.path().join("not there")).unwrap();
    let report = all.run(Operation::Encrypt, keyring(), &Options::default());
    let report = report.unwrap();
    assert_eq!(skipped(&report), [("atrest.toml", &Why::Kept)]);
    assert!(report.is_clean());
    assert_eq!(fs::read(&policy).unwrap(), b"[keys]");
}

#[test]
fn a_folder_that_is_none_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file, dir.path().join("not there")] {
        let error = try_run(&path, Operation::Look).unwrap_err();
        assert!(matches!(error, FolderError::Root { .. }));
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

/// Under such names the server writes what is being uploaded: to seal one of no bytes
/// would put that in the place of the upload.
#[test]
fn uploads_under_way_are_left() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("a"), "clip").unwrap();
    run(root, Operation::Encrypt);
    let object = fs::read(root.join("a")).unwrap();
    fs::write(root.join("a#1"), &object[..80]).unwrap();
    fs::write(root.join("b#27"), "").unwrap();
    fs::write(root.join("c#x"), "somebody's").unwrap();
    fs::write(root.join("d#1"), "somebody's, too").unwrap();
    let report = run(root, Operation::Encrypt);
    assert_eq!(
        skipped(&report),
        [("a#1", &Why::Upload), ("b#27", &Why::Upload)]
    );
    assert_eq!((report.changed.files, report.is_clean()), (2, false));
    assert_eq!(fs::read(root.join("b#27")).unwrap(), b"");
}

/// Under a key that is none of the folder's nothing is sealed, or it would hold files of two
/// keys that nobody means.
#[test]
fn under_a_wrong_key_nothing_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("a"), "one").unwrap();
    fs::write(root.join("b"), "two").unwrap();
    run(root, Operation::Encrypt);
    fs::write(root.join("c"), "clear").unwrap();
    let before = contents(root);
    let wrong = Keyring::new(key(7), vec![]).unwrap();
    let options = Options::default();
    let encrypt = |ring: &Keyring| folder(root).run(Operation::Encrypt, ring, &options);
    match encrypt(&wrong) {
        Err(FolderError::WrongKeys { key, count, .. }) => {
            assert_eq!((key, count), (primary(), 2));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(contents(root), before);
    // With the old key as a previous one, it is what was meant.
    let both = Keyring::new(key(7), vec![key(1)]).unwrap();
    assert_eq!(encrypt(&both).unwrap().changed.files, 1);
    // And where one is the folder's, the others' stay as they are.
    fs::write(root.join("d"), "clear").unwrap();
    let report = encrypt(&wrong).unwrap();
    assert_eq!((report.changed.files, report.undecryptable.len()), (1, 2));
}
