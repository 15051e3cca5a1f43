//! What a table must hold, known from the statements that were committed on it.
//!
//! Each row has a set of states it may be in: one, as long as every statement's
//! outcome is known; two, once a connection died with a statement under way. Such
//! a row gets no further statements, because the server may still carry the lost
//! one out after them.

use std::collections::BTreeMap;

use crate::connection::{Connection, Dialect};

/// What a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowState {
    /// The sensitive column, in clear; `None` is NULL.
    pub value: Option<String>,
    /// A column that nobody but the writers may touch.
    pub untouched: String,
}

/// A row's possible states; `None`: not there.
pub type Possible = Vec<Option<RowState>>;

/// Where the modelled table is: `(id bigint primary key, value, untouched)`.
#[derive(Debug, Clone)]
pub struct Place {
    /// The database.
    pub url: String,
    /// The table's name, unquoted.
    pub table: String,
    /// The name of the column that is encrypted.
    pub column: String,
}

impl Place {
    /// The usual names: table `traffic`, column `value`.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            table: "traffic".into(),
            column: "value".into(),
        }
    }

    /// The table, quoted for its database.
    pub fn table_sql(&self) -> String {
        Dialect::of(&self.url).identifier(&self.table)
    }

    /// The column, quoted for its database.
    pub fn column_sql(&self) -> String {
        Dialect::of(&self.url).identifier(&self.column)
    }

    /// `CREATE TABLE` with a value column that takes tokens of any length.
    pub fn create_sql(&self) -> String {
        let text = match Dialect::of(&self.url) {
            Dialect::MySql => "longtext",
            Dialect::Postgres | Dialect::Sqlite => "text",
        };
        format!(
            "CREATE TABLE {} (id bigint NOT NULL PRIMARY KEY, {} {text}, untouched {text} NOT NULL)",
            self.table_sql(),
            self.column_sql()
        )
    }
}

/// The model of one table.
#[derive(Debug, Clone, Default)]
pub struct Model {
    rows: BTreeMap<i64, Possible>,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rows in the table.
    pub rows: u64,
    /// Rows that were deleted and stayed away.
    pub deleted: u64,
    /// Rows with a statement whose outcome nobody knows: either state was taken.
    pub uncertain: u64,
    /// What is wrong, a sentence each. Values are test data and may be shown.
    pub violations: Vec<String>,
}

impl Report {
    /// # Panics
    /// With the first violations, when there are any.
    pub fn assert_clean(&self) {
        let shown = &self.violations[..self.violations.len().min(20)];
        assert!(
            shown.is_empty(),
            "{} of {} rows are not what the writers left:\n{}",
            self.violations.len(),
            self.rows,
            shown.join("\n")
        );
    }
}

impl Model {
    /// A model of an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// The possible states of a row that was ever written.
    pub fn row(&self, id: i64) -> Option<&Possible> {
        self.rows.get(&id)
    }

    /// How many ids were ever written.
    pub fn ids(&self) -> usize {
        self.rows.len()
    }

    /// Every id that may be there now.
    pub fn present(&self) -> impl Iterator<Item = i64> {
        self.rows
            .iter()
            .filter(|(_, s)| s.iter().any(Option::is_some))
            .map(|(id, _)| *id)
    }

    /// Records that a row is now in this state for certain.
    pub fn set(&mut self, id: i64, state: Option<RowState>) {
        self.rows.insert(id, vec![state]);
    }

    /// Records that a row may be in this state, or as it was.
    pub fn set_perhaps(&mut self, id: i64, state: Option<RowState>) {
        let possible = self.rows.entry(id).or_insert_with(|| vec![None]);
        if !possible.contains(&state) {
            possible.push(state);
        }
    }

    /// Whether the row's state is known.
    pub fn certain(&self, id: i64) -> bool {
        self.rows
            .get(&id)
            .is_none_or(|possible| possible.len() == 1)
    }

    /// Takes over another model of other ids.
    pub fn merge(&mut self, other: Self) {
        for (id, possible) in other.rows {
            let before = self.rows.insert(id, possible);
            assert!(before.is_none(), "two models of row {id}");
        }
    }

    /// The rows whose id leaves `remainder` when divided by `parts`.
    pub(crate) fn part(&self, parts: u64, remainder: u64) -> Self {
        let ours = |id: &i64| id.unsigned_abs() % parts == remainder;
        let rows = self.rows.iter().filter(|(id, _)| ours(id));
        Self {
            rows: rows.map(|(id, state)| (*id, state.clone())).collect(),
        }
    }

    /// Each row whose state is known, and whether it is there.
    pub(crate) fn certain_rows(&self) -> impl Iterator<Item = (i64, bool)> {
        self.rows
            .iter()
            .filter_map(|(id, possible)| match possible.as_slice() {
                [state] => Some((*id, state.is_some())),
                _ => None,
            })
    }

    /// The highest id that was ever written; 0 when there is none.
    pub(crate) fn highest(&self) -> i64 {
        self.rows.last_key_value().map_or(0, |(id, _)| *id)
    }

    /// Reads the whole table and compares every row. `open` gives the clear value
    /// of a stored one (which is never NULL), or says why it cannot; pass a function
    /// that refuses what is stored in clear to prove that nothing is left in clear.
    pub async fn compare(
        &self,
        place: &Place,
        mut open: impl FnMut(i64, &[u8]) -> Result<Vec<u8>, String>,
    ) -> Result<Report, sqlx::Error> {
        let mut link = Connection::open(&place.url).await?;
        let mut report = Report::default();
        let mut unseen: BTreeMap<i64, &Possible> = self.rows.iter().map(|(i, p)| (*i, p)).collect();
        let mut after = i64::MIN;
        loop {
            let page = format!(
                "SELECT id, {}, untouched FROM {} WHERE id > {after} ORDER BY id LIMIT 5000",
                place.column_sql(),
                place.table_sql()
            );
            let rows = link.rows(&page).await?;
            for row in &rows {
                let text = |i: usize| row[i].as_deref().map(String::from_utf8_lossy);
                let id = text(0).and_then(|t| t.parse().ok()).expect("an integer id");
                after = id;
                report.rows += 1;
                let Some(possible) = unseen.remove(&id) else {
                    report
                        .violations
                        .push(format!("row {id} was never written"));
                    continue;
                };
                report.uncertain += u64::from(possible.len() > 1);
                let value = match row[1].as_deref().map(|stored| open(id, stored)).transpose() {
                    Ok(value) => value.map(|v| String::from_utf8_lossy(&v).into_owned()),
                    Err(why) => {
                        report
                            .violations
                            .push(format!("row {id} cannot be opened: {why}"));
                        continue;
                    }
                };
                let untouched = text(2).map(String::from).unwrap_or_default();
                let found = Some(RowState { value, untouched });
                if !possible.contains(&found) {
                    report
                        .violations
                        .push(describe(id, found.as_ref(), possible));
                }
            }
            if rows.len() < 5000 {
                break;
            }
        }
        link.close().await;
        for (id, possible) in unseen {
            report.deleted += 1;
            report.uncertain += u64::from(possible.len() > 1);
            if !possible.contains(&None) {
                report.violations.push(describe(id, None, possible));
            }
        }
        Ok(report)
    }
}

/// Says what kind of crime it is: lost, resurrected, stale or altered.
fn describe(id: i64, found: Option<&RowState>, possible: &Possible) -> String {
    let crime = match found {
        None => "is lost",
        Some(_) if possible.iter().all(Option::is_none) => "was deleted and is back",
        Some(found) if possible.iter().flatten().any(|p| p.value == found.value) => {
            "has another untouched column"
        }
        Some(_) => "holds another value, a stale or an altered one",
    };
    format!("row {id} {crime}: found {found:?}, expected one of {possible:?}")
}
