//! The one place where names become SQL.
//!
//! [`Sql`] is a statement under construction. It only takes literals of this
//! crate's own source (`&'static str`), identifiers (always quoted), numbers,
//! string literals (always escaped) and, under a name that says so, text that
//! the server's own catalog printed. Values of the application never pass
//! through here: they are bound. The driver's `AssertSqlSafe` is used in this
//! file and nowhere else.

use std::fmt::Write as _;

use atrest_engine::target::TableName;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// How a dialect quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `"name"`, `'text'`, parameters `$1`.
    Postgres,
    /// `` `name` ``, `'text'` with backslashes escaped, parameters `?`.
    Mysql,
    /// `"name"`, `'text'`, parameters `?1`.
    Sqlite,
}

/// A statement under construction.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    dialect: Dialect,
    text: String,
    params: usize,
}

impl Sql {
    /// An empty statement.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            text: String::with_capacity(256),
            params: 0,
        }
    }

    /// Appends a piece of this crate's own source.
    pub(crate) fn add(mut self, sql: &'static str) -> Self {
        self.text.push_str(sql);
        self
    }

    /// Appends a quoted identifier.
    pub(crate) fn ident(mut self, name: &str) -> Self {
        identifier(self.dialect, name, &mut self.text);
        self
    }

    /// Appends a quoted table name, with its schema where it has one.
    pub(crate) fn table(mut self, table: &TableName) -> Self {
        if let Some(schema) = &table.schema {
            self = self.ident(schema).add(".");
        }
        self.ident(&table.name)
    }

    /// Appends `prefix."column"` for each column, separated by commas.
    pub(crate) fn columns(mut self, prefix: &'static str, columns: &[String]) -> Self {
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                self.text.push_str(", ");
            }
            self = self.add(prefix).ident(column);
        }
        self
    }

    /// Appends the next parameter's placeholder.
    pub(crate) fn param(mut self) -> Self {
        self.params += 1;
        match self.dialect {
            Dialect::Postgres => {
                let _ = write!(self.text, "${}", self.params);
            }
            Dialect::Sqlite => {
                let _ = write!(self.text, "?{}", self.params);
            }
            Dialect::Mysql => self.text.push('?'),
        }
        self
    }

    /// Counts `n` parameters that the text already names by number (`?1`).
    pub(crate) fn reserve_params(mut self, n: usize) -> Self {
        self.params += n;
        self
    }

    /// Appends a whole number.
    pub(crate) fn number(mut self, n: impl Into<i128>) -> Self {
        let n: i128 = n.into();
        let _ = write!(self.text, "{n}");
        self
    }

    /// Appends a string literal: only where a parameter is not allowed (DDL,
    /// `PRAGMA`).
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "used by the dialects that need literals in DDL")
    )]
    pub(crate) fn literal(mut self, text: &str) -> Self {
        literal(self.dialect, text, &mut self.text);
        self
    }

    /// Appends text that the server's catalog printed as SQL (a type from
    /// `format_type`, an expression from `pg_get_expr`, a line of
    /// `SHOW CREATE TABLE`). Never for names, never for values.
    #[cfg_attr(
        not(test),
        allow(
            dead_code,
            reason = "used by the dialects with a catalog that prints SQL"
        )
    )]
    pub(crate) fn catalog(mut self, sql: &str) -> Self {
        self.text.push_str(sql);
        self
    }

    /// The text, for showing (DDL in a plan).
    pub(crate) fn text(self) -> String {
        self.text
    }

    /// The finished statement for the driver.
    pub(crate) fn build(self) -> SqlStr {
        AssertSqlSafe(self.text).into_sql_str()
    }
}

/// A DDL statement that a plan showed and the operator agreed to. It was built
/// with [`Sql`] and travels through the journal, which is authenticated.
pub(crate) fn planned_ddl(statement: &str) -> SqlStr {
    AssertSqlSafe(statement.to_owned()).into_sql_str()
}

/// Quotes `name` for `dialect`: the quote character is doubled, nothing else is
/// special between quotes. A NUL cannot stand in any server's identifier and is
/// left out, so that it cannot end the statement early.
fn identifier(dialect: Dialect, name: &str, out: &mut String) {
    let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
    out.push(quote);
    for c in name.chars().filter(|c| *c != '\0') {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
}

/// A string literal. PostgreSQL's sessions run with
/// `standard_conforming_strings = on`; MySQL's without `NO_BACKSLASH_ESCAPES`.
fn literal(dialect: Dialect, text: &str, out: &mut String) {
    out.push('\'');
    for c in text.chars().filter(|c| *c != '\0') {
        if c == '\'' || (c == '\\' && dialect == Dialect::Mysql) {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
}

/// "table.column" as messages and the journal write it: a part that holds a dot
/// or a quote stands in double quotes.
pub(crate) fn column_name(table: &TableName, column: &str) -> String {
    format!(
        "{table}.{}",
        TableName {
            schema: None,
            name: column.to_owned()
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ident(dialect: Dialect, name: &str) -> String {
        Sql::new(dialect).ident(name).text()
    }

    #[test]
    fn identifiers_cannot_break_out() {
        assert_eq!(ident(Dialect::Postgres, "order"), r#""order""#);
        assert_eq!(
            ident(Dialect::Postgres, r#"a"; DROP TABLE b; --"#),
            r#""a""; DROP TABLE b; --""#
        );
        assert_eq!(ident(Dialect::Sqlite, r#"a"b"#), r#""a""b""#);
        assert_eq!(ident(Dialect::Mysql, "a`b\"c"), "`a``b\"c`");
        assert_eq!(ident(Dialect::Mysql, "a\\`"), "`a\\```");
        assert_eq!(ident(Dialect::Postgres, "a\0b"), r#""ab""#);
        assert_eq!(ident(Dialect::Postgres, "größe 雪"), r#""größe 雪""#);
    }

    #[test]
    fn literals_cannot_break_out() {
        let lit = |d, s| Sql::new(d).literal(s).text();
        assert_eq!(lit(Dialect::Postgres, r"o'x\"), r"'o''x\'");
        assert_eq!(lit(Dialect::Sqlite, "'"), "''''");
        assert_eq!(lit(Dialect::Mysql, r"o'x\"), r"'o''x\\'");
    }

    #[test]
    fn parameters_are_numbered_in_each_dialect() {
        let two = |d| Sql::new(d).param().add(",").param().text();
        assert_eq!(two(Dialect::Postgres), "$1,$2");
        assert_eq!(two(Dialect::Sqlite), "?1,?2");
        assert_eq!(two(Dialect::Mysql), "?,?");
    }

    #[test]
    fn table_with_schema_and_odd_names() {
        let t = TableName {
            schema: Some("a.b".into()),
            name: "c\"d".into(),
        };
        assert_eq!(
            Sql::new(Dialect::Postgres).table(&t).text(),
            r#""a.b"."c""d""#
        );
        assert_eq!(column_name(&t, "e.f"), r#""a.b"."c""d"."e.f""#);
        let plain = TableName {
            schema: None,
            name: "people".into(),
        };
        assert_eq!(column_name(&plain, "extras"), "people.extras");
    }
}
