//! What the account may do: tried before a run, not found out in it.

use atrest_engine::target::TargetError;

use super::catalog::{ColumnInfo, TableInfo, ask};
use super::{Shared, journal};
use crate::quote::{Dialect, Sql};

/// Tries what a run needs, with statements that change nothing.
pub(super) async fn check(
    shared: &Shared,
    table: &TableInfo,
    column: &ColumnInfo,
) -> Result<(), TargetError> {
    let [user] = ask::<1>(shared, "SELECT CAST(CURRENT_USER() AS CHAR)", &[])
        .await?
        .pop()
        .unwrap_or_default();
    let (user, host) = match user.as_deref().and_then(|u| u.rsplit_once('@')) {
        Some((user, host)) => (user.to_owned(), host.to_owned()),
        None => (String::new(), "%".to_owned()),
    };
    let denied = |what: String, grant: Sql, error: sqlx::Error| {
        let grant = grant
            .add(" TO ")
            .literal(&user)
            .add("@")
            .literal(&host)
            .text();
        match shared.error(what, error) {
            TargetError::Permission { what, source, .. } => TargetError::Permission {
                what,
                next: format!("run as an administrator: {grant};"),
                source,
            },
            other => other,
        }
    };
    let grant = |rights: &'static str| Sql::new(Dialect::Mysql).add(rights);
    let sql = Sql::new(Dialect::Mysql)
        .add("UPDATE ")
        .table(&table.full)
        .add(" SET ")
        .ident(&column.name);
    let sql = sql.add(" = ").ident(&column.name).add(" WHERE FALSE");
    sqlx::query(sql.build())
        .execute(&shared.pool)
        .await
        .map_err(|e| {
            denied(
                format!("SELECT and UPDATE on {}", table.shown),
                grant("GRANT SELECT, UPDATE ON ").table(&table.full),
                e,
            )
        })?;
    if journal::is_there(shared).await? {
        for statement in [
            "INSERT INTO atrest_journal (name, body, mac) SELECT name, body, mac FROM atrest_journal WHERE FALSE",
            "UPDATE atrest_journal SET mac = mac WHERE FALSE",
            "DELETE FROM atrest_journal WHERE FALSE",
        ] {
            sqlx::query(statement)
                .execute(&shared.pool)
                .await
                .map_err(|e| {
                    let rights =
                        grant("GRANT SELECT, INSERT, UPDATE, DELETE ON ").ident(&shared.database);
                    denied(
                        "writing the table atrest_journal".to_owned(),
                        rights.add(".atrest_journal"),
                        e,
                    )
                })?;
        }
        return Ok(());
    }
    // The right is looked at before the statement, which names a column twice
    // and so makes no table.
    let tried = sqlx::raw_sql("CREATE TABLE atrest_journal (x INT, x INT)")
        .execute(&shared.pool)
        .await;
    match tried {
        Err(e) if is_duplicate_column(&e) => Ok(()),
        Ok(_) => Ok(()),
        Err(e) => {
            let rights = grant("GRANT CREATE, SELECT, INSERT, UPDATE, DELETE, DROP ON ")
                .ident(&shared.database);
            Err(denied(
                "making the table atrest_journal".to_owned(),
                rights.add(".atrest_journal"),
                e,
            ))
        }
    }
}

fn is_duplicate_column(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|e| e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
        .is_some_and(|e| e.number() == 1060)
}
