//! Reading the policy: a walk over the parsed TOML in which every key is either
//! known or an error, and every error has its line.

mod files;
mod keys;
mod serve;
mod subjects;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use atrest_core::Suite;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::column::{Bind, ColumnPolicy};
use super::error::{At, PolicyError, nearest_or_all};
use super::subjects::SubjectsPolicy;
use super::url::DatabaseUrl;
use super::{DatabasePolicy, KeysPolicy, Policy, PrimaryKeys, directory};
use crate::target::TableName;

const TOP: [&str; 6] = ["keys", "database", "subjects", "column", "files", "serve"];
const DATABASE: [&str; 1] = ["url"];
/// `[database]` in messages, and one that would do.
pub(super) const DATABASE_HEADER: &str = "[database]";
pub(super) const DATABASE_EXAMPLE: &str = "[database]` with `url = \"postgresql://localhost/app\"";
const COLUMN: [&str; 7] = [
    "table",
    "name",
    "suite",
    "context",
    "bind",
    "subject",
    "forget_empties",
];

type Found<'t, 'i> = Option<&'t Spanned<DeValue<'i>>>;

/// Reads a policy's text.
pub(super) fn policy(text: &str, origin: &str) -> Result<Policy, PolicyError> {
    let source = Source { text, origin };
    let parsed = DeTable::parse(text).map_err(|error| PolicyError::Syntax {
        at: source.at(error.span().unwrap_or(text.len()..text.len())),
        // The message alone: the error's Display would show the line.
        message: error.message().to_owned(),
    })?;
    let top = source.section(parsed.get_ref(), parsed.span(), "the policy", &TOP)?;

    let keys = source.table(top.get("keys"), text.len(), "the policy", "keys", "[keys]")?;
    let keys = source.keys(&source.section(keys.0, keys.1, "[keys]", &keys::KEYS)?)?;
    let files = match top.get("files") {
        Some(value) => source.files(value)?,
        None => Vec::new(),
    };
    // Files need no database, but keys of subjects are kept in it; columns do.
    let subjects = files.iter().any(|files| files.subject.is_some());
    let database = match (top.get("database"), top.get("column")) {
        (None, None) if !subjects => None,
        (found, _) => Some(source.database(found)?),
    };
    let columns = match top.get("column") {
        Some(value) => source.columns(value)?,
        None => Vec::new(),
    };
    let serve = match top.get("serve") {
        Some(value) => Some(source.serve(value, &files)?),
        None => None,
    };
    let subjects = match top.get("subjects") {
        Some(value) => source.subjects(value)?,
        None => SubjectsPolicy::default(),
    };
    source.apart(&keys, &columns)?;
    Ok(Policy {
        origin: origin.to_owned(),
        keys,
        database,
        subjects,
        columns,
        files,
        serve,
        end: source.at(text.len()..text.len()),
    })
}

struct Source<'a> {
    text: &'a str,
    origin: &'a str,
}

/// A table whose keys are all known.
struct Section<'t, 'i> {
    table: &'t DeTable<'i>,
    span: Range<usize>,
    name: &'static str,
}

impl<'t, 'i> Section<'t, 'i> {
    fn get(&self, key: &str) -> Found<'t, 'i> {
        self.table.get(key)
    }
}

impl Source<'_> {
    fn directory(&self) -> &Path {
        directory(self.origin)
    }

    fn at(&self, span: Range<usize>) -> At {
        let end = span.start.min(self.text.len());
        let newlines = self.text.as_bytes()[..end]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        At {
            origin: self.origin.to_owned(),
            line: newlines + 1,
        }
    }

    fn bad(
        &self,
        span: Range<usize>,
        key: &'static str,
        problem: impl Into<String>,
        next: impl Into<String>,
    ) -> PolicyError {
        PolicyError::BadValue {
            at: self.at(span),
            key,
            problem: problem.into(),
            next: next.into(),
        }
    }

    /// Checks that a table has known keys only; the first unknown one of the file
    /// is reported.
    fn section<'t, 'i>(
        &self,
        table: &'t DeTable<'i>,
        span: Range<usize>,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Section<'t, 'i>, PolicyError> {
        let unknown = table
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        match unknown {
            Some(key) => Err(PolicyError::UnknownKey {
                at: self.at(key.span()),
                key: key.get_ref().to_string(),
                inside: name,
                next: nearest_or_all(key.get_ref(), known.iter().copied()),
            }),
            None => Ok(Section { table, span, name }),
        }
    }

    /// A table that must be there.
    fn table<'t, 'i>(
        &self,
        value: Found<'t, 'i>,
        end: usize,
        inside: &'static str,
        key: &'static str,
        header: &'static str,
    ) -> Result<(&'t DeTable<'i>, Range<usize>), PolicyError> {
        let Some(value) = value else {
            let example = if key == "keys" {
                "[keys]` with `primary = \"env:FIELD_ENCRYPTION_KEY\""
            } else {
                DATABASE_EXAMPLE
            };
            return Err(PolicyError::Missing {
                at: self.at(end..end),
                key: header,
                inside,
                example,
            });
        };
        match value.get_ref() {
            DeValue::Table(table) => Ok((table, value.span())),
            other => Err(self.bad(
                value.span(),
                key,
                format!("is {}, not a table", kind(other)),
                format!("start it with a line `{header}`"),
            )),
        }
    }

    /// A string that is not blank, if it is there.
    fn string<'t>(
        &self,
        section: &Section<'t, '_>,
        key: &'static str,
    ) -> Result<Option<(&'t str, Range<usize>)>, PolicyError> {
        let Some(value) = section.get(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => Err(self.bad(
                value.span(),
                key,
                "is empty",
                "write its value, or take the line out if it has a default",
            )),
            DeValue::String(text) if text.contains('\0') => {
                Err(self.bad(value.span(), key, "holds a NUL character", "take it out"))
            }
            DeValue::String(text) => Ok(Some((text.as_ref(), value.span()))),
            other => Err(self.bad(
                value.span(),
                key,
                format!("is {}, not a string", kind(other)),
                "put it in quotes",
            )),
        }
    }

    fn required<'t>(
        &self,
        section: &Section<'t, '_>,
        key: &'static str,
        example: &'static str,
    ) -> Result<(&'t str, Range<usize>), PolicyError> {
        self.string(section, key)?
            .ok_or_else(|| PolicyError::Missing {
                at: self.at(section.span.clone()),
                key,
                inside: section.name,
                example,
            })
    }

    fn database(&self, found: Found<'_, '_>) -> Result<DatabasePolicy, PolicyError> {
        let end = self.text.len();
        let table = self.table(found, end, "the policy", "database", DATABASE_HEADER)?;
        let section = self.section(table.0, table.1, DATABASE_HEADER, &DATABASE)?;
        let (url, span) = self.required(&section, "url", "url = \"postgresql://localhost/app\"")?;
        let url = DatabaseUrl::new(url, self.at(span))?;
        Ok(DatabasePolicy { url })
    }

    /// Columns with subjects need a keyring, and a subject that can be read.
    fn apart(&self, keys: &KeysPolicy, columns: &[ColumnPolicy]) -> Result<(), PolicyError> {
        let with = |column: &&ColumnPolicy| column.subject.is_some();
        for column in columns.iter().filter(with) {
            let at = || At {
                origin: self.origin.to_owned(),
                line: column.line,
            };
            let bad = |problem: String, next: &str| PolicyError::BadValue {
                at: at(),
                key: "subject",
                problem,
                next: next.to_owned(),
            };
            if matches!(keys.primary, PrimaryKeys::Source(_)) {
                let problem = format!(
                    "of {} needs a keyring, whose keys wrap the keys of subjects",
                    column.id()
                );
                let next = "name `keyring` and `root` in [keys] in place of `primary`, and make it with `atrest key init`";
                return Err(bad(problem, next));
            }
            let subject = column.subject.as_deref().unwrap_or_default();
            let sealed =
                |other: &&ColumnPolicy| other.table == column.table && other.column == subject;
            if let Some(sealed) = columns.iter().find(sealed) {
                let problem = format!(
                    "of {} is {}, which is to be encrypted itself",
                    column.id(),
                    sealed.id()
                );
                return Err(bad(
                    problem,
                    "name a column that says whose the row is and stays in clear",
                ));
            }
        }
        Ok(())
    }

    fn columns(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<ColumnPolicy>, PolicyError> {
        let header = "start each column with a line `[[column]]`, in double brackets";
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.bad(
                value.span(),
                "column",
                format!("is {}, not a list of tables", kind(value.get_ref())),
                header,
            ));
        };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut columns = Vec::with_capacity(items.len());
        for item in items.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                return Err(self.bad(
                    item.span(),
                    "column",
                    format!("holds {}", kind(item.get_ref())),
                    header,
                ));
            };
            let column =
                self.column(&self.section(table, item.span(), "[[column]]", &COLUMN)?)?;
            if let Some(first_line) = seen.insert(column.id(), column.line) {
                return Err(PolicyError::DuplicateColumn {
                    at: self.at(item.span()),
                    id: column.id(),
                    first_line,
                });
            }
            columns.push(column);
        }
        Ok(columns)
    }

    fn column(&self, section: &Section<'_, '_>) -> Result<ColumnPolicy, PolicyError> {
        let (table, span) = self.required(section, "table", "table = \"people\"")?;
        let table: TableName = table.parse().map_err(|_| {
            self.bad(
                span,
                "table",
                format!("is `{table}`, which is not a table's name"),
                "write `table`, `schema.table`, or quote a part that holds a dot: '\"odd.name\"'",
            )
        })?;
        let (column, _) = self.required(section, "name", "name = \"email\"")?;
        let suite = match self.string(section, "suite")? {
            None => Suite::default(),
            Some((name, span)) => {
                self.one_of(name, span, "suite", Suite::ALL.map(|s| s.to_string()))?
            }
        };
        let bind = match self.string(section, "bind")? {
            None => Bind::default(),
            Some((name, span)) => self.one_of(name, span, "bind", Bind::NAMES)?,
        };
        if let (Bind::Row, Suite::Fernet, Some(value)) = (bind, suite, section.get("bind")) {
            return Err(self.bad(
                value.span(),
                "bind",
                "is `row`, but a fernet token binds to nothing",
                "take `bind` out, or use the suite `xaes-256-gcm`",
            ));
        }
        let context = self
            .string(section, "context")?
            .map(|(text, _)| text.to_owned());
        let subject = match self.string(section, "subject")? {
            Some((subject, span)) if subject == column => {
                return Err(self.bad(
                    span,
                    "subject",
                    "is the column itself",
                    "name the column of the same table that says whose the row is, `user_id` for example",
                ));
            }
            subject => subject.map(|(subject, _)| subject.to_owned()),
        };
        Ok(ColumnPolicy {
            table,
            column: column.to_owned(),
            suite,
            context,
            bind,
            subject,
            forget_empties: self.names(section, "forget_empties")?,
            line: self.at(section.span.clone()).line,
        })
    }

    /// A list of names; none if it is not there.
    fn names(
        &self,
        section: &Section<'_, '_>,
        key: &'static str,
    ) -> Result<Vec<String>, PolicyError> {
        let Some(value) = section.get(key) else {
            return Ok(Vec::new());
        };
        let next = "write a list of names of columns of the same table: `[\"email_sha256\"]`";
        let DeValue::Array(items) = value.get_ref() else {
            let problem = format!("is {}, not a list", kind(value.get_ref()));
            return Err(self.bad(value.span(), key, problem, next));
        };
        let name = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Ok(text.to_string()),
            _ => Err(self.bad(item.span(), key, "holds something that is not a name", next)),
        };
        items.iter().map(name).collect()
    }

    /// A value out of a closed list.
    fn one_of<T: FromStr, const N: usize>(
        &self,
        name: &str,
        span: Range<usize>,
        key: &'static str,
        known: [impl AsRef<str>; N],
    ) -> Result<T, PolicyError> {
        name.parse().map_err(|_| {
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            self.bad(
                span,
                key,
                format!("is `{name}`, which is not a {key}"),
                nearest_or_all(name, known),
            )
        })
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
