//! What the database holds: every column judged by its name and a sample, and
//! asked of the catalog whether it could be encrypted.

use atrest_core::{Form, Suite};
use atrest_engine::sensitive::{Confidence, Finding, Suggestion, judge};
use atrest_engine::target::{Column, Database, Table, TableName, TargetError, Value};

/// Values that are looked at in each column.
const SAMPLE: u32 = 100;

/// The whole database.
pub(super) struct Survey {
    /// Tables looked at.
    pub(super) tables: usize,
    /// Columns looked at.
    pub(super) columns: usize,
    /// Columns that something speaks for.
    pub(super) candidates: Vec<Candidate>,
    /// What could not be looked at, in words.
    pub(super) notes: Vec<String>,
}

/// A column that something speaks for.
pub(super) struct Candidate {
    pub(super) table: TableName,
    pub(super) column: Column,
    pub(super) finding: Finding,
    /// Why it cannot be encrypted as things stand.
    pub(super) obstacle: Option<String>,
    /// The type that it would need first (`--apply-schema`).
    pub(super) needs_type: Option<String>,
}

impl Candidate {
    /// Whether it can be chosen at all.
    pub(super) fn possible(&self) -> bool {
        self.obstacle.is_none() && self.finding.suggested == Suggestion::Encrypt
    }

    /// Whether `--yes` takes it, and a terminal has it marked beforehand.
    pub(super) fn recommended(&self) -> bool {
        self.possible() && self.finding.confidence >= Confidence::Medium
    }

    /// Why it is not to be chosen, in words.
    pub(super) fn why_not(&self) -> Option<String> {
        match self.finding.suggested {
            Suggestion::Hash => Some(
                "a password: hash it (Argon2id) in the application, so that nobody can read it back"
                    .to_owned(),
            ),
            Suggestion::AlreadySealed => Some(
                "encrypted already: add it by hand, with the key and suite that it was encrypted with"
                    .to_owned(),
            ),
            Suggestion::Encrypt => self.obstacle.clone(),
        }
    }
}

/// Looks at every table and column.
///
/// # Errors
/// When the catalog cannot be read or the link breaks; a single table that may
/// not be read is noted, and judged by its names.
pub(super) async fn survey(database: &dyn Database, suite: Suite) -> Result<Survey, TargetError> {
    let tables = database.tables().await?;
    let mut survey = Survey {
        tables: tables.len(),
        columns: tables.iter().map(|t| t.columns.len()).sum(),
        candidates: Vec::new(),
        notes: Vec::new(),
    };
    for table in &tables {
        for column in &table.columns {
            let sample = match database.sample(&table.name, &column.name, SAMPLE).await {
                Ok(sample) => sample,
                Err(error @ TargetError::Connection { .. }) => return Err(error),
                Err(error) => {
                    survey.notes.push(format!(
                        "{}.{} is judged by its name only: {error}",
                        table.name, column.name
                    ));
                    Vec::new()
                }
            };
            if let Some(finding) = judge(&table.name.name, column, &sample) {
                let (obstacle, needs_type) =
                    examine(database, table, column, &sample, suite).await?;
                survey.candidates.push(Candidate {
                    table: table.name.clone(),
                    column: column.clone(),
                    finding,
                    obstacle,
                    needs_type,
                });
            }
        }
    }
    Ok(survey)
}

/// Whether the column could be encrypted: what stands against it, and the type
/// that it would need.
async fn examine(
    database: &dyn Database,
    table: &Table,
    column: &Column,
    sample: &[Value],
    suite: Suite,
) -> Result<(Option<String>, Option<String>), TargetError> {
    if table.key.is_empty() {
        let why =
            "not possible: its table has no primary key, which tells rows apart while they change";
        return Ok((Some(why.to_owned()), None));
    }
    if table.key.contains(&column.name) {
        let why = "not possible: it is part of the primary key";
        return Ok((Some(why.to_owned()), None));
    }
    let longest = sample.iter().map(length).max().unwrap_or(0);
    let described = match database.column(&table.name, &column.name).await {
        Ok(target) => {
            target
                .describe(suite.token_len(Form::Text, longest), false)
                .await
        }
        Err(error) => Err(error),
    };
    match described {
        Ok(description) => {
            let obstacle = description
                .refusals
                .first()
                .map(|refusal| format!("{}; {}", refusal.what, refusal.next));
            Ok((
                obstacle,
                description.schema.map(|schema| schema.sealed_type),
            ))
        }
        Err(error @ TargetError::Connection { .. }) => Err(error),
        Err(error) => Ok((Some(error.to_string()), None)),
    }
}

fn length(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Text(v) | Value::Bytes(v) | Value::Number(v) => v.len() as u64,
        Value::Deferred(length) => *length,
    }
}
