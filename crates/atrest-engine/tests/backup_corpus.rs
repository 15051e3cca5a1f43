//! Replays the fuzzing corpus of the backup reader: whatever the bytes, no panic,
//! and no more memory than the file is long.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../../../fuzz/fuzz_targets/backup_body.rs"]
mod backup_body;

#[test]
fn corpus_of_the_backup_reader() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/backup");
    let (mut run, mut files, mut pages) = (0, 0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let (file, page) = backup_body::run(&bytes);
        files += u32::from(file);
        pages += u32::from(page);
        for end in 0..bytes.len() {
            backup_body::run(&bytes[..end]);
        }
        run += 1;
    }
    assert!(run >= 20, "the corpus has {run} files");
    assert!(files >= 3, "{files} of {run} files are backups");
    assert!(pages >= 4, "{pages} of {run} files are pages");
}
