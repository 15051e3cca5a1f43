//! A disk that fails: nothing that may be lost is called durable, or built on.

use std::fs::File;
use std::io::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// As the system does: it reports a failed flush once, and the next one returns well.
fn fails_once(counter: &AtomicUsize) -> Result<()> {
    match counter.fetch_add(1, Ordering::Relaxed) {
        0 => Err(Error::other("input/output error")),
        _ => Ok(()),
    }
}

fn write(writer: &BackupWriter, page: &BackupPage) -> u64 {
    let rows: Vec<_> = page.rows.iter().map(|(k, v)| (k, v)).collect();
    writer.write(&page.target, page.pass, false, &rows).unwrap()
}

fn try_append(writer: &BackupWriter, page: &BackupPage) -> std::result::Result<u64, BackupError> {
    let rows: Vec<_> = page.rows.iter().map(|(k, v)| (k, v)).collect();
    writer.append(&page.target, page.pass, false, &rows)
}

/// Two workers wrote, and the first one's flush fails: the second one's page may be
/// lost as well, and nothing of either is there for the next command to build on.
#[test]
fn a_failed_flush_fails_for_every_worker_and_for_good() {
    static FLUSHES: AtomicUsize = AtomicUsize::new(0);
    let (_folder, path) = place();
    let mut writer = BackupWriter::create(&path, &ring(7), origin()).unwrap();
    let durable = append(&writer, &page(1));
    writer.flush = |_| fails_once(&FLUSHES);
    let (one, two) = (write(&writer, &page(2)), write(&writer, &page(3)));
    let failed = writer.sync(one).unwrap_err();
    assert!(matches!(failed, BackupError::Io { .. }), "{failed:?}");
    for refused in [
        writer.sync(two).unwrap_err(),
        try_append(&writer, &page(4)).unwrap_err(),
    ] {
        assert!(matches!(refused, BackupError::Failed { .. }), "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains("no row of this page was changed"), "{text}");
    }
    // What was durable before still is, and no mark says that the file is whole.
    writer.sync(durable).unwrap();
    writer.close().unwrap();
    assert_eq!(FLUSHES.load(Ordering::Relaxed), 1);
    assert_eq!(writer.reference().len, durable);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), durable);
    drop(writer);
    assert!(!BackupReader::open(&path, &ring(7)).unwrap().closed());
    append(&reopen(&path, durable).unwrap(), &page(5));
    assert_eq!(
        read(&path, &ring(7)).unwrap(),
        (vec![page(1), page(5)], false)
    );
}

#[test]
fn workers_share_a_flush() {
    static FLUSHES: AtomicUsize = AtomicUsize::new(0);
    let (_folder, path) = place();
    let mut writer = BackupWriter::create(&path, &ring(7), origin()).unwrap();
    writer.flush = |file| {
        FLUSHES.fetch_add(1, Ordering::Relaxed);
        file.sync_data()
    };
    let lens: Vec<_> = (1..=3).map(|n| write(&writer, &page(n))).collect();
    for len in lens {
        writer.sync(len).unwrap();
        assert_eq!(FLUSHES.load(Ordering::Relaxed), 1);
    }
    append(&writer, &page(4));
    assert_eq!(FLUSHES.load(Ordering::Relaxed), 2);
}

/// A page behind a torn one would never be read.
#[test]
fn nothing_follows_a_torn_page_that_cannot_be_taken_away() {
    let (_folder, path) = place();
    let writer = BackupWriter::create(&path, &ring(7), origin()).unwrap();
    append(&writer, &page(1));
    let before = std::fs::read(&path).unwrap();
    // Neither to be written nor to be cut.
    let unwritable = File::open(&path).unwrap();
    let good = std::mem::replace(&mut writer.state().file, unwritable);
    let failed = try_append(&writer, &page(2)).unwrap_err();
    assert!(matches!(failed, BackupError::Io { .. }), "{failed:?}");
    writer.state().file = good;
    let refused = try_append(&writer, &page(3)).unwrap_err();
    assert!(matches!(refused, BackupError::Failed { .. }), "{refused:?}");
    writer.close().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// The mark must be gone, durably, before the file grows.
#[test]
fn nothing_is_appended_under_a_mark_that_may_still_be_there() {
    static FLUSHES: AtomicUsize = AtomicUsize::new(0);
    let (_folder, path) = place();
    closed::file(&path, 1);
    let mut writer = reopen(&path, 0).unwrap();
    writer.flush = |_| fails_once(&FLUSHES);
    for n in [2, 3] {
        assert!(try_append(&writer, &page(n)).is_err());
    }
    assert_eq!(FLUSHES.load(Ordering::Relaxed), 1);
    assert_eq!(read(&path, &ring(7)).unwrap(), (vec![page(1)], false));
}
