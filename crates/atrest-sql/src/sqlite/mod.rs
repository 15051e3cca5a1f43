//! SQLite 3, through its file.

mod catalog;
mod column;
mod connection;
mod error;
mod journal;
mod keys;
mod lock;
mod page;
mod preflight;
mod real;
mod url;
mod value;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use atrest_engine::target::{
    Database, JournalChange, KeyChange, Lock, Record, Table, TableName, Target, TargetError, Value,
};

use crate::error::Place;
use connection::Connections;

/// A SQLite database file.
pub(crate) struct SqliteDatabase {
    shared: Arc<Shared>,
    locks: Arc<lock::Locks>,
}

/// What the database and its columns share.
struct Shared {
    connections: Connections,
    place: Place,
}

/// Opens the file that `url` names.
///
/// # Errors
/// [`TargetError::NotFound`] when there is no such file, and
/// [`TargetError::Refused`] for a database in memory or in UTF-16.
pub(crate) async fn connect(url: &str) -> Result<SqliteDatabase, TargetError> {
    let url::File { path, read_only } = url::parse(url)?;
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
    let connections = Connections::new(path.clone(), read_only, place.clone());
    let encoding = connections
        .rows(
            "reading the file as a SQLite database",
            "PRAGMA encoding",
            [],
            |row| Ok(row.get::<_, String>(0)?),
        )
        .await?
        .concat();
    if encoding != "UTF-8" {
        connections.close().await;
        return Err(TargetError::Refused {
            what: format!("{} keeps its text in {encoding}, where text cannot be read byte for byte", place.location),
            next: "copy the database into a new UTF-8 file (`sqlite3 old.db .dump | sqlite3 new.db`) and use that"
                .to_owned(),
        });
    }
    let locks = Arc::new(lock::Locks::new(with_suffix(&path, LOCK)));
    Ok(SqliteDatabase {
        shared: Arc::new(Shared { connections, place }),
        locks,
    })
}

const LOCK: &str = ".atrest-lock";

/// The database file, what SQLite keeps beside it, and the lock.
pub(crate) fn local_files(url: &str) -> Result<Vec<PathBuf>, TargetError> {
    let path = url::parse(url)?.path;
    let beside = ["", "-wal", "-shm", "-journal", LOCK];
    Ok(beside.map(|suffix| with_suffix(&path, suffix)).into())
}

fn with_suffix(path: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[async_trait]
impl Database for SqliteDatabase {
    fn dialect(&self) -> &'static str {
        "sqlite"
    }

    /// One writes while the other reads and seals.
    fn default_workers(&self) -> usize {
        2
    }

    /// A commit waits for the disk five times, however many rows it holds.
    fn default_batch_size(&self) -> usize {
        5_000
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
        let statements = statements.to_vec();
        self.shared
            .connections
            .change("changing the schema", move |connection| {
                for statement in &statements {
                    connection.execute_batch(statement)?;
                }
                Ok(())
            })
            .await
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
        self.shared.connections.close().await;
    }
}
