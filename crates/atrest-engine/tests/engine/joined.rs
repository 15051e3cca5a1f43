//! One backup file for several runs: `--backup FILE` naming a file that is there.

use std::path::Path;

use atrest_core::Keyring;
use atrest_engine::backup::{BackupError, BackupReader, Backups};
use atrest_engine::restore::{RestoreMode, RestoreReport};
use atrest_engine::{EngineError, Operation, RunOptions};
use atrest_testing::{Dialect, ScratchDatabase};

use crate::support::{
    clear, column, engine, interrupted, long_text, ring, set, table, values, verified,
};

/// The operator's file, named again by each command.
fn file(scratch: &ScratchDatabase, keyring: &Keyring) -> Backups {
    Backups::new(keyring, Some(scratch.folder().join("f")), true)
}

/// What a command does: the columns one after the other, then the end. Gives the
/// rows that each changed.
async fn command(
    scratch: &ScratchDatabase,
    keyring: &Keyring,
    operation: Operation,
    tables: &[&str],
    backups: Backups,
) -> Result<Vec<u64>, EngineError> {
    let engine = engine(scratch, keyring.clone()).await;
    let mut changed = Vec::new();
    for table in tables {
        let policy = column(table, "v");
        let options = RunOptions::default();
        match engine.change(operation, &policy, &options, &backups).await {
            Ok(report) => changed.push(report.changed),
            Err(error) => {
                let _files = backups.finish();
                engine.database().close().await;
                return Err(error);
            }
        }
    }
    let _files = backups.finish();
    engine.database().close().await;
    Ok(changed)
}

async fn followed(
    scratch: &ScratchDatabase,
    keyring: &Keyring,
    table: &str,
    mode: RestoreMode,
) -> Result<RestoreReport, EngineError> {
    let engine = engine(scratch, keyring.clone()).await;
    let path = scratch.folder().join("f");
    let reports = engine
        .restore(&path, &[&column(table, "v")], mode, &RunOptions::default())
        .await;
    engine.database().close().await;
    reports.map(|mut reports| reports.remove(0))
}

/// Table `u`, like `t`, with as many values.
async fn second_table(scratch: &ScratchDatabase, rows: usize) {
    let text = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE u (id int NOT NULL PRIMARY KEY, v {text})"
        ))
        .await;
    scratch.execute("INSERT INTO u SELECT id, v FROM t").await;
    assert_eq!(second(scratch).await.len(), rows);
}

async fn second(scratch: &ScratchDatabase) -> Vec<Option<String>> {
    let rows = scratch.rows("SELECT v FROM u ORDER BY id").await;
    rows.into_iter()
        .map(|r| r[0].as_ref().map(|v| String::from_utf8(v.clone()).unwrap()))
        .collect()
}

fn closed(path: &Path, keyring: &Keyring) -> bool {
    BackupReader::open(path, keyring).unwrap().closed()
}

/// A row that several runs backed up goes back to what the last of them found,
/// whatever the passes of the earlier ones were.
pub async fn the_last_run_counts(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("f");
    let encrypt = Operation::Encrypt;
    // A first run that was interrupted, so that row 1 stands in a sweep of it, too.
    let policy = column("t", "v");
    interrupted(scratch, &keyring, encrypt, &policy, file(scratch, &keyring)).await;
    set(scratch, 1, "written during the first run").await;
    let changed = command(scratch, &keyring, encrypt, &["t"], file(scratch, &keyring)).await;
    assert_eq!(changed.unwrap(), [201]);

    // The same command with nothing to do: not a byte of the file changes.
    let before = std::fs::read(&path).unwrap();
    let changed = command(scratch, &keyring, encrypt, &["t"], file(scratch, &keyring)).await;
    assert_eq!(changed.unwrap(), [0]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(closed(&path, &keyring));

    // The application goes on writing clear values, and the same command follows.
    set(scratch, 1, "written after the first run").await;
    set(scratch, 150, "written after the first run").await;
    let changed = command(scratch, &keyring, encrypt, &["t"], file(scratch, &keyring)).await;
    assert_eq!(changed.unwrap(), [2]);
    assert!(closed(&path, &keyring));
    assert_eq!(verified(scratch, &keyring, &policy).await.plaintext, 0);

    let report = followed(scratch, &keyring, "t", RestoreMode::Compare).await;
    let report = report.unwrap();
    assert!(report.clean(), "{report:?}");
    assert_eq!((report.entries, report.same), (200, 200));
    // Even by force no older value comes back.
    let report = followed(scratch, &keyring, "t", RestoreMode::Force).await;
    assert_eq!(report.unwrap().changed, 200);
    let mut want = clear(200);
    want[0] = Some("written after the first run".into());
    want[149] = Some("written after the first run".into());
    assert_eq!(values(scratch).await, want);
}

/// Killed in the second column, with a torn frame at the end: the same command goes
/// through the first column, which is done, and on.
pub async fn killed_in_the_second_column(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    second_table(scratch, 200).await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("f");
    for (operation, sealed) in [(Operation::Encrypt, true), (Operation::Decrypt, false)] {
        let killed = file(scratch, &keyring);
        let first = engine(scratch, keyring.clone()).await;
        let report = first
            .change(
                operation,
                &column("t", "v"),
                &RunOptions::default(),
                &killed,
            )
            .await;
        assert_eq!(report.unwrap().changed, 200);
        first.database().close().await;
        // Nothing closes the file of a process that was killed.
        interrupted(scratch, &keyring, operation, &column("u", "v"), killed).await;
        assert!(!closed(&path, &keyring));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &[0, 0, 9]].concat()).unwrap();

        let again = command(
            scratch,
            &keyring,
            operation,
            &["t", "u"],
            file(scratch, &keyring),
        );
        assert_eq!(again.await.unwrap(), [0, 200]);
        assert!(closed(&path, &keyring));
        for (table, now) in [("t", values(scratch).await), ("u", second(scratch).await)] {
            assert_eq!(now == clear(200), !sealed);
            let report = followed(scratch, &keyring, table, RestoreMode::Compare).await;
            let report = report.unwrap();
            assert!(report.clean(), "{table}: {report:?}");
            assert_eq!(report.entries, 200);
        }
        std::fs::remove_file(&path).unwrap();
    }
}

/// Killed after the first column and before the second: nothing in the journal names
/// the file after a `decrypt`, for the column's record went with its last token.
pub async fn killed_between_two_columns(scratch: &ScratchDatabase) {
    table(scratch, &clear(30)).await;
    second_table(scratch, 30).await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("f");
    for operation in [Operation::Encrypt, Operation::Decrypt] {
        let killed = file(scratch, &keyring);
        let first = engine(scratch, keyring.clone()).await;
        let policy = column("t", "v");
        let options = RunOptions::default();
        let report = first.change(operation, &policy, &options, &killed);
        assert_eq!(report.await.unwrap().changed, 30);
        first.database().close().await;
        drop(killed);
        assert!(!closed(&path, &keyring));

        let again = command(
            scratch,
            &keyring,
            operation,
            &["t", "u"],
            file(scratch, &keyring),
        );
        assert_eq!(again.await.unwrap(), [0, 30]);
        assert!(closed(&path, &keyring));
        for table in ["t", "u"] {
            let report = followed(scratch, &keyring, table, RestoreMode::Compare).await;
            let report = report.unwrap();
            assert!(report.clean() && report.entries == 30, "{report:?}");
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(values(scratch).await, clear(30));
    assert_eq!(second(scratch).await, clear(30));
}

/// When all is in clear again the journal is gone, and nothing says whose the file
/// is; with nothing to do it is not needed, and the same command succeeds.
pub async fn nothing_to_do_needs_no_file(scratch: &ScratchDatabase) {
    table(scratch, &clear(30)).await;
    let original = scratch.dump().await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("f");
    let own = Backups::new(&keyring, None, false);
    let encrypt = Operation::Encrypt;
    assert_eq!(
        command(scratch, &keyring, encrypt, &["t"], own)
            .await
            .unwrap(),
        [30]
    );
    let mut kept = Vec::new();
    for (changed, what) in [(30, "done"), (0, "again")] {
        let run = command(
            scratch,
            &keyring,
            Operation::Decrypt,
            &["t"],
            file(scratch, &keyring),
        );
        assert_eq!(run.await.unwrap(), [changed], "{what}");
        scratch.dump().await.assert_same(&original);
        let now = std::fs::read(&path).unwrap();
        assert!(changed > 0 || now == kept);
        kept = now;
    }
    // A new life of the database: these originals are not those.
    let own = Backups::new(&keyring, None, false);
    assert_eq!(
        command(scratch, &keyring, encrypt, &["t"], own)
            .await
            .unwrap(),
        [30]
    );
    let run = command(
        scratch,
        &keyring,
        Operation::Decrypt,
        &["t"],
        file(scratch, &keyring),
    );
    let text = run.await.unwrap_err().to_string();
    assert!(text.contains("of another database"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), kept);
}

/// The first column's record is the last one in the journal, which goes with it in
/// the middle of the command; the file stays the command's.
pub async fn a_journal_that_goes_between_two_columns(scratch: &ScratchDatabase) {
    table(scratch, &clear(30)).await;
    second_table(scratch, 30).await;
    let keyring = ring(1, &[]);
    let tables = &["t", "u"];
    let own = Backups::new(&keyring, None, false);
    let run = command(scratch, &keyring, Operation::Encrypt, tables, own);
    assert_eq!(run.await.unwrap(), [30, 30]);
    scratch
        .execute("DELETE FROM atrest_journal WHERE name = 'column:u.v'")
        .await;
    let run = command(
        scratch,
        &keyring,
        Operation::Decrypt,
        tables,
        file(scratch, &keyring),
    );
    assert_eq!(run.await.unwrap(), [30, 30]);
    for table in ["t", "u"] {
        let report = followed(scratch, &keyring, table, RestoreMode::Compare).await;
        let report = report.unwrap();
        assert!(report.clean() && report.entries == 30, "{report:?}");
    }
}

/// Two operations, or two databases, in one file: a restore could not know which of
/// two entries is meant.
pub async fn another_operation_or_database_is_refused(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("f");
    let run = |operation| {
        let keyring = keyring.clone();
        async move {
            command(
                scratch,
                &keyring,
                operation,
                &["t"],
                file(scratch, &keyring),
            )
            .await
        }
    };
    assert_eq!(run(Operation::Encrypt).await.unwrap(), [200]);
    let (kept, before) = (std::fs::read(&path).unwrap(), scratch.dump().await);
    let refused = |outcome: Result<Vec<u64>, EngineError>| {
        let text = outcome.unwrap_err().to_string();
        assert!(
            text.contains("another operation, or of another database"),
            "{text}"
        );
        assert!(
            text.contains("name another file with --backup FILE"),
            "{text}"
        );
    };
    refused(run(Operation::Decrypt).await);
    // With nothing to do nothing is refused, and nothing written.
    assert_eq!(run(Operation::Rotate).await.unwrap(), [0]);
    assert_eq!(std::fs::read(&path).unwrap(), kept);
    scratch.dump().await.assert_same(&before);

    let other = match scratch.dialect() {
        Dialect::Sqlite => ScratchDatabase::sqlite().await,
        Dialect::MySql => ScratchDatabase::mariadb().await,
        Dialect::Postgres => ScratchDatabase::postgres().await,
    };
    table(&other, &clear(200)).await;
    let named = Backups::new(&keyring, Some(path.clone()), true);
    refused(command(&other, &keyring, Operation::Encrypt, &["t"], named).await);
    assert_eq!(values(&other).await, clear(200));
    assert_eq!(std::fs::read(&path).unwrap(), kept);

    // Nor does a run that is refused forget the one that it would have replaced.
    assert_eq!(run(Operation::Encrypt).await.unwrap(), [0]);
    for id in 1..=200 {
        set(scratch, id, "in clear again").await;
    }
    let policy = column("t", "v");
    interrupted(
        scratch,
        &keyring,
        Operation::Encrypt,
        &policy,
        file(scratch, &keyring),
    )
    .await;
    refused(run(Operation::Decrypt).await);
    assert_eq!(run(Operation::Encrypt).await.unwrap(), [200]);
}

/// A file that lost its end, or its mark and its end: refused by the next run and by
/// restore, because the journal knows how long it was.
pub async fn shorter_than_the_journal_knows(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("f");
    let encrypt = || async {
        command(
            scratch,
            &keyring,
            Operation::Encrypt,
            &["t"],
            file(scratch, &keyring),
        )
        .await
    };
    assert_eq!(encrypt().await.unwrap(), [200]);
    let whole = std::fs::read(&path).unwrap();
    let before = scratch.dump().await;
    let mut unmarked = whole.clone();
    unmarked[48..96].fill(0);
    let mut damaged = unmarked.clone();
    damaged[96] = 0x7f;
    for (what, bytes) in [
        ("cut", &whole[..whole.len() - 1]),
        ("cut, and its mark taken away", &unmarked[..whole.len() - 1]),
        (
            "its first length damaged, and its mark taken away",
            &damaged,
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        for mode in [
            RestoreMode::Compare,
            RestoreMode::Restore,
            RestoreMode::Force,
        ] {
            let refused = followed(scratch, &keyring, "t", mode).await;
            assert!(
                matches!(
                    refused,
                    Err(EngineError::Backup(
                        BackupError::Length { .. } | BackupError::Cut { .. }
                    ))
                ),
                "{what}: {refused:?}"
            );
        }
        let refused = encrypt().await;
        assert!(
            matches!(refused, Err(EngineError::Backup(_))),
            "{what}: {refused:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}");
    }
    scratch.dump().await.assert_same(&before);
    std::fs::write(&path, whole).unwrap();
    assert_eq!(encrypt().await.unwrap(), [0]);
}
