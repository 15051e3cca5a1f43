//! What a run refuses, and that nothing was changed then.

use std::time::Duration;

use atrest_core::{Form, Suite};
use atrest_engine::journal::JournalError;
use atrest_engine::target::TargetError;
use atrest_engine::{EngineError, Operation, RunOptions};
use atrest_testing::{Dialect, ScratchDatabase};

use crate::support::{clear, column, done, engine, ring, run, small_steps, table, values};

pub async fn another_context(scratch: &ScratchDatabase) {
    table(scratch, &clear(20)).await;
    let keyring = ring(1, &[]);
    let policy = column("t", "v");
    done(scratch, &keyring, Operation::Encrypt, &policy).await;
    let before = scratch.dump().await;
    let mut renamed = policy.clone();
    renamed.context = Some("another.name".into());
    let mut rebound = policy.clone();
    rebound.bind = atrest_engine::policy::Bind::Row;
    let engine = engine(scratch, keyring.clone()).await;
    let options = RunOptions::default();
    for other in [&renamed, &rebound] {
        for operation in [Operation::Encrypt, Operation::Rotate, Operation::Decrypt] {
            let refused = run(&engine, &keyring, scratch, operation, other, &options).await;
            assert!(
                matches!(refused, Err(EngineError::ContextChanged { .. })),
                "{refused:?}"
            );
        }
        let refused = engine.verify(other, &options).await;
        assert!(matches!(refused, Err(EngineError::ContextChanged { .. })));
    }
    engine.database().close().await;
    scratch.dump().await.assert_same(&before);
}

pub async fn a_forged_or_foreign_journal(scratch: &ScratchDatabase) {
    table(scratch, &clear(20)).await;
    let keyring = ring(1, &[]);
    let policy = column("t", "v");
    done(scratch, &keyring, Operation::Encrypt, &policy).await;
    let good = scratch
        .rows("SELECT name, body, mac FROM atrest_journal ORDER BY name")
        .await;
    assert_eq!(good.len(), 2, "the column's record, and the journal's own");
    let text = |i: usize| String::from_utf8(good[0][i].clone().unwrap()).unwrap();
    let (body, mac) = (text(1), text(2));
    let put = |column: &'static str, value: String| async move {
        let value = scratch.dialect().literal(&value);
        scratch
            .execute(&format!(
                "UPDATE atrest_journal SET {column} = {value} WHERE name <> 'journal'"
            ))
            .await;
    };
    let engine = engine(scratch, keyring.clone()).await;
    let options = RunOptions::default();
    for (what, column, value, back) in [
        (
            "another context",
            "body",
            body.replace("t.v", "t.w"),
            body.clone(),
        ),
        ("no JSON", "body", "{}".to_owned(), body.clone()),
        ("another tag", "mac", "0".repeat(64), mac.clone()),
        ("no tag", "mac", String::new(), mac.clone()),
        ("another column's", "name", "column:t.w".into(), text(0)),
        ("of an unknown kind", "name", "note:t.v".into(), text(0)),
    ] {
        put(column, value).await;
        let before = scratch.dump().await;
        for operation in [Operation::Encrypt, Operation::Rotate, Operation::Decrypt] {
            let refused = run(&engine, &keyring, scratch, operation, &policy, &options).await;
            assert!(
                matches!(
                    refused,
                    Err(EngineError::Journal(JournalError::Forged { .. }))
                ),
                "{what}: {refused:?}"
            );
        }
        assert!(engine.verify(&policy, &options).await.is_err(), "{what}");
        scratch.dump().await.assert_same(&before);
        put(column, back).await;
    }
    let own = |mac: String| async move {
        let mac = scratch.dialect().literal(&mac);
        scratch
            .execute(&format!(
                "UPDATE atrest_journal SET mac = {mac} WHERE name = 'journal'"
            ))
            .await;
    };
    own("0".repeat(64)).await;
    let refused = engine.verify(&policy, &options).await;
    assert!(
        matches!(refused, Err(EngineError::Journal(JournalError::Forged { ref name })) if name == "journal"),
        "{refused:?}"
    );
    own(String::from_utf8(good[1][2].clone().unwrap()).unwrap()).await;
    engine.database().close().await;
    done(scratch, &keyring, Operation::Decrypt, &policy).await;
    assert_eq!(values(scratch).await, clear(20));
}

pub async fn no_primary_key(scratch: &ScratchDatabase) {
    scratch
        .execute("CREATE TABLE t (id int, v varchar(200))")
        .await;
    scratch.execute("INSERT INTO t VALUES (1, 'secret')").await;
    let before = scratch.dump().await;
    let keyring = ring(1, &[]);
    let engine = engine(scratch, keyring.clone()).await;
    let policy = column("t", "v");
    let options = RunOptions::default();
    let refused = run(
        &engine,
        &keyring,
        scratch,
        Operation::Encrypt,
        &policy,
        &options,
    )
    .await;
    let Err(EngineError::Target(TargetError::Refused { what, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert!(what.contains("primary key"), "{what}");
    engine.database().close().await;
    scratch.dump().await.assert_same(&before);
}

pub async fn two_runs_at_once(scratch: &ScratchDatabase) {
    table(scratch, &clear(300)).await;
    let keyring = ring(1, &[]);
    let policy = column("t", "v");
    let slow = RunOptions {
        max_rate: Some(60),
        batch_size: Some(10),
        ..RunOptions::default()
    };
    let (first, second) = (
        engine(scratch, keyring.clone()).await,
        engine(scratch, keyring.clone()).await,
    );
    let one = run(
        &first,
        &keyring,
        scratch,
        Operation::Encrypt,
        &policy,
        &slow,
    );
    let two = async {
        let mut refused = 0;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let fast = RunOptions::default();
            let other = run(
                &second,
                &keyring,
                scratch,
                Operation::Decrypt,
                &policy,
                &fast,
            )
            .await;
            assert!(
                matches!(other, Err(EngineError::Target(TargetError::Busy { .. }))),
                "{other:?}"
            );
            refused += 1;
        }
        refused
    };
    let (report, refused) = tokio::join!(one, two);
    assert_eq!((report.unwrap().changed, refused), (300, 3));
    let report = run(
        &second,
        &keyring,
        scratch,
        Operation::Decrypt,
        &policy,
        &RunOptions::default(),
    )
    .await;
    assert_eq!(report.unwrap().changed, 300);
    first.database().close().await;
    second.database().close().await;
    assert_eq!(values(scratch).await, clear(300));
}

pub async fn rights_to_read_only(scratch: &ScratchDatabase) {
    table(scratch, &clear(20)).await;
    let mut url = scratch.url().to_owned();
    let user = format!("reader_{}", scratch.name().replace("atrest_", ""));
    let (make, drop) = match scratch.dialect() {
        Dialect::Postgres => (
            format!("CREATE ROLE {user} LOGIN; GRANT SELECT ON t TO {user}"),
            format!("DROP OWNED BY {user}; DROP ROLE {user}"),
        ),
        Dialect::MySql => (
            format!(
                "CREATE USER {user}@'%'; GRANT SELECT ON {}.* TO {user}@'%'",
                scratch.name()
            ),
            format!("DROP USER {user}@'%'"),
        ),
        Dialect::Sqlite => {
            url.push_str("?mode=ro");
            (String::new(), String::new())
        }
    };
    if !make.is_empty() {
        scratch.execute(&make).await;
        url = url
            .replace("postgres@", &format!("{user}@"))
            .replace("root@", &format!("{user}@"));
    }
    let before = values(scratch).await;
    let keyring = ring(1, &[]);
    // A face may learn of it when it connects, at the latest when the run begins.
    let refused = match atrest_sql::connect(&url).await {
        Err(error) => EngineError::from(error),
        Ok(database) => {
            let engine = atrest_engine::Engine::new(database, keyring.clone());
            let (policy, options) = (column("t", "v"), RunOptions::default());
            let refused = run(
                &engine,
                &keyring,
                scratch,
                Operation::Encrypt,
                &policy,
                &options,
            )
            .await;
            engine.database().close().await;
            refused.unwrap_err()
        }
    };
    if !drop.is_empty() {
        scratch.execute(&drop).await;
    }
    let said = refused.to_string();
    assert!(
        ["grant", "permission", "read", "right"]
            .iter()
            .any(|w| said.to_lowercase().contains(w)),
        "{said}"
    );
    assert_eq!(values(scratch).await, before);
}

/// No type bounds the length, and no database takes the token: the row is named.
pub async fn a_value_too_long_for_a_token(scratch: &ScratchDatabase) {
    let (keyring, policy) = (ring(1, &[]), column("t", "v"));
    let options = |longest_token| RunOptions {
        longest_token,
        ..small_steps()
    };
    let mut rows = clear(40);
    rows[32] = Some("x".repeat(600));
    table(scratch, &rows).await;
    let engine = engine(scratch, keyring.clone()).await;
    let named = |result: Result<_, EngineError>, row: &str| match result {
        Err(error @ EngineError::TooLong { .. }) => {
            assert!(error.to_string().contains(&format!("t.v in row {row} ")));
        }
        other => panic!("{other:?}"),
    };
    let change = |operation, longest| {
        let (engine, keyring, policy, options) = (&engine, &keyring, &policy, options(longest));
        async move { run(engine, keyring, scratch, operation, policy, &options).await }
    };
    let token = Suite::Xaes256Gcm.token_len(Form::Text, 600);
    named(change(Operation::Encrypt, token - 1).await, "33");
    let after = values(scratch).await;
    assert_eq!(after[30..], rows[30..], "neither it nor its page");
    assert!(change(Operation::Encrypt, token).await.is_ok());
    // A token that is there already is in nobody's way: what is due is measured.
    assert!(change(Operation::Encrypt, 10).await.is_ok());
    assert!(change(Operation::Decrypt, 10).await.is_ok());
    engine.database().close().await;
    assert_eq!(values(scratch).await, rows);
}
