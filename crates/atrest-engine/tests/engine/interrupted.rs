//! A run that was stopped goes on where it was.

use std::time::{Duration, Instant};

use atrest_core::Suite;
use atrest_engine::backup::Backups;
use atrest_engine::observe::{Silent, Stop};
use atrest_engine::restore::RestoreMode;
use atrest_engine::{EngineError, Operation, RunOptions};
use atrest_testing::{Dialect, ScratchDatabase};

use crate::states::token;
use crate::support::{
    clear, column, done, engine, fresh, id, interrupted, ring, run, set, small_steps, table,
    values, verified,
};

/// The run is stopped once per operation; every token that was there before it was
/// taken up is there afterwards, byte for byte.
pub async fn every_row_is_sealed_once(scratch: &ScratchDatabase) {
    let want = clear(200);
    table(scratch, &want).await;
    let policy = column("t", "v");
    let one = ring(1, &[]);

    interrupted(
        scratch,
        &one,
        Operation::Encrypt,
        &policy,
        fresh(scratch, &one, "a"),
    )
    .await;
    let half = values(scratch).await;
    let sealed = half.iter().zip(&want).filter(|(a, b)| a != b).count();
    assert!((50..150).contains(&sealed), "{sealed}");
    let watcher = engine(scratch, one.clone()).await;
    let open = watcher.open_runs().await.unwrap();
    assert_eq!((open.len(), open[0].operation), (1, "encrypt"));
    assert_eq!(open[0].changed, sealed as u64);
    let report = done(scratch, &one, Operation::Encrypt, &policy).await;
    assert_eq!(report.changed, 200, "both parts of the run");
    assert!(watcher.open_runs().await.unwrap().is_empty());
    watcher.database().close().await;
    for ((now, half), clear) in values(scratch).await.iter().zip(&half).zip(&want) {
        assert_ne!(now, clear);
        assert!(half == clear || half == now, "sealed twice");
    }

    let two = ring(2, &[1]);
    let before = values(scratch).await;
    interrupted(
        scratch,
        &two,
        Operation::Rotate,
        &policy,
        fresh(scratch, &two, "b"),
    )
    .await;
    let half = values(scratch).await;
    done(scratch, &two, Operation::Rotate, &policy).await;
    for ((now, half), before) in values(scratch).await.iter().zip(&half).zip(&before) {
        assert_ne!(now, before);
        assert!(half == before || half == now, "rotated twice");
    }

    interrupted(
        scratch,
        &two,
        Operation::Decrypt,
        &policy,
        fresh(scratch, &two, "c"),
    )
    .await;
    let report = done(scratch, &two, Operation::Decrypt, &policy).await;
    assert_eq!(report.changed, 200);
    assert_eq!(values(scratch).await, want);
}

/// One worker's error drops the pages that the others are committing: each is there
/// whole and with its journal, or not at all.
pub async fn an_error_drops_the_other_workers_pages(scratch: &ScratchDatabase) {
    let want = clear(5_000);
    table(scratch, &want).await;
    let (one, policy) = (ring(1, &[]), column("t", "v"));
    let options = RunOptions {
        workers: Some(4),
        ..small_steps()
    };
    let engine = engine(scratch, one.clone()).await;
    let late = 2_100; // where no sample looks
    let foreign = token(9, Suite::Xaes256Gcm, "t.v", "foreign");
    set(scratch, late, &foreign).await;
    let stopped = run(
        &engine,
        &one,
        scratch,
        Operation::Encrypt,
        &policy,
        &options,
    )
    .await;
    assert!(
        matches!(stopped, Err(EngineError::WrongKeyMet { .. })),
        "{stopped:?}"
    );
    set(scratch, late, want[late - 1].as_deref().unwrap()).await;
    engine.database().close().await;
    let half = values(scratch).await;
    let sealed = half.iter().zip(&want).filter(|(a, b)| a != b).count();
    assert!((100..4_900).contains(&sealed), "{sealed}");
    let report = done(scratch, &one, Operation::Encrypt, &policy).await;
    assert!(report.settled, "{report:?}");
    for ((now, half), clear) in values(scratch).await.iter().zip(&half).zip(&want) {
        assert_ne!(now, clear);
        assert!(half == clear || half == now, "sealed twice");
    }
    done(scratch, &one, Operation::Decrypt, &policy).await;
    assert_eq!(values(scratch).await, want);
}

/// An interrupted run does not stand in the way of turning round, nor of a new key.
pub async fn by_another_operation_or_key(scratch: &ScratchDatabase) {
    let want = clear(200);
    table(scratch, &want).await;
    let policy = column("t", "v");
    let one = ring(1, &[]);
    interrupted(
        scratch,
        &one,
        Operation::Encrypt,
        &policy,
        fresh(scratch, &one, "a"),
    )
    .await;
    done(scratch, &one, Operation::Decrypt, &policy).await;
    assert_eq!(values(scratch).await, want);

    interrupted(
        scratch,
        &one,
        Operation::Encrypt,
        &policy,
        fresh(scratch, &one, "b"),
    )
    .await;
    let two = ring(2, &[1]);
    done(scratch, &two, Operation::Encrypt, &policy).await;
    let report = verified(scratch, &two, &policy).await;
    assert_eq!(report.plaintext, 0);
    assert_eq!(report.sealed[&id(1)] + report.sealed[&id(2)], 200);
    done(scratch, &two, Operation::Rotate, &policy).await;
    done(scratch, &ring(2, &[]), Operation::Decrypt, &policy).await;
    assert_eq!(values(scratch).await, want);
}

/// However slow a run is asked to be, it ends when it is asked to, and goes on.
pub async fn a_slow_run_ends_at_once(scratch: &ScratchDatabase) {
    let want = clear(500);
    table(scratch, &want).await;
    let (keyring, policy, stop) = (ring(1, &[]), column("t", "v"), Stop::default());
    let engine = engine(scratch, keyring.clone())
        .await
        .watched(std::sync::Arc::new(Silent), stop.clone());
    let slowly = RunOptions {
        max_rate: Some(10),
        ..RunOptions::default()
    };
    let begin = Instant::now();
    let (stopped, ()) = tokio::join!(
        run(
            &engine,
            &keyring,
            scratch,
            Operation::Encrypt,
            &policy,
            &slowly
        ),
        async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            stop.request();
        }
    );
    assert!(
        matches!(stopped, Err(EngineError::Interrupted)),
        "{stopped:?}"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
    engine.database().close().await;
    let half = values(scratch).await;
    let sealed = half.iter().zip(&want).filter(|(a, b)| a != b).count();
    assert!((1..=40).contains(&sealed), "{sealed} rows in 2 s");
    done(scratch, &keyring, Operation::Encrypt, &policy).await;
    for (now, half) in values(scratch).await.iter().zip(&half) {
        assert!(want.contains(half) || half == now, "sealed twice");
    }
}

/// A page's transaction fails when the next page's originals are durable already: the
/// file is ahead of the journal, and the run goes on in it.
pub async fn a_page_lost_behind_a_durable_frame(scratch: &ScratchDatabase) {
    let want = clear(100);
    table(scratch, &want).await;
    let (keyring, policy) = (ring(1, &[]), column("t", "v"));
    let path = scratch.folder().join("ahead");
    let (up, down): (&[&str], &[&str]) = match scratch.dialect() {
        Dialect::Sqlite => (
            &[
                "CREATE TRIGGER lost BEFORE UPDATE ON t WHEN OLD.id = 35 BEGIN SELECT RAISE(ABORT, 'lost'); END",
            ],
            &["DROP TRIGGER lost"],
        ),
        Dialect::MySql => (
            &[
                "CREATE TRIGGER lost BEFORE UPDATE ON t FOR EACH ROW IF OLD.id = 35 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'lost'; END IF",
            ],
            &["DROP TRIGGER lost"],
        ),
        Dialect::Postgres => (
            &[
                "CREATE FUNCTION lost() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'lost'; END $$",
                "CREATE TRIGGER lost BEFORE UPDATE ON t FOR EACH ROW WHEN (OLD.id = 35) EXECUTE FUNCTION lost()",
            ],
            &["DROP TRIGGER lost ON t", "DROP FUNCTION lost()"],
        ),
    };
    for statement in up {
        scratch.execute(statement).await;
    }
    let engine = engine(scratch, keyring.clone()).await;
    let backups = Backups::new(&keyring, Some(path.clone()), false);
    let encrypt = Operation::Encrypt;
    let lost = engine
        .change(encrypt, &policy, &small_steps(), &backups)
        .await;
    assert!(matches!(lost, Err(EngineError::Target(_))), "{lost:?}");
    drop(backups);
    let half = values(scratch).await;
    assert!(half[..30].iter().zip(&want).all(|(a, b)| a != b));
    assert_eq!(half[30..], want[30..]);
    let options = RunOptions::default();
    let columns = [&policy];
    let compare = || engine.restore(&path, &columns, RestoreMode::Compare, &options);
    let reports = compare().await.unwrap();
    assert_eq!((reports[0].entries, reports[0].same), (50, 50));

    for statement in down {
        scratch.execute(statement).await;
    }
    let backups = Backups::new(&keyring, Some(path.clone()), false);
    let report = engine
        .change(encrypt, &policy, &small_steps(), &backups)
        .await;
    assert_eq!(report.unwrap().changed, 100);
    let _files = backups.finish();
    for (now, half) in values(scratch).await.iter().zip(&half) {
        assert!(want.contains(half) || half == now, "sealed twice");
    }
    let reports = compare().await.unwrap();
    assert!(reports[0].clean(), "{reports:?}");
    assert_eq!(reports[0].same, 100);
    engine.database().close().await;
}
