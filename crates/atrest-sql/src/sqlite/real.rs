//! Numbers as exact text, and back.
//!
//! SQLite's own conversions are off by some units in the last place where an exponent is
//! large (<https://www.sqlite.org/floatingpoint.html>, section 1.1.1).

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

use crate::quote::Sql;

/// Lets a connection's statements use [`exact_text`].
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("atrest_text", 2, flags, |call| Ok(text(call)))
}

/// The text of the number in `column`.
pub(super) fn exact_text(sql: Sql, column: &str) -> Sql {
    let sql = sql.add("atrest_text(").ident(column);
    sql.add(", quote(").ident(column).add("))")
}

/// SQLite's own, unless it is another number's.
fn text(call: &Context<'_>) -> String {
    let quoted = call.get_raw(1).as_bytes().unwrap_or_default();
    match call.get_raw(0) {
        ValueRef::Real(x) if double(quoted) != Some(x) => format!("{x:e}"),
        _ => String::from_utf8_lossy(quoted).into_owned(),
    }
}

/// What a text stores in a column that makes numbers of text, where SQLite might store
/// another one: a double, or an integer beyond 64 bits.
pub(super) fn exact_number(text: &[u8]) -> Option<f64> {
    let is_integer = |text: &str| text.parse::<i64>().is_ok();
    match str::from_utf8(text) {
        Ok(text) if !is_integer(text) => double(text.as_bytes()),
        _ => None,
    }
}

/// Digits, with a point or an exponent or neither: no `inf`, which Rust would read, too.
fn double(text: &[u8]) -> Option<f64> {
    let numeric = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.iter().all(numeric) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}
