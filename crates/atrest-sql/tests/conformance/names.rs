//! Identifiers of every kind, and advice for those that are wrong.

use atrest_engine::target::{Change, TableName, TargetError};
use atrest_testing::{Dialect, ScratchDatabase};

use super::{all, connect, long_text, text};

/// Reserved words, quotes of every dialect, spaces, dots, other scripts, case.
const ODD: [&str; 9] = [
    "order",
    "select",
    "a\"b",
    "a`b",
    "it's; DROP TABLE x; --",
    "with space.and dot",
    "größe 雪",
    "MixedCase",
    "a\\b%s?$1",
];

pub async fn odd_identifiers(scratch: &ScratchDatabase) {
    let quote = |name: &str| scratch.dialect().identifier(name);
    for name in ODD {
        // Table, key and column all have the odd name (with a letter more).
        let (key, column) = (format!("{name}k"), format!("{name}c"));
        let (qt, qk, qc) = (quote(name), quote(&key), quote(&column));
        let long = long_text(scratch);
        scratch.execute(&format!("CREATE TABLE {qt} ({qk} integer NOT NULL PRIMARY KEY, {qc} {long}, atrest_t integer)")).await;
        scratch
            .execute(&format!(
                "INSERT INTO {qt} VALUES (1, 'x', 1), (2, 'y', 2), (3, NULL, 3)"
            ))
            .await;
        let db = connect(scratch).await;
        let table = TableName {
            schema: None,
            name: name.to_owned(),
        };
        let target = db
            .column(&table, &column)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = target
            .describe(100, true)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((found.key, found.refusals.len()), (vec![key], 0), "{name}");
        assert_eq!(target.rows().await.unwrap(), 3);
        assert_eq!(target.split(3, 3).await.unwrap().len(), 3);
        assert_eq!(db.sample(&table, &column, 10).await.unwrap().len(), 2);
        let rows = all(&target).await;
        assert_eq!(rows.len(), 3);
        let change = Change {
            key: rows[0].key.clone(),
            old: rows[0].value.clone(),
            new: text("sealed"),
        };
        assert_eq!(target.write(vec![change], &[]).await.unwrap(), 1, "{name}");
        assert_eq!(
            target.read_one(&rows[0].key).await.unwrap(),
            Some(text("sealed"))
        );
        drop(db.lock(target.name()).await.unwrap());
        db.close().await;
    }
}

pub async fn unknown_names_get_advice(scratch: &ScratchDatabase) {
    let quote = |name: &str| scratch.dialect().identifier(name);
    scratch
        .execute(&format!(
            "CREATE TABLE {} (id integer NOT NULL PRIMARY KEY, {} integer)",
            quote("People"),
            quote("Extras")
        ))
        .await;
    let db = connect(scratch).await;
    for (table, column, advice) in [
        ("people", "Extras", "`People`"),
        ("Poeple", "Extras", "`People`"),
        ("People", "extras", "`Extras`"),
        ("People", "Extra", "`Extras`"),
        ("nothing_like_it", "c", "no table"),
        ("nowhere.People", "Extras", ""),
    ] {
        let error = db
            .column(&super::table(table), column)
            .await
            .err()
            .expect("not there");
        assert!(
            matches!(error, TargetError::NotFound { .. }),
            "{table}.{column}: {error}"
        );
        assert!(
            error.to_string().contains(advice),
            "{table}.{column}: {error}"
        );
        let error = db
            .sample(&super::table(table), column, 1)
            .await
            .expect_err("not there");
        assert!(matches!(error, TargetError::NotFound { .. }), "{error}");
    }
    db.close().await;
}

pub async fn catalog_lists_the_applications_tables(scratch: &ScratchDatabase) {
    scratch
        .execute("CREATE TABLE plain (x integer, y varchar(10))")
        .await;
    scratch.execute("CREATE TABLE keyed (b integer NOT NULL, a integer NOT NULL, v varchar(40), PRIMARY KEY (a, b))").await;
    scratch
        .execute("CREATE VIEW seen AS SELECT v FROM keyed")
        .await;
    let db = connect(scratch).await;
    db.journal_create().await.unwrap();
    let tables = db.tables().await.unwrap();
    let ours: Vec<_> = tables.iter().filter(|t| t.name.schema.is_none()).collect();
    assert_eq!(
        ours.iter()
            .map(|t| t.name.name.as_str())
            .collect::<Vec<_>>(),
        ["keyed", "plain"]
    );
    assert_eq!(ours[0].key, ["a", "b"], "in key order");
    assert!(ours[1].key.is_empty());
    let columns: Vec<_> = ours[0].columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(columns, ["b", "a", "v"]);
    assert!(ours[0].columns[2].declared_type.contains("40"));
    if scratch.dialect() != Dialect::Sqlite {
        assert!(ours[0].columns[0].declared_type.starts_with("int"));
    }
    let error = db
        .column(&super::table("plain"), "y")
        .await
        .err()
        .expect("no key");
    assert!(
        matches!(error, TargetError::Refused { .. }) && error.to_string().contains("primary key"),
        "{error}"
    );
    let error = db
        .column(&super::table("keyed"), "a")
        .await
        .err()
        .expect("part of the key");
    assert!(matches!(error, TargetError::Refused { .. }), "{error}");
    assert!(
        db.column(&super::table("seen"), "v").await.is_err(),
        "a view is no target"
    );
    db.close().await;
}
