//! Whose a row is: by a column of its primary key, or by another column of its table.

use std::sync::Arc;

use crate::policy::ColumnPolicy;
use crate::target::{self, Database, KeyRange, RowKey, Target, TargetError, Value};

/// Where the subject of a row stands.
#[derive(Clone)]
pub(crate) enum SubjectOf {
    /// In the primary key: which column of it.
    Key(usize),
    /// In another column.
    Column(Arc<dyn Target>),
}

/// A subject's text at most, in bytes.
const LONGEST: u64 = 4096;

impl SubjectOf {
    /// Finds the column that `policy` names.
    pub(crate) async fn find(
        database: &dyn Database,
        policy: &ColumnPolicy,
        column: &str,
    ) -> target::Result<Self> {
        let tables = database.tables().await?;
        let table = tables.iter().find(|table| {
            table.name.name == policy.table.name
                && (policy.table.schema.is_none() || policy.table.schema == table.name.schema)
        });
        let place = table.and_then(|table| table.key.iter().position(|name| name == column));
        match place {
            Some(place) => Ok(Self::Key(place)),
            None => Ok(Self::Column(database.column(&policy.table, column).await?)),
        }
    }

    /// The subjects of some rows, in key order, of a range: in the order of `keys`. A
    /// row without a subject has `None`; the outer `None` is for a row that is gone.
    pub(crate) async fn of(&self, keys: &[RowKey]) -> target::Result<Vec<Option<Option<String>>>> {
        let target = match self {
            Self::Key(place) => {
                let subject = |key: &RowKey| Some(key.0.get(*place).map(ToString::to_string));
                return Ok(keys.iter().map(subject).collect());
            }
            Self::Column(target) => target,
        };
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
            return Ok(Vec::new());
        };
        let mut all: Vec<Option<Option<String>>> = Vec::with_capacity(keys.len());
        let there = target.read_one(first).await?;
        all.push(there.map(|value| text(target.name(), value)).transpose()?);
        let mut rest = KeyRange {
            after: Some(first.clone()),
            until: Some(last.clone()),
        };
        let limit = keys.len().max(100);
        while all.len() < keys.len() {
            let rows = target.read(&rest, limit, LONGEST).await?;
            let more = rows.len() == limit;
            rest.after = rows.last().map(|row| row.key.clone());
            // Both are in key order; rows that came since are in between.
            for row in rows {
                let Some(ahead) = keys[all.len()..].iter().position(|key| *key == row.key) else {
                    continue;
                };
                all.extend(std::iter::repeat_n(None, ahead));
                all.push(Some(text(target.name(), row.value)?));
            }
            if !more {
                break;
            }
        }
        all.resize(keys.len(), None);
        Ok(all)
    }
}

/// The canonical text; `None` for NULL.
fn text(column: &str, value: Value) -> target::Result<Option<String>> {
    Ok(match value {
        Value::Null => None,
        Value::Text(bytes) | Value::Number(bytes) => {
            Some(String::from_utf8(bytes).map_err(|_| refused(column, "is no UTF-8 text"))?)
        }
        Value::Bytes(bytes) => Some(crate::journal::hex(&bytes)),
        Value::Deferred(_) => return Err(refused(column, "has more than 4096 bytes")),
    })
}

fn refused(column: &str, problem: &str) -> TargetError {
    TargetError::Refused {
        what: format!("a value of {column}, which says whose a row is, {problem}"),
        next: "name another column as `subject` in the policy".to_owned(),
    }
}
