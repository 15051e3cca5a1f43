//! Every row exactly once, for every type of key.

use atrest_engine::target::{
    Change, KeyOf, KeyRange, KeyValue, PageLimit, RowKey, TargetError, Value, ValueRef, Visitor,
};
use atrest_testing::{Dialect, ScratchDatabase};

use super::{all, all_of, bytes, column, connect, long_text, text};

/// One type of key: the column's definition, and its values as SQL.
pub type KeyCase = (&'static str, &'static [&'static str]);

/// For each case a table `k0`, `k1`, …: pages, ranges, single rows, writes.
pub async fn keys(scratch: &ScratchDatabase, cases: &[KeyCase]) {
    let long = long_text(scratch);
    for (i, (definition, literals)) in cases.iter().enumerate() {
        scratch
            .execute(&format!(
                "CREATE TABLE k{i} (k {definition} NOT NULL PRIMARY KEY, c {long})"
            ))
            .await;
        for (n, literal) in literals.iter().enumerate() {
            scratch
                .execute(&format!("INSERT INTO k{i} VALUES ({literal}, 'value {n}')"))
                .await;
        }
        check(scratch, &format!("k{i}"), "k", definition).await;
    }
}

pub async fn composite_keys(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE comp (c {long}, b varchar(20) NOT NULL, a integer NOT NULL, d bigint NOT NULL, PRIMARY KEY (a, b, d))"
        ))
        .await;
    for a in 0..4 {
        for b in ["", "x", "Y", "ü"] {
            for d in [-5_i64, 0, 9_000_000_000] {
                scratch
                    .execute(&format!(
                        "INSERT INTO comp VALUES ('{a}{b}{d}', '{b}', {a}, {d})"
                    ))
                    .await;
            }
        }
    }
    check(scratch, "comp", "a, b, d", "composite").await;
}

pub async fn empty_and_single_row_tables(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE one (k integer NOT NULL PRIMARY KEY, c {long})"
        ))
        .await;
    let db = connect(scratch).await;
    let target = column(&db, "one", "c").await;
    assert!(all(&target).await.is_empty());
    assert_eq!(target.split(4, 0).await.unwrap(), [KeyRange::default()]);
    assert_eq!(target.rows().await.unwrap(), 0);
    assert_eq!(target.longest().await.unwrap(), 0);
    assert_eq!(target.write(Vec::new(), &[]).await.unwrap(), 0);
    scratch.execute("INSERT INTO one VALUES (7, '')").await;
    assert_eq!(target.split(4, 1).await.unwrap(), [KeyRange::default()]);
    let rows = all(&target).await;
    assert_eq!(
        (rows.len(), &rows[0].value),
        (1, &text("")),
        "an empty text is not NULL"
    );
    scratch.execute("DELETE FROM one").await;
    assert_eq!(
        target.read_one(&rows[0].key).await.unwrap(),
        None,
        "the row is gone"
    );
    db.close().await;
}

pub async fn counts_and_samples(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE n (k integer NOT NULL PRIMARY KEY, c {long})"
        ))
        .await;
    let wide = "ü".repeat(5000);
    scratch
        .execute(&format!(
            "INSERT INTO n VALUES (1, 'abc'), (2, NULL), (3, ''), (4, '{wide}'), (5, NULL)"
        ))
        .await;
    let db = connect(scratch).await;
    let target = column(&db, "n", "c").await;
    assert_eq!(target.rows().await.unwrap(), 5);
    let longest = target.longest().await.unwrap();
    assert!(
        [0, 10_000].contains(&longest),
        "{longest}: in bytes, or of no use"
    );
    let sample = db.sample(&super::table("n"), "c", 10).await.unwrap();
    assert_eq!(sample.len(), 3, "no NULL among samples");
    assert!(sample.iter().all(|v| bytes(v).len() <= 4096));
    assert!(
        sample.iter().any(|v| bytes(v).len() >= 2000),
        "long ones are cut, not left out"
    );
    assert_eq!(
        db.sample(&super::table("n"), "c", 2).await.unwrap().len(),
        2
    );
    let page = target.read(&KeyRange::default(), 10, 9_999).await.unwrap();
    let values: Vec<_> = page.iter().map(|row| &row.value).collect();
    assert_eq!(
        values,
        [
            &text("abc"),
            &Value::Null,
            &text(""),
            &Value::Deferred(10_000),
            &Value::Null
        ]
    );
    assert_eq!(
        target.read_one(&page[3].key).await.unwrap(),
        Some(text(wide.clone()))
    );
    let page = target.read(&KeyRange::default(), 10, 10_000).await.unwrap();
    assert_eq!(page[3].value, text(wide), "exactly the limit comes along");
    db.close().await;
}

/// Counts what it is shown.
struct Shown(Vec<u64>);

impl Visitor for Shown {
    fn row(
        &mut self,
        _: KeyOf<'_>,
        value: ValueRef<'_>,
        beside: Option<ValueRef<'_>>,
    ) -> Result<(), TargetError> {
        assert!(beside.is_none(), "nothing was asked for beside the value");
        self.0.push(value.bytes());
        Ok(())
    }
}

pub async fn a_page_ends_with_its_bytes(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE b (k integer NOT NULL PRIMARY KEY, c {long})"
        ))
        .await;
    let values: Vec<String> = (0..40)
        .map(|i| {
            let length = if i % 10 == 9 { 5000 } else { 1000 };
            format!("({i}, '{}')", "x".repeat(length))
        })
        .collect();
    scratch
        .execute(&format!("INSERT INTO b VALUES {}", values.join(", ")))
        .await;
    let db = connect(scratch).await;
    let target = column(&db, "b", "c").await;
    let limit = PageLimit {
        rows: 30,
        bytes: 4500,
        inline: 2000,
    };
    let (mut range, mut pages, mut all) = (KeyRange::default(), Vec::new(), Vec::new());
    loop {
        let visitor = Box::new(Shown(Vec::new()));
        let page = target.visit(&range, limit, visitor).await.unwrap();
        let visitor: Box<dyn std::any::Any> = page.visitor;
        let Shown(shown) = *visitor.downcast().unwrap();
        assert_eq!((page.rows, page.bytes), (shown.len(), shown.iter().sum()));
        pages.push(page.rows);
        all.extend(shown);
        match page.last {
            Some(key) => range.after = Some(key),
            None => break,
        }
    }
    assert_eq!(pages, [5, 6, 5, 6, 5, 6, 5, 2], "long values weigh nothing");
    let expected: Vec<u64> = (0..40)
        .map(|i| if i % 10 == 9 { 0 } else { 1000 })
        .collect();
    assert_eq!(all, expected);
    db.close().await;
}

/// A page that ends with its bytes leaves nothing open on the server: the table can be
/// altered at once, by others too.
pub async fn a_page_that_ends_early_holds_no_lock(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE h (k integer NOT NULL PRIMARY KEY, c {long})"
        ))
        .await;
    let fill = match scratch.dialect() {
        Dialect::Sqlite => "printf('%.*c', 500000, 'x')",
        _ => "repeat('x', 500000)",
    };
    for i in 0..60 {
        let value = format!("INSERT INTO h VALUES ({i}, {fill})");
        scratch.execute(&value).await;
    }
    let db = connect(scratch).await;
    let target = column(&db, "h", "c").await;
    let limit = PageLimit {
        rows: 60,
        bytes: 1_000_000,
        inline: 1 << 20,
    };
    let visitor = Box::new(Shown(Vec::new()));
    let page = target.visit(&KeyRange::default(), limit, visitor).await;
    assert_eq!(page.unwrap().rows, 2);
    scratch
        .execute(match scratch.dialect() {
            Dialect::MySql => "ALTER TABLE h WAIT 5 ADD COLUMN d integer",
            Dialect::Postgres => "SET lock_timeout = '5s'; ALTER TABLE h ADD COLUMN d integer",
            Dialect::Sqlite => "ALTER TABLE h ADD COLUMN d integer",
        })
        .await;
    // The connection is fit for the next page.
    let visitor = Box::new(Shown(Vec::new()));
    let page = target.visit(&KeyRange::default(), limit, visitor).await;
    assert_eq!(page.unwrap().rows, 2);
    db.close().await;
}

/// Keeps what is beside the values.
struct Beside(Vec<Value>);

impl Visitor for Beside {
    fn row(
        &mut self,
        _: KeyOf<'_>,
        _: ValueRef<'_>,
        beside: Option<ValueRef<'_>>,
    ) -> Result<(), TargetError> {
        self.0.push(beside.expect("it was asked for").to_value());
        Ok(())
    }
}

/// What stands beside a value is what reading that column gives, whatever both types are.
pub async fn a_value_beside_another(scratch: &ScratchDatabase) {
    let long = long_text(scratch);
    scratch
        .execute(&format!(
            "CREATE TABLE s (k integer NOT NULL PRIMARY KEY, c {long}, n integer, d decimal(10, 2), t varchar(40), w {long})"
        ))
        .await;
    let wide = "x".repeat(9000);
    for row in [
        "1, 'a', 17, 1.50, 'ü', ''",
        "2, 'b', NULL, NULL, NULL, NULL",
        &format!("3, 'c', -5, 0, '', '{wide}'"),
    ] {
        scratch
            .execute(&format!("INSERT INTO s VALUES ({row})"))
            .await;
    }
    let db = connect(scratch).await;
    let limit = PageLimit {
        rows: 10,
        bytes: u64::MAX,
        inline: 1 << 20,
    };
    for (of, beside) in [
        ("c", "n"),
        ("c", "d"),
        ("c", "t"),
        ("c", "w"),
        ("n", "d"),
        ("d", "c"),
    ] {
        let target = column(&db, "s", of).await.beside(beside).await.unwrap();
        let visitor = Box::new(Beside(Vec::new()));
        let page = target
            .visit(&KeyRange::default(), limit, visitor)
            .await
            .unwrap();
        let visitor: Box<dyn std::any::Any> = page.visitor;
        let Beside(shown) = *visitor.downcast().unwrap();
        let alone = all(&column(&db, "s", beside).await).await;
        let alone: Vec<Value> = alone.into_iter().map(|row| row.value).collect();
        assert_eq!(shown, alone, "{beside} beside {of}");
    }
    let refused = column(&db, "s", "c").await.beside("none").await;
    assert!(matches!(refused, Err(TargetError::NotFound { .. })));
    db.close().await;
}

/// `table` has key columns `key` and distinct texts in `c`.
async fn check(scratch: &ScratchDatabase, table: &str, key: &str, about: &str) {
    let expected: Vec<Vec<u8>> = scratch
        .rows(&format!("SELECT c FROM {table} ORDER BY {key}"))
        .await
        .into_iter()
        .map(|mut row| row.remove(0).expect("not NULL"))
        .collect();
    let db = connect(scratch).await;
    let target = column(&db, table, "c").await;
    for limit in [1, 2, 3, 1000] {
        let rows = all_of(&target, KeyRange::default(), limit).await;
        let values: Vec<_> = rows.iter().map(|row| bytes(&row.value).to_vec()).collect();
        assert_eq!(values, expected, "{about}, pages of {limit}");
    }
    for parts in [1, 2, 3, 7] {
        let ranges = target.split(parts, expected.len() as u64).await.unwrap();
        assert!(
            ranges.len() <= parts && !ranges.is_empty(),
            "{about}: {} ranges for {parts}",
            ranges.len()
        );
        let mut values = Vec::new();
        for range in ranges {
            values.extend(
                all_of(&target, range, 2)
                    .await
                    .iter()
                    .map(|row| bytes(&row.value).to_vec()),
            );
        }
        assert_eq!(values, expected, "{about}, {parts} ranges");
    }
    let rows = all(&target).await;
    for row in &rows {
        assert_eq!(
            target.read_one(&row.key).await.unwrap().as_ref(),
            Some(&row.value),
            "{about}: {}",
            row.key
        );
        let typed: Vec<String> = row.key.0.iter().map(ToString::to_string).collect();
        assert_eq!(target.parse_key(&typed).unwrap(), row.key, "{about}");
    }
    assert!(target.parse_key(&[]).is_err());
    // A key of another shape would name no row: it is refused, not "done".
    let odd = RowKey([rows[0].key.0.clone(), vec![KeyValue::Integer(1)]].concat());
    let range = KeyRange {
        after: Some(odd.clone()),
        until: None,
    };
    assert!(target.read(&range, 10, 100).await.is_err());
    assert!(target.read_one(&odd).await.is_err());
    let change = Change {
        key: odd,
        old: text("x"),
        new: text("y"),
    };
    assert!(target.write(vec![change], &[]).await.is_err());
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
        changes.len() as u64,
        "{about}"
    );
    for row in all(&target).await {
        assert_eq!(row.value, text(format!("sealed {}", row.key)), "{about}");
    }
    db.close().await;
}
