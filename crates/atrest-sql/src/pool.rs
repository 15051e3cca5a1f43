//! Connections to a server, shared by what runs at once.

use std::thread::available_parallelism;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::{Connection, Database};
use tokio::sync::Semaphore;

/// A connection that rested for longer is asked whether it lives before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// A pool's options, the same for every server.
pub(crate) fn options<D: Database>() -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(at_once() + 4)
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

/// The turns of pages that are read or changed, for which workers wait here: in the pool
/// they would wait for a while only, and a lock in the database may last.
pub(crate) fn turns() -> Semaphore {
    Semaphore::new(at_once() as usize)
}

/// Pages at most that a connection each is busy with; some more connections are for the
/// rest. Each worker reads and writes at once, but the cores of this machine keep no more
/// of them busy; and each costs the server a process or thread whose memory and caches
/// are its own.
fn at_once() -> u32 {
    let cores = available_parallelism().map_or(1, |n| n.get().try_into().unwrap_or(u32::MAX));
    cores.saturating_mul(2).saturating_add(1).clamp(5, 32)
}
