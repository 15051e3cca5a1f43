//! A file that was closed: whole, or damaged, and never anything between.

use super::*;

/// As [`super::file`], and closed.
pub(super) fn file(path: &Path, pages: u8) -> Vec<usize> {
    let writer = BackupWriter::create(path, &ring(7), origin()).unwrap();
    let mut ends = vec![START];
    ends.extend((1..=pages).map(|n| usize::try_from(append(&writer, &page(n))).unwrap()));
    writer.close().unwrap();
    ends
}

/// The error's name, or what was read.
fn outcome(path: &Path) -> Result<usize, BackupError> {
    read(path, &ring(7)).map(|(pages, _)| pages.len())
}

#[test]
fn a_closed_file_is_whole_and_an_open_one_says_that_it_is_not() {
    let (_folder, path) = place();
    let writer = BackupWriter::create(&path, &ring(7), origin()).unwrap();
    append(&writer, &page(1));
    let closed = || BackupReader::open(&path, &ring(7)).unwrap().closed();
    assert!(!closed());
    let before = std::fs::metadata(&path).unwrap().len();
    writer.close().unwrap();
    assert!(closed());
    assert_eq!(
        std::fs::metadata(&path).unwrap().len(),
        before,
        "no room needed"
    );
    assert_eq!(outcome(&path).unwrap(), 1);
    // Whoever writes on opens it again, and closing it twice changes nothing.
    append(&writer, &page(2));
    assert!(!closed());
    writer.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    writer.close().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(closed());
    assert_eq!(outcome(&path).unwrap(), 2);
}

#[test]
fn a_closed_file_cut_at_any_byte_or_grown_is_refused_and_nothing_of_it_is_used() {
    let (folder, path) = place();
    let ends = file(&path, 3);
    let bytes = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut.backup");
    for len in 0..bytes.len() {
        std::fs::write(&cut, &bytes[..len]).unwrap();
        let refused = outcome(&cut);
        if len < START {
            assert!(
                matches!(refused, Err(BackupError::NotABackup { .. })),
                "{len}"
            );
        } else {
            assert!(
                matches!(refused, Err(BackupError::Length { closed, .. }) if closed == ends[3] as u64),
                "{len}: {refused:?}"
            );
            let text = refused.unwrap_err().to_string();
            assert!(text.contains("is damaged"), "{text}");
        }
        assert!(BackupWriter::reopen(&cut, &ring(7), "", 0).is_err());
        assert_eq!(std::fs::read(&cut).unwrap(), bytes[..len], "left as it is");
    }
    // Its own last frame again, or anything else, behind its end.
    for more in [&bytes[ends[2]..], b"x"] {
        std::fs::write(&cut, [&bytes[..], more].concat()).unwrap();
        assert!(matches!(outcome(&cut), Err(BackupError::Length { .. })));
    }
}

#[test]
fn every_flipped_bit_of_a_closed_file_is_an_error_and_never_a_torn_end() {
    let (folder, path) = place();
    file(&path, 3);
    let bytes = std::fs::read(&path).unwrap();
    let flipped = folder.path().join("flipped.backup");
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&flipped, &other).unwrap();
        assert!(outcome(&flipped).is_err(), "bit {bit} went unnoticed");
    }
}

/// The mark is bound to its file, its length, and its place.
#[test]
fn another_files_mark_or_an_earlier_one_is_refused() {
    let (folder, path) = place();
    file(&path, 2);
    let two = std::fs::read(&path).unwrap();
    let writer = reopen(&path, 0).unwrap();
    append(&writer, &page(3));
    writer.close().unwrap();
    drop(writer);
    let three = std::fs::read(&path).unwrap();
    let other_path = folder.path().join("other.backup");
    file(&other_path, 3);
    let other = std::fs::read(&other_path).unwrap();
    assert_eq!(three.len(), other.len());
    let marked = |mark: &[u8]| {
        std::fs::write(
            &path,
            [
                &three[..HEADER_LEN],
                &mark[HEADER_LEN..START],
                &three[START..],
            ]
            .concat(),
        )
        .unwrap();
        outcome(&path)
    };
    assert_eq!(marked(&three).unwrap(), 3);
    assert!(matches!(marked(&two), Err(BackupError::Length { .. })));
    assert!(matches!(
        marked(&other),
        Err(BackupError::Forged { offset: 48, .. })
    ));
    // A frame's tag is no mark.
    let mut frame = vec![0; HEADER_LEN];
    frame.extend_from_slice(&(three.len() as u64).to_be_bytes());
    frame.extend_from_slice(&three[START + 4..START + 4 + NONCE_LEN + TAG_LEN]);
    assert!(matches!(
        marked(&frame),
        Err(BackupError::Forged { offset: 48, .. })
    ));
}

/// What a crash leaves of a file that was closed, and opened again by a later run,
/// is a file that was not closed.
#[test]
fn opened_again_and_torn_what_is_whole_is_there() {
    let (_folder, path) = place();
    let ends = file(&path, 2);
    let writer = reopen(&path, 0).unwrap();
    assert!(
        BackupReader::open(&path, &ring(7)).unwrap().closed(),
        "untouched so far"
    );
    append(&writer, &page(3));
    drop(writer);
    let bytes = std::fs::read(&path).unwrap();
    for len in ends[2]..bytes.len() {
        std::fs::write(&path, &bytes[..len]).unwrap();
        assert_eq!(
            read(&path, &ring(7)).unwrap(),
            (vec![page(1), page(2)], len > ends[2])
        );
        assert!(!BackupReader::open(&path, &ring(7)).unwrap().closed());
    }
}
