//! One column as a target.

use std::sync::Arc;

use async_trait::async_trait;
use atrest_engine::target::{
    Change, Description, JournalChange, KeyRange, KeyValue, PageLimit, RowKey, TableName, Target,
    TargetError, Value, Visited, Visitor,
};

use super::catalog::{self, ColumnInfo, KeyColumn, KeyKind, TableInfo};
use super::{Shared, page, preflight, write};
use crate::hex::unhex;
use crate::quote::column_name;

/// A column of a table with a primary key.
#[derive(Clone)]
pub(super) struct MySqlColumn {
    shared: Arc<Shared>,
    table: TableInfo,
    column: ColumnInfo,
    /// Shown beside it.
    beside: Option<ColumnInfo>,
    name: String,
}

impl MySqlColumn {
    /// Finds the column and its table's key.
    ///
    /// # Errors
    /// [`TargetError::NotFound`]; [`TargetError::Refused`] without a primary key
    /// and for a column that is part of it or computed.
    pub(super) async fn open(
        shared: Arc<Shared>,
        table: &TableName,
        column: &str,
    ) -> Result<Self, TargetError> {
        let (table, column) = catalog::find(&shared, table, column).await?;
        let name = column_name(&table.shown, &column.name);
        if table.key.is_empty() {
            return Err(TargetError::Refused {
                what: format!(
                    "table {} has no primary key, so its rows cannot be named",
                    table.shown
                ),
                next: "give the table a primary key (ALTER TABLE … ADD PRIMARY KEY …)".to_owned(),
            });
        }
        if column.in_key {
            return Err(TargetError::Refused {
                what: format!("{name} is part of the primary key, by which rows are found"),
                next: "take the column out of the policy, or give the table another primary key"
                    .to_owned(),
            });
        }
        if column.generated {
            return Err(TargetError::Refused {
                what: format!("{name} is a generated column, which the database computes itself"),
                next: "name the column that it is computed from".to_owned(),
            });
        }
        if let Some(odd) = table.key.iter().find(|k| k.kind == KeyKind::Unsupported) {
            return Err(TargetError::Refused {
                what: format!(
                    "key column {} of table {} ({}) has no exact text to find rows by",
                    odd.name, table.shown, odd.data_type
                ),
                next: "give the table a primary key of another type (an integer, a text, binary, a date)"
                    .to_owned(),
            });
        }
        Ok(Self {
            shared,
            table,
            column,
            beside: None,
            name,
        })
    }
}

#[async_trait]
impl Target for MySqlColumn {
    fn name(&self) -> &str {
        &self.name
    }

    async fn describe(
        &self,
        longest_token: u64,
        to_change: bool,
    ) -> Result<Description, TargetError> {
        preflight::describe(
            &self.shared,
            &self.table,
            &self.column,
            longest_token,
            to_change,
        )
        .await
    }

    async fn rows(&self) -> Result<u64, TargetError> {
        page::rows(&self.shared, &self.table).await
    }

    async fn longest(&self) -> Result<u64, TargetError> {
        page::longest(&self.shared, &self.table, &self.column).await
    }

    async fn key_at(&self, range: &KeyRange, offset: u64) -> Result<Option<RowKey>, TargetError> {
        page::key_at(&self.shared, &self.table, range, offset).await
    }

    async fn rows_where(
        &self,
        column: &str,
        text: &str,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, TargetError> {
        let (table, column) = catalog::find(&self.shared, &self.table.full, column).await?;
        let range = KeyRange {
            after: after.cloned(),
            until: None,
        };
        page::rows_where(&self.shared, &table, &column, text, &range, limit as u64).await
    }

    async fn beside(&self, column: &str) -> Result<Arc<dyn Target>, TargetError> {
        let (_, beside) = catalog::find(&self.shared, &self.table.full, column).await?;
        Ok(Arc::new(Self {
            beside: Some(beside),
            ..self.clone()
        }))
    }

    async fn visit(
        &self,
        range: &KeyRange,
        limit: PageLimit,
        visitor: Box<dyn Visitor>,
    ) -> Result<Visited, TargetError> {
        page::visit(
            &self.shared,
            &self.table,
            &self.column,
            self.beside.as_ref(),
            range,
            limit,
            visitor,
        )
        .await
    }

    async fn read_one(&self, key: &RowKey) -> Result<Option<Value>, TargetError> {
        page::read_one(&self.shared, &self.table, &self.column, key).await
    }

    fn parse_key(&self, parts: &[String]) -> Result<RowKey, TargetError> {
        if parts.len() != self.table.key.len() {
            let names: Vec<&str> = self.table.key.iter().map(|k| k.name.as_str()).collect();
            return Err(TargetError::Refused {
                what: format!(
                    "the key of {} has {} column(s), {} given",
                    self.table.shown,
                    names.len(),
                    parts.len()
                ),
                next: format!("give one value for each of: {}", names.join(", ")),
            });
        }
        self.table
            .key
            .iter()
            .zip(parts)
            .map(|(k, text)| parse_part(k, text))
            .collect::<Result<_, _>>()
            .map(RowKey)
    }

    async fn write(
        &self,
        changes: Vec<Change>,
        journal: &[JournalChange],
    ) -> Result<u64, TargetError> {
        write::write(&self.shared, &self.table, &self.column, &changes, journal).await
    }
}

fn parse_part(key: &KeyColumn, text: &str) -> Result<KeyValue, TargetError> {
    let refused = |form: &str| TargetError::Refused {
        what: format!(
            "`{text}` is no value of key column {} ({})",
            key.name, key.data_type
        ),
        next: format!("write {form}"),
    };
    match key.kind {
        KeyKind::Integer => text
            .parse()
            .map(KeyValue::Integer)
            .map_err(|_| refused("a whole number")),
        KeyKind::Bytes => {
            let digits = text.strip_prefix("0x").unwrap_or(text);
            unhex(digits)
                .map(KeyValue::Bytes)
                .ok_or_else(|| refused("hexadecimal digits"))
        }
        KeyKind::Text | KeyKind::Cast(_) | KeyKind::Unsupported => {
            Ok(KeyValue::Text(text.to_owned()))
        }
    }
}
