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
/// has changed something is under way.
pub(super) async fn read(shared: &Shared) -> Result<Option<u64>, TargetError> {
    let fail = |e| shared.error("asking whether others write", e);
    let mut connection = shared.pool.acquire().await.map_err(fail)?;
    let id: i64 = sqlx::query_scalar("SELECT pg_current_xact_id()::text::bigint")
        .fetch_one(&mut *connection)
        .await
        .map_err(fail)?;
    let ours = shared.ids.fetch_add(1, Ordering::Relaxed) + 1;
    // A snapshot ends with the newest id that ended: this one's, or a later one.
    let oldest: i64 =
        sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            .fetch_one(&mut *connection)
            .await
            .map_err(fail)?;
    let quiet = oldest > id;
    Ok(u64::try_from(id)
        .ok()
        .filter(|_| quiet)
        .map(|id| id.wrapping_sub(ours)))
}
