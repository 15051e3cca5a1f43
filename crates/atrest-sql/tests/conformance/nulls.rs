//! Constraints and indexes that only ask whether a column is NULL: a token in its value's
//! place changes nothing of the answer.

use atrest_testing::{Dialect, ScratchDatabase};

use super::{all, assert_refused, column, connect, describe, long_text, text};

pub async fn what_only_asks_for_null_is_no_refusal(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, name varchar(50), email {long}, phone {long}, \
             born {long}, CONSTRAINT reachable CHECK (email IS NOT NULL OR t.phone IS NOT NULL), \
             CONSTRAINT aged CHECK (born IS NULL OR length(born) > 3))"
        ))
        .await;
    if scratch.dialect() != Dialect::MySql {
        for index in [
            "CREATE INDEX nobodys ON t (name) WHERE email IS NULL",
            "CREATE UNIQUE INDEX one_each ON t (name) WHERE phone IS NOT NULL",
            "CREATE INDEX whether ON t ((email IS NULL))",
        ] {
            scratch.execute(index).await;
        }
    }
    scratch
        .execute("INSERT INTO t (id, name, email) VALUES (1, 'a', 'ada@example.org')")
        .await;
    for of in ["email", "phone"] {
        let found = describe(scratch, "t", of, 200).await;
        assert!(found.refusals.is_empty(), "{of}: {:#?}", found.refusals);
    }
    assert_refused(scratch, "t", "born", 200, "CHECK").await;

    let db = connect(scratch).await;
    let target = column(&db, "t", "email").await;
    let rows = all(&target).await;
    let change = atrest_engine::target::Change {
        key: rows[0].key.clone(),
        old: rows[0].value.clone(),
        new: text("a token"),
    };
    assert_eq!(target.write(vec![change], &[]).await.expect("writes"), 1);
    db.close().await;
}
