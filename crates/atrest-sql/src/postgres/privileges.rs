//! What the account may do: tried before a run, not found out in it.

use atrest_engine::target::TargetError;

use super::catalog::{ColumnInfo, TableInfo};
use super::{Shared, journal};
use crate::error::DriverError;
use crate::quote::{Dialect, Sql};

/// Tries what a run needs, in a transaction that is rolled back.
pub(super) async fn check(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
) -> Result<(), TargetError> {
    let user: String = sqlx::query_scalar("SELECT quote_ident(current_user)")
        .fetch_one(&shared.pool)
        .await
        .map_err(|e| shared.error("asking who we are", e))?;
    let denied = |what: String, grant: Sql, error: sqlx::Error| {
        let next = format!("run as its owner: {} TO {user};", grant.text());
        match shared.error(what, error) {
            TargetError::Permission { what, source, .. } => {
                TargetError::Permission { what, next, source }
            }
            other => other,
        }
    };
    let fail = |e| shared.error("trying the privileges", e);
    let mut tx = shared.pool.begin().await.map_err(fail)?;
    let read_only: String = sqlx::query_scalar("SHOW transaction_read_only")
        .fetch_one(&mut *tx)
        .await
        .map_err(fail)?;
    if read_only == "on" {
        return Err(TargetError::Permission {
            what: format!("writing to {}", shared.place.location),
            next: "connect to the primary server, or allow this account read-write transactions"
                .to_owned(),
            source: DriverError::new("the session is read-only"),
        });
    }
    let mut try_sql = Sql::new(Dialect::Postgres)
        .add("UPDATE ")
        .table(&table.full)
        .add(" SET ")
        .ident(&column.name);
    try_sql = try_sql
        .add(" = ")
        .ident(&column.name)
        .add(" WHERE false AND ROW(");
    let names: Vec<String> = table.key.iter().map(|k| k.name.clone()).collect();
    try_sql = try_sql.columns("", &names).add(") IS NULL");
    let grant = Sql::new(Dialect::Postgres)
        .add("GRANT SELECT, UPDATE ON ")
        .table(&table.full);
    sqlx::query(try_sql.build())
        .execute(&mut *tx)
        .await
        .map_err(|e| denied(format!("SELECT and UPDATE on {}", table.shown), grant, e))?;
    tx.rollback().await.map_err(fail)?;

    let there = journal::is_there(shared).await?;
    let mut tx = shared.pool.begin().await.map_err(fail)?;
    if there {
        let grant = Sql::new(Dialect::Postgres)
            .add("GRANT SELECT, INSERT, UPDATE, DELETE ON atrest_journal");
        for statement in [
            "INSERT INTO atrest_journal (name, body, mac) SELECT '', '', '' WHERE false",
            "UPDATE atrest_journal SET mac = mac WHERE false",
            "DELETE FROM atrest_journal WHERE false",
        ] {
            sqlx::query(statement)
                .execute(&mut *tx)
                .await
                .map_err(|e| {
                    denied(
                        "writing the table atrest_journal".to_owned(),
                        grant.clone(),
                        e,
                    )
                })?;
        }
    } else {
        let schema: Option<String> = sqlx::query_scalar("SELECT current_schema()::text")
            .fetch_one(&mut *tx)
            .await
            .map_err(fail)?;
        let schema = schema.unwrap_or_else(|| "public".to_owned());
        let grant = Sql::new(Dialect::Postgres)
            .add("GRANT CREATE ON SCHEMA ")
            .ident(&schema);
        sqlx::query("CREATE TABLE atrest_journal_check (x integer)")
            .execute(&mut *tx)
            .await
            .map_err(|e| denied("making the table atrest_journal".to_owned(), grant, e))?;
    }
    tx.rollback().await.map_err(fail)?;
    Ok(())
}
