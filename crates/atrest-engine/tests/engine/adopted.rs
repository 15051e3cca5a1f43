//! Columns that other software has encrypted, taken over and given back.

use atrest_core::{ExternalKeys, Suite};
use atrest_engine::backup::Backups;
use atrest_engine::restore::RestoreMode;
use atrest_engine::{Engine, EngineError, Operation, RunOptions};
use atrest_testing::ScratchDatabase;

use crate::states::token;
use crate::support::{
    StopAfter, clear, column, engine, fresh, id, ring, run, set, small_steps, table, values,
    verified,
};

/// The other software's key.
const THEIRS: u8 = 9;

async fn with(scratch: &ScratchDatabase, own: u8, theirs: &[u8]) -> Engine {
    let (first, rest) = theirs.split_first().unwrap();
    let keys = ExternalKeys::fernet(ring(*first, rest));
    engine(scratch, ring(own, &[])).await.with_external(keys)
}

/// `n` rows of Fernet tokens under their key; gives the clear values.
async fn theirs(scratch: &ScratchDatabase, n: usize) -> Vec<Option<String>> {
    let want = clear(n);
    let tokens = want.iter().flatten();
    let tokens: Vec<_> = tokens
        .map(|value| Some(token(THEIRS, Suite::Fernet, "", value)))
        .collect();
    table(scratch, &tokens).await;
    want
}

/// Stops after some 50 rows.
async fn stopped(scratch: &ScratchDatabase, engine: Engine, operation: Operation, file: Backups) {
    let watch = StopAfter::rows(50);
    let engine = engine.watched(watch.clone(), watch.stop.clone());
    let policy = column("t", "v");
    let ended = engine
        .change(operation, &policy, &small_steps(), &file)
        .await;
    assert!(matches!(ended, Err(EngineError::Interrupted)), "{ended:?}");
    assert_eq!(engine.open_runs().await.unwrap().len(), 1);
    engine.database().close().await;
    let _ = scratch;
}

pub async fn every_row_is_taken_over_once_and_goes_out(scratch: &ScratchDatabase) {
    let want = theirs(scratch, 200).await;
    let before = values(scratch).await;
    let (policy, one) = (column("t", "v"), ring(1, &[]));
    for operation in [Operation::Adopt, Operation::Exit] {
        let at_first = values(scratch).await;
        let file = fresh(scratch, &one, operation.verb());
        // Out goes another key than came in.
        let theirs = if operation == Operation::Adopt {
            THEIRS
        } else {
            8
        };
        stopped(scratch, with(scratch, 1, &[theirs]).await, operation, file).await;
        let half = values(scratch).await;
        let changed = half.iter().zip(&at_first).filter(|(a, b)| a != b).count();
        assert!((50..150).contains(&changed), "{changed}");
        let engine = with(scratch, 1, &[theirs]).await;
        let options = RunOptions::default();
        let report = run(&engine, &one, scratch, operation, &policy, &options).await;
        engine.database().close().await;
        let report = report.unwrap();
        assert_eq!((report.changed, report.undecryptable), (200, 0));
        let holder = if operation == Operation::Adopt {
            1
        } else {
            theirs
        };
        assert_eq!(report.sealed.get(&id(holder)), Some(&200), "{report:?}");
        assert_eq!(report.sealed.len(), 1);
        for ((now, half), first) in values(scratch).await.iter().zip(&half).zip(&at_first) {
            assert_ne!(now, first);
            assert!(half == first || half == now, "changed twice");
        }
        if operation == Operation::Adopt {
            let report = verified(scratch, &one, &policy).await;
            assert_eq!(report.sealed.get(&id(1)), Some(&200));
        }
    }
    // Nothing of atrest is left.
    assert!(!scratch.dump().await.contains("atrest_journal"));
    let engine = engine(scratch, ring(8, &[])).await;
    let report = run(
        &engine,
        &ring(8, &[]),
        scratch,
        Operation::Decrypt,
        &policy,
        &RunOptions::default(),
    )
    .await;
    assert_eq!(report.unwrap().changed, 200);
    engine.database().close().await;
    assert_eq!(values(scratch).await, want);
    assert_ne!(before, want);
}

pub async fn the_backup_of_what_was_taken_over_brings_it_back(scratch: &ScratchDatabase) {
    theirs(scratch, 60).await;
    let before = values(scratch).await;
    let (policy, one) = (column("t", "v"), ring(1, &[]));
    let engine = with(scratch, 1, &[THEIRS]).await;
    let backups = fresh(scratch, &one, "adopted");
    let options = RunOptions::default();
    engine
        .change(Operation::Adopt, &policy, &options, &backups)
        .await
        .unwrap();
    let files = backups.finish();
    // The application goes on.
    set(scratch, 7, &token(1, Suite::Xaes256Gcm, "t.v", "newer")).await;
    let newer = values(scratch).await[6].clone();
    for (mode, changed) in [(RestoreMode::Compare, 0), (RestoreMode::Restore, 59)] {
        let reports = engine.restore(&files[0], &[&policy], mode, &options).await;
        let report = reports.unwrap().remove(0);
        assert_eq!((report.same, report.changed_since), (59, 1), "{report:?}");
        assert_eq!(report.changed, changed);
    }
    engine.database().close().await;
    for (n, (now, was)) in values(scratch).await.iter().zip(&before).enumerate() {
        assert_eq!(now, if n == 6 { &newer } else { was });
    }
}

pub async fn a_wrong_key_takes_nothing_over(scratch: &ScratchDatabase) {
    theirs(scratch, 50).await;
    let before = scratch.dump().await;
    let (policy, one) = (column("t", "v"), ring(1, &[]));
    let engine = with(scratch, 1, &[7, 6]).await;
    let options = RunOptions::default();
    let refused = run(&engine, &one, scratch, Operation::Adopt, &policy, &options).await;
    let Err(EngineError::WrongExternalKey {
        rows: 50,
        undecryptable: 50,
        ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    let plan = engine
        .plan(Operation::Adopt, &policy, &options)
        .await
        .unwrap();
    assert_eq!((plan.due, plan.refusals.len()), (0, 1));
    engine.database().close().await;
    scratch.dump().await.assert_same(&before);
}

/// Own tokens, clear values, NULL and damaged ones stay; the others are taken over, and
/// what is left is no reason to refuse a second run.
pub async fn what_is_not_theirs_stays(scratch: &ScratchDatabase) {
    let own = token(1, Suite::Xaes256Gcm, "t.v", "own");
    let fernet = token(THEIRS, Suite::Fernet, "", "theirs");
    let older = token(5, Suite::Fernet, "", "older");
    let damaged = format!("{}!{}", &fernet[..50], &fernet[51..]);
    let all = [
        Some(own),
        Some(fernet),
        Some(older),
        Some(damaged),
        Some("clear".into()),
        None,
    ];
    table(scratch, &all).await;
    let (policy, one) = (column("t", "v"), ring(1, &[]));
    let engine = with(scratch, 1, &[THEIRS, 5]).await;
    let options = RunOptions::default();
    for changed in [2, 0] {
        let report = run(&engine, &one, scratch, Operation::Adopt, &policy, &options).await;
        let report = report.unwrap();
        assert_eq!(
            (report.changed, report.plaintext, report.null),
            (changed, 1, 1)
        );
        assert_eq!(report.undecryptable_rows, ["4"]);
        assert_eq!(report.sealed.get(&id(1)), Some(&3));
        let now = values(scratch).await;
        for n in [0, 3, 4, 5] {
            assert_eq!(now[n], all[n]);
        }
        assert!(now[1].as_ref().unwrap().starts_with("ar1."));
    }
    engine.database().close().await;
    let engine = crate::support::engine(scratch, one.clone()).await;
    for operation in [Operation::Adopt, Operation::Exit] {
        let refused = run(&engine, &one, scratch, operation, &policy, &options).await;
        assert!(matches!(refused, Err(EngineError::NoExternalKey { .. })));
    }
    engine.database().close().await;
}

/// In, every value goes under the keys of the person whose it is; out, all under one.
pub async fn of_people_with_keys_of_their_own(scratch: &ScratchDatabase) {
    let want = crate::subjects::people(scratch, 100, 7).await;
    for (n, value) in want.iter().enumerate() {
        if let Some(value) = value {
            let value = token(THEIRS, Suite::Fernet, "", value);
            set(scratch, n + 1, &value).await;
        }
    }
    let some = want.iter().flatten().count() as u64;
    let nobodys = (1..=100).filter(|n| n % 17 == 0 && n % 13 != 0).count() as u64;
    let (one, policy) = (ring(1, &[]), crate::subjects::policy());
    let with = async |theirs| {
        let keys = ExternalKeys::fernet(ring(theirs, &[]));
        let engine = crate::subjects::engine(scratch, &one).await;
        engine.with_external(keys)
    };
    let options = small_steps();
    let engine = with(THEIRS).await;
    let report = run(&engine, &one, scratch, Operation::Adopt, &policy, &options).await;
    let report = report.unwrap();
    assert_eq!(
        (report.changed, report.plaintext, report.undecryptable),
        (some, 0, 0)
    );
    assert_eq!(report.sealed_by_subject, some - nobodys);
    assert_eq!(report.sealed.get(&id(1)), Some(&nobodys));
    engine.database().close().await;
    let engine = with(8).await;
    let report = run(&engine, &one, scratch, Operation::Exit, &policy, &options).await;
    let report = report.unwrap();
    assert_eq!((report.changed, report.sealed_by_subject), (some, 0));
    assert_eq!(report.sealed.get(&id(8)), Some(&some), "{report:?}");
    engine.database().close().await;
    let engine = crate::support::engine(scratch, ring(8, &[])).await;
    let whole = column("t", "v");
    let report = run(
        &engine,
        &ring(8, &[]),
        scratch,
        Operation::Decrypt,
        &whole,
        &options,
    )
    .await;
    assert_eq!(report.unwrap().changed, some);
    engine.database().close().await;
    assert_eq!(values(scratch).await, want);
}
