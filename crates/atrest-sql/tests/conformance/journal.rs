//! The journal: compare-and-swap, and that it fences writes.

use atrest_engine::target::{Change, JournalChange, Record, TargetError};
use atrest_testing::ScratchDatabase;

use super::{all, column, connect, long_text, text};

fn change(name: &str, expected: Option<&str>, record: Option<(&str, &str)>) -> JournalChange {
    JournalChange {
        name: name.to_owned(),
        expected: expected.map(str::to_owned),
        record: record.map(|(body, mac)| (body.to_owned(), mac.to_owned())),
    }
}

fn record(name: &str, body: &str, mac: &str) -> Record {
    Record {
        name: name.to_owned(),
        body: body.to_owned(),
        mac: mac.to_owned(),
    }
}

pub async fn created_read_swapped_and_dropped(scratch: &ScratchDatabase) {
    let db = connect(scratch).await;
    assert_eq!(db.journal_read().await.unwrap(), None, "no journal yet");
    db.journal_create().await.unwrap();
    db.journal_create().await.expect("again is fine");
    assert_eq!(db.journal_read().await.unwrap(), Some(vec![]));
    let body = format!(
        "{{\"it's\":\"größe 雪 \\\\ \",\"long\":\"{}\"}}",
        "x".repeat(100_000)
    );
    db.journal_write(&[
        change("a", None, Some((&body, "m1"))),
        change("b", None, Some(("{}", "m2"))),
    ])
    .await
    .unwrap();
    assert_eq!(
        db.journal_read().await.unwrap(),
        Some(vec![record("a", &body, "m1"), record("b", "{}", "m2")])
    );
    db.journal_write(&[
        change("a", Some("m1"), Some(("{1}", "m3"))),
        change("b", Some("m2"), None),
    ])
    .await
    .unwrap();
    assert_eq!(
        db.journal_read().await.unwrap(),
        Some(vec![record("a", "{1}", "m3")])
    );
    let tables = db.tables().await.unwrap();
    assert!(
        tables
            .iter()
            .all(|t| !atrest_sql::OWN_TABLES.contains(&t.name.name.as_str())),
        "the journal is no table of the application"
    );
    db.journal_drop().await.unwrap();
    assert_eq!(db.journal_read().await.unwrap(), None);
    db.close().await;
}

pub async fn a_stale_write_changes_nothing(scratch: &ScratchDatabase) {
    let db = connect(scratch).await;
    db.journal_create().await.unwrap();
    db.journal_write(&[
        change("a", None, Some(("1", "m1"))),
        change("b", None, Some(("1", "m1"))),
    ])
    .await
    .unwrap();
    let before = db.journal_read().await.unwrap();
    for stale in [
        change("b", Some("M1"), Some(("2", "m2"))),
        change("b", Some("m0"), None),
        change("b", None, Some(("2", "m2"))),
        change("b", None, None),
        change("c", Some("m1"), Some(("2", "m2"))),
    ] {
        let both = [change("a", Some("m1"), Some(("2", "m2"))), stale];
        let error = db.journal_write(&both).await.unwrap_err();
        assert!(matches!(error, TargetError::Busy { .. }), "{error}");
        assert_eq!(db.journal_read().await.unwrap(), before, "all or nothing");
    }
    db.journal_write(&[change("c", None, None)])
        .await
        .expect("absent, as expected");
    db.close().await;
}

pub async fn a_write_is_fenced_by_its_journal(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, c {long})"
        ))
        .await;
    scratch
        .execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
        .await;
    let db = connect(scratch).await;
    db.journal_create().await.unwrap();
    db.journal_write(&[change("run", None, Some(("0", "m0")))])
        .await
        .unwrap();
    let target = column(&db, "t", "c").await;
    let rows = all(&target).await;
    let changes: Vec<Change> = rows
        .iter()
        .map(|row| Change {
            key: row.key.clone(),
            old: row.value.clone(),
            new: text("sealed"),
        })
        .collect();
    let stale = [change("run", Some("another's"), Some(("1", "m1")))];
    let error = target.write(changes.clone(), &stale).await.unwrap_err();
    assert!(matches!(error, TargetError::Busy { .. }), "{error}");
    let after = all(&target).await;
    assert_eq!(
        after.iter().map(|r| &r.value).collect::<Vec<_>>(),
        rows.iter().map(|r| &r.value).collect::<Vec<_>>()
    );

    let good = [change("run", Some("m0"), Some(("1", "m1")))];
    assert_eq!(target.write(changes.clone(), &good).await.unwrap(), 2);
    assert_eq!(
        db.journal_read().await.unwrap(),
        Some(vec![record("run", "1", "m1")])
    );
    assert!(
        all(&target)
            .await
            .iter()
            .all(|row| row.value == text("sealed"))
    );
    db.close().await;
}
