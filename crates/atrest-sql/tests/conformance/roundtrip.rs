//! Forward, sealed, back, and forward again: the schema and every value as they
//! were, for every type.

use atrest_engine::target::{Change, Description, Value};
use atrest_testing::ScratchDatabase;

use super::{all, bytes, column, connect};

/// One column to take there and back.
pub struct Case {
    /// Its definition: type and attributes.
    pub definition: &'static str,
    /// Values as SQL.
    pub values: &'static [&'static str],
}

/// For each case a table `r0`, `r1`, … with columns around the one in question.
pub async fn types(scratch: &ScratchDatabase, cases: &[Case]) {
    let mut names = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let sql = format!(
            "CREATE TABLE r{i} (id integer NOT NULL PRIMARY KEY, before_it varchar(9) DEFAULT 'b', c {}, after_it varchar(9))",
            case.definition
        );
        scratch.execute(&sql).await;
        for (n, value) in case.values.iter().enumerate() {
            scratch
                .execute(&format!(
                    "INSERT INTO r{i} (id, before_it, c, after_it) VALUES ({n}, 'x', {value}, 'y')"
                ))
                .await;
        }
        names.push(format!("r{i}"));
    }
    let before = scratch.dump().await;
    for (name, case) in names.iter().zip(cases) {
        for _ in 0..2 {
            let description = forward(scratch, name).await;
            back(scratch, name, &description).await;
        }
        let _ = case;
    }
    scratch.dump().await.assert_same(&before);
}

/// Applies the DDL and seals every value; gives what was described.
pub async fn forward(scratch: &ScratchDatabase, name: &str) -> Description {
    let db = connect(scratch).await;
    let clear = all(&column(&db, name, "c").await).await;
    let description = column(&db, name, "c")
        .await
        .describe(2_000, true)
        .await
        .expect("describes");
    assert!(
        description.refusals.is_empty(),
        "{name}: {:#?}",
        description.refusals
    );
    if let Some(schema) = &description.schema {
        db.apply(&schema.up)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let target = column(&db, name, "c").await;
    let described = target.describe(2_000, true).await.expect("describes again");
    assert!(
        described.schema.is_none(),
        "{name}: the new type holds tokens: {:?}",
        described.schema
    );
    let rows = all(&target).await;
    assert_eq!(rows.len(), clear.len());
    for (row, clear) in rows.iter().zip(&clear) {
        if clear.value != Value::Null {
            assert_eq!(
                bytes(&row.value),
                bytes(&clear.value),
                "{name}: the text does not change with the type"
            );
        }
    }
    let changes: Vec<Change> = rows
        .iter()
        .filter(|row| row.value != Value::Null)
        .map(|row| Change {
            key: row.key.clone(),
            old: row.value.clone(),
            new: seal(&row.value),
        })
        .collect();
    assert_eq!(
        target
            .write(changes.clone(), &[])
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}")),
        changes.len() as u64
    );
    db.close().await;
    description
}

/// Opens every value and applies the way back.
pub async fn back(scratch: &ScratchDatabase, name: &str, description: &Description) {
    let db = connect(scratch).await;
    let target = column(&db, name, "c").await;
    let changes: Vec<Change> = all(&target)
        .await
        .iter()
        .filter(|row| row.value != Value::Null)
        .map(|row| Change {
            key: row.key.clone(),
            old: row.value.clone(),
            new: open(&row.value),
        })
        .collect();
    assert_eq!(
        target
            .write(changes.clone(), &[])
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}")),
        changes.len() as u64
    );
    if let Some(schema) = &description.schema {
        db.apply(&schema.down)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let again = column(&db, name, "c")
        .await
        .describe(2_000, true)
        .await
        .expect("describes");
    assert_eq!(again.declared_type, description.declared_type);
    assert_eq!(
        again.schema, description.schema,
        "the same way forward again"
    );
    db.close().await;
}

/// A stand-in for a token: longer than the value, ASCII for text.
fn seal(value: &Value) -> Value {
    match value {
        Value::Bytes(v) => Value::Bytes([b"token\0\xff".as_slice(), v].concat()),
        other => {
            let hex: String = bytes(other).iter().map(|b| format!("{b:02x}")).collect();
            Value::Text(format!("ar1.{}.{hex}", "t".repeat(120)).into_bytes())
        }
    }
}

fn open(value: &Value) -> Value {
    match value {
        Value::Bytes(v) => Value::Bytes(v[7..].to_vec()),
        Value::Text(v) => {
            let hex = &v[4 + 120 + 1..];
            let byte =
                |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            Value::Text(hex.chunks(2).map(byte).collect())
        }
        other => panic!("{other:?}"),
    }
}
