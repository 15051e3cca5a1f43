//! Values and keys between PostgreSQL's wire and the engine: raw bytes, so that
//! nothing is validated, converted or lost on the way.

use atrest_engine::target::{KeyValue, RowKey, TargetError, ValueRef};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo};
use sqlx::{Arguments as _, Encode, Postgres, Row as _, Type, ValueRef as _};

use super::Shared;
use super::catalog::{KeyColumn, KeyKind};

/// `text` and `bytea` in `pg_type`.
const TEXT_OID: u32 = 25;
const BYTEA_OID: u32 = 17;

/// One raw column of a row, `None` when it is NULL.
fn raw<'r>(shared: &Shared, row: &'r PgRow, i: usize) -> Result<Option<&'r [u8]>, TargetError> {
    let value = row
        .try_get_raw(i)
        .map_err(|e| shared.error("reading a row", e))?;
    if value.is_null() {
        return Ok(None);
    }
    value
        .as_bytes()
        .map(Some)
        .map_err(|e| shared.error("reading a row", sqlx::Error::Decode(e)))
}

/// The key in columns `0..key.len()`, read as `::text` (or `bytea` as it is).
pub(super) fn key_of(
    shared: &Shared,
    row: &PgRow,
    key: &[KeyColumn],
) -> Result<RowKey, TargetError> {
    let mut parts = Vec::with_capacity(key.len());
    for (i, column) in key.iter().enumerate() {
        let bytes = raw(shared, row, i)?.unwrap_or_default();
        if column.kind == KeyKind::Bytes {
            parts.push(KeyValue::Bytes(bytes.to_vec()));
            continue;
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TargetError::Refused {
            what: format!(
                "a value of key column {} is not valid UTF-8, so its row cannot be named",
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
    row: &'r PgRow,
    i: usize,
    bytes: bool,
) -> Result<ValueRef<'r>, TargetError> {
    if let Some(value) = raw(shared, row, i)? {
        return Ok(if bytes {
            ValueRef::Bytes(value)
        } else {
            ValueRef::Text(value)
        });
    }
    let length: Option<i32> = row
        .try_get(i + 1)
        .map_err(|e| shared.error("reading a row", e))?;
    Ok(match length {
        None => ValueRef::Null,
        Some(n) => ValueRef::Deferred(u64::try_from(n).unwrap_or_default()),
    })
}

/// A key part's bytes as they are bound.
pub(super) fn key_bytes(part: &KeyValue) -> Vec<u8> {
    match part {
        KeyValue::Integer(n) => n.to_string().into_bytes(),
        KeyValue::Text(s) => s.clone().into_bytes(),
        KeyValue::Bytes(b) => b.clone(),
        KeyValue::Real(bits) => format!("{:?}", f64::from_bits(*bits)).into_bytes(),
    }
}

/// The arguments of one statement.
#[derive(Default)]
pub(super) struct Args(PgArguments);

impl Args {
    fn add<'q, T: Encode<'q, Postgres> + Type<Postgres>>(
        &mut self,
        shared: &Shared,
        v: T,
    ) -> Result<(), TargetError> {
        self.0
            .add(v)
            .map_err(|e| shared.error("binding a value", sqlx::Error::Encode(e)))
    }

    /// One key part: `text`, or `bytea` for a key column of that type.
    pub(super) fn key(
        &mut self,
        shared: &Shared,
        column: &KeyColumn,
        part: &KeyValue,
    ) -> Result<(), TargetError> {
        let bytes = key_bytes(part);
        match column.kind {
            KeyKind::Bytes => self.add(shared, bytes),
            KeyKind::Integer | KeyKind::Text => self.add(shared, RawText(&bytes)),
        }
    }

    /// A whole number.
    pub(super) fn integer(&mut self, shared: &Shared, n: u64) -> Result<(), TargetError> {
        self.add(shared, i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// `text[]` or `bytea[]`.
    pub(super) fn array(
        &mut self,
        shared: &Shared,
        bytes: bool,
        items: &[Option<&[u8]>],
    ) -> Result<(), TargetError> {
        if bytes {
            self.add(shared, BytesArray(items))
        } else {
            self.add(shared, TextArray(items))
        }
    }

    /// The driver's arguments.
    pub(super) fn finish(self) -> PgArguments {
        self.0
    }
}

/// Bytes sent as `text`; the server validates them.
struct RawText<'a>(&'a [u8]);

impl Type<Postgres> for RawText<'_> {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for RawText<'_> {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buf.extend_from_slice(self.0);
        Ok(IsNull::No)
    }
}

struct TextArray<'a>(&'a [Option<&'a [u8]>]);

impl Type<Postgres> for TextArray<'_> {
    fn type_info() -> PgTypeInfo {
        <Vec<String> as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for TextArray<'_> {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        encode_array(self.0, TEXT_OID, buf)
    }
}

struct BytesArray<'a>(&'a [Option<&'a [u8]>]);

impl Type<Postgres> for BytesArray<'_> {
    fn type_info() -> PgTypeInfo {
        <Vec<Vec<u8>> as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for BytesArray<'_> {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        encode_array(self.0, BYTEA_OID, buf)
    }
}

/// `array_recv`'s format: dimensions, has-null flag, element type, then for the
/// one dimension its length and lower bound, then the elements.
fn encode_array(
    items: &[Option<&[u8]>],
    oid: u32,
    buf: &mut PgArgumentBuffer,
) -> Result<IsNull, BoxDynError> {
    let bytes: usize = items
        .iter()
        .map(|item| 4 + item.map_or(0, <[u8]>::len))
        .sum();
    buf.reserve(20 + bytes);
    let has_null = items.iter().any(Option::is_none);
    buf.extend_from_slice(&i32::from(!items.is_empty()).to_be_bytes());
    buf.extend_from_slice(&i32::from(has_null).to_be_bytes());
    buf.extend_from_slice(&oid.to_be_bytes());
    if items.is_empty() {
        return Ok(IsNull::No);
    }
    buf.extend_from_slice(&i32::try_from(items.len())?.to_be_bytes());
    buf.extend_from_slice(&1_i32.to_be_bytes());
    for item in items {
        match item {
            Some(item) => {
                buf.extend_from_slice(&i32::try_from(item.len())?.to_be_bytes());
                buf.extend_from_slice(item);
            }
            None => buf.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
    Ok(IsNull::No)
}
