//! MySQL 8 and MariaDB 10.6, and newer.

mod catalog;
mod column;
mod journal;
mod keys;
mod lock;
mod page;
mod preflight;
mod privileges;
mod schema;
mod value;
mod write;

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use atrest_engine::target::{
    Database, JournalChange, KeyChange, Lock, Record, Table, TableName, Target, TargetError, Value,
};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool};
use sqlx::{ConnectOptions, MySql};

use crate::error::Place;
use crate::pool::{self, Turns};
use crate::quote::planned_ddl;

/// What every session runs with, so that texts are exact and the same
/// everywhere, and that nothing is ever cut: strict, whatever the server's own
/// mode is, but dates that the application was allowed to store stay storable.
const SESSION: &str = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES', \
     time_zone = '+00:00', sql_safe_updates = 0, sql_select_limit = DEFAULT, sql_quote_show_create = 1, lock_wait_timeout = 60, innodb_lock_wait_timeout = 10";

/// Page locks of other transactions are not waited for where it can be helped.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// A MySQL or MariaDB database.
pub(crate) struct MySqlDatabase {
    shared: Arc<Shared>,
    options: MySqlConnectOptions,
}

/// What the database and its columns share.
struct Shared {
    pool: MySqlPool,
    turns: Turns<MySql>,
    place: Place,
    /// The default database.
    database: String,
    mariadb: bool,
    /// `max_allowed_packet`: no statement and no value may be longer.
    packet: u64,
}

impl Shared {
    fn error(&self, doing: impl Into<String>, error: sqlx::Error) -> TargetError {
        self.place.error(doing, error)
    }
}

/// Connects to the server that `url` names.
///
/// # Errors
/// [`TargetError::Connection`], [`TargetError::Permission`] (login),
/// [`TargetError::NotFound`] (database), [`TargetError::Refused`] (URL, version).
pub(crate) async fn connect(url: &str) -> Result<MySqlDatabase, TargetError> {
    let refused = |what: &str| TargetError::Refused {
        what: what.to_owned(),
        next: "write mysql://user:password@host:3306/database, with odd characters percent-encoded"
            .to_owned(),
    };
    let options = MySqlConnectOptions::from_str(url)
        .map_err(|_| refused("the MySQL URL cannot be read"))?
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .charset("utf8mb4")
        .disable_statement_logging();
    let Some(database) = options.get_database().map(str::to_owned) else {
        return Err(refused("the MySQL URL names no database"));
    };
    let place = Place {
        location: format!(
            "mysql://{}@{}:{}/{database}",
            options.get_username(),
            options.get_host(),
            options.get_port()
        ),
    };
    let pool = pool::options()
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SESSION).execute(&mut *connection).await?;
                sqlx::raw_sql(ISOLATION).execute(&mut *connection).await?;
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(|e| place.error("connecting", e))?;
    let row = sqlx::query("SELECT CAST(VERSION() AS CHAR), CAST(@@max_allowed_packet AS CHAR)")
        .fetch_one(&pool)
        .await
        .map_err(|e| place.error("asking for the version", e))?;
    let version = value::text(&row, 0)
        .map_err(|e| place.error("asking for the version", e))?
        .unwrap_or_default();
    let packet = value::text(&row, 1).map_err(|e| place.error("asking for the packet size", e))?;
    let mariadb = version.to_ascii_lowercase().contains("mariadb");
    if !new_enough(&version, mariadb) {
        pool.close().await;
        return Err(TargetError::Refused {
            what: format!("{} is version {version}", place.location),
            next: "atrest needs MySQL 8.0 or MariaDB 10.6, or newer; upgrade the server first"
                .to_owned(),
        });
    }
    let packet = packet.and_then(|p| p.parse().ok()).unwrap_or(1 << 20);
    Ok(MySqlDatabase {
        shared: Arc::new(Shared {
            pool,
            turns: Turns::new(),
            place,
            database,
            mariadb,
            packet,
        }),
        options,
    })
}

/// Compares major and minor version ("10.11.6-MariaDB-…", "8.0.36").
fn new_enough(version: &str, mariadb: bool) -> bool {
    // An old replication prefix that some MariaDB builds still send.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0_u32));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= if mariadb { (10, 6) } else { (8, 0) }
}

#[async_trait]
impl Database for MySqlDatabase {
    fn dialect(&self) -> &'static str {
        if self.shared.mariadb {
            "mariadb"
        } else {
            "mysql"
        }
    }

    fn default_workers(&self) -> usize {
        4
    }

    fn location(&self) -> &str {
        &self.shared.place.location
    }

    async fn tables(&self) -> Result<Vec<Table>, TargetError> {
        catalog::tables(&self.shared).await
    }

    async fn sample(
        &self,
        table: &TableName,
        column: &str,
        rows: u32,
    ) -> Result<Vec<Value>, TargetError> {
        let (table, column) = catalog::find(&self.shared, table, column).await?;
        page::sample(&self.shared, &table, &column, rows).await
    }

    async fn column(
        &self,
        table: &TableName,
        column: &str,
    ) -> Result<Arc<dyn Target>, TargetError> {
        Ok(Arc::new(
            column::MySqlColumn::open(Arc::clone(&self.shared), table, column).await?,
        ))
    }

    async fn lock(&self, name: &str) -> Result<Box<dyn Lock>, TargetError> {
        Ok(Box::new(
            lock::take(&self.options, &self.shared.place, name).await?,
        ))
    }

    /// MySQL commits each DDL statement by itself.
    async fn apply(&self, statements: &[String]) -> Result<(), TargetError> {
        let mut connection = self
            .shared
            .pool
            .acquire()
            .await
            .map_err(|e| self.shared.error("DDL", e))?;
        for statement in statements {
            sqlx::raw_sql(planned_ddl(statement))
                .execute(&mut *connection)
                .await
                .map_err(|e| self.shared.error(format!("`{statement}`"), e))?;
        }
        Ok(())
    }

    async fn journal_read(&self) -> Result<Option<Vec<Record>>, TargetError> {
        journal::read(&self.shared).await
    }

    async fn journal_create(&self) -> Result<(), TargetError> {
        journal::create(&self.shared).await
    }

    async fn journal_write(&self, changes: &[JournalChange]) -> Result<(), TargetError> {
        journal::write(&self.shared, changes).await
    }

    async fn journal_drop(&self) -> Result<(), TargetError> {
        journal::remove(&self.shared).await
    }

    async fn keys_create(&self) -> Result<(), TargetError> {
        keys::create(&self.shared).await
    }

    async fn keys_read(&self, names: &[String]) -> Result<Option<Vec<Record>>, TargetError> {
        keys::read(&self.shared, names).await
    }

    async fn keys_page(&self, after: &str, limit: u32) -> Result<Vec<Record>, TargetError> {
        keys::page(&self.shared, after, limit).await
    }

    async fn keys_add(&self, records: &[Record]) -> Result<(), TargetError> {
        keys::add(&self.shared, records).await
    }

    async fn keys_change(&self, changes: &[KeyChange]) -> Result<(), TargetError> {
        keys::change(&self.shared, changes).await
    }

    async fn close(&self) {
        self.shared.turns.close().await;
        self.shared.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn versions() {
        assert!(new_enough("8.0.36", false) && new_enough("9.1.0-commercial", false));
        assert!(!new_enough("5.7.44-log", false));
        assert!(
            new_enough("10.11.6-MariaDB-0+deb12u1", true)
                && new_enough("5.5.5-10.6.1-MariaDB", true)
        );
        assert!(new_enough("11.4.2-MariaDB", true) && !new_enough("10.5.9-MariaDB", true));
    }
}
