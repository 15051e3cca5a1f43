//! Values and keys between SQLite's storage classes and the engine.

use atrest_engine::target::{KeyValue, RowKey, TargetError, ValueRef};
use rusqlite::Row;
use rusqlite::types::{Value as Bound, ValueRef as Cell};

use crate::error::DriverError;

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

    /// Text that reads as a number is stored as one.
    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Real | Self::Numeric)
    }
}

/// The key in columns `0..n` of a row.
pub(super) fn key_of(row: &Row<'_>, n: usize) -> Result<RowKey, TargetError> {
    (0..n)
        .map(|i| key_part(cell(row, i)?))
        .collect::<Result<Vec<_>, _>>()
        .map(RowKey)
}

fn cell<'r>(row: &'r Row<'_>, i: usize) -> Result<Cell<'r>, TargetError> {
    row.get_ref(i).map_err(|e| TargetError::Database {
        doing: "reading a row".to_owned(),
        source: DriverError::new(e.to_string()),
    })
}

fn key_part(value: Cell<'_>) -> Result<KeyValue, TargetError> {
    let refused = |what: &str, next: &str| TargetError::Refused {
        what: what.to_owned(),
        next: next.to_owned(),
    };
    match value {
        Cell::Integer(n) => Ok(KeyValue::Integer(n.into())),
        Cell::Real(x) => Ok(KeyValue::Real(x.to_bits())),
        Cell::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(KeyValue::Text(text.to_owned())),
            Err(_) => Err(refused(
                "a primary key's text is not valid UTF-8, so its row cannot be named",
                "correct the key of that row, then run the same command again",
            )),
        },
        Cell::Blob(bytes) => Ok(KeyValue::Bytes(bytes.to_vec())),
        Cell::Null => Err(refused(
            "a row's primary key is NULL, so the row cannot be named",
            "give that row a key (SQLite allows NULL in a key that is not INTEGER), then run again",
        )),
    }
}

/// The value in columns `i` (its storage class) and `i + 1` (itself; a number as
/// its exact text; its length as an integer when it was too long to come along).
pub(super) fn value_ref<'r>(row: &'r Row<'_>, i: usize) -> Result<ValueRef<'r>, TargetError> {
    Ok(match (cell(row, i)?, cell(row, i + 1)?) {
        (_, Cell::Integer(n)) => ValueRef::Deferred(u64::try_from(n).unwrap_or_default()),
        (_, Cell::Blob(bytes)) => ValueRef::Bytes(bytes),
        (Cell::Text(b"text"), Cell::Text(text)) => ValueRef::Text(text),
        (Cell::Text(b"integer" | b"real"), Cell::Text(text)) => ValueRef::Number(text),
        (Cell::Text(b"null"), _) => ValueRef::Null,
        (class, _) => {
            return Err(TargetError::Database {
                doing: "reading a value".to_owned(),
                source: DriverError::new(format!("unknown storage class {class:?}")),
            });
        }
    })
}

/// A key's value to bind, in its own storage class.
pub(super) fn bound_key(part: &KeyValue) -> Result<Bound, TargetError> {
    Ok(match part {
        KeyValue::Integer(n) => {
            Bound::Integer(i64::try_from(*n).map_err(|_| TargetError::Refused {
                what: format!("the key {n} is beyond SQLite's integers"),
                next: "check the key".to_owned(),
            })?)
        }
        KeyValue::Real(bits) => Bound::Real(f64::from_bits(*bits)),
        KeyValue::Text(s) => Bound::Text(s.clone()),
        KeyValue::Bytes(b) => Bound::Blob(b.clone()),
    })
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
