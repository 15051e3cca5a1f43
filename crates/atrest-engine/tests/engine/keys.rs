//! The wrong key, and a key that is still needed.

use atrest_core::Suite;
use atrest_engine::journal::JournalError;
use atrest_engine::{EngineError, Operation, RunOptions};
use atrest_testing::ScratchDatabase;

use crate::support::{clear, column, done, engine, id, ring, run, table, verified};

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

/// A key leaves the keyring only when nothing needs it any more.
pub async fn a_key_in_use_cannot_leave(scratch: &ScratchDatabase) {
    table(scratch, &clear(40)).await;
    let policy = column("t", "v");
    let both = ring(2, &[1]);
    done(scratch, &ring(1, &[]), Operation::Encrypt, &policy).await;
    let usage = |report, keyring| {
        let policy = policy.clone();
        async move {
            let _: &atrest_engine::report::ColumnReport = &report;
            let engine = engine(scratch, keyring).await;
            let open = engine.open_runs().await;
            let usage = engine.key_usage(&[report], &open.unwrap_or_default(), &|_| policy.id());
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
