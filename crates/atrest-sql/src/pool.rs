//! Connections to a server, shared by what runs at once.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use sqlx::pool::PoolOptions;
use sqlx::{Connection, Database, Pool};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// A connection that rested for longer is asked whether it lives before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// How long that may take: where something between has forgotten the connection, nothing
/// ever answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections at most for all that is no page.
const OTHERS: u32 = 5;

/// A pool's options, the same for every server.
pub(crate) fn options<D: Database>() -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(OTHERS)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false) // a round trip before every statement
        .before_acquire(|connection: &mut D::Connection, now| {
            Box::pin(async move {
                if now.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Pages at most that are read or changed at once, each on a connection of its own.
///
/// Each worker reads and writes at once, but the cores of this machine keep no more of them
/// busy. Workers wait here: in the pool they would wait for a while only, and a lock in the
/// database may last.
///
/// The connection that rested last is the next to work, so no more are opened than are
/// needed: each is a process or a thread of the server, with memory and caches of its own. A
/// pool takes the one that rested longest, and asks each that comes back whether it lives.
pub(crate) struct Turns<D: Database> {
    permits: Semaphore,
    rested: Mutex<Vec<(D::Connection, Instant)>>,
}

/// A connection, for one page. Dropped before its [end](Turn::end) it is closed: nobody knows
/// what became of what ran on it.
pub(crate) struct Turn<'a, D: Database> {
    connection: D::Connection,
    turns: &'a Turns<D>,
    _permit: Option<SemaphorePermit<'a>>,
}

impl<D: Database> Turns<D> {
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, |n| n.get());
        Self {
            permits: Semaphore::new(cores.saturating_mul(2).saturating_add(1).clamp(5, 32)),
            rested: Mutex::default(),
        }
    }

    /// Waits for a turn. A connection of `pool` is taken out of it where none rests.
    pub(crate) async fn take(&self, pool: &Pool<D>) -> sqlx::Result<Turn<'_, D>> {
        // Never closed.
        let permit = self.permits.acquire().await.ok();
        let connection = match self.living().await {
            Some(connection) => connection,
            None => pool.acquire().await?.detach(),
        };
        Ok(Turn {
            connection,
            turns: self,
            _permit: permit,
        })
    }

    async fn living(&self) -> Option<D::Connection> {
        loop {
            let last = self.lock().pop();
            let (mut connection, since) = last?;
            if since.elapsed() <= FRESH {
                return Some(connection);
            }
            if let Ok(Ok(())) = timeout(PATIENCE, connection.ping()).await {
                return Some(connection);
            }
        }
    }

    /// Says goodbye on all connections that rest.
    pub(crate) async fn close(&self) {
        let rested = std::mem::take(&mut *self.lock());
        for (connection, _) in rested {
            let _ = connection.close().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(D::Connection, Instant)>> {
        self.rested.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Database> Turn<'_, D> {
    /// As [`Self::end`], where not all was read that the server was asked for. The rest is
    /// read away: the server would wait for that, and hold its locks and what it sees of
    /// the database meanwhile.
    pub(crate) async fn end_unread(mut self) {
        if self.connection.ping().await.is_ok() {
            self.end();
        }
    }

    /// The connection rests for the next turn.
    pub(crate) fn end(self) {
        self.turns.lock().push((self.connection, Instant::now()));
    }
}

impl<D: Database> Deref for Turn<'_, D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        &self.connection
    }
}

impl<D: Database> DerefMut for Turn<'_, D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        &mut self.connection
    }
}
