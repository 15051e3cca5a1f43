//! The compare-and-swap: one prepared statement, row by row, in one transaction.
//!
//! ```text
//! UPDATE t SET c = ?3
//!  WHERE k = ?1 AND typeof(c) = 'text' AND CAST(c AS BLOB) = ?2
//! ```
//!
//! A statement is a function call here, so there is nothing to win by putting
//! many rows into one, as there is where a network lies between.

use atrest_engine::target::{Change, JournalChange, TargetError, Value};
use rusqlite::CachedStatement;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::error::Failure;
use super::page::At;
use super::real::{exact_number, exact_text};
use super::value::bound_key;
use super::{Shared, journal};
use crate::changes::not_whole;
use crate::key::whole;
use crate::quote::{Dialect, Sql};

/// What an old value's comparison looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Null,
    Text,
    Bytes,
    Number,
}

impl Class {
    fn of(value: &Value) -> Result<Self, TargetError> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Text(_) => Ok(Self::Text),
            Value::Bytes(_) => Ok(Self::Bytes),
            Value::Number(_) => Ok(Self::Number),
            Value::Deferred(_) => Err(not_whole()),
        }
    }
}

/// One transaction: the rows, then the journal.
pub(super) async fn write(
    shared: &Shared,
    at: &At<'_>,
    changes: Vec<Change>,
    journal: &[JournalChange],
) -> Result<u64, TargetError> {
    let (parts, numeric) = (at.key.len(), at.numeric);
    let classes = [Class::Null, Class::Text, Class::Bytes, Class::Number];
    let statements = classes.map(|class| statement(at, class));
    let journal = journal.to_vec();
    shared
        .connections
        .change(format!("changing {}", at.table), move |connection| {
            let mut changed = 0;
            for (class, sql) in classes.iter().zip(&statements) {
                let mut statement = connection.prepare_cached(sql)?;
                for change in &changes {
                    whole(parts, &change.key)?;
                    if Class::of(&change.old)? == *class {
                        changed += update(&mut statement, change, numeric)?;
                    }
                }
            }
            journal::swap(connection, &journal)?;
            Ok(changed)
        })
        .await
}

/// Binds and runs the statement of `class`; gives 1 or 0. See [`At::numeric`].
fn update(
    statement: &mut CachedStatement<'_>,
    change: &Change,
    numeric: bool,
) -> Result<u64, Failure> {
    let number = match &change.new {
        Value::Text(v) | Value::Number(v) if numeric => exact_number(v),
        _ => None,
    };
    let new = match &change.new {
        Value::Null => ValueRef::Null,
        Value::Text(v) | Value::Number(v) => number.map_or(ValueRef::Text(v), ValueRef::Real),
        Value::Bytes(v) => ValueRef::Blob(v),
        Value::Deferred(_) => return Err(not_whole().into()),
    };
    let mut place = 0;
    let mut bind = |value| {
        place += 1;
        statement.raw_bind_parameter(place, value)
    };
    for part in &change.key.0 {
        bind(ToSqlOutput::Owned(bound_key(part)?))?;
    }
    bind(ToSqlOutput::Borrowed(new))?;
    if let Value::Text(old) | Value::Bytes(old) | Value::Number(old) = &change.old {
        bind(ToSqlOutput::Borrowed(ValueRef::Blob(old)))?;
    }
    Ok(statement.raw_execute()? as u64)
}

/// Parameters: the key's parts, the new value, the old one.
fn statement(at: &At<'_>, class: Class) -> String {
    let At {
        table, key, column, ..
    } = *at;
    let place = |sql: Sql, n: usize| sql.add("?").number(n as i64);
    let (new, old) = (key.len() + 1, key.len() + 2);
    let sql = Sql::new(Dialect::Sqlite).add("UPDATE ").table(table);
    let sql = sql.add(" SET ").ident(column).add(" = ");
    let mut sql = place(sql, new).add(" WHERE ");
    for (i, part) in key.iter().enumerate() {
        sql = place(sql.ident(part).add(" = "), i + 1).add(" AND ");
    }
    sql = match class {
        Class::Null => sql.ident(column).add(" IS NULL"),
        Class::Text => {
            let sql = sql.add("typeof(").ident(column).add(") = 'text' AND CAST(");
            place(sql.ident(column).add(" AS BLOB) = "), old)
        }
        Class::Bytes => {
            let sql = sql.add("typeof(").ident(column).add(") = 'blob' AND ");
            place(sql.ident(column).add(" = "), old)
        }
        Class::Number => {
            let sql = sql
                .add("typeof(")
                .ident(column)
                .add(") IN ('integer', 'real') AND CAST(");
            place(exact_text(sql, column).add(" AS BLOB) = "), old)
        }
    };
    sql.text()
}
