//! PostgreSQL 13 and newer.

mod catalog;
mod column;
mod dependents;
mod history;
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
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use atrest_engine::target::{
    Database, JournalChange, KeyChange, Lock, Record, Table, TableName, Target, TargetError, Value,
};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{ConnectOptions, Postgres};

use crate::error::Place;
use crate::pool::{self, Turns};
use crate::quote::planned_ddl;

/// What every session runs with, so that texts are exact and the same
/// everywhere, and a page is never a plan over the whole table.
const SESSION: &str = "SET datestyle = 'ISO, MDY'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; \
     SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption = 'content'; \
     SET standard_conforming_strings = on; SET default_transaction_isolation = 'read committed'; \
     SET idle_in_transaction_session_timeout = 0; SET jit = off; SET plan_cache_mode = 'force_custom_plan'; \
     SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// A PostgreSQL database.
pub(crate) struct PgDatabase {
    shared: Arc<Shared>,
    options: PgConnectOptions,
}

/// What the database and its columns share.
struct Shared {
    pool: PgPool,
    turns: Turns<Postgres>,
    place: Place,
    /// Transaction ids that were given to us, for [`history`].
    ids: AtomicU64,
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
pub(crate) async fn connect(url: &str) -> Result<PgDatabase, TargetError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| TargetError::Refused {
            what: "the PostgreSQL URL cannot be read".to_owned(),
            next: "write postgres://user:password@host:5432/database, with odd characters percent-encoded".to_owned(),
        })?
        .application_name("atrest")
        .disable_statement_logging();
    let place = Place {
        location: format!(
            "postgresql://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username())
        ),
    };
    let pool = pool::options()
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SESSION).execute(&mut *connection).await?;
                // A SQL_ASCII database holds any bytes; only so do they pass.
                let encoding: String =
                    sqlx::query_scalar("SELECT current_setting('server_encoding')")
                        .fetch_one(&mut *connection)
                        .await?;
                if encoding == "SQL_ASCII" {
                    sqlx::raw_sql("SET client_encoding = 'SQL_ASCII'")
                        .execute(&mut *connection)
                        .await?;
                }
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(|e| place.error("connecting", e))?;
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::integer")
        .fetch_one(&pool)
        .await
        .map_err(|e| place.error("asking for the version", e))?;
    if version < 130_000 {
        pool.close().await;
        return Err(TargetError::Refused {
            what: format!("{} is PostgreSQL {}", place.location, version / 10_000),
            next: "atrest needs PostgreSQL 13 or newer; upgrade the server first".to_owned(),
        });
    }
    Ok(PgDatabase {
        shared: Arc::new(Shared {
            pool,
            turns: Turns::new(),
            place,
            ids: AtomicU64::new(0),
        }),
        options,
    })
}

#[async_trait]
impl Database for PgDatabase {
    fn dialect(&self) -> &'static str {
        "postgresql"
    }

    fn default_workers(&self) -> usize {
        4
    }

    /// The server copies a page's arrays about: as many as its caches hold.
    fn default_batch_size(&self) -> usize {
        1_000
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
            column::PgColumn::open(Arc::clone(&self.shared), table, column).await?,
        ))
    }

    async fn lock(&self, name: &str) -> Result<Box<dyn Lock>, TargetError> {
        Ok(Box::new(
            lock::take(&self.options, &self.shared.place, name).await?,
        ))
    }

    async fn apply(&self, statements: &[String]) -> Result<(), TargetError> {
        let mut tx = self
            .shared
            .pool
            .begin()
            .await
            .map_err(|e| self.shared.error("DDL", e))?;
        // While it waits for a long transaction, everybody else waits behind it.
        sqlx::raw_sql("SET LOCAL lock_timeout = '60s'")
            .execute(&mut *tx)
            .await
            .map_err(|e| self.shared.error("DDL", e))?;
        for statement in statements {
            sqlx::raw_sql(planned_ddl(statement))
                .execute(&mut *tx)
                .await
                .map_err(|e| self.shared.error(format!("`{statement}`"), e))?;
        }
        tx.commit()
            .await
            .map_err(|e| self.shared.error("committing DDL", e))
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
