//! Large values: 20 MB, or 100 MB with `ATREST_LONG=1`.

use atrest_engine::target::{Change, KeyRange, Value};
use atrest_testing::{Dialect, ScratchDatabase};

use super::{all, column, connect};

/// A value's length in bytes.
fn large() -> usize {
    match std::env::var("ATREST_LONG") {
        Ok(long) if long == "1" => 100_000_000,
        _ => 20_000_000,
    }
}

pub async fn a_value_of_many_megabytes(scratch: &ScratchDatabase) {
    let large = large();
    let sealed = large / 3 * 4;
    let (long, fill) = match scratch.dialect() {
        Dialect::MySql => ("LONGTEXT", format!("repeat('x', {large})")),
        Dialect::Postgres => ("text", format!("repeat('x', {large})")),
        Dialect::Sqlite => ("text", format!("printf('%.*c', {large}, 'x')")),
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
    let found = target.describe(sealed as u64, true).await.unwrap();
    assert!(
        found.schema.is_none() && found.refusals.is_empty(),
        "{:?}",
        found.refusals
    );
    let page = target
        .read(&KeyRange::default(), 10, 1 << 20)
        .await
        .unwrap();
    assert_eq!(page[0].value, Value::Deferred(large as u64));
    let old = target.read_one(&page[0].key).await.unwrap().expect("there");
    assert!(super::bytes(&old) == "x".repeat(large).as_bytes());
    let new = Value::Text(vec![b'y'; sealed]);
    let small = Change {
        key: page[1].key.clone(),
        old: page[1].value.clone(),
        new: super::text("sealed"),
    };
    let seal = Change {
        key: page[0].key.clone(),
        old: old.clone(),
        new: new.clone(),
    };
    assert_eq!(target.write(vec![small, seal], &[]).await.unwrap(), 2);
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
