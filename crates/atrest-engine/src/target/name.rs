//! Tables by their names.

use std::fmt;

/// A table by its exact name, with the schema where one was given.
///
/// Written `people`, `audit.people`, or with double quotes round a part that
/// holds a dot: `"odd.name"`, `audit."odd.name"`. Case is kept as written.
///
/// ```
/// use atrest_engine::target::TableName;
/// let t: TableName = r#"audit."odd.name""#.parse()?;
/// assert_eq!((t.schema.as_deref(), t.name.as_str()), (Some("audit"), "odd.name"));
/// assert_eq!(t.to_string(), r#"audit."odd.name""#);
/// # Ok::<(), atrest_engine::target::ParseTableNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Schema (PostgreSQL), database (MySQL) or attached database (SQLite).
    pub schema: Option<String>,
    /// The table's own name.
    pub name: String,
}

/// A table name that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a table name; write `table`, `schema.table`, or quote a part that holds a dot: \"odd.name\""
)]
pub struct ParseTableNameError(pub String);

impl std::str::FromStr for TableName {
    type Err = ParseTableNameError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let err = || ParseTableNameError(s.to_owned());
        let mut parts: Vec<String> = Vec::new();
        let mut rest = s;
        loop {
            let (part, tail) = if let Some(quoted) = rest.strip_prefix('"') {
                let mut part = String::new();
                let mut chars = quoted.char_indices();
                let end = loop {
                    match chars.next() {
                        Some((i, '"')) if quoted[i + 1..].starts_with('"') => {
                            part.push('"');
                            chars.next();
                        }
                        Some((i, '"')) => break i + 1,
                        Some((_, c)) => part.push(c),
                        None => return Err(err()),
                    }
                };
                (part, &quoted[end..])
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            };
            if part.is_empty() {
                return Err(err());
            }
            parts.push(part);
            match tail.strip_prefix('.') {
                Some(more) => rest = more,
                None if tail.is_empty() => break,
                None => return Err(err()),
            }
        }
        let name = parts.pop().ok_or_else(err)?;
        let schema = parts.pop();
        if parts.is_empty() {
            Ok(Self { schema, name })
        } else {
            Err(err())
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |f: &mut fmt::Formatter<'_>, s: &str| {
            if s.contains(['.', '"']) {
                write!(f, "\"{}\"", s.replace('"', "\"\""))
            } else {
                f.write_str(s)
            }
        };
        if let Some(schema) = &self.schema {
            part(f, schema)?;
            f.write_str(".")?;
        }
        part(f, &self.name)
    }
}
