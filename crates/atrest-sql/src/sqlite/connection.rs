//! Connections to the file, and the threads on which they may block.
//!
//! The driver is `rusqlite`: a statement is a function call on the thread that
//! makes it, so that a row costs what SQLite itself takes for it. Everything runs
//! where the runtime keeps its blocking work.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atrest_engine::target::TargetError;
use rusqlite::{Connection, OpenFlags, Params, Row};
use tokio::sync::{Mutex as AsyncMutex, RwLock};

use super::error::{Failure, is_busy};
use super::real;
use crate::error::Place;
use crate::transaction::pause;

/// How long a connection waits for another one's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a commit waits for readers. While it does, nobody begins to read, so it
/// soon gives way and the transaction is done again.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a transaction is tried again when others hold the file.
const PATIENCE: Duration = Duration::from_secs(120);

/// What every connection runs with.
///
/// - What is overwritten or deleted is wiped from the file's pages.
/// - A page must never become a join that builds an index over the table.
/// - The file is read where the system has it in memory: 2 GiB of it at most.
const SESSION: &str = "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; \
     PRAGMA automatic_index = OFF; PRAGMA mmap_size = 2147418112";

/// What the one that writes runs with, too: dirty pages wait in memory for the
/// commit, however many, and none goes into the file before, which would lock
/// readers out (and this process's own wait for each other).
const WRITER: &str = "PRAGMA cache_spill = OFF";

/// The open connections to one file: one that writes, any number that read.
#[derive(Clone)]
pub(super) struct Connections {
    path: PathBuf,
    flags: OpenFlags,
    place: Place,
    readers: Arc<Mutex<Readers>>,
    /// Writers of this process wait here, in order, instead of polling the file.
    writer: Arc<AsyncMutex<Option<Connection>>>,
    /// Readers hold it shared and a commit alone, for the same reason. Nothing but
    /// a commit locks readers out of the file: see [`WRITER`].
    commit: Arc<RwLock<()>>,
}

#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    closed: bool,
}

/// Sets the kind of rollback journal, where it is the kind `from`; a write-ahead
/// log stays one.
///
/// While we write, the journal's file stays and only its header is wiped after each
/// transaction, which spares making, syncing and deleting a file; at the end it goes
/// as always. The kind is a connection's own matter, and a file that a killed
/// process left is one that the next transaction of anybody overwrites or deletes
/// ([`PRAGMA journal_mode`](https://sqlite.org/pragma.html#pragma_journal_mode)).
fn change_journal(connection: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    let kind = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    if kind("PRAGMA journal_mode")? == from {
        kind(&format!("PRAGMA journal_mode = {to}"))?;
    }
    Ok(())
}

impl Connections {
    /// None open yet.
    pub(super) fn new(path: PathBuf, read_only: bool, place: Place) -> Self {
        let mode = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        Self {
            path,
            flags: mode | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            place,
            readers: Arc::default(),
            writer: Arc::default(),
            commit: Arc::default(),
        }
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, self.flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch(SESSION)?;
        real::register(&connection)?;
        Ok(connection)
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        doing: impl Into<String>,
        work: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TargetError> {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || work(&this)).await {
            Ok(done) => done.map_err(|failure| failure.at(&self.place, doing)),
            Err(e) => Err(Failure::Panicked(e.to_string()).at(&self.place, doing)),
        }
    }

    /// Runs `work`, which reads, while `doing` something.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        doing: impl Into<String>,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TargetError> {
        self.blocking(doing, |this| {
            let idle = this.readers().idle.pop();
            let connection = idle.map_or_else(|| this.open(), Ok)?;
            let done = {
                let _shared = this.commit.blocking_read();
                work(&connection)
            };
            let mut readers = this.readers();
            if !readers.closed {
                readers.idle.push(connection);
            }
            done
        })
        .await
    }

    /// Runs `work` in a transaction that holds the file's write lock from its
    /// beginning; an error rolls it back. Done again when others hold the file, to
    /// write or with a long read.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        doing: impl Into<String>,
        work: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TargetError> {
        self.writer(doing, move |this, connection| {
            let begin = Instant::now();
            let mut attempt = 0;
            loop {
                match this.transaction(connection, &work) {
                    Err(Failure::Driver(e)) if is_busy(&e) && begin.elapsed() < PATIENCE => {
                        attempt += 1;
                        std::thread::sleep(pause(attempt));
                    }
                    done => return done,
                }
            }
        })
        .await
    }

    /// A number that every commit to the file through another connection changes.
    pub(super) async fn data_version(&self) -> Result<i64, TargetError> {
        self.writer("asking whether others write", |_, connection| {
            Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
        })
        .await
    }

    /// Runs `work` on the connection that writes, opened when it is not yet.
    async fn writer<T: Send + 'static>(
        &self,
        doing: impl Into<String>,
        work: impl FnOnce(&Self, &Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TargetError> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        self.blocking(doing, move |this| {
            let connection = match writer.take() {
                Some(connection) => connection,
                None => {
                    let connection = this.open()?;
                    connection.execute_batch(WRITER)?;
                    change_journal(&connection, "delete", "persist")?;
                    connection
                }
            };
            work(this, writer.insert(connection))
        })
        .await
    }

    fn transaction<T>(
        &self,
        connection: &Connection,
        work: impl Fn(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(connection).and_then(|value| {
            connection.busy_timeout(COMMIT_TIMEOUT)?;
            let _alone = self.commit.blocking_write();
            connection.execute_batch("COMMIT")?;
            Ok(value)
        });
        if done.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        done
    }

    /// Every row of a query, each through `read`.
    pub(super) async fn rows<T: Send + 'static>(
        &self,
        doing: impl Into<String>,
        sql: impl Into<String>,
        params: impl Params + Send + 'static,
        read: impl Fn(&Row<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Vec<T>, TargetError> {
        let sql = sql.into();
        self.read(doing, move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params)?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(read(row)?);
            }
            Ok(all)
        })
        .await
    }

    /// The first row's first column.
    pub(super) async fn number(
        &self,
        doing: impl Into<String>,
        sql: impl Into<String>,
        params: impl Params + Send + 'static,
    ) -> Result<i64, TargetError> {
        let sql = sql.into();
        self.read(doing, move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            Ok(statement.query_row(params, |row| row.get(0))?)
        })
        .await
    }

    /// Closes what is idle now, and the rest when it comes back.
    ///
    /// Before that, the last words of a write-ahead log go into the file, so that
    /// no copy of an old value waits there for the next writer.
    pub(super) async fn close(&self) {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let tidy = move |this: &Self| {
            let connection = writer.take().map_or_else(|| this.open(), Ok)?;
            let mut readers = this.readers();
            readers.closed = true;
            readers.idle.clear();
            connection.busy_timeout(Duration::from_secs(2))?;
            change_journal(&connection, "persist", "delete")?;
            Ok(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)
        };
        // What it says has no consequence: the next writer does it as well.
        let _ = self.blocking("closing the file", tidy).await;
    }
}
