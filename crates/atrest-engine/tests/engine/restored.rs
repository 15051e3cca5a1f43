//! A backup back into its table.

use atrest_engine::backup::{BackupError, Backups};
use atrest_engine::restore::RestoreMode;
use atrest_engine::{EngineError, Operation, RunOptions};
use atrest_testing::ScratchDatabase;

use crate::support::{clear, column, engine, interrupted, ring, set, table, values};

/// Encrypts in two goes, with a value changed by the application between them, and
/// gives the backup's path.
async fn encrypted(scratch: &ScratchDatabase) -> std::path::PathBuf {
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("a.backup");
    let policy = column("t", "v");
    let backups = || Backups::new(&keyring, Some(path.clone()), true);
    interrupted(scratch, &keyring, Operation::Encrypt, &policy, backups()).await;
    // Row 1 was sealed already; the application writes over it, in clear.
    set(scratch, 1, "written meanwhile").await;
    let engine = engine(scratch, keyring.clone()).await;
    let taken_up = backups();
    let report = engine
        .change(
            Operation::Encrypt,
            &policy,
            &RunOptions::default(),
            &taken_up,
        )
        .await
        .unwrap();
    assert_eq!((report.changed, report.plaintext), (201, 0), "{report:?}");
    assert_eq!(taken_up.finish(), std::slice::from_ref(&path));
    engine.database().close().await;
    path
}

pub async fn only_what_nobody_changed(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    let path = encrypted(scratch).await;
    let mut want = clear(200);
    want[0] = Some("written meanwhile".into());
    // After the run: one changed, one set to NULL, one gone, one damaged.
    set(scratch, 10, "newer than the backup").await;
    scratch.execute("UPDATE t SET v = NULL WHERE id = 11").await;
    scratch.execute("DELETE FROM t WHERE id = 12").await;
    let broken = values(scratch).await[12]
        .clone()
        .map(|t| t[..40].to_owned())
        .unwrap();
    set(scratch, 13, &broken).await;
    let keyring = ring(1, &[]);
    let policy = column("t", "v");
    let engine = engine(scratch, keyring.clone()).await;
    let options = RunOptions::default();

    let before = scratch.dump().await;
    let reports = engine
        .restore(&path, &[&policy], RestoreMode::Compare, &options)
        .await
        .unwrap();
    let [report] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!((report.entries, report.same), (200, 196), "{report:?}");
    assert_eq!(
        (report.changed_since, report.missing, report.undecryptable),
        (2, 1, 1)
    );
    assert_eq!(
        (report.changed, report.clean(), report.torn),
        (0, false, false)
    );
    assert_eq!(report.rows, ["10", "11", "12", "13"]);
    scratch.dump().await.assert_same(&before);

    let reports = engine
        .restore(&path, &[&policy], RestoreMode::Restore, &options)
        .await
        .unwrap();
    assert_eq!(
        (reports[0].changed, reports[0].skipped),
        (196, 0),
        "{reports:?}"
    );
    let mut now = want.clone();
    now[9] = Some("newer than the backup".into());
    now[10] = None;
    now[12] = Some(broken);
    now.remove(11);
    assert_eq!(values(scratch).await, now);

    let reports = engine
        .restore(&path, &[&policy], RestoreMode::Force, &options)
        .await
        .unwrap();
    assert_eq!(reports[0].changed, 3, "{reports:?}");
    want.remove(11);
    assert_eq!(values(scratch).await, want);
    engine.database().close().await;
}

/// What `verify --against` says, and that a backup that was edited says nothing.
pub async fn compared_with_the_table(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    let path = encrypted(scratch).await;
    let policy = column("t", "v");
    let engine = engine(scratch, ring(1, &[])).await;
    let options = RunOptions::default();
    let compare = RestoreMode::Compare;
    let reports = engine
        .restore(&path, &[&policy], compare, &options)
        .await
        .unwrap();
    assert!(reports[0].clean(), "{reports:?}");
    assert_eq!((reports[0].entries, reports[0].same), (200, 200));
    // Of another column it says nothing.
    let other = column("other", "v");
    assert!(
        engine
            .restore(&path, &[&other], compare, &options)
            .await
            .unwrap()
            .is_empty()
    );

    let good = std::fs::read(&path).unwrap();
    let before = scratch.dump().await;
    for at in (0..96).chain((96..good.len()).step_by(997)) {
        let mut edited = good.clone();
        edited[at] ^= 0x40;
        std::fs::write(&path, &edited).unwrap();
        let refused = engine
            .restore(&path, &[&policy], RestoreMode::Force, &options)
            .await;
        assert!(
            matches!(refused, Err(EngineError::Backup(_))),
            "{at}: {refused:?}"
        );
    }
    for len in (0..good.len()).step_by(997).chain([good.len() - 1]) {
        std::fs::write(&path, &good[..len]).unwrap();
        let refused = engine
            .restore(&path, &[&policy], RestoreMode::Force, &options)
            .await;
        assert!(
            matches!(refused, Err(EngineError::Backup(_))),
            "{len}: {refused:?}"
        );
    }
    // The whole file is proven before the first row is written back.
    scratch.dump().await.assert_same(&before);
    engine.database().close().await;
}

/// The file that a killed run leaves: all that is in it goes back, and the report
/// does not call that a success.
pub async fn an_unfinished_backup(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("a.backup");
    let policy = column("t", "v");
    let killed = Backups::new(&keyring, Some(path.clone()), true);
    interrupted(scratch, &keyring, Operation::Encrypt, &policy, killed).await;
    let whole = std::fs::read(&path).unwrap();
    let engine = engine(scratch, keyring.clone()).await;
    for (bytes, torn) in [
        (whole.clone(), false),
        ([&whole[..], &[0, 0, 9]].concat(), true),
    ] {
        std::fs::write(&path, bytes).unwrap();
        for mode in [RestoreMode::Compare, RestoreMode::Restore] {
            let reports = engine
                .restore(&path, &[&policy], mode, &RunOptions::default())
                .await
                .unwrap();
            let report = &reports[0];
            assert_eq!((report.unfinished, report.torn), (true, torn), "{report:?}");
            assert!(report.same > 0 && report.same == report.entries && !report.clean());
        }
        assert_eq!(values(scratch).await, clear(200));
    }
    // A frame less than what the journal knows to have been durable.
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let refused = engine
        .restore(
            &path,
            &[&policy],
            RestoreMode::Restore,
            &RunOptions::default(),
        )
        .await;
    assert!(
        matches!(refused, Err(EngineError::Backup(BackupError::Cut { .. }))),
        "{refused:?}"
    );
    engine.database().close().await;
}
