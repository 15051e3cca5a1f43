//! Values and keys between SQLite's storage classes and the engine.

use atrest_engine::target::{KeyValue, RowKey, TargetError, Value};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Row as _, Sqlite, TypeInfo, ValueRef};

use super::{Shared, unreadable};

/// A column's affinity (<https://www.sqlite.org/datatype3.html>, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    /// Whole numbers, also text that reads as a number.
    Integer,
    /// Text; numbers become text when stored.
    Text,
    /// Everything stays as it comes.
    Blob,
    /// Floating point.
    Real,
    /// Numbers where text reads as one.
    Numeric,
}

impl Affinity {
    /// The affinity that a declared type gives.
    pub(super) fn of(declared_type: &str) -> Self {
        let upper = declared_type.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || upper.trim().is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}

/// The key in columns `0..n` of a row.
pub(super) fn key_of(shared: &Shared, row: &SqliteRow, n: usize) -> Result<RowKey, TargetError> {
    (0..n)
        .map(|i| key_part(shared, row, i))
        .collect::<Result<Vec<_>, _>>()
        .map(RowKey)
}

fn key_part(shared: &Shared, row: &SqliteRow, i: usize) -> Result<KeyValue, TargetError> {
    let fail = |e| shared.error("reading a key", e);
    let decode = |e: sqlx::error::BoxDynError| fail(sqlx::Error::Decode(e));
    let raw = row.try_get_raw(i).map_err(fail)?;
    let class = raw.type_info().name().to_owned();
    match class.as_str() {
        "INTEGER" => {
            let n = <i64 as Decode<Sqlite>>::decode(raw).map_err(decode)?;
            Ok(KeyValue::Integer(n.into()))
        }
        "REAL" => {
            let x = <f64 as Decode<Sqlite>>::decode(raw).map_err(decode)?;
            Ok(KeyValue::Real(x.to_bits()))
        }
        "TEXT" => {
            let bytes = <Vec<u8> as Decode<Sqlite>>::decode(raw).map_err(decode)?;
            String::from_utf8(bytes).map(KeyValue::Text).map_err(|_| TargetError::Refused {
                what: "a primary key's text is not valid UTF-8, so its row cannot be named".to_owned(),
                next: "correct the key of that row, then run the same command again".to_owned(),
            })
        }
        "BLOB" => Ok(KeyValue::Bytes(<Vec<u8> as Decode<Sqlite>>::decode(raw).map_err(decode)?)),
        _ => Err(TargetError::Refused {
            what: "a row's primary key is NULL, so the row cannot be named".to_owned(),
            next: "give that row a key (SQLite allows NULL in a key that is not INTEGER), then run again".to_owned(),
        }),
    }
}

/// The value in columns `i` (its storage class) and `i + 1` (its bytes, or the
/// length as an integer when it was too long to come along).
pub(super) fn value_of(shared: &Shared, row: &SqliteRow, i: usize) -> Result<Value, TargetError> {
    let fail = |e| shared.error("reading a value", e);
    let decode = |e: sqlx::error::BoxDynError| fail(sqlx::Error::Decode(e));
    let class: &str = row.try_get(i).map_err(fail)?;
    let raw = row.try_get_raw(i + 1).map_err(fail)?;
    if class == "null" {
        return Ok(Value::Null);
    }
    if raw.type_info().name() == "INTEGER" {
        let n = <i64 as Decode<Sqlite>>::decode(raw).map_err(decode)?;
        return Ok(Value::Deferred(u64::try_from(n).unwrap_or_default()));
    }
    let bytes = <Vec<u8> as Decode<Sqlite>>::decode(raw).map_err(decode)?;
    match class {
        "text" => Ok(Value::Text(bytes)),
        "blob" => Ok(Value::Bytes(bytes)),
        "integer" | "real" => Ok(Value::Number(bytes)),
        other => Err(unreadable(
            shared,
            &format!("unknown storage class {other}"),
        )),
    }
}

/// The arguments of one statement.
#[derive(Default)]
pub(super) struct Args(SqliteArguments);

impl Args {
    /// Binds a key's value in its own storage class.
    pub(super) fn key(&mut self, shared: &Shared, part: &KeyValue) -> Result<(), TargetError> {
        let added = match part {
            KeyValue::Integer(n) => {
                let n = i64::try_from(*n).map_err(|_| TargetError::Refused {
                    what: format!("the key {n} is beyond SQLite's integers"),
                    next: "check the key".to_owned(),
                })?;
                sqlx::Arguments::add(&mut self.0, n)
            }
            KeyValue::Text(s) => sqlx::Arguments::add(&mut self.0, s.clone()),
            KeyValue::Bytes(b) => sqlx::Arguments::add(&mut self.0, b.clone()),
            KeyValue::Real(bits) => sqlx::Arguments::add(&mut self.0, f64::from_bits(*bits)),
        };
        added.map_err(|e| shared.error("binding a key", sqlx::Error::Encode(e)))
    }

    /// Binds bytes (as a blob: the statement casts).
    pub(super) fn bytes(&mut self, shared: &Shared, bytes: &[u8]) -> Result<(), TargetError> {
        sqlx::Arguments::add(&mut self.0, bytes.to_vec())
            .map_err(|e| shared.error("binding a value", sqlx::Error::Encode(e)))
    }

    /// Binds a whole number.
    pub(super) fn integer(&mut self, shared: &Shared, n: u64) -> Result<(), TargetError> {
        sqlx::Arguments::add(&mut self.0, i64::try_from(n).unwrap_or(i64::MAX))
            .map_err(|e| shared.error("binding a number", sqlx::Error::Encode(e)))
    }

    /// Binds NULL.
    pub(super) fn null(&mut self, shared: &Shared) -> Result<(), TargetError> {
        sqlx::Arguments::add(&mut self.0, None::<i64>)
            .map_err(|e| shared.error("binding NULL", sqlx::Error::Encode(e)))
    }

    /// The driver's arguments.
    pub(super) fn finish(self) -> SqliteArguments {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Affinity;

    /// The table of datatype3.html, section 3.1.1.
    #[test]
    fn sqlite_affinity_examples() {
        for (declared, affinity) in [
            ("UNSIGNED BIG INT", Affinity::Integer),
            ("CHARINT", Affinity::Integer),
            ("NATIVE CHARACTER(70)", Affinity::Text),
            ("CLOB", Affinity::Text),
            ("BLOB", Affinity::Blob),
            ("", Affinity::Blob),
            ("DOUBLE PRECISION", Affinity::Real),
            ("DECIMAL(10,5)", Affinity::Numeric),
            ("STRING", Affinity::Numeric),
            ("json", Affinity::Numeric),
        ] {
            assert_eq!(Affinity::of(declared), affinity, "{declared}");
        }
    }
}
