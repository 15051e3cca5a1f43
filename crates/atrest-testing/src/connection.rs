//! One connection to any of the databases, for test statements written out in
//! full: text in, affected rows or raw values out.

use std::str::FromStr;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Row, ValueRef, raw_sql};
use sqlx::{MySqlConnection, PgConnection, SqliteConnection};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// By the URL's scheme.
    ///
    /// # Panics
    /// On a scheme that is none of theirs.
    pub fn of(url: &str) -> Self {
        match url.split(':').next() {
            Some("postgres" | "postgresql") => Self::Postgres,
            Some("mysql" | "mariadb") => Self::MySql,
            Some("sqlite") => Self::Sqlite,
            _ => panic!("the URL's scheme must be postgres, mysql or sqlite"),
        }
    }

    /// An identifier, quoted.
    pub fn identifier(self, name: &str) -> String {
        match self {
            Self::MySql => format!("`{}`", name.replace('`', "``")),
            Self::Postgres | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// A text literal. A backslash is refused: MySQL's modes differ about it.
    ///
    /// # Panics
    /// When the text holds a backslash or a zero character.
    pub fn literal(self, text: &str) -> String {
        assert!(
            !text.contains(['\\', '\0']),
            "test text with a backslash or a zero character needs another way in"
        );
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A row of raw values; `None` is NULL.
pub type RawRow = Vec<Option<Vec<u8>>>;

/// A connection that speaks each database's text protocol.
#[derive(Debug)]
pub enum Connection {
    /// To PostgreSQL.
    Postgres(PgConnection),
    /// To MySQL or MariaDB.
    MySql(MySqlConnection),
    /// To a SQLite file.
    Sqlite(SqliteConnection),
}

/// Runs `$body` with `$link` bound to whichever connection it is.
macro_rules! each {
    ($this:expr, $link:ident => $body:expr) => {
        match $this {
            Connection::Postgres($link) => $body,
            Connection::MySql($link) => $body,
            Connection::Sqlite($link) => $body,
        }
    };
}

impl Connection {
    /// Connects, with SQLite waiting up to 30 s for a lock.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        Ok(match Dialect::of(url) {
            Dialect::Postgres => Self::Postgres(PgConnection::connect(url).await?),
            Dialect::MySql => {
                let url = url.replacen("mariadb:", "mysql:", 1);
                Self::MySql(MySqlConnection::connect(&url).await?)
            }
            Dialect::Sqlite => Self::Sqlite(
                sqlx::sqlite::SqliteConnectOptions::from_str(url)?
                    .busy_timeout(std::time::Duration::from_secs(30))
                    .connect()
                    .await?,
            ),
        })
    }

    /// Runs one or more statements; gives the rows that the last ones changed.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let query = raw_sql(AssertSqlSafe(sql.to_owned()));
        each!(self, link => Ok(query.execute(link).await?.rows_affected()))
    }

    /// Runs a query; gives each value's bytes as the text protocol shows them
    /// (SQLite: as `CAST(value AS BLOB)` would).
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<RawRow>, sqlx::Error> {
        let query = raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(link) => {
                let rows = query.fetch_all(link).await?;
                let value = |row: &sqlx::postgres::PgRow, i| {
                    let raw = row.try_get_raw(i)?;
                    if raw.is_null() {
                        return Ok(None);
                    }
                    raw.as_bytes()
                        .map(|b| Some(b.to_vec()))
                        .map_err(sqlx::Error::Decode)
                };
                rows.iter()
                    .map(|row| (0..row.len()).map(|i| value(row, i)).collect())
                    .collect()
            }
            Self::MySql(link) => {
                let rows = query.fetch_all(link).await?;
                rows.iter()
                    .map(|row| (0..row.len()).map(|i| row.try_get_unchecked(i)).collect())
                    .collect()
            }
            Self::Sqlite(link) => {
                let rows = query.fetch_all(link).await?;
                rows.iter()
                    .map(|row| (0..row.len()).map(|i| row.try_get_unchecked(i)).collect())
                    .collect()
            }
        }
    }

    /// Closes it in an orderly way.
    pub async fn close(self) {
        let _gone_already_is_fine = each!(self, link => link.close().await);
    }
}
