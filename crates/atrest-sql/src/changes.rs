//! The changes of one compare-and-swap: their values, and how many go into one
//! statement.

use atrest_engine::target::{Change, TargetError, Value};

/// Cuts at `most` rows and at `bytes` of values, unless it is a single row.
pub(crate) fn pieces<'a, 'c>(
    mut rows: &'a [&'c Change],
    most: usize,
    bytes: u64,
) -> Vec<&'a [&'c Change]> {
    let mut out = Vec::new();
    while !rows.is_empty() {
        let mut sum = 0;
        let n = rows
            .iter()
            .take(most)
            .take_while(|row| {
                sum += size(row);
                sum <= bytes
            })
            .count()
            .max(1);
        let (piece, rest) = rows.split_at(n);
        out.push(piece);
        rows = rest;
    }
    out
}

/// Bytes of the old and the new value.
pub(crate) fn size(change: &Change) -> u64 {
    change.old.as_ref().bytes() + change.new.as_ref().bytes()
}

/// A value's bytes; `None` for NULL.
///
/// # Errors
/// [`not_whole`].
pub(crate) fn bytes_of(value: &Value) -> Result<Option<&[u8]>, TargetError> {
    match value {
        Value::Null => Ok(None),
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => Ok(Some(v)),
        Value::Deferred(_) => Err(not_whole()),
    }
}

/// Only a value that was read whole can be compared.
pub(crate) fn not_whole() -> TargetError {
    TargetError::Refused {
        what: "a value was to be changed that had not been read whole".to_owned(),
        next: "report this as an error of atrest".to_owned(),
    }
}
