//! The wrong key, and a key that is still needed.

use atrest_core::{Keyring, Suite};
use atrest_engine::journal::JournalError;
use atrest_engine::report::key_usage;
use atrest_engine::{EngineError, Operation, RunOptions};
use atrest_testing::ScratchDatabase;

use crate::states::token;
use crate::support::{
    clear, column, done, engine, id, ring, run, set, small_steps, table, values, verified,
};

pub async fn a_wrong_key_changes_nothing(scratch: &ScratchDatabase) {
    table(scratch, &clear(40)).await;
    for suite in Suite::ALL {
        let mut policy = column("t", "v");
        policy.suite = suite;
        done(scratch, &ring(1, &[]), Operation::Encrypt, &policy).await;
        let wrong = ring(3, &[]);
        for journal in [true, false] {
            if !journal {
                // As when the table was restored without it.
                scratch.execute("DELETE FROM atrest_journal").await;
            }
            let before = scratch.dump().await;
            let engine = engine(scratch, wrong.clone()).await;
            for operation in [Operation::Encrypt, Operation::Rotate, Operation::Decrypt] {
                let refused = run(
                    &engine,
                    &wrong,
                    scratch,
                    operation,
                    &policy,
                    &RunOptions::default(),
                )
                .await;
                match refused {
                    Err(EngineError::Journal(JournalError::UnknownKey { key })) if journal => {
                        assert_eq!(key, id(1));
                    }
                    Err(EngineError::WrongKey { .. }) if !journal => {}
                    other => panic!("{suite} {operation:?} with journal {journal}: {other:?}"),
                }
            }
            engine.database().close().await;
            scratch.dump().await.assert_same(&before);
        }
        done(scratch, &ring(1, &[]), Operation::Decrypt, &policy).await;
    }
}

/// The application's fields were deployed first: its tokens are the newest rows, and
/// few.
pub async fn the_newest_rows_show_the_wrong_key(scratch: &ScratchDatabase) {
    table(scratch, &clear(5_001)).await;
    for id in 10_001..10_020 {
        let token = token(9, Suite::Xaes256Gcm, "t.v", "the application's");
        scratch
            .execute(&format!("INSERT INTO t VALUES ({id}, '{token}')"))
            .await;
    }
    let before = scratch.dump().await;
    let (wrong, policy) = (ring(1, &[]), column("t", "v"));
    let engine = engine(scratch, wrong.clone()).await;
    let options = RunOptions::default();
    for operation in [Operation::Encrypt, Operation::Rotate, Operation::Decrypt] {
        let plan = engine.plan(operation, &policy, &options).await.unwrap();
        assert_eq!(plan.refusals.len(), 1, "{operation:?}");
        let refused = run(&engine, &wrong, scratch, operation, &policy, &options).await;
        assert!(
            matches!(refused, Err(EngineError::WrongKey { .. })),
            "{operation:?}: {refused:?}"
        );
    }
    scratch.dump().await.assert_same(&before);
    engine.database().close().await;
    let report = done(scratch, &ring(9, &[]), Operation::Encrypt, &policy).await;
    assert_eq!((report.changed, report.undecryptable), (5_001, 0));
}

/// One token where no sample is taken stops the run when it comes by, again when the
/// command is run again, and the rows until then come along to the right key.
pub async fn a_wrong_key_that_shows_late_stops_the_run(scratch: &ScratchDatabase) {
    let want = clear(5_000);
    table(scratch, &want).await;
    set(scratch, 2_100, &token(9, Suite::Xaes256Gcm, "t.v", "late")).await;
    let (wrong, policy) = (ring(1, &[]), column("t", "v"));
    let engine = engine(scratch, wrong.clone()).await;
    let sealed =
        |values: Vec<Option<String>>| values.iter().zip(&want).filter(|(a, b)| a != b).count();
    for _ in 0..2 {
        let stopped = run(
            &engine,
            &wrong,
            scratch,
            Operation::Encrypt,
            &policy,
            &small_steps(),
        )
        .await;
        match stopped {
            Err(EngineError::WrongKeyMet { row, .. }) => assert_eq!(row, "2100"),
            other => panic!("{other:?}"),
        }
        assert_eq!(sealed(values(scratch).await), 2_090 + 1);
        let plan = engine
            .plan(Operation::Encrypt, &policy, &small_steps())
            .await;
        assert_eq!(plan.unwrap().refusals.len(), 1);
    }
    // The tokens that the run itself wrote do not prove the key: where a sample shows
    // the other one, it does not even begin.
    set(scratch, 5_000, &token(9, Suite::Xaes256Gcm, "t.v", "new")).await;
    let refused = run(
        &engine,
        &wrong,
        scratch,
        Operation::Encrypt,
        &policy,
        &small_steps(),
    )
    .await;
    assert!(
        matches!(refused, Err(EngineError::WrongKey { .. })),
        "{refused:?}"
    );
    engine.database().close().await;

    let both = ring(9, &[1]);
    done(scratch, &both, Operation::Encrypt, &policy).await;
    done(scratch, &both, Operation::Rotate, &policy).await;
    done(scratch, &ring(9, &[]), Operation::Decrypt, &policy).await;
    let clear = values(scratch).await;
    assert_eq!(
        (clear[2_099].as_deref(), clear[4_999].as_deref()),
        (Some("late"), Some("new"))
    );
    assert_eq!(clear[..2_099], want[..2_099]);
}

/// One value that opens, wherever it is, shows that the keys are the application's; what
/// a lost key left is then counted and kept.
pub async fn a_value_that_opens_proves_the_key(scratch: &ScratchDatabase) {
    table(scratch, &clear(5_000)).await;
    set(scratch, 1, &token(9, Suite::Xaes256Gcm, "t.v", "lost")).await;
    set(scratch, 2_100, &token(1, Suite::Xaes256Gcm, "t.v", "ours")).await;
    let policy = column("t", "v");
    let report = done(scratch, &ring(1, &[]), Operation::Encrypt, &policy).await;
    assert_eq!((report.changed, report.undecryptable), (4_998, 1));
}

/// A key leaves the keyring only when nothing needs it any more.
pub async fn a_key_in_use_cannot_leave(scratch: &ScratchDatabase) {
    table(scratch, &clear(40)).await;
    let policy = column("t", "v");
    let both = ring(2, &[1]);
    done(scratch, &ring(1, &[]), Operation::Encrypt, &policy).await;
    let usage = |report, keyring: Keyring| {
        let policy = policy.clone();
        async move {
            let _: &atrest_engine::report::ColumnReport = &report;
            let engine = engine(scratch, keyring.clone()).await;
            let open = engine.open_runs().await;
            let open = open.unwrap_or_default();
            let usage = key_usage(&keyring, &[report], &[], &open, &|_| policy.id());
            engine.database().close().await;
            usage
        }
    };
    let before = usage(verified(scratch, &both, &policy).await, both.clone()).await;
    let old = before.iter().find(|k| k.key == id(1)).unwrap();
    assert_eq!((old.values, old.can_retire), (Some(40), Some(false)));
    // Removed all the same: it is said, and nothing is changed.
    let engine_without = engine(scratch, ring(2, &[])).await;
    let refused = engine_without.verify(&policy, &RunOptions::default()).await;
    assert!(
        matches!(&refused, Err(EngineError::Journal(JournalError::UnknownKey { key })) if *key == id(1)),
        "{refused:?}"
    );
    engine_without.database().close().await;

    done(scratch, &both, Operation::Rotate, &policy).await;
    let after = usage(verified(scratch, &both, &policy).await, both.clone()).await;
    let old = after.iter().find(|k| k.key == id(1)).unwrap();
    assert_eq!((old.values, old.can_retire), (Some(0), Some(true)));
    let report = verified(scratch, &ring(2, &[]), &policy).await;
    assert_eq!(report.sealed.get(&id(2)), Some(&40));
    done(scratch, &ring(2, &[]), Operation::Decrypt, &policy).await;
}
