//! What `--backup FILE` may name: nothing yet, or a file that holds nothing. Whatever
//! else is there stays.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn join(path: &Path) -> Result<Joined, BackupError> {
    Backups::new(&ring(7), Some(path.to_owned()), true).join(path, origin(), &unknown)
}

/// A crash between making the file and writing it into the journal leaves a file
/// without a frame; the same command must be able to go on.
#[test]
fn a_file_that_holds_nothing_is_taken_over() {
    let (_folder, path) = place();
    file(&path, 0);
    let header = std::fs::read(&path).unwrap();
    assert_eq!(header.len(), START);
    for len in [0, MAGIC.len(), HEADER_LEN, HEADER_LEN + 5, START] {
        std::fs::write(&path, &header[..len]).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let backups = Backups::new(&ring(7), Some(path.clone()), true);
        let Joined::New(writer) = backups.join(&path, origin(), &unknown).unwrap() else {
            panic!("{len}: a file that holds nothing is no earlier run's")
        };
        append(&writer, &page(1));
        assert_eq!(backups.finish(), std::slice::from_ref(&path));
        assert_eq!(read(&path, &ring(7)).unwrap(), (vec![page(1)], false));
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!(meta.ino(), inode, "{len}: in its place");
        assert_eq!(meta.mode() & 0o777, 0o600);
    }
}

/// A short file of somebody else's is not ours to take.
#[test]
fn what_holds_anything_is_left_as_it_is() {
    let (_folder, path) = place();
    for content in [
        &b"notes"[..],
        b"A",
        b"ATREST",
        b"ATRESTBK and more, but no header",
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(join(&path), Err(BackupError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

/// An empty file may be the operator's own.
#[test]
fn an_empty_file_is_empty_again_when_no_page_went_to_it() {
    let (_folder, path) = place();
    std::fs::write(&path, b"").unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    let backups = Backups::new(&ring(7), Some(path.clone()), true);
    let joined = backups.join(&path, origin(), &unknown).unwrap();
    assert!(matches!(joined, Joined::New(_)));
    assert!(backups.finish().is_empty());
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!((meta.ino(), meta.len()), (inode, 0));
}

/// Nothing is removed under our path but the very file that we made.
#[test]
fn what_came_in_the_place_of_our_file_stays() {
    let (folder, path) = place();
    let backups = Backups::new(&ring(7), Some(path.clone()), true);
    backups.join(&path, origin(), &unknown).unwrap();
    std::fs::rename(&path, folder.path().join("moved")).unwrap();
    std::fs::write(&path, b"notes").unwrap();
    assert!(backups.finish().is_empty());
    assert_eq!(std::fs::read(&path).unwrap(), b"notes");
}

#[test]
fn a_link_is_followed_to_an_earlier_backup_only() {
    let (folder, path) = place();
    let target = folder.path().join("target");
    symlink(&target, &path).unwrap();
    for content in [None, Some(&b""[..]), Some(b"notes")] {
        if let Some(content) = content {
            std::fs::write(&target, content).unwrap();
        }
        assert!(join(&path).is_err());
        assert_eq!(std::fs::read(&target).ok().as_deref(), content);
        assert!(path.is_symlink());
    }
    std::fs::remove_file(&target).unwrap();
    closed::file(&target, 1);
    assert!(matches!(join(&path).unwrap(), Joined::Earlier(_)));
    assert!(path.is_symlink());
}

/// `--backup /dev/null` as root must not delete the device, and a pipe must not
/// hold up a command that holds the run lock.
#[test]
fn what_is_no_regular_file_is_refused_at_once_and_stays() {
    let (folder, path) = place();
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    // A device of our own, where we may make one: never the system's.
    let null = folder.path().join("null");
    let _unless_root = std::process::Command::new("mknod")
        .arg(&null)
        .args(["c", "1", "3"])
        .stderr(std::process::Stdio::null())
        .status();
    let socket = folder.path().join("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let there = [path.as_path(), &null, &socket, folder.path()];
    for path in there.into_iter().filter(|path| path.exists()) {
        let (done, outcome) = std::sync::mpsc::channel();
        let there = path.to_owned();
        std::thread::spawn(move || {
            let read = BackupReader::open(&there, &ring(7)).map(drop);
            let reopened = BackupWriter::reopen(&there, &ring(7), "", 0).map(drop);
            let _timed_out = done.send((read, join(&there).map(drop), reopened));
        });
        let (read, joined, reopened) = outcome
            .recv_timeout(std::time::Duration::from_secs(20))
            .expect("nothing waits for a writer at the other end");
        assert!(
            matches!(read, Err(BackupError::NotABackup { .. })),
            "{read:?}"
        );
        for refused in [joined, reopened] {
            assert!(
                matches!(refused, Err(BackupError::Exists { why, .. }) if why.contains("no regular file")),
                "{refused:?}"
            );
        }
        let kind = path.symlink_metadata().unwrap().file_type();
        assert!(!kind.is_file(), "{}", path.display());
    }
}
