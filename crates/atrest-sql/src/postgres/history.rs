//! Whether anybody else writes, by the server's transaction ids.
//!
//! Every transaction is given the next id of the whole server at its first change
//! ([Transactions and Identifiers](https://www.postgresql.org/docs/current/transaction-id.html)),
//! and so is one that asks for its own. Between two of ours that asked, the ids
//! that were given out are counted; those of this process's pages are known. If the
//! first saw no older transaction under way, and the counts agree, nobody else
//! changed anything in between: not in this table nor anywhere on the server.

use std::sync::atomic::Ordering;

use atrest_engine::target::TargetError;

use super::Shared;

/// The next transaction id less all of ours; `None` while an older transaction that
/// has changed something is under way, and on a server that has no such ids.
pub(super) async fn read(shared: &Shared) -> Result<Option<u64>, TargetError> {
    match ids(shared).await {
        Ok((id, oldest)) => {
            let ours = shared.ids.fetch_add(1, Ordering::Relaxed) + 1;
            let id = u64::try_from(id).ok().filter(|_| oldest > id);
            Ok(id.map(|id| id.wrapping_sub(ours)))
        }
        // What speaks PostgreSQL's protocol and is something else.
        Err(sqlx::Error::Database(_)) => Ok(None),
        Err(e) => Err(shared.error("asking whether others write", e)),
    }
}

/// A transaction's own id, and the oldest one under way after it.
async fn ids(shared: &Shared) -> sqlx::Result<(i64, i64)> {
    let mut connection = shared.pool.acquire().await?;
    let id = sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
        .fetch_one(&mut *connection)
        .await?;
    // A snapshot ends with the newest id that ended: this one's, or a later one.
    let oldest = sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        .fetch_one(&mut *connection)
        .await?;
    Ok((id, oldest))
}
