//! Large values.

use atrest_engine::target::{Change, KeyRange, Value};
use atrest_testing::{Dialect, ScratchDatabase};

use super::{all, column, connect};

pub async fn twenty_megabytes(scratch: &ScratchDatabase) {
    let (long, fill) = match scratch.dialect() {
        Dialect::MySql => ("LONGTEXT", "repeat('x', 20000000)"),
        Dialect::Postgres => ("text", "repeat('x', 20000000)"),
        Dialect::Sqlite => ("text", "printf('%.*c', 20000000, 'x')"),
    };
    scratch
        .execute(&format!(
            "CREATE TABLE big (id integer NOT NULL PRIMARY KEY, c {long})"
        ))
        .await;
    scratch
        .execute(&format!("INSERT INTO big VALUES (1, {fill}), (2, 'small')"))
        .await;
    let db = connect(scratch).await;
    let target = column(&db, "big", "c").await;
    let found = target.describe(30_000_000, true).await.unwrap();
    assert!(
        found.schema.is_none() && found.refusals.is_empty(),
        "{:?}",
        found.refusals
    );
    let page = target
        .read(&KeyRange::default(), 10, 1 << 20)
        .await
        .unwrap();
    assert_eq!(page[0].value, Value::Deferred(20_000_000));
    let old = target.read_one(&page[0].key).await.unwrap().expect("there");
    assert_eq!(super::bytes(&old), "x".repeat(20_000_000).as_bytes());
    let new = Value::Text(vec![b'y'; 27_000_000]);
    let small = Change {
        key: page[1].key.clone(),
        old: page[1].value.clone(),
        new: super::text("sealed"),
    };
    let large = Change {
        key: page[0].key.clone(),
        old: old.clone(),
        new: new.clone(),
    };
    assert_eq!(target.write(vec![small, large], &[]).await.unwrap(), 2);
    assert_eq!(
        target.read_one(&page[0].key).await.unwrap(),
        Some(new.clone())
    );
    let back = Change {
        key: page[0].key.clone(),
        old: new,
        new: old,
    };
    assert_eq!(target.write(vec![back.clone()], &[]).await.unwrap(), 1);
    assert_eq!(
        target.write(vec![back], &[]).await.unwrap(),
        0,
        "it is not what was read any more"
    );
    assert_eq!(all(&target).await.len(), 2);
    db.close().await;
}
