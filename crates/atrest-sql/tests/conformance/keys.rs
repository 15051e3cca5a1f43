//! The table of keys, and the rows that belong to somebody.

use std::sync::Arc;

use atrest_engine::target::{Database, KeyChange, Record, RowKey, TargetError};
use atrest_testing::{Dialect, ScratchDatabase};

use super::{column, connect, long_text};

fn record(name: &str, body: &str, mac: &str) -> Record {
    Record {
        name: name.to_owned(),
        body: body.to_owned(),
        mac: mac.to_owned(),
    }
}

fn change(name: &str, expected: &str, body: &str, mac: &str) -> KeyChange {
    KeyChange {
        name: name.to_owned(),
        expected: expected.to_owned(),
        body: body.to_owned(),
        mac: mac.to_owned(),
    }
}

async fn sorted(db: &Arc<dyn Database>, names: &[&str]) -> Vec<Record> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut found = db.keys_read(&names).await.unwrap().unwrap();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

pub async fn keys_are_added_once_and_changed_together(scratch: &ScratchDatabase) {
    let db = connect(scratch).await;
    assert_eq!(
        db.keys_read(&["a".into()]).await.unwrap(),
        None,
        "no table yet"
    );
    assert_eq!(db.keys_page("", 10).await.unwrap(), []);
    db.keys_create().await.unwrap();
    db.keys_create().await.expect("again is fine");
    assert_eq!(sorted(&db, &["a"]).await, []);

    let many: Vec<Record> = (0..2500)
        .map(|n| record(&format!("subject:{n:04}"), &format!("{{\"é\":{n}}}"), "m"))
        .collect();
    db.keys_add(&many).await.unwrap();
    let other = record("subject:0007", "another", "x");
    let new = record("keyring", "doc", "y");
    db.keys_add(&[other, new.clone()]).await.unwrap();
    assert_eq!(
        sorted(&db, &["subject:0007", "keyring", "nobody", "KEYRING"]).await,
        [new, many[7].clone()],
        "what is there stays, and names are exact"
    );
    let names: Vec<String> = many.iter().map(|r| r.name.clone()).collect();
    assert_eq!(db.keys_read(&names).await.unwrap().unwrap().len(), 2500);

    let mut after = "subject:".to_owned();
    let mut paged = Vec::new();
    loop {
        let page = db.keys_page(&after, 999).await.unwrap();
        let Some(last) = page.last() else { break };
        after.clone_from(&last.name);
        paged.extend(page);
    }
    assert_eq!(paged, many, "pages go on by name, and end");

    let both = [
        change("subject:0001", "m", "one", "n"),
        change("subject:0002", "other", "two", "n"),
    ];
    let busy = db.keys_change(&both).await;
    assert!(matches!(busy, Err(TargetError::Busy { .. })), "{busy:?}");
    assert_eq!(
        sorted(&db, &["subject:0001", "subject:0002"]).await,
        many[1..3],
        "all or none"
    );
    let both = [
        change("subject:0001", "m", "one", "n"),
        change("subject:0002", "m", "two", "n"),
    ];
    db.keys_change(&both).await.unwrap();
    assert_eq!(
        sorted(&db, &["subject:0001", "subject:0002"]).await,
        [
            record("subject:0001", "one", "n"),
            record("subject:0002", "two", "n")
        ]
    );
    let tables = db.tables().await.unwrap();
    assert!(
        tables
            .iter()
            .all(|t| !atrest_sql::OWN_TABLES.contains(&t.name.name.as_str())),
        "it is no table of the application"
    );
    db.close().await;
}

/// Everybody's rows of one table, by a column of this type and these values.
async fn rows_of(
    scratch: &ScratchDatabase,
    owner: &str,
    values: &[&str],
    text: &str,
) -> Vec<String> {
    let long = long_text(scratch);
    scratch.execute("DROP TABLE IF EXISTS o").await;
    scratch
        .execute(&format!(
            "CREATE TABLE o (id int NOT NULL PRIMARY KEY, owner {owner}, v {long})"
        ))
        .await;
    for (i, value) in values.iter().enumerate() {
        scratch
            .execute(&format!("INSERT INTO o VALUES ({}, {value}, 'x')", i + 1))
            .await;
    }
    let db = connect(scratch).await;
    let target = column(&db, "o", "v").await;
    let mut all: Vec<RowKey> = Vec::new();
    loop {
        let page = target
            .rows_where("owner", text, all.last(), 2)
            .await
            .unwrap();
        let done = page.len() < 2;
        all.extend(page);
        if done {
            break;
        }
    }
    db.close().await;
    all.iter().map(ToString::to_string).collect()
}

pub async fn rows_are_found_by_whose_they_are(scratch: &ScratchDatabase) {
    let found = rows_of(scratch, "int", &["5", "7", "NULL", "5", "5", "50"], "5").await;
    assert_eq!(found, ["1", "4", "5"]);
    let values = ["'it''s'", "'b'", "NULL", "'it''s'", "'it'"];
    let found = rows_of(scratch, "varchar(20)", &values, "it's").await;
    assert_eq!(found, ["1", "4"]);
    let (bytes, one, two) = match scratch.dialect() {
        Dialect::Postgres => ("bytea", "'\\x00ff'", "'\\x00fe'"),
        Dialect::MySql => ("varbinary(20)", "x'00ff'", "x'00fe'"),
        Dialect::Sqlite => ("blob", "x'00ff'", "x'00fe'"),
    };
    let found = rows_of(scratch, bytes, &[one, two, one], "00ff").await;
    assert_eq!(found, ["1", "3"]);
    // What is no value of the column's type belongs to nobody there.
    for text in ["anna", "", "3000000000"] {
        let found = rows_of(scratch, "int", &["5", "7"], text).await;
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    let found = rows_of(scratch, bytes, &[one, two], "anna").await;
    assert!(found.is_empty(), "{found:?}");
    if scratch.dialect() == Dialect::MySql {
        let found = rows_of(scratch, "bit(8)", &["b'1000001'", "b'1000010'"], "B").await;
        assert_eq!(found, ["2"]);
    }
    if scratch.dialect() != Dialect::Postgres {
        return;
    }
    let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    for (owner, value, text) in [
        ("uuid", uuid, uuid),
        ("numeric", "1.50", "1.50"),
        ("date", "2026-01-31", "2026-01-31"),
        ("json", "[1, 2]", "[1, 2]"),
        ("varchar(4) CHECK (owner ~ '^[a-z]+$')", "bert", "bert"),
    ] {
        let value = format!("'{value}'");
        let found = rows_of(scratch, owner, &[&value], text).await;
        assert_eq!(found, ["1"], "{owner}");
        let found = rows_of(scratch, owner, &[&value], "anna").await;
        assert!(found.is_empty(), "{owner}: {found:?}");
    }
    scratch.execute("CREATE TYPE mood AS ENUM ('glad')").await;
    let letters = "CREATE DOMAIN letters AS text CHECK (VALUE ~ '^[a-z]+$')";
    scratch.execute(letters).await;
    for owner in ["mood", "letters"] {
        let found = rows_of(scratch, owner, &["'glad'"], "glad").await;
        assert_eq!(found, ["1"], "{owner}");
        let found = rows_of(scratch, owner, &["'glad'"], "4711").await;
        assert!(found.is_empty(), "{owner}: {found:?}");
    }
}
