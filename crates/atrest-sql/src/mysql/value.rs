//! Values and keys between MySQL's wire and the engine: raw bytes.

use atrest_engine::target::{KeyValue, RowKey, TargetError, ValueRef};
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Arguments as _, Decode, Encode, MySql, Row as _, Type, ValueRef as _};

use super::Shared;
use super::catalog::{KeyColumn, KeyKind};

/// A column's bytes, `None` for NULL.
pub(super) fn raw(row: &MySqlRow, i: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    let value = row.try_get_raw(i)?;
    if value.is_null() {
        return Ok(None);
    }
    <&[u8] as Decode<MySql>>::decode(value)
        .map(Some)
        .map_err(sqlx::Error::Decode)
}

/// A column's text, whatever type the catalog gives it (MySQL 8 calls some of
/// its own texts binary).
pub(super) fn text(row: &MySqlRow, i: usize) -> Result<Option<String>, sqlx::Error> {
    let decode =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| sqlx::Error::Decode(e.into()));
    raw(row, i)?.map(decode).transpose()
}

/// The key in columns `0..key.len()`, read as text (or binary as it is).
pub(super) fn key_of(
    shared: &Shared,
    row: &MySqlRow,
    key: &[KeyColumn],
) -> Result<RowKey, TargetError> {
    let mut parts = Vec::with_capacity(key.len());
    for (i, column) in key.iter().enumerate() {
        let bytes = raw(row, i)
            .map_err(|e| shared.error("reading a key", e))?
            .unwrap_or_default();
        if column.kind == KeyKind::Bytes {
            parts.push(KeyValue::Bytes(bytes.to_vec()));
            continue;
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TargetError::Refused {
            what: format!(
                "a value of key column {} is not valid text, so its row cannot be named",
                column.name
            ),
            next: "correct the key of that row, then run the same command again".to_owned(),
        })?;
        parts.push(match (column.kind, text.parse()) {
            (KeyKind::Integer, Ok(n)) => KeyValue::Integer(n),
            _ => KeyValue::Text(text.to_owned()),
        });
    }
    Ok(RowKey(parts))
}

/// The value in column `i`, with its length in column `i + 1` where it was too
/// long to come along.
pub(super) fn value_ref<'r>(
    shared: &Shared,
    row: &'r MySqlRow,
    i: usize,
    bytes: bool,
) -> Result<ValueRef<'r>, TargetError> {
    let fail = |e| shared.error("reading a value", e);
    if let Some(value) = raw(row, i).map_err(fail)? {
        return Ok(if bytes {
            ValueRef::Bytes(value)
        } else {
            ValueRef::Text(value)
        });
    }
    Ok(match text(row, i + 1).map_err(fail)? {
        None => ValueRef::Null,
        Some(n) => ValueRef::Deferred(n.parse().unwrap_or_default()),
    })
}

/// The arguments of one statement.
#[derive(Default)]
pub(super) struct Args(MySqlArguments);

impl Args {
    fn add<'q, T: Encode<'q, MySql> + Type<MySql>>(
        &mut self,
        shared: &Shared,
        v: T,
    ) -> Result<(), TargetError> {
        self.0
            .add(v)
            .map_err(|e| shared.error("binding a value", sqlx::Error::Encode(e)))
    }

    /// One key part; the statement casts it to the key's type.
    pub(super) fn key(&mut self, shared: &Shared, part: &KeyValue) -> Result<(), TargetError> {
        match part {
            KeyValue::Integer(n) => match (i64::try_from(*n), u64::try_from(*n)) {
                (Ok(n), _) => self.add(shared, n),
                (_, Ok(n)) => self.add(shared, n),
                _ => self.add(shared, n.to_string()),
            },
            KeyValue::Text(s) => self.add(shared, s.as_str()),
            KeyValue::Bytes(b) => self.add(shared, b.as_slice()),
            KeyValue::Real(bits) => self.add(shared, f64::from_bits(*bits)),
        }
    }

    /// Bytes, as a binary string, or NULL.
    pub(super) fn bytes(
        &mut self,
        shared: &Shared,
        bytes: Option<&[u8]>,
    ) -> Result<(), TargetError> {
        self.add(shared, bytes)
    }

    /// A whole number.
    pub(super) fn integer(&mut self, shared: &Shared, n: u64) -> Result<(), TargetError> {
        self.add(shared, n)
    }

    /// The driver's arguments.
    pub(super) fn finish(self) -> MySqlArguments {
        self.0
    }
}
