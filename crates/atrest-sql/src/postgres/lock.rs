//! The run lock: an advisory lock on a connection of its own, which the server
//! lets go when the connection ends.

use std::time::Duration;

use async_trait::async_trait;
use atrest_engine::target::{Lock, TargetError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use crate::error::Place;

/// Makes atrest's locks different from an application's own advisory locks.
const SEED: i64 = 0x6174_7265_7374; // "atrest"

/// A connection that has just ended may take a moment to be noticed.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(100);

/// One held name.
pub(super) struct PgLock {
    connection: Option<PgConnection>,
    place: Place,
    name: String,
}

/// Takes the lock on `name`, or [`TargetError::Busy`].
pub(super) async fn take(
    options: &PgConnectOptions,
    place: &Place,
    name: &str,
) -> Result<PgLock, TargetError> {
    let fail = |e| place.error(format!("locking {name}"), e);
    let mut connection = options.connect().await.map_err(fail)?;
    // The setting came with PostgreSQL 14; an older server is never idle too long.
    sqlx::raw_sql(
        "SELECT set_config(name, '0', false) FROM pg_settings \
         WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout', 'statement_timeout')",
    )
    .execute(&mut connection)
    .await
    .map_err(fail)?;
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        let taken: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, $2))")
                .bind(name)
                .bind(SEED)
                .fetch_one(&mut connection)
                .await
                .map_err(fail)?;
        if taken {
            return Ok(PgLock {
                connection: Some(connection),
                place: place.clone(),
                name: name.to_owned(),
            });
        }
    }
    let _ = connection.close().await;
    Err(TargetError::Busy {
        what: name.to_owned(),
    })
}

#[async_trait]
impl Lock for PgLock {
    async fn check(&mut self) -> Result<(), TargetError> {
        let busy = || TargetError::Busy {
            what: self.name.clone(),
        };
        let connection = self.connection.as_mut().ok_or_else(busy)?;
        let held: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted \
             AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, $2))",
        )
        .bind(&self.name)
        .bind(SEED)
        .fetch_one(connection)
        .await
        .map_err(|e| self.place.error(format!("proving the lock on {}", self.name), e))?;
        if held {
            Ok(())
        } else {
            Err(TargetError::Busy {
                what: self.name.clone(),
            })
        }
    }
}

impl Drop for PgLock {
    fn drop(&mut self) {
        // Said to the server where there is time for it; else the end of the
        // connection says it.
        if let (Some(connection), Ok(runtime)) = (
            self.connection.take(),
            tokio::runtime::Handle::try_current(),
        ) {
            drop(runtime.spawn(connection.close()));
        }
    }
}
