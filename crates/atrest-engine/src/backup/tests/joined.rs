//! A later run in an earlier run's file: only if it is certain whose it is.

use super::*;

fn join(path: &Path, key: u8, origin: Origin, known: Known) -> Result<BackupWriter, BackupError> {
    BackupWriter::join(path, &ring(key), origin, &|_| known)
}

const UNKNOWN: Known = Known {
    len: 0,
    interrupted: false,
};

#[test]
fn a_later_run_goes_on_with_higher_passes() {
    let (_folder, path) = place();
    closed::file(&path, 3);
    let before = std::fs::read(&path).unwrap();
    let backups = Backups::new(&ring(7), Some(path.clone()), true);
    let Joined::Earlier(writer) = backups.join(&path, origin(), &unknown).unwrap() else {
        panic!("it is an earlier run's")
    };
    // Pages 1 to 3 stand under the passes 1 to 3.
    assert_eq!(writer.next_pass("people.extras"), 4);
    assert_eq!(writer.next_pass("people.other"), 0);
    // Nothing to write: nothing is touched.
    assert_eq!(backups.finish(), std::slice::from_ref(&path));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    drop(writer);

    let writer = join(&path, 7, origin(), UNKNOWN).unwrap();
    append(&writer, &page(9));
    assert_eq!(writer.next_pass("people.extras"), 10);
    writer.close().unwrap();
    let (pages, _) = read(&path, &ring(7)).unwrap();
    assert_eq!(pages, [page(1), page(2), page(3), page(9)]);
}

#[test]
fn another_database_operation_or_key_is_refused_and_the_file_left_as_it_is() {
    let (_folder, path) = place();
    closed::file(&path, 2);
    let before = std::fs::read(&path).unwrap();
    for other in [
        Origin::new("1f", "rotate", "sqlite:app.db"),
        Origin::new("1f", "encrypt", "sqlite:copy.db"),
        Origin::new("20", "encrypt", "sqlite:app.db"),
    ] {
        let refused = join(&path, 7, other, UNKNOWN);
        assert!(
            matches!(refused, Err(BackupError::Exists { why, .. }) if why.contains("another database")),
            "{refused:?}"
        );
    }
    let refused = join(&path, 8, origin(), UNKNOWN);
    assert!(matches!(refused, Err(BackupError::Exists { why, .. }) if why.contains("another key")));
    // At hand, but not the primary key any more.
    let both = Keyring::new(Key::from_bytes([8; 32]), vec![Key::from_bytes([7; 32])]).unwrap();
    let refused = BackupWriter::join(&path, &both, origin(), &unknown);
    assert!(matches!(refused, Err(BackupError::Exists { why, .. }) if why.contains("another key")));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let (_folder, path) = place();
    let ends = closed::file(&path, 2);
    let good = std::fs::read(&path).unwrap();
    for damage in [ends[0] + 1, ends[1], ends[1] + 40, HEADER_LEN + 3] {
        let mut bad = good.clone();
        bad[damage] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let refused = join(&path, 7, origin(), UNKNOWN);
        assert!(
            matches!(refused, Err(BackupError::Forged { .. })),
            "{damage}: {refused:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bad);
    }
}

/// What a crash tore off may be cut away only when a run in the journal accounts for
/// it: a damaged length in the middle looks the same.
#[test]
fn a_torn_end_needs_an_interrupted_run() {
    let (_folder, path) = place();
    let ends = file(&path, 3);
    let good = std::fs::read(&path).unwrap();
    let torn = &good[..ends[3] - 5];
    let mut damaged = good.clone();
    damaged[ends[1]] = 0xff;
    for bytes in [torn, &damaged] {
        std::fs::write(&path, bytes).unwrap();
        let refused = join(&path, 7, origin(), UNKNOWN);
        assert!(matches!(refused, Err(BackupError::Exists { why, .. }) if why.contains("torn")));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    let known = Known {
        len: ends[2] as u64,
        interrupted: true,
    };
    let refused = join(&path, 7, origin(), known);
    assert!(
        matches!(refused, Err(BackupError::Cut { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), damaged);
    std::fs::write(&path, torn).unwrap();
    append(&join(&path, 7, origin(), known).unwrap(), &page(9));
    let (pages, torn) = read(&path, &ring(7)).unwrap();
    assert_eq!((pages, torn), (vec![page(1), page(2), page(9)], false));
}

#[test]
fn the_file_of_an_interrupted_run_is_known_by_its_id() {
    let (folder, path) = place();
    file(&path, 1);
    let other = folder.path().join("other.backup");
    file(&other, 1);
    let id = BackupReader::open(&path, &ring(7)).unwrap().id();
    std::fs::rename(&other, &path).unwrap();
    assert!(matches!(
        BackupWriter::reopen(&path, &ring(7), &id, 0),
        Err(BackupError::Exchanged { .. })
    ));
    let backups = Backups::new(&ring(7), Some(path.clone()), true);
    assert!(!backups.is_there(&path, &id));
}
