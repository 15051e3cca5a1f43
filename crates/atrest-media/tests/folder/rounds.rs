use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, UNIX_EPOCH};

use super::*;

/// A tree with all that is odd and yet to be sealed.
fn odd_tree(root: &Path) {
    let deep = root.join("a folder/nested/deep");
    fs::create_dir_all(&deep).unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("with some spaces .txt"), "spaces").unwrap();
    fs::write(root.join("line\nbreak"), "line").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"not\xff\xfeutf8")), "bytes").unwrap();
    fs::write(root.join("l".repeat(255)), "a long name").unwrap();
    fs::write(deep.join("ATREST"), "ATREST").unwrap();
    fs::write(deep.join(".hidden"), bytes(16_384)).unwrap();
    fs::write(deep.join("large.bin"), bytes(5_000_001)).unwrap();
    let mut sparse = File::create(root.join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(3_000_000)).unwrap();
    sparse.write_all(b"end").unwrap();
    for (name, mode) in [("read only", 0o440), ("a program", 0o755)] {
        let path = root.join(name);
        fs::write(&path, name).unwrap();
        let time = UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        let times = FileTimes::new().set_modified(time).set_accessed(time);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_times(times)
            .unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    odd_tree(root);
    let before = contents(root);
    let files = before.len() as u64;
    let clear: u64 = before.values().map(|file| file.0.len() as u64).sum();

    let looked = run(root, Operation::Look);
    assert_eq!((looked.total, looked.clear.files), (files, files));
    assert_eq!(looked.clear.bytes, clear);
    assert_eq!(contents(root), before);

    let encrypted = run(root, Operation::Encrypt);
    assert!(encrypted.is_clean(), "{encrypted:?}");
    assert_eq!(
        (encrypted.changed.files, encrypted.changed.bytes),
        (files, clear)
    );
    let sealed = contents(root);
    assert!(sealed.keys().eq(before.keys()));
    for (name, (content, mode, seconds, nanoseconds)) in &sealed {
        let was = &before[name];
        assert!(content.starts_with(b"ATREST\x01\x03"));
        assert_eq!((*mode, *seconds, *nanoseconds), (was.1, was.2, was.3));
    }

    let again = run(root, Operation::Encrypt);
    assert_eq!((again.total, again.changed.files), (files, 0));
    assert_eq!(contents(root), sealed);

    let verified = run(root, Operation::Verify);
    assert!(verified.is_clean());
    assert_eq!(verified.sealed[&primary()].files, files);
    assert_eq!(verified.sealed[&primary()].bytes, clear);

    let rotate = |root: &Path| {
        let options = Options::default();
        folder(root).run(Operation::Rotate, next_keyring(), &options)
    };
    let rotated = rotate(root).unwrap();
    assert!(rotated.is_clean(), "{rotated:?}");
    assert_eq!(rotated.changed.files, files);
    assert_eq!(rotated.sealed[&key(2).id()].files, files);
    assert_eq!(rotate(root).unwrap().changed.files, 0);
    assert_eq!(
        run(root, Operation::Verify).undecryptable.len() as u64,
        files
    );

    let options = Options::default();
    let decrypted = folder(root).run(Operation::Decrypt, next_keyring(), &options);
    let decrypted = decrypted.unwrap();
    assert!(decrypted.is_clean(), "{decrypted:?}");
    assert_eq!(decrypted.clear.files, files);
    assert_eq!(contents(root), before);
}

#[test]
fn one_worker_does_as_much_as_many() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..600 {
        fs::write(dir.path().join(number.to_string()), number.to_string()).unwrap();
    }
    let few = Folder::new(dir.path(), &["1?".into()], &[], ObjectBind::Path).unwrap();
    for workers in [0, 1, 8] {
        let options = Options {
            workers,
            ..Options::default()
        };
        // More than wait at a time.
        let report = folder(dir.path()).run(Operation::Look, keyring(), &options);
        assert_eq!(report.unwrap().total, 600);
        for operation in [Operation::Encrypt, Operation::Verify, Operation::Decrypt] {
            let report = few.run(operation, keyring(), &options);
            assert_eq!(report.unwrap().total, 10);
        }
    }
    for number in 0..600 {
        let read = fs::read_to_string(dir.path().join(number.to_string())).unwrap();
        assert_eq!(read, number.to_string());
    }
}

#[test]
fn only_what_the_globs_name_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("cache/x")).unwrap();
    let names = ["a.mp4", "a.txt", "cache/x/b.mp4"];
    for name in names {
        fs::write(root.join(name), name).unwrap();
    }
    let clips = Folder::new(root, &["*.mp4".into()], &["cache".into()], ObjectBind::Path).unwrap();
    let report = clips.run(Operation::Encrypt, keyring(), &Options::default());
    assert_eq!(report.unwrap().total, 1);
    let sealed = names.map(|name| is_object(&root.join(name)));
    assert_eq!(sealed, [true, false, false]);
}

#[test]
fn extended_attributes_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip");
    fs::write(&path, "made up").unwrap();
    let set = rustix::fs::setxattr(
        &path,
        "user.camera",
        b"gate",
        rustix::fs::XattrFlags::empty(),
    );
    if set.is_err() {
        eprintln!("skipped: this file system has no extended attributes");
        return;
    }
    for operation in [Operation::Encrypt, Operation::Decrypt] {
        run(dir.path(), operation);
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(&path, "user.camera", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"gate");
    }
}
