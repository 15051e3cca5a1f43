//! Values and keys between PostgreSQL's wire and the engine: raw bytes, so that
//! nothing is validated, converted or lost on the way.

use atrest_engine::target::{KeyValue, RowKey, TargetError, ValueRef};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo};
use sqlx::{Arguments as _, Encode, Postgres, Row as _, Type, ValueRef as _};

use super::Shared;
use super::catalog::{KeyColumn, KeyKind};

/// What an array that is bound consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Text,
    Bytes,
    /// Eight bytes, the highest first.
    Integer,
}

impl Element {
    /// The array's type in SQL.
    pub(super) fn array(self) -> &'static str {
        match self {
            Self::Text => "::text[]",
            Self::Bytes => "::bytea[]",
            Self::Integer => "::int8[]",
        }
    }

    /// The element's `pg_type.oid`, which is fixed (`pg_type.dat`).
    fn oid(self) -> u32 {
        match self {
            Self::Text => 25,
            Self::Bytes => 17,
            Self::Integer => 20,
        }
    }
}

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
        match column.kind {
            KeyKind::Bytes => {
                parts.push(KeyValue::Bytes(bytes.to_vec()));
                continue;
            }
            KeyKind::Integer => {
                parts.push(KeyValue::Integer(integer(bytes)));
                continue;
            }
            KeyKind::Text => {}
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TargetError::Refused {
            what: format!(
                "a value of key column {} is not valid UTF-8, so its row cannot be named",
                column.name
            ),
            next: "correct the key of that row, then run the same command again".to_owned(),
        })?;
        parts.push(KeyValue::Text(text.to_owned()));
    }
    Ok(RowKey(parts))
}

/// `int2send`, `int4send`, `int8send`: two's complement, the highest byte first.
fn integer(bytes: &[u8]) -> i128 {
    let sign = bytes
        .first()
        .map_or(0, |first| i128::from(*first as i8) >> 7);
    bytes
        .iter()
        .fold(sign, |n, byte| n << 8 | i128::from(*byte))
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

/// A key part's bytes as an array of keys holds them.
pub(super) fn element_bytes(kind: KeyKind, part: &KeyValue) -> Vec<u8> {
    match (kind, part) {
        // One that is beyond eight bytes names no row, and -1 would name one.
        (KeyKind::Integer, KeyValue::Integer(n)) => i64::try_from(*n)
            .map(|n| n.to_be_bytes().to_vec())
            .unwrap_or_default(),
        _ => key_bytes(part),
    }
}

/// A key part's bytes as they are bound.
fn key_bytes(part: &KeyValue) -> Vec<u8> {
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

    /// Makes room for `parts` arguments of `bytes` in all, so that a page's are not
    /// moved as they grow.
    pub(super) fn reserve(&mut self, parts: usize, bytes: usize) {
        self.0.reserve(parts, bytes);
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
    pub(super) fn text(&mut self, shared: &Shared, text: &str) -> Result<(), TargetError> {
        self.add(shared, text.to_owned())
    }

    pub(super) fn integer(&mut self, shared: &Shared, n: u64) -> Result<(), TargetError> {
        self.add(shared, i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// An array of one dimension.
    pub(super) fn array(
        &mut self,
        shared: &Shared,
        element: Element,
        items: &[Option<&[u8]>],
    ) -> Result<(), TargetError> {
        match element {
            Element::Text => self.add(shared, TextArray(items)),
            Element::Bytes => self.add(shared, BytesArray(items)),
            Element::Integer => self.add(shared, IntegerArray(items)),
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
        encode_array(self.0, Element::Text, buf)
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
        encode_array(self.0, Element::Bytes, buf)
    }
}

struct IntegerArray<'a>(&'a [Option<&'a [u8]>]);

impl Type<Postgres> for IntegerArray<'_> {
    fn type_info() -> PgTypeInfo {
        <Vec<i64> as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for IntegerArray<'_> {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        encode_array(self.0, Element::Integer, buf)
    }
}

/// `array_recv`'s format: dimensions, has-null flag, element type, then for the
/// one dimension its length and lower bound, then the elements.
fn encode_array(
    items: &[Option<&[u8]>],
    element: Element,
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
    buf.extend_from_slice(&element.oid().to_be_bytes());
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

#[cfg(test)]
mod tests {
    use super::integer;

    #[test]
    fn integers_of_every_width() {
        for n in [0, 1, -1, 300, i16::MIN, i16::MAX] {
            assert_eq!(integer(&n.to_be_bytes()), n.into());
        }
        for n in [i32::MIN, -70_000, 70_000, i32::MAX] {
            assert_eq!(integer(&n.to_be_bytes()), n.into());
        }
        for n in [i64::MIN, -1, i64::MAX] {
            assert_eq!(integer(&n.to_be_bytes()), n.into());
        }
    }
}
