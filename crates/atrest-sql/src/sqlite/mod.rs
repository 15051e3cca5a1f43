//! SQLite 3, through its file.

mod catalog;
mod column;
mod journal;
mod lock;
mod page;
mod preflight;
mod value;
mod write;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atrest_engine::target::{
    Database, JournalChange, JournalRecord, Lock, Table, TableName, Target, TargetError, Value,
};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use crate::error::{DriverError, Place};
use crate::quote::planned_ddl;

/// How long a connection waits for another one's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that read; SQLite has one writer at a time anyway.
const CONNECTIONS: u32 = 8;

/// A SQLite database file.
pub(crate) struct SqliteDatabase {
    shared: Arc<Shared>,
    locks: Arc<lock::Locks>,
}

/// What the database and its columns share.
struct Shared {
    pool: SqlitePool,
    place: Place,
    /// Writers of this process wait here, in order, instead of polling the file.
    writer: Mutex<()>,
}

/// Opens the file that `url` names.
///
/// # Errors
/// [`TargetError::NotFound`] when there is no such file, and
/// [`TargetError::Refused`] for a database in memory or in UTF-16.
pub(crate) async fn connect(url: &str) -> Result<SqliteDatabase, TargetError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|e| refused_url(&e.to_string()))?
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        // What is overwritten or deleted is wiped from the file's pages.
        .pragma("secure_delete", "ON")
        // 8 MB: a batch's dirty pages wait for the commit instead of being
        // written, read and written again.
        .pragma("cache_size", "-8000")
        // A page must never become a join that builds an index over the table.
        .pragma("automatic_index", "OFF")
        // A page's rows cross from the driver's thread in few wakings.
        .row_buffer_size(1024)
        .disable_statement_logging();
    let path: PathBuf = options.get_filename().to_owned();
    if url.contains(":memory:") || url.contains("mode=memory") || path.as_os_str().is_empty() {
        return Err(refused_url("a database in memory has nothing at rest"));
    }
    if !path.is_file() {
        return Err(TargetError::NotFound {
            what: format!("the SQLite database {}", path.display()),
            next: "check the path; a relative one starts at the folder where the command runs"
                .to_owned(),
        });
    }
    let place = Place {
        location: format!("sqlite:{}", path.display()),
    };
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(|e| place.error("opening the file", e))?;
    let encoding: String = sqlx::query_scalar("PRAGMA encoding")
        .fetch_one(&pool)
        .await
        .map_err(|e| place.error("reading the file as a SQLite database", e))?;
    if encoding != "UTF-8" {
        pool.close().await;
        return Err(TargetError::Refused {
            what: format!("{} keeps its text in {encoding}, where text cannot be read byte for byte", place.location),
            next: "copy the database into a new UTF-8 file (`sqlite3 old.db .dump | sqlite3 new.db`) and use that"
                .to_owned(),
        });
    }
    let locks = Arc::new(lock::Locks::new(lock_path(&path)));
    Ok(SqliteDatabase {
        shared: Arc::new(Shared {
            pool,
            place,
            writer: Mutex::new(()),
        }),
        locks,
    })
}

fn refused_url(why: &str) -> TargetError {
    TargetError::Refused {
        what: format!("the SQLite URL cannot be used: {why}"),
        next: "write sqlite:path/to/file.db or sqlite:///absolute/path/to/file.db".to_owned(),
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".atrest-lock");
    PathBuf::from(name)
}

impl Shared {
    fn error(&self, doing: impl Into<String>, error: sqlx::Error) -> TargetError {
        self.place.error(doing, error)
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    fn dialect(&self) -> &'static str {
        "sqlite"
    }

    fn default_workers(&self) -> usize {
        1
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
        let (table, _) = catalog::find(&self.shared, table, column).await?;
        page::sample(&self.shared, &table.name, column, rows).await
    }

    async fn column(
        &self,
        table: &TableName,
        column: &str,
    ) -> Result<Arc<dyn Target>, TargetError> {
        Ok(Arc::new(
            column::SqliteColumn::open(Arc::clone(&self.shared), table, column).await?,
        ))
    }

    async fn lock(&self, name: &str) -> Result<Box<dyn Lock>, TargetError> {
        Ok(Box::new(self.locks.take(name)?))
    }

    async fn apply(&self, statements: &[String]) -> Result<(), TargetError> {
        let _turn = self.shared.writer.lock().await;
        let mut tx = self
            .shared
            .pool
            .begin_with("BEGIN IMMEDIATE")
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

    async fn journal_read(&self) -> Result<Option<Vec<JournalRecord>>, TargetError> {
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

    async fn close(&self) {
        // In WAL mode the last words of the log go into the file, so that no
        // copy of an old value waits there for the next writer.
        if let Ok(mut connection) = self.shared.pool.acquire().await {
            let _ = sqlx::raw_sql("PRAGMA busy_timeout = 2000; PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&mut *connection)
                .await;
            let _ = connection.ping().await;
        }
        self.shared.pool.close().await;
    }
}

/// A value that does not fit the engine's types.
fn unreadable(shared: &Shared, what: &str) -> TargetError {
    TargetError::Database {
        doing: format!("reading {}", shared.place.location),
        source: DriverError::new(what.to_owned()),
    }
}
