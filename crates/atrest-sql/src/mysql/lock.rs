//! The run lock: `GET_LOCK` on a connection of its own, which the server lets go
//! when the connection ends.

use std::time::Duration;

use async_trait::async_trait;
use atrest_engine::target::{Lock, TargetError};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, MySqlConnection};

use crate::error::Place;

/// A connection that has just ended may take a moment to be noticed.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(100);

/// One held name.
pub(super) struct MySqlLock {
    connection: Option<MySqlConnection>,
    place: Place,
    name: String,
}

/// Takes the lock on `name`, or [`TargetError::Busy`]. Locks are the whole
/// server's and at most 64 characters long, so the database's name and `name`
/// go in as a digest.
pub(super) async fn take(
    options: &MySqlConnectOptions,
    place: &Place,
    name: &str,
) -> Result<MySqlLock, TargetError> {
    let fail = |e| place.error(format!("locking {name}"), e);
    let mut connection = options.connect().await.map_err(fail)?;
    // The run may be long and this connection idle in it.
    sqlx::raw_sql("SET SESSION wait_timeout = 2147483")
        .execute(&mut connection)
        .await
        .map_err(fail)?;
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        let taken: Option<i64> = sqlx::query_scalar(
            "SELECT GET_LOCK(CONCAT('atrest:', SHA1(CONCAT(DATABASE(), '/', ?))), 0)",
        )
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .map_err(fail)?;
        if taken == Some(1) {
            return Ok(MySqlLock {
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
impl Lock for MySqlLock {
    async fn check(&mut self) -> Result<(), TargetError> {
        let busy = || TargetError::Busy {
            what: self.name.clone(),
        };
        let connection = self.connection.as_mut().ok_or_else(busy)?;
        let held: i64 = sqlx::query_scalar(
            "SELECT COALESCE(IS_USED_LOCK(CONCAT('atrest:', SHA1(CONCAT(DATABASE(), '/', ?)))) = CONNECTION_ID(), 0)",
        )
        .bind(&self.name)
        .fetch_one(connection)
        .await
        .map_err(|e| self.place.error(format!("proving the lock on {}", self.name), e))?;
        if held == 1 {
            Ok(())
        } else {
            Err(TargetError::Busy {
                what: self.name.clone(),
            })
        }
    }
}

impl Drop for MySqlLock {
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
