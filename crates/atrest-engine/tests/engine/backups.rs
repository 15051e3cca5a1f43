//! The backup of a run that is taken up: it must be the one it was.

use atrest_engine::backup::{BackupError, Backups};
use atrest_engine::{Engine, EngineError, Operation, RunOptions};
use atrest_testing::ScratchDatabase;

use crate::support::{
    clear, column, done, engine, fresh, interrupted, ring, small_steps, table, values,
};

async fn resume(engine: &Engine, backups: Backups) -> Result<u64, EngineError> {
    let report = engine
        .change(
            Operation::Encrypt,
            &column("t", "v"),
            &RunOptions::default(),
            &backups,
        )
        .await;
    let _files = backups.finish();
    report.map(|r| r.changed)
}

pub async fn missing_cut_or_edited_is_refused(scratch: &ScratchDatabase) {
    table(scratch, &clear(200)).await;
    let keyring = ring(1, &[]);
    let path = scratch.folder().join("a.backup");
    interrupted(
        scratch,
        &keyring,
        Operation::Encrypt,
        &column("t", "v"),
        fresh(scratch, &keyring, "a.backup"),
    )
    .await;
    let good = std::fs::read(&path).unwrap();
    let before = values(scratch).await;
    let engine = engine(scratch, keyring.clone()).await;

    std::fs::remove_file(&path).unwrap();
    let refused = resume(&engine, fresh(scratch, &keyring, "b.backup")).await;
    assert!(
        matches!(refused, Err(EngineError::BackupMissing { .. })),
        "{refused:?}"
    );

    for len in [96, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        let refused = resume(&engine, fresh(scratch, &keyring, "b.backup")).await;
        assert!(
            matches!(refused, Err(EngineError::Backup(BackupError::Cut { .. }))),
            "{len}: {refused:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), good[..len], "left as it is");
    }
    for at in [20, 70, 120, good.len() / 2, good.len() - 1] {
        let mut edited = good.clone();
        edited[at] ^= 1;
        std::fs::write(&path, &edited).unwrap();
        let refused = resume(&engine, fresh(scratch, &keyring, "b.backup")).await;
        assert!(
            matches!(
                refused,
                Err(EngineError::Backup(
                    BackupError::Forged { .. }
                        | BackupError::Cut { .. }
                        // Its file id is another.
                        | BackupError::Exchanged { .. }
                ))
            ),
            "{at}: {refused:?}"
        );
    }
    assert_eq!(values(scratch).await, before);
    std::fs::write(&path, &good).unwrap();
    assert_eq!(
        resume(&engine, fresh(scratch, &keyring, "b.backup"))
            .await
            .unwrap(),
        200
    );
    engine.database().close().await;
    assert!(!scratch.folder().join("b.backup").exists());
    done(scratch, &keyring, Operation::Decrypt, &column("t", "v")).await;
    assert_eq!(values(scratch).await, clear(200));
}

/// The operator names another file because the first is lost; an interruption
/// right after that must not hold the lost file's length against the new one.
pub async fn another_file_on_resume(scratch: &ScratchDatabase) {
    table(scratch, &clear(400)).await;
    let keyring = ring(1, &[]);
    let policy = column("t", "v");
    let file =
        |name: &str, explicit| Backups::new(&keyring, Some(scratch.folder().join(name)), explicit);
    interrupted(
        scratch,
        &keyring,
        Operation::Encrypt,
        &policy,
        file("a", false),
    )
    .await;
    std::fs::remove_file(scratch.folder().join("a")).unwrap();
    // Stopped before the first page.
    let watch = crate::support::StopAfter::rows(0);
    watch.stop.request();
    let stopped = engine(scratch, keyring.clone())
        .await
        .watched(watch.clone(), watch.stop.clone());
    let outcome = stopped
        .change(
            Operation::Encrypt,
            &policy,
            &small_steps(),
            &file("b", true),
        )
        .await;
    assert!(
        matches!(outcome, Err(EngineError::Interrupted)),
        "{outcome:?}"
    );
    stopped.database().close().await;
    for explicit in [true, false] {
        interrupted(
            scratch,
            &keyring,
            Operation::Encrypt,
            &policy,
            file("b", explicit),
        )
        .await;
    }
    let engine = engine(scratch, keyring.clone()).await;
    assert_eq!(resume(&engine, file("b", true)).await.unwrap(), 400);
    engine.database().close().await;
}

/// An error before the first page: the face removes the empty file, and the same
/// command goes on all the same.
pub async fn a_run_that_wrote_nothing_needs_no_file(scratch: &ScratchDatabase) {
    table(scratch, &clear(30)).await;
    let keyring = ring(1, &[]);
    let policy = column("t", "v");
    let watch = crate::support::StopAfter::rows(0);
    watch.stop.request();
    let engine = engine(scratch, keyring.clone()).await;
    let stopping = engine.clone().watched(watch.clone(), watch.stop.clone());
    let first = fresh(scratch, &keyring, "a");
    let stopped = stopping
        .change(Operation::Encrypt, &policy, &small_steps(), &first)
        .await;
    assert!(
        matches!(stopped, Err(EngineError::Interrupted)),
        "{stopped:?}"
    );
    assert!(first.finish().is_empty() && !scratch.folder().join("a").exists());
    assert_eq!(engine.open_runs().await.unwrap().len(), 1);
    assert_eq!(
        resume(&engine, fresh(scratch, &keyring, "b"))
            .await
            .unwrap(),
        30
    );
    assert!(scratch.folder().join("b").exists());
    engine.database().close().await;
}
