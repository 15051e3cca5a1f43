//! Compare-and-swap of values.

use std::sync::Arc;

use atrest_engine::target::{Change, Value};
use atrest_testing::{Dialect, ScratchDatabase};

use super::{all, column, connect, long_text, text};

pub async fn only_what_is_unchanged_changes(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, c {long}, other integer)"
        ))
        .await;
    for i in 0..1500 {
        if i % 300 == 0 {
            let rows: Vec<String> = (i..i + 300)
                .map(|i| format!("({i}, 'it''s {i}', {i})"))
                .collect();
            scratch
                .execute(&format!("INSERT INTO t VALUES {}", rows.join(", ")))
                .await;
        }
    }
    let db = connect(scratch).await;
    let target = column(&db, "t", "c").await;
    let rows = all(&target).await;
    scratch
        .execute("UPDATE t SET c = 'a writer was here' WHERE id % 10 = 3")
        .await;
    scratch.execute("DELETE FROM t WHERE id % 10 = 4").await;
    scratch
        .execute("UPDATE t SET c = NULL WHERE id % 10 = 5")
        .await;
    let changes: Vec<Change> = rows
        .iter()
        .map(|row| Change {
            key: row.key.clone(),
            old: row.value.clone(),
            new: text(format!("sealed {}", row.key)),
        })
        .collect();
    assert_eq!(
        target.write(changes.clone(), &[]).await.unwrap(),
        1500 - 450
    );
    assert_eq!(
        target.write(changes.clone(), &[]).await.unwrap(),
        0,
        "a second time nothing matches"
    );
    let after = all(&target).await;
    assert_eq!(after.len(), 1350, "a deleted row does not come back");
    for row in after {
        let id: i64 = row.key.to_string().parse().unwrap();
        let expected = match id % 10 {
            3 => text("a writer was here"),
            5 => Value::Null,
            _ => text(format!("sealed {id}")),
        };
        assert_eq!(row.value, expected, "{id}");
    }
    let untouched = scratch
        .scalar("SELECT count(*) FROM t WHERE other = id")
        .await;
    assert_eq!(untouched.as_deref(), Some("1350"), "other columns stay");
    db.close().await;
}

pub async fn collations_do_not_make_values_equal(scratch: &ScratchDatabase) {
    let definition = match scratch.dialect() {
        Dialect::MySql => "varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        Dialect::Postgres => "varchar(100) COLLATE shrug",
        Dialect::Sqlite => "varchar(100) COLLATE NOCASE",
    };
    if scratch.dialect() == Dialect::Postgres {
        scratch
            .execute("CREATE COLLATION shrug (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
            .await;
    }
    scratch
        .execute(&format!(
            "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, c {definition})"
        ))
        .await;
    scratch
        .execute("INSERT INTO t VALUES (1, 'Straße'), (2, 'STRASSE'), (3, 'a'), (4, 'a ')")
        .await;
    let db = connect(scratch).await;
    let target = column(&db, "t", "c").await;
    let rows = all(&target).await;
    let wrong = ["straße", "strasse", "A", "a"];
    let changes: Vec<Change> = rows
        .iter()
        .zip(wrong)
        .map(|(row, old)| Change {
            key: row.key.clone(),
            old: text(old),
            new: text("sealed"),
        })
        .collect();
    assert_eq!(
        target.write(changes.clone(), &[]).await.unwrap(),
        0,
        "equal to the collation, not to the byte"
    );
    let kinds: Vec<Change> = rows
        .iter()
        .map(|row| Change {
            key: row.key.clone(),
            old: Value::Null,
            new: text("sealed"),
        })
        .collect();
    assert_eq!(
        target.write(kinds.clone(), &[]).await.unwrap(),
        0,
        "NULL is no value"
    );
    let right: Vec<Change> = rows
        .iter()
        .map(|row| Change {
            key: row.key.clone(),
            old: row.value.clone(),
            new: text("sealed"),
        })
        .collect();
    assert_eq!(target.write(right.clone(), &[]).await.unwrap(), 4);
    db.close().await;
}

/// Two writers over the same rows in opposite order: each row is changed by
/// exactly one of them, and a deadlock's victim tries again.
pub async fn concurrent_writers_lose_nothing(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, c {long})"
        ))
        .await;
    let rows: Vec<String> = (0..600).map(|i| format!("({i}, 'value {i}')")).collect();
    scratch
        .execute(&format!("INSERT INTO t VALUES {}", rows.join(", ")))
        .await;
    let db = connect(scratch).await;
    let target = column(&db, "t", "c").await;
    let rows = all(&target).await;
    let mut tasks = Vec::new();
    for worker in 0..4 {
        let target = Arc::clone(&target);
        let mut changes: Vec<Change> = rows
            .iter()
            .map(|row| Change {
                key: row.key.clone(),
                old: row.value.clone(),
                new: text(format!("sealed by {worker}")),
            })
            .collect();
        if worker % 2 == 1 {
            changes.reverse();
        }
        tasks.push(tokio::spawn(async move {
            let mut changed = 0;
            for piece in changes.chunks(150) {
                changed += target.write(piece.to_vec(), &[]).await.expect("writes");
            }
            changed
        }));
    }
    let mut changed = 0;
    for task in tasks {
        changed += task.await.expect("ends");
    }
    assert_eq!(changed, 600, "each row changed once");
    assert!(
        all(&target)
            .await
            .iter()
            .all(|row| super::bytes(&row.value).starts_with(b"sealed by "))
    );
    db.close().await;
}
