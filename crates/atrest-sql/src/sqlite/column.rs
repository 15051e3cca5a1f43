//! One column as a target.

use std::sync::Arc;

use async_trait::async_trait;
use atrest_engine::target::{
    Change, Description, JournalChange, KeyRange, KeyValue, PageLimit, RowKey, TableName, Target,
    TargetError, Value, Visited, Visitor,
};

use super::catalog::{self, ColumnInfo, TableInfo};
use super::page::At;
use super::value::Affinity;
use super::{Shared, page, preflight, write};
use crate::hex::unhex;
use crate::quote::column_name;

/// A column of a table with a primary key.
#[derive(Clone)]
pub(super) struct SqliteColumn {
    shared: Arc<Shared>,
    table: TableInfo,
    column: ColumnInfo,
    /// Shown beside it.
    beside: Option<ColumnInfo>,
    key: Vec<String>,
    name: String,
}

impl SqliteColumn {
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
        let name = column_name(&table.name, &column.name);
        if table.key.is_empty() {
            return Err(TargetError::Refused {
                what: format!(
                    "table {} has no primary key, so its rows cannot be named (a rowid changes with VACUUM)",
                    table.name
                ),
                next: "give the table a primary key: make a new table with one, copy the rows, and rename it"
                    .to_owned(),
            });
        }
        if column.key_place > 0 {
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
        let key = table.key.iter().map(|c| c.name.clone()).collect();
        Ok(Self {
            shared,
            table,
            column,
            beside: None,
            key,
            name,
        })
    }
}

impl SqliteColumn {
    fn at(&self) -> At<'_> {
        At {
            table: &self.table.name,
            key: &self.key,
            column: &self.column.name,
            numeric: self.column.affinity.is_numeric(),
        }
    }
}

#[async_trait]
impl Target for SqliteColumn {
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
        page::rows(&self.shared, &self.table.name).await
    }

    async fn longest(&self) -> Result<u64, TargetError> {
        Ok(0) // no type bounds a length here
    }

    async fn key_at(&self, range: &KeyRange, offset: u64) -> Result<Option<RowKey>, TargetError> {
        page::key_at(&self.shared, &self.table.name, &self.key, range, offset).await
    }

    async fn rows_where(
        &self,
        column: &str,
        text: &str,
        after: Option<&RowKey>,
        limit: usize,
    ) -> Result<Vec<RowKey>, TargetError> {
        let (table, column) = catalog::find(&self.shared, &self.table.name, column).await?;
        let range = KeyRange {
            after: after.cloned(),
            until: None,
        };
        page::rows_where(&self.shared, &table, &column, text, &range, limit as u64).await
    }

    async fn beside(&self, column: &str) -> Result<Arc<dyn Target>, TargetError> {
        let (_, beside) = catalog::find(&self.shared, &self.table.name, column).await?;
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
        let beside = self.beside.as_ref().map(|column| column.name.as_str());
        page::visit(&self.shared, &self.at(), beside, range, limit, visitor).await
    }

    async fn read_one(&self, key: &RowKey) -> Result<Option<Value>, TargetError> {
        page::read_one(&self.shared, &self.at(), key).await
    }

    fn parse_key(&self, parts: &[String]) -> Result<RowKey, TargetError> {
        if parts.len() != self.key.len() {
            return Err(TargetError::Refused {
                what: format!(
                    "the key of {} has {} column(s), {} given",
                    self.table.name,
                    self.key.len(),
                    parts.len()
                ),
                next: format!("give one value for each of: {}", self.key.join(", ")),
            });
        }
        Ok(RowKey(
            self.table
                .key
                .iter()
                .zip(parts)
                .map(|(column, text)| parse_part(column, text))
                .collect(),
        ))
    }

    async fn write(
        &self,
        changes: Vec<Change>,
        journal: &[JournalChange],
    ) -> Result<u64, TargetError> {
        write::write(&self.shared, &self.at(), changes, journal).await
    }

    async fn history(&self) -> Result<Option<u64>, TargetError> {
        let version = self.shared.connections.data_version().await?;
        Ok(u64::try_from(version).ok())
    }
}

/// A key's value from text, as the column's affinity would store that text.
fn parse_part(column: &ColumnInfo, text: &str) -> KeyValue {
    let integer = || {
        text.parse::<i64>()
            .ok()
            .map(|n| KeyValue::Integer(n.into()))
    };
    let real = || {
        text.parse::<f64>()
            .ok()
            .map(|x| KeyValue::Real(x.to_bits()))
    };
    let as_text = || KeyValue::Text(text.to_owned());
    match column.affinity {
        Affinity::Text => as_text(),
        Affinity::Real => real().unwrap_or_else(as_text),
        Affinity::Integer | Affinity::Numeric => integer().or_else(real).unwrap_or_else(as_text),
        Affinity::Blob => {
            let hex = (!column.declared_type.is_empty())
                .then(|| unhex(text))
                .flatten();
            hex.map(KeyValue::Bytes)
                .or_else(integer)
                .unwrap_or_else(as_text)
        }
    }
}
