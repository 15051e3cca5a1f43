//! Whose a row is: by a column of its primary key, or by another column of its table.

use std::borrow::Cow;
use std::sync::Arc;

use crate::policy::ColumnPolicy;
use crate::target::{
    self, Database, KeyOf, KeyRange, RowKey, Table, Target, TargetError, Value, ValueRef,
};

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
        for also in &policy.forget_empties {
            can_be_emptied(policy, column, table, also)?;
        }
        let place = table.and_then(|table| table.key.iter().position(|name| name == column));
        match place {
            Some(place) => Ok(Self::Key(place)),
            None => Ok(Self::Column(database.column(&policy.table, column).await?)),
        }
    }

    /// `target`, which shows whose a row is beside its value.
    pub(crate) async fn beside(
        &self,
        target: Arc<dyn Target>,
        column: &str,
    ) -> target::Result<Arc<dyn Target>> {
        match self {
            Self::Key(_) => Ok(target),
            Self::Column(_) => target.beside(column).await,
        }
    }

    /// The subject of a row that [`Self::beside`]'s target shows; `None`: it is nobody's.
    pub(crate) fn of_row<'r>(
        &self,
        key: KeyOf<'_>,
        beside: Option<ValueRef<'r>>,
    ) -> target::Result<Option<Cow<'r, str>>> {
        match self {
            Self::Key(place) => Ok(key()?.0.get(*place).map(|part| part.to_string().into())),
            Self::Column(target) => text(target.name(), beside.unwrap_or(ValueRef::Null)),
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
        all.push(
            there
                .map(|value| owned(target.name(), &value))
                .transpose()?,
        );
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
                all.push(Some(owned(target.name(), &row.value)?));
            }
            if !more {
                break;
            }
        }
        all.resize(keys.len(), None);
        Ok(all)
    }
}

/// What is to be emptied when somebody is forgotten must be able to: that turns out before
/// anything is sealed, not when an erasure has begun.
fn can_be_emptied(
    policy: &ColumnPolicy,
    subject: &str,
    table: Option<&Table>,
    also: &str,
) -> target::Result<()> {
    let found = table.and_then(|table| table.columns.iter().find(|it| it.name == also));
    let in_key = table.is_some_and(|table| table.key.iter().any(|name| name == also));
    let (problem, next) = if also == subject {
        (
            "which says whose a row is: emptied, it would be nobody's",
            "leave it out of the policy",
        )
    } else if in_key {
        (
            "which is part of the primary key and cannot be emptied",
            "leave it out of the policy",
        )
    } else if let Some(found) = found {
        if found.nullable {
            return Ok(());
        }
        (
            "which is NOT NULL and cannot be emptied",
            "make the column nullable (in Django: `null=True`), or leave it out of the policy and delete such rows yourself",
        )
    } else {
        (
            "a column that the table does not have",
            "correct its name in the policy",
        )
    };
    Err(TargetError::Refused {
        what: format!(
            "`forget_empties` of {} names {also}, {problem}",
            policy.id()
        ),
        next: next.to_owned(),
    })
}

/// The canonical text; `None` for NULL.
fn text<'v>(column: &str, value: ValueRef<'v>) -> target::Result<Option<Cow<'v, str>>> {
    if value.bytes() > LONGEST || matches!(value, ValueRef::Deferred(_)) {
        return Err(refused(column, "has more than 4096 bytes"));
    }
    Ok(match value {
        ValueRef::Null | ValueRef::Deferred(_) => None,
        ValueRef::Text(bytes) | ValueRef::Number(bytes) => {
            let text = std::str::from_utf8(bytes);
            Some(
                text.map_err(|_| refused(column, "is no UTF-8 text"))?
                    .into(),
            )
        }
        ValueRef::Bytes(bytes) => Some(crate::journal::hex(bytes).into()),
    })
}

fn owned(column: &str, value: &Value) -> target::Result<Option<String>> {
    Ok(text(column, value.as_ref())?.map(Cow::into_owned))
}

fn refused(column: &str, problem: &str) -> TargetError {
    TargetError::Refused {
        what: format!("a value of {column}, which says whose a row is, {problem}"),
        next: "name another column as `subject` in the policy".to_owned(),
    }
}
