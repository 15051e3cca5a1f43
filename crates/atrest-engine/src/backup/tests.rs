//! The backup file under everything that a crash, a full disk or an attacker does
//! to it.

mod closed;
mod failing;
mod joined;
mod taken;

use std::path::Path;

use atrest_core::Key;

use super::*;
use crate::target::KeyValue;

fn ring(byte: u8) -> Keyring {
    Keyring::new(Key::from_bytes([byte; 32]), vec![]).unwrap()
}

fn origin() -> Origin {
    Origin::new("1f", "encrypt", "sqlite:app.db")
}

/// A journal that knows nothing of any file.
fn unknown(_id: &str) -> Known {
    Known {
        len: 0,
        interrupted: false,
    }
}

/// Taken up as an interrupted run does, which knows the file's id.
fn reopen(path: &Path, known: u64) -> Result<BackupWriter, BackupError> {
    let id = BackupReader::open(path, &ring(7))?.id();
    BackupWriter::reopen(path, &ring(7), &id, known)
}

/// A page whose rows are of every kind.
fn page(n: u8) -> BackupPage {
    let rows = vec![
        (
            RowKey(vec![KeyValue::Integer(-i128::from(n))]),
            Value::Text(format!("page {n}, Zoë").into_bytes()),
        ),
        (
            RowKey(vec![
                KeyValue::Text("山".into()),
                KeyValue::Bytes(vec![0, n]),
            ]),
            Value::Bytes(vec![0xff, 0, n]),
        ),
        (
            RowKey(vec![KeyValue::Real(1.5f64.to_bits())]),
            Value::Number(b"1.50".to_vec()),
        ),
        (RowKey(vec![KeyValue::Integer(i128::MAX)]), Value::Null),
        (RowKey(vec![]), Value::Text(Vec::new())),
    ];
    BackupPage {
        target: "people.extras".into(),
        pass: u32::from(n),
        sealed: false,
        rows,
    }
}

fn append(writer: &BackupWriter, page: &BackupPage) -> u64 {
    let rows: Vec<_> = page.rows.iter().map(|(k, v)| (k, v)).collect();
    writer
        .append(&page.target, page.pass, false, &rows)
        .unwrap()
}

/// A file with pages `1..=pages`, and where each frame ends (the header first).
fn file(path: &Path, pages: u8) -> Vec<usize> {
    let writer = BackupWriter::create(path, &ring(7), origin()).unwrap();
    let mut ends = vec![START];
    ends.extend((1..=pages).map(|n| usize::try_from(append(&writer, &page(n))).unwrap()));
    ends
}

/// Everything that can be read of a file, and whether its end was torn.
fn read(path: &Path, keyring: &Keyring) -> Result<(Vec<BackupPage>, bool), BackupError> {
    let mut reader = BackupReader::open(path, keyring)?;
    let mut pages = Vec::new();
    while let Some(page) = reader.next_page()? {
        pages.push(page);
    }
    Ok((pages, reader.torn()))
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.backup");
    (folder, path)
}

#[test]
fn what_was_appended_comes_back_also_after_reopening() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = place();
    let ends = file(&path, 2);
    let writer = reopen(&path, ends[2] as u64).unwrap();
    append(&writer, &page(3));
    let (pages, torn) = read(&path, &ring(7)).unwrap();
    assert_eq!(pages, [page(1), page(2), page(3)]);
    assert!(!torn);
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(6).any(|w| w == b"people" || w == b"page 1"));
}

#[test]
fn torn_at_every_byte_the_whole_frames_are_there_and_writing_goes_on() {
    let (folder, path) = place();
    let ends = file(&path, 3);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), ends[3]);
    let cut = folder.path().join("cut.backup");
    for len in 0..bytes.len() {
        std::fs::write(&cut, &bytes[..len]).unwrap();
        if len < START {
            assert!(matches!(
                read(&cut, &ring(7)),
                Err(BackupError::NotABackup { .. })
            ));
            continue;
        }
        let whole = ends.iter().filter(|end| **end <= len).count() - 1;
        let (pages, torn) = read(&cut, &ring(7)).unwrap();
        assert_eq!(pages.len(), whole, "{len}");
        assert_eq!(torn, !ends.contains(&len), "{len}");
        let writer = reopen(&cut, 0).unwrap();
        append(&writer, &page(9));
        let (pages, torn) = read(&cut, &ring(7)).unwrap();
        assert_eq!(pages.len(), whole + 1, "{len}");
        assert_eq!(pages[whole], page(9));
        assert!(!torn);
    }
}

#[test]
fn every_flipped_bit_is_refused_and_no_other_value_ever_comes_out() {
    let (folder, path) = place();
    let ends = file(&path, 3);
    let bytes = std::fs::read(&path).unwrap();
    let id = BackupReader::open(&path, &ring(7)).unwrap().id();
    let flipped = folder.path().join("flipped.backup");
    let want: Vec<_> = (1..=3).map(page).collect();
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&flipped, &other).unwrap();
        let mut pages = Vec::new();
        let outcome = BackupReader::open(&flipped, &ring(7)).and_then(|mut reader| {
            while let Some(page) = reader.next_page()? {
                pages.push(page);
            }
            Ok(reader.torn())
        });
        assert!(pages.len() < 3, "bit {bit} went unnoticed");
        assert_eq!(pages, want[..pages.len()], "bit {bit} changed a value");
        match outcome {
            Err(_) => {}
            // A length that points past the end looks as a crash leaves it; only
            // the journal's knowledge of the length tells them apart.
            Ok(torn) => {
                assert!(torn, "bit {bit} went unnoticed");
                let frame = bit / 8 - ends[pages.len()];
                assert!(frame < 4, "bit {bit} is not in a frame's length");
            }
        }
        // A run that is taken up again knows the length that was durable.
        let known = bytes.len() as u64;
        assert!(BackupWriter::reopen(&flipped, &ring(7), &id, known).is_err());
        assert_eq!(
            std::fs::read(&flipped).unwrap(),
            other,
            "bit {bit}: a refused file is left as it is"
        );
    }
}

#[test]
fn a_file_that_was_cut_is_refused_and_left_as_it_is() {
    let (_folder, path) = place();
    let ends = file(&path, 3);
    let bytes = std::fs::read(&path).unwrap();
    for len in [ends[2], ends[2] + 5, ends[3] - 1] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let refused = reopen(&path, ends[3] as u64);
        assert!(matches!(refused, Err(BackupError::Cut { known, .. }) if known == ends[3] as u64));
        assert_eq!(std::fs::read(&path).unwrap(), bytes[..len]);
    }
}

#[test]
fn frames_out_of_their_place_are_refused() {
    let (folder, path) = place();
    let ends = file(&path, 3);
    let bytes = std::fs::read(&path).unwrap();
    let other_path = folder.path().join("other.backup");
    let other_ends = file(&other_path, 3);
    let other = std::fs::read(&other_path).unwrap();
    assert_eq!(ends, other_ends);
    let frame = |of: &[u8], n: usize| of[ends[n - 1]..ends[n]].to_vec();
    let header = bytes[..START].to_vec();
    let build = |frames: &[Vec<u8>]| [header.clone(), frames.concat()].concat();
    let f = |n| frame(&bytes, n);
    for (what, whole, content) in [
        ("swapped", 1, build(&[f(1), f(3), f(2)])),
        ("dropped", 0, build(&[f(2), f(3)])),
        ("duplicated", 2, build(&[f(1), f(2), f(2), f(3)])),
        (
            "from another file",
            1,
            build(&[f(1), frame(&other, 2), f(3)]),
        ),
    ] {
        std::fs::write(&path, content).unwrap();
        let mut reader = BackupReader::open(&path, &ring(7)).unwrap();
        for n in 0..whole {
            assert_eq!(reader.next_page().unwrap(), Some(page(n + 1)), "{what}");
        }
        let refused = reader.next_page();
        assert!(
            matches!(refused, Err(BackupError::Forged { offset, .. }) if offset == ends[usize::from(whole)] as u64),
            "{what}: {refused:?}"
        );
    }
    // Another file's header over our frames.
    std::fs::write(&path, [&other[..START], &bytes[START..]].concat()).unwrap();
    assert!(matches!(
        read(&path, &ring(7)),
        Err(BackupError::Forged { offset: 96, .. })
    ));
}

#[test]
fn another_key_an_existing_file_and_what_is_no_backup_are_refused() {
    let (_folder, path) = place();
    file(&path, 1);
    assert!(matches!(
        read(&path, &ring(8)),
        Err(BackupError::UnknownKey { key, .. }) if key == ring(7).primary().id()
    ));
    assert!(matches!(
        BackupWriter::create(&path, &ring(7), origin()),
        Err(BackupError::Exists { .. })
    ));
    assert_eq!(read(&path, &ring(7)).unwrap().0, [page(1)]);
    for content in [
        &b""[..],
        b"ATRESTBK",
        b"-- PostgreSQL database dump\n\n\n\n\n\n",
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(
            read(&path, &ring(7)),
            Err(BackupError::NotABackup { .. })
        ));
    }
}

#[test]
fn a_file_that_is_being_written_is_nobody_elses() {
    let (_folder, path) = place();
    let writer = BackupWriter::create(&path, &ring(7), origin()).unwrap();
    let other = Backups::new(&ring(7), Some(path.clone()), true);
    assert!(matches!(
        other.join(&path, origin(), &unknown),
        Err(BackupError::InUse { .. })
    ));
    append(&writer, &page(1));
    assert!(matches!(reopen(&path, 0), Err(BackupError::InUse { .. })));
    append(&writer, &page(2));
    drop(writer);
    reopen(&path, 0).unwrap();
    let (pages, torn) = read(&path, &ring(7)).unwrap();
    assert_eq!((pages.len(), torn), (2, false));
}

#[test]
fn several_workers_write_one_file() {
    let (_folder, path) = place();
    let writer = BackupWriter::create(&path, &ring(7), origin()).unwrap();
    std::thread::scope(|scope| {
        for n in 1..=4 {
            let writer = &writer;
            scope.spawn(move || {
                for _ in 0..20 {
                    append(writer, &page(n));
                }
            });
        }
    });
    let (pages, torn) = read(&path, &ring(7)).unwrap();
    assert!(!torn);
    for n in 1..=4 {
        assert_eq!(pages.iter().filter(|p| **p == page(n)).count(), 20);
    }
}

/// Set in the process that [`a_full_disk_is_an_error_and_what_is_there_stays`]
/// starts: the file to write.
const FULL: &str = "ATREST_TEST_FULL_DISK";

#[test]
fn a_full_disk_is_an_error_and_what_is_there_stays() {
    if let Ok(path) = std::env::var(FULL) {
        return fill_the_disk(Path::new(&path));
    }
    let (_folder, path) = place();
    // A limit on the size of files stands in for a full disk; it is a process's
    // own, hence the process.
    let status = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "backup::tests::a_full_disk_is_an_error_and_what_is_there_stays",
        ])
        .env(FULL, &path)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let (pages, torn) = read(&path, &ring(7)).unwrap();
    assert!(pages.len() > 5 && pages.iter().all(|p| *p == page(1)));
    assert!(!torn, "a frame that failed is taken away");
    // With room again, it goes on.
    let writer = reopen(&path, 0).unwrap();
    append(&writer, &page(2));
    assert_eq!(read(&path, &ring(7)).unwrap().0.len(), pages.len() + 1);
}

fn fill_the_disk(path: &Path) {
    let writer = BackupWriter::create(path, &ring(7), origin()).unwrap();
    let want = page(1);
    let rows: Vec<_> = want.rows.iter().map(|(k, v)| (k, v)).collect();
    for _ in 0..1000 {
        let before = writer.reference().len;
        if let Err(error) = writer.append(&want.target, 1, false, &rows) {
            let text = error.to_string();
            assert!(matches!(error, BackupError::Io { .. }), "{text}");
            assert!(text.contains("no row of this page was changed"), "{text}");
            assert_eq!(writer.reference().len, before);
            assert_eq!(std::fs::metadata(path).unwrap().len(), before);
            return;
        }
    }
    panic!("the limit did not hold");
}

/// Written by version 0.1; every later one must read it. `spec/backup.md` says
/// how it is made up.
#[test]
fn the_golden_file_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/backup-v1.atrest");
    if std::env::var_os("ATREST_WRITE_GOLDEN").is_some() {
        let _none_yet = std::fs::remove_file(&path);
        closed::file(&path, 3);
    }
    let (pages, torn) = read(&path, &ring(7)).unwrap();
    assert_eq!(pages, [page(1), page(2), page(3)]);
    assert!(!torn);
    assert!(BackupReader::open(&path, &ring(7)).unwrap().closed());
    assert!(matches!(
        read(&path, &ring(8)),
        Err(BackupError::UnknownKey { .. })
    ));
}
