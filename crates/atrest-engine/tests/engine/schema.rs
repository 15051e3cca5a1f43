//! Columns that cannot hold a token: refused, or changed and changed back exactly.

use atrest_engine::{EngineError, Operation, RunOptions};
use atrest_testing::{Dialect, ScratchDatabase};

use crate::support::{
    clear, column, engine, fresh, interrupted, ring, run, set, small_steps, values, verified,
};

/// Type, and literals to store in it.
type Typed = (&'static str, &'static [&'static str]);

const POSTGRES: &[Typed] = &[
    ("json", &["'{\"a\":  1, \"a\": 2.50}'", "'[]'", "'null'"]),
    ("jsonb", &["'{\"b\": [1, 2.50, \"é\"]}'", "'1e3'"]),
    ("integer", &["0", "-2147483648", "2147483647"]),
    (
        "timestamptz",
        &[
            "'2024-02-29 23:59:59.123456+05:30'",
            "'infinity'",
            "'0044-03-15 BC'",
        ],
    ),
    ("varchar(20)", &["''", "'Zoë 山田'", "'  spaces  '"]),
    ("char(8)", &["'ab'", "''"]),
    ("numeric(12,4)", &["1.5", "-99999999.9999", "'NaN'"]),
    ("text[]", &["'{a,\"b c\",NULL}'", "'{}'", "'{{1,2},{3,4}}'"]),
    ("double precision", &["0.1", "'-Infinity'", "1e-300"]),
    ("date", &["'2024-02-29'"]),
    ("uuid", &["'00000000-0000-4000-8000-000000000001'"]),
    ("boolean", &["true", "false"]),
];
const MARIADB: &[Typed] = &[
    ("json", &["'{\"a\":  1}'", "'[]'"]),
    ("int", &["0", "-2147483648", "2147483647"]),
    ("datetime(3)", &["'2024-02-29 23:59:59.123'"]),
    ("varchar(20)", &["''", "'Zoë 山田'", "'  spaces'"]),
    ("char(8)", &["'ab'", "''"]),
    ("decimal(12,4)", &["1.5", "-99999999.9999"]),
    ("date", &["'2024-02-29'"]),
];
const SQLITE: &[Typed] = &[
    ("json", &["'{\"a\":  1}'", "'[]'"]),
    (
        "integer",
        &[
            "0",
            "-9223372036854775808",
            "9223372036854775807",
            "'not a number'",
        ],
    ),
    ("varchar(20)", &["''", "'Zoë 山田'"]),
    ("numeric", &["1", "0.1", "1e300", "'007'"]),
    ("timestamp", &["'2024-02-29 23:59:59'", "1709251199"]),
    ("real", &["0.1", "2.0"]),
];

pub async fn types_come_back_exactly(scratch: &ScratchDatabase) {
    let types = match scratch.dialect() {
        Dialect::Postgres => POSTGRES,
        Dialect::MySql => MARIADB,
        Dialect::Sqlite => SQLITE,
    };
    for (n, (declared, literals)) in types.iter().enumerate() {
        scratch
            .execute(&format!(
                "CREATE TABLE t{n} (id int NOT NULL PRIMARY KEY, one int, v {declared}, two int DEFAULT 7)"
            ))
            .await;
        for (i, literal) in literals.iter().enumerate() {
            scratch
                .execute(&format!("INSERT INTO t{n} (id, v) VALUES ({i}, {literal})"))
                .await;
        }
        scratch
            .execute(&format!("INSERT INTO t{n} (id, v) VALUES (99, NULL)"))
            .await;
    }
    let before = scratch.dump().await;
    let keyring = ring(1, &[]);
    let engine = engine(scratch, keyring.clone()).await;
    let (plain, apply) = (
        RunOptions::default(),
        RunOptions {
            apply_schema: true,
            ..RunOptions::default()
        },
    );
    for (n, (declared, literals)) in types.iter().enumerate() {
        let policy = column(&format!("t{n}"), "v");
        let plan = engine
            .plan(Operation::Encrypt, &policy, &plain)
            .await
            .unwrap();
        assert!(plan.refusals.is_empty(), "{declared}: {:?}", plan.refusals);
        let untouched = scratch.dump().await;
        let first = run(
            &engine,
            &keyring,
            scratch,
            Operation::Encrypt,
            &policy,
            &plain,
        )
        .await;
        if plan.schema.is_some() {
            assert!(
                matches!(first, Err(EngineError::SchemaNeeded { .. })),
                "{declared}: {first:?}"
            );
            scratch.dump().await.assert_same(&untouched);
        } else {
            assert!(first.is_ok(), "{declared}: {first:?}");
        }
        let report = run(
            &engine,
            &keyring,
            scratch,
            Operation::Encrypt,
            &policy,
            &apply,
        )
        .await
        .unwrap_or_else(|e| panic!("{declared}: {e}"));
        let found = verified(scratch, &keyring, &policy).await;
        assert_eq!(
            found.sealed_total(),
            literals.len() as u64,
            "{declared} {report:?}"
        );
        assert_eq!(
            (found.plaintext, found.null, found.undecryptable),
            (0, 1, 0),
            "{declared}"
        );
    }
    for (n, (declared, literals)) in types.iter().enumerate() {
        let policy = column(&format!("t{n}"), "v");
        let report = run(
            &engine,
            &keyring,
            scratch,
            Operation::Decrypt,
            &policy,
            &apply,
        )
        .await
        .unwrap_or_else(|e| panic!("{declared}: {e}"));
        assert_eq!(report.changed, literals.len() as u64, "{declared}");
    }
    engine.database().close().await;
    scratch.dump().await.assert_same(&before);
}

/// A value that would be cut is impossible: the run does not begin.
pub async fn too_narrow_is_refused_before_the_first_row(scratch: &ScratchDatabase) {
    if scratch.dialect() == Dialect::Sqlite {
        // A SQLite column holds text of any length; types_come_back_exactly has it.
        return;
    }
    scratch
        .execute("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar(90))")
        .await;
    // Most would fit, the longest does not.
    for (i, value) in clear(30).iter().flatten().enumerate() {
        scratch
            .execute(&format!("INSERT INTO t VALUES ({i}, '{}')", &value[..16]))
            .await;
    }
    scratch
        .execute(&format!("INSERT INTO t VALUES (99, '{}')", "x".repeat(60)))
        .await;
    let before = scratch.dump().await;
    let keyring = ring(1, &[]);
    let engine = engine(scratch, keyring.clone()).await;
    let policy = column("t", "v");
    let refused = run(
        &engine,
        &keyring,
        scratch,
        Operation::Encrypt,
        &policy,
        &RunOptions::default(),
    )
    .await;
    assert!(
        matches!(refused, Err(EngineError::SchemaNeeded { .. })),
        "{refused:?}"
    );
    engine.database().close().await;
    scratch.dump().await.assert_same(&before);
    assert_eq!(values(scratch).await.len(), 31);
}

/// What fits a column in clear fits when it is encrypted: room is made before it hurts.
pub async fn room_is_made_for_what_will_be_written(scratch: &ScratchDatabase) {
    let sqlite = scratch.dialect() == Dialect::Sqlite;
    scratch
        .execute("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar(90), e varchar(5))")
        .await;
    scratch
        .execute("INSERT INTO t (id, v) VALUES (1, 'short')")
        .await;
    let before = scratch.dump().await;
    let keyring = ring(1, &[]);
    let engine = engine(scratch, keyring.clone()).await;
    let plain = RunOptions::default();
    let apply = RunOptions {
        apply_schema: true,
        ..RunOptions::default()
    };
    for (name, warning) in [
        (
            "v",
            "values of more than 18 bytes become tokens that are too long",
        ),
        ("e", "values become tokens that are too long"),
    ] {
        let policy = column("t", name);
        let plan = async |options| {
            let plan = engine.plan(Operation::Encrypt, &policy, options).await;
            plan.unwrap()
        };
        let found = plan(&plain).await;
        let warned = found.warnings.iter().any(|it| it.what.contains(warning));
        assert_eq!(warned, !sqlite, "{name}: {found:?}");
        assert!(found.schema.is_none(), "{name}: {found:?}");
        let found = plan(&apply).await;
        assert_eq!(found.schema.is_some(), !sqlite, "{name}: {found:?}");
        let warned = found.warnings.iter().any(|it| it.what.contains(warning));
        assert!(!warned, "{name}: {found:?}");
        let encrypt = Operation::Encrypt;
        let done = run(&engine, &keyring, scratch, encrypt, &policy, &apply).await;
        done.unwrap();
    }
    let long = "ü".repeat(90);
    scratch
        .execute(&format!("UPDATE t SET v = '{long}', e = 'äöüßÄ'"))
        .await;
    for name in ["v", "e"] {
        let policy = column("t", name);
        let encrypt = Operation::Encrypt;
        let done = run(&engine, &keyring, scratch, encrypt, &policy, &plain).await;
        assert_eq!(done.unwrap().changed, 1, "{name}");
        let decrypt = Operation::Decrypt;
        let done = run(&engine, &keyring, scratch, decrypt, &policy, &apply).await;
        assert_eq!(done.unwrap().changed, 1, "{name}");
    }
    engine.database().close().await;
    scratch.execute("UPDATE t SET v = 'short', e = NULL").await;
    scratch.dump().await.assert_same(&before);
}

/// Without the right to alter the table, values whose tokens fit are encrypted all the same,
/// and nothing is remembered of a type that never changed.
pub async fn who_may_not_widen_encrypts_what_fits(scratch: &ScratchDatabase) {
    let user = format!("writer_{}", scratch.name().replace("atrest_", ""));
    let (make, drop) = match scratch.dialect() {
        Dialect::Postgres => (
            format!(
                "CREATE ROLE {user} LOGIN; GRANT SELECT, UPDATE ON t TO {user}; \
                 GRANT CREATE ON SCHEMA public TO {user}"
            ),
            format!("DROP OWNED BY {user} CASCADE; DROP ROLE {user}"),
        ),
        Dialect::MySql => (
            format!(
                "CREATE USER {user}@'%'; \
                 GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON {}.* TO {user}@'%'",
                scratch.name()
            ),
            format!("DROP USER {user}@'%'"),
        ),
        // It asks nobody for rights, and a column for no length.
        Dialect::Sqlite => return,
    };
    scratch
        .execute("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar(90))")
        .await;
    scratch.execute("INSERT INTO t VALUES (1, 'short')").await;
    let before = scratch.dump().await;
    scratch.execute(&make).await;
    let url = scratch.url().replace("postgres@", &format!("{user}@"));
    let url = url.replace("root@", &format!("{user}@"));
    let keyring = ring(1, &[]);
    let database = atrest_sql::connect(&url).await.unwrap();
    let engine = atrest_engine::Engine::new(database, keyring.clone());
    let (policy, plain) = (column("t", "v"), RunOptions::default());
    let apply = RunOptions {
        apply_schema: true,
        ..RunOptions::default()
    };
    let encrypt = Operation::Encrypt;
    let done = run(&engine, &keyring, scratch, encrypt, &policy, &apply).await;
    assert_eq!(done.unwrap().changed, 1);
    let decrypt = Operation::Decrypt;
    let done = run(&engine, &keyring, scratch, decrypt, &policy, &plain).await;
    assert_eq!(done.unwrap().changed, 1);
    engine.database().close().await;
    scratch.execute(&drop).await;
    scratch.dump().await.assert_same(&before);
}

/// A token that is there is no clear value of its length: what is due decides what the
/// column must hold, in a second run and in one that is taken up.
pub async fn tokens_that_are_there_need_no_more_room(scratch: &ScratchDatabase) {
    scratch
        .execute("CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar(100))")
        .await;
    for id in 1..=120 {
        scratch
            .execute(&format!("INSERT INTO t VALUES ({id}, 'secret {id:04}')"))
            .await;
    }
    let keyring = ring(1, &[]);
    let policy = column("t", "v");
    let backups = fresh(scratch, &keyring, "interrupted.backup");
    interrupted(scratch, &keyring, Operation::Encrypt, &policy, backups).await;
    let again = async || {
        let engine = engine(scratch, keyring.clone()).await;
        let plan = engine
            .plan(Operation::Encrypt, &policy, &RunOptions::default())
            .await
            .unwrap();
        let (encrypt, options) = (Operation::Encrypt, small_steps());
        let report = run(&engine, &keyring, scratch, encrypt, &policy, &options).await;
        engine.database().close().await;
        assert_eq!(
            plan.schema.is_some(),
            matches!(report, Err(EngineError::SchemaNeeded { .. })),
            "the plan says what the run does: {plan:?} {report:?}"
        );
        report
    };
    assert_eq!(again().await.expect("taken up").sealed_total(), 120);
    assert_eq!(again().await.expect("nothing is due").changed, 0);
    set(scratch, 7, "a new secret").await;
    assert_eq!(again().await.expect("it fits").changed, 1);
    // Sixty bytes become a token of 146: too long for the column, which SQLite does not mind.
    set(scratch, 8, &"x".repeat(60)).await;
    let before = scratch.dump().await;
    match (scratch.dialect(), again().await) {
        (Dialect::Sqlite, report) => assert_eq!(report.unwrap().changed, 1),
        (_, Err(EngineError::SchemaNeeded { .. })) => {
            scratch.dump().await.assert_same(&before);
        }
        (dialect, other) => panic!("{dialect:?}: {other:?}"),
    }
}
